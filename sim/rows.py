"""Row loops: one step of the model over `LANES` alliances held side by side.

A row is a one-dimensional array with one entry per alliance (a lane), so that the compiler turns each loop into vector
instructions: arithmetic, comparison and selection, no branches and no table lookups. A table of 25 cells is held in
*bit planes*: bit ``5 own + seen`` of plane k is bit k of the cell's code. numba takes uint32 operands to uint64; the casts
back keep a loop in 32 bits, twice as many lanes to an instruction. The rows given to one call never overlap.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import equations as eq
from sim.jit import formula, row_loop
from sim.rng import one_of, philox, uniform

LANES = 512

ZERO = np.uint32(0)
ONE = np.uint32(1)
TWO = np.uint32(2)
FOUR = np.uint32(4)
FIVE = np.uint32(5)
BIT_MASK = np.uint32(31)
CELLS = np.uint32(25)
CELLS_TWICE = np.uint32(50)
#: Codes of a response row: cell + 25 * branch; branches are empowered, barrier, kept.
NOT_REACHED = np.uint32(75)
RESPONSE_CODES = 76
#: Strategy counts of an alliance are packed six bits each into one word.
COUNT_BITS = np.uint32(6)
COUNT_MASK = np.uint32(63)


@formula
def has(plane: Any, cell_bit: Any) -> Any:
    """Whether a plane is set in a cell, `cell_bit` = 1 << cell."""
    return np.uint32(plane & cell_bit) != ZERO


@formula
def code_of(plane_0: Any, plane_1: Any, plane_2: Any, cell_bit: Any) -> Any:
    """Code 0 to 7 that three planes hold for a cell (uint32)."""
    code = np.uint32((ONE if has(plane_0, cell_bit) else ZERO) | (TWO if has(plane_1, cell_bit) else ZERO))
    return np.uint32(code | (FOUR if has(plane_2, cell_bit) else ZERO))


@formula
def one_of_four(low: Any, high: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """The value whose index has the given low and high bits (booleans)."""
    return (d if low else c) if high else (b if low else a)


@row_loop
def fill(row: Any, value: Any) -> None:
    """Set every lane."""
    for lane in range(LANES):
        row[lane] = value


@row_loop
def words(low: Any, high: Any, period: Any, slot: Any, key_0: Any, key_1: Any, w0: Any, w1: Any, w2: Any, w3: Any) -> None:
    """The four random words of one slot for every lane."""
    for lane in range(LANES):
        a, b, c, d = philox(low[lane], high[lane], period, slot, key_0, key_1)
        w0[lane] = a
        w1[lane] = b
        w2[lane] = c
        w3[lane] = d


@row_loop
def draw_initial(word: Any, cumulated: Any, strategy: Any) -> None:
    """First strategies from the cumulated mix (float64, in code order)."""
    first, second, third, fourth = cumulated[0], cumulated[1], cumulated[2], cumulated[3]
    for lane in range(LANES):
        u = np.float64(uniform(word[lane]))
        s = ONE if u >= first else ZERO
        s = s + (ONE if u >= second else ZERO)
        s = s + (ONE if u >= third else ZERO)
        strategy[lane] = s + (ONE if u >= fourth else ZERO)


@row_loop
def draw_event(word: Any, probability: Any, event: Any) -> None:
    """1.0 where the draw is below the probability, else 0.0."""
    for lane in range(LANES):
        event[lane] = eq.ONE if uniform(word[lane]) < probability else eq.ZERO


@row_loop
def exchange(own: Any, other: Any, moderate: Any, gamma: Any, transfers: Any, creations: Any) -> None:
    """Add what a partner receives from, and creates with, one counterpart in a period."""
    for lane in range(LANES):
        s, o = own[lane], other[lane]
        received = eq.transfer(eq.transparency(o, moderate), eq.receptivity(s, moderate))
        given = eq.transfer(eq.transparency(s, moderate), eq.receptivity(o, moderate))
        transfers[lane] += received
        creations[lane] += eq.appropriated(eq.creation(gamma, received, given), received)


@row_loop
def compare_pair(own: Any, other: Any, moderate: Any, gamma: Any, differences: Any, totals: Any) -> None:
    """Add a pair's learning difference and total, the parts of inequity."""
    for lane in range(LANES):
        s, o = own[lane], other[lane]
        received = eq.transfer(eq.transparency(o, moderate), eq.receptivity(s, moderate))
        given = eq.transfer(eq.transparency(s, moderate), eq.receptivity(o, moderate))
        created = eq.creation(gamma, received, given)
        mine = received + eq.appropriated(created, received)
        theirs = given + eq.appropriated(created, given)
        differences[lane] += mine - theirs if mine > theirs else theirs - mine
        totals[lane] += mine + theirs


