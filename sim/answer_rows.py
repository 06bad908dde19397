"""The response of a partner in the base model (model section 4), as formulas for row loops, and the loops that use them.

Tables are tuples of scalars, read from arrays before a loop begins, so that they stay in registers: 13 bit planes (see
`sim.theory_tables.bit_planes`), 8 keep thresholds by class of pace, 16 weights (driver by proposition group), 4 thresholds.
Where nothing that empowers differs between alliances or moves, the probability of empowerment has at most eight values
(proposition group x handicap), worked out once a period (`chances`) by the same formulas.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import equations as eq
from sim.jit import formula, row_loop, step
from sim.rng import one_of, uniform
from sim.rows import BIT_MASK, CELLS, FIVE, FOUR, LANES, NOT_REACHED, ONE, TWO, ZERO, code_of, has, one_of_four

#: What a partner did: took the empowered branch, the barrier's, kept after reconsidering (the order of
#: `sim.variables.BRANCHES`), or did not come to reconsider.
EMPOWERED, BARRIER, KEPT, SKIPPED = (np.uint32(k) for k in range(4))
SEVEN = np.uint32(7)
THREE = np.uint32(3)


@formula
def tables_of(planes: Any) -> Any:
    """The bit planes as scalars."""
    return (
        planes[0], planes[1], planes[2], planes[3], planes[4], planes[5], planes[6], planes[7], planes[8], planes[9],
        planes[10], planes[11], planes[12],
    )  # fmt: skip


@formula
def eight_of(row: Any) -> Any:
    """Eight entries as scalars."""
    return row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7]


@formula
def four_of(row: Any) -> Any:
    """Four entries as scalars."""
    return row[0], row[1], row[2], row[3]


@formula
def by_group(low: Any, high: Any, four: Any) -> Any:
    """The entry of a proposition group."""
    return one_of_four(low, high, four[0], four[1], four[2], four[3])


@formula
def probability_of(
    tables: Any, stakes_w: Any, trust_w: Any, orientation_w: Any, prior_w: Any, thresholds: Any, hot: Any, stakes: Any,
    trust: Any, prior: Any, aware: Any, handicap: Any, orientation: Any, calculative_share: Any, awareness_bonus: Any,
    sensitivity: Any,
) -> Any:  # fmt: skip
    """E_ij of the cell `hot` = 1 << cell; 0 where the theory knows no empowerment."""
    g0, g1 = has(tables[7], hot), has(tables[8], hot)
    drive = eq.drive(
        stakes,
        eq.effective_trust(trust, stakes, orientation, calculative_share),
        orientation,
        prior,
        by_group(g0, g1, stakes_w),
        by_group(g0, g1, trust_w),
        by_group(g0, g1, orientation_w),
        by_group(g0, g1, prior_w),
    )
    score = eq.empowerment_score(
        drive,
        aware,
        awareness_bonus,
        by_group(g0, g1, thresholds),
        handicap if has(tables[9], hot) else eq.ZERO,
        eq.ZERO,
        eq.ZERO,
        sensitivity,
    )
    probability = eq.logistic(score)
    return probability if has(tables[6], hot) else eq.ZERO


@formula
def chance_of(tables: Any, chances: Any, hot: Any) -> Any:
    """E_ij from `chances`, eight scalars."""
    g0, g1 = has(tables[7], hot), has(tables[8], hot)
    plain = one_of_four(g0, g1, chances[0], chances[1], chances[2], chances[3])
    hard = one_of_four(g0, g1, chances[4], chances[5], chances[6], chances[7])
    probability = hard if has(tables[9], hot) else plain
    return probability if has(tables[6], hot) else eq.ZERO


@formula
def settle(
    tables: Any, keeps: Any, own: Any, hot: Any, probability: Any, word_1: Any, word_2: Any, tremble: Any, strength: Any
) -> Any:
    """Next strategy, and how it came about, from two random words and E_ij."""
    p0, p1 = has(tables[10], hot), has(tables[11], hot)
    slow = one_of_four(p0, p1, keeps[0], keeps[1], keeps[2], keeps[3])
    keep = one_of_four(p0, p1, keeps[4], keeps[5], keeps[6], keeps[7]) if has(tables[12], hot) else slow
    barrier, empowered = code_of(tables[0], tables[1], tables[2], hot), code_of(tables[3], tables[4], tables[5], hot)
    u1, u2 = uniform(word_1), uniform(word_2)
    takes_barrier = u2 < eq.barrier_threshold(probability, strength)
    takes_empowered = u2 < probability
    target = empowered if takes_empowered else (barrier if takes_barrier else own)
    branch = EMPOWERED if takes_empowered else (BARRIER if takes_barrier else KEPT)
    trembles, keeps_old = u1 < tremble, u1 < keep
    response = one_of(word_2, FIVE) if trembles else (own if keeps_old else target)
    return np.uint32(response), np.uint32(SKIPPED if trembles | keeps_old else branch)


@formula
def cell_bit(cell: Any) -> Any:
    """1 << cell."""
    return np.uint32(ONE << np.uint32(cell & BIT_MASK))


@step
def chances(
    weights: Any, thresholds: Any, stakes: Any, trust: Any, prior: Any, handicap: Any, orientation: Any,
    calculative_share: Any, awareness_bonus: Any, sensitivity: Any, out: Any,
) -> None:  # fmt: skip
    """E_ij by proposition group, without and with the handicap, where all alliances share one context; out: float32[8]."""
    trust = eq.effective_trust(trust, stakes, orientation, calculative_share)
    for k in range(8):
        g = k % 4
        drive = eq.drive(
            stakes, trust, orientation, prior, weights[g, 0], weights[g, 1], weights[g, 2], weights[g, 3]
        )  # fmt: skip
        hard = handicap if k >= 4 else eq.ZERO
        score = eq.empowerment_score(
            drive, eq.ZERO, awareness_bonus, thresholds[g], hard, eq.ZERO, eq.ZERO, sensitivity
        )  # fmt: skip
        out[k] = eq.logistic(score)


@row_loop
def respond(
    own: Any, seen: Any, active: Any, aware: Any, trust: Any, stakes: Any, prior: Any, word_1: Any, word_2: Any,
    planes: Any, keep_row: Any, weights: Any, threshold_row: Any, handicap: Any, orientation: Any, calculative_share: Any,
    awareness_bonus: Any, sensitivity: Any, tremble: Any, strength: Any, chosen: Any, code: Any,
) -> None:  # fmt: skip
    """A partner's response to the counterpart as seen; `code`: cell + 25 branch, or `NOT_REACHED`."""
    tables, keeps, thresholds = tables_of(planes), eight_of(keep_row), four_of(threshold_row)
    ws, wt, wo, wp = four_of(weights[:, 0]), four_of(weights[:, 1]), four_of(weights[:, 2]), four_of(weights[:, 3])
    for lane in range(LANES):
        s = own[lane]
        cell = np.uint32(s * FIVE + seen[lane])
        hot = cell_bit(cell)
        probability = probability_of(
            tables, ws, wt, wo, wp, thresholds, hot, stakes[lane], trust[lane], prior[lane], aware[lane], handicap,
            orientation, calculative_share, awareness_bonus, sensitivity,
        )  # fmt: skip
        response, how = settle(tables, keeps, s, hot, probability, word_1[lane], word_2[lane], tremble, strength)
        is_active = active[lane] == ONE
        chosen[lane] = response if is_active else s
        reached = is_active & (how != SKIPPED)
        code[lane] = np.uint32(cell + how * CELLS) if reached else NOT_REACHED


