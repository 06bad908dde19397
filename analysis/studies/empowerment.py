"""Who climbs to full integration, from where and by which steps, against the arrows of Figure 4 of Larsson et al. (1998)."""

from __future__ import annotations

import functools
import json
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis import drawing, grid, moves
from analysis.moves import CL, FIGURE_3, FIGURE_4, FIGURE_4_STAYS, NUMBER, PAIRS, Arrow, Moves, named, short
from analysis.studies import Study
from analysis.summaries import AnalysisError, with_error

QUESTION = "Where circumstances are favourable, which alliances climb to full integration, from where, and by which steps?"
BARRED = "barriers_only"
TOP = NUMBER[CL, CL]


class Climb(NamedTuple):
    """What became of the alliances of one start: shares, with standard errors by `error`, and the commonest way up."""

    number: int
    ever: float
    last: float
    after: float
    way: tuple[int, ...]
    way_share: float

    def error(self, share: float) -> float:
        """Standard error of a share of these alliances."""
        return float(np.sqrt(share * (1.0 - share) / self.number))


def climb(pairs: np.ndarray) -> Climb:
    """How many alliances ever collaborate mutually, how many do at the end, when first (median), and by which steps.

    Parameters
    ----------
    pairs : int8[alliances, periods + 1], combinations as numbered in `analysis.moves.PAIRS`.
    """
    up = pairs == TOP
    ever = up.any(axis=1)
    first = up.argmax(axis=1)
    ways = Counter(_steps(row[: at + 1]) for row, at in zip(pairs[ever], first[ever], strict=True))
    way, times = ways.most_common(1)[0] if ways else ((), 0)
    median = float(np.median(first[ever])) if ever.any() else np.nan
    return Climb(len(pairs), float(ever.mean()), float(up[:, -1].mean()), median, way, times / max(1, int(ever.sum())))


def _steps(row: np.ndarray) -> tuple[int, ...]:
    """Combinations one after the other, each stay once."""
    return tuple(int(k) for k in row[np.r_[True, row[1:] != row[:-1]]])


def reached(pairs: np.ndarray, arrow: Arrow) -> float:
    """Share of alliances that are at the end of an arrow at some time, by whatever steps."""
    return float((pairs == NUMBER[arrow.to]).any(axis=1).mean())


def study(ds: xr.Dataset, store: Path) -> Study:
    """Flows with empowerment, and which starts reach full integration with and without it.

    Parameters
    ----------
    ds : flat; two partners, factor ``rules`` (barriers_only and another), every start (14 combinations) a point of both.
    store : whence histories are read.

    Raises
    ------
    AnalysisError : another design.
    """
    if "rules" not in ds.coords or BARRED not in (levels := ds["rules"].values.tolist()) or len(set(levels)) != 2:
        raise AnalysisError(f"a factor 'rules' of two response theories is needed, one of them {BARRED}")
    with_it: dict[tuple[int, int], np.ndarray] = {}
    without: dict[tuple[int, int], np.ndarray] = {}
    for level, pairs in zip(levels, moves.read(ds, store), strict=True):
        (without if level == BARRED else with_it)[moves.start_of(pairs)] = pairs
    if not set(with_it) == set(without) == set(moves.all_starts()) or ds.sizes["point"] != 28:
        raise AnalysisError("every one of the 14 combinations but mutual avoidance must be a start once, with and without")
    flows = functools.reduce(Moves.__add__, map(moves.counted, with_it.values()))
    order = sorted(with_it, key=lambda start: -climb(with_it[start]).ever)
    climbs = {start: (climb(with_it[start]), climb(without[start])) for start in order}
    return Study(_text(flows, with_it, climbs), _rows(flows, with_it, climbs), _figure(ds, flows, climbs))


def _share(c: Climb, share: float) -> str:
    return with_error(100 * share, 100 * c.error(share), 1)


def _text(flows: Moves, found: dict[tuple[int, int], np.ndarray], climbs: dict[tuple[int, int], tuple[Climb, Climb]]) -> str:
    head = f"{'start':28}{'without':>9}{'with':>11}{'at the end':>12}  commonest way up (% of climbers)"
    lines = ["% ever in mutual collaboration without and with empowerment, in it at the end (standard error)", head]
    for start, (up, barred) in climbs.items():
        way = ", ".join(short(PAIRS[k]) for k in up.way[1:])
        way += f" ({100 * up.way_share:.0f})" * bool(way)
        lines.append(f"{short(start)} {named(start):22}{_share(barred, barred.ever):>9}{_share(up, up.ever):>11}"
                     f"{_share(up, up.last):>12}  {way}".rstrip())  # fmt: skip
    there, missing, _ = moves.compared(flows, FIGURE_4, grid.LEAST)
    _, _, neither = moves.compared(flows, FIGURE_3 + FIGURE_4, grid.LEAST)
    direct = ", ".join(f"{short(a.origin)} to {short(a.to)} {100 * first(flows, a):.0f}" for a in there)
    said = [
        f"arrows of Figure 4: {len(there)} of {len(FIGURE_4)} are also made in one step (% of those who leave): {direct}"
    ]
    said += [f"not in one step (% that get there at all): {', '.join(_far(found, a) for a in missing)}"] * bool(missing)
    said.append(f"moves in neither figure: {', '.join(f'{short(a.origin)} to {short(a.to)}' for a in neither) or 'none'}")
    stay, error = flows.stay((CL, CL))
    said.append(f"integration lasts {with_error(stay, error, 1)} periods at a time (Proposition {FIGURE_4_STAYS[CL, CL]})")
    return "\n".join([*lines, *(textwrap.fill(line, 100, subsequent_indent="  ", break_on_hyphens=False) for line in said)])


