"""Shards of a batch: which blocks of alliances, and which whole points, each of n runs has that know nothing of each other.

A point's alliances are cut into blocks of a fixed size, `sim.plan.dealt_block`. Points are dealt round robin, and so are the
blocks of a point; each round of points, and each next block, begins `turn` seats further on. A shard therefore has every
n-th block of every point, and which ones follows from the point's index, from k and from n alone: not from how many
alliances or points there are, so a shard that is extended keeps what it has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

#: Group of a shard's store: of what it is a part, see `sim.whole`.
GROUP = "whole"
#: Most shards.
MOST = 10**6
#: Rounds begin this share of a round further on, so that no pattern of the design, such as points that alternate between
#: few and many partners, falls into step with the rounds.
GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


@dataclass(frozen=True)
class Share:
    """The alliances of a point that a run has: blocks `first`, `first` + `step`, ... of `size` alliances each.

    A run counts its own alliances from 0, in ascending order; those of a larger population only follow.
    """

    first: int = 0
    step: int = 1
    size: int = 2**63

    def where(self, number: int) -> int:
        """The alliance of the point that is the run's `number`-th."""
        block, within = divmod(number, self.size)
        return (self.first + block * self.step) * self.size + within

    def left(self, number: int) -> int:
        """How many alliances from the `number`-th on stand side by side."""
        return self.size - number % self.size


#: All alliances of a point.
WHOLE = Share()


def parsed(shard: object) -> tuple[int, int]:
    """(k, n) of ``k/n``, k from 1 to n.

    Raises
    ------
    ValueError : it is something else.
    """
    k, _, n = shard.partition("/") if isinstance(shard, str) else ("", "", "")
    # Digits of other scripts are decimal, too, but a name of a store has these.
    plain = k.isascii() and k.isdecimal() and n.isascii() and n.isdecimal()
    if not (plain and len(n) <= len(str(MOST)) and 1 <= int(k) <= int(n) <= MOST):
        raise ValueError(shard)
    return int(k), int(n)


def turn(n: int) -> int:
    """Seats between the beginnings of two rounds: about the golden section of n, without a common divisor with it."""
    near = sorted(range(1, n + 1), key=lambda seats: abs(seats - GOLDEN * n)) if n < 100 else _near(GOLDEN * n)
    return next(seats for seats in near if math.gcd(seats, n) == 1)


def _near(middle: float) -> list[int]:
    """Whole numbers by their distance from a number; of 100 one is prime to any n below 10^6."""
    return sorted(range(int(middle) - 50, int(middle) + 50), key=lambda seats: abs(seats - middle))


def firsts(index: np.ndarray, block: np.ndarray, k: int, n: int) -> np.ndarray:
    """The first block that shard k of n has of some points, -1 where it has nothing of one that is dealt as a whole.

    Parameters
    ----------
    index : int64, the points' indices in the whole.  block : int64, their block sizes; 0: dealt as a whole.

    Notes
    -----
    Block j of point i belongs to seat ``i + (i // n + j) turn``, modulo n; this is solved for j.
    """
    inverse = pow(turn(n), -1, n)
    first = ((k - 1 - index) % n * inverse - index // n) % n
    return np.where((block > 0) | (first == 0), first, -1)


def counts(alliances: np.ndarray, block: np.ndarray, first: np.ndarray, n: int) -> np.ndarray:
    """How many of the first `alliances` alliances of points are in the blocks `first`, `first` + n, ...; see `firsts`.

    Where a point is dealt as a whole: all or nothing.
    """
    size = np.maximum(block, 1)
    full, rest = alliances // size, alliances % size
    blocks = np.maximum(0, -(-(full - first) // n))
    ends = (full >= first) & ((full - first) % n == 0)
    return np.where(block > 0, blocks * size + np.where(ends, rest, 0), np.where(first == 0, alliances, 0))
