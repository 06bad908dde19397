"""Tally loops: add what a row of alliances shows to integer sums and sums of squares.

A count enters as itself, a real as ``rint(x 2^20)``, so that sums are exact and merge in any order (model section 9).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import equations as eq
from sim import rng, rows
from sim.jit import formula, row_loop, step
from sim.rows import LANES
from sim.strategies import REGIME_PAIRS, REGIMES
from sim.variables import BATCHES, BINS, FIXED, PERIOD_COLUMNS, POINT_COLUMNS, QUANTITIES, columns_of

_column = {name: columns_of(name)[1].start for name, _ in (*PERIOD_COLUMNS, *POINT_COLUMNS)}
STRATEGY_SHARE = _column["strategy_share"]
REGIME_SHARE = _column["regime_share"]
TRANSFER = _column["transfer"]
CREATION = _column["creation"]
LEARNING = _column["learning"]
EFFICIENCY = _column["efficiency"]
INEQUITY = _column["inequity"]
MEAN_STAKES = _column["mean_stakes"]
MEAN_TRUST = _column["mean_trust"]
MEAN_ORIENTATION = _column["mean_orientation"]
MEAN_PRIOR = _column["mean_prior"]
SURVIVAL = _column["survival"]
ACTIVE_SHARE = _column["active_share"]
EFFICIENCY_N = _column["efficiency_n"]
INEQUITY_N = _column["inequity_n"]
CUMULATIVE_LEARNING = _column["cumulative_learning"]
HISTOGRAM = _column["cumulative_learning_hist"]
DISSOLUTION_TIME = _column["dissolution_time"]
DISSOLUTION_CAUSE = _column["dissolution_cause"]
RESPONSES = _column["response_count"]

PAIRED_REGIMES = len(REGIME_PAIRS)
WITHDRAWAL = REGIMES.index("withdrawal")
DISINTEGRATION = REGIMES.index("disintegration")
REGIME_FIRST = np.array([a for a, _ in REGIME_PAIRS.values()], np.uint32)
REGIME_SECOND = np.array([b for _, b in REGIME_PAIRS.values()], np.uint32)
FIXED_FLOAT = np.float64(FIXED)
SUM, SQUARE = 0, 1
#: Quantities by batch, in the order of the kernels' `batches`.
B_SURVIVAL, B_CUMULATIVE, B_LEARNING, B_TIME = range(len(QUANTITIES))
BATCH_MASK = np.uint64(BATCHES - 1)
#: Undoes, modulo the number of batches, the multiplication in `sim.rng.first_product`.
INVERSE = np.uint64(pow(int(rng.MULTIPLIER_0), -1, BATCHES))


@formula
def count_in(packed: Any, shift: Any) -> Any:
    """One of the counts packed in a word (uint32); `shift` = 6 x strategy."""
    return np.uint32(np.uint32(packed >> np.uint32(shift & rows.BIT_MASK)) & rows.COUNT_MASK)


@formula
def pairs_of(a: Any, b: Any, same: Any) -> Any:
    """Number of unordered pairs of partners in two strategies held by a and b partners (uint32)."""
    return np.uint32(np.uint32(a * np.uint32(a - rows.ONE)) >> rows.ONE) if same else np.uint32(a * b)


@row_loop
def _strategy(packed: Any, lanes: Any, shift: Any, out: Any) -> None:
    sums, squares = np.uint32(0), np.uint32(0)
    for lane in range(lanes):
        c = count_in(packed[lane], shift)
        sums = np.uint32(sums + c)
        squares = np.uint32(squares + c * c)
    out[SUM] += np.int64(sums)
    out[SQUARE] += np.int64(squares)


@step
def strategies(packed: Any, lanes: Any, out: Any) -> None:
    """Number of partners in each strategy, from packed counts."""
    for k in range(5):
        _strategy(packed, lanes, np.uint32(rows.COUNT_BITS * k), out[STRATEGY_SHARE + k])


@row_loop
def _regime(packed: Any, lanes: Any, first: Any, second: Any, out: Any) -> None:
    sums, squares = np.uint32(0), np.uint32(0)
    shift, other = np.uint32(first * rows.COUNT_BITS), np.uint32(second * rows.COUNT_BITS)
    same = first == second
    for lane in range(lanes):
        c = pairs_of(count_in(packed[lane], shift), count_in(packed[lane], other), same)
        sums = np.uint32(sums + c)
        squares = np.uint32(squares + c * c)
    out[SUM] += np.int64(sums)
    out[SQUARE] += np.int64(squares)


@row_loop
def _withdrawal(packed: Any, lanes: Any, partners: Any, out: Any) -> None:
    sums, squares = np.uint32(0), np.uint32(0)
    for lane in range(lanes):
        avoiding = count_in(packed[lane], rows.ZERO)
        c = np.uint32(avoiding * np.uint32(partners - avoiding))
        sums = np.uint32(sums + c)
        squares = np.uint32(squares + c * c)
    out[SUM] += np.int64(sums)
    out[SQUARE] += np.int64(squares)


@row_loop
def _equal(packed: Any, lanes: Any, pattern: Any, out: Any) -> None:
    sums = np.uint32(0)
    for lane in range(lanes):
        sums = np.uint32(sums + (rows.ONE if packed[lane] == pattern else rows.ZERO))
    out[SUM] += np.int64(sums)
    out[SQUARE] += np.int64(sums)


@step
def regimes(packed: Any, lanes: Any, partners: Any, out: Any) -> None:
    """Number of pairs in each regime, from packed counts; with one pair, a regime is one pattern of counts."""
    if partners == 2:
        for k in range(PAIRED_REGIMES):
            first, second = rows.COUNT_BITS * REGIME_FIRST[k], rows.COUNT_BITS * REGIME_SECOND[k]
            _equal(packed, lanes, np.uint32((rows.ONE << first) + (rows.ONE << second)), out[REGIME_SHARE + k])
    else:
        for k in range(PAIRED_REGIMES):
            _regime(packed, lanes, REGIME_FIRST[k], REGIME_SECOND[k], out[REGIME_SHARE + k])
    _withdrawal(packed, lanes, np.uint32(partners), out[REGIME_SHARE + WITHDRAWAL])
    _regime(packed, lanes, rows.ZERO, rows.ZERO, out[REGIME_SHARE + DISINTEGRATION])


@row_loop
def total(row: Any, lanes: Any) -> Any:
    """Sum of a row of counts (int64)."""
    sums = np.uint32(0)
    for lane in range(lanes):
        sums = np.uint32(sums + row[lane])
    return np.int64(sums)


@row_loop
def count(row: Any, lanes: Any, out: Any) -> None:
    """A row of counts."""
    sums, squares = np.uint32(0), np.uint32(0)
    for lane in range(lanes):
        sums = np.uint32(sums + row[lane])
        squares = np.uint32(squares + row[lane] * row[lane])
    out[SUM] += np.int64(sums)
    out[SQUARE] += np.int64(squares)


@row_loop
def real(row: Any, lanes: Any, out: Any) -> None:
    """A row of reals, as fixed-point integers."""
    sums, squares = np.int64(0), np.int64(0)
    for lane in range(lanes):
        k = np.int64(eq.fixed_point(row[lane]))
        sums += k
        squares += k * k
    out[SUM] += sums
    out[SQUARE] += squares


@row_loop
def mean_of_pair(up: Any, down: Any, lanes: Any, out: Any) -> None:
    """The mean over both partners of what each holds."""
    sums, squares = np.int64(0), np.int64(0)
    for lane in range(lanes):
        k = np.int64(eq.fixed_point(eq.per_partner(up[lane] + down[lane], eq.TWO)))
        sums += k
        squares += k * k
    out[SUM] += sums
    out[SQUARE] += squares


@row_loop
def responses(code: Any, lanes: Any, counts: Any) -> None:
    """Response codes; four histograms side by side, so that equal codes do not wait for each other."""
    for lane in range(lanes):
        counts[lane & 3, code[lane]] += 1


@row_loop
def efficiency_row(learning: Any, most: Any, out: Any) -> None:
    """Efficiency of each alliance from its mean learning."""
    for lane in range(LANES):
        out[lane] = eq.efficiency(learning[lane], most)


@row_loop
def inequity_row(differences: Any, totals: Any, lanes: Any) -> Any:
    """Inequity of each alliance, into `differences`; returns how many have any learning."""
    number = np.uint32(0)
    for lane in range(lanes):
        number = np.uint32(number + (rows.ONE if totals[lane] > eq.ZERO else rows.ZERO))
        differences[lane] = eq.inequity(differences[lane], totals[lane])
    return np.int64(number)


@formula
def bin_of(cumulated: Any, most: Any) -> Any:
    """Bin of a partner's learning over the run; the last one includes its end."""
    b = int(np.float64(cumulated) * BINS / most)
    return b if b < BINS else BINS - 1


