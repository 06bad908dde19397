"""Means and standard errors from exact 128-bit sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.jit import formula, kernel

ZERO = np.uint64(0)
ONE = np.uint64(1)
TWO = np.uint64(2)
WORD = np.uint64(32)
MASK = np.uint64(0xFFFFFFFF)
TOP = np.float64(2.0**64)
NONE = np.float64(0.0)


@formula
def _times(a: Any, b: Any) -> Any:
    """a b of two uint64 as (high, low)."""
    a0, a1, b0, b1 = a & MASK, a >> WORD, b & MASK, b >> WORD
    low = a0 * b0
    middle = a1 * b0 + (low >> WORD)
    other = a0 * b1 + (middle & MASK)
    return a1 * b1 + (middle >> WORD) + (other >> WORD), (other << WORD) | (low & MASK)


@formula
def _minus(a_high: Any, a_low: Any, b_high: Any, b_low: Any) -> Any:
    """a - b modulo 2^128 as (high, low)."""
    return a_high - b_high - (ONE if a_low < b_low else ZERO), a_low - b_low


@kernel
def moments(number: Any, low: Any, high: Any, square_low: Any, square_high: Any, mean: Any, error: Any) -> None:
    """Mean and standard error of the mean from exact sums.

    Parameters
    ----------
    number : int64[k], contributing alliances; low, high, square_low, square_high : uint64[k], sums of the tallied
        integers (each below 2^32) and of their squares.
    mean, error : float64[k], filled; NaN where number is 0 (mean) or below 2 (error).

    Notes
    -----
    With m the integer next to the mean, sum (x - m)^2 = S2 - 2 m S1 + n m^2 is computed modulo 2^128, which is exact,
    and the variance from it by subtracting (S1 - n m)^2 / n, at most half of it: no cancellation.
    """
    for k in range(number.size):
        n = number[k]
        mean[k] = np.nan
        error[k] = np.nan
        if n == 0:
            continue
        count = np.uint64(n)
        m = np.uint64(np.rint((np.float64(high[k]) * TOP + np.float64(low[k])) / np.float64(n)))
        whole_high, whole_low = _times(count, m)
        _, rest = _minus(high[k], low[k], whole_high, whole_low)
        remainder = np.float64(np.int64(rest))
        mean[k] = np.float64(m) + remainder / np.float64(n)
        if n == 1:
            continue
        cross_high, cross_low = _times(low[k], TWO * m)
        cross_high += high[k] * (TWO * m)
        product_high, product_low = _times(count, m * m)
        d_high, d_low = _minus(square_high[k], square_low[k], cross_high, cross_low)
        d_low += product_low
        d_high += product_high + (ONE if d_low < product_low else ZERO)
        spread = np.float64(d_high) * TOP + np.float64(d_low) - remainder * remainder / np.float64(n)
        spread = spread if spread > 0.0 else NONE
        error[k] = np.sqrt(spread / np.float64(n - 1) / np.float64(n))
