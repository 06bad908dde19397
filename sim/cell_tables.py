"""What two partners' strategies bring in a period, as tables by cell: worked out once a call by the formulas.

Tables are float32[rows, SLOTS] (`sim.lookup`), cell ``5 s_i + s_j`` for a pair i < j; "up" is i's, "down" j's. Entries of
no cell, those of a pair that does not interact, are 0: nothing is learned, nothing moves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import equations as eq
from sim.jit import formula, step

CELLS = 25
#: Rows: transfer and creation to i, transfer and creation to j, difference and total of the two partners' learning.
OUTCOMES = 6
#: Rows: growth and decay of i's trust, of j's trust, of prior interaction; target and rate of stakes.
MOVES = 8
STEPS, LARGEST = np.float32(2**10), np.float32(8)


@formula
def received(own: Any, other: Any, moderate: Any) -> Any:
    """Transfer to a partner in `own` from one in `other` (codes)."""
    return eq.transfer(eq.transparency(other, moderate), eq.receptivity(own, moderate))


@step
def fill_outcomes(moderate: Any, gamma: Any, tables: Any) -> None:
    """Fill tables of `OUTCOMES` rows (model section 2)."""
    for cell in range(CELLS):
        own, other = np.uint32(cell // 5), np.uint32(cell % 5)
        f_up, f_down = received(own, other, moderate), received(other, own, moderate)
        g = eq.creation(gamma, f_up, f_down)
        c_up, c_down = eq.appropriated(g, f_up), eq.appropriated(g, f_down)
        mine, theirs = f_up + c_up, f_down + c_down
        tables[0, cell] = f_up
        tables[1, cell] = c_up
        tables[2, cell] = f_down
        tables[3, cell] = c_down
        tables[4, cell] = mine - theirs if mine > theirs else theirs - mine
        tables[5, cell] = mine + theirs


@step
def exact(tables: Any) -> Any:
    """Whether sums of outcomes over partners and pairs are exact, so that their order and grouping change no bit.

    Entries are multiples of 2^-10 and below 8, sums over at most 496 pairs: 22 bits of the 24 that float32 has.
    """
    for row in range(OUTCOMES):
        for cell in range(CELLS):
            steps = tables[row, cell] * STEPS
            if steps != np.rint(steps) or tables[row, cell] >= LARGEST:
                return False
    return True


@step
def fill_learned(tables: Any, others: Any, learned: Any) -> None:
    """Learning of both partners, in fixed point: uint32[2, SLOTS] from `fill_outcomes`; `others` = 1."""
    for cell in range(CELLS):
        up = eq.per_other(tables[0, cell], others) + eq.per_other(tables[1, cell], others)
        down = eq.per_other(tables[2, cell], others) + eq.per_other(tables[3, cell], others)
        learned[0, cell] = np.uint32(eq.fixed_point(up))
        learned[1, cell] = np.uint32(eq.fixed_point(down))


@step
def fill_moves(point: Any, tables: Any) -> None:
    """Fill tables of `MOVES` rows (model section 3)."""
    moderate = point.moderate
    for cell in range(CELLS):
        own, other = np.uint32(cell // 5), np.uint32(cell % 5)
        x_up, x_down = eq.transparency(own, moderate), eq.transparency(other, moderate)
        r_up, r_down = eq.receptivity(own, moderate), eq.receptivity(other, moderate)
        f_up, f_down = eq.transfer(x_down, r_up), eq.transfer(x_up, r_down)
        tables[0, cell] = eq.trust_growth(x_down, eq.ONE, point.trust_gain)
        tables[1, cell] = eq.trust_decay(
            eq.exploited(f_up, f_down), eq.withholding(r_down, x_down, eq.ONE), point.trust_loss, point.suspicion
        )
        tables[2, cell] = eq.trust_growth(x_up, eq.ONE, point.trust_gain)
        tables[3, cell] = eq.trust_decay(
            eq.exploited(f_down, f_up), eq.withholding(r_up, x_up, eq.ONE), point.trust_loss, point.suspicion
        )
        shared = eq.interaction(x_up, x_down)
        tables[4, cell] = point.prior_gain * shared
        tables[5, cell] = eq.prior_decay(shared, point.prior_loss)
        tables[6, cell] = eq.stakes_target(point.stakes, f_up, f_down)
        tables[7, cell] = point.stakes_rate
