"""Row loops of alliance evolution (model section 7), and tally loops of what only some runs record (section 8).

As in `sim.rows`: one step over `LANES` alliances, and the rows of one call never overlap.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import abilities as ab
from sim import equations as eq
from sim import review as rv
from sim.jit import row_loop
from sim.response_rows import INSTRUMENTAL
from sim.rng import uniform
from sim.rows import CELLS, LANES, ONE, TWO, ZERO, one_of_four
from sim.tally_rows import SQUARE, SUM

BRANCHED = np.uint32(75)


@row_loop
def of_phase(phase: Any, table: Any, out: Any) -> None:
    """Each alliance's entry of a table of the four phases."""
    a, b, c, d = table[0], table[1], table[2], table[3]
    for lane in range(LANES):
        p = phase[lane]
        out[lane] = one_of_four(np.uint32(p & ONE) != ZERO, p >= TWO, a, b, c, d)


@row_loop
def add_offer(offer_up: Any, offer_down: Any, openness: Any, up: Any, down: Any) -> None:
    """Add a pair's disclosure before openness to the window."""
    for lane in range(LANES):
        up[lane] += rv.before_openness(offer_up[lane], openness[lane])
        down[lane] += rv.before_openness(offer_down[lane], openness[lane])


@row_loop
def count_responses(code: Any, reached: Any, empowered: Any) -> None:
    """Count reconsidered responses, and those on the empowered branch, in the window."""
    for lane in range(LANES):
        c = code[lane]
        reached[lane] += ONE if (c < BRANCHED) | (c == INSTRUMENTAL) else ZERO
        empowered[lane] += ONE if c < CELLS else ZERO


@row_loop
def add_readiness(
    offered: Any, trust: Any, communicative: Any, prior: Any, own_active: Any, other_active: Any, periods: Any,
    ready: Any, number: Any,
) -> None:  # fmt: skip
    """Add an active ordered pair's readiness to go on."""
    for lane in range(LANES):
        live = (own_active[lane] & other_active[lane]) == ONE
        can = ab.with_memory(communicative[lane], prior[lane])
        value = rv.pair_readiness(eq.mean_of(offered[lane], periods), trust[lane], can, prior[lane])
        ready[lane] += value if live else eq.ZERO
        number[lane] += eq.ONE if live else eq.ZERO


@row_loop
def hold_review(
    alive: Any, openness: Any, mutuality: Any, learning: Any, differences: Any, totals: Any, reached: Any, empowered: Any,
    ready: Any, number: Any, needed: Any, word: Any, creation: Any, periods: Any, weights: Any, advance: Any, fail: Any,
    break_rate: Any, phase: Any, value: Any, stays: Any,
) -> None:  # fmt: skip
    """v of each alliance, its next phase, and `stays` = 0 where a failed review ends it."""
    w_efficiency, w_equity, w_adaptability = weights[0], weights[1], weights[2]
    for lane in range(LANES):
        lives = alive[lane] == ONE
        most = eq.most_learning(creation, mutuality[lane])
        efficiency = rv.window_efficiency(learning[lane], periods, openness[lane], most)
        total, answered = totals[lane], reached[lane]
        any_learning, any_response = total > eq.ZERO, answered > ZERO
        equity = rv.equity(differences[lane], total if any_learning else eq.ONE)
        share = rv.adaptability(np.float32(empowered[lane]), np.float32(answered) if any_response else eq.ONE)
        v = rv.review_value(
            efficiency,
            equity if any_learning else eq.ZERO,
            share if any_response else eq.ZERO,
            w_efficiency,
            w_equity if any_learning else eq.ZERO,
            w_adaptability if any_response else eq.ZERO,
        )
        pairs = number[lane]
        readiness = eq.mean_of(ready[lane], pairs if pairs > eq.ONE else eq.ONE)
        goes_on = lives & (v >= advance) & (readiness >= needed[lane])
        ends = lives & (v < fail) & (uniform(word[lane]) < break_rate)
        value[lane] = v
        phase[lane] = np.uint32(phase[lane] + (ONE if goes_on else ZERO))
        stays[lane] = ZERO if ends else ONE


