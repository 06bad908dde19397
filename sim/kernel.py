"""The compiled simulation: alliances `first` to `first + count` of one point, in; integer tallies, out.

It runs `rows.LANES` alliances at a time through all periods (model section 0) and adds what they do to two arrays of
sums, so memory depends neither on the number of alliances nor, but for the tallies, on the number of periods. There are
no labels and no allocation in the period loop. A chunk whose alliances have all dissolved stops early: what is left of
it is known.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import answer_rows, rng, rows
from sim import equations as eq
from sim import tally_rows as tally
from sim.jit import kernel
from sim.kernel_parts import (
    FOUR,
    W_CREATION,
    W_CUMULATIVE,
    W_EFFICIENCY,
    W_HISTOGRAM,
    W_INEQUITY,
    W_LEARNING,
    W_ORIENTATION,
    W_REGIME,
    W_RESPONSE,
    W_STRATEGY,
    W_TRANSFER,
    partner_words,
    tally_outcomes,
    tally_states,
)
from sim.rows import LANES
from sim.variables import BINS


@kernel
def simulate(
    point: Any, first: Any, count: Any, mix: Any, planes: Any, keeps: Any, weights: Any, thresholds: Any,
    recorded: Any, want: Any, by_period: Any, by_point: Any,
) -> None:  # fmt: skip
    """Simulate alliances ``first`` to ``first + count`` of a point and add them to its tallies.

    Parameters
    ----------
    point : record of dtype `POINT`.
    first : uint64, number of the first alliance; count : int64, 1 to `MAX_ALLIANCES`.
    mix : float64[partners, 4], cumulated mix of first strategies.
    planes, keeps, weights, thresholds : the response theory, see `sim.answer_rows`.
    recorded : int64[periods + 1], row of `by_period` for each period or -1.
    want : bool[len(WANTED)], what is recorded.
    by_period : int64[rows, PERIOD_COLUMNS, 2], by_point : int64[POINT_COLUMNS, 2] : sums and sums of squares, added to.
    """
    n = point.partners
    others, partners = np.float32(n - 1), np.float32(n)
    moderate, gamma = point.moderate, point.creation
    most = eq.most_learning(gamma, point.mutuality)
    want_outcome = want[W_TRANSFER] or want[W_CREATION] or want[W_LEARNING] or want[W_EFFICIENCY]
    want_to_date = want[W_CUMULATIVE] or want[W_HISTOGRAM]

    u4, f4 = np.uint32, np.float32
    padded = (n + FOUR - 1) // FOUR * FOUR
    low, high, rank = np.empty(LANES, u4), np.empty(LANES, u4), np.empty(LANES, u4)
    w0, w1, w2, w3 = np.empty(LANES, u4), np.empty(LANES, u4), np.empty(LANES, u4), np.empty(LANES, u4)
    draws, meetings = np.empty((padded, LANES), u4), np.empty((padded, LANES), u4)
    alive, ended, left, exited = np.empty(LANES, u4), np.empty(LANES, u4), np.empty(LANES, u4), np.empty(LANES, u4)
    active_number, open_number, packed = np.empty(LANES, u4), np.empty(LANES, u4), np.empty(LANES, u4)
    met, seen, code = np.zeros(LANES, u4), np.empty(LANES, u4), np.empty(LANES, u4)
    met_trust, met_stakes, met_prior = np.zeros(LANES, f4), np.zeros(LANES, f4), np.zeros(LANES, f4)
    strategy, chosen, active = np.empty((n, LANES), u4), np.empty((n, LANES), u4), np.empty((n, LANES), u4)
    aware, cumulated = np.empty((n, LANES), f4), np.empty((n, LANES), np.int64)
    # Context of pair (i, j), i < j, at row i n + j: `_up` is i's towards j, `_down` j's towards i.
    trust_up, trust_down = np.empty((n * n, LANES), f4), np.empty((n * n, LANES), f4)
    stakes_up, stakes_down = np.empty((n * n, LANES), f4), np.empty((n * n, LANES), f4)
    prior = np.empty((n * n, LANES), f4)
    transfers, creations = np.zeros(LANES, f4), np.zeros(LANES, f4)
    transfer_sum, creation_sum, learning_sum = np.empty(LANES, f4), np.empty(LANES, f4), np.empty(LANES, f4)
    differences, totals, scratch = np.empty(LANES, f4), np.empty(LANES, f4), np.empty(LANES, f4)
    chances, held = np.zeros(8, f4), np.zeros((FOUR, LANES), u4)
    # All alliances in one context that does not move: what empowers is worked out once a period.
    alike = point.dynamic == 0 and point.aware == eq.ZERO
    together = alike and point.exit_rate == eq.ZERO
    responses = np.zeros((FOUR, rows.RESPONSE_CODES), np.int64)
    bins = np.zeros(BINS, np.int64)
    states = np.zeros((by_period.shape[1], 2), np.int64)

    for start in range(0, count, LANES):
        lanes = min(LANES, count - start)

        # Formation, t = 0.
        for lane in range(LANES):
            alliance = np.uint64(first) + np.uint64(start) + np.uint64(lane)
            low[lane] = np.uint32(alliance & rng.WORD_MASK)
            high[lane] = np.uint32(alliance >> rng.WORD_BITS)
        partner_words(low, high, rows.ZERO, rng.INITIAL_STRATEGY, point, draws)
        for i in range(n):
            rows.draw_initial(draws[i], mix[i], strategy[i])
            rows.fill(active[i], rows.ONE)
            rows.fill(aware[i], eq.ZERO)
            rows.fill(cumulated[i], 0)
        if point.aware > eq.ZERO:
            partner_words(low, high, rows.ZERO, rng.AWARENESS, point, draws)
            for i in range(n):
                rows.draw_event(draws[i], point.aware, aware[i])
        for i in range(n):
            for j in range(i + 1, n):
                p = i * n + j
                rows.fill(trust_up[p], point.trust)
                rows.fill(trust_down[p], point.trust)
                rows.fill(stakes_up[p], point.stakes)
                rows.fill(stakes_down[p], point.stakes)
                rows.fill(prior[p], point.prior)
        rows.fill(alive, rows.ONE)
        rows.fill(ended, np.uint32(point.periods))
        rows.fill(left, rows.ZERO)
        rows.fill(exited, rows.ZERO)
        living = np.int64(lanes)

        for t in range(point.periods + 1):
            period = np.uint32(t)
            row = recorded[t]
            orientation = eq.orientation_at(point.orientation, np.float32(t), point.horizon, point.window)
            if t > 0:
                # 1 outcomes, from the values at the end of t - 1.
                if want_to_date or (row >= 0 and want_outcome):
                    rows.fill(transfer_sum, eq.ZERO)
                    rows.fill(creation_sum, eq.ZERO)
                    rows.fill(learning_sum, eq.ZERO)
                    for i in range(n):
                        for j in range(n):
                            if j != i:
                                rows.exchange(strategy[i], strategy[j], moderate, gamma, transfers, creations)
                        rows.book_partner(
                            transfers, creations, others, transfer_sum, creation_sum, learning_sum, cumulated[i]
                        )
                if row >= 0 and want_outcome:
                    rows.divide_row(transfer_sum, partners)
                    rows.divide_row(creation_sum, partners)
                    rows.divide_row(learning_sum, partners)
                    tally_outcomes(
                        want, transfer_sum, creation_sum, learning_sum, most, living, lanes, scratch, by_period[row]
                    )
                if row >= 0 and want[W_INEQUITY]:
                    rows.fill(differences, eq.ZERO)
                    rows.fill(totals, eq.ZERO)
                    for i in range(n):
                        for j in range(i + 1, n):
                            rows.compare_pair(strategy[i], strategy[j], moderate, gamma, differences, totals)
                    by_period[row, tally.INEQUITY_N, tally.SUM] += tally.inequity_row(differences, totals, lanes)
                    tally.real(differences, lanes, by_period[row, tally.INEQUITY])

                # 2 context.
                if point.dynamic != 0:
                    for i in range(n):
                        for j in range(i + 1, n):
                            p = i * n + j
                            rows.update_context(
                                strategy[i], strategy[j], active[i], active[j], moderate,
                                trust_up[p], trust_down[p], stakes_up[p], stakes_down[p], prior[p], point.stakes,
                                point.trust_gain, point.trust_loss, point.suspicion, point.prior_gain, point.prior_loss,
                                point.stakes_rate,
                            )  # fmt: skip

                # 3 responses, all from the same old strategies and the new context; then all switch at once.
                if n > 2:
                    partner_words(low, high, period, rng.COUNTERPART, point, meetings)
                if alike:
                    answer_rows.chances(
                        weights, thresholds, point.stakes, point.trust, point.prior, point.handicap, orientation,
                        point.calculative_share, point.awareness_bonus, point.sensitivity, chances,
                    )  # fmt: skip
                if together and n > 2:
                    for eighth in range((n + 7) // 8):
                        rows.fill(held[eighth], rows.ZERO)
                    for i in range(n):
                        answer_rows.pack_strategy(strategy[i], np.uint32(FOUR * (i % 8)), held[i // 8])
                if point.misperception > eq.ZERO:
                    partner_words(low, high, period, rng.MISPERCEPTION, point, draws)
                for i in range(n):
                    if i % 2 == 0:
                        slot = rng.slot_of(rng.RESPONSE, i // 2)
                        rows.words(low, high, period, slot, point.key_0, point.key_1, w0, w1, w2, w3)
                    if n == 2:
                        other, prior_ij = strategy[1 - i], prior[1]
                        trust_ij = trust_up[1] if i == 0 else trust_down[1]
                        stakes_ij = stakes_up[1] if i == 0 else stakes_down[1]
                    elif together:
                        answer_rows.meet_packed(
                            meetings[i], np.uint32(i), np.uint32(n), held[0], held[1], held[2], held[3], met
                        )
                        other, trust_ij, stakes_ij, prior_ij = met, met_trust, met_stakes, met_prior
                    else:
                        rows.draw_counterpart(meetings[i], active[i], active_number, rank)
                        for d in range(1, n):
                            j = (i + d) % n
                            p = i * n + j if i < j else j * n + i
                            rows.meet(rank, strategy[j], active[j], trust_up[p] if i < j else trust_down[p],
                                      stakes_up[p] if i < j else stakes_down[p], prior[p],
                                      met, met_trust, met_stakes, met_prior)  # fmt: skip
                        other, trust_ij, stakes_ij, prior_ij = met, met_trust, met_stakes, met_prior
                    if point.misperception > eq.ZERO:
                        rows.misperceive(draws[i], point.misperception, other, seen)
                        other = seen
                    word_1, word_2 = w0 if i % 2 == 0 else w2, w1 if i % 2 == 0 else w3
                    if alike:
                        answer_rows.respond_alike(
                            strategy[i], other, active[i], word_1, word_2, planes, keeps, chances, point.tremble,
                            point.barrier_strength, chosen[i], code,
                        )  # fmt: skip
                    else:
                        answer_rows.respond(
                            strategy[i], other, active[i], aware[i], trust_ij, stakes_ij, prior_ij, word_1, word_2,
                            planes, keeps, weights, thresholds, point.handicap, orientation, point.calculative_share,
                            point.awareness_bonus, point.sensitivity, point.tremble, point.barrier_strength,
                            chosen[i], code,
                        )  # fmt: skip
                    if want[W_RESPONSE]:
                        tally.responses(code, lanes, responses)
                strategy, chosen = chosen, strategy

                # 4 exits.
                if point.exit_rate > eq.ZERO:
                    partner_words(low, high, period, rng.EXIT, point, draws)
                    for i in range(n):
                        rows.leave(draws[i], point.exit_rate, strategy[i], active[i], left)

            # 5 dissolution; at formation: where every partner avoids.
            rows.fill(active_number, rows.ZERO)
            rows.fill(open_number, rows.ZERO)
            for i in range(n):
                rows.count_open(strategy[i], active[i], active_number, open_number)
            rows.dissolve(active_number, open_number, left, period, alive, ended, exited)
            for i in range(n):
                rows.silence(alive, strategy[i], active[i])
            rows.multiply_row(alive, active_number)
            living = tally.total(alive, lanes)

            # 7 states. Once all alliances of the chunk have dissolved, every later period ends in the same ones.
            last = t if living > 0 else point.periods
            if row >= 0 or last > t:
                for column in range(tally.STATE_COLUMNS):
                    states[column, tally.SUM] = 0
                    states[column, tally.SQUARE] = 0
                rows.fill(packed, rows.ZERO)
                for i in range(n):
                    rows.pack_count(strategy[i], packed)
                if want[W_STRATEGY]:
                    tally.strategies(packed, lanes, states)
                if want[W_REGIME]:
                    tally.regimes(packed, lanes, n, states)
                tally_states(
                    want,
                    n,
                    trust_up,
                    trust_down,
                    stakes_up,
                    stakes_down,
                    prior,
                    living,
                    active_number,
                    lanes,
                    scratch,
                    states,
                )
                for later in range(t, last + 1):
                    row = recorded[later]
                    if row >= 0:
                        for column in range(tally.STATE_COLUMNS):
                            by_period[row, column, tally.SUM] += states[column, tally.SUM]
                            by_period[row, column, tally.SQUARE] += states[column, tally.SQUARE]
                        if want[W_ORIENTATION]:
                            omega = eq.orientation_at(point.orientation, np.float32(later), point.horizon, point.window)
                            k = np.int64(eq.fixed_point(omega))
                            by_period[row, tally.MEAN_ORIENTATION, tally.SUM] += lanes * k
                            by_period[row, tally.MEAN_ORIENTATION, tally.SQUARE] += lanes * k * k
            if living == 0:
                break

        tally.totals(point, want[W_CUMULATIVE], want[W_HISTOGRAM], lanes, cumulated, ended, alive, exited, bins, by_point)

    if want[W_RESPONSE]:
        for answer in range(rows.RESPONSE_CODES - 1):
            for part in range(FOUR):
                by_point[tally.RESPONSES + answer, tally.SUM] += responses[part, answer]
