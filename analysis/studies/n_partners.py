"""How the learning dilemma changes with the number of partners, under four ways in which partners meet.

The yardstick is learning, not survival: an alliance of partner-specific pairs lives as long as any of its pairs does, so
that its survival grows with the number of pairs whatever these do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis import drawing
from analysis.figures import BAND, DASHES, GREY, MARKERS, SMALL
from analysis.studies import Study
from analysis.summaries import AnalysisError, crossing, ends, factors, flat, with_error

FACTORS = ("trust", "coupling", "partners")
WORDS = {"sampled": "one other, at random", "weakest": "the worst counterpart", "majority": "the majority of the others",
         "partner_specific": "each other, separately"}  # fmt: skip
SHADES = dict(zip(WORDS, ("0.45", "black", "tab:blue", "tab:orange"), strict=True))
NAMES = ("learning", "survival")


class Cube(NamedTuple):
    """Ends of all points as arrays (trust, coupling, partners). learning : as a share of the largest possible."""

    levels: dict[str, np.ndarray]
    learning: np.ndarray
    learning_se: np.ndarray
    survival: np.ndarray
    survival_se: np.ndarray


def study(ds: xr.Dataset, store: Path) -> Study:
    """Learning and the trust it needs over the number of partners, for each coupling.

    Parameters
    ----------
    ds : a factorial design of trust (3 levels or more), coupling (sampled and another) and partners (2 and others), with
        survival and learning.  store : not read.

    Raises
    ------
    AnalysisError : another design.  MissingVariable : survival or learning is not in the dataset.
    """
    cube = _cube(ds)
    rows = [row for c in cube.levels["coupling"] for n in cube.levels["partners"] for row in [_row(cube, str(c), int(n))]]
    trust = cube.levels["trust"][len(cube.levels["trust"]) // 2]
    periods = int(flat(ds)["period"].values.max())
    return Study(_text(cube, rows, float(trust), periods), rows, _figure(flat(ds), cube, rows, float(trust)))


def _cube(ds: xr.Dataset) -> Cube:
    ds = flat(ds)
    found = factors(ds) if ds.sizes["point"] else {}
    if {o for o, v in found.items() if len(v) > 1} - set(FACTORS) or set(FACTORS) - set(found):
        raise AnalysisError(f"needs the factors {', '.join(FACTORS)} and no other, at some finished points")
    levels = {o: found[o] for o in FACTORS}
    shape = tuple(len(v) for v in levels.values())
    if levels["trust"].dtype.kind not in "iuf" or shape[0] < 3 or ds.sizes["point"] != np.prod(shape):
        raise AnalysisError("needs 3 levels of trust or more, in every combination with coupling and partners")
    if "sampled" not in levels["coupling"] or set(levels["coupling"].tolist()) - set(WORDS) or 2 not in levels["partners"]:
        raise AnalysisError("needs the coupling sampled and 2 partners to compare with")
    config = json.loads(ds.attrs.get("config", "{}"))
    if config.get("phases", {}).get("kind") != "none":
        raise AnalysisError("needs alliances without phases, in which the largest possible learning does not change")
    most = 1.0 + 2.0 * config["ability"]["creation"]
    end = ends(ds, NAMES)
    at = tuple(np.array([levels[o].tolist().index(v) for v in ds[o].values.tolist()]) for o in FACTORS)
    arrays = {}
    for name in NAMES:
        for column in (name, f"{name}_se"):
            arrays[column] = np.full(shape, np.nan)
            arrays[column][at] = end[column].values / (most if name == "learning" else 1.0)
    return Cube(levels, **arrays)


def _row(cube: Cube, coupling: str, partners: int) -> dict[str, object]:
    """One coupling and size: trust needed for half, learning and survival at the middle level of trust."""
    trust = cube.levels["trust"]
    c, n = cube.levels["coupling"].tolist().index(coupling), cube.levels["partners"].tolist().index(partners)
    middle, row = len(trust) // 2, {"coupling": coupling, "partners": partners, "at_trust": float(trust[len(trust) // 2])}
    for name, y, e in (("learning", cube.learning, cube.learning_se), ("survival", cube.survival, cube.survival_se)):
        found = crossing(trust, y[:, c, n], e[:, c, n])
        row |= {name: float(y[middle, c, n]), f"{name}_se": float(e[middle, c, n]), f"trust_for_{name}": found.estimate,
                f"trust_for_{name}_se": found.error, f"{name}_reason": found.reason}  # fmt: skip
    return row


def undone(two: tuple[float, float], lost: tuple[float, float], kept: tuple[float, float]) -> tuple[float, float]:
    """Share of a loss that is undone, (kept - lost)/(two - lost), with its error; each argument is (value, error).

    The error is the delta method's for independent values: points that share random numbers differ by less.
    """
    loss, gain = two[0] - lost[0], kept[0] - lost[0]
    if not loss > 0.0:
        return np.nan, np.nan
    share = gain / loss
    error = np.sqrt(kept[1] ** 2 + (share * two[1]) ** 2 + ((share - 1.0) * lost[1]) ** 2) / loss
    return share, float(error)


def _text(cube: Cube, rows: list[dict[str, object]], trust: float, periods: int) -> str:
    couplings, sizes = cube.levels["coupling"].tolist(), cube.levels["partners"].tolist()
    at: dict[tuple[object, object], Any] = {(r["coupling"], r["partners"]): r for r in rows}
    head = f"{'partners':9s}" + "".join(f"{c:18s}" for c in couplings)
    title = f"learning in period {periods}, share of the largest possible, with trust {trust:g} at start (standard error)"
    lines = [title, head]
    for n in sizes:
        cells = [with_error(at[c, n]["learning"], at[c, n]["learning_se"], 4) for c in couplings]
        lines.append((f"{n:<9d}" + "".join(f"{c:18s}" for c in cells)).rstrip())
    lines += ["trust at which learning reaches half of the largest possible (standard error)"]
    for n in sizes:
        cells = []
        for c in couplings:
            row = at[c, n]
            text = with_error(row["trust_for_learning"], row["trust_for_learning_se"], 3)
            cells.append(text or {"below": "never", "above": "always"}.get(row["learning_reason"], row["learning_reason"]))
        lines.append((f"{n:<9d}" + "".join(f"{c:18s}" for c in cells)).rstrip())
    if "partner_specific" in couplings:
        pair = (at["sampled", 2]["learning"], at["sampled", 2]["learning_se"])
        parts = []
        for n in sizes:
            lost, kept = ((at[c, n]["learning"], at[c, n]["learning_se"]) for c in ("sampled", "partner_specific"))
            share, error = undone(pair, lost, kept)
            if n > 2 and np.isfinite(share) and pair[0] - lost[0] > 3.0 * np.hypot(pair[1], lost[1]):
                parts.append(f"{with_error(100 * share, 100 * error, 0)} % at {n}")
        if parts:
            lines.append(f"of the loss from sampled partners, partner-specific strategies undo {', '.join(parts[-3:])}")
    two = sizes.index(2)
    same = all((a[:, :, two] == a[:, :1, two]).all() for a in (cube.learning, cube.survival))
    said = "; so are all values, digit for digit" if same else ""
    lines.append(f"with two partners the couplings are the same model{said}")
    return "\n".join(lines)


def _figure(ds: xr.Dataset, cube: Cube, rows: list[dict[str, object]], trust: float) -> Figure:
    figure = drawing.canvas(11.4, 4.4)
    grid = figure.add_gridspec(1, 3)
    sizes, trusts = cube.levels["partners"], cube.levels["trust"]
    axes = [figure.add_subplot(grid[0, k]) for k in range(3)]
    couplings = [c for c in WORDS if c in cube.levels["coupling"]]
    never = False
    for k, coupling in enumerate(couplings):
        own = [r for r in rows if r["coupling"] == coupling]
        style: dict[str, Any] = {"color": SHADES[coupling], "marker": MARKERS[k], "linestyle": DASHES[k]}
        style |= {"markersize": 5, "linewidth": 1.6, "elinewidth": 1.2, "capsize": 2, "label": WORDS[coupling]}
        for panel, name in ((0, "learning"), (1, "trust_for_learning"), (2, "survival")):
            y, e = (np.array([r[c] for r in own], float) for c in (name, f"{name}_se"))
            axes[panel].errorbar(sizes, y, BAND * np.nan_to_num(e), **style)
        out = np.array([r["learning_reason"] == "below" for r in own])
        never = never or bool(out.any())
        aside = np.exp(0.05 * (k - 1.5))
        axes[1].plot(sizes[out] * aside, np.full(out.sum(), trusts[-1] + 0.06), linestyle="none", marker=MARKERS[k],
                     markersize=5, markerfacecolor="white", color=SHADES[coupling])  # fmt: skip
    if never:
        axes[1].axhline(trusts[-1], color=GREY, linewidth=0.7, linestyle=(0, (1, 2)), zorder=0)
        axes[1].text(2, trusts[-1] - 0.02, "open: no level is enough", fontsize=SMALL - 1, va="top", color=GREY)
    titles = (f"learning, trust {trust:g} at start", "trust needed for half of it", f"survival, trust {trust:g} at start")
    labels = (
        "learning in the last period\n(share of the largest possible)",
        "trust at start for half of\nthe largest possible learning",
        "share of alliances\nthat survive to the end",
    )
    for k, one in enumerate(axes):
        one.set_xscale("log")
        one.set_xticks(sizes, [str(n) for n in sizes])
        one.set_xticks([], minor=True)
        one.set_ylim(0, 1.12 if k == 1 else 1.02)
        drawing.plain(one, "number of partners", labels[k], titles[k])
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, title="a partner responds to", loc="outside upper center", ncols=len(names), frameon=False,
                  fontsize=SMALL + 0.5, title_fontsize=SMALL + 0.5)  # fmt: skip
    fixed = json.loads(ds.attrs["config"])["context"]["orientation"]["mean"]
    said = (
        f"{drawing.sample(ds)}; all begin in collaboration, long-term orientation {fixed:g}; bars: ±{BAND} Monte Carlo "
        "standard errors. With separate strategies an alliance lasts as long as any of its pairs."
    )
    drawing.caption(figure, said)
    return figure
