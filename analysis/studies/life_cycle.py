"""How far alliances come through the phases of their evolution, where they are lost, and what they learn there.

Shares by period come from the dataset. Which phase an alliance was lost in, and what it learned in each, is in no mean:
it is read from the histories of the first alliances of each point, simulated again from the store.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis import drawing
from analysis.figures import BAND, DASHES, GREY, HALO, MARKERS, SMALL
from analysis.lives import Lives, lives, ratio
from analysis.studies import Study
from analysis.summaries import AnalysisError, MissingVariable, factors, flat, with_error
from sim.variables import DIMENSIONS, PHASES

FACTORS = ("table", "goodwill")
TABLES = ("graded", "flat")
#: The goodwill of the default population.
DEFAULT = 0.5
#: Histories read at each point: a tenth of the alliances, but at least so many, if there are.
FEWEST = 3000
NEEDED = ("survival", "phase_share", "dimension_learning")
GREYS = ("0.88", "0.70", "0.48", "0.20")


def study(ds: xr.Dataset, store: Path) -> Study:
    """Reach, losses and learning by phase, for each table of phases and each goodwill.

    Parameters
    ----------
    ds : a factorial design of table (graded, and perhaps flat) and goodwill, with phases and the variables of `NEEDED`.
    store : where histories are read from.

    Raises
    ------
    AnalysisError : another design.  MissingVariable : one of the variables is not in the dataset.
    """
    ds = flat(ds)
    found = factors(ds) if ds.sizes["point"] else {}
    if {o for o, v in found.items() if len(v) > 1} - set(FACTORS) or set(FACTORS) - set(found):
        raise AnalysisError(f"needs the factors {' and '.join(FACTORS)} and no other, at some finished points")
    if "graded" not in found["table"] or set(found["table"].tolist()) - set(TABLES):
        raise AnalysisError("needs the table graded, and beside it flat at most")
    missing = [name for name in NEEDED if name not in ds]
    if missing:
        raise MissingVariable(*missing)
    rows: list[dict[str, object]] = []
    number = 0
    for k in range(ds.sizes["point"]):
        levels = {o: ds[o].values[k].item() for o in FACTORS}
        number = min(int(ds["alliances"].values[k]), max(FEWEST, int(ds["alliances"].values[k]) // 10))
        lived = lives(store, levels, number)
        rows += [levels | _row(lived, p) for p in range(len(PHASES))]
    goodwill = min(found["goodwill"].tolist(), key=lambda g: abs(g - DEFAULT))
    return Study(_text(ds, rows, goodwill, number), rows, _figure(ds, rows, goodwill, number))


def _row(life: Lives, p: int) -> dict[str, object]:
    """Numbers of one phase of one point."""
    every, row = np.ones(len(life.reached)), dict[str, object](phase=PHASES[p])
    pairs = {"reached": (life.reached, every), "lost": (life.lost, every), "lost_of_reached": (life.lost, life.reached),
             "reviewed_of_lost": (life.reviewed, life.lost), "lost_per_period": (life.lost, life.periods),
             "periods": (life.periods, life.reached), "learning_per_period": (life.learning, life.periods),
             "mutual_share": (life.mutual, life.learning)}  # fmt: skip
    for name, (above, below) in pairs.items():
        row[name], row[f"{name}_se"] = ratio(above[:, p], below if below.ndim == 1 else below[:, p])
    return row


def _at(rows: list[dict[str, object]], table: str, goodwill: float) -> list[dict[str, Any]]:
    return [r for r in rows if r["table"] == table and r["goodwill"] == goodwill]


def _composition(one: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """(share of learning by dimension (periods, dimensions), mutual share (periods)), in the sums over alliances."""
    learned = one["dimension_learning"].transpose("period", "kind", "dimension").values[1:]
    total = learned.sum((1, 2), keepdims=True)
    with np.errstate(invalid="ignore"):
        parts = np.where(total > 0, learned / total, np.nan)
    return parts.sum(1), parts[:, 1].sum(1)


def _one(ds: xr.Dataset, table: str, goodwill: float) -> xr.Dataset:
    at = (ds["table"].values == table) & (ds["goodwill"].values == goodwill)
    return ds.isel(point=int(np.flatnonzero(at)[0]))


def _text(ds: xr.Dataset, rows: list[dict[str, object]], goodwill: float, number: int) -> str:
    columns = {"reach it": "reached", "of these lost": "lost_of_reached", "lost per period": "lost_per_period",
               "mutual share": "mutual_share"}  # fmt: skip
    lines = [f"goodwill {goodwill:g}, {number:,} histories (standard error); flat: openness and mutuality 1 in all phases",
             f"{'phase':13s}" + "".join(f"{c:17s}" for c in columns) + "with a flat table"]  # fmt: skip
    flat_rows = _at(rows, "flat", goodwill)
    for p, r in enumerate(_at(rows, "graded", goodwill)):
        cells = [with_error(r[c], r[f"{c}_se"], 4).ljust(17) for c in columns.values()]
        other = with_error(flat_rows[p]["mutual_share"], flat_rows[p]["mutual_share_se"], 4) if flat_rows else ""
        lines.append((f"{PHASES[p]:13s}" + "".join(cells) + other).rstrip())
    lines += ["share of all alliances lost in each phase, and that reach commitment",
              f"{'goodwill':10s}" + "".join(f"{p:17s}" for p in PHASES) + "reach commitment"]  # fmt: skip
    for g in np.unique(ds["goodwill"].values).tolist():
        own = _at(rows, "graded", g)
        cells = [with_error(r["lost"], r["lost_se"], 4).ljust(17) for r in own]
        lines.append(f"{g:<10g}" + "".join(cells) + with_error(own[-1]["reached"], own[-1]["reached_se"], 4))
    one = _one(ds, "graded", goodwill)
    parts, mutual = _composition(one)
    lines += [f"what is learned, goodwill {goodwill:g}: share of learning",
              f"{'period':10s}" + "".join(f"{d:14s}" for d in DIMENSIONS) + "mutual"]  # fmt: skip
    for t in sorted({1, len(mutual) // 4, len(mutual) // 2, len(mutual)}):
        lines.append(f"{t:<10d}" + "".join(f"{v:<14.3f}" for v in parts[t - 1]) + f"{mutual[t - 1]:.3f}")
    return "\n".join(lines)


def _figure(ds: xr.Dataset, rows: list[dict[str, object]], goodwill: float, number: int) -> Figure:
    figure = drawing.canvas(11.0, 7.6)
    grid = figure.add_gridspec(2, 2)
    one, own = _one(ds, "graded", goodwill), _at(rows, "graded", goodwill)
    _where(figure.add_subplot(grid[0, 0]), one)
    _funnel(figure.add_subplot(grid[0, 1]), rows, own, goodwill)
    _mutual(figure.add_subplot(grid[1, 0]), ds, rows, goodwill)
    _dimensions(figure.add_subplot(grid[1, 1]), one)
    said = (
        f"{drawing.sample(ds)}; the default population (two partners, all first strategies but avoidance, trust and "
        f"orientation {goodwill:g}) but for the points of panel b. Panels b and c: histories of {number:,} alliances of "
        f"each point, bars ±{BAND} Monte Carlo standard errors."
    )
    drawing.caption(figure, said)
    return figure


def _where(axes: Any, one: xr.Dataset) -> None:
    """Alliances by phase over the periods, the dissolved left out."""
    alive = one["survival"].values
    shares = np.nan_to_num(one["phase_share"].transpose("period", "phase").values) * alive[:, None]
    x, floor = one["period"].values, np.zeros(len(alive))
    for p in range(len(PHASES))[::-1]:
        axes.fill_between(x, floor, floor + shares[:, p], color=GREYS[p], linewidth=0.6, edgecolor="white", label=PHASES[p])
        floor = floor + shares[:, p]
    axes.plot(x, alive, color="black", linewidth=1.5)
    axes.annotate("dissolved", (0.5, 0.7), xycoords="axes fraction", ha="center", fontsize=SMALL + 1, color=GREY)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], frameon=False, fontsize=SMALL, loc="upper right")
    axes.set_xlim(0, x[-1])
    axes.set_ylim(0, 1)
    drawing.plain(axes, "period", "share of alliances", "a  where the alliances are")


def _funnel(axes: Any, rows: list[dict[str, object]], own: list[dict[str, Any]], goodwill: float) -> None:
    """Reach of each phase and what becomes of those who do; dots: reach with other goodwill."""
    at = np.arange(len(PHASES))
    reached, lost, by_review = (np.array([r[c] for r in own], float) for c in ("reached", "lost", "reviewed_of_lost"))
    reviewed = np.nan_to_num(by_review) * lost
    on = np.append(reached[1:], 0.0)
    floor = np.zeros(len(at))
    parts = (
        (on, "0.25", "", "go on to the next phase"),
        (reached - on - lost, "0.55", "", "in it at the end"),
        (lost - reviewed, "white", "", "lost: all avoid"),
        (reviewed, "white", "////", "lost: at a review"),
    )
    for part, color, hatch, label in parts:
        axes.bar(at, part, 0.55, floor, color=color, hatch=hatch, edgecolor="black", linewidth=0.7, label=label)
        floor = floor + part
    error = np.array([r["reached_se"] for r in own], float)
    axes.errorbar(at, reached, BAND * error, fmt="none", color="black", capsize=3)
    others = sorted({float(str(r["goodwill"])) for r in rows} - {goodwill})
    for k, g in enumerate(others):
        other = _at(rows, "graded", g)
        y, e = (np.array([r[c] for r in other], float)[1:] for c in ("reached", "reached_se"))
        style: dict[str, Any] = {"fmt": MARKERS[k % len(MARKERS)], "color": "tab:blue", "markersize": 4, "elinewidth": 1}
        axes.errorbar(at[1:] + 0.34 + 0.03 * (k % 2), y, BAND * e, **style)
        axes.annotate(f"{g:g}", (at[-1] + 0.42, y[-1]), fontsize=SMALL, color="tab:blue", va="center")
    if others:
        axes.annotate("points: reach with goodwill", (at[-1] + 0.62, 0.56), fontsize=SMALL, color="tab:blue", ha="right")
    axes.set_xticks(at, PHASES)
    axes.set_xlim(-0.5, len(at) - 0.3)
    axes.set_ylim(0, 1.05)
    axes.legend(frameon=False, fontsize=SMALL, loc="upper right")
    drawing.plain(axes, "", "share of alliances", "b  who reaches a phase, and what becomes of them")


def _mutual(axes: Any, ds: xr.Dataset, rows: list[dict[str, object]], goodwill: float) -> None:
    """Mutual share of learning by phase, with the table as it is and with a flat one, and what it is where both learn."""
    at = np.arange(len(PHASES))
    config = json.loads(ds.attrs["config"])
    creation, table = config["ability"]["creation"], config["phases"]["table"]
    for k, (name, label) in enumerate((("graded", "phases as they are"), ("flat", "openness and mutuality 1 throughout"))):
        own = _at(rows, name, goodwill)
        if not own:
            continue
        y, e = (np.array([r[c] for r in own], float) for c in ("mutual_share", "mutual_share_se"))
        color = ("black", "tab:orange")[k]
        axes.errorbar(at, y, BAND * e, marker=MARKERS[k], color=color, linestyle=DASHES[k], capsize=3, label=label, zorder=3)
        most = [2 * creation * (table[p]["mutuality"] if k == 0 else 1.0) for p in PHASES]
        best = np.array([m / (1 + m) for m in most])
        axes.plot(at, best, "_", color=color, markersize=26, markeredgewidth=1.2)
    axes.plot([], [], "_", color="black", markersize=14, label="where both partners learn")
    axes.axhline(0.5, color=GREY, linewidth=0.7, linestyle=(0, (1, 2)), zorder=0)
    axes.set_xticks(at, PHASES)
    axes.set_xlim(-0.4, len(at) - 0.6)
    axes.set_ylim(-0.02, 0.72)
    axes.legend(frameon=False, fontsize=SMALL, loc="lower right")
    drawing.plain(axes, "", "share of learning that is mutual", "c  from unilateral to mutual learning")


def _dimensions(axes: Any, one: xr.Dataset) -> None:
    """What is learned over the periods, by dimension."""
    parts, _ = _composition(one)
    x, floor = one["period"].values[1:], np.zeros(len(parts))
    shades = ("0.92", "0.76", "0.60", "0.42", "0.22")
    for d, name in enumerate(DIMENSIONS):
        axes.fill_between(x, floor, floor + parts[:, d], color=shades[d], linewidth=0.6, edgecolor="white")
        at = len(x) * 2 // 3
        place: dict[str, Any] = {"ha": "center", "va": "center", "path_effects": HALO}
        axes.text(x[at], floor[at] + parts[at, d] / 2, name, fontsize=SMALL, **place)
        floor = floor + parts[:, d]
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(0, 1)
    drawing.plain(axes, "period", "share of what is learned", "d  what the surviving learn about")
