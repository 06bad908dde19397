"""Exact sums in 64 or 128 bits: tallies that merge in any order.

A kernel call sums in 64 bits (at most `sim.kernel_parts.MAX_ALLIANCES` alliances) and most points need no more; sums that
outgrow one word are carried on as two, low and high. Nothing is rounded before a mean is taken, so the same alliances
give the same bits however they were split, a constant has standard error 0 and no variance is negative (model section 9).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: The highest bit of a word; sums that reach it go on in two.
TOP_BIT = np.uint64(63)


@dataclass(frozen=True)
class Tallies:
    """Sums over `alliances` alliances of a point.

    Attributes
    ----------
    period, point : uint64 (words, ..., columns, 2): one word, where every sum is below 2^63, or two (low, high); then as
        in `sim.variables`; last: sum, sum of squares.
    alliances : how many alliances were added.
    """

    period: np.ndarray
    point: np.ndarray
    alliances: int

    def __add__(self, other: Tallies) -> Tallies:
        return Tallies(added(self.period, other.period), added(self.point, other.point), self.alliances + other.alliances)

    def widened(self) -> Tallies:
        """The same in two words."""
        return Tallies(_wide(self.period), _wide(self.point), self.alliances)


@dataclass(frozen=True)
class Sums:
    """Tallies of several points.

    Attributes
    ----------
    period, point : uint64 (words, points, ..., columns, 2), as in `Tallies`.
    alliances : int64 (points).
    """

    period: np.ndarray
    point: np.ndarray
    alliances: np.ndarray


def stacked(tallies: Sequence[Tallies]) -> Sums:
    """Tallies of several points as one; where they lie one after the other in memory, nothing is copied."""
    alliances = np.array([t.alliances for t in tallies], np.int64)
    return Sums(_stack([t.period for t in tallies]), _stack([t.point for t in tallies]), alliances)


def added(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sums of one word or two, added; two words where one might overflow."""
    low = a[0] + b[0]
    if len(a) == len(b) == 1 and not (low >> TOP_BIT).any():
        return np.asarray(low[None])
    a, b = _wide(a), _wide(b)
    return np.stack([low, a[1] + b[1] + (low < a[0])])


def _wide(sums: np.ndarray) -> np.ndarray:
    return np.concatenate([sums, np.zeros_like(sums)]) if len(sums) == 1 else sums


def _stack(arrays: Sequence[np.ndarray]) -> np.ndarray:
    if max(len(a) for a in arrays) > 1:
        return np.stack([_wide(a) for a in arrays], axis=1)
    together = _in_place(arrays)
    return np.stack(arrays, axis=1) if together is None else together


def _in_place(arrays: Sequence[np.ndarray]) -> np.ndarray | None:
    """Arrays of one word as the one array they are cut from, if they lie there one after the other."""
    first, step = arrays[0], arrays[0].nbytes
    owner = first.base
    if not isinstance(owner, np.ndarray) or not all(a.base is owner and a.flags.c_contiguous for a in arrays):
        return None
    places = [a.ctypes.data for a in arrays]
    if places != list(range(places[0], places[0] + step * len(arrays), step)):
        return None
    shape = (1, len(arrays), *first.shape[1:])
    return np.ndarray(shape, first.dtype, buffer=owner, offset=places[0] - owner.ctypes.data)
