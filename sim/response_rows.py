"""Row loops of the response with every mechanism on: mixed theories, satiation, instrumentality, temptation (section 4).

As in `sim.rows`: one step over `LANES` alliances, and the rows of one call never overlap.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import equations as eq
from sim.answer_rows import HANDICAP, KEEP, ORIENTATION, PRIOR, SEVEN, SIX, STAKES, TARGETS, THREE, THRESHOLD, TOTAL, TRUST
from sim.jit import row_loop
from sim.rng import one_of, uniform
from sim.rows import CELLS, CELLS_TWICE, FIVE, LANES, NOT_REACHED, ONE, ZERO
from sim.strategies import ACCOMMODATION

#: Codes of a response row beyond those of `sim.rows`, where `NOT_REACHED` is a strategy kept without reconsideration.
INSTRUMENTAL = np.uint32(76)
TREMBLED = np.uint32(77)
SATED = np.uint32(78)
INACTIVE = np.uint32(79)
CODES = 80
#: The cell of two accommodators.
SYMBOLIC = np.uint32(6 * ACCOMMODATION)


@row_loop
def sate(word: Any, satiation: Any, remaining: Any, sated: Any) -> None:
    """1 where a partner has had enough."""
    for lane in range(LANES):
        sated[lane] = ONE if uniform(word[lane]) < eq.satiety(satiation, remaining[lane]) else ZERO


@row_loop
def turn(word: Any, instrumentality: Any, turned: Any) -> None:
    """What an accommodator would turn to against another (competition, avoidance), or 5: it does not turn."""
    for lane in range(LANES):
        w = word[lane]
        how = eq.CP if np.uint32(w & ONE) == ONE else eq.AV
        turned[lane] = how if uniform(w) < instrumentality else FIVE


@row_loop
def empower(
    found: Any, stakes: Any, trust: Any, prior: Any, remaining: Any, power: Any, aware: Any, orientation: Any,
    calculative_share: Any, awareness_bonus: Any, temptation: Any, sensitivity: Any, probability: Any,
) -> None:  # fmt: skip
    """E_ij of each alliance; `found`: tables of `sim.answer_rows`, as looked up."""
    for lane in range(LANES):
        left, omega = eq.at_stake(remaining[lane], stakes[lane]), orientation[lane]
        tau = eq.effective_trust(trust[lane], left, omega, calculative_share)
        drive = eq.drive(
            left, tau, omega, prior[lane], found[STAKES, lane], found[TRUST, lane], found[ORIENTATION, lane],
            found[PRIOR, lane], found[TOTAL, lane],
        )  # fmt: skip
        score = eq.empowerment_score(
            drive, aware[lane], awareness_bonus, found[THRESHOLD, lane], found[HANDICAP, lane], power[lane], temptation,
            sensitivity,
        )  # fmt: skip
        probability[lane] = eq.logistic(score)


@row_loop
def settle(
    own: Any, cell: Any, active: Any, word_1: Any, word_2: Any, sated: Any, turned: Any, bits: Any, found: Any,
    probability: Any, tremble: Any, strength: Any, chosen: Any, code: Any,
) -> None:  # fmt: skip
    """A response (model section 4) with every mechanism; `bits`, `found`: tables of `sim.answer_rows`, as looked up."""
    for lane in range(LANES):
        s, c, table, turn_ = own[lane], cell[lane], bits[TARGETS, lane], turned[lane]
        barrier, empowered = np.uint32(table & SEVEN), np.uint32(np.uint32(table >> THREE) & SEVEN)
        possible = probability[lane] if np.uint32(table >> SIX) != ZERO else eq.ZERO
        u1, u2 = uniform(word_1[lane]), uniform(word_2[lane])
        takes_empowered = u2 < possible
        takes_barrier = u2 < eq.barrier_threshold(possible, strength)
        turns = (c == SYMBOLIC) & (turn_ != FIVE) & (not takes_empowered)
        target = empowered if takes_empowered else (barrier if takes_barrier else s)
        target = turn_ if turns else target
        branch = ZERO if takes_empowered else (CELLS if takes_barrier else CELLS_TWICE)
        reached = INSTRUMENTAL if turns else np.uint32(c + branch)
        is_active = active[lane] == ONE
        trembles, has_enough, keeps_old = u1 < tremble, sated[lane] == ONE, u1 < found[KEEP, lane]
        response = s if keeps_old else target
        how = NOT_REACHED if keeps_old else reached
        response = ZERO if has_enough else response
        how = SATED if has_enough else how
        response = one_of(word_2[lane], FIVE) if trembles else response
        how = TREMBLED if trembles else how
        chosen[lane] = response if is_active else s
        code[lane] = how if is_active else INACTIVE


@row_loop
def both(first: Any, second: Any, out: Any) -> None:
    """1 where both are."""
    for lane in range(LANES):
        out[lane] = first[lane] & second[lane]


@row_loop
def code_of_theory(code: Any, theory: Any, joint: Any) -> None:
    """Code of a response and theory of the partner in one number."""
    for lane in range(LANES):
        joint[lane] = np.uint32(np.uint32(theory[lane] * np.uint32(CODES)) + code[lane])


@row_loop
def tally_codes(joint: Any, lanes: Any, counts: Any) -> None:
    """Count codes, into int64[4, theories x CODES]: side by side, so that equal codes do not wait for each other."""
    for lane in range(lanes):
        counts[lane & 3, joint[lane]] += 1


@row_loop
def close_codes(counts: Any, out: Any) -> None:
    """Add a theory's codes to its columns; what instrumentality decided stands with the cell's responses kept."""
    for answer in range(out.shape[0]):
        for part in range(counts.shape[0]):
            out[answer, 0] += counts[part, answer]
    for part in range(counts.shape[0]):
        out[CELLS_TWICE + SYMBOLIC, 0] += counts[part, INSTRUMENTAL]
