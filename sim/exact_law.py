"""How partners answer, as probabilities: the response of model section 4 and what a period brings, compiled.

Formulas and roundings are the simulator's (`sim.equations`, `sim.abilities`, `sim.answer_rows`): an event of float32
probability p happens with ceil(p 2^24) / 2^24, the share of draws below p. One of n has probability 1/n, from which the
simulator's differs by less than 2^-32; the mean of m equal values over a plurality is taken to be the value, which in
float32 it may miss by the last bit where m is 3 or more. Probabilities are float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import abilities as ab
from sim import equations as eq
from sim.answer_rows import (
    OF_HANDICAP,
    OF_KEEP,
    OF_ORIENTATION,
    OF_PRIOR,
    OF_STAKES,
    OF_THRESHOLD,
    OF_TRUST,
    probability_of,
)
from sim.jit import formula, kernel, step
from sim.strategies import ACCOMMODATION

CODES, CELLS = 5, 25
#: Ways to a next strategy: the branches of `sim.variables.BRANCHES`, then without having reconsidered.
EMPOWERED, BARRIER, KEPT, SKIPPED, WAYS = range(5)
SYMBOLIC = 6 * ACCOMMODATION
DRAWS = np.float64(2.0**24)
NONE, CERTAIN, HALF = np.float64(0.0), np.float64(1.0), np.float64(0.5)


@formula
def event(probability: Any) -> Any:
    """Chance that a draw, a multiple of 2^-24 in [0, 1), lies below a probability."""
    draws = np.ceil(np.float64(probability) * DRAWS)
    draws = draws if draws > NONE else NONE
    return (draws if draws < DRAWS else DRAWS) / DRAWS


@step
def fill_tables(point: Any, absorptive: Any, communicative: Any, offers: Any, tables: Any) -> None:
    """What a partner gets from another in a period, by how many are active (slack is shared among the others).

    Parameters
    ----------
    point : record of `sim.kernel_parts.POINT`.  absorptive, communicative : float32, of all partners alike.
    offers : float32[5], filled: disclosure by strategy.
    tables : float32[2, N + 1, 25], filled: transfer, creation by active partners (from 2 on) and cell 5 own + other.
    """
    start = ab.absorptive_start(absorptive, point.connections, point.relatedness, point.alignment)
    kappa = ab.with_memory(communicative, point.prior)
    gamma = ab.creation_capacity(
        point.creation,
        eq.ONE,
        point.novelty,
        eq.mean_of_two(point.trust, point.trust),
        point.trust_cost,
        point.trust_optimum,
    )
    for s in range(CODES):
        offers[s] = ab.disclosure(eq.transparency(np.uint32(s), point.moderate), kappa, eq.ONE)
    for active in range(2, tables.shape[1]):
        alpha = ab.absorptive_capacity(start, point.prior, point.closeness, ab.spare(point.slack, np.float32(active - 1)))
        for cell in range(CELLS):
            own, other = cell // CODES, cell % CODES
            up = eq.transfer(offers[other], eq.receptivity(np.uint32(own), point.moderate) * alpha)
            down = eq.transfer(offers[own], eq.receptivity(np.uint32(other), point.moderate) * alpha)
            tables[0, active, cell] = up
            tables[1, active, cell] = eq.appropriated(eq.creation(gamma, up, down), up)


@step
def fill_laws(point: Any, cells: Any, reals: Any, slot: Any, aware: Any, omega: Any, laws: Any) -> None:
    """How a partner answers what it sees (model section 4).

    Parameters
    ----------
    cells, reals : uint32[theories, 25] and float32[theories, 7, 25], see `sim.full_state.Theories`.
    slot, aware : by kind of partner, see `sim.exact_space.States`.  omega : float32, orientation in the period.
    laws : float64[kinds, 25, 4, 5], filled: probability by kind, cell (5 own + seen), way (`WAYS`) and next strategy.
    """
    trembles, turns = event(point.tremble), event(point.instrumentality)
    for k in range(slot.size):
        for cell in range(CELLS):
            own, target, real = cell // CODES, cells[slot[k], cell], reals[slot[k]]
            for way in range(WAYS):
                for s in range(CODES):
                    laws[k, cell, way, s] = NONE
            kept = event(real[OF_KEEP, cell])
            stays = kept if kept > trembles else trembles
            for s in range(CODES):
                laws[k, cell, SKIPPED, s] = trembles / CODES
            laws[k, cell, SKIPPED, own] += stays - trembles
            chance = eq.ZERO
            if target >> 6 != 0:
                w_stakes, w_trust = real[OF_STAKES, cell], real[OF_TRUST, cell]
                w_orientation, w_prior = real[OF_ORIENTATION, cell], real[OF_PRIOR, cell]
                chance = probability_of(
                    point.stakes, point.trust, omega, point.prior, np.float32(aware[k]), w_stakes, w_trust, w_orientation,
                    w_prior, eq.total_weight(w_stakes, w_trust, w_orientation, w_prior), real[OF_THRESHOLD, cell],
                    real[OF_HANDICAP, cell], point.calculative_share, point.awareness_bonus, point.sensitivity,
                )  # fmt: skip
            empowered = event(chance)
            yields = event(eq.barrier_threshold(chance, point.barrier_strength)) - empowered
            yields = yields if yields > NONE else NONE
            rest, reached = CERTAIN - empowered - yields, CERTAIN - stays
            if cell == SYMBOLIC:
                # Whoever is not empowered may turn instead; it counts as kept.
                turned = reached * (CERTAIN - empowered) * turns * HALF
                laws[k, cell, KEPT, np.int64(eq.CP)] += turned
                laws[k, cell, KEPT, np.int64(eq.AV)] += turned
                yields, rest = yields * (CERTAIN - turns), rest * (CERTAIN - turns)
            laws[k, cell, EMPOWERED, (target >> 3) & 7] += reached * empowered
            laws[k, cell, BARRIER, target & 7] += reached * yields
            laws[k, cell, KEPT, own] += reached * rest


@step
def fill_answers(laws: Any, slot: Any, misperception: Any, marks: Any, answers: Any) -> None:
    """Answers to what is there, which may be misperceived.

    Parameters
    ----------
    marks : float64[theories, 4, 25], weight of each way and cell: all 1, or those of the responses that count.
    answers : float64[kinds, 5, 5, 5], filled: by kind, own strategy, counterpart's and next.
    """
    missed = event(misperception)
    for k in range(answers.shape[0]):
        for cell in range(CELLS):
            own, other = cell // CODES, cell % CODES
            hidden = CODES * own + np.int64(eq.seen_openness(np.uint32(other)))
            for s in range(CODES):
                plain, mistaken = NONE, NONE
                for way in range(WAYS):
                    plain += marks[slot[k], way, cell] * laws[k, cell, way, s]
                    mistaken += marks[slot[k], way, hidden] * laws[k, hidden, way, s]
                answers[k, own, other, s] = (CERTAIN - missed) * plain + missed * mistaken


@step
def fill_weakest(states: Any, offers: Any, tables: Any, met: Any) -> None:
    """Whom partners meet where they look to the one that gains most over them: float64[states, N, 5], filled."""
    partners = states.partners.shape[1]
    gone = CODES * states.slot.size
    for s in range(met.shape[0]):
        transfer = tables[0, states.active[s]]
        for i in range(partners):
            for other in range(CODES):
                met[s, i, other] = NONE
            if states.alive[s] and states.partners[s, i] < gone:
                own, found, best = states.partners[s, i] % CODES, -1, eq.ZERO
                for d in range(1, partners):
                    j = (i + d) % partners
                    if states.partners[s, j] < gone:
                        other = states.partners[s, j] % CODES
                        lead = transfer[CODES * other + own] - transfer[CODES * own + other]
                        if found < 0 or lead > best or (lead == best and offers[other] < offers[found]):
                            found, best = other, lead
                met[s, i, found] = CERTAIN


@kernel
def fill_answers_of(
    point: Any, cells: Any, reals: Any, slot: Any, aware: Any, omega: Any, marks: Any, laws: Any, answers: Any
) -> None:  # fmt: skip
    """`fill_laws` and `fill_answers`, for callers in Python."""
    fill_laws(point, cells, reals, slot, aware, omega, laws)
    fill_answers(laws, slot, point.misperception, marks, answers)


@kernel
def fill_tables_of(point: Any, absorptive: Any, communicative: Any, offers: Any, tables: Any) -> None:
    """`fill_tables`, for callers in Python."""
    fill_tables(point, absorptive, communicative, offers, tables)
