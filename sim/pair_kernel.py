"""The compiled simulation of two partners in the base model; more in `sim.kernel`, which says what both do.

What a pair does in a period follows from its cell, the two strategies: most of what is recorded is a histogram of cells
(`sim.pair_tally`), learning and the rates at which context moves are looked up (`sim.cell_tables`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import answer_rows, cell_tables, pair_tally, rng, rows, start_rows, waves
from sim import equations as eq
from sim import kernel_parts as parts
from sim import tally_rows as tally
from sim.jit import kernel
from sim.kernel_parts import LESS, NO, SHORT, STRIDE, W_CUMULATIVE, W_HISTOGRAM, W_RESPONSE, YES
from sim.lookup import look_up
from sim.waves import PRIOR, STAKES_DOWN, STAKES_UP, TRUST_DOWN, TRUST_UP


@kernel
def simulate_pairs(
    point: Any, first: Any, count: Any, mix: Any, cells: Any, reals: Any, recorded: Any, want: Any, batches: Any,
    work: Any, by_period: Any, by_point: Any,
) -> None:  # fmt: skip
    """Simulate alliances ``first`` to ``first + count`` of a point and add them to its tallies: as `sim.kernel.simulate`."""
    s, r, tables, counts, gone = work.state, work.rows, work.tables, work.counts, work.gone
    parts.fill_tables(point, cells, reals, tables)
    pair_tally.fill_values(point, tables.outcomes, counts.values)
    # Two who avoid have dissolved.
    for row in range(cell_tables.MOVES):
        tables.moves[row, 0] = eq.ZERO
    to_date = want[W_CUMULATIVE] or want[W_HISTOGRAM] or batches[tally.B_CUMULATIVE] >= 0
    misses = point.misperception > eq.ZERO
    dynamic = point.dynamic != 0
    # All alliances in one context that does not move: what empowers is worked out once a period.
    alike = not dynamic and point.aware == eq.ZERO
    plain = not alike and point.aware == eq.ZERO and point.calculative_share == eq.ZERO
    looked = tables.answer_bits[: answer_rows.ALIKE_ROWS] if alike else tables.answer_bits
    slot, missed_slot = rng.slot_of(rng.RESPONSE, 0), rng.slot_of(rng.MISPERCEPTION, 0)
    # Orientation that the chances to be empowered were worked out for; at first none.
    known = np.float32(np.nan)

    start = NO
    while start < count:
        high = np.uint32((np.uint64(first) + np.uint64(start)) >> rng.WORD_BITS)
        begin, chunks = start, 0
        start, chunks = parts.take(first, start, count, s.lanes, s.living)
        for k in range(chunks):
            parts.form(point, np.uint64(first) + np.uint64(begin), high, mix, r.words, s.product[k], s.alive[k], s.ended[k],
                       s.strategy[k, 1], s.aware[k], s.learned[k], s.cumulated[k], s.context[k])  # fmt: skip
            begin += s.lanes[k]
        before = -1
        while before < point.periods and chunks > 0:
            last = min(before + STRIDE, point.periods)
            for k in range(chunks):
                product, alive, learned, context = s.product[k], s.alive[k], s.learned[k], s.context[k]
                for t in range(before + 1, last + 1):
                    lanes = s.lanes[k]
                    if lanes == 0:
                        break
                    period, row = np.uint32(t), recorded[t]
                    strategy, chosen = s.strategy[k, (t + 1) % 2], s.strategy[k, t % 2]
                    if t == 0:
                        start_rows.copy(strategy[0], chosen[0])
                        start_rows.copy(strategy[1], chosen[1])
                    else:
                        # 1 outcomes, from the values at the end of t - 1, and 2 context.
                        rows.pair_cell(strategy[0], strategy[1], r.cell[0])
                        rows.pair_cell(strategy[1], strategy[0], r.cell[1])
                        if t == point.periods:
                            pair_tally.tally_last(batches, product, r.cell[0], lanes, counts.values, by_point)
                        if to_date:
                            look_up(tables.learned, r.cell[0], r.found)
                            rows.book_pair(r.found, learned[0], learned[1])
                            if t % SHORT == 0:
                                rows.take_over(learned[0], s.cumulated[k, 0])
                                rows.take_over(learned[1], s.cumulated[k, 1])
                        if dynamic:
                            look_up(tables.move_bits, r.cell[0], r.found)
                            rows.move_context(
                                r.found_reals, context[TRUST_UP, 0], context[TRUST_DOWN, 0], context[STAKES_UP, 0],
                                context[STAKES_DOWN, 0], context[PRIOR, 0],
                            )  # fmt: skip

                        # 3 responses, both from the same old strategies and the new context.
                        orientation = eq.orientation_at(point.orientation, np.float32(t), point.horizon, point.window)
                        if alike and orientation != known:
                            known = orientation
                            answer_rows.fill_chances(
                                reals, point.stakes, point.trust, orientation, point.prior, point.calculative_share,
                                point.awareness_bonus, point.sensitivity, tables.answers,
                            )  # fmt: skip
                        rows.words(
                            product, high, period, slot, point.key_0, point.key_1, r.words[0], r.words[1], r.words[2],
                            r.words[3],
                        )  # fmt: skip
                        if misses:
                            rows.words(
                                product, high, period, missed_slot, point.key_0, point.key_1, r.missed[0], r.missed[1],
                                r.missed[2], r.missed[3],
                            )  # fmt: skip
                        for i in range(2):
                            if misses:
                                rows.misperceive(r.missed[i], point.misperception, strategy[1 - i], r.seen)
                                rows.pair_cell(strategy[i], r.seen, r.cell[i])
                            look_up(looked, r.cell[i], r.found)
                            likely = r.found_reals[answer_rows.CHANCE]
                            if plain:
                                answer_rows.empower_plainly(
                                    r.found_reals, context[STAKES_UP + i, 0], context[TRUST_UP + i, 0], context[PRIOR, 0],
                                    orientation, point.sensitivity, r.probability,
                                )  # fmt: skip
                            elif not alike:
                                answer_rows.empower(
                                    r.found_reals, context[STAKES_UP + i, 0], context[TRUST_UP + i, 0], context[PRIOR, 0],
                                    s.aware[k, i], orientation, point.calculative_share, point.awareness_bonus,
                                    point.sensitivity, r.probability,
                                )  # fmt: skip
                            if not alike:
                                likely = r.probability
                            answer_rows.settle(
                                strategy[i], r.cell[i], alive, r.words[2 * i], r.words[2 * i + 1], r.found, r.found_reals,
                                likely, point.tremble, point.barrier_strength, chosen[i], r.code[i],
                            )  # fmt: skip
                            if misses and want[W_RESPONSE]:
                                tally.responses(r.code[i], lanes, counts.responses)
                        if misses:
                            rows.pair_cell(strategy[0], strategy[1], r.cell[0])
                            pair_tally.count_cells(r.cell[0], lanes, counts.joint)
                        else:
                            pair_tally.count_pairs(r.code[0], r.code[1], lanes, counts.joint)
                        pair_tally.close_period(
                            recorded[t - 1], row, counts.joint, counts.before, counts.starts, counts.ends
                        )
                        if t % SHORT == 0:
                            pair_tally.close_counts(counts.joint, counts.before, counts.decisions)

                    # 5 dissolution; at formation: where both avoid.
                    rows.close_pair(chosen[0], chosen[1], period, alive, s.ended[k])
                    living = tally.total(alive, lanes)
                    s.living[k] = living

                    # 7 states.
                    if row >= 0:
                        waves.tally_context(want, context, lanes, r.scratch, by_period[row])
                    if living == 0:
                        waves.tally_context(want, context, lanes, r.scratch, work.states)
                        waves.add_states(YES, work.states, t, recorded, gone.states)
                        waves.note_gone(lanes, t, recorded, gone.number)
                        waves.close(
                            point, want, batches, YES, lanes, product, learned, s.cumulated[k], s.ended[k], alive, s.exited,
                            work.bins, by_point,
                        )  # fmt: skip
                        s.lanes[k] = 0
            if waves.fits(chunks, s.lanes, s.living):
                for sign in (YES, LESS):
                    for k in range(chunks):
                        waves.tally_context(want, s.context[k], s.lanes[k], r.scratch, work.states)
                        waves.note_gone(sign * s.lanes[k], last, recorded, gone.number)
                    waves.add_states(sign, work.states, last, recorded, gone.states)
                    if sign == YES:
                        for k in range(chunks):
                            waves.close(
                                point, want, batches, NO, s.lanes[k], s.product[k], s.learned[k], s.cumulated[k],
                                s.ended[k], s.alive[k], s.exited, work.bins, by_point,
                            )  # fmt: skip
                        chunks = waves.gather(last % 2, chunks, s)
            before = last
        pair_tally.close_counts(counts.joint, counts.before, counts.decisions)
        for k in range(chunks):
            strategy = s.strategy[k, point.periods % 2]
            rows.pair_cell(strategy[0], strategy[1], r.cell[0])
            pair_tally.count_last(r.cell[0], s.lanes[k], counts.ends[recorded[point.periods]])
            waves.close(
                point, want, batches, YES, s.lanes[k], s.product[k], s.learned[k], s.cumulated[k], s.ended[k], s.alive[k],
                s.exited, work.bins, by_point,
            )  # fmt: skip

    waves.add_gone(recorded, gone.states, by_period)
    pair_tally.add_gone(recorded, gone.number, counts.ends)
    parts.tally_orientation(point, want, recorded, count, by_period)
    pair_tally.tally_cells(want, tables.outcomes, counts.starts, counts.ends, counts.values, by_period)
    if want[W_RESPONSE]:
        pair_tally.tally_answers(counts.decisions, by_point)
        answer_rows.close_codes(counts.responses, by_point[tally.RESPONSES :, tally.SUM])
