"""Steps of a period with every mechanism of the model, over all partners and pairs of a chunk of alliances.

`sim.full_kernel` strings them together; each calls row loops for one partner or pair after the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import coupling_rows as cr
from sim import equations as eq
from sim import pair_rows, phase_rows, rows
from sim.full_state import MAJORITY, SPECIFIC, WEAKEST, facing, unit_of
from sim.jit import step


@step
def exchange(point: Any, strategy: Any, spare: Any, openness: Any, mutuality: Any, pairs: Any) -> None:
    """Disclosure, transfer and creation of every pair."""
    n, specific = point.partners, point.coupling == SPECIFIC
    for i in range(n):
        for j in range(i + 1, n):
            p = i * n + j
            pair_rows.exchange_pair(
                strategy[unit_of(i, j, n, specific)], strategy[unit_of(j, i, n, specific)],
                pairs.absorptive_up[p], pairs.absorptive_down[p], pairs.communicative_up[p], pairs.communicative_down[p],
                pairs.prior[p], pairs.trust_up[p], pairs.trust_down[p], pairs.remaining_up[p], pairs.remaining_down[p],
                pairs.power_up[p], pairs.power_down[p], spare, openness, mutuality, point.moderate, point.creation,
                point.closeness, point.novelty, point.trust_cost, point.trust_optimum, point.forced_disclosure,
                pairs.offer_up[p], pairs.offer_down[p], pairs.transfer_up[p], pairs.transfer_down[p], pairs.created[p],
            )  # fmt: skip


@step
def move(point: Any, strategy: Any, active: Any, openness: Any, pairs: Any) -> None:
    """Cumulative learning, what is left to learn, power; then trust, stakes and prior interaction."""
    n, specific = point.partners, point.coupling == SPECIFIC
    for i in range(n):
        for j in range(i + 1, n):
            p = i * n + j
            if point.racing != 0:
                pair_rows.race(
                    pairs.transfer_up[p], pairs.transfer_down[p], pairs.created[p], point.scope, point.renewal,
                    point.power_scale, pairs.learned_up[p], pairs.learned_down[p], pairs.remaining_up[p],
                    pairs.remaining_down[p], pairs.power_up[p], pairs.power_down[p],
                )  # fmt: skip
            if point.dynamic != 0:
                pair_rows.move_context(
                    strategy[unit_of(i, j, n, specific)], strategy[unit_of(j, i, n, specific)], active[i], active[j],
                    point.moderate, openness, pairs.offer_up[p], pairs.offer_down[p], pairs.transfer_up[p],
                    pairs.transfer_down[p], pairs.start_up[p], pairs.start_down[p], point.trust_gain, point.trust_loss,
                    point.suspicion, point.prior_gain, point.prior_loss, point.stakes_rate, pairs.trust_up[p],
                    pairs.trust_down[p], pairs.stakes_up[p], pairs.stakes_down[p], pairs.prior[p],
                )  # fmt: skip
            if point.phased != 0:
                phase_rows.add_offer(
                    pairs.offer_up[p], pairs.offer_down[p], openness, pairs.offered_up[p], pairs.offered_down[p]
                )


@step
def choose(
    point: Any, i: Any, strategy: Any, active: Any, active_number: Any, pairs: Any, meeting: Any, scratch: Any, real: Any,
    packed: Any, met: Any, met_reals: Any, who: Any,
) -> None:  # fmt: skip
    """Whom partner i answers, with more than two partners: strategy, then trust, stakes, prior, remaining, power."""
    n, coupling = point.partners, point.coupling
    t_met, a_met, p_met, q_met, w_met = met_reals[0], met_reals[1], met_reals[2], met_reals[3], met_reals[4]
    if coupling == MAJORITY:
        rows.fill(packed, rows.ZERO)
        for j in range(n):
            if j != i:
                cr.pack_active(strategy[j], active[j], packed)
        cr.plurality(packed, met, real)
        rows.fill(who, np.uint32(255))
        for k in range(5):
            rows.fill(met_reals[k], eq.ZERO)
    elif coupling == WEAKEST:
        rows.fill(real, -np.float32(np.inf))
        rows.fill(met_reals[0], np.float32(np.inf))
        rows.fill(scratch, rows.ZERO)
        rows.fill(packed, rows.ZERO)
        for d in range(1, n):
            j = (i + d) % n
            cr.weigh(active[j], facing(pairs.transfer_up, pairs.transfer_down, i, j, n),
                     facing(pairs.transfer_up, pairs.transfer_down, j, i, n),
                     facing(pairs.offer_up, pairs.offer_down, j, i, n), real, met_reals[0], scratch, packed)  # fmt: skip
    else:
        rows.draw_counterpart(meeting, active[i], active_number, scratch)
    for d in range(1, n):
        j = d - 1 + (1 if d - 1 >= i else 0) if coupling == MAJORITY else (i + d) % n
        p = i * n + j if i < j else j * n + i
        t, a = facing(pairs.trust_up, pairs.trust_down, i, j, n), facing(pairs.stakes_up, pairs.stakes_down, i, j, n)
        q = facing(pairs.remaining_up, pairs.remaining_down, i, j, n)
        w = facing(pairs.power_up, pairs.power_down, i, j, n)
        if coupling == MAJORITY:
            cr.gather(met, strategy[j], active[j], t, a, pairs.prior[p], q, w, t_met, a_met, p_met, q_met, w_met)
        else:
            cr.meet(scratch, strategy[j], active[j], np.uint32(j), t, a, pairs.prior[p], q, w,
                    met, t_met, a_met, p_met, q_met, w_met, who)  # fmt: skip
    if coupling == MAJORITY:
        for k in range(5):
            cr.average(real, met_reals[k])


@step
def anybody(point: Any, strategy: Any, active: Any, which: Any) -> Any:
    """Whether an active partner of a chunk may hold a strategy: what only such a one needs is not drawn else."""
    if point.coupling == SPECIFIC:
        return True
    number = rows.ZERO
    for i in range(point.partners):
        number = np.uint32(number + cr.number_in(strategy[i], active[i], which))
    return number > rows.ZERO


@step
def mean_remaining(point: Any, i: Any, active: Any, pairs: Any, total: Any, number: Any) -> None:
    """Mean over active counterparts of what i can still learn from them, into `total`."""
    rows.fill(total, eq.ZERO)
    rows.fill(number, eq.ZERO)
    for j in range(point.partners):
        if j != i:
            row = facing(pairs.remaining_up, pairs.remaining_down, i, j, point.partners)
            cr.add_active(row, active[j], total, number)
    cr.at_least_one(number)
    cr.average(number, total)


@step
def count_units(point: Any, strategy: Any, active: Any, opens: Any, active_number: Any, open_number: Any) -> None:
    """Active partners, and those among them that do not avoid; `opens` 1 where i does not avoid some active j."""
    n = point.partners
    rows.fill(active_number, rows.ZERO)
    rows.fill(open_number, rows.ZERO)
    for i in range(n):
        if point.coupling != SPECIFIC:
            rows.count_open(strategy[i], active[i], active_number, open_number)
        else:
            rows.fill(opens[i], rows.ZERO)
            for j in range(n):
                if j != i:
                    cr.open_towards(strategy[i * n + j], active[j], opens[i])
            cr.tally_active(opens[i], active[i], active_number, open_number)


@step
def exits(point: Any, draws: Any, strategy: Any, active: Any, opens: Any, left: Any, stays: Any) -> None:
    """Partners in avoidance leave; `opens` as `count_units` fills it, `stays`: rows for all partners."""
    n = point.partners
    for i in range(n):
        if point.coupling != SPECIFIC:
            rows.leave(draws[i], point.exit_rate, strategy[i], active[i], left)
        else:
            rows.fill(opens[i], rows.ZERO)
            for j in range(n):
                if j != i:
                    cr.open_towards(strategy[i * n + j], active[j], opens[i])
            cr.leave_all(draws[i], point.exit_rate, opens[i], active[i], left, stays[i])
    if point.coupling == SPECIFIC:
        for i in range(n):
            cr.keep_where(stays[i], active[i])
            for j in range(n):
                cr.keep_where(stays[i], strategy[i * n + j])


@step
def silence(point: Any, alive: Any, strategy: Any, active: Any) -> None:
    """Partners of a dissolved alliance count as avoiding and are active no more."""
    for row in range(strategy.shape[0]):
        cr.keep_where(alive, strategy[row])
    for i in range(point.partners):
        cr.keep_where(alive, active[i])


@step
def review(
    point: Any, phases: Any, period: Any, word: Any, active: Any, openness: Any, mutuality: Any, window: Any, counts: Any,
    pairs: Any, needed: Any, ready: Any, number: Any, value: Any, stays: Any, phase: Any, alive: Any, ended: Any, cause: Any,
) -> None:  # fmt: skip
    """Review of an alliance: next phase, break, readjustment of trust and stakes; then a new window begins."""
    n, periods = point.partners, np.float32(point.review_every)
    rows.fill(ready, eq.ZERO)
    rows.fill(number, eq.ZERO)
    for i in range(n):
        for j in range(i + 1, n):
            p = i * n + j
            phase_rows.add_readiness(pairs.offered_up[p], pairs.trust_up[p], pairs.communicative_up[p], pairs.prior[p],
                                     active[i], active[j], periods, ready, number)  # fmt: skip
            phase_rows.add_readiness(pairs.offered_down[p], pairs.trust_down[p], pairs.communicative_down[p],
                                     pairs.prior[p], active[i], active[j], periods, ready, number)  # fmt: skip
            rows.fill(pairs.offered_up[p], eq.ZERO)
            rows.fill(pairs.offered_down[p], eq.ZERO)
    phase_rows.of_phase(phase, phases.values[7], needed)
    phase_rows.hold_review(
        alive, openness, mutuality, window[0], window[1], window[2], counts[0], counts[1], ready, number, needed, word,
        point.creation, periods, phases.weights, point.advance, point.fail, point.break_rate, phase, value, stays,
    )  # fmt: skip
    for i in range(n):
        for j in range(i + 1, n):
            p = i * n + j
            for row in (pairs.trust_up[p], pairs.trust_down[p], pairs.stakes_up[p], pairs.stakes_down[p]):
                phase_rows.readjust(active[i], active[j], value, point.readjustment, row)
    phase_rows.break_up(stays, period, alive, ended, cause)
    for k in range(3):
        rows.fill(window[k], eq.ZERO)
    for k in range(2):
        rows.fill(counts[k], rows.ZERO)
