"""One alliance's story on a page: who did what when, which proposition decided it, and what came of it."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib import patheffects
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from sim.strategies import STRATEGIES

DPI, WIDTH, SMALL, GREY = 150, 11.0, 8.5, "0.35"
#: Bands of strategies, light to dark in the order of the codes, so that they read in greyscale; ends: left or dissolved.
COLOURS = ("#f0ead2", "#f2b872", "#8cb8d8", "#c2453f", "#1f4e79")
NOTHING = "white"
#: Rows of bands that get marks and labels; lines that get a legend.
MARKED_ROWS, LEGEND = 20, 9
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
FACTORS = {"trust": "interorganizational\ntrust", "stakes": "learning stakes", "prior": "prior related\ninteraction",
           "orientation": "long-term\norientation"}  # fmt: skip
#: Branch, or what else decided -> marker and what it means.
MARKS = {
    "empowered": ("^", "empowered"),
    "barrier": ("v", "barrier"),
    "other": ("x", "else: tremble, satiation, no stated reason"),
}
HALO = (patheffects.withStroke(linewidth=1.8, foreground="white"),)
#: Least distance between two labels in a row, as part of the width of a page.
APART = 0.021


def draw(ds: xr.Dataset) -> Figure:
    """The story of one alliance.

    Parameters
    ----------
    ds : of `sim.histories`, one alliance.

    Returns
    -------
    matplotlib.figure.Figure : on an Agg canvas. From the top: each partner's strategy as a coloured band (partner-specific
        behaviour: one for each ordered pair), with marks and labels of propositions where a strategy changed; phases,
        where there are any; learning to date; the four empowering factors, each partner's mean over its counterparts.
    """
    one = ds.isel(alliance=0)
    rows = _rows(one)
    band = min(max(0.42 * len(rows), 1.2), 6.5)
    phased = "phase" in one
    heights = [band, *([0.22] if phased else []), 1.5, 1.35, 1.35]
    figure = Figure(figsize=(WIDTH, sum(heights) + 2.6), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(heights), 2, height_ratios=heights)
    top = figure.add_subplot(grid[0, :])
    _bands(top, one, rows)
    if phased:
        _phases(figure.add_subplot(grid[1, :], sharex=top), one)
    learning = figure.add_subplot(grid[-3, :], sharex=top)
    learned = np.cumsum(np.nan_to_num(np.nansum(one.learning.values, axis=2)) / (one.attrs["partners"] - 1), axis=0)
    _lines(learning, one, learned, "learning to date\n(knowledge)")
    for k, (name, label) in enumerate(FACTORS.items()):
        axes = figure.add_subplot(grid[-2 + k // 2, k % 2], sharex=top)
        values = one[name].values
        _lines(axes, one, np.nanmean(values, axis=2) if values.ndim == 3 else values[:, None], label)
        axes.set_ylim(-0.03, 1.03)
        if k > 1:
            axes.set_xlabel("period", fontsize=9)
    _partners(learning, one.attrs["partners"])
    figure.suptitle(_title(one), x=0.01, ha="left", fontsize=12, fontweight="bold")
    figure.supxlabel(textwrap.fill(_caption(one), 165), x=0.01, ha="left", fontsize=SMALL, color=GREY)
    return figure


def _rows(one: xr.Dataset) -> list[tuple[int, ...]]:
    """What has a band of its own: partners, or ordered pairs."""
    n = one.attrs["partners"]
    if "counterpart" not in one.strategy.dims or n == 2:
        pairs = "counterpart" in one.strategy.dims
        return [(i, 1 - i) if pairs else (i,) for i in range(n)]
    return [(i, j) for i in range(n) for j in range(n) if j != i]


def _end(one: xr.Dataset) -> float:
    """Where the story ends, on the axis of periods."""
    return float(one.attrs["periods"] if np.isnan(one.dissolved_at) else one.dissolved_at)


def _span(one: xr.Dataset) -> float:
    """How far the axis of periods reaches: to the end of the run, or a little beyond that of the alliance."""
    return min(float(one.attrs["periods"]), 1.2 * _end(one) + 2)


def _bands(axes: Any, one: xr.Dataset, rows: list[tuple[int, ...]]) -> None:
    periods, n = one.attrs["periods"], one.attrs["partners"]
    codes = {name: k for k, name in enumerate(STRATEGIES)}
    picture = np.full((len(rows), periods), len(STRATEGIES))
    active = one.active.values
    for k, row in enumerate(rows):
        strategy = one.strategy.values[(slice(None), *row)]
        for t in range(periods):
            # What is recorded at t is played in t + 1, so the band of t reaches from t to t + 1.
            if active[t, row[0]] and (len(row) == 1 or active[t, row[1]]):
                picture[k, t] = codes[strategy[t]]
    axes.imshow(picture, cmap=ListedColormap([*COLOURS, NOTHING]), vmin=0, vmax=len(STRATEGIES), aspect="auto",
                interpolation="nearest", extent=(0, periods, len(rows) - 0.5, -0.5))  # fmt: skip
    for k in range(1, len(rows)):
        strong = len(rows) > n and rows[k][0] != rows[k - 1][0]
        axes.axhline(k - 0.5, color="white", linewidth=4 if strong else 1.5)
    names = [f"partner {r[0] + 1}" if len(rows) == n else f"{r[0] + 1} to {r[1] + 1}" for r in rows]
    step = 1 + len(rows) // 40
    axes.set_yticks(range(0, len(rows), step), names[::step], fontsize=SMALL)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=SMALL)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlim(0, _span(one))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    marks = _mark(axes, one, rows) if len(rows) <= MARKED_ROWS else set()
    _finish(axes, one, len(rows))
    present = sorted({int(c) for c in np.unique(picture)} - {len(STRATEGIES)})
    handles: list[Any] = [Patch(facecolor=COLOURS[c], edgecolor="0.7", label=STRATEGIES[c]) for c in present]
    style: dict[str, Any] = {"linestyle": "none", "color": "black", "markersize": 5}
    handles += [Line2D([], [], marker=MARKS[m][0], label=MARKS[m][1], **style) for m in MARKS if m in marks]
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1.0), ncol=max(1, len(handles)), frameon=False,
                fontsize=SMALL, handlelength=1.2, columnspacing=1.2, borderaxespad=0.2)  # fmt: skip


def _mark(axes: Any, one: xr.Dataset, rows: list[tuple[int, ...]]) -> set[str]:
    """Mark every change of strategy by what decided it; label it where there is room. Returns the marks in use."""
    used: set[str] = set()
    apart = APART * _span(one)
    for k, row in enumerate(rows):
        at: Any = (slice(None), *row)
        strategy, decision, branch, chosen = (one[v].values[at] for v in ("strategy", "decision", "branch", "chosen"))
        last = -np.inf
        for t in range(1, int(_end(one)) + 1):
            if chosen[t] in ("", strategy[t - 1]):
                continue
            stated = decision[t] != "none" and branch[t] in MARKS
            mark = str(branch[t]) if stated else "other"
            used.add(mark)
            axes.plot(t, k + 0.28, MARKS[mark][0], color="black", markersize=4.5, markeredgecolor="white" if mark != "other"
                      else "black", markeredgewidth=0.5 if mark != "other" else 1.2, clip_on=False, zorder=4)  # fmt: skip
            label = f"{decision[t]}" if stated else ""
            if label and t - last >= apart:
                # Left of the mark, on the band of what was given up; near the start there is no room for it.
                left = t >= apart
                axes.annotate(label, (t, k - 0.12), xytext=(-2.5 if left else 2.5, 0), textcoords="offset points",
                              ha="right" if left else "left", va="center", fontsize=7.5, path_effects=HALO,
                              zorder=5)  # fmt: skip
                last = t
    return used


def _finish(axes: Any, one: xr.Dataset, rows: int = 0) -> None:
    """A line where the alliance dissolved, and in the bands why."""
    if np.isnan(one.dissolved_at):
        return
    axes.axvline(_end(one), color="0.4", linewidth=1, linestyle=(0, (2, 2)), zorder=1)
    if rows:
        late = _end(one) > 0.85 * _span(one)
        axes.annotate(f"dissolved: {one.cause.item()}", (_end(one), rows / 2 - 0.5), xytext=(-6 if late else 6, 0),
                      textcoords="offset points", ha="right" if late else "left", va="center", fontsize=SMALL, color=GREY,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.9}, zorder=6)  # fmt: skip


def _phases(axes: Any, one: xr.Dataset) -> None:
    """A strip of phases, each named where it begins."""
    spans = _spans(one)
    names = list(dict.fromkeys(name for name, _, _ in spans))
    for name, start, stop in spans:
        axes.axvspan(start, stop, color=str(0.93 - 0.13 * names.index(name)), linewidth=0)
        if stop - start > 0.012 * len(name) * _span(one):
            axes.text((start + stop) / 2, 0.5, name, ha="center", va="center", fontsize=SMALL)
    axes.set_ylim(0, 1)
    axes.set_yticks([0.5], ["phase"], fontsize=SMALL)
    axes.tick_params(axis="both", length=0, labelbottom=False)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)


def _spans(one: xr.Dataset) -> list[tuple[str, int, int]]:
    """Each phase with the periods from which and up to which it held."""
    phase, end = one.phase.values.tolist(), int(_end(one))
    starts = [t for t in range(end) if t == 0 or phase[t] != phase[t - 1]] or [0]
    return [(phase[start], start, stop) for start, stop in zip(starts, [*starts[1:], end], strict=True)]


def _style(k: int, n: int) -> dict[str, Any]:
    """A partner's line: shade and dash."""
    if n == 1:
        return {"color": "black"}
    shades = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.85, n))
    return {"color": shades[k], "linestyle": DASHES[k % len(DASHES)] if n <= LEGEND else "-"}


