"""Means and standard errors from exact sums in 64 or 128 bits; the same bits from either."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.jit import formula, kernel, row_loop, step, summary

ZERO = np.uint64(0)
ONE = np.uint64(1)
TWO = np.uint64(2)
WORD = np.uint64(32)
MASK = np.uint64(0xFFFFFFFF)
TOP = np.float64(2.0**64)
NONE = np.float64(0.0)
NAN = np.float64(np.nan)
AT_LEAST = np.int64(1)
ALL = np.int64(-1)


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


@formula
def _moments_of(n: Any, low: Any, high: Any, square_low: Any, square_high: Any) -> Any:
    """Mean and standard error from sums in two words over n > 0 alliances; the error of one alone means nothing.

    With m the integer next to the mean, sum (x - m)^2 = S2 - 2 m S1 + n m^2 is computed modulo 2^128, which is exact,
    and the variance from it by subtracting (S1 - n m)^2 / n, at most half of it: no cancellation.
    """
    count = np.uint64(n)
    m = np.uint64(np.rint((np.float64(high) * TOP + np.float64(low)) / np.float64(n)))
    whole_high, whole_low = _times(count, m)
    _, rest = _minus(high, low, whole_high, whole_low)
    remainder = np.float64(np.int64(rest))
    mean = np.float64(m) + remainder / np.float64(n)
    cross_high, cross_low = _times(low, TWO * m)
    cross_high += high * (TWO * m)
    product_high, product_low = _times(count, m * m)
    d_high, d_low = _minus(square_high, square_low, cross_high, cross_low)
    d_low += product_low
    d_high += product_high + (ONE if d_low < product_low else ZERO)
    spread = np.float64(d_high) * TOP + np.float64(d_low) - remainder * remainder / np.float64(n)
    spread = spread if spread > 0.0 else NONE
    return mean, np.sqrt(spread / np.float64(n - 1) / np.float64(n))


@kernel
def moments(number: Any, low: Any, high: Any, square_low: Any, square_high: Any, mean: Any, error: Any) -> None:
    """Mean and standard error of the mean from exact sums in two words.

    Parameters
    ----------
    number : int64[k], contributing alliances; low, high, square_low, square_high : uint64[k], sums of the tallied
        integers (each below 2^32) and of their squares.
    mean, error : float64[k], filled; NaN where number is 0 (mean) or below 2 (error).
    """
    for k in range(number.size):
        n = number[k]
        mean[k] = np.nan
        error[k] = np.nan
        if n > 0:
            a, b = _moments_of(n, low[k], high[k], square_low[k], square_high[k])
            mean[k] = a
            if n > 1:
                error[k] = b


@row_loop
def _narrow_row(number: Any, sums: Any, scale: Any, mean: Any, error: Any) -> None:
    """As `_moments_of`, over what the scale says, from sums and sums of squares in turn, each below 2^63.

    All is modulo 2^64, which is exact for such sums, and without a branch, so that it vectorizes.
    """
    for k in range(number.size):
        n, total, squares = number[k], np.int64(sums[2 * k]), np.int64(sums[2 * k + 1])
        some = max(n, AT_LEAST)
        count, fewer = np.float64(some), np.float64(max(n - AT_LEAST, AT_LEAST))
        m = np.int64(np.rint(np.float64(total) / count))
        remainder = np.float64(total - some * m)
        spread = np.float64(squares - m * (total + total) + some * m * m) - remainder * remainder / count
        spread = spread if spread > NONE else NONE
        mean[k] = (np.float64(m) + remainder / count) / scale[k] if n > 0 else NAN
        error[k] = np.sqrt(spread / fewer / count) / scale[k] if n > 1 else NAN


@row_loop
def _wide_row(number: Any, sums: Any, high: Any, scale: Any, mean: Any, error: Any) -> None:
    """As `_narrow_row`, from sums in two words."""
    for k in range(number.size):
        mean[k] = NAN
        error[k] = NAN
        if number[k] > 0:
            a, b = _moments_of(number[k], sums[2 * k], high[2 * k], sums[2 * k + 1], high[2 * k + 1])
            mean[k] = a / scale[k]
            if number[k] > 1:
                error[k] = b / scale[k]


@step
def _equal(a: Any, b: Any) -> bool:
    """Whether two tables are the same."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            if a[i, j] != b[i, j]:
                return False
    return True


@row_loop
def _pick(cells: Any, columns: Any, first: Any, width: Any, out: Any) -> None:
    """Copy some neighbouring columns of a table; `cells` and `out` are flat, row by row."""
    rows = out.size // width
    if width == 1:
        for r in range(rows):
            out[r] = cells[r * columns + first]
    else:
        for r in range(rows):
            for k in range(width):
                out[r * width + k] = cells[r * columns + first + k]


@summary
def table(
    sums: Any, alliances: Any, counted: Any, scales: Any, kind: Any, number: Any, scale: Any, start: Any, width: Any,
    mean: Any, error: Any,
) -> None:  # fmt: skip
    """Means and standard errors of all columns of the tallies of some points, ordered by variable.

    Parameters
    ----------
    sums : uint64[words, points, rows, columns, 2], as in `sim.tallies.Sums`.
    alliances : int64[points].  counted : bool[points, rows, kinds], whether a row counts for a kind of column.
    scales : float64[points, scales], what values are divided by.
    kind, number, scale, start, width : int64[columns], of each column: its kind, the column that counts its alliances
        or -1 for all, its scale, and the first column of its variable and how many that has.
    mean, error : float64[points x rows x columns], filled: the variables one after the other, each as
        [points, rows, its columns]; NaN where nothing counts.
    """
    words, points, rows, columns = sums.shape[:4]
    cells = rows * columns
    contributing, divisor = np.empty(cells, np.int64), np.empty(cells)
    means, errors = np.empty(cells), np.empty(cells)
    for p in range(points):
        # Points of a sweep are mostly alike; what one shares with the one before stays as it is.
        alike = p > 0 and alliances[p] == alliances[p - 1] and _equal(counted[p], counted[p - 1])
        for c in range(columns):
            if number[c] != ALL or not alike:
                for r in range(rows):
                    n = alliances[p] if number[c] == ALL else np.int64(sums[0, p, r, number[c], 0])
                    contributing[r * columns + c] = n if counted[p, r, kind[c]] else 0
        if p == 0 or not _equal(scales[p : p + 1], scales[p - 1 : p]):
            for c in range(columns):
                divisor[c::columns] = scales[p, scale[c]]
        low = sums[0, p].reshape(2 * cells)
        if words == 1:
            _narrow_row(contributing, low, divisor, means, errors)
        else:
            _wide_row(contributing, low, sums[1, p].reshape(2 * cells), divisor, means, errors)
        for c in range(columns):
            if c == start[c]:
                part = slice(rows * (points * c + p * width[c]), rows * (points * c + (p + 1) * width[c]))
                _pick(means, columns, c, width[c], mean[part])
                _pick(errors, columns, c, width[c], error[part])
