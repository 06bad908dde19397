"""The compiled simulation of two partners in the base model: `sim.kernel` with a whole period in one loop.

What a pair does in a period follows from its cell, the two strategies, so that strategies, regimes, transfer, creation,
learning, efficiency and inequity are tallied as one histogram of cells a period (it gives the same integers: a value of an
alliance is a function of its cell), and worked out once at the end. Only the means of trust, stakes and prior interaction
are summed lane by lane. A dissolved alliance is one in which both avoid: nothing else has to be remembered of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import answer_rows, duo_rows, rng, rows
from sim import equations as eq
from sim import kernel_parts as base
from sim import tally_rows as tally
from sim.duo_rows import JOINT
from sim.jit import kernel, step
from sim.rows import LANES
from sim.strategies import REGIMES, regime_of
from sim.variables import BINS

CELLS = 25
#: Regime of each cell.
REGIME_OF = np.array([REGIMES.index(regime_of(c // 5, c % 5)) for c in range(CELLS)])
#: Learning to date is kept in 32 bits for so many periods: at most 3 x 2^20 a period.
SHORT = 512


@step
def tally_cells(want: Any, point: Any, outcomes: Any, states: Any, by_period: Any) -> None:
    """What a recorded period's cells say: `outcomes` by cell at its start, `states` at its end; int64 (rows, 25)."""
    moderate, gamma = point.moderate, point.creation
    most = eq.most_learning(gamma, point.mutuality)
    values, there = np.zeros((5, CELLS), np.int64), np.zeros(CELLS, np.int64)
    for cell in range(CELLS):
        own, other = np.uint32(cell // 5), np.uint32(cell % 5)
        f_up, c_up = duo_rows.learned(own, other, moderate, gamma)
        f_down, c_down = duo_rows.learned(other, own, moderate, gamma)
        l_up, l_down = f_up + c_up, f_down + c_down
        learning = eq.per_partner(l_up + l_down, eq.TWO)
        total = l_up + l_down
        gap = l_up - l_down if l_up > l_down else l_down - l_up
        values[0, cell] = eq.fixed_point(eq.per_partner(f_up + f_down, eq.TWO))
        values[1, cell] = eq.fixed_point(eq.per_partner(c_up + c_down, eq.TWO))
        values[2, cell] = eq.fixed_point(learning)
        values[3, cell] = eq.fixed_point(eq.efficiency(learning, most))
        values[4, cell] = eq.fixed_point(eq.inequity(gap, total))
        there[cell] = 1 if total > eq.ZERO else 0
    columns = (tally.TRANSFER, tally.CREATION, tally.LEARNING, tally.EFFICIENCY, tally.INEQUITY)
    wanted = (want[base.W_TRANSFER], want[base.W_CREATION], want[base.W_LEARNING], want[base.W_EFFICIENCY],
              want[base.W_INEQUITY])  # fmt: skip
    for row in range(by_period.shape[0]):
        out = by_period[row]
        for cell in range(CELLS):
            c = outcomes[row, cell]
            if c > 0:
                for k in range(5):
                    if wanted[k]:
                        out[columns[k], tally.SUM] += c * values[k, cell]
                        out[columns[k], tally.SQUARE] += c * values[k, cell] * values[k, cell]
                if wanted[3] and cell > 0:
                    out[tally.EFFICIENCY_N, tally.SUM] += c
                if wanted[4]:
                    out[tally.INEQUITY_N, tally.SUM] += c * there[cell]
            c = states[row, cell]
            if c > 0:
                alike = cell // 5 == cell % 5
                if want[base.W_STRATEGY]:
                    for strategy in (cell // 5, cell % 5):
                        out[tally.STRATEGY_SHARE + strategy, tally.SUM] += c
                        out[tally.STRATEGY_SHARE + strategy, tally.SQUARE] += 2 * c if alike else c
                if want[base.W_REGIME]:
                    for moment in (tally.SUM, tally.SQUARE):
                        out[tally.REGIME_SHARE + REGIME_OF[cell], moment] += c
                if cell > 0:
                    if want[base.W_SURVIVAL]:
                        for moment in (tally.SUM, tally.SQUARE):
                            out[tally.SURVIVAL, moment] += c
                    if want[base.W_ACTIVE]:
                        out[tally.ACTIVE_SHARE, tally.SUM] += 2 * c
                        out[tally.ACTIVE_SHARE, tally.SQUARE] += 4 * c


@step
def tally_answers(totals: Any, by_point: Any) -> None:
    """Reconsidered responses by branch and cell, of both partners; totals: int64[JOINT]."""
    for k in range(JOINT):
        cell, how, other_how = k // 16, k // 4 % 4, k % 4
        if how < 3:
            by_point[tally.RESPONSES + CELLS * how + cell, tally.SUM] += totals[k]
        if other_how < 3:
            by_point[tally.RESPONSES + CELLS * other_how + cell % 5 * 5 + cell // 5, tally.SUM] += totals[k]


@step
def close_period(counts: Any, cells: Any, totals: Any) -> None:
    """Add up and clear a period's histograms: cells at its start, and its decisions to those of the run."""
    for cell in range(CELLS):
        cells[cell] = 0
    for k in range(JOINT):
        c = np.int64(counts[0, k] + counts[1, k] + counts[2, k] + counts[3, k])
        if c != 0:
            cells[k // 16] += c
            totals[k] += c
            for part in range(4):
                counts[part, k] = np.int32(0)


@kernel
def simulate_duo(
    point: Any, first: Any, count: Any, mix: Any, planes: Any, keeps: Any, weights: Any, thresholds: Any,
    recorded: Any, want: Any, by_period: Any, by_point: Any,
) -> None:  # fmt: skip
    """As `sim.kernel.simulate`, for two partners, no exits and no misperception: the same integers."""
    u4, f4, i4 = np.uint32, np.float32, np.int32
    low, high, up, down = np.empty(LANES, u4), np.empty(LANES, u4), np.empty(LANES, u4), np.empty(LANES, u4)
    w0, w1, w2, w3 = np.empty(LANES, u4), np.empty(LANES, u4), np.empty(LANES, u4), np.empty(LANES, u4)
    lasted, index, alive, nobody = np.empty(LANES, u4), np.empty(LANES, u4), np.empty(LANES, u4), np.zeros(LANES, u4)
    aware_up, aware_down = np.zeros(LANES, f4), np.zeros(LANES, f4)
    trust_up, trust_down, prior = np.empty(LANES, f4), np.empty(LANES, f4), np.empty(LANES, f4)
    stakes_up, stakes_down = np.empty(LANES, f4), np.empty(LANES, f4)
    learned_up, learned_down, cumulated = np.zeros(LANES, i4), np.zeros(LANES, i4), np.empty((2, LANES), np.int64)
    chances, bins = np.zeros(8, f4), np.zeros(BINS, np.int64)
    counts, cells, totals = np.zeros((4, JOINT), i4), np.zeros(CELLS, np.int64), np.zeros(JOINT, np.int64)
    outcomes, states = np.zeros((by_period.shape[0], CELLS), np.int64), np.zeros((by_period.shape[0], CELLS), np.int64)
    alike = point.dynamic == 0 and point.aware == eq.ZERO
    to_date = want[base.W_CUMULATIVE] or want[base.W_HISTOGRAM]
    slot = rng.slot_of(rng.RESPONSE, 0)
    # Rates of 0 leave every bit of the context as it is.
    moves = eq.ONE if point.dynamic != 0 else eq.ZERO
    trust_gain, trust_loss, suspicion = moves * point.trust_gain, moves * point.trust_loss, moves * point.suspicion
    prior_gain, prior_loss = moves * point.prior_gain, moves * point.prior_loss
    stakes_rate = moves * point.stakes_rate

    for start in range(0, count, LANES):
        lanes = min(LANES, count - start)

        # Formation, t = 0.
        for lane in range(LANES):
            alliance = np.uint64(first) + np.uint64(start) + np.uint64(lane)
            low[lane] = np.uint32(alliance & rng.WORD_MASK)
            high[lane] = np.uint32(alliance >> rng.WORD_BITS)
        rows.words(
            low, high, rows.ZERO, rng.slot_of(rng.INITIAL_STRATEGY, 0), point.key_0, point.key_1, w0, w1, w2, w3
        )  # fmt: skip
        rows.draw_initial(w0, mix[0], up)
        rows.draw_initial(w1, mix[1], down)
        if point.aware > eq.ZERO:
            rows.words(low, high, rows.ZERO, rng.slot_of(rng.AWARENESS, 0), point.key_0, point.key_1, w0, w1, w2, w3)
            rows.draw_event(w0, point.aware, aware_up)
            rows.draw_event(w1, point.aware, aware_down)
        rows.fill(trust_up, point.trust)
        rows.fill(trust_down, point.trust)
        rows.fill(stakes_up, point.stakes)
        rows.fill(stakes_down, point.stakes)
        rows.fill(prior, point.prior)
        rows.fill(lasted, rows.ZERO)
        for i in range(2):
            rows.fill(cumulated[i], 0)

        before, gone = np.int64(-1), False
        for t in range(point.periods + 1):
            row = recorded[t]
            orientation = eq.orientation_at(point.orientation, np.float32(t), point.horizon, point.window)
            if t > 0 and not gone:
                if alike:
                    answer_rows.chances(
                        weights, thresholds, point.stakes, point.trust, point.prior, point.handicap, orientation,
                        point.calculative_share, point.awareness_bonus, point.sensitivity, chances,
                    )  # fmt: skip
                    if to_date:
                        duo_rows.add_learned(up, down, point.moderate, point.creation, learned_up, learned_down)
                    duo_rows.period_alike(
                        low, high, np.uint32(t), slot, point.key_0, point.key_1, up, down, lasted, index, planes, keeps,
                        chances, point.tremble, point.barrier_strength,
                    )  # fmt: skip
                else:
                    duo_rows.period(
                        low, high, np.uint32(t), slot, point.key_0, point.key_1, up, down, aware_up, aware_down, trust_up,
                        trust_down, stakes_up, stakes_down, prior, learned_up, learned_down, lasted, index, planes, keeps,
                        weights, thresholds, point.handicap, orientation, point.calculative_share, point.awareness_bonus,
                        point.sensitivity, point.tremble, point.barrier_strength, point.moderate, point.creation,
                        point.stakes, trust_gain, trust_loss, suspicion, prior_gain, prior_loss, stakes_rate,
                    )  # fmt: skip
                if t % SHORT == 0:
                    duo_rows.take_over(learned_up, cumulated[0])
                    duo_rows.take_over(learned_down, cumulated[1])
                duo_rows.count_joint(index, lanes, counts)
                close_period(counts, cells, totals)
                # Once all have dissolved, nothing moves: what is left of the chunk is known.
                gone = cells[0] == lanes
            if t > 0:
                # The cells at the start of this period are those at the end of the one before.
                for cell in range(CELLS):
                    if before >= 0:
                        states[before, cell] += cells[cell]
                    if row >= 0:
                        outcomes[row, cell] += cells[cell]
            if row >= 0:
                if want[base.W_STAKES]:
                    duo_rows.mean_of_pair(stakes_up, stakes_down, lanes, by_period[row, tally.MEAN_STAKES])
                if want[base.W_TRUST]:
                    duo_rows.mean_of_pair(trust_up, trust_down, lanes, by_period[row, tally.MEAN_TRUST])
                if want[base.W_PRIOR]:
                    tally.real(prior, lanes, by_period[row, tally.MEAN_PRIOR])
                if want[base.W_ORIENTATION]:
                    k = np.int64(eq.fixed_point(orientation))
                    by_period[row, tally.MEAN_ORIENTATION, tally.SUM] += lanes * k
                    by_period[row, tally.MEAN_ORIENTATION, tally.SQUARE] += lanes * k * k
            before = row
        duo_rows.count_cells(up, down, lanes, states[before])

        duo_rows.take_over(learned_up, cumulated[0])
        duo_rows.take_over(learned_down, cumulated[1])
        for lane in range(LANES):
            alive[lane] = rows.ONE if (up[lane] | down[lane]) != rows.ZERO else rows.ZERO
        tally.totals(
            point, want[base.W_CUMULATIVE], want[base.W_HISTOGRAM], lanes, cumulated, lasted, alive, nobody, bins, by_point
        )

    tally_cells(want, point, outcomes, states, by_period)
    if want[base.W_RESPONSE]:
        tally_answers(totals, by_point)
