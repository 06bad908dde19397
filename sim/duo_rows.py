"""A whole period of two partners in one loop over lanes: outcomes, context, both responses.

With two partners nothing has to be looked up in other rows, so that a period needs no rows in between: this is where the
time of the base model goes, and short loops that pass rows to each other take half as long again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import equations as eq
from sim.answer_rows import (
    SKIPPED,
    cell_bit,
    chance_of,
    eight_of,
    four_of,
    probability_of,
    settle,
    tables_of,
)
from sim.jit import formula, row_loop
from sim.rng import philox
from sim.rows import FIVE, FOUR, LANES, ONE, TWO, ZERO

#: A lane's period in one number: 16 x cell of the first partner + 4 x how it came to its strategy + how the second did.
JOINT = 400


@formula
def joint(cell: Any, how: Any, other_how: Any) -> Any:
    """Index of a period's cell and decisions, below `JOINT`."""
    return np.uint32(np.uint32(cell << FOUR) | np.uint32(np.uint32(how << TWO) | other_how))


@formula
def learned(own: Any, other: Any, moderate: Any, gamma: Any) -> Any:
    """Transfer and creation that a partner in `own` gets from one in `other`."""
    received = eq.transfer(eq.transparency(other, moderate), eq.receptivity(own, moderate))
    given = eq.transfer(eq.transparency(own, moderate), eq.receptivity(other, moderate))
    return received, eq.appropriated(eq.creation(gamma, received, given), received)


@row_loop
def period(
    low: Any, high: Any, t: Any, slot: Any, key_0: Any, key_1: Any, strategy_up: Any, strategy_down: Any, aware_up: Any,
    aware_down: Any, trust_up: Any, trust_down: Any, stakes_up: Any, stakes_down: Any, prior: Any, learned_up: Any,
    learned_down: Any, lasted: Any, index: Any, planes: Any, keep_row: Any, weights: Any, threshold_row: Any, handicap: Any,
    orientation: Any, calculative_share: Any, awareness_bonus: Any, sensitivity: Any, tremble: Any, strength: Any,
    moderate: Any, gamma: Any, start: Any, trust_gain: Any, trust_loss: Any, suspicion: Any, prior_gain: Any,
    prior_loss: Any, stakes_rate: Any,
) -> None:  # fmt: skip
    """One period: learning to date, context, responses. A dissolved alliance is one in which both avoid; it stays."""
    tables, keeps, thresholds = tables_of(planes), eight_of(keep_row), four_of(threshold_row)
    ws, wt, wo, wp = four_of(weights[:, 0]), four_of(weights[:, 1]), four_of(weights[:, 2]), four_of(weights[:, 3])
    for lane in range(LANES):
        s, o = strategy_up[lane], strategy_down[lane]
        live = np.uint32(s | o) != ZERO
        x_up, r_up = eq.transparency(s, moderate), eq.receptivity(s, moderate)
        x_down, r_down = eq.transparency(o, moderate), eq.receptivity(o, moderate)
        f_up, f_down = eq.transfer(x_down, r_up), eq.transfer(x_up, r_down)
        g = eq.creation(gamma, f_up, f_down)
        learned_up[lane] += eq.fixed_point(f_up + eq.appropriated(g, f_up))
        learned_down[lane] += eq.fixed_point(f_down + eq.appropriated(g, f_down))
        t_up, t_down, a_up, a_down, p = trust_up[lane], trust_down[lane], stakes_up[lane], stakes_down[lane], prior[lane]
        held_up, held_down = eq.withholding(r_down, x_down, eq.ONE), eq.withholding(r_up, x_up, eq.ONE)
        t_up_next = eq.next_trust(
            t_up, x_down, eq.exploited(f_up, f_down), held_up, eq.ONE, trust_gain, trust_loss, suspicion
        )
        t_down_next = eq.next_trust(
            t_down, x_up, eq.exploited(f_down, f_up), held_down, eq.ONE, trust_gain, trust_loss, suspicion
        )
        p_next = eq.next_prior(p, x_up, x_down, prior_gain, prior_loss)
        a_up_next = eq.next_stakes(a_up, start, f_up, f_down, stakes_rate)
        a_down_next = eq.next_stakes(a_down, start, f_down, f_up, stakes_rate)
        t_up, t_down = t_up_next if live else t_up, t_down_next if live else t_down
        a_up, a_down, p = a_up_next if live else a_up, a_down_next if live else a_down, p_next if live else p
        trust_up[lane] = t_up
        trust_down[lane] = t_down
        stakes_up[lane] = a_up
        stakes_down[lane] = a_down
        prior[lane] = p
        w0, w1, w2, w3 = philox(low[lane], high[lane], t, slot, key_0, key_1)
        cell, mirror = np.uint32(s * FIVE + o), np.uint32(o * FIVE + s)
        hot, hot_mirror = cell_bit(cell), cell_bit(mirror)
        e_up = probability_of(
            tables, ws, wt, wo, wp, thresholds, hot, a_up, t_up, p, aware_up[lane], handicap, orientation,
            calculative_share, awareness_bonus, sensitivity,
        )  # fmt: skip
        e_down = probability_of(
            tables, ws, wt, wo, wp, thresholds, hot_mirror, a_down, t_down, p, aware_down[lane], handicap, orientation,
            calculative_share, awareness_bonus, sensitivity,
        )  # fmt: skip
        next_up, how_up = settle(tables, keeps, s, hot, e_up, w0, w1, tremble, strength)
        next_down, how_down = settle(tables, keeps, o, hot_mirror, e_down, w2, w3, tremble, strength)
        strategy_up[lane] = next_up if live else s
        strategy_down[lane] = next_down if live else o
        lasted[lane] += ONE if live else ZERO
        index[lane] = joint(cell, how_up if live else SKIPPED, how_down if live else SKIPPED)


