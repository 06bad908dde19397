"""A wave of chunks that go through the periods side by side, and what happens in it to dissolved alliances.

Nothing of a dissolved alliance changes any more. What it adds to the tallies of all later periods is summed once, when it
is removed: what its wave adds with it, less what the wave adds without it. Integers, so exactly that. The places of those
that were removed are taken by living ones from the end of the wave, so that the living fill as few chunks as they can.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sim import equations as eq
from sim import rows
from sim import tally_rows as tally
from sim.jit import formula, step
from sim.kernel_parts import NO, W_CUMULATIVE, W_HISTOGRAM, W_PRIOR, W_STAKES, W_TRUST, YES
from sim.rows import LANES

#: Rows of a pair's context: i's and j's trust, i's and j's stakes, prior interaction, i < j.
TRUST_UP, TRUST_DOWN, STAKES_UP, STAKES_DOWN, PRIOR = range(5)


class State(NamedTuple):
    """Chunks of alliances between periods; axes are chunk, then partner or pair, then lane.

    lanes, living : int64, how many of a chunk's first lanes are counted, how many of these are alive.
    product : see `sim.rng.first_product`.  alive, ended, packed : whether it lives, when it dissolved, strategy counts.
    strategy : (chunk, 2, partner, lane); at the end of period t at ``t % 2``.  aware : 1.0 or 0.0.
    learned, cumulated : learning to date in fixed point, 32 and 64 bits.
    context : (chunk, 5, pair, lane), pairs numbered by `pair_number`.  exited : (lane), 0: nobody leaves.
    """

    lanes: Any
    living: Any
    product: Any
    alive: Any
    ended: Any
    packed: Any
    strategy: Any
    aware: Any
    learned: Any
    cumulated: Any
    context: Any
    exited: Any


class Gone(NamedTuple):
    """What removed alliances add, by the first recorded period in which they do.

    states : int64[recorded, columns, 2].  number : int64[recorded], alliances.
    """

    states: Any
    number: Any


def new_gone(recorded: int, columns: int) -> Gone:
    """Nothing removed yet."""
    return Gone(np.zeros((recorded, columns, 2), np.int64), np.zeros(recorded, np.int64))


@formula
def pair_number(i: Any, j: Any, n: Any) -> Any:
    """Number of the pair i < j of n partners, in lexicographic order."""
    return i * (2 * n - i - 1) // 2 + j - i - 1


@step
def next_row(recorded: Any, t: Any) -> Any:
    """Row of the first recorded period from t on, or -1."""
    while t < recorded.size:
        if recorded[t] >= 0:
            return recorded[t]
        t += 1
    return np.int64(-1)


@step
def note_gone(number: Any, t: Any, recorded: Any, gone: Any) -> None:
    """Note a number of alliances removed (or, if negative, put back) at the end of period t; `gone`: `Gone.number`."""
    row = next_row(recorded, t)
    if row >= 0:
        gone[row] += number


@step
def add_states(sign: Any, states: Any, t: Any, recorded: Any, gone: Any) -> None:
    """Add (or subtract) tallies to what removed alliances add after the end of period t, and clear them."""
    row = next_row(recorded, t + 1)
    for column in range(states.shape[0]):
        for moment in range(2):
            if row >= 0:
                gone[row, column, moment] += sign * states[column, moment]
            states[column, moment] = 0


@step
def add_gone(recorded: Any, gone: Any, by_period: Any) -> None:
    """Add what the removed alliances contribute to the recorded periods after their removal; `gone`: `Gone.states`."""
    last = np.int64(-1)
    for t in range(recorded.size):
        row = recorded[t]
        if row >= 0:
            for column in range(gone.shape[1]):
                for moment in range(2):
                    if last >= 0:
                        gone[row, column, moment] += gone[last, column, moment]
                    by_period[row, column, moment] += gone[row, column, moment]
            last = row


@step
def tally_mean(up: Any, down: Any, both: Any, lanes: Any, scratch: Any, out: Any) -> None:
    """Tally an alliance's mean of a factor over its pairs; sums run in the order of pairs, i's value before j's."""
    pairs = up.shape[0]
    if pairs == 1:
        if both == YES:
            tally.mean_of_pair(up[0], down[0], lanes, out)
        else:
            tally.real(up[0], lanes, out)
        return
    rows.fill(scratch, eq.ZERO)
    for p in range(pairs):
        rows.add_row(up[p], scratch)
        if both == YES:
            rows.add_row(down[p], scratch)
    rows.divide_row(scratch, np.float32(pairs + both * pairs))
    tally.real(scratch, lanes, out)