def first(flows: Moves, arrow: Arrow) -> float:
    """Share of the pairs leaving a combination that go where an arrow says in that very period."""
    return flows.share(arrow.origin, arrow.to)[0] / (1.0 - flows.share(arrow.origin, arrow.origin)[0])


def _far(found: dict[tuple[int, int], np.ndarray], arrow: Arrow) -> str:
    return f"{short(arrow.origin)} to {short(arrow.to)} {100 * reached(found[arrow.origin], arrow):.0f}"


def _rows(
    flows: Moves, found: dict[tuple[int, int], np.ndarray], climbs: dict[tuple[int, int], tuple[Climb, Climb]]
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for start, (up, barred) in climbs.items():
        for level, c in (("yes", up), ("no", barred)):
            rows.append(
                {"start": short(start), "regime": named(start), "empowered": level, "read": c.number, "ever": c.ever,
                 "ever_se": c.error(c.ever), "at_the_end": c.last, "at_the_end_se": c.error(c.last),
                 "median_period_of_first": c.after, "commonest_way": " ".join(short(PAIRS[k]) for k in c.way),
                 "commonest_way_share": c.way_share, "to": "", "proposition": "", "share_per_period": np.nan,
                 "share_per_period_se": np.nan, "reached": np.nan}
            )  # fmt: skip
    blank = dict.fromkeys(rows[0], "")
    known = {(a.origin, a.to): a for a in FIGURE_4}
    every = [(origin, to) for origin in reversed(PAIRS) for to in flows.ways(origin)]
    for origin, to in dict.fromkeys([*every, *known]):
        share, error = flows.share(origin, to)
        arrow = known.get((origin, to))
        rows.append(
            {**blank, "start": short(origin), "regime": named(origin), "empowered": "yes", "to": short(to),
             "proposition": arrow.proposition if arrow else "", "share_per_period": share, "share_per_period_se": error,
             "reached": reached(found[origin], arrow) if arrow else np.nan}
        )  # fmt: skip
    return rows


def _figure(ds: xr.Dataset, flows: Moves, climbs: dict[tuple[int, int], tuple[Climb, Climb]]) -> Figure:
    figure = drawing.canvas(12.4, 5.6)
    spec = figure.add_gridspec(1, 2, width_ratios=[2.7, 1.0])
    grid.draw(figure.add_subplot(spec[0, 0]), flows, FIGURE_4, FIGURE_3, "Where empowered pairs go")
    _ladder(figure.add_subplot(spec[0, 1]), climbs)
    figure.suptitle(QUESTION, x=0.01, ha="left", fontsize=12, fontweight="bold")
    number, periods = next(iter(climbs.values()))[0].number, int(ds["period"].values[-1])
    note = f"{grid.LEGEND}; black: an arrow of Figure 4 and its proposition; grey: of Figure 3; dashed: of neither"
    sample = f"{number:,} alliances of two for each of 14 starts, {periods} periods{_context(ds)}"
    drawing.caption(figure, f"{sample}. Left: {note}. Right: bars, mostly hidden: 95 % intervals.")
    return figure


def _context(ds: xr.Dataset) -> str:
    """What is fixed of the context, where it is; from the config in the attributes."""
    context = json.loads(str(ds.attrs.get("config", "{}"))).get("context", {})
    if context.get("kind") != "static":
        return ""
    means = {name: f"{name} {context[name]['mean']:g}" for name in ("stakes", "trust", "orientation", "prior")}
    return f"; held fixed: {', '.join(means.values())}"


def _ladder(axes: Any, climbs: dict[tuple[int, int], tuple[Climb, Climb]]) -> None:
    """Share of alliances that ever collaborate mutually, by start; and how many do at the end."""
    at = np.arange(len(climbs))
    marks = (("ever, barriers alone", 1, "ever", "o", "white"), ("ever, empowered", 0, "ever", "o", "black"),
             ("at the end, empowered", 0, "last", "|", "black"))  # fmt: skip
    for label, which, value, marker, face in marks:
        shares = np.array([getattr(pair[which], value) for pair in climbs.values()])
        errors = 1.96 * np.array([pair[which].error(s) for pair, s in zip(climbs.values(), shares, strict=True)])
        size = {"markersize": 9, "markeredgewidth": 1.8} if marker == "|" else {"markersize": 5.5, "markeredgewidth": 0.9}
        style = {"fmt": marker, "color": "black", "markerfacecolor": face, "elinewidth": 1.0, "label": label, **size}
        axes.errorbar(100 * shares, at, xerr=100 * errors, **style)
    axes.set_yticks(at, [f"{short(start)}  {named(start)}" for start in climbs])
    axes.set_ylim(len(climbs) - 0.5, -0.5)
    axes.set_xlim(-3, 103)
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
    drawing.plain(axes, "% of alliances in mutual collaboration", "", "Who climbs to integration")
    axes.legend(loc="lower right", frameon=True, edgecolor="0.8", fontsize=8)
