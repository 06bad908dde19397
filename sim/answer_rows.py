"""The response of a partner in the base model (model section 4), as formulas for row loops, and the loops that use them.

What a theory says of a cell is looked up in tables of 32 entries (`sim.lookup`), one row of bits for each: the chance to
keep the old strategy, the targets, then either what the chance of empowerment is worked out from, lane by lane, or, where
nothing that empowers differs between alliances or moves, that chance itself, worked out once a period by the same formulas.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import equations as eq
from sim.jit import formula, row_loop, step
from sim.rng import one_of, uniform
from sim.rows import BIT_MASK, FIVE, LANES, ONE, TWO, ZERO, one_of_four

#: Rows of tables, as looked up: for both kinds; then for alliances all in one context, which need no more than
#: `ALIKE_ROWS`, or for those with a context of their own.
KEEP, TARGETS = 0, 1
CHANCE, ALIKE_ROWS = 2, 3
STAKES, TRUST, ORIENTATION, PRIOR, TOTAL, THRESHOLD, HANDICAP, ROWS = range(2, 10)
#: Rows of a theory's real numbers by cell, as `sim.arguments` lays them out.
OF_STAKES, OF_TRUST, OF_ORIENTATION, OF_PRIOR, OF_THRESHOLD, OF_HANDICAP, OF_KEEP = range(7)

#: What a partner did: took the empowered branch, the barrier's, kept after reconsidering (the order of
#: `sim.variables.BRANCHES`), or did not come to reconsider.
EMPOWERED, BARRIER, KEPT, SKIPPED = (np.uint32(k) for k in range(4))
#: A response is coded as cell + 32 x what the partner did.
HOW_BITS = np.uint32(5)
RESPONSE_CODES = 128
THREE, SIX, SEVEN = np.uint32(3), np.uint32(6), np.uint32(7)
FOUR = np.uint32(4)
CELLS = 25


@formula
def probability_of(
    stakes: Any, trust: Any, orientation: Any, prior: Any, aware: Any, w_stakes: Any, w_trust: Any, w_orientation: Any,
    w_prior: Any, total: Any, threshold: Any, handicap: Any, calculative_share: Any, awareness_bonus: Any, sensitivity: Any,
) -> Any:  # fmt: skip
    """E_ij of a cell in which empowerment is possible."""
    trust = eq.effective_trust(trust, stakes, orientation, calculative_share)
    drive = eq.drive(stakes, trust, orientation, prior, w_stakes, w_trust, w_orientation, w_prior, total)
    score = eq.empowerment_score(drive, aware, awareness_bonus, threshold, handicap, eq.ZERO, eq.ZERO, sensitivity)
    return eq.logistic(score)


@formula
def settle_one(
    targets: Any, keep: Any, own: Any, probability: Any, word_1: Any, word_2: Any, tremble: Any, strength: Any
) -> Any:
    """Next strategy, and how it came about, from two random words and E_ij.

    `targets`: three bits of the barrier's target, three of the empowered one, one where empowerment is possible.
    """
    possible = probability if np.uint32(targets >> SIX) != ZERO else eq.ZERO
    barrier, empowered = np.uint32(targets & SEVEN), np.uint32(np.uint32(targets >> THREE) & SEVEN)
    u1, u2 = uniform(word_1), uniform(word_2)
    takes_barrier = u2 < eq.barrier_threshold(possible, strength)
    takes_empowered = u2 < possible
    target = empowered if takes_empowered else (barrier if takes_barrier else own)
    branch = EMPOWERED if takes_empowered else (BARRIER if takes_barrier else KEPT)
    trembles, keeps_old = u1 < tremble, u1 < keep
    response = one_of(word_2, FIVE) if trembles else (own if keeps_old else target)
    return np.uint32(response), np.uint32(SKIPPED if trembles | keeps_old else branch)


@step
def fill_answers(cells: Any, reals: Any, bits: Any, tables: Any) -> None:
    """Tables of a theory.

    Parameters
    ----------
    cells : uint32[25], targets.  reals : float32[7, 25], see `OF_STAKES` and so on.
    bits, tables : uint32 and float32[ROWS, SLOTS], the same memory; filled.
    """
    for cell in range(CELLS):
        bits[TARGETS, cell] = cells[cell]
        tables[KEEP, cell] = reals[OF_KEEP, cell]
        w_stakes, w_trust = reals[OF_STAKES, cell], reals[OF_TRUST, cell]
        w_orientation, w_prior = reals[OF_ORIENTATION, cell], reals[OF_PRIOR, cell]
        tables[STAKES, cell] = w_stakes
        tables[TRUST, cell] = w_trust
        tables[ORIENTATION, cell] = w_orientation
        tables[PRIOR, cell] = w_prior
        tables[TOTAL, cell] = eq.total_weight(w_stakes, w_trust, w_orientation, w_prior)
        tables[THRESHOLD, cell] = reals[OF_THRESHOLD, cell]
        tables[HANDICAP, cell] = reals[OF_HANDICAP, cell]


@step
def rows_needed(cells: Any) -> Any:
    """How many of a theory's tables tell it from others: one that knows no empowerment needs but its first two."""
    needed = np.int64(CHANCE)
    for cell in range(CELLS):
        if np.uint32(cells[cell] >> SIX) != ZERO:
            needed = np.int64(ROWS)
    return needed


