"""Row loops of whom a partner answers, and of exits where behaviour is partner-specific (model section 6).

As in `sim.rows`: one step over `LANES` alliances, and the rows of one call never overlap.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import equations as eq
from sim.jit import row_loop
from sim.rng import uniform
from sim.rows import BIT_MASK, COUNT_BITS, COUNT_MASK, LANES, ONE, ZERO

#: Shifts of strategy counts in a packed word.
AC_BITS, CM_BITS, CP_BITS, CL_BITS = (np.uint32(6 * k) for k in range(1, 5))


@row_loop
def weigh(
    other_active: Any, transfer_own: Any, transfer_other: Any, offer_other: Any, most: Any, least: Any, rank: Any, place: Any
) -> None:
    """Rank among the active others of the one who took most; ties to who offered least, then to who comes first."""
    for lane in range(LANES):
        candidate, r, here = other_active[lane], rank[lane], place[lane]
        excess, offer = transfer_other[lane] - transfer_own[lane], offer_other[lane]
        best, lowest = most[lane], least[lane]
        ahead = (candidate == ONE) & ((excess > best) | ((excess == best) & (offer < lowest)))
        most[lane] = excess if ahead else best
        least[lane] = offer if ahead else lowest
        rank[lane] = here if ahead else r
        place[lane] = here + candidate


@row_loop
def meet(
    rank: Any, other: Any, other_active: Any, number: Any,
    trust: Any, stakes: Any, prior: Any, remaining: Any, power: Any,
    met: Any, met_trust: Any, met_stakes: Any, met_prior: Any, met_remaining: Any, met_power: Any, who: Any,
) -> None:  # fmt: skip
    """Take over what belongs to the candidate where it is the one that is met; then count it off."""
    for lane in range(LANES):
        candidate, r = other_active[lane], rank[lane]
        s, t, a, p, q, w = other[lane], trust[lane], stakes[lane], prior[lane], remaining[lane], power[lane]
        s_met, t_met, a_met, p_met = met[lane], met_trust[lane], met_stakes[lane], met_prior[lane]
        q_met, w_met, j_met = met_remaining[lane], met_power[lane], who[lane]
        here = (candidate == ONE) & (r == ZERO)
        met[lane] = s if here else s_met
        met_trust[lane] = t if here else t_met
        met_stakes[lane] = a if here else a_met
        met_prior[lane] = p if here else p_met
        met_remaining[lane] = q if here else q_met
        met_power[lane] = w if here else w_met
        who[lane] = number if here else j_met
        # After the hit the rank wraps round to 2^32 - 1 and never comes back to 0.
        rank[lane] = r - candidate


@row_loop
def number_in(strategy: Any, active: Any, which: Any) -> Any:
    """How many active partners hold a strategy."""
    number = ZERO
    for lane in range(LANES):
        number = np.uint32(number + (active[lane] if strategy[lane] == which else ZERO))
    return number


@row_loop
def pack_active(strategy: Any, active: Any, packed: Any) -> None:
    """Add an active partner to packed strategy counts."""
    for lane in range(LANES):
        one = np.uint32(active[lane] << np.uint32(np.uint32(COUNT_BITS * strategy[lane]) & BIT_MASK))
        packed[lane] += one


@row_loop
def plurality(packed: Any, met: Any, number: Any) -> None:
    """Commonest strategy, ties to the earliest of avoidance, competition, compromise, accommodation, collaboration."""
    for lane in range(LANES):
        counts = packed[lane]
        best, most = eq.AV, np.uint32(counts & COUNT_MASK)
        c = np.uint32(np.uint32(counts >> CP_BITS) & COUNT_MASK)
        best, most = (eq.CP if c > most else best), (c if c > most else most)
        c = np.uint32(np.uint32(counts >> CM_BITS) & COUNT_MASK)
        best, most = (eq.CM if c > most else best), (c if c > most else most)
        c = np.uint32(np.uint32(counts >> AC_BITS) & COUNT_MASK)
        best, most = (eq.AC if c > most else best), (c if c > most else most)
        c = np.uint32(np.uint32(counts >> CL_BITS) & COUNT_MASK)
        best, most = (eq.CL if c > most else best), (c if c > most else most)
        met[lane] = best
        number[lane] = np.float32(most if most > ZERO else ONE)


@row_loop
def gather(
    met: Any, other: Any, other_active: Any, trust: Any, stakes: Any, prior: Any, remaining: Any, power: Any,
    met_trust: Any, met_stakes: Any, met_prior: Any, met_remaining: Any, met_power: Any,
) -> None:  # fmt: skip
    """Add the context of a counterpart that plays what the plurality plays."""
    for lane in range(LANES):
        member = (other_active[lane] == ONE) & (other[lane] == met[lane])
        t, a, p, q, w = trust[lane], stakes[lane], prior[lane], remaining[lane], power[lane]
        met_trust[lane] += t if member else eq.ZERO
        met_stakes[lane] += a if member else eq.ZERO
        met_prior[lane] += p if member else eq.ZERO
        met_remaining[lane] += q if member else eq.ZERO
        met_power[lane] += w if member else eq.ZERO


@row_loop
def average(number: Any, row: Any) -> None:
    """Mean of sums over a number of counterparts."""
    for lane in range(LANES):
        row[lane] = eq.mean_of(row[lane], number[lane])


@row_loop
def add_active(row: Any, active: Any, total: Any, number: Any) -> None:
    """Add a value where the counterpart is active, and count it."""
    for lane in range(LANES):
        total[lane] += row[lane] if active[lane] == ONE else eq.ZERO
        number[lane] += np.float32(active[lane])


@row_loop
def at_least_one(number: Any) -> None:
    """Keep a divisor above 0 where nobody is left to answer."""
    for lane in range(LANES):
        number[lane] = number[lane] if number[lane] > eq.ONE else eq.ONE


@row_loop
def open_towards(strategy: Any, other_active: Any, opens: Any) -> None:
    """1 where a partner does not avoid some active counterpart."""
    for lane in range(LANES):
        opens[lane] |= other_active[lane] if strategy[lane] != ZERO else ZERO


@row_loop
def leave_all(word: Any, rate: Any, opens: Any, active: Any, left: Any, stays: Any) -> None:
    """Exit of a partner who avoids all; `stays` is 0 where it left in this period."""
    for lane in range(LANES):
        works, anybody = active[lane], left[lane]
        exits = (opens[lane] == ZERO) & (works == ONE) & (uniform(word[lane]) < rate)
        stays[lane] = ZERO if exits else ONE
        left[lane] = ONE if exits else anybody


@row_loop
def tally_active(opens: Any, active: Any, active_number: Any, open_number: Any) -> None:
    """Count a partner among the active, and among the active that do not avoid all."""
    for lane in range(LANES):
        active_number[lane] += active[lane]
        open_number[lane] += active[lane] & opens[lane]


@row_loop
def keep_where(mark: Any, row: Any) -> None:
    """Set to 0 where the mark is 0."""
    for lane in range(LANES):
        row[lane] = row[lane] * mark[lane]