@formula
def batch_of(product: Any) -> Any:
    """Batch of an alliance, its number modulo `BATCHES`, from its `sim.rng.first_product`: lanes move, that stays."""
    return np.int64(np.uint64(product * INVERSE) & BATCH_MASK)


@row_loop
def batch_real(product: Any, row: Any, lanes: Any, out: Any) -> None:
    """A row of reals, as fixed-point integers, by batch; `out` : int64[BATCHES, 2]."""
    for lane in range(lanes):
        out[batch_of(product[lane]), SUM] += np.int64(eq.fixed_point(row[lane]))


@step
def totals(
    point: Any, want_mean: Any, want_bins: Any, batches: Any, begin: Any, end: Any, product: Any, cumulated: Any, ended: Any,
    alive: Any, exited: Any, bins: Any, out: Any,
) -> None:  # fmt: skip
    """Close lanes `begin` to `end`: learning over the run, its histogram, time and cause of dissolution; `bins` is 0.

    What is kept by batch of survival, cumulative learning and time of dissolution comes with them.
    """
    partners, periods = point.partners, point.periods
    most = np.float64(periods) * FIXED_FLOAT * (1.0 + 2.0 * np.float64(point.creation) * np.float64(point.mutuality))
    for lane in range(begin, end):
        batch = batch_of(product[lane])
        if want_mean or batches[B_CUMULATIVE] >= 0:
            sums = np.int64(0)
            for i in range(partners):
                sums += cumulated[i, lane]
            k = np.int64(np.rint(np.float64(sums) / np.float64(partners * periods)))
            if want_mean:
                out[CUMULATIVE_LEARNING, SUM] += k
                out[CUMULATIVE_LEARNING, SQUARE] += k * k
            if batches[B_CUMULATIVE] >= 0:
                out[batches[B_CUMULATIVE] + batch, SUM] += k
        if want_bins:
            for i in range(partners):
                b = bin_of(cumulated[i, lane], most)
                # (c + 1)^2 - c^2 = 2 c + 1
                out[HISTOGRAM + b, SUM] += 1
                out[HISTOGRAM + b, SQUARE] += 2 * bins[b] + 1
                bins[b] += 1
            for i in range(partners):
                bins[bin_of(cumulated[i, lane], most)] = 0
        when = np.int64(ended[lane])
        out[DISSOLUTION_TIME, SUM] += when
        out[DISSOLUTION_TIME, SQUARE] += when * when
        if batches[B_TIME] >= 0:
            out[batches[B_TIME] + batch, SUM] += when
        if batches[B_SURVIVAL] >= 0:
            out[batches[B_SURVIVAL] + batch, SUM] += np.int64(alive[lane])
        if alive[lane] == rows.ZERO:
            cause = DISSOLUTION_CAUSE + np.int64(exited[lane])
            out[cause, SUM] += 1
            out[cause, SQUARE] += 1
