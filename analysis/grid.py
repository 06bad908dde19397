"""The paper's square of strategies as a triangle of combinations, with arrows for the moves that pairs made.

Both partners are alike, so that the square of Figures 3 and 4 of Larsson et al. (1998) is symmetric and its lower right
half says all: avoidance at the left and at the bottom, collaboration at the right and at the top, as in the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from analysis.figures import GREY
from analysis.moves import PAIRS, Arrow, Moves, named
from sim.strategies import STRATEGIES

#: Half a box, and the lanes between boxes in which long arrows run.
WIDE, HIGH, LANE = 0.38, 0.29, 0.075
#: Share of the periods in a combination from which on a move is drawn and counted as one that happens.
LEAST = 0.005
LEGEND = (
    "boxes: mean stay in periods, darker: more of all time is spent there, double frame: nobody leaves; arrows: as wide as "
    f"the move is frequent, from {100 * LEAST:g} % of periods on"
)

Point = tuple[float, float]


def draw(axes: Any, moves: Moves, arrows: Sequence[Arrow], others: Sequence[Arrow] = (), title: str = "") -> None:
    """Combinations as boxes, grey by the share of time spent in them, and arrows as wide as a move is frequent.

    Parameters
    ----------
    axes : without ticks afterwards.  moves : what pairs did.  arrows : of the paper, black with a circle.
    others : of the paper's other figure, grey with a circle.  title : above, at the left.
    """
    total = float(moves.counts.sum())
    for pair in PAIRS:
        _box(axes, pair, moves, total)
    known = {(a.origin, a.to): (a.proposition, GREY) for a in others} | {
        (a.origin, a.to): (a.proposition, "black") for a in arrows
    }
    made = [(origin, to) for origin in reversed(PAIRS) for to in moves.ways(origin, LEAST)]
    lanes: dict[str, int] = {}
    for origin, to in made:
        path, middle = route(origin, to, lanes, both=(to, origin) in made)
        proposition, colour = known.get((origin, to), ("", GREY))
        _arrow(axes, path, moves.share(origin, to)[0], colour, bool(proposition))
        if proposition:
            ring = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": colour, "linewidth": 0.8}
            axes.text(*middle, proposition, ha="center", va="center", fontsize=7, zorder=7, color=colour, bbox=ring)
    for s, name in enumerate(STRATEGIES):
        axes.text(s, -0.36 - LANE * 1.8 * 3.2, name, ha="center", va="top", fontsize=8.5)
        axes.text(4.66, s, name, ha="left", va="center", fontsize=8.5)
    axes.set_xlim(-WIDE - 0.03, 5.35)
    axes.set_ylim(-0.95, 4.0 + HIGH + 0.06)
    axes.set_axis_off()
    if title:
        axes.set_title(title, fontsize=10, fontweight="bold", loc="left")


def _box(axes: Any, pair: tuple[int, int], moves: Moves, total: float) -> None:
    """One combination: its regime, how long pairs stay, how much of all time is spent there."""
    x, y = pair
    stay, shade = moves.stay(pair)[0], 1.0 - 0.45 * float(np.sqrt(moves.at_risk(pair) / total))
    for inset in (0.0, 0.04) if np.isinf(stay) else (0.0,):
        axes.add_patch(
            FancyBboxPatch(
                (x - WIDE + inset, y - HIGH + inset), 2 * (WIDE - inset), 2 * (HIGH - inset), zorder=3 + inset,
                boxstyle="round,pad=0,rounding_size=0.06", facecolor=str(round(shade, 3)), edgecolor="black", linewidth=0.8,
            )
        )  # fmt: skip
    text = "\n".join(named(pair).split())
    axes.text(x, y + 0.085, text, ha="center", va="center", fontsize=7.5, linespacing=0.95, zorder=5)
    said = "stays" if np.isinf(stay) else "" if np.isnan(stay) else f"{stay:.1f} periods"
    axes.text(x, y - 0.18, said, ha="center", va="center", fontsize=7.8, fontweight="bold", zorder=5)


def route(
    origin: tuple[int, int], to: tuple[int, int], lanes: dict[str, int], both: bool = False
) -> tuple[list[Point], Point]:
    """Corners of an arrow from box to box, and where its label goes; moves past a box run in the gaps between boxes.

    Parameters
    ----------
    lanes : how many arrows run in each gap already; this one is added.  both : an arrow goes the other way, too, so that
        a straight one keeps to its left.
    """
    (x0, y0), (x1, y1) = origin, to
    dx, dy = int(np.sign(x1 - x0)), int(np.sign(y1 - y0))

    def lane(gap: str) -> int:
        lanes[gap] = lanes.get(gap, -1) + 1
        return lanes[gap]

    if x0 == x1 and abs(y1 - y0) > 1:  # along a column: up on its right, down on its left
        side = dy
        k = lane(f"column {x0} {side}")
        at = x0 + side * (0.5 - LANE + 2 * LANE * k)
        path = [
            (x0 + side * WIDE, y0 + 0.16 * dy),
            (at, y0 + 0.16 * dy),
            (at, y1 - 0.16 * dy),
            (x1 + side * WIDE, y1 - 0.16 * dy),
        ]
        return path, (at, y0 + 1.5 * dy)
    if y0 == y1 and abs(x1 - x0) > 1:  # along a row: leftwards below it, rightwards above it
        k = abs(x1 - x0) - 2
        at, end = y0 + dx * (HIGH + LANE * 1.8 * (1 + k)), x1 - dx * (0.24 - 0.2 * k)
        return [(x0, y0 + dx * HIGH), (x0, at), (end, at), (end, y1 + dx * HIGH)], (x0 + 0.5 * dx, at)
    if x0 == y0 and x1 == y1 and abs(x1 - x0) > 1:  # along the diagonal: through the empty half
        if dx > 0:
            path = [(x0 - 0.1, y0 + HIGH), (x0 - 0.1, y1 + 0.1), (x1 - WIDE, y1 + 0.1)]
        else:
            path = [(x0 - WIDE, y0), (x1, y0), (x1, y1 + HIGH)]
        return path, path[1]
    aside = (-0.12 * dy * both, 0.12 * dx * both)
    begin = (x0 + dx * WIDE + aside[0], y0 + dy * HIGH + aside[1])
    stop = (x1 - dx * WIDE + aside[0], y1 - dy * HIGH + aside[1])
    return [begin, stop], (0.65 * begin[0] + 0.35 * stop[0], 0.65 * begin[1] + 0.35 * stop[1])


def _arrow(axes: Any, corners: Sequence[Point], share: float, colour: str, solid: bool) -> None:
    style = f"-|>,head_length={0.34 + 0.1 * share},head_width={0.17 + 0.15 * share}"
    axes.add_patch(
        FancyArrowPatch(
            path=Path(corners), arrowstyle=style, mutation_scale=14, linewidth=0.8 + 5.0 * share, zorder=2 if solid else 1.5,
            linestyle="-" if solid else (0, (3, 1.6)), color=colour, capstyle="butt", joinstyle="miter",
        )
    )  # fmt: skip
