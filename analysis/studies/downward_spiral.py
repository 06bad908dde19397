"""Where every combination of strategies goes with barriers alone, against Figure 3 of Larsson et al. (1998)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis import drawing, grid, moves
from analysis.moves import AV, CL, CP, FIGURE_3, FIGURE_3_STAYS, PAIRS, Moves, named, short
from analysis.studies import Study
from analysis.summaries import AnalysisError, flat, with_error

QUESTION = "With barriers alone, where does every combination of learning strategies go, how fast, and what persists?"
#: The way down from mutual collaboration: regime, shade, dash.
WAY = (
    ("integration", "0.0", "-"), ("exploitation", "0.45", "-"), ("deadlock", "0.0", (0, (5, 1.5))),
    ("withdrawal", "0.45", (0, (5, 1.5))), ("disintegration", "0.0", (0, (1, 1.2))),
)  # fmt: skip


def study(ds: xr.Dataset, store: Path) -> Study:
    """Flows between the combinations, how long each lasts, and which arrows of the paper appear.

    Parameters
    ----------
    ds : flat; two partners, every start (14 combinations) a point.  store : whence histories are read.

    Raises
    ------
    AnalysisError : another design.
    """
    if "regime_share" not in ds:
        raise AnalysisError("regime_share is needed; add it to output.variables")
    found = moves.read(ds, store)
    starts = [moves.start_of(pairs) for pairs in found]
    if sorted(starts) != sorted(moves.all_starts()):
        raise AnalysisError("every one of the 14 combinations but mutual avoidance must be the start of one point")
    all_moves = functools.reduce(Moves.__add__, map(moves.counted, found))
    ends = {start: np.bincount(pairs[:, -1], minlength=len(PAIRS)) for start, pairs in zip(starts, found, strict=True)}
    number = len(found[0])
    return Study(_text(all_moves, ends, number), _rows(all_moves), _figure(ds, all_moves, starts.index((CL, CL)), number))


def _text(found: Moves, ends: dict[tuple[int, int], np.ndarray], number: int) -> str:
    lines = [f"{'combination':30}{'mean stay':>15}   moves on to, in % of the periods (standard error)"]
    for pair in reversed(PAIRS):
        stay, error = found.stay(pair)
        said = "nobody leaves" if np.isinf(stay) else with_error(stay, error, 2) or "never there"
        ways = ", ".join(f"{short(to)} {100 * p:.1f} ({100 * e:.1f})" for to in found.ways(pair, grid.LEAST)[:4]
                         for p, e in [found.share(pair, to)])  # fmt: skip
        lines.append(f"{short(pair)} {named(pair):24}{said:>15}   {ways}".rstrip())
    there, missing, extra = moves.compared(found, FIGURE_3, grid.LEAST)
    lines.append(f"arrows of Figure 3: {len(there)} of {len(FIGURE_3)} appear" + _listed("; missing: ", missing))
    lines.append(f"other moves (at least {100 * grid.LEAST:g} % of periods): " + (_listed("", extra) or "none"))
    lasting = [p for p in reversed(PAIRS) if found.at_risk(p) and np.isinf(found.stay(p)[0])]
    lines.append(f"nobody leaves {', '.join(map(short, lasting)) or 'none'}; to stay by Propositions 3a, 4 and 5: "
                 f"{', '.join(map(short, FIGURE_3_STAYS))}")  # fmt: skip
    ended = sum(row[moves.NUMBER[AV, AV]] for row in ends.values()) / (number * len(ends))
    lines.append(shortest(found))
    lines.append(f"after the last period {100 * ended:.1f} % of the alliances of all starts are in mutual avoidance")
    return "\n".join(lines)


def shortest(found: Moves) -> str:
    """Which combination is left fastest, and whether that is sure: its stay against the next shortest."""
    order = sorted((p for p in PAIRS if np.isfinite(found.stay(p)[0])), key=lambda p: found.stay(p)[0])
    if len(order) < 2:
        return "fewer than two combinations are ever left"
    (a, a_se), (b, b_se) = found.stay(order[0]), found.stay(order[1])
    gap, error = b - a, float(np.hypot(a_se, b_se))
    sure = "" if gap > 1.96 * error else ", not told apart"
    right = "as p. 292 has it" if order[0] == (CL, CP) else "p. 292: CL-CP"
    return f"shortest stay: {short(order[0])} ({right}), by {with_error(gap, error, 2)} before {short(order[1])}{sure}"


def _listed(before: str, arrows: Sequence[moves.Arrow]) -> str:
    return before * bool(arrows) + ", ".join(f"{short(a.origin)} to {short(a.to)}" for a in arrows)


def _rows(found: Moves) -> list[dict[str, object]]:
    known = {(a.origin, a.to): a.proposition for a in FIGURE_3}
    rows: list[dict[str, object]] = []
    for origin in reversed(PAIRS):
        stay, stay_se = found.stay(origin)
        for to in dict.fromkeys([*found.ways(origin), *(a.to for a in FIGURE_3 if a.origin == origin), origin]):
            share, error = found.share(origin, to)
            proposition = FIGURE_3_STAYS.get(origin, "") if to == origin else known.get((origin, to), "")
            rows.append(
                {"origin": short(origin), "regime": named(origin), "to": short(to), "proposition": proposition,
                 "periods_at_risk": found.at_risk(origin), "share_per_period": share, "share_per_period_se": error,
                 "mean_stay": stay, "mean_stay_se": stay_se}
            )  # fmt: skip
    return rows


def _figure(ds: xr.Dataset, found: Moves, collaborating: int, number: int) -> Figure:
    figure = drawing.canvas(11.6, 5.5)
    spec = figure.add_gridspec(1, 2, width_ratios=[2.5, 1.0])
    grid.draw(figure.add_subplot(spec[0, 0]), found, FIGURE_3, title="Where pairs go")
    _course(figure.add_subplot(spec[0, 1]), ds, collaborating)
    periods = int(ds["period"].values[-1])
    figure.suptitle(QUESTION, x=0.01, ha="left", fontsize=12, fontweight="bold")
    note = f"{grid.LEGEND}; solid: an arrow of Figure 3 and its proposition; dashed: none"
    sample = f"{number:,} alliances of two for each of 14 starts, {periods} periods"
    drawing.caption(figure, f"{sample}. Left: {note}. Right: bands: 95 % intervals.")
    return figure


def _course(axes: Any, ds: xr.Dataset, point: int) -> None:
    """The way down from mutual collaboration, over the first periods."""
    one = flat(ds).isel(point=point, period=slice(0, 25))
    for regime, colour, dash in WAY:
        y, error = (one[name].sel(regime=regime).values for name in ("regime_share", "regime_share_se"))
        drawing.band(axes, one["period"].values, y, error, color=colour, linestyle=dash, label=regime)
    drawing.plain(axes, "period", "share of alliances", "From mutual collaboration")
    axes.set_ylim(0, 1.0)
    axes.set_xlim(0, None)
    axes.legend(loc="center right", bbox_to_anchor=(1.0, 0.58), frameon=False, fontsize=8, handlelength=2.6)
