"""Where trust and long-term orientation keep collaboration going, and where learning stakes matter.

The boundary is read along orientation, at each level of trust: so it exists wherever full orientation is enough.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis import drawing
from analysis.figures import BAND, GREY, HALO, SMALL
from analysis.studies import Study
from analysis.summaries import AnalysisError, Crossing, crossing, ends, factors, flat, with_error

FACTORS = ("start", "stakes", "orientation", "trust")
#: What half is asked of: alliances that survive, pairs in integration.
CRITERIA = {"survival": "half of the alliances to survive", "integration": "half of all pairs to collaborate"}
COLUMNS, ROWS = 5, 6


class Cube(NamedTuple):
    """Ends of all points as arrays.

    levels : of each factor.  values, errors : criterion -> (start, stakes, orientation, trust).
    """

    levels: dict[str, np.ndarray]
    values: dict[str, np.ndarray]
    errors: dict[str, np.ndarray]


def study(ds: xr.Dataset, store: Path) -> Study:
    """Boundary of self-sustaining collaboration over trust, orientation and stakes, for each start.

    Parameters
    ----------
    ds : a factorial design of start, stakes (2 levels or more), orientation and trust (3 or more), with survival and
        regime_share.  store : not read.

    Raises
    ------
    AnalysisError : another design.  MissingVariable : survival or regime_share is not in the dataset.
    """
    cube = _cube(ds)
    rows = boundaries(cube)
    turns = {str(s): turning(cube, k) for k, s in enumerate(cube.levels["start"])}
    periods = int(flat(ds)["period"].values.max())
    return Study(_text(cube, rows, turns, periods), rows, _figure(flat(ds), cube, rows, turns))


def _cube(ds: xr.Dataset) -> Cube:
    ds = flat(ds)
    found = factors(ds) if ds.sizes["point"] else {}
    if {o for o, v in found.items() if len(v) > 1} - set(FACTORS) or set(FACTORS) - set(found):
        raise AnalysisError(f"needs the factors {', '.join(FACTORS)} and no other, at some finished points")
    levels = {o: found[o] for o in FACTORS}
    if any(levels[o].dtype.kind not in "iuf" for o in FACTORS[1:]) or len(levels["stakes"]) < 2:
        raise AnalysisError("stakes (2 levels or more), orientation and trust must be numbers")
    shape = tuple(len(v) for v in levels.values())
    if min(shape[2:]) < 3 or ds.sizes["point"] != np.prod(shape):
        raise AnalysisError("needs every combination of the factors' levels, and 3 levels or more of orientation and trust")
    end = ends(ds, ["survival", "regime_share"])
    at = tuple(np.array([levels[o].tolist().index(v) for v in ds[o].values.tolist()]) for o in FACTORS)
    values: dict[str, np.ndarray] = {}
    errors: dict[str, np.ndarray] = {}
    for name, array in (("survival", "survival"), ("integration", "regime_share")):
        for source, target in ((end[array], values), (end[f"{array}_se"], errors)):
            own = source.sel(regime="integration") if name == "integration" else source
            target[name] = np.full(shape, np.nan)
            target[name][at] = own.values
    return Cube(levels, values, errors)


def boundaries(cube: Cube) -> list[dict[str, object]]:
    """Orientation needed for one half, a row for each start, criterion, stakes and trust; errors as in `crossing`."""
    levels, rows = cube.levels, []
    for a, start in enumerate(levels["start"].tolist()):
        for name in CRITERIA:
            for b, stakes in enumerate(levels["stakes"].tolist()):
                for d, trust in enumerate(levels["trust"].tolist()):
                    at = (a, b, slice(None), d)
                    found = crossing(levels["orientation"], cube.values[name][at], cube.errors[name][at])
                    rows.append({"start": start, "half": name, "stakes": stakes, "trust": trust,
                                 "orientation_needed": found.estimate, "orientation_needed_se": found.error,
                                 "reason": found.reason})  # fmt: skip
    return rows


def difference(cube: Cube, start: int) -> tuple[np.ndarray, np.ndarray]:
    """Survival with the highest less that with the lowest stakes, (orientation, trust), and its error.

    The error adds both as if independent: too large where points share random numbers to the same effect.
    """
    values, errors = cube.values["survival"][start], cube.errors["survival"][start]
    return values[-1] - values[0], np.hypot(errors[-1], errors[0])


def turning(cube: Cube, start: int) -> list[Crossing]:
    """Trust above which higher stakes raise survival, for each orientation; only where they clearly lower it below."""
    gain, error = difference(cube, start)
    trust, found = cube.levels["trust"], []
    for y, e in zip(gain, error, strict=True):
        clear = bool((y < -3.0 * e).any() and (y > 3.0 * e).any())
        found.append(crossing(trust, y, e, 0.0) if clear else Crossing(np.nan, np.nan, "not clear", 0))
    return found


def _some(levels: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of the levels, evenly spread, both ends among them."""
    return np.unique(np.rint(np.linspace(0, len(levels) - 1, min(most, len(levels)))).astype(int))


