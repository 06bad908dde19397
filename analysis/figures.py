"""Pictures of a saved dataset: what it says at the end of its runs, at a glance.

Figures are drawn without pyplot and its global state, and made for print: colours are ordered by lightness, so that
they read in greyscale, and lines that have no order differ by dashes.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib import patheffects
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis import summaries
from analysis.summaries import LEVEL, ends, factors, word

DPI = 150
BAND = 1.96
BANDS = f"bands, mostly thinner than the lines: ±{BAND} Monte Carlo standard errors"
LINES, COLUMNS, LABELLED = 9, 4, 40
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS, GREY, SMALL = ("o", "s", "^", "D"), "0.35", 8.5
HALO = (patheffects.withStroke(linewidth=2.5, foreground="white"),)
#: What is called how on an axis: variables at the end of a run, and factors by the config key they set.
AXES = {
    "survival": "share of alliances\nthat survive to the end",
    "learning": "learning in the last period\n(knowledge per partner)",
}
WORDS = {
    "context.trust.mean": "interorganizational trust at start",
    "context.orientation.mean": "long-term orientation",
    "context.stakes.mean": "learning stakes at start",
    "context.prior.mean": "prior related interaction at start",
    "population.partners": "partners",
    "population.periods": "periods",
    "response.theory_mix": "response theory",
    "response.reconsideration": "reconsideration (probability per period)",
    "response.tremble": "tremble (probability per period)",
}


def words(ds: xr.Dataset, label: str) -> str:
    """What a factor is called on an axis: by the key it sets, else its label."""
    key = str(ds[label].attrs.get("description", "")).removeprefix("Factor of the design, sets ").removesuffix(".")
    return WORDS.get(key, label.replace("_", " "))


def overview(ds: xr.Dataset, title: str = "") -> Figure:
    """The picture that goes with a dataset: survival and learning at the end, over the factors.

    Parameters
    ----------
    ds : dataset of a run. A factorial design of up to three factors, one of them numeric with at least 3 levels: lines
        over that factor, one for each level of another, a column for each level of the third, and what of the factor is
        needed for half of the alliances to survive (`analysis.summaries.threshold_table`). One point: its course over
        the periods. Anything else: the ends of the points, each with an error bar.
    title : the question, above the figure.

    Returns
    -------
    matplotlib.figure.Figure : on an Agg canvas; bands and bars are 1.96 Monte Carlo standard errors either side.

    Raises
    ------
    MissingVariable : neither survival nor learning is in the dataset.  AnalysisError : no point is finished.
    """
    ds = summaries.flat(ds)
    if ds.sizes["point"] == 0:
        raise summaries.AnalysisError("no point is finished yet")
    names = [name for name in AXES if name in summaries.by_period(ds)]
    if not names:
        raise summaries.MissingVariable(*AXES)
    figure = Figure(dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    found = summaries.roles(ds)
    split = _split(ds, found[1]) if found else None
    if ds.sizes["point"] == 1:
        note = _course(figure, ds, names)
    elif found and split:
        note = _over(figure, ds, names, found[0], *split)
    else:
        note = _dots(figure, ds, names)
    figure.suptitle(textwrap.fill(title, int(figure.get_figwidth() * 9)), x=0.01, ha="left", fontsize=12, fontweight="bold")
    notes = [_sample(ds), note, *(f"{name} is not in the dataset" for name in AXES if name not in names)]
    caption = textwrap.fill("; ".join(notes) + ".", int(figure.get_figwidth() * 15))
    figure.supxlabel(caption, x=0.01, ha="left", fontsize=SMALL, color=GREY)
    return figure


def _split(ds: xr.Dataset, others: Sequence[str]) -> tuple[str | None, str | None] | None:
    """(lines, columns): which factor makes lines and which columns; None where they do not fit."""
    sizes = {o: len(factors(ds)[o]) for o in others}
    if len(others) < 2:
        return (others[0] if others else None, None) if all(n <= LINES for n in sizes.values()) else None
    pairs = [(others[0], others[1]), (others[1], others[0])] if len(others) == 2 else []
    return next((pair for pair in pairs if sizes[pair[0]] <= LINES and sizes[pair[1]] <= COLUMNS), None)


def _sample(ds: xr.Dataset) -> str:
    """Alliances per point, periods, and the factors that do not vary."""

    def span(values: np.ndarray) -> str:
        return f"{values.min():,}" if values.min() == values.max() else f"{values.min():,} to {values.max():,}"

    alliances = f"{span(ds['alliances'].values)} alliances per point, " if "alliances" in ds else ""
    fixed = [f", {words(ds, o)} {word(v[0].item())}" for o, v in factors(ds).items() if len(v) == 1]
    return f"{alliances}{span(ends(ds, summaries.by_period(ds)[:1])['period'].values)} periods{''.join(fixed)}"


def _styles(levels: np.ndarray) -> list[dict[str, Any]]:
    """Colour and dash of each level: light to dark; names, which have no order, also by dash."""
    shades = matplotlib.colormaps["viridis_r"](np.linspace(0.2, 1.0, len(levels)))
    plain = levels.dtype.kind in "iuf"
    return [{"color": c, "linestyle": "-" if plain else DASHES[k % len(DASHES)]} for k, c in enumerate(shades)]


def _line(axes: Any, x: np.ndarray, y: np.ndarray, error: np.ndarray, **style: Any) -> None:
    """A line with its band; NaN are left out."""
    kept = np.isfinite(y)
    x, y, error = x[kept], y[kept], np.nan_to_num(error[kept])
    axes.plot(x, y, **{"linewidth": 1.8, **style})
    axes.fill_between(x, y - BAND * error, y + BAND * error, color=style["color"], alpha=0.25, linewidth=0)


def _plain(axes: Any, x: str = "", y: str = "", title: str = "") -> None:
    """Labels, no frame, small ticks."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=SMALL)
    axes.set_xlabel(x, fontsize=9.5)
    axes.set_ylabel(y, fontsize=9.5)
    if title:
        axes.set_title(title, fontsize=10, fontweight="bold")


