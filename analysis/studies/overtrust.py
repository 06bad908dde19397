"""Whether partners can trust each other too much: where learning is highest over trust, by what high trust costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis.drawing import canvas, caption, plain, sample
from analysis.figures import GREY, MARKERS, SMALL
from analysis.peaks import Curve, curves, draw, pick, place, row
from analysis.studies import Study
from analysis.summaries import AnalysisError, flat, with_error, word

MAIN, OTHERS = "trust", ("cost", "orientation", "course")
COURSES = {"kept": "trust stays as set", "moving": "trust moves with what partners do"}


def study(ds: xr.Dataset, store: Path) -> Study:
    """Trust at which partners learn most, for each cost of trust, orientation and course.

    Parameters
    ----------
    ds : a factorial design of trust (6 levels or more), cost, orientation and course (kept, moving), without common
        random numbers.  store : not read.

    Raises
    ------
    AnalysisError : another design.  MissingVariable : survival or cumulative_learning is not in the dataset.
    """
    ds = flat(ds)
    learned, lasting = (curves(ds, MAIN, OTHERS, name) for name in ("cumulative_learning", "survival"))
    if {curve.at["course"] for curve in learned} != set(COURSES):
        raise AnalysisError(f"course needs the levels {' and '.join(COURSES)}")
    rows = [row(curve, what) for what, made in (("learning", learned), ("survival", lasting)) for curve in made]
    return Study(_text(learned, lasting), rows, _figure(ds, learned))


def _text(learned: list[Curve], lasting: list[Curve]) -> str:
    lines = ["trust at which partners learn most [95 % interval]",
             "orientation  course  cost  learns most           learning there   at full trust    lost there"]  # fmt: skip
    ends = {end([one.at["orientation"] for one in learned]) for end in (min, max)}
    for curve in sorted(learned, key=lambda one: (one.at["orientation"], one.at["course"], one.at["cost"])):
        c, o, k = curve.at.values()
        if o not in ends:
            continue
        best, lost = curve.best, curve.best.value - curve.y[-1]
        shown = f"{with_error(float(curve.y[-1]), float(curve.error[-1]), 4):<15}  " + (
            with_error(float(lost), float(np.hypot(best.error, curve.error[-1])), 3) if best.inside else ""
        )
        lines.append(
            f"{o:<11g}  {k:<6}  {c:<4g}  {place(best):<20}  {with_error(best.value, best.error, 4):<15}  {shown}".rstrip()
        )
    rising = sum(curve.best.reason == "rises" for curve in lasting)
    return "\n".join(
        [*lines, f"survival: {rising} of {len(lasting)} curves are highest at full trust; cost does not act on it"]
    )


def _figure(ds: xr.Dataset, learned: list[Curve]) -> Figure:
    costs, orientations = (list(dict.fromkeys(curve.at[o] for curve in learned)) for o in ("cost", "orientation"))
    shades = matplotlib.colormaps["viridis_r"](np.linspace(0.15, 1.0, len(costs)))
    figure = canvas(3.4 * len(orientations) + 3.6, 6.6)
    grid = figure.add_gridspec(2, len(orientations) + 1)
    top = 1.05 * max(float(curve.y.max()) for curve in learned)
    low, high = float(learned[0].x[0]), float(learned[0].x[-1])
    for line, course in enumerate(COURSES):
        for column, orientation in enumerate(orientations):
            axes = figure.add_subplot(grid[line, column])
            for shade, cost in zip(shades, costs, strict=True):
                draw(axes, pick(learned, cost=cost, orientation=orientation, course=course), word(cost), color=shade)
            axes.set_ylim(0, top)
            plain(axes, "interorganizational trust (at start)" * line, "learning per partner and period" * (column == 0),
                  f"{COURSES[course] if column == 0 else ''}\nlong-term orientation {word(orientation)}")  # fmt: skip
            if line == column == 0:
                axes.legend(title="cost of full trust\n(share of creation)", frameon=False, fontsize=SMALL,
                            title_fontsize=SMALL)  # fmt: skip
        axes = figure.add_subplot(grid[line, len(orientations)])
        for k, orientation in enumerate(orientations):
            grey = str(0.55 * (1 - k / max(1, len(orientations) - 1)))
            for j, cost in enumerate(costs):
                best = pick(learned, cost=cost, orientation=orientation, course=course).best
                x = j + 0.12 * (k - (len(orientations) - 1) / 2)
                style: dict[str, Any] = {"color": grey, "marker": MARKERS[k], "linestyle": "none", "markersize": 6}
                label = f"orientation {word(orientation)}" if j == 0 else None
                if best.inside:
                    reach = [[max(0.0, best.estimate - best.low)], [max(0.0, best.high - best.estimate)]]
                    axes.errorbar([x], [best.estimate], yerr=reach, elinewidth=1.5, label=label, **style)
                elif best.reason == "rises":
                    axes.plot([x], [high + 0.04 * (high - low)], markerfacecolor="white", label=label, **style)
        axes.axhline(high, color=GREY, linewidth=0.7, linestyle=(0, (1, 2)), zorder=0)
        axes.set_xticks(range(len(costs)), [word(c) for c in costs])
        axes.set_ylim(low, high + 0.1 * (high - low))
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=SMALL, loc="lower left")
        plain(axes, "cost of full trust" * line, "trust at which partners learn most", "best level of trust")
    figure.suptitle("Can partners trust each other too much?", x=0.01, ha="left", fontsize=12, fontweight="bold")
    caption(
        figure,
        f"{sample(ds)}; all begin in collaboration. The cost sets in above trust "
        ".7 and takes its share of creation at full trust. Dots: where partners "
        "learn most, bars 95 % intervals; open: at full trust, or not told from "
        "it. Bands: ±1.96 Monte Carlo standard errors."
    )  # fmt: skip
    return figure