def _text(cube: Cube, rows: list[dict[str, object]], turns: dict[str, list[Crossing]], periods: int) -> str:
    levels = cube.levels
    trust = levels["trust"][_some(levels["trust"], COLUMNS)]
    needed = {(r["start"], r["half"], r["stakes"], r["trust"]): r for r in rows}
    lines = [f"long-term orientation needed after {periods} periods, by trust at the start (standard error)",
             f"{'start':14s}{'stakes':>7s}  " + "".join(f"{f'trust {t:g}':15s}" for t in trust).rstrip()]  # fmt: skip
    some, middle = levels["stakes"][_some(levels["stakes"], 3)].tolist(), levels["stakes"][len(levels["stakes"]) // 2]
    for half, at in (("survival", some), ("integration", [middle])):
        lines.append(f"for {CRITERIA[half]}:")
        for start in levels["start"].tolist():
            for stakes in at:
                cells = []
                for t in trust:
                    row: Any = needed[start, half, stakes, t]
                    text = with_error(row["orientation_needed"], row["orientation_needed_se"], 3)
                    cells.append(text or {"below": "never", "above": "always"}.get(row["reason"], row["reason"]))
                lines.append(f"{start:14s}{stakes:7g}  " + "".join(f"{c:15s}" for c in cells).rstrip())
    low, high = levels["stakes"][[0, -1]]
    lines.append(f"survival with stakes {high:g} less that with stakes {low:g}, at the worst and best (orientation, trust):")
    for k, start in enumerate(levels["start"].tolist()):
        gain, error = difference(cube, k)
        if np.isnan(gain).all():
            continue
        parts = []
        for at in (np.unravel_index(np.nanargmin(gain), gain.shape), np.unravel_index(np.nanargmax(gain), gain.shape)):
            where = f"({levels['orientation'][at[0]]:g}, {levels['trust'][at[1]]:g})"
            parts.append(f"{gain[at]:+.3f} ({error[at]:.3f}) at {where}")
        lines.append(f"  {start}: {' to '.join(parts)}")
    for start, found in turns.items():
        clear = [k for k, c in enumerate(found) if c.reason == "rises"]
        if clear:
            lines.append(f"from {start}, higher stakes endanger alliances below this trust and protect them above it:")
            shown = [clear[k] for k in _some(np.array(clear), ROWS)]
            values = [with_error(found[k].estimate, found[k].error, 3) for k in shown]
            each = [f"{v} at orientation {levels['orientation'][k]:g}" for v, k in zip(values, shown, strict=True)]
            lines += [f"  {'; '.join(each[k : k + 3])}" for k in range(0, len(each), 3)]
    return "\n".join(lines)


def _figure(ds: xr.Dataset, cube: Cube, rows: list[dict[str, object]], turns: dict[str, list[Crossing]]) -> Figure:
    levels, starts = cube.levels, cube.levels["start"].tolist()
    figure = drawing.canvas(3.7 * (len(starts) + 1) + 0.4, 4.9)
    grid = figure.add_gridspec(1, len(starts) + 1)
    middle = len(levels["stakes"]) // 2
    left: Any = None
    for k, start in enumerate(starts):
        axes = figure.add_subplot(grid[0, k], sharey=left)
        left = left or axes
        shade = axes.contourf(levels["trust"], levels["orientation"], cube.values["survival"][k, middle],
                              levels=np.linspace(0, 1, 11), cmap="Greys_r", vmin=-1.2, vmax=1.05)  # fmt: skip
        _lines(axes, cube, [r for r in rows if r["start"] == start])
        _orientation(axes, "long-term orientation" * (k == 0), f"survival, from {start}")
        if k == 0:
            axes.plot([0, 1], [1, 0], color="0.15", linewidth=1.0, linestyle=(0, (1, 2)))
            axes.text(0.26, 0.72, "trust + orientation = 1", rotation=-45, rotation_mode="anchor", ha="center", va="top",
                      fontsize=SMALL - 1, color="0.15")  # fmt: skip
            title = "above: half survive\nlearning stakes"
            axes.legend(loc="lower left", fontsize=SMALL, title=title, framealpha=0.9, title_fontsize=SMALL)
    bar = figure.colorbar(shade, ax=figure.axes, location="bottom", fraction=0.05, shrink=0.5, aspect=40)
    bar.set_label(f"share of alliances that survive (stakes {levels['stakes'][middle]:g})", fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)
    _gain(figure.add_subplot(grid[0, -1], sharey=left), cube, len(starts) - 1, turns)
    said = (
        f"{drawing.sample(ds)}; two partners; trust, stakes and prior interaction move from their start values, orientation "
        f"stays. Bands: ±{BAND} Monte Carlo standard errors of a boundary. Dotted: trust and orientation count the same, as "
        "they do in Proposition 9 at any one moment."
    )
    drawing.caption(figure, said)
    return figure


def _orientation(axes: Any, y: str, title: str) -> None:
    drawing.plain(axes, "interorganizational trust at start", y, title)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.tick_params(labelleft=bool(y))


def _lines(axes: Any, cube: Cube, rows: list[dict[str, object]]) -> None:
    """Boundaries of survival, one for each stakes, light to dark."""
    stakes = cube.levels["stakes"]
    shades = matplotlib.colormaps["plasma"](np.linspace(0.65, 0.0, len(stakes)))
    for k, level in enumerate(stakes.tolist()):
        own = [r for r in rows if r["half"] == "survival" and r["stakes"] == level]
        x, y, e = (np.array([r[c] for r in own], float) for c in ("trust", "orientation_needed", "orientation_needed_se"))
        dash = ("-", (0, (5, 2)), (0, (1.2, 1.2)))[k % 3]
        drawing.band(axes, x, y, e, color=shades[k], label=f"{level:g}", linestyle=dash)


def _gain(axes: Any, cube: Cube, start: int, turns: dict[str, list[Crossing]]) -> None:
    """What higher stakes do to survival: contours, dashed where they lower it."""
    levels, (gain, _) = cube.levels, difference(cube, start)
    name = str(levels["start"][start])
    top = max(0.05, float(np.ceil(np.nanmax(np.abs(gain)) * 20) / 20)) if np.isfinite(gain).any() else 0.05
    ladder = np.arange(0.05, top + 0.01, 0.05)
    steps = np.concatenate([-ladder[::-1], [-0.02, 0.02], ladder])
    axes.contourf(levels["trust"], levels["orientation"], gain, levels=steps, cmap="PuOr", vmin=-top * 1.3, vmax=top * 1.3)
    axes.text(0.5, 0.03, "blank: less than .02 either way", fontsize=SMALL - 1, ha="center", color=GREY)
    drawn = axes.contour(levels["trust"], levels["orientation"], gain, levels=steps[np.abs(steps) > 0.03], colors="black",
                         linewidths=0.8)  # fmt: skip
    axes.clabel(drawn, fmt=lambda v: f"{v:+.2f}", fontsize=SMALL - 1)
    found = turns[name]
    kept = np.array([c.reason == "rises" for c in found])
    if kept.any():
        x, e = (np.array([getattr(c, field) for c in found])[kept] for field in ("estimate", "error"))
        y = levels["orientation"][kept]
        axes.plot(x, y, color="black", linewidth=1.8)
        axes.fill_betweenx(y, x - BAND * e, x + BAND * e, color="black", alpha=0.25, linewidth=0)
        axes.text(0.04, 0.30, "higher stakes\nendanger", fontsize=SMALL, path_effects=HALO)
        axes.text(0.96, 0.30, "higher stakes\nprotect", fontsize=SMALL, ha="right", path_effects=HALO)
    low, high = levels["stakes"][[0, -1]]
    _orientation(axes, "", f"stakes {high:g} less stakes {low:g}, from {name}")