@row_loop
def book_partner(
    transfers: Any, creations: Any, others: Any, transfer_sum: Any, creation_sum: Any, learning_sum: Any, cumulated: Any
) -> None:
    """Close a partner's period: add its transfer, creation and learning to its alliance's and its own learning to date."""
    for lane in range(LANES):
        transfer = eq.per_other(transfers[lane], others)
        created = eq.per_other(creations[lane], others)
        learning = transfer + created
        transfer_sum[lane] += transfer
        creation_sum[lane] += created
        learning_sum[lane] += learning
        cumulated[lane] += np.int64(eq.fixed_point(learning))
        transfers[lane] = eq.ZERO
        creations[lane] = eq.ZERO


@row_loop
def update_context(
    own: Any, other: Any, own_active: Any, other_active: Any, moderate: Any,
    trust_own: Any, trust_other: Any, stakes_own: Any, stakes_other: Any, prior: Any, stakes_start: Any,
    trust_gain: Any, trust_loss: Any, suspicion: Any, prior_gain: Any, prior_loss: Any, stakes_rate: Any,
) -> None:  # fmt: skip
    """Move a pair's trust, stakes and prior interaction by one period; frozen where a partner has left or dissolved."""
    for lane in range(LANES):
        s, o = own[lane], other[lane]
        disclosed, absorbs = eq.transparency(s, moderate), eq.receptivity(s, moderate)
        offered, takes = eq.transparency(o, moderate), eq.receptivity(o, moderate)
        received, given = eq.transfer(offered, absorbs), eq.transfer(disclosed, takes)
        live = (own_active[lane] & other_active[lane]) == ONE
        t, u, p = trust_own[lane], trust_other[lane], prior[lane]
        a, b = stakes_own[lane], stakes_other[lane]
        t_next = eq.next_trust(
            t,
            offered,
            eq.exploited(received, given),
            eq.withholding(takes, offered, eq.ONE),
            eq.ONE,
            trust_gain,
            trust_loss,
            suspicion,
        )
        u_next = eq.next_trust(
            u,
            disclosed,
            eq.exploited(given, received),
            eq.withholding(absorbs, disclosed, eq.ONE),
            eq.ONE,
            trust_gain,
            trust_loss,
            suspicion,
        )
        p_next = eq.next_prior(p, disclosed, offered, prior_gain, prior_loss)
        a_next = eq.next_stakes(a, stakes_start, received, given, stakes_rate)
        b_next = eq.next_stakes(b, stakes_start, given, received, stakes_rate)
        trust_own[lane] = t_next if live else t
        trust_other[lane] = u_next if live else u
        prior[lane] = p_next if live else p
        stakes_own[lane] = a_next if live else a
        stakes_other[lane] = b_next if live else b


@row_loop
def draw_counterpart(word: Any, own_active: Any, active_number: Any, rank: Any) -> None:
    """Which of the other active partners is met: 0 is the next one after the partner, cyclic."""
    for lane in range(LANES):
        rank[lane] = one_of(word[lane], active_number[lane] - own_active[lane])