@row_loop
def readjust(own_active: Any, other_active: Any, value: Any, readjustment: Any, row: Any) -> None:
    """Trust or stakes of an active ordered pair after a review."""
    for lane in range(LANES):
        live = (own_active[lane] & other_active[lane]) == ONE
        before = row[lane]
        after = rv.readjusted(before, readjustment, value[lane])
        row[lane] = after if live else before


@row_loop
def break_up(stays: Any, period: Any, alive: Any, ended: Any, cause: Any) -> None:
    """Dissolve where a review failed; cause 2."""
    for lane in range(LANES):
        stay, when, why = stays[lane], ended[lane], cause[lane]
        ended[lane] = when if stay == ONE else period
        cause[lane] = why if stay == ONE else TWO
        alive[lane] = alive[lane] * stay


# --- tallies -----------------------------------------------------------------------------------------------------------


@row_loop
def tally_phase(phase: Any, alive: Any, which: Any, lanes: Any, out: Any) -> None:
    """Alliances alive in one phase."""
    sums = np.uint32(0)
    for lane in range(lanes):
        sums = np.uint32(sums + (alive[lane] if phase[lane] == which else ZERO))
    out[SUM] += np.int64(sums)
    out[SQUARE] += np.int64(sums)


@row_loop
def add_magnitude(row: Any, total: Any) -> None:
    """Add the absolute values of a row."""
    for lane in range(LANES):
        value = row[lane]
        total[lane] += value if value > eq.ZERO else -value


@row_loop
def tally_dimension(phase: Any, table: Any, row: Any, lanes: Any, out: Any) -> None:
    """Tally what of a period's learning is booked to a dimension; table: float32[4], its weight by phase."""
    a, b, c, d = table[0], table[1], table[2], table[3]
    sums, squares = np.int64(0), np.int64(0)
    for lane in range(lanes):
        p = phase[lane]
        weight = one_of_four(np.uint32(p & ONE) != ZERO, p >= TWO, a, b, c, d)
        k = np.int64(eq.fixed_point(row[lane] * weight))
        sums += k
        squares += k * k
    out[SUM] += sums
    out[SQUARE] += squares


@row_loop
def add_of_theory(theory: Any, slot: Any, learned: Any, total: Any, number: Any) -> None:
    """Add a partner's learning where it follows a theory."""
    for lane in range(LANES):
        follows = theory[lane] == slot
        total[lane] += learned[lane] if follows else eq.ZERO
        number[lane] += ONE if follows else ZERO


@row_loop
def add_of_pair(own: Any, other: Any, transfer: Any, created: Any, totals: Any, numbers: Any) -> None:
    """Add what one partner learned from another to their cell; totals, numbers: (25, LANES)."""
    for lane in range(LANES):
        cell = np.int64(np.uint32(own[lane] * np.uint32(5) + other[lane]))
        totals[cell, lane] += transfer[lane] + eq.appropriated(created[lane], transfer[lane])
        numbers[cell, lane] += ONE


@row_loop
def tally_mean(total: Any, number: Any, lanes: Any, out: Any, count: Any) -> None:
    """Tally means of the alliances that contribute (number above 0), and how many do."""
    sums, squares, contributing = np.int64(0), np.int64(0), np.int64(0)
    for lane in range(lanes):
        there = number[lane] > ZERO
        mean = eq.mean_of(total[lane], np.float32(number[lane]) if there else eq.ONE)
        k = np.int64(eq.fixed_point(mean)) if there else np.int64(0)
        sums += k
        squares += k * k
        contributing += 1 if there else 0
    out[SUM] += sums
    out[SQUARE] += squares
    count[SUM] += contributing


@row_loop
def count_cells(own: Any, other: Any, mask: Any, count: Any) -> None:
    """Count a pair where its cell (5 own + other) is in a mask of 25 bits."""
    for lane in range(LANES):
        cell = np.uint32(own[lane] * np.uint32(5) + other[lane])
        count[lane] += np.uint32(np.uint32(mask >> np.uint32(cell & np.uint32(31))) & ONE)


@row_loop
def count_strategy(strategy: Any, which: Any, count: Any) -> None:
    """Count a unit where it holds a strategy."""
    for lane in range(LANES):
        count[lane] += ONE if strategy[lane] == which else ZERO