def _lines(axes: Any, one: xr.Dataset, values: np.ndarray, label: str) -> None:
    """Lines over the periods, one for each partner, up to the end of the alliance."""
    end = int(_end(one)) + 1
    for k in range(values.shape[1]):
        axes.plot(np.arange(end), values[:end, k], linewidth=1.6, **_style(k, values.shape[1]))
    axes.set_ylabel(label, fontsize=9)
    axes.tick_params(labelsize=SMALL)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(y=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _finish(axes, one)


def _partners(axes: Any, n: int) -> None:
    if n <= LEGEND:
        handles = [Line2D([], [], label=f"partner {k + 1}", linewidth=1.6, **_style(k, n)) for k in range(n)]
        axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 0.97), ncol=n, frameon=False, fontsize=SMALL,
                    handlelength=2.6, borderaxespad=0.2)  # fmt: skip


def _title(one: xr.Dataset) -> str:
    factors = ", ".join(f"{label} {level}" for label, level in json.loads(one.attrs["factors"]).items())
    return textwrap.fill(f"Alliance {int(one.alliance)}" + (f" at {factors}" if factors else ""), 95)


def _caption(one: xr.Dataset) -> str:
    a = one.attrs
    theories = json.loads(a["theories"])
    held = theories[0] if len(theories) == 1 else ", ".join(
        f"{k + 1}: {name}" for k, name in enumerate(one.theory.values.tolist()))  # fmt: skip
    means = "" if a["partners"] == 2 else "; learning and factors: means over counterparts"
    marked = len(_rows(one)) <= MARKED_ROWS
    labels = ". A label is the proposition that decided a change of strategy" if marked else ""
    phases = (
        "; phases: " + ", ".join(f"{name} {start} to {stop}" for name, start, stop in _spans(one)) if "phase" in one else ""
    )
    return (
        f"point {a['point']} of {a['store']}; {a['partners']} partners, coupling {a['coupling']}; theory {held}; seed "
        f"{a['seed']}{labels}{means}{phases}."
    )