def _over(figure: Figure, ds: xr.Dataset, names: Sequence[str], main: str, lines: str | None, columns: str | None) -> str:
    """Survival and learning over the main factor; returns what the marks mean."""
    end, levels = ends(ds, names), factors(ds)
    panels = levels[columns].tolist() if columns else [None]
    styles = _styles(levels[lines]) if lines else [{"color": "black"}]
    thresholds = summaries.threshold_table(ds, main) if "survival" in names else None
    left: Any = None
    wide = len(panels) + (lines is not None)
    crowded = lines is not None and names == ["survival"]
    figure.set_size_inches(max(6.0, 0.8 + 2.6 * wide + 1.6 * crowded), 1.3 + 2.55 * len(names))
    grid = figure.add_gridspec(len(names), wide)
    for row, name in enumerate(names):
        for column, panel in enumerate(panels):
            axes = figure.add_subplot(grid[row, column], sharey=left if column else None)
            left = left if column else axes
            _scale(axes, levels[main])
            for k, style in enumerate(styles):
                at = ({columns: panel} if columns else {}) | ({lines: levels[lines][k]} if lines else {})
                own = end.sortby(main)
                for label, level in at.items():
                    own = own.isel(point=np.flatnonzero(own[label].values == level))
                label = word(levels[lines][k].item()) if lines else name
                _line(axes, own[main].values, own[name].values, own[f"{name}_se"].values, label=label, **style)
            if name == "survival" and thresholds is not None:
                _marks(axes, thresholds["needed"].sel({columns: panel} if columns else {}).values, styles, levels[main])
            title = _level(ds, columns, panel) if columns and row == 0 else ""
            _plain(axes, words(ds, main) * (row == len(names) - 1), AXES[name] * (column == 0), title)
            axes.tick_params(labelleft=column == 0)
        left.set_ylim(0, 1 if name == "survival" else None)
    if lines and thresholds is not None:
        _needed(figure.add_subplot(grid[0, -1]), ds, thresholds, lines, columns)
    if lines:
        handles = sorted(left.get_lines()[: len(styles)], key=lambda drawn: -drawn.get_ydata().sum())
        key: Any = figure if crowded else figure.add_subplot(grid[-1, -1], frameon=False, xticks=[], yticks=[])
        place = "outside right center" if crowded else "center"
        key.legend(handles=handles, title=words(ds, lines), loc=place, frameon=False, fontsize=SMALL)
    dots = "; dots: half survive" if thresholds is not None else ""
    if thresholds is not None and columns and columns == thresholds["needed"].dims[-1]:
        dots += f"; +: more than with {_level(ds, columns, panels[0])}"
    return BANDS + dots