@step
def tally_context(want: Any, context: Any, lanes: Any, scratch: Any, out: Any) -> None:
    """Add the context of a chunk's first lanes to the tallies of a period."""
    if want[W_STAKES]:
        tally_mean(context[STAKES_UP], context[STAKES_DOWN], YES, lanes, scratch, out[tally.MEAN_STAKES])
    if want[W_TRUST]:
        tally_mean(context[TRUST_UP], context[TRUST_DOWN], YES, lanes, scratch, out[tally.MEAN_TRUST])
    if want[W_PRIOR]:
        tally_mean(context[PRIOR], context[PRIOR], NO, lanes, scratch, out[tally.MEAN_PRIOR])


@step
def close(
    point: Any, want: Any, batches: Any, all_of_them: Any, lanes: Any, product: Any, learned: Any, cumulated: Any,
    ended: Any, alive: Any, exited: Any, bins: Any, by_point: Any,
) -> None:  # fmt: skip
    """Tally the totals over the run of a chunk's alliances: of all, or of those that have dissolved."""
    for i in range(point.partners):
        rows.take_over(learned[i], cumulated[i])
    # Neighbours together: a call takes as long as what it does for an alliance.
    begin = NO
    while begin < lanes:
        end = begin
        while end < lanes and (all_of_them == YES or alive[end] == rows.ZERO):
            end += 1
        if begin < end:
            tally.totals(
                point, want[W_CUMULATIVE], want[W_HISTOGRAM], batches, begin, end, product, cumulated, ended, alive, exited,
                bins, by_point,
            )  # fmt: skip
        begin = end + 1


@step
def fits(chunks: Any, lanes: Any, living: Any) -> Any:
    """Whether the living alliances of a wave fit into fewer chunks than they are in."""
    number, used = np.int64(0), np.int64(0)
    for k in range(chunks):
        number += living[k]
        used += 1 if lanes[k] > 0 else 0
    return (number + LANES - 1) // LANES < used


@step
def gather(turn: Any, chunks: Any, s: Any) -> Any:
    """Move living alliances from the end of a wave into the places of dissolved ones before; returns number of chunks."""
    living = np.int64(0)
    for k in range(chunks):
        living += s.living[k]
    to, place = np.int64(0), chunks * LANES - 1
    while to < living:
        to_chunk, to_lane = to // LANES, to % LANES
        if to_lane < s.lanes[to_chunk] and s.alive[to_chunk, to_lane] == rows.ONE:
            to += 1
            continue
        chunk, lane = place // LANES, place % LANES
        place -= 1
        if lane < s.lanes[chunk] and s.alive[chunk, lane] == rows.ONE:
            s.product[to_chunk, to_lane] = s.product[chunk, lane]
            s.ended[to_chunk, to_lane] = s.ended[chunk, lane]
            s.packed[to_chunk, to_lane] = s.packed[chunk, lane]
            s.alive[to_chunk, to_lane], s.alive[chunk, lane] = rows.ONE, rows.ZERO
            s.lanes[to_chunk] = max(s.lanes[to_chunk], to_lane + 1)
            for i in range(s.aware.shape[1]):
                s.strategy[to_chunk, turn, i, to_lane] = s.strategy[chunk, turn, i, lane]
                s.aware[to_chunk, i, to_lane] = s.aware[chunk, i, lane]
                s.cumulated[to_chunk, i, to_lane] = s.cumulated[chunk, i, lane]
            for factor in range(s.context.shape[1]):
                for p in range(s.context.shape[2]):
                    s.context[to_chunk, factor, p, to_lane] = s.context[chunk, factor, p, lane]
            to += 1
    needed = (living + LANES - 1) // LANES
    for k in range(chunks):
        s.lanes[k] = max(0, min(LANES, living - k * LANES))
        s.living[k] = s.lanes[k]
    return needed
