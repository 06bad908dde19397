"""The compiled simulation of the base model: alliances `first` to `first + count` of one point, in; integer tallies, out.

Why it has this shape (figures: ``tests/benchmarks/account.py``, one core of an AVX-512 processor; docs/performance.md):

*Lanes.* It takes a chunk of `rows.LANES` alliances through a period one step at a time, each a loop over rows of numbers
that lie side by side (`sim.rows`). Such a loop becomes vector instructions, sixteen alliances to each; written alliance by
alliance, the same equations take ten times as long. Rows are so long that calls are short beside them, and so short that
they stay in cache; between 256 and 1024 lanes, little depends on it. 576 are a multiple of what vectors take, and
their 2304 bytes keep neighbouring rows from the same place in the cache.

*Look-ups.* What follows from a cell, the strategies of two partners, is worked out once a call and looked up
(`sim.lookup`): outcomes, the rates at which context moves, all of the response theory. A look-up of 32 entries takes
0.05 ns for an alliance, a read by index 0.4 ns, as it cannot be vectorized.

*Draws.* One call of Philox takes 1.5 ns, serves two partners and is a third of a static model with two partners, a sixth
of the base model. The first word of its counter is the same in all periods, so that its first round, and half of its
second, are done once (`rng.philox_from`).

*Counts instead of sums.* What two partners do is a function of their cell: one histogram a period stands for thirty sums
(`sim.pair_tally`). With more partners, outcomes follow from how many hold each strategy, where float32 sums are exact
(`sim.class_rows`); elsewhere they are added pair by pair. The integers are the same either way.

*The dissolved.* A chunk costs the same whether its alliances live or not, so a wave of chunks goes through the periods
side by side, and every `STRIDE` periods the living move together where they fit into fewer chunks (`sim.waves`). What the
removed ones add to later periods is known and added once. At trust .8 this saves a third of the time of the base model
with two partners, and half with five.

*No objects.* There is no allocation and no counting of references in compiled code (an atomic addition for each row
that is handed on took a seventh of the time); the caller brings the memory (`sim.base_state`), which depends neither on the
number of alliances nor on that of periods, but for the tallies.

Two partners have a kernel of their own, `sim.pair_kernel`; every mechanism of the model beyond the base model, and partners
who leave, are in `sim.full_kernel`. All of them give the same bits as the plain reference in the tests.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import answer_rows, class_rows, rng, rows, start_rows, waves
from sim import cell_tables as ct
from sim import equations as eq
from sim import kernel_parts as parts
from sim import tally_rows as tally
from sim.jit import kernel, step
from sim.kernel_parts import (
    FOUR,
    LESS,
    NO,
    SHORT,
    STRIDE,
    W_CUMULATIVE,
    W_HISTOGRAM,
    W_INEQUITY,
    W_REGIME,
    W_RESPONSE,
    W_STRATEGY,
    YES,
)
from sim.lookup import IDLE, look_up
from sim.waves import PRIOR, STAKES_DOWN, STAKES_UP, TRUST_DOWN, TRUST_UP, pair_number


@kernel
def simulate(
    point: Any, first: Any, count: Any, mix: Any, cells: Any, reals: Any, recorded: Any, want: Any, batches: Any,
    work: Any, by_period: Any, by_point: Any,
) -> None:  # fmt: skip
    """Simulate alliances ``first`` to ``first + count`` of a point and add them to its tallies.

    Parameters
    ----------
    point : record of dtype `POINT`, of at least three partners of whom none leaves.
    first : uint64, number of the first alliance; count : int64, 1 to `MAX_ALLIANCES`.
    mix : float64[partners, 4], cumulated mix of first strategies.
    cells, reals : the response theory, see `sim.answer_rows.fill_answers`.
    recorded : int64[periods + 1], row of `by_period` for each period or -1.
    want : bool[len(WANTED)], what is recorded.  batches : int64[4], see `sim.variables.Layout.batches`.
    work : `sim.base_state.work_for` so many partners and recorded periods; used up.
    by_period : int64[rows, PERIOD_COLUMNS, 2], by_point : int64[POINT_COLUMNS, 2] : sums and sums of squares, added to.
    """
    s, r, tables, gone = work.state, work.rows, work.tables, work.gone
    parts.fill_tables(point, cells, reals, tables)
    n = point.partners
    to_date = want[W_CUMULATIVE] or want[W_HISTOGRAM] or batches[tally.B_CUMULATIVE] >= 0
    misses = point.misperception > eq.ZERO
    dynamic, grouped = point.dynamic != 0, ct.exact(tables.outcomes)
    # All alliances in one context that does not move: what empowers is worked out once a period.
    alike = not dynamic and point.aware == eq.ZERO
    plain = not alike and point.aware == eq.ZERO and point.calculative_share == eq.ZERO
    looked = tables.answer_bits[: answer_rows.ALIKE_ROWS] if alike else tables.answer_bits
    # Orientation that the chances to be empowered were worked out for; at first none.
    known = np.float32(np.nan)

    start = NO
    while start < count:
        high = np.uint32((np.uint64(first) + np.uint64(start)) >> rng.WORD_BITS)
        begin, chunks = start, 0
        start, chunks = parts.take(first, start, count, s.lanes, s.living)
        for k in range(chunks):
            parts.form(point, np.uint64(first) + np.uint64(begin), high, mix, r.draws, s.product[k], s.alive[k], s.ended[k],
                       s.strategy[k, 1], s.aware[k], s.learned[k], s.cumulated[k], s.context[k])  # fmt: skip
            begin += s.lanes[k]
        before = -1
        while before < point.periods and chunks > 0:
            last = min(before + STRIDE, point.periods)
            for k in range(chunks):
                product, alive, packed, context = s.product[k], s.alive[k], s.packed[k], s.context[k]
                for t in range(before + 1, last + 1):
                    lanes = s.lanes[k]
                    if lanes == 0:
                        break
                    period, row = np.uint32(t), recorded[t]
                    strategy, chosen = s.strategy[k, (t + 1) % 2], s.strategy[k, t % 2]
                    if t == 0:
                        for i in range(n):
                            start_rows.copy(strategy[i], chosen[i])
                    else:
                        # 1 outcomes, from the values at the end of t - 1, and 2 context.
                        if row >= 0 or to_date:
                            outcomes(
                                point, want, row >= 0, grouped, s.living[k], lanes, strategy, packed, s.learned[k],
                                tables.outcomes, tables.outcome_bits, r.received, r.sums, r.inequity, r.cell, r.found,
                                r.found_reals, r.scratch, by_period[max(row, 0)],
                            )  # fmt: skip
                        if t == point.periods:
                            parts.tally_last(batches, product, r.sums[2], lanes, by_point)
                        if to_date and t % SHORT == 0:
                            for i in range(n):
                                rows.take_over(s.learned[k, i], s.cumulated[k, i])
                        if dynamic:
                            move(n, strategy, alive, tables.move_bits, r.cell, r.found, r.found_reals, context)

                        # 3 responses, all from the same old strategies and the new context.
                        orientation = eq.orientation_at(point.orientation, np.float32(t), point.horizon, point.window)
                        if alike and orientation != known:
                            known = orientation
                            answer_rows.fill_chances(
                                reals, point.stakes, point.trust, orientation, point.prior, point.calculative_share,
                                point.awareness_bonus, point.sensitivity, tables.answers,
                            )  # fmt: skip
                        parts.partner_words(product, high, period, rng.COUNTERPART, point, r.meetings)
                        if misses:
                            parts.partner_words(product, high, period, rng.MISPERCEPTION, point, r.draws)
                        if alike:
                            hold(n, strategy, r.held)
                        for i in range(n):
                            if i % 2 == 0:
                                slot = rng.slot_of(rng.RESPONSE, i // 2)
                                rows.words(
                                    product, high, period, slot, point.key_0, point.key_1, r.words[0], r.words[1],
                                    r.words[2], r.words[3],
                                )  # fmt: skip
                            if alike:
                                answer_rows.meet_packed(
                                    r.meetings[i], np.uint32(i), np.uint32(n), r.held[0], r.held[1], r.held[2], r.held[3],
                                    r.met,
                                )  # fmt: skip
                            else:
                                meet(n, i, r.meetings[i], strategy, context, r.rank, r.met, r.met_reals)
                            other = r.met
                            if misses:
                                rows.misperceive(r.draws[i], point.misperception, r.met, r.seen)
                                other = r.seen
                            rows.pair_cell(strategy[i], other, r.cell)
                            look_up(looked, r.cell, r.found)
                            likely = r.found_reals[answer_rows.CHANCE]
                            if plain:
                                answer_rows.empower_plainly(
                                    r.found_reals, r.met_reals[1], r.met_reals[0], r.met_reals[2], orientation,
                                    point.sensitivity, r.probability,
                                )  # fmt: skip
                            elif not alike:
                                answer_rows.empower(
                                    r.found_reals, r.met_reals[1], r.met_reals[0], r.met_reals[2], s.aware[k, i],
                                    orientation, point.calculative_share, point.awareness_bonus, point.sensitivity,
                                    r.probability,
                                )  # fmt: skip
                            if not alike:
                                likely = r.probability
                            at = i % 2 * 2
                            answer_rows.settle(
                                strategy[i], r.cell, alive, r.words[at], r.words[at + 1], r.found, r.found_reals, likely,
                                point.tremble, point.barrier_strength, chosen[i], r.code,
                            )  # fmt: skip
                            if want[W_RESPONSE]:
                                tally.responses(r.code, lanes, work.counts)

                    # 5 dissolution; at formation: where every partner avoids.
                    rows.fill(packed, rows.ZERO)
                    for i in range(n):
                        rows.pack_count(chosen[i], packed)
                    rows.close_group(packed, np.uint32(n), period, alive, s.ended[k])
                    living = tally.total(alive, lanes)
                    s.living[k] = living

                    # 7 states.
                    if row >= 0:
                        tally_states(want, n, living, lanes, packed, context, r.scratch, by_period[row])
                    if living == 0:
                        tally_states(want, n, living, lanes, packed, context, r.scratch, work.states)
                        waves.add_states(YES, work.states, t, recorded, gone.states)
                        waves.close(
                            point, want, batches, YES, lanes, product, s.learned[k], s.cumulated[k], s.ended[k], alive,
                            s.exited, work.bins, by_point,
                        )  # fmt: skip
                        s.lanes[k] = 0
            if waves.fits(chunks, s.lanes, s.living):
                for sign in (YES, LESS):
                    for k in range(chunks):
                        tally_states(want, n, s.living[k], s.lanes[k], s.packed[k], s.context[k], r.scratch, work.states)
                    waves.add_states(sign, work.states, last, recorded, gone.states)
                    if sign == YES:
                        for k in range(chunks):
                            waves.close(
                                point, want, batches, NO, s.lanes[k], s.product[k], s.learned[k], s.cumulated[k],
                                s.ended[k], s.alive[k], s.exited, work.bins, by_point,
                            )  # fmt: skip
                        chunks = waves.gather(last % 2, chunks, s)
            before = last
        for k in range(chunks):
            waves.close(
                point, want, batches, YES, s.lanes[k], s.product[k], s.learned[k], s.cumulated[k], s.ended[k], s.alive[k],
                s.exited, work.bins, by_point,
            )  # fmt: skip

    waves.add_gone(recorded, gone.states, by_period)
    parts.tally_orientation(point, want, recorded, count, by_period)
    if want[W_RESPONSE]:
        answer_rows.close_codes(work.counts, by_point[tally.RESPONSES :, tally.SUM])


@step
def outcomes(
    point: Any, want: Any, records: Any, grouped: Any, living: Any, lanes: Any, strategy: Any, packed: Any, learned: Any,
    tables: Any, bits: Any, received: Any, sums: Any, inequity: Any, cell: Any, found: Any, found_reals: Any, scratch: Any,
    out: Any,
) -> None:  # fmt: skip
    """Outcomes of a period: learning to date, and tallies where the period is recorded."""
    n, others = point.partners, np.float32(point.partners - 1)
    transfer, creation, learning, differences, totals = sums[0], sums[1], sums[2], inequity[0], inequity[1]
    for k in range(3):
        rows.fill(sums[k], eq.ZERO)
    if grouped:
        class_rows.receive(packed, tables, others, found_reals)
        for i in range(n):
            class_rows.book(strategy[i], found_reals, transfer, creation, learning, learned[i])
        if records and want[W_INEQUITY]:
            class_rows.compare(packed, tables, differences, totals)
    else:
        rows.fill(differences, eq.ZERO)
        rows.fill(totals, eq.ZERO)
        for i in range(n):
            for j in range(i + 1, n):
                rows.pair_cell(strategy[i], strategy[j], cell)
                look_up(bits, cell, found)
                rows.collect(found_reals, received[i], received[n + i], received[j], received[n + j])
                rows.compare(found_reals, differences, totals)
        for i in range(n):
            rows.book_partner(received[i], received[n + i], others, transfer, creation, learning, learned[i])
    if records:
        for k in range(3):
            rows.divide_row(sums[k], np.float32(n))
        most = eq.most_learning(point.creation, point.mutuality)
        parts.tally_outcomes(want, transfer, creation, learning, most, living, lanes, scratch, out)
        if want[W_INEQUITY]:
            out[tally.INEQUITY_N, tally.SUM] += tally.inequity_row(differences, totals, lanes)
            tally.real(differences, lanes, out[tally.INEQUITY])


@step
def move(n: Any, strategy: Any, alive: Any, moves: Any, cell: Any, found: Any, found_reals: Any, context: Any) -> None:
    """Context of a period."""
    p = 0
    for i in range(n):
        for j in range(i + 1, n):
            rows.living_cell(strategy[i], strategy[j], alive, IDLE, cell)
            look_up(moves, cell, found)
            rows.move_context(
                found_reals, context[TRUST_UP, p], context[TRUST_DOWN, p], context[STAKES_UP, p], context[STAKES_DOWN, p],
                context[PRIOR, p],
            )  # fmt: skip
            p += 1


@step
def hold(n: Any, strategy: Any, held: Any) -> None:
    """All partners' strategies, eight in a word."""
    for eighth in range((n + 7) // 8):
        rows.fill(held[eighth], rows.ZERO)
    for i in range(n):
        answer_rows.pack_strategy(strategy[i], np.uint32(FOUR * (i % 8)), held[i // 8])


@step
def meet(n: Any, i: Any, word: Any, strategy: Any, context: Any, rank: Any, met: Any, met_reals: Any) -> None:
    """Strategy of the counterpart that partner i meets, and i's context towards it."""
    rows.draw_other(word, np.uint32(n - 1), rank)
    for d in range(1, n):
        j = (i + d) % n
        p, down = (pair_number(i, j, n), 0) if i < j else (pair_number(j, i, n), 1)
        rows.meet_at(
            rank, np.uint32(d - 1), strategy[j], context[TRUST_UP + down, p], context[STAKES_UP + down, p],
            context[PRIOR, p], met, met_reals[0], met_reals[1], met_reals[2],
        )  # fmt: skip


@step
def tally_states(want: Any, n: Any, living: Any, lanes: Any, packed: Any, context: Any, scratch: Any, out: Any) -> None:
    """Add the state of a chunk's first lanes to the tallies of a period."""
    waves.tally_context(want, context, lanes, scratch, out)
    if want[W_STRATEGY]:
        tally.strategies(packed, lanes, out)
    if want[W_REGIME]:
        tally.regimes(packed, lanes, n, out)
    parts.tally_bound(want, n, living, out)