def _level(ds: xr.Dataset, factor: str, level: Any) -> str:
    return f"N = {level} partners" if words(ds, factor) == "partners" else f"{words(ds, factor)} {word(level)}"


def _scale(axes: Any, x: np.ndarray) -> None:
    """Logarithmic where the levels are spaced so; ticks at whole numbers where these are few."""
    if len(x) > 3 and x[0] > 0 and np.ptp(np.diff(np.log(x))) < 1e-6 < np.ptp(np.diff(x)):
        axes.set_xscale("log")
    elif x.dtype.kind in "iu" and len(x) <= LINES:
        axes.set_xticks(x)


def _marks(axes: Any, crossings: np.ndarray, styles: Sequence[dict[str, Any]], levels: np.ndarray) -> None:
    """A dot where a line passes one half, with the value below it, or above where two come close."""
    axes.axhline(LEVEL, color=GREY, linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)
    place = np.log if axes.get_xscale() == "log" else np.asarray
    near, last, below = 0.12 * np.ptp(place(levels)), -np.inf, False
    crossings = np.atleast_1d(crossings)
    for k in np.argsort(crossings)[: np.isfinite(crossings).sum()]:
        x = float(crossings[k])
        below, last = not (below and place(x) - last < near), float(place(x))
        axes.plot([x], [LEVEL], "o", color=styles[k]["color"], markersize=5, markeredgecolor="white", zorder=4)
        axes.annotate(_short(x), (x, LEVEL), (3, -10) if below else (-3, 5), textcoords="offset points", fontsize=SMALL,
                      ha="left" if below else "right", path_effects=HALO, zorder=5)  # fmt: skip


def _short(x: float) -> str:
    """Two decimals from 0.1 to 1, else two digits; no leading zero."""
    return re.sub(r"^(-?)0\.", r"\1.", f"{x:.2f}" if 0.095 < abs(x) < 0.995 else f"{x:.2g}")


def _needed(axes: Any, ds: xr.Dataset, thresholds: xr.Dataset, lines: str, columns: str | None) -> None:
    """What is needed of the main factor over the levels of the lines, a curve for each column; open: none does it."""
    main, levels = str(thresholds.attrs["factor"]), thresholds[lines].values
    numeric = levels.dtype.kind in "iuf"
    at = levels.astype(float) if numeric else np.arange(len(levels), dtype=float)
    low, high = float(thresholds.attrs["lowest"]), float(thresholds.attrs["highest"])
    span = high - low
    panels = thresholds[columns].values.tolist() if columns else [None]
    greys = list(map(str, np.linspace(0.6, 0.0, len(panels)))) if columns else ["0"]
    for k, panel in enumerate(panels):
        own = thresholds.sel({columns: panel}) if columns else thresholds
        style = {"color": greys[k], "marker": MARKERS[k % len(MARKERS)], "markersize": 5}
        label = _level(ds, columns, panel) if columns else ""
        axes.errorbar(at, own["needed"].values, BAND * own["needed_se"].values, linewidth=1.3 * numeric, elinewidth=1.3,
                      label=label, **style)  # fmt: skip
        aside = at + 0.035 * np.ptp(at) * (k - (len(panels) - 1) / 2)
        for reason, y in (("below", high + 0.08 * span), ("above", low - 0.08 * span)):
            out = own["reason"].values == reason
            axes.plot(aside[out], np.full(out.sum(), y), markerfacecolor="white", linestyle="none", **style)
    never, always = (bool((thresholds["reason"] == reason).any()) for reason in ("below", "above"))
    if never or always:
        axes.set_ylim(low - span * (0.14 if always else 0.02), high + span * 0.14)
    for there, y, inside, side, text in ((never, high, -0.02, "top", "no"), (always, low, 0.02, "bottom", "every")):
        if there:
            axes.axhline(y, color=GREY, linewidth=0.7, linestyle=(0, (1, 2)), zorder=0)
            axes.text(0.99, y + inside * span, f"open: {text} level is enough", transform=axes.get_yaxis_transform(),
                      ha="right", va=side, fontsize=SMALL - 1, color=GREY)  # fmt: skip
    if columns == thresholds["needed"].dims[-1]:
        for x, y, more in zip(at, own["needed"].values, own["extra"].values, strict=True):
            axes.annotate(f"{'+' if more > 0 else ''}{_short(more)}" if np.isfinite(more) else "", (x, y), (4, 3),
                          textcoords="offset points", fontsize=SMALL)  # fmt: skip
    if columns:
        axes.legend(loc="best", frameon=False, fontsize=SMALL, handlelength=1.2)
    axes.margins(0.12)
    _plain(axes, words(ds, lines), words(ds, main), "needed for half to survive")
    if numeric:
        _scale(axes, levels)
    else:
        axes.set_xticks(at, levels.tolist())


