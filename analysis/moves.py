"""How pairs of partners move between combinations of strategies, counted from the histories of a saved store.

What is counted is what partners did. The paper's arrows (Larsson et al. 1998, Figs. 3 and 4) are written down here from the
wording of its Propositions 1 to 9, so that they can be compared with it; labels of decisions are never read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from analysis.summaries import AnalysisError
from sim.retrace import histories
from sim.strategies import STRATEGIES, regime_of

#: Codes of the strategies, in the order of `sim.strategies.STRATEGIES`.
AV, AC, CM, CP, CL = range(5)
#: The 15 combinations of two strategies, as codes, the larger first.
PAIRS: tuple[tuple[int, int], ...] = tuple((a, b) for a in range(5) for b in range(a + 1))
NUMBER = {pair: k for k, pair in enumerate(PAIRS)} | {(b, a): k for k, (a, b) in enumerate(PAIRS)}
SHORT = dict(zip(range(5), ("AV", "AC", "CM", "CP", "CL"), strict=True))
#: Alliances whose histories are read at a time, and most of a point.
PIECE, MOST = 1024, 20000


class Arrow(NamedTuple):
    """An arrow of the paper: where a pair goes from a combination, and the proposition that says so."""

    origin: tuple[int, int]
    to: tuple[int, int]
    proposition: str


#: Barriers, Propositions 1 to 5, each applied to one organization, as they are worded ("the other organization ... will
#: tend to adopt"). Where both organizations of a combination are in the same place, either may be the one.
FIGURE_3 = (
    Arrow((CL, CL), (CL, CP), "1a"), Arrow((CL, CM), (CL, CP), "1a"), Arrow((CL, AC), (CL, AV), "1b"),
    Arrow((CL, CP), (CP, CP), "2a"), Arrow((CP, CM), (CP, CP), "2a"), Arrow((CP, CP), (CP, AV), "2b"),
    Arrow((CP, AC), (CP, AV), "2b"), Arrow((CM, AC), (CM, AV), "3b"), Arrow((CL, AV), (AV, AV), "5"),
    Arrow((CP, AV), (AV, AV), "5"), Arrow((CM, AV), (AV, AV), "5"), Arrow((AC, AV), (AV, AV), "5"),
)  # fmt: skip
#: Combinations that Propositions 3a, 4 and 5 say will last.
FIGURE_3_STAYS = {(CM, CM): "3a", (AC, AC): "4", (AV, AV): "5"}
#: Empowerment, Propositions 6 to 8, with both organizations where the proposition says it wants them.
FIGURE_4 = (
    Arrow((CL, AC), (CL, CL), "6a"), Arrow((CM, AC), (CM, CM), "6b"), Arrow((AC, AC), (CM, CM), "6b"),
    Arrow((CL, CP), (CM, CM), "7a"), Arrow((CP, CM), (CM, CM), "7b"), Arrow((CP, CP), (CM, CM), "7b"),
    Arrow((CL, CM), (CL, CL), "8"), Arrow((CM, CM), (CL, CL), "8"),
)  # fmt: skip
FIGURE_4_STAYS = {(CL, CL): "9"}


class Moves(NamedTuple):
    """How often pairs went from one combination (row) to another (column) in a period: int64[15, 15], order of `PAIRS`."""

    counts: np.ndarray

    def __add__(self, other: object) -> Moves:
        assert isinstance(other, Moves)
        return Moves(self.counts + other.counts)

    def at_risk(self, pair: tuple[int, int]) -> int:
        """Periods that pairs began in a combination."""
        return int(self.counts[NUMBER[pair]].sum())

    def share(self, origin: tuple[int, int], to: tuple[int, int]) -> tuple[float, float]:
        """Share of those periods at whose end the pair was in another one, with standard error; NaN: no such periods."""
        number = self.at_risk(origin)
        if number == 0:
            return np.nan, np.nan
        p = self.counts[NUMBER[origin], NUMBER[to]] / number
        return float(p), float(np.sqrt(p * (1 - p) / number))

    def stay(self, pair: tuple[int, int]) -> tuple[float, float]:
        """Mean stay in periods, 1 / (share that leaves), with standard error; infinite where none left."""
        kept, _ = self.share(pair, pair)
        number, leaving = self.at_risk(pair), 1.0 - kept
        if number == 0 or leaving == 0.0:
            return (np.inf if number else np.nan), np.nan
        return 1.0 / leaving, float(np.sqrt(leaving * kept / number) / leaving**2)

    def ways(self, origin: tuple[int, int], least: float = 0.0) -> list[tuple[int, int]]:
        """Where pairs went from a combination in at least a share `least` of the periods; the commonest first."""
        row = self.counts[NUMBER[origin]]
        order = [k for k in np.argsort(-row, kind="stable") if row[k] and PAIRS[k] != origin]
        return [PAIRS[k] for k in order if row[k] / row.sum() >= least]


def short(pair: tuple[int, int]) -> str:
    """A combination in letters.

    Examples
    --------
    >>> short((3, 4))
    'CL-CP'
    """
    return "-".join(SHORT[s] for s in sorted(pair, reverse=True))


def named(pair: tuple[int, int]) -> str:
    """The regime of a combination, in words."""
    return regime_of(*pair).replace("_", " ")


def courses(store: Path, point: int, first: int, number: int) -> Iterator[np.ndarray]:
    """Strategies of both partners of alliances ``first`` to ``first + number``: int8[alliances, periods + 1, 2], in pieces.

    Raises
    ------
    AnalysisError : the store cannot be read back, or its alliances have not two partners with one strategy each.
    """
    for start in range(first, first + number, PIECE):
        try:
            found = histories(store, point, range(start, min(start + PIECE, first + number)))
        except (ValueError, OSError) as error:
            raise AnalysisError(f"no histories: {error}") from None
        strategy = found["strategy"]
        if found.sizes["partner"] != 2:
            raise AnalysisError("moves between combinations of strategies need alliances of two partners")
        if "counterpart" in strategy.dims:
            raise AnalysisError("moves between combinations of strategies need one strategy for each partner")
        words = strategy.transpose("alliance", "period", "partner").values
        codes = np.zeros(words.shape, np.int8)
        for code, name in enumerate(STRATEGIES):
            codes[words == name] = code
        yield codes


def combined(strategies: np.ndarray) -> np.ndarray:
    """Index of the combination in `PAIRS`, int8[alliances, periods + 1]."""
    high, low = strategies.max(axis=2), strategies.min(axis=2)
    return np.asarray(high * (high + 1) // 2 + low, np.int8)


def counted(pairs: np.ndarray) -> Moves:
    """Moves from each period to the next; combinations as `combined` numbers them, [alliances, periods + 1]."""
    size = len(PAIRS)
    steps = pairs[:, :-1].ravel().astype(np.int64) * size + pairs[:, 1:].ravel()
    return Moves(np.bincount(steps, minlength=size * size).reshape(size, size))


def finished(ds: xr.Dataset) -> int:
    """Number of points, once all are finished: only then is the place of a point in the dataset its index in the store."""
    if "point" not in ds.dims or ("done" in ds and not (ds["done"].values == 1).all()):
        raise AnalysisError("every point of the store must be finished")
    return int(ds.sizes["point"])


def compared(moves: Moves, arrows: Sequence[Arrow], least: float) -> tuple[list[Arrow], list[Arrow], list[Arrow]]:
    """Arrows of the paper that appear, those that do not, and moves that no arrow of the paper shows.

    Parameters
    ----------
    least : share of the periods in a combination in which a move must be made to appear.
    """
    drawn = {(NUMBER[a.origin], NUMBER[a.to]) for a in arrows}
    seen = {(NUMBER[o], NUMBER[to]) for o in PAIRS for to in moves.ways(o, least)}
    there = [a for a in arrows if (NUMBER[a.origin], NUMBER[a.to]) in seen]
    missing = [a for a in arrows if (NUMBER[a.origin], NUMBER[a.to]) not in seen]
    return there, missing, [Arrow(PAIRS[o], PAIRS[to], "") for o, to in sorted(seen - drawn, reverse=True)]


def read(ds: xr.Dataset, store: Path) -> list[np.ndarray]:
    """Combinations by period, as `combined`, of the alliances of every point, at most `MOST`.

    Raises
    ------
    AnalysisError : a point is not finished, or as `courses`.
    """
    every = range(finished(ds))
    number = [min(MOST, int(ds["alliances"].values[k])) for k in every]
    return [np.concatenate([combined(c) for c in courses(store, k, 0, number[k])]) for k in every]


def start_of(pairs: np.ndarray) -> tuple[int, int]:
    """The combination in which all alliances of a point begin.

    Raises
    ------
    AnalysisError : they do not begin in one.
    """
    first = np.unique(pairs[:, 0])
    if first.size != 1:
        raise AnalysisError("all alliances of a point must begin in one combination of strategies")
    return PAIRS[int(first[0])]


def all_starts() -> list[tuple[int, int]]:
    """The 14 combinations in which an alliance can begin: all but mutual avoidance."""
    return [pair for pair in reversed(PAIRS) if pair != (AV, AV)]
