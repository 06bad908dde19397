"""Exact sums in 128 bits: tallies that merge in any order.

A kernel call sums in 64 bits (at most `sim.kernel_parts.MAX_ALLIANCES` alliances); here its sums are carried on as two
64-bit words, low and high. Nothing is rounded before a mean is taken, so the same alliances give the same bits however they
were split, a constant has standard error 0 and no variance is negative (model section 9).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tallies:
    """Sums over `alliances` alliances of a point (or of several, with leading dims).

    Attributes
    ----------
    period, point : uint64 (2, ..., columns, 2): word (low, high), then as in `sim.variables`; last: sum, sum of squares.
    alliances : how many alliances were added.
    """

    period: np.ndarray
    point: np.ndarray
    alliances: int

    def __add__(self, other: Tallies) -> Tallies:
        return Tallies(_add(self.period, other.period), _add(self.point, other.point), self.alliances + other.alliances)


def _add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    low = a[0] + b[0]
    return np.stack([low, a[1] + b[1] + (low < a[0])])


def widen(sums: np.ndarray) -> np.ndarray:
    """Non-negative int64 sums as (low, high) words: uint64 (2, ...)."""
    return np.stack([sums.astype(np.uint64), np.zeros(sums.shape, np.uint64)])
