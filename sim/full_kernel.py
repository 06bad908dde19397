"""The compiled simulation with every mechanism of the model: what `sim.kernel` is for the base model.

The same steps in the same order (model section 0), with tables and parameters by lane: theories drawn by partner,
factors drawn from distributions, abilities, the race to learn, four couplings, phases. Where a mechanism is off, its
terms are neutral to the bit, so that both forms give the same integers for a base point.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import equations as eq
from sim import full_state as fs
from sim import full_steps as steps
from sim import kernel_parts as base
from sim import pair_rows, phase_rows, response_rows, rng, rows, start_rows
from sim import tally_rows as tally
from sim.answer_rows import fill_answers, rows_needed
from sim.full_state import SPAN, SPECIFIC, facing, unit_of
from sim.full_tallies import E_PAIR, E_THEORY, tally_extra_outcomes, tally_extra_states, tally_units
from sim.jit import kernel, step
from sim.kernel_parts import FOUR
from sim.lookup import look_up, look_up_where


@step
def unit_words(product: Any, high: Any, period: Any, purpose: Any, point: Any, d: Any, draws: Any) -> None:
    """One word for every partner that answers the one d places after it (d = 1 where there is one answer a partner)."""
    for i in range(0, point.partners, FOUR):
        slot = rng.slot_of(purpose, (i + SPAN * (d - 1)) // FOUR)
        rows.words(product, high, period, slot, point.key_0, point.key_1, draws[i], draws[i + 1], draws[i + 2], draws[i + 3])


@kernel
def simulate_full(
    point: Any, first: Any, count: Any, mix: Any, starts: Any, theories: Any, phases: Any,
    recorded: Any, want: Any, batches: Any, extra: Any, slots: Any, work: Any, by_period: Any, by_point: Any, trace: Any,
) -> None:  # fmt: skip
    """Simulate alliances ``first`` to ``first + count`` of a point and add them to its tallies.

    Parameters
    ----------
    point, first, count, mix, recorded, want, batches, by_period, by_point : as of `sim.kernel.simulate`.
    starts, theories, phases, trace : see `sim.full_state`.  extra : int64[len(sim.full_tallies.EXTRA)].
    slots : theories that have columns of their own in the layout of the run.
    work : `sim.full_rows.new_work`, used up.
    """
    r, pairs, responses = work.rows, work.pairs, work.responses
    for k in range(theories.initial.size):
        fill_answers(theories.cells[k], theories.reals[k], work.bits[k], work.tables[k])
        work.needed[k] = rows_needed(theories.cells[k])
    # The theory that needs all its tables, if only one does, is looked up for all.
    lead = 0
    for k in range(theories.initial.size):
        if work.needed[k] > work.needed[lead]:
            lead = k
    n, specific = point.partners, point.coupling == SPECIFIC
    depth = n - 1 if specific else 1
    units = n * n if specific else n
    others, partners = np.float32(n - 1), np.float32(n)
    most = eq.most_learning(point.creation, point.mutuality)
    traced, phased, mixed = trace.active.shape[2], point.phased != 0, theories.initial.size
    whole = extra[E_THEORY] < 0 and extra[E_PAIR] < 0 and traced == 0
    states = work.states
    product, draws, meetings, missed, satings, turns = r.product, r.draws, r.meetings, r.missed, r.satings, r.turns
    w0, w1, w2, w3 = r.words[0], r.words[1], r.words[2], r.words[3]
    strategy, chosen, active, opens, stays, theory = r.strategy, r.chosen, r.active, r.opens, r.stays, r.theory
    aware, learned, cumulated, met_reals = r.aware, r.learned, r.cumulated, r.met_reals
    window, counts, review_reals, cell_totals, cell_numbers = (
        r.window,
        r.counts,
        r.review_reals,
        r.cell_totals,
        r.cell_numbers,
    )
    rank, packed, alive, ended, left, cause = r.rank, r.packed, r.alive, r.ended, r.left, r.cause
    active_number, open_number, met, seen, code, who = r.active_number, r.open_number, r.met, r.seen, r.code, r.who
    sated, turned, works, phase = r.sated, r.turned, r.works, r.phase
    transfers, creations, transfer_sum, creation_sum = r.transfers, r.creations, r.transfer_sum, r.creation_sum
    learning_sum, differences, totals, scratch, real = r.learning_sum, r.differences, r.totals, r.scratch, r.real
    start_omega, omega, spare, openness, mutuality = r.start_omega, r.omega, r.spare, r.openness, r.mutuality

    start = 0
    while start < count:
        lanes = base.lanes_of_chunk(first, start, count)
        alliance = np.uint64(first) + np.uint64(start)
        start += lanes
        high = np.uint32(alliance >> rng.WORD_BITS)

        # Formation, t = 0.
        rows.number(np.uint32(alliance & rng.WORD_MASK), product)
        if mixed > 1:
            base.partner_words(product, high, rows.ZERO, rng.THEORY, point, draws)
            for i in range(n):
                start_rows.draw_theory(draws[i], theories.cumulated, theory[i])
        base.partner_words(product, high, rows.ZERO, rng.INITIAL_STRATEGY, point, draws)
        for i in range(n):
            own = unit_of(i, 1 if i == 0 else 0, n, specific)
            rows.draw_initial(draws[i], mix[i], strategy[own])
            start_rows.take_initial(theory[i], theories.initial, strategy[own])
            if specific:
                for j in range(n):
                    if j != i and i * n + j != own:
                        start_rows.copy(strategy[own], strategy[i * n + j])
            rows.fill(active[i], rows.ONE)
            rows.fill(aware[i], eq.ZERO)
            rows.fill(cumulated[i], 0)
            rows.fill(r.booked[i], 0)
        if point.aware > eq.ZERO:
            base.partner_words(product, high, rows.ZERO, rng.AWARENESS, point, draws)
            for i in range(n):
                rows.draw_event(draws[i], point.aware, aware[i])
        fs.form_pairs(product, high, point, starts, start_omega, learned, w0, w1, w2, w3, pairs)
        rows.fill(alive, rows.ONE)
        rows.fill(ended, np.uint32(point.periods))
        rows.fill(left, rows.ZERO)
        rows.fill(cause, rows.ZERO)
        rows.fill(phase, rows.ZERO)
        rows.fill(openness, eq.ONE)
        rows.fill(mutuality, eq.ONE)
        for k in range(3):
            rows.fill(window[k], eq.ZERO)
        for k in range(2):
            rows.fill(counts[k], rows.ZERO)
        living = np.int64(lanes)
        if traced > 0:
            for i in range(n):
                fs.trace_row(theory[i], lanes, trace.formed[0, i])
                fs.trace_row(aware[i], lanes, trace.formed[1, i])

        for t in range(point.periods + 1):
            period = np.uint32(t)
            row = recorded[t]
            note = t - trace.first
            noting = traced > 0 and note >= 0 and note < trace.active.shape[0]
            pair_rows.orientation_row(start_omega, np.float32(t), point.horizon, point.window, omega)
            if t > 0:
                # 1 outcomes, from the values at the end of t - 1.
                if phased:
                    phase_rows.of_phase(phase, phases.values[0], openness)
                    phase_rows.of_phase(phase, phases.values[1], mutuality)
                pair_rows.spare_row(active_number, point.slack, spare)
                steps.exchange(point, strategy, spare, openness, mutuality, pairs)
                rows.fill(transfer_sum, eq.ZERO)
                rows.fill(creation_sum, eq.ZERO)
                rows.fill(learning_sum, eq.ZERO)
                for i in range(n):
                    for j in range(n):
                        if j != i:
                            pair_rows.collect(
                                facing(pairs.transfer_up, pairs.transfer_down, i, j, n),
                                pairs.created[i * n + j if i < j else j * n + i], transfers, creations,
                            )  # fmt: skip
                    pair_rows.book_learner(
                        transfers, creations, others, transfer_sum, creation_sum, learning_sum, r.booked[i], learned[i]
                    )
                    if t % base.SHORTER == 0:
                        rows.take_over(r.booked[i], cumulated[i])
                rows.divide_row(transfer_sum, partners)
                rows.divide_row(creation_sum, partners)
                rows.divide_row(learning_sum, partners)
                if t == point.periods:
                    base.tally_last(batches, product, learning_sum, lanes, by_point)
                if phased or (row >= 0 and want[base.W_INEQUITY]):
                    rows.fill(differences, eq.ZERO)
                    rows.fill(totals, eq.ZERO)
                    for i in range(n):
                        for j in range(i + 1, n):
                            p = i * n + j
                            pair_rows.compare(
                                pairs.transfer_up[p], pairs.transfer_down[p], pairs.created[p], differences, totals
                            )
                if phased:
                    rows.add_row(learning_sum, window[0])
                    rows.add_row(differences, window[1])
                    rows.add_row(totals, window[2])
                if row >= 0:
                    base.tally_outcomes(
                        want, transfer_sum, creation_sum, learning_sum, most, living, lanes, scratch, by_period[row]
                    )
                    tally_extra_outcomes(
                        extra, min(slots, mixed), point, phases, phase, theory, strategy, learned, transfer_sum,
                        creation_sum, pairs, cell_totals, cell_numbers, lanes, by_period[row],
                    )  # fmt: skip
                    if want[base.W_INEQUITY]:
                        by_period[row, tally.INEQUITY_N, tally.SUM] += tally.inequity_row(differences, totals, lanes)
                        tally.real(differences, lanes, by_period[row, tally.INEQUITY])

                # 2 what is left to learn, power, context.
                steps.move(point, strategy, active, openness, pairs)

                # 3 responses, all from the same old strategies and the new context; then all switch at once.
                if n > 2 and point.coupling == fs.SAMPLED:
                    base.partner_words(product, high, period, rng.COUNTERPART, point, meetings)
                turns_on = point.instrumentality > eq.ZERO and steps.anybody(point, strategy, active, eq.AC)
                if not turns_on:
                    rows.fill(turned, rows.FIVE)
                for d in range(1, depth + 1):
                    if point.misperception > eq.ZERO:
                        unit_words(product, high, period, rng.MISPERCEPTION, point, d, missed)
                    if point.satiation > eq.ZERO:
                        unit_words(product, high, period, rng.SATIATION, point, d, satings)
                    if turns_on:
                        unit_words(product, high, period, rng.INSTRUMENTALITY, point, d, turns)
                    for i in range(n):
                        if i % 2 == 0:
                            slot = rng.slot_of(rng.RESPONSE, (i + SPAN * (d - 1)) // 2)
                            rows.words(product, high, period, slot, point.key_0, point.key_1, w0, w1, w2, w3)
                        j = (i + d) % n
                        own, p = unit_of(i, j, n, specific), i * n + j if i < j else j * n + i
                        rows_active = active[i]
                        trust_ij, stakes_ij = met_reals[0], met_reals[1]
                        prior_ij, left_ij, power_ij = met_reals[2], met_reals[3], met_reals[4]
                        other = met
                        if specific or n == 2:
                            other = strategy[unit_of(j, i, n, specific)]
                            trust_ij = facing(pairs.trust_up, pairs.trust_down, i, j, n)
                            stakes_ij = facing(pairs.stakes_up, pairs.stakes_down, i, j, n)
                            prior_ij = pairs.prior[p]
                            left_ij = facing(pairs.remaining_up, pairs.remaining_down, i, j, n)
                            power_ij = facing(pairs.power_up, pairs.power_down, i, j, n)
                            if traced > 0:
                                rows.fill(who, np.uint32(j))
                            if specific:
                                response_rows.both(active[i], active[j], works)
                                rows_active = works
                        else:
                            steps.choose(
                                point, i, strategy, active, active_number, pairs, meetings[i], rank, real, packed, met,
                                met_reals, who,
                            )  # fmt: skip
                        if point.satiation > eq.ZERO:
                            if specific or n == 2:
                                response_rows.sate(satings[i], point.satiation, left_ij, sated)
                            else:
                                steps.mean_remaining(point, i, active, pairs, scratch, real)
                                response_rows.sate(satings[i], point.satiation, scratch, sated)
                        if point.misperception > eq.ZERO:
                            rows.misperceive(missed[i], point.misperception, other, seen)
                            other = seen
                        if turns_on:
                            response_rows.turn(turns[i], point.instrumentality, turned)
                        rows.pair_cell(strategy[own], other, r.cell)
                        look_up(work.bits[lead], r.cell, r.found)
                        for k in range(mixed):
                            if k != lead:
                                look_up_where(work.bits[k, : work.needed[k]], r.cell, theory[i], np.uint32(k), r.found)
                        response_rows.empower(
                            r.found_reals, stakes_ij, trust_ij, prior_ij, left_ij, power_ij, aware[i], omega,
                            point.calculative_share, point.awareness_bonus, point.temptation, point.sensitivity,
                            r.probability,
                        )  # fmt: skip
                        response_rows.settle(
                            strategy[own], r.cell, rows_active, w0 if i % 2 == 0 else w2, w1 if i % 2 == 0 else w3, sated,
                            turned, r.found, r.found_reals, r.probability, point.tremble, point.barrier_strength,
                            chosen[own], code,
                        )  # fmt: skip
                        if want[base.W_RESPONSE]:
                            response_rows.code_of_theory(code, theory[i], r.joint)
                            response_rows.tally_codes(r.joint, lanes, responses)
                        if phased:
                            phase_rows.count_responses(code, counts[0], counts[1])
                        if noting:
                            fs.trace_row(code, lanes, trace.units[note, 1, own])
                            fs.trace_row(who, lanes, trace.units[note, 2, own])
                            fs.trace_row(other, lanes, trace.units[note, 3, own])
                            fs.trace_row(chosen[own], lanes, trace.units[note, 4, own])
                strategy, chosen = chosen, strategy

                # 4 exits.
                if point.exit_rate > eq.ZERO and steps.anybody(point, strategy, active, eq.AV):
                    base.partner_words(product, high, period, rng.EXIT, point, draws)
                    steps.exits(point, draws, strategy, active, opens, left, stays)

            # 5 dissolution; at formation: where every partner avoids.
            steps.count_units(point, strategy, active, opens, active_number, open_number)
            rows.dissolve(active_number, open_number, left, period, alive, ended, cause)
            steps.silence(point, alive, strategy, active)

            # 6 review.
            if phased and t > 0 and t % point.review_every == 0:
                rows.words(product, high, period, rng.slot_of(rng.BREAK, 0), point.key_0, point.key_1, w0, w1, w2, w3)
                steps.review(
                    point, phases, period, w0, active, openness, mutuality, window, counts, pairs, review_reals[0],
                    review_reals[1], review_reals[2], review_reals[3], stays[0], phase, alive, ended, cause,
                )  # fmt: skip
                steps.silence(point, alive, strategy, active)
            rows.multiply_row(alive, active_number)
            living = tally.total(alive, lanes)

            # 7 states. Once all alliances of the chunk have dissolved, every later period ends in the same ones.
            if noting:
                for own in range(units):
                    fs.trace_row(strategy[own], lanes, trace.units[note, 0, own])
                for i in range(n):
                    fs.trace_row(active[i], lanes, trace.active[note, i])
                fs.trace_pairs(pairs, n, lanes, trace.pairs[note])
                fs.trace_row(omega, lanes, trace.alliance[note, 0])
                fs.trace_row(phase, lanes, trace.alliance[note, 1])
            last = point.periods if living == 0 and whole else t
            if row >= 0 or last > t:
                for column in range(states.shape[0]):
                    states[column, tally.SUM] = 0
                    states[column, tally.SQUARE] = 0
                tally_units(want, point, strategy, packed, lanes, states)
                base.tally_means(
                    want, n, pairs.trust_up, pairs.trust_down, pairs.stakes_up, pairs.stakes_down, pairs.prior, lanes,
                    scratch, states,
                )  # fmt: skip
                base.tally_living(want, living, active_number, lanes, states)
                tally_extra_states(extra, n, pairs, phase, alive, living, lanes, scratch, states)
                for later in range(t, last + 1):
                    row = recorded[later]
                    if row >= 0:
                        for column in range(states.shape[0]):
                            by_period[row, column, tally.SUM] += states[column, tally.SUM]
                            by_period[row, column, tally.SQUARE] += states[column, tally.SQUARE]
                        if want[base.W_ORIENTATION]:
                            pair_rows.orientation_row(start_omega, np.float32(later), point.horizon, point.window, omega)
                            tally.real(omega, lanes, by_period[row, tally.MEAN_ORIENTATION])
            if last == point.periods:
                break
        if traced > 0:
            fs.trace_row(alive, lanes, trace.ended[0])
            fs.trace_row(ended, lanes, trace.ended[1])
            fs.trace_row(cause, lanes, trace.ended[2])

        for i in range(n):
            rows.take_over(r.booked[i], cumulated[i])
        tally.totals(
            point, want[base.W_CUMULATIVE], want[base.W_HISTOGRAM], batches, 0, lanes, product, cumulated, ended, alive,
            cause, work.bins, by_point,
        )  # fmt: skip

    if want[base.W_RESPONSE]:
        for slot in range(min(slots, mixed)):
            first, past = response_rows.CODES * slot, response_rows.CODES * (slot + 1)
            response_rows.close_codes(
                responses[:, first:past], by_point[tally.RESPONSES + 75 * slot : tally.RESPONSES + 75 * slot + 75]
            )