@step
def fill_chances(
    reals: Any, stakes: Any, trust: Any, orientation: Any, prior: Any, calculative_share: Any, awareness_bonus: Any,
    sensitivity: Any, tables: Any,
) -> None:  # fmt: skip
    """E_ij by cell, where all alliances share one context; into the row `CHANCE`."""
    for cell in range(CELLS):
        w_stakes, w_trust = reals[OF_STAKES, cell], reals[OF_TRUST, cell]
        w_orientation, w_prior = reals[OF_ORIENTATION, cell], reals[OF_PRIOR, cell]
        total = eq.total_weight(w_stakes, w_trust, w_orientation, w_prior)
        tables[CHANCE, cell] = probability_of(
            stakes, trust, orientation, prior, eq.ZERO, w_stakes, w_trust, w_orientation, w_prior, total,
            reals[OF_THRESHOLD, cell], reals[OF_HANDICAP, cell], calculative_share, awareness_bonus, sensitivity,
        )  # fmt: skip


@step
def close_codes(counts: Any, out: Any) -> None:
    """Add responses by code to their columns, branch by branch; what was not reconsidered has none."""
    for part in range(counts.shape[0]):
        for how in range(3):
            for cell in range(CELLS):
                out[CELLS * how + cell] += counts[part, (how << 5) | cell]


@row_loop
def empower(
    found: Any, stakes: Any, trust: Any, prior: Any, aware: Any, orientation: Any, calculative_share: Any,
    awareness_bonus: Any, sensitivity: Any, probability: Any,
) -> None:  # fmt: skip
    """E_ij of each alliance, with a context of its own; `found`: tables as looked up."""
    for lane in range(LANES):
        probability[lane] = probability_of(
            stakes[lane], trust[lane], orientation, prior[lane], aware[lane], found[STAKES, lane], found[TRUST, lane],
            found[ORIENTATION, lane], found[PRIOR, lane], found[TOTAL, lane], found[THRESHOLD, lane],
            found[HANDICAP, lane], calculative_share, awareness_bonus, sensitivity,
        )  # fmt: skip


@row_loop
def empower_plainly(
    found: Any, stakes: Any, trust: Any, prior: Any, orientation: Any, sensitivity: Any, probability: Any
) -> None:
    """`empower` where trust is not calculative and nobody is aware: terms that are 0 are left out, to the same bits."""
    for lane in range(LANES):
        drive = eq.drive(
            stakes[lane], trust[lane], orientation, prior[lane], found[STAKES, lane], found[TRUST, lane],
            found[ORIENTATION, lane], found[PRIOR, lane], found[TOTAL, lane],
        )  # fmt: skip
        score = eq.empowerment_score(
            drive, eq.ZERO, eq.ZERO, found[THRESHOLD, lane], found[HANDICAP, lane], eq.ZERO, eq.ZERO, sensitivity
        )
        probability[lane] = eq.logistic(score)


@row_loop
def settle(
    own: Any, cell: Any, active: Any, word_1: Any, word_2: Any, bits: Any, found: Any, probability: Any, tremble: Any,
    strength: Any, chosen: Any, code: Any,
) -> None:  # fmt: skip
    """A partner's response to what it sees; `bits`, `found`: tables as looked up; `code`: cell + 32 x what it did."""
    for lane in range(LANES):
        s = own[lane]
        response, how = settle_one(
            bits[TARGETS, lane], found[KEEP, lane], s, probability[lane], word_1[lane], word_2[lane], tremble, strength
        )
        is_active = active[lane] == ONE
        chosen[lane] = response if is_active else s
        did = how if is_active else SKIPPED
        code[lane] = np.uint32(cell[lane] | np.uint32(did << HOW_BITS))


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
