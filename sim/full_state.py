"""State of the form with every mechanism, and its formation: `Pairs`, `Theories`, `Starts`, `Trace` and how they begin.

Everything of an ordered pair (i, j) is held at row ``i n + j`` for i < j, once "up" (i towards j) and once "down" (j
towards i); `facing` picks one. Strategies are held by *units*: partner i at row i, or, where behaviour is
partner-specific, the ordered pair at row ``i n + j``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sim import equations as eq
from sim import rng, rows, start_rows
from sim.jit import step, written_in

#: Factors with a start value, in the order of `Starts`.
STARTS = ("stakes", "trust", "orientation", "prior", "absorptive", "communicative")
PURPOSES = np.array([rng.STAKES, rng.TRUST, rng.ORIENTATION, rng.PRIOR, rng.ABSORPTIVE, rng.COMMUNICATIVE], np.uint32)
STAKES, TRUST, ORIENTATION, PRIOR, ABSORPTIVE, COMMUNICATIVE = range(len(STARTS))
DISTRIBUTIONS = ("constant", "beta", "uniform", "empirical")
CONSTANT, BETA, UNIFORM, EMPIRICAL = range(len(DISTRIBUTIONS))
LEVELS = ("alliance", "partner", "pair")
ALLIANCE, PARTNER, PAIR = range(len(LEVELS))
COUPLINGS = ("sampled", "weakest", "majority", "partner_specific")
SAMPLED, WEAKEST, MAJORITY, SPECIFIC = range(len(COUPLINGS))
SPAN = int(rng.SPAN)


class Starts(NamedTuple):
    """Start values: one row for each of `STARTS`.

    kind, level : int64[6].  bounds : float32[6, 2], low and high; a constant's value twice.
    spans : int64[6, 2], first and one past the last entry of `table`: quantiles at k/1024, or sorted values.
    """

    kind: Any
    level: Any
    bounds: Any
    spans: Any
    table: Any


class Theories(NamedTuple):
    """The mix of theories of a point, one after the other.

    cumulated : float64[theories - 1], shares.  initial : uint32[theories], first strategy, or 5: the population's mix.
    cells : uint32[theories, 25], reals : float32[theories, 7, 25], see `sim.answer_rows.fill_answers`.
    """

    cumulated: Any
    initial: Any
    cells: Any
    reals: Any


class Phases(NamedTuple):
    """The four phases. values : float32[8, 4]: openness, mutuality, five dimensions, readiness; weights : float32[3]."""

    values: Any
    weights: Any


class Trace(NamedTuple):
    """What `sim.histories` reads: nothing where its arrays have no lanes.

    first : the period of row 0; rows are as many as `active` has.
    units : uint8[rows, 5, units, lanes]: strategy, code of the response, counterpart (255: several), as seen, and what
        the response chose, before exits and dissolution.
    active : uint8[rows, n, lanes].  formed : uint8[2, n, lanes]: theory, awareness.
    pairs : float32[rows, 8, n n, lanes], row i n + j for i facing j: transfer, creation appropriated, disclosure,
        trust, stakes, prior, remaining, power.  alliance : float32[rows, 2, lanes]: orientation, phase.
    ended : uint32[3, lanes]: 0 where dissolved; the period at whose end, or the last simulated; the cause.
    """

    first: Any
    units: Any
    active: Any
    formed: Any
    pairs: Any
    alliance: Any
    ended: Any


@written_in
def facing(up: Any, down: Any, i: Any, j: Any, n: Any) -> Any:
    """Row of i facing j."""
    return up[i * n + j] if i < j else down[j * n + i]


@step
def unit_of(i: Any, j: Any, n: Any, specific: Any) -> Any:
    """Row of the strategy that i holds towards j."""
    return i * n + j if specific else i


@step
def draw_start(
    product: Any, high: Any, point: Any, starts: Any, factor: Any, k: Any, last: Any, w0: Any, w1: Any, w2: Any, w3: Any,
    out: Any,
) -> Any:  # fmt: skip
    """Draw number k of a factor's start values into a row; returns its call, whose words serve the next draws, too."""
    kind, first, past = starts.kind[factor], starts.spans[factor, 0], starts.spans[factor, 1]
    if kind == CONSTANT:
        rows.fill(out, starts.bounds[factor, 0])
        return last
    if k // 4 != last:
        slot = rng.slot_of(PURPOSES[factor], k // 4)
        rows.words(product, high, rows.ZERO, slot, point.key_0, point.key_1, w0, w1, w2, w3)
    word = w0 if k % 4 == 0 else w1 if k % 4 == 1 else w2 if k % 4 == 2 else w3
    if kind == UNIFORM:
        start_rows.start_uniform(word, starts.bounds[factor, 0], starts.bounds[factor, 1], out)
    elif kind == BETA:
        start_rows.start_quantile(word, starts.table[first:past], out)
    else:
        start_rows.start_empirical(word, starts.table[first:past], out)
    return k // 4


@step
def form_factor(
    product: Any, high: Any, point: Any, starts: Any, factor: Any, own: Any, w0: Any, w1: Any, w2: Any, w3: Any, up: Any,
    down: Any, both: Any,
) -> None:  # fmt: skip
    """Start values of a factor of pairs; `both`: one of each pair alone, in `up`; `own`: a row for each partner."""
    n, level, last = point.partners, starts.level[factor], -1
    if level == PAIR:
        for i in range(n):
            for j in range(i + 1 if both else 0, n):
                if j != i:
                    out = facing(up, down, i, j, n)
                    last = draw_start(product, high, point, starts, factor, SPAN * i + j, last, w0, w1, w2, w3, out)
        return
    for i in range(n):
        if i == 0 or level == PARTNER:
            last = draw_start(product, high, point, starts, factor, i, last, w0, w1, w2, w3, own[i])
        else:
            start_rows.copy(own[0], own[i])
    for i in range(n):
        for j in range(i + 1, n):
            if both and level == PARTNER:
                start_rows.start_both(own[i], own[j], up[i * n + j])
            else:
                start_rows.copy(own[i], up[i * n + j])
                if not both:
                    start_rows.copy(own[j], down[i * n + j])


@step
def form_pairs(
    product: Any,
    high: Any,
    point: Any,
    starts: Any,
    orientation: Any,
    own: Any,
    w0: Any,
    w1: Any,
    w2: Any,
    w3: Any,
    pairs: Any,
) -> None:
    """Everything of pairs, and long-term orientation, at formation."""
    n = point.partners
    draw_start(product, high, point, starts, ORIENTATION, 0, -1, w0, w1, w2, w3, orientation)
    form_factor(product, high, point, starts, STAKES, own, w0, w1, w2, w3, pairs.stakes_up, pairs.stakes_down, False)
    form_factor(product, high, point, starts, TRUST, own, w0, w1, w2, w3, pairs.trust_up, pairs.trust_down, False)
    form_factor(product, high, point, starts, PRIOR, own, w0, w1, w2, w3, pairs.prior, pairs.prior, True)
    form_factor(
        product, high, point, starts, ABSORPTIVE, own, w0, w1, w2, w3, pairs.absorptive_up, pairs.absorptive_down, False
    )
    form_factor(
        product,
        high,
        point,
        starts,
        COMMUNICATIVE,
        own,
        w0,
        w1,
        w2,
        w3,
        pairs.communicative_up,
        pairs.communicative_down,
        False,
    )
    for i in range(n):
        for j in range(i + 1, n):
            p = i * n + j
            for row in (pairs.absorptive_up[p], pairs.absorptive_down[p]):
                start_rows.start_absorptive(point.connections, point.relatedness, point.alignment, row)
            start_rows.copy(pairs.stakes_up[p], pairs.start_up[p])
            start_rows.copy(pairs.stakes_down[p], pairs.start_down[p])
            for row in (pairs.remaining_up[p], pairs.remaining_down[p]):
                rows.fill(row, eq.ONE)
            for row in (pairs.learned_up[p], pairs.learned_down[p], pairs.power_up[p], pairs.power_down[p],
                        pairs.offered_up[p], pairs.offered_down[p], pairs.offer_up[p], pairs.offer_down[p],
                        pairs.transfer_up[p], pairs.transfer_down[p], pairs.created[p]):  # fmt: skip
                rows.fill(row, eq.ZERO)


@step
def trace_row(row: Any, lanes: Any, out: Any) -> None:
    """Note a row of the first lanes."""
    for lane in range(lanes):
        out[lane] = row[lane]


@step
def trace_pairs(pairs: Any, n: Any, lanes: Any, out: Any) -> None:
    """Note what belongs to ordered pairs; order of `Trace.pairs`."""
    for i in range(n):
        for j in range(n):
            if j != i:
                k, p = i * n + j, (i * n + j if i < j else j * n + i)
                transfer = facing(pairs.transfer_up, pairs.transfer_down, i, j, n)
                for lane in range(lanes):
                    out[0, k, lane] = transfer[lane]
                    out[1, k, lane] = eq.appropriated(pairs.created[p, lane], transfer[lane])
                trace_row(facing(pairs.offer_up, pairs.offer_down, i, j, n), lanes, out[2, k])
                trace_row(facing(pairs.trust_up, pairs.trust_down, i, j, n), lanes, out[3, k])
                trace_row(facing(pairs.stakes_up, pairs.stakes_down, i, j, n), lanes, out[4, k])
                trace_row(pairs.prior[p], lanes, out[5, k])
                trace_row(facing(pairs.remaining_up, pairs.remaining_down, i, j, n), lanes, out[6, k])
                trace_row(facing(pairs.power_up, pairs.power_down, i, j, n), lanes, out[7, k])
