"""Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011), and the layout of the draws.

A draw belongs to the thing simulated, never to a worker or block. One call maps a 64-bit key and the counter
``(alliance low, alliance high, period, slot)`` to four 32-bit words; ``slot = purpose << 16 | call``. This is stream
version 1 (`sim.variables.STREAM_VERSION`).

====================  =======  ========================================================================
purpose               period   words used by partner i
====================  =======  ========================================================================
0  RESPONSE           1..T     words 2 (i mod 2) and 2 (i mod 2) + 1 of call i div 2: the first decides
                               tremble, then keeping; the second empowered, then barrier, or the
                               trembled strategy
1  COUNTERPART        1..T     word i mod 4 of call i div 4: ``one_of(word, n)`` = k, n other active partners,
                               is the (k + 1)-th active one after i, cyclic: i + 1, i + 2, ... mod N
2  MISPERCEPTION      1..T     word i mod 4 of call i div 4: is the counterpart's openness missed
3  EXIT               1..T     word i mod 4 of call i div 4: does an avoider leave
4  INITIAL_STRATEGY   0        word i mod 4 of call i div 4
5  AWARENESS          0        word i mod 4 of call i div 4
6  THEORY             0        word i mod 4 of call i div 4: the partner's response theory
7  STAKES             0        word k mod 4 of call k div 4, k = 0 (level alliance), i (partner) or 32 i + j
8  TRUST                       (pair; i facing j, of an unordered pair the lower number first): the quantile
9  ORIENTATION                 of a start value; in the same way trust, orientation (k = 0), prior
10 PRIOR                       interaction, absorptive and communicative capacity
11 ABSORPTIVE
12 COMMUNICATIVE
13 SATIATION          1..T     word i mod 4 of call i div 4: has the partner had enough
14 INSTRUMENTALITY    1..T     word i mod 4 of call i div 4: does an accommodator turn on another; the word's
                               lowest bit, which a uniform leaves out, says how: 1 competition, 0 avoidance
15 BREAK              1..T     word 0 of call 0: does a failed review end the alliance
====================  =======  ========================================================================

With partner-specific behaviour, where i answers the partner d places after it (cyclic, d = 1..N-1), i + 32 (d - 1) stands
for i in RESPONSE, MISPERCEPTION, SATIATION and INSTRUMENTALITY: two partners draw the same words under every coupling.

A slot is a function of purpose and partner only, never of the number of partners or of what is switched off, so that
switching a mechanism on leaves every other draw alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.jit import formula

RESPONSE = np.uint32(0)
COUNTERPART = np.uint32(1)
MISPERCEPTION = np.uint32(2)
EXIT = np.uint32(3)
INITIAL_STRATEGY = np.uint32(4)
AWARENESS = np.uint32(5)
THEORY = np.uint32(6)
STAKES = np.uint32(7)
TRUST = np.uint32(8)
ORIENTATION = np.uint32(9)
PRIOR = np.uint32(10)
ABSORPTIVE = np.uint32(11)
COMMUNICATIVE = np.uint32(12)
SATIATION = np.uint32(13)
INSTRUMENTALITY = np.uint32(14)
BREAK = np.uint32(15)
#: Most partners: number of a pair's draws 32 i + j, of an answer to the partner d places after i: i + 32 (d - 1).
SPAN = 32

MULTIPLIER_0 = np.uint64(0xD2511F53)
MULTIPLIER_1 = np.uint64(0xCD9E8D57)
WEYL_0 = np.uint64(0x9E3779B9)
WEYL_1 = np.uint64(0xBB67AE85)
WORD_BITS = np.uint64(32)
WORD_MASK = np.uint64(0xFFFFFFFF)
N1, N2, N3, N4, N5, N6, N7, N8, N9 = (np.uint64(k) for k in range(1, 10))
SLOT_BITS = np.uint32(16)
HALF_BITS = np.uint32(16)
HALF_MASK = np.uint32(0xFFFF)
UNIFORM_SHIFT = np.uint32(8)
UNIFORM_STEP = np.float32(2.0**-24)


@formula
def _round(x0: Any, x1: Any, x2: Any, x3: Any, k0: Any, k1: Any) -> Any:
    product_0 = MULTIPLIER_0 * np.uint64(x0)
    product_1 = MULTIPLIER_1 * np.uint64(x2)
    # Left in 64 bits, as numba has it: cast back to 32 here, the loop takes twice as long.
    y0 = np.uint32(product_1 >> WORD_BITS) ^ x1 ^ k0
    y2 = np.uint32(product_0 >> WORD_BITS) ^ x3 ^ k1
    return y0, np.uint32(product_1 & WORD_MASK), y2, np.uint32(product_0 & WORD_MASK)


@formula
def _round_key(key: Any, weyl: Any, number: Any) -> Any:
    return np.uint32((np.uint64(key) + weyl * number) & WORD_MASK)


@formula
def first_product(low: Any) -> Any:
    """What the first round of Philox makes of the counter's first word (uint64); the same in all periods and slots."""
    return MULTIPLIER_0 * np.uint64(low)