@row_loop
def meet(
    rank: Any, other: Any, other_active: Any, trust: Any, stakes: Any, prior: Any,
    met: Any, met_trust: Any, met_stakes: Any, met_prior: Any,
) -> None:  # fmt: skip
    """Take over strategy and context of the candidate where it is the one that is met; then count it off."""
    for lane in range(LANES):
        candidate = other_active[lane]
        r = rank[lane]
        # Every value is read before the choice: a read inside a choice would be a branch.
        s, t, a, p = other[lane], trust[lane], stakes[lane], prior[lane]
        s_met, t_met, a_met, p_met = met[lane], met_trust[lane], met_stakes[lane], met_prior[lane]
        here = (candidate == ONE) & (r == ZERO)
        met[lane] = s if here else s_met
        met_trust[lane] = t if here else t_met
        met_stakes[lane] = a if here else a_met
        met_prior[lane] = p if here else p_met
        # After the hit the rank wraps round to 2^32 - 1 and never comes back to 0.
        rank[lane] = r - candidate


@row_loop
def misperceive(word: Any, probability: Any, actual: Any, seen: Any) -> None:
    """What is seen of the counterpart's strategy."""
    for lane in range(LANES):
        s = actual[lane]
        seen[lane] = eq.seen_openness(s) if uniform(word[lane]) < probability else s


@row_loop
def leave(word: Any, rate: Any, strategy: Any, active: Any, left: Any) -> None:
    """Exit of a partner in avoidance; `left` remembers that anybody has left the alliance."""
    for lane in range(LANES):
        works, anybody = active[lane], left[lane]
        exits = (strategy[lane] == ZERO) & (works == ONE) & (uniform(word[lane]) < rate)
        active[lane] = ZERO if exits else works
        left[lane] = ONE if exits else anybody


@row_loop
def count_open(strategy: Any, active: Any, active_number: Any, open_number: Any) -> None:
    """Count a partner among the active, and among the active that do not avoid."""
    for lane in range(LANES):
        active_number[lane] += active[lane]
        open_number[lane] += active[lane] if strategy[lane] != ZERO else ZERO


@row_loop
def dissolve(active_number: Any, open_number: Any, left: Any, period: Any, alive: Any, ended: Any, exited: Any) -> None:
    """Dissolve where every active partner avoids or fewer than two are active; note when, and if by exit."""
    for lane in range(LANES):
        lives, when, by_exit, anybody = alive[lane], ended[lane], exited[lane], left[lane]
        ends = (lives == ONE) & ((open_number[lane] == ZERO) | (active_number[lane] < TWO))
        alive[lane] = ZERO if ends else lives
        ended[lane] = period if ends else when
        exited[lane] = anybody if ends else by_exit


@row_loop
def silence(alive: Any, strategy: Any, active: Any) -> None:
    """Partners of a dissolved alliance count as avoiding and are active no more."""
    for lane in range(LANES):
        strategy[lane] = strategy[lane] * alive[lane]
        active[lane] = active[lane] * alive[lane]


@row_loop
def pack_count(strategy: Any, packed: Any) -> None:
    """Add a partner to its alliance's five packed strategy counts."""
    for lane in range(LANES):
        packed[lane] += np.uint32(ONE << np.uint32(np.uint32(COUNT_BITS * strategy[lane]) & BIT_MASK))


@row_loop
def add_row(row: Any, total: Any) -> None:
    """Add a row to another."""
    for lane in range(LANES):
        total[lane] += row[lane]


@row_loop
def divide_row(row: Any, divisor: Any) -> None:
    """Divide a row by a number of partners or pairs."""
    for lane in range(LANES):
        row[lane] = eq.per_partner(row[lane], divisor)


@row_loop
def multiply_row(factor: Any, row: Any) -> None:
    """Multiply a row by another."""
    for lane in range(LANES):
        row[lane] = row[lane] * factor[lane]
