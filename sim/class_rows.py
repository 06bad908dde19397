"""Row loops of the outcomes of more than two partners, from how many hold each strategy.

What a partner learns is a sum over the others of values that depend on two strategies alone. Where these sums are exact
whatever their order (`sim.cell_tables.exact`), number times value gives the same bits as adding partner by partner, and
costs as much for 32 partners as for three. Only competitors, compromisers and collaborators receive; only accommodators,
compromisers and collaborators give (Larsson, Fig. 1).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import equations as eq
from sim.jit import formula, row_loop
from sim.rows import BIT_MASK, COUNT_MASK, LANES

AC, CM, CP, CL = 1, 2, 3, 4
AC_BITS, CM_BITS, CP_BITS, CL_BITS = (np.uint32(6 * k) for k in (AC, CM, CP, CL))
#: Rows of what a partner in compromise, competition, collaboration receives and creates.
CLASSES = 6


@formula
def number(packed: Any, bits: Any) -> Any:
    """One of the packed strategy counts, as float32."""
    return np.float32(np.int32(np.uint32(np.uint32(packed >> np.uint32(bits & BIT_MASK)) & COUNT_MASK)))


@formula
def from_others(a: Any, m: Any, c: Any, value_a: Any, value_m: Any, value_c: Any, own: Any, others: Any) -> Any:
    """Mean over the others of what accommodators, compromisers and collaborators bring; `own`: what an equal brings."""
    return eq.per_other(a * value_a + m * value_m + c * value_c - own, others)


@row_loop
def receive(packed: Any, tables: Any, others: Any, out: Any) -> None:
    """Transfer and creation of a partner of each receiving strategy; out: float32[CLASSES, LANES]."""
    f21, f22, f24 = tables[0, 11], tables[0, 12], tables[0, 14]
    f31, f32, f33, f34 = tables[0, 16], tables[0, 17], tables[0, 18], tables[0, 19]
    f41, f42, f44 = tables[0, 21], tables[0, 22], tables[0, 24]
    g21, g22, g24 = tables[1, 11], tables[1, 12], tables[1, 14]
    g31, g32, g33, g34 = tables[1, 16], tables[1, 17], tables[1, 18], tables[1, 19]
    g41, g42, g44 = tables[1, 21], tables[1, 22], tables[1, 24]
    for lane in range(LANES):
        word = packed[lane]
        a, m, c = number(word, AC_BITS), number(word, CM_BITS), number(word, CL_BITS)
        out[0, lane] = from_others(a, m, c, f21, f22, f24, f22, others)
        out[1, lane] = from_others(a, m, c, f31, f32, f34, f33, others)
        out[2, lane] = from_others(a, m, c, f41, f42, f44, f44, others)
        out[3, lane] = from_others(a, m, c, g21, g22, g24, g22, others)
        out[4, lane] = from_others(a, m, c, g31, g32, g34, g33, others)
        out[5, lane] = from_others(a, m, c, g41, g42, g44, g44, others)


@formula
def of_strategy(strategy: Any, compromise: Any, competition: Any, collaboration: Any) -> Any:
    """What belongs to a partner's strategy; 0 for those that receive nothing."""
    upper = collaboration if strategy == eq.CL else competition
    return upper if strategy > eq.CM else (compromise if strategy == eq.CM else eq.ZERO)


@row_loop
def book(strategy: Any, found: Any, transfer_sum: Any, creation_sum: Any, learning_sum: Any, learned: Any) -> None:
    """`sim.rows.book_partner` from what `receive` found."""
    for lane in range(LANES):
        s = strategy[lane]
        transfer = of_strategy(s, found[0, lane], found[1, lane], found[2, lane])
        created = of_strategy(s, found[3, lane], found[4, lane], found[5, lane])
        learning = transfer + created
        transfer_sum[lane] += transfer
        creation_sum[lane] += created
        learning_sum[lane] += learning
        learned[lane] += eq.fixed_point(learning)


@formula
def pairs_within(number_: Any) -> Any:
    """Number of pairs among partners of one strategy."""
    return number_ * (number_ - eq.ONE) * eq.HALF


@row_loop
def compare(packed: Any, tables: Any, differences: Any, totals: Any) -> None:
    """Sums over pairs of learning difference and total, the parts of inequity."""
    d12, d13, d14, d23, d24, d34 = tables[4, 7], tables[4, 8], tables[4, 9], tables[4, 13], tables[4, 14], tables[4, 19]
    t12, t13, t14, t23, t24, t34 = tables[5, 7], tables[5, 8], tables[5, 9], tables[5, 13], tables[5, 14], tables[5, 19]
    t22, t44 = tables[5, 12], tables[5, 24]
    for lane in range(LANES):
        word = packed[lane]
        a, m, p, c = number(word, AC_BITS), number(word, CM_BITS), number(word, CP_BITS), number(word, CL_BITS)
        am, ap, ac, mp, mc, pc = a * m, a * p, a * c, m * p, m * c, p * c
        differences[lane] = am * d12 + ap * d13 + ac * d14 + mp * d23 + mc * d24 + pc * d34
        between = am * t12 + ap * t13 + ac * t14 + mp * t23 + mc * t24 + pc * t34
        totals[lane] = between + pairs_within(m) * t22 + pairs_within(c) * t44