@formula
def philox(low: Any, high: Any, period: Any, slot: Any, key_0: Any, key_1: Any) -> Any:
    """Philox4x32-10: four words from a 4-word counter and a 2-word key, all uint32.

    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3; checked against the
    known-answer vectors of their Random123 library.
    """
    return philox_from(MULTIPLIER_0 * np.uint64(low), high, period, slot, key_0, key_1)


@formula
def philox_from(product: Any, high: Any, period: Any, slot: Any, key_0: Any, key_1: Any) -> Any:
    """`philox` from the `first_product` of the counter's first word.

    Only that product differs between the lanes of a chunk, so that the compiler takes the rest of the first round, and
    half of the second, out of the loop. The ten rounds are written out: a loop inside the loop over lanes would keep the
    compiler from vectorizing.
    """
    other = MULTIPLIER_1 * np.uint64(period)
    x0 = np.uint32(other >> WORD_BITS) ^ high ^ key_0
    x2 = np.uint32(product >> WORD_BITS) ^ slot ^ key_1
    x1, x3 = np.uint32(other & WORD_MASK), np.uint32(product & WORD_MASK)
    x0, x1, x2, x3 = _round(x0, x1, x2, x3, _round_key(key_0, WEYL_0, N1), _round_key(key_1, WEYL_1, N1))
    x0, x1, x2, x3 = _round(x0, x1, x2, x3, _round_key(key_0, WEYL_0, N2), _round_key(key_1, WEYL_1, N2))
    x0, x1, x2, x3 = _round(x0, x1, x2, x3, _round_key(key_0, WEYL_0, N3), _round_key(key_1, WEYL_1, N3))
    x0, x1, x2, x3 = _round(x0, x1, x2, x3, _round_key(key_0, WEYL_0, N4), _round_key(key_1, WEYL_1, N4))
    x0, x1, x2, x3 = _round(x0, x1, x2, x3, _round_key(key_0, WEYL_0, N5), _round_key(key_1, WEYL_1, N5))
    x0, x1, x2, x3 = _round(x0, x1, x2, x3, _round_key(key_0, WEYL_0, N6), _round_key(key_1, WEYL_1, N6))
    x0, x1, x2, x3 = _round(x0, x1, x2, x3, _round_key(key_0, WEYL_0, N7), _round_key(key_1, WEYL_1, N7))
    x0, x1, x2, x3 = _round(x0, x1, x2, x3, _round_key(key_0, WEYL_0, N8), _round_key(key_1, WEYL_1, N8))
    x0, x1, x2, x3 = _round(x0, x1, x2, x3, _round_key(key_0, WEYL_0, N9), _round_key(key_1, WEYL_1, N9))
    return np.uint32(x0), x1, np.uint32(x2), x3


@formula
def slot_of(purpose: Any, call: Any) -> Any:
    """Fourth counter word of a purpose's call (uint32)."""
    return np.uint32(np.uint32(purpose << SLOT_BITS) | np.uint32(call))


@formula
def uniform(word: Any) -> Any:
    """Uniform float32 in [0, 1) in steps of 2^-24, from a 32-bit word; exact."""
    return np.float32(word >> UNIFORM_SHIFT) * UNIFORM_STEP


@formula
def one_of(word: Any, n: Any) -> Any:
    """Uniform integer 0..n-1 (uint32) from a 32-bit word: ``(word * n) >> 32``, n below 2^16, without 64-bit products."""
    upper = np.uint32(np.uint32(word >> HALF_BITS) * n)
    lower = np.uint32(np.uint32(np.uint32(word & HALF_MASK) * n) >> HALF_BITS)
    return np.uint32(np.uint32(upper + lower) >> HALF_BITS)