@row_loop
def respond_alike(
    own: Any, seen: Any, active: Any, word_1: Any, word_2: Any, planes: Any, keep_row: Any, chance_row: Any, tremble: Any,
    strength: Any, chosen: Any, code: Any,
) -> None:  # fmt: skip
    """`respond` where all alliances share one context that does not move."""
    tables, keeps, chances_ = tables_of(planes), eight_of(keep_row), eight_of(chance_row)
    for lane in range(LANES):
        s = own[lane]
        cell = np.uint32(s * FIVE + seen[lane])
        hot = cell_bit(cell)
        probability = chance_of(tables, chances_, hot)
        response, how = settle(tables, keeps, s, hot, probability, word_1[lane], word_2[lane], tremble, strength)
        is_active = active[lane] == ONE
        chosen[lane] = response if is_active else s
        reached = is_active & (how != SKIPPED)
        code[lane] = np.uint32(cell + how * CELLS) if reached else NOT_REACHED


@row_loop
def pack_strategy(strategy: Any, shift: Any, packed: Any) -> None:
    """Put a partner's strategy into four bits of a word that holds eight partners'."""
    for lane in range(LANES):
        packed[lane] |= np.uint32(strategy[lane] << np.uint32(shift & BIT_MASK))


@row_loop
def meet_packed(word: Any, i: Any, n: Any, packed_0: Any, packed_1: Any, packed_2: Any, packed_3: Any, met: Any) -> None:
    """Strategy of the counterpart drawn for partner i where all n partners are active."""
    for lane in range(LANES):
        place = np.uint32(i + ONE + one_of(word[lane], np.uint32(n - ONE)))
        j = np.uint32(place - n) if place >= n else place
        a, b, c, d = packed_0[lane], packed_1[lane], packed_2[lane], packed_3[lane]
        eighth = np.uint32(j >> THREE)
        words = one_of_four(np.uint32(eighth & ONE) != ZERO, eighth >= TWO, a, b, c, d)
        met[lane] = np.uint32(np.uint32(words >> np.uint32(np.uint32(j & SEVEN) * FOUR)) & SEVEN)
