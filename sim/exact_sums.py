"""Mean and variance of sums over an alliance's periods, compiled: learning, periods lived, responses of one kind.

Of a sum A, E[A; S_t = s] and E[A^2] are carried along with the law of the state. A period's gain is what its first state
brings, plus the responses that count, which go together with the next state.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import equations as eq
from sim.exact_chain import add_partner, advance, clear, copy, fill_period, next_types, prepare
from sim.exact_law import CERTAIN, NONE, event, fill_answers
from sim.jit import kernel, step

TWO = np.float64(2.0)


@step
def fill_joint(states: Any, exits: Any, room: Any, gain: Any, square: Any, joint: Any) -> None:
    """Responses that count, `room.marked` among `room.answers`, together with the state they lead to.

    Parameters
    ----------
    gain, square : float64[states], filled: mean and mean square of their number in a period.
    joint : float64[states, states], filled: E[number; s' follows s].
    """
    types, chances, marked = room.types, room.chances, room.marked_chances
    for s in range(joint.shape[0]):
        total, squares = NONE, NONE
        clear(joint[s])
        if states.alive[s]:
            room.group[0] = CERTAIN
            room.counted[0] = NONE
            for i in range(room.met.shape[1]):
                n = next_types(states, room.met, room.marked, exits, s, i, types, marked)
                n = next_types(states, room.met, room.answers, exits, s, i, types, chances)
                if n == 1:
                    marked[0] = NONE
                chance = NONE
                for c in range(n):
                    chance += marked[c]
                total += chance
                squares += chance * chance
                if i + 1 == room.met.shape[1]:
                    add_partner(states, i, types[:n], chances[:n], room.counted, joint[s])
                    add_partner(states, i, types[:n], marked[:n], room.group, joint[s])
                else:
                    size = states.first[i + 2] - states.first[i + 1]
                    clear(room.grown[:size])
                    clear(room.more[:size])
                    add_partner(states, i, types[:n], chances[:n], room.group, room.grown)
                    add_partner(states, i, types[:n], chances[:n], room.counted, room.more)
                    add_partner(states, i, types[:n], marked[:n], room.group, room.more)
                    copy(room.grown[:size], room.group)
                    copy(room.more[:size], room.counted)
        gain[s] = total
        square[s] = total + total * total - squares


@kernel
def sums_of(
    states: Any, point: Any, cells: Any, reals: Any, drawn: Any, absorptive: Any, communicative: Any, weakest: Any,
    periods: Any, room: Any, worth: Any, marks: Any, counts: Any, tables: Any, rows: Any, joint: Any, means: Any,
    squares: Any,
) -> None:  # fmt: skip
    """First two moments of sums over the periods of a point.

    Parameters
    ----------
    states, ... weakest, room : of one point, see `sim.exact_chain.follow`.  periods : how many.
    worth : float64[sums, states], what a period that begins in a state adds.
    marks : float64[sums, theories, 4, 25], 1 where a response, by way and cell, adds 1.
    counts : bool[sums], whether a sum is one of responses, or of what states are worth.
    tables : float32[2, N + 1, 25], rows : float64[5, states], joint : float64[states, states], room.
    means, squares : float64[sums], filled.
    """
    law, after, total, totals, weighed, gain, square = room.law, room.after, rows[0], rows[1], rows[2], rows[3], rows[4]
    for k in range(means.size):
        prepare(point, states, drawn, absorptive, communicative, weakest, tables, room)
        clear(total)
        squares[k] = NONE
        omega = eq.ZERO
        for t in range(1, periods + 1):
            now = eq.orientation_at(point.orientation, np.float32(t), point.horizon, point.window)
            if t == 1 or now != omega:
                omega = now
                fill_period(point, states, cells, reals, omega, room)
                if counts[k]:
                    fill_answers(room.laws, states.slot, point.misperception, marks[k], room.marked)
                    fill_joint(states, event(point.exit_rate), room, gain, square, joint)
                else:
                    for s in range(law.size):
                        gain[s] = worth[k, s]
                        square[s] = worth[k, s] * worth[k, s]
            for s in range(law.size):
                squares[k] += TWO * total[s] * gain[s] + law[s] * square[s]
                weighed[s] = total[s] + (NONE if counts[k] else law[s] * worth[k, s])
            advance(weighed, room.matrix, totals)
            copy(totals, total)
            if counts[k]:
                advance(law, joint, after)
                for s in range(law.size):
                    total[s] += after[s]
            advance(law, room.matrix, after)
            copy(after, law)
        means[k] = NONE
        for s in range(law.size):
            means[k] += total[s]