def _course(figure: Figure, ds: xr.Dataset, names: Sequence[str]) -> str:
    """One point: its course over the periods."""
    one, kept = ds.isel(point=0), summaries.by_period(ds)
    shares = [("survival", one, "survival", {"color": "black", "linewidth": 2.6})] if "survival" in kept else []
    if "strategy_share" in kept:
        each = zip(one["strategy"].values, _styles(one["strategy"].values), strict=True)
        shares += [(str(s), one.sel(strategy=s), "strategy_share", style) for s, style in each]
    flows = [n for n in ("learning", "transfer", "creation") if n in kept]
    flow = [(n, one, n, {"color": str(0.25 * k), "linestyle": DASHES[k]}) for k, n in enumerate(flows)]
    panels: list[tuple[list[Any], str, str, float | None]]
    panels = [(shares, "share of alliances or of partners", "survival and strategies", 1.02),
              (flow, "knowledge per partner and period", "learning", None)]  # fmt: skip
    drawn = [panel for panel in panels if panel[0]]
    figure.set_size_inches(1.0 + 4.2 * len(drawn), 4.2)
    for column, (curves, y, title, top) in enumerate(drawn):
        axes = figure.add_subplot(1, len(drawn), column + 1)
        for label, own, name, style in curves:
            _line(axes, one["period"].values, own[name].values, own[f"{name}_se"].values, label=label, **style)
        _plain(axes, "period", y, title)
        axes.set_ylim(0, top)
        axes.legend(loc="best", frameon=False, fontsize=SMALL)
    return BANDS + "; partners of a dissolved alliance count as avoiding" * ("strategy_share" in kept)


def _dots(figure: Figure, ds: xr.Dataset, names: Sequence[str]) -> str:
    """The ends of all points, each with an error bar, in the order of the dataset from the top."""
    end, count = ends(ds, names), ds.sizes["point"]
    varied = [o for o, v in factors(ds).items() if len(v) > 1]
    at, named = np.arange(count), count <= LABELLED
    figure.set_size_inches(2.5 + 3.3 * len(names), 1.5 + (0.2 * count if named else 5.0))
    grid = figure.add_gridspec(1, len(names))
    for column, name in enumerate(names):
        axes = figure.add_subplot(grid[0, column])
        error, size = BAND * np.nan_to_num(end[f"{name}_se"].values), 3.5 if named else 2.0
        axes.errorbar(end[name].values, at, xerr=error, fmt="o", color="black", markersize=size, elinewidth=1.2)
        _plain(axes, AXES[name], "" if named or column else "index of the point")
        axes.set_xlim(0, 1 if name == "survival" else None)
        axes.set_ylim(count - 0.5, -0.5)
        if named:
            text = [", ".join(f"{o.replace('_', ' ')} {word(ds[o].values[k].item())}" for o in varied) for k in range(count)]
            axes.set_yticks(at, text if column == 0 else [""] * count)
            axes.grid(axis="y", color="0.92")
    return f"bars: ±{BAND} Monte Carlo standard errors"
