"""How far apart partners' knowledge should be: for learning, and for the alliance to last."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis.drawing import canvas, caption, plain, sample
from analysis.figures import DASHES, GREY, SMALL
from analysis.peaks import Curve, curves, draw, pick, place, row
from analysis.studies import Study
from analysis.summaries import AnalysisError, flat, with_error, word

MAIN, OTHERS = "distance", ("creativity", "knowledge", "calculation")
KINDS = ("inexhaustible", "exhaustible")


def standing(creativity: float) -> float:
    """Distance at which a pair that always collaborates learns most: of (1 - d)(1 + 4 creativity d), d in [0, 1]."""
    return max(0.0, 0.5 - 0.125 / creativity) if creativity > 0.0 else 0.0


def study(ds: xr.Dataset, store: Path) -> Study:
    """Distance at which learning, and survival, are highest.

    Parameters
    ----------
    ds : a factorial design of distance (6 levels or more), creativity, knowledge (inexhaustible, exhaustible) and
        calculation, without common random numbers.  store : not read.

    Raises
    ------
    AnalysisError : another design.  MissingVariable : survival or cumulative_learning is not in the dataset.
    """
    ds = flat(ds)
    learned, lasting = (curves(ds, MAIN, OTHERS, name) for name in ("cumulative_learning", "survival"))
    if {curve.at["knowledge"] for curve in learned} != set(KINDS):
        raise AnalysisError(f"knowledge needs the levels {' and '.join(KINDS)}")
    rows = [row(curve, what) for what, made in (("learning", learned), ("survival", lasting)) for curve in made]
    return Study(_text(learned, lasting), rows, _figure(ds, learned, lasting))


def _text(learned: list[Curve], lasting: list[Curve]) -> str:
    lines = ["distance of knowledge bases at which partners learn most, and most alliances last [95 % interval]",
             "creation  knowledge      calculative  learns most           learning there   lasts longest"]  # fmt: skip
    every = list(dict.fromkeys(one.at["creativity"] for one in learned))
    shown = dict.fromkeys((every[0], every[len(every) // 2], every[-1]))  # all of them are in the rows
    for one, other in zip(learned, lasting, strict=True):
        c, k, w = one.at.values()
        if c not in shown:
            continue
        lines.append(
            f"{c:<8g}  {k:<13}  {w:<11g}  {place(one.best):<20}  {with_error(one.best.value, one.best.error, 4):<15}  "
            f"{place(other.best)}"
        )
    own = ", ".join(f"{standing(c):.3f} ({c:g})" for c in shown)
    return "\n".join([*lines, f"always collaborating, knowledge inexhaustible, by creation: {own}"])


def _figure(ds: xr.Dataset, learned: list[Curve], lasting: list[Curve]) -> Figure:
    levels = {o: list(dict.fromkeys(curve.at[o] for curve in learned)) for o in OTHERS}
    first, middle = levels["calculation"][0], levels["creativity"][len(levels["creativity"]) // 2]
    shades = matplotlib.colormaps["viridis_r"](np.linspace(0.25, 1.0, len(levels["creativity"])))
    figure = canvas(11.0, 4.5)
    top = 1.12 * max(float(curve.y.max()) for curve in learned)
    for column, kind in enumerate(KINDS):
        axes = figure.add_subplot(1, 3, column + 1)
        for shade, dash, c in zip(shades, DASHES, levels["creativity"], strict=False):
            draw(axes, pick(learned, creativity=c, knowledge=kind, calculation=first), f"{c:g}", color=shade, linestyle=dash)
            if column == 0:
                axes.plot([standing(c)], [0.0], "^", color=shade, markersize=7, clip_on=False, zorder=6)
        axes.set_ylim(0, top)
        plain(axes, "distance of partners' knowledge bases", "learning per partner and period" * (column == 0),
              f"{'ab'[column]}  learning, knowledge {kind}")  # fmt: skip
        if column == 0:
            axes.legend(title="creation per unit\nof transfer", frameon=False, fontsize=SMALL, title_fontsize=SMALL)
    axes = figure.add_subplot(1, 3, 3)
    greys = [str(v) for v in np.linspace(0.65, 0.0, len(levels["calculation"]))]
    for kind, dash in zip(KINDS, (DASHES[0], DASHES[2]), strict=True):
        for grey, w in zip(greys, levels["calculation"], strict=True):
            draw(axes, pick(lasting, creativity=middle, knowledge=kind, calculation=w), f"{word(w)}, {kind}",
                 color=grey, linestyle=dash)  # fmt: skip
    axes.set_ylim(0, 1)
    axes.legend(title="calculative share of trust, knowledge", frameon=False, fontsize=SMALL - 0.5,
                title_fontsize=SMALL - 0.5, loc="lower center", ncols=2, columnspacing=1.0, handlelength=1.6)  # fmt: skip
    plain(axes, "distance of partners' knowledge bases", "share of alliances that last", "c  survival")
    figure.suptitle("How different should partners' knowledge be?", x=0.01, ha="left", fontsize=12, fontweight="bold")
    caption(
        figure,
        f"{sample(ds)}; all begin in collaboration, trust and orientation .8. Dots: "
        "highest, bars 95 % intervals; no dot: highest at an end. Triangles: by "
        "the outcome equations alone, for a pair that always collaborates. a, b: "
        f"calculative share of trust {word(first)}; c: creation {word(middle)}. Exhaustible: "
        "ten periods of full transfer, renewed by what is created. Bands: ±1.96 "
        "Monte Carlo standard errors."
    )  # fmt: skip
    figure.get_axes()[0].axhline(0, color=GREY, linewidth=0.5, zorder=0)
    return figure
