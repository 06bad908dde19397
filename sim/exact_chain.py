"""The exact chain, compiled: from state to state, and how often each is visited.

A row of the transition matrix is put together by adding partner after partner to a growing group: partners move
independently, given the state. What they do is `sim.exact_law`, which states there are `sim.exact_space`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sim import equations as eq
from sim.exact_law import (
    CELLS,
    CERTAIN,
    CODES,
    NONE,
    SKIPPED,
    WAYS,
    event,
    fill_answers,
    fill_laws,
    fill_tables,
    fill_weakest,
)
from sim.jit import kernel, step


class Room(NamedTuple):
    """What a call works on. Groups: laws of growing groups of partners; the rest by state, kind, type as named."""

    matrix: Any
    group: Any
    grown: Any
    counted: Any
    more: Any
    law: Any
    after: Any
    ran: Any
    laws: Any
    answers: Any
    marked: Any
    every: Any
    types: Any
    chances: Any
    marked_chances: Any
    offers: Any
    met: Any
    met_by: Any


def new_room(states: Any, theories: int) -> Room:
    """Room for a call, with `every` 1: all ways to a next strategy count."""
    number, kinds, widest, types = states.alive.size, states.slot.size, states.first[-1], states.grow.shape[1]
    groups, rows = np.zeros((4, widest)), np.zeros((3, number))
    return Room(
        matrix=np.zeros((number, number)),
        group=groups[0],
        grown=groups[1],
        counted=groups[2],
        more=groups[3],
        law=rows[0],
        after=rows[1],
        ran=rows[2],
        laws=np.zeros((kinds, CELLS, WAYS, CODES)),
        answers=np.zeros((kinds, CODES, CODES, CODES)),
        marked=np.zeros((kinds, CODES, CODES, CODES)),
        every=np.ones((theories, WAYS, CELLS)),
        types=np.zeros(types, np.int64),
        chances=np.zeros(types),
        marked_chances=np.zeros(types),
        offers=np.zeros(CODES, np.float32),
        met=states.met.copy(),
        met_by=np.zeros((kinds, CELLS)),
    )


@step
def clear(row: Any) -> None:
    """Set to 0."""
    for m in range(row.size):
        row[m] = NONE


@step
def copy(row: Any, out: Any) -> None:
    """Copy a row."""
    for m in range(row.size):
        out[m] = row[m]


@step
def add_partner(states: Any, i: Any, types: Any, chances: Any, group: Any, grown: Any) -> None:
    """Add partner i, of each of some types with its chance, to groups of i partners; `grown` is added to."""
    begin, end = states.first[i], states.first[i + 1]
    for m in range(end - begin):
        weight = group[m]
        if weight > NONE:
            for c in range(types.size):
                grown[states.grow[begin + m, types[c]]] += weight * chances[c]


@step
def grow_group(states: Any, i: Any, types: Any, chances: Any, a: Any, b: Any, row: Any) -> None:
    """Add partner i to the law of a group in `a`; what comes of it is in `a` again, or, for the last, in `row`.

    a, b : float64[`sim.exact_space.States.first`[-1]].
    """
    if i + 2 == states.first.size:
        clear(row)
        add_partner(states, i, types, chances, a, row)
    else:
        size = states.first[i + 2] - states.first[i + 1]
        clear(b[:size])
        add_partner(states, i, types, chances, a, b)
        copy(b[:size], a)


@step
def next_types(states: Any, met: Any, answers: Any, exits: Any, s: Any, i: Any, types: Any, chances: Any) -> Any:
    """Types that partner i may have after a period from state s, and their chances; how many these are."""
    own_type = states.partners[s, i]
    if own_type >= CODES * states.slot.size:
        types[0] = own_type
        chances[0] = CERTAIN
        return 1
    kind, own = own_type // CODES, own_type % CODES
    for x in range(CODES):
        types[x] = CODES * kind + x
        chance = NONE
        for other in range(CODES):
            chance += met[s, i, other] * answers[kind, own, other, x]
        chances[x] = chance
    if exits == NONE:
        return CODES
    types[CODES] = states.left[kind]
    chances[CODES] = chances[0] * exits
    chances[0] *= CERTAIN - exits
    return CODES + 1


@step
def fill_matrix(states: Any, exits: Any, room: Any) -> None:
    """Transition probabilities P(s, s') from `room.answers`; the dissolved stay as they are."""
    types, chances = room.types, room.chances
    for s in range(room.matrix.shape[0]):
        if states.alive[s]:
            room.group[0] = CERTAIN
            for i in range(room.met.shape[1]):
                n = next_types(states, room.met, room.answers, exits, s, i, types, chances)
                grow_group(states, i, types[:n], chances[:n], room.group, room.grown, room.matrix[s])
        else:
            clear(room.matrix[s])
            room.matrix[s, s] = CERTAIN


@step
def fill_start(states: Any, drawn: Any, room: Any) -> None:
    """Law of the state at formation; drawn : float64[N, types], chance of each partner's type."""
    room.group[0] = CERTAIN
    for i in range(drawn.shape[0]):
        for c in range(drawn.shape[1]):
            room.types[c] = c
        grow_group(states, i, room.types[: drawn.shape[1]], drawn[i], room.group, room.grown, room.law)


@step
def advance(law: Any, matrix: Any, after: Any) -> None:
    """law @ matrix."""
    clear(after)
    for s in range(law.size):
        weight = law[s]
        if weight > NONE:
            for x in range(after.size):
                after[x] += weight * matrix[s, x]


@step
def count_responses(states: Any, room: Any, misperception: Any, visits: Any, responses: Any) -> None:
    """Add the visits of `room.ran`, and the responses expected in them; `room.ran` is 0 again.

    Parameters
    ----------
    visits : float64[states].  responses : float64[theories, 3, 25].
    """
    missed, gone, laws, met_by = event(misperception), CODES * states.slot.size, room.laws, room.met_by
    for k in range(met_by.shape[0]):
        clear(met_by[k])
    for s in range(visits.size):
        often = room.ran[s]
        visits[s] += often
        room.ran[s] = NONE
        if states.alive[s] and often > NONE:
            for i in range(states.partners.shape[1]):
                own = states.partners[s, i]
                if own < gone:
                    for other in range(CODES):
                        met_by[own // CODES, CODES * (own % CODES) + other] += often * room.met[s, i, other]
    for k in range(met_by.shape[0]):
        for cell in range(CELLS):
            hidden = CODES * (cell // CODES) + np.int64(eq.seen_openness(np.uint32(cell % CODES)))
            for way in range(SKIPPED):
                for s in range(CODES):
                    responses[states.slot[k], way, cell] += met_by[k, cell] * (CERTAIN - missed) * laws[k, cell, way, s]
                    responses[states.slot[k], way, hidden] += met_by[k, cell] * missed * laws[k, hidden, way, s]


@step
def prepare(
    point: Any, states: Any, drawn: Any, absorptive: Any, communicative: Any, weakest: Any, tables: Any, room: Any
) -> None:  # fmt: skip
    """What a partner gets from another, whom partners meet, and the law of the state at formation."""
    fill_tables(point, absorptive, communicative, room.offers, tables)
    if weakest:
        fill_weakest(states, room.offers, tables, room.met)
    fill_start(states, drawn, room)


@step
def fill_period(point: Any, states: Any, cells: Any, reals: Any, omega: Any, room: Any) -> None:
    """How partners answer in a period of some orientation, and the transition matrix."""
    fill_laws(point, cells, reals, states.slot, states.aware, omega, room.laws)
    fill_answers(room.laws, states.slot, point.misperception, room.every, room.answers)
    fill_matrix(states, event(point.exit_rate), room)


@kernel
def follow(
    states: Any, points: Any, cells: Any, reals: Any, drawn: Any, absorptive: Any, communicative: Any, weakest: Any,
    recorded: Any, passed: Any, room: Any, starts: Any, ends: Any, omegas: Any, tables: Any, visits: Any, responses: Any,
) -> None:  # fmt: skip
    """Follow the law of the state through the periods, for points that share their states.

    Parameters
    ----------
    states : `sim.exact_space.States`.  points : records[points].  cells, reals : of each point, see `fill_laws`.
    drawn : float64[points, N, types], see `fill_start`.  absorptive, communicative : float32[points].
    weakest : whether partners meet the one that gains most over them.  recorded : int64[periods + 1], row or -1.
    passed : periods of a call before, in the same room, that this one goes on from; then there is one point. 0: none.
    room : `new_room`; its matrix is that of the last period of the last point.
    starts, ends : float64[points, rows, states], filled: law at the start and the end of a period.
    omegas : float32[points, rows], filled.  tables : float32[points, 2, N + 1, 25], filled, see `fill_tables`.
    visits : float64[points, states], 0, added to: expected periods that begin in each state.
    responses : float64[points, theories, 3, 25], 0, added to: expected number by theory, branch and cell.
    """
    for p in range(points.size):
        point, law, after = points[p], room.law, room.after
        omega = eq.orientation_at(point.orientation, eq.ZERO, point.horizon, point.window)
        if passed == 0:
            prepare(point, states, drawn[p], absorptive[p], communicative[p], weakest, tables[p], room)
            copy(law, starts[p, 0])
            copy(law, ends[p, 0])
            omegas[p, 0] = omega
        clear(room.ran)
        for t in range(passed + 1, recorded.size):
            now = eq.orientation_at(point.orientation, np.float32(t), point.horizon, point.window)
            if t == passed + 1 or now != omega:
                if t > passed + 1:
                    count_responses(states, room, point.misperception, visits[p], responses[p])
                omega = now
                fill_period(point, states, cells[p], reals[p], omega, room)
            for s in range(law.size):
                room.ran[s] += law[s]
            advance(law, room.matrix, after)
            row = recorded[t]
            if row >= 0:
                copy(law, starts[p, row])
                copy(after, ends[p, row])
                omegas[p, row] = omega
            copy(after, law)
        count_responses(states, room, point.misperception, visits[p], responses[p])
