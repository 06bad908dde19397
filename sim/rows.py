"""Row loops: one step of the model over `LANES` alliances held side by side.

A row is a one-dimensional array with one entry per alliance (a lane), so that the compiler turns each loop into vector
instructions: arithmetic, comparison and selection, no branches; tables are read by `sim.lookup`. numba takes uint32
operands to uint64; the casts back keep a loop in 32 bits, twice as many lanes to an instruction. The rows given to one
call never overlap.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import equations as eq
from sim.jit import formula, row_loop
from sim.rng import first_product, one_of, philox_from, uniform

LANES = 576

ZERO = np.uint32(0)
ONE = np.uint32(1)
TWO = np.uint32(2)
FIVE = np.uint32(5)
BIT_MASK = np.uint32(31)
CELLS = np.uint32(25)
CELLS_TWICE = np.uint32(50)
#: Code of a response that was not reconsidered, where responses are coded as cell + 25 * branch.
NOT_REACHED = np.uint32(75)
#: Strategy counts of an alliance are packed six bits each into one word.
COUNT_BITS = np.uint32(6)
COUNT_MASK = np.uint32(63)


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
def number(first: Any, product: Any) -> None:
    """What Philox makes of the numbers (low words) of the alliances from `first` on; see `sim.rng.first_product`."""
    for lane in range(LANES):
        product[lane] = first_product(np.uint32(first + np.uint32(lane)))


@row_loop
def words(
    product: Any, high: Any, period: Any, slot: Any, key_0: Any, key_1: Any, w0: Any, w1: Any, w2: Any, w3: Any
) -> None:
    """The four random words of one slot for every lane; `product` as `number` fills it, `high` the same for all."""
    for lane in range(LANES):
        a, b, c, d = philox_from(product[lane], high, period, slot, key_0, key_1)
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
def pair_cell(own: Any, other: Any, cell: Any) -> None:
    """Cell of a partner and what it sees."""
    for lane in range(LANES):
        cell[lane] = np.uint32(np.uint32(own[lane] * FIVE) + other[lane])


@row_loop
def living_cell(own: Any, other: Any, alive: Any, idle: Any, cell: Any) -> None:
    """Cell of a pair, or `idle` where the alliance is dissolved."""
    for lane in range(LANES):
        at = np.uint32(np.uint32(own[lane] * FIVE) + other[lane])
        cell[lane] = at if alive[lane] == ONE else idle


@row_loop
def collect(found: Any, own_transfers: Any, own_creations: Any, other_transfers: Any, other_creations: Any) -> None:
    """Add what both partners of a pair receive and create, as `sim.cell_tables.fill_outcomes` has it, to their sums."""
    for lane in range(LANES):
        own_transfers[lane] += found[0, lane]
        own_creations[lane] += found[1, lane]
        other_transfers[lane] += found[2, lane]
        other_creations[lane] += found[3, lane]


@row_loop
def compare(found: Any, differences: Any, totals: Any) -> None:
    """Add a pair's learning difference and total, the parts of inequity, as `sim.cell_tables.fill_outcomes` has them."""
    for lane in range(LANES):
        differences[lane] += found[4, lane]
        totals[lane] += found[5, lane]


@row_loop
def book_partner(
    transfers: Any, creations: Any, others: Any, transfer_sum: Any, creation_sum: Any, learning_sum: Any, learned: Any
) -> None:
    """Close a partner's period: add its transfer, creation and learning to its alliance's and its own learning to date."""
    for lane in range(LANES):
        transfer = eq.per_other(transfers[lane], others)
        created = eq.per_other(creations[lane], others)
        learning = transfer + created
        transfer_sum[lane] += transfer
        creation_sum[lane] += created
        learning_sum[lane] += learning
        learned[lane] += eq.fixed_point(learning)
        transfers[lane] = eq.ZERO
        creations[lane] = eq.ZERO


@row_loop
def book_pair(found: Any, learned_up: Any, learned_down: Any) -> None:
    """Add what two partners learn in a period, in fixed point, to their learning to date."""
    for lane in range(LANES):
        learned_up[lane] += np.int32(found[0, lane])
        learned_down[lane] += np.int32(found[1, lane])


@row_loop
def take_over(learned: Any, cumulated: Any) -> None:
    """Move learning to date from 32 bits to 64."""
    for lane in range(LANES):
        cumulated[lane] += np.int64(learned[lane])
        learned[lane] = np.int32(0)


@row_loop
def move_context(rates: Any, trust_up: Any, trust_down: Any, stakes_up: Any, stakes_down: Any, prior: Any) -> None:
    """Move a pair's trust, stakes and prior interaction by one period, with rates of `sim.cell_tables.fill_moves`."""
    for lane in range(LANES):
        trust_up[lane] = eq.moved_trust(trust_up[lane], rates[0, lane], rates[1, lane])
        trust_down[lane] = eq.moved_trust(trust_down[lane], rates[2, lane], rates[3, lane])
        prior[lane] = eq.moved_prior(prior[lane], rates[4, lane], rates[5, lane])
        target, rate = rates[6, lane], rates[7, lane]
        stakes_up[lane] = eq.moved_stakes(stakes_up[lane], target, rate)
        stakes_down[lane] = eq.moved_stakes(stakes_down[lane], target, rate)


@row_loop
def draw_counterpart(word: Any, own_active: Any, active_number: Any, rank: Any) -> None:
    """Which of the other active partners is met: 0 is the next one after the partner, cyclic."""
    for lane in range(LANES):
        rank[lane] = one_of(word[lane], active_number[lane] - own_active[lane])


@row_loop
def draw_other(word: Any, others: Any, rank: Any) -> None:
    """`draw_counterpart` where all partners are active: one of `others`."""
    for lane in range(LANES):
        rank[lane] = one_of(word[lane], others)


@row_loop
def meet_at(
    rank: Any, place: Any, other: Any, trust: Any, stakes: Any, prior: Any, met: Any, met_trust: Any, met_stakes: Any,
    met_prior: Any,
) -> None:  # fmt: skip
    """Take over strategy and context of a candidate where it is the one that is met: the one at `place`."""
    for lane in range(LANES):
        s, t, a, p = other[lane], trust[lane], stakes[lane], prior[lane]
        s_met, t_met, a_met, p_met = met[lane], met_trust[lane], met_stakes[lane], met_prior[lane]
        here = rank[lane] == place
        met[lane] = s if here else s_met
        met_trust[lane] = t if here else t_met
        met_stakes[lane] = a if here else a_met
        met_prior[lane] = p if here else p_met


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
def close_group(packed: Any, pattern: Any, period: Any, alive: Any, ended: Any) -> None:
    """`dissolve` where nobody can leave: at packed strategy counts that say that all avoid."""
    for lane in range(LANES):
        lives, when = alive[lane], ended[lane]
        ends = (lives == ONE) & (packed[lane] == pattern)
        alive[lane] = ZERO if ends else lives
        ended[lane] = period if ends else when


@row_loop
def close_pair(up: Any, down: Any, period: Any, alive: Any, ended: Any) -> None:
    """`close_group` for two partners."""
    for lane in range(LANES):
        lives, when = alive[lane], ended[lane]
        ends = (lives == ONE) & (np.uint32(up[lane] | down[lane]) == ZERO)
        alive[lane] = ZERO if ends else lives
        ended[lane] = period if ends else when


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