@row_loop
def period_alike(
    low: Any, high: Any, t: Any, slot: Any, key_0: Any, key_1: Any, strategy_up: Any, strategy_down: Any, lasted: Any,
    index: Any, planes: Any, keep_row: Any, chance_row: Any, tremble: Any, strength: Any,
) -> None:  # fmt: skip
    """`period` where all alliances share one context that does not move, without learning to date."""
    tables, keeps, chances = tables_of(planes), eight_of(keep_row), eight_of(chance_row)
    for lane in range(LANES):
        s, o = strategy_up[lane], strategy_down[lane]
        live = np.uint32(s | o) != ZERO
        w0, w1, w2, w3 = philox(low[lane], high[lane], t, slot, key_0, key_1)
        cell, mirror = np.uint32(s * FIVE + o), np.uint32(o * FIVE + s)
        hot, hot_mirror = cell_bit(cell), cell_bit(mirror)
        e_up, e_down = chance_of(tables, chances, hot), chance_of(tables, chances, hot_mirror)
        next_up, how_up = settle(tables, keeps, s, hot, e_up, w0, w1, tremble, strength)
        next_down, how_down = settle(tables, keeps, o, hot_mirror, e_down, w2, w3, tremble, strength)
        strategy_up[lane] = next_up if live else s
        strategy_down[lane] = next_down if live else o
        lasted[lane] += ONE if live else ZERO
        index[lane] = joint(cell, how_up if live else SKIPPED, how_down if live else SKIPPED)


@row_loop
def add_learned(strategy_up: Any, strategy_down: Any, moderate: Any, gamma: Any, learned_up: Any, learned_down: Any) -> None:
    """Add a period's learning to learning to date."""
    for lane in range(LANES):
        s, o = strategy_up[lane], strategy_down[lane]
        f_up, c_up = learned(s, o, moderate, gamma)
        f_down, c_down = learned(o, s, moderate, gamma)
        learned_up[lane] += eq.fixed_point(f_up + c_up)
        learned_down[lane] += eq.fixed_point(f_down + c_down)


@row_loop
def take_over(row: Any, total: Any) -> None:
    """Move 32-bit sums to 64 bits."""
    for lane in range(LANES):
        total[lane] += np.int64(row[lane])
        row[lane] = np.int32(0)


@row_loop
def count_joint(index: Any, lanes: Any, counts: Any) -> None:
    """Count lanes by index; four histograms side by side, so that equal ones do not wait for each other."""
    for lane in range(lanes):
        counts[lane & 3, index[lane]] += np.int32(1)


@row_loop
def count_cells(strategy_up: Any, strategy_down: Any, lanes: Any, cells: Any) -> None:
    """Count lanes by cell."""
    for lane in range(lanes):
        cells[np.int64(strategy_up[lane]) * 5 + np.int64(strategy_down[lane])] += 1


@row_loop
def mean_of_pair(up: Any, down: Any, lanes: Any, out: Any) -> None:
    """Tally the mean of a factor over both partners, as `sim.kernel_parts.tally_context`."""
    sums, squares = np.int64(0), np.int64(0)
    for lane in range(lanes):
        k = np.int64(eq.fixed_point(eq.per_partner(up[lane] + down[lane], eq.TWO)))
        sums += k
        squares += k * k
    out[0] += sums
    out[1] += squares
