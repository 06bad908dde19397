"""Response theories as the program uses them: labels of propositions, and the tables as the kernels take them."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Sequence

import numpy as np

from sim.theory import NEVER, NO_PROPOSITION, Theory
from sim.variables import BRANCHES


def ordered(found: Iterable[str]) -> tuple[str, ...]:
    """Proposition labels in natural order (2a before 10), ``none`` last."""

    def key(label: str) -> list[tuple[int, int, str]]:
        return [
            (0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in re.findall(r"[0-9]+|[^0-9]+", label)
        ]

    return (*sorted({label for label in found if label != NO_PROPOSITION}, key=key), NO_PROPOSITION)


def labels(theories: Iterable[Theory]) -> tuple[str, ...]:
    """Labels of the ``proposition`` dimension: all that occur in some theories, then ``none``."""
    return ordered(label for t in theories for label in (*t.barrier_label, *t.empowered_label) if label)


@functools.lru_cache(maxsize=64)
def response_labels(theory: Theory) -> tuple[str, ...]:
    """Label of each response column of the tallies, in their order (branch, own, seen)."""
    return tuple(theory.label(cell, branch) for branch in range(len(BRANCHES)) for cell in range(25))


def _planes(codes: Sequence[int], count: int) -> list[int]:
    return [sum(((code >> k) & 1) << cell for cell, code in enumerate(codes)) for k in range(count)]


def bit_planes(theory: Theory) -> np.ndarray:
    """The tables as the kernel takes them: uint32[13], bit ``cell`` of each word.

    Three planes each for barrier and empowered targets, one where empowerment is possible, two for the proposition
    group, one for the handicap, three for the class of pace (in the order of `pace_classes`).
    """
    return np.array(_all_planes(theory), np.uint32)


@functools.lru_cache(maxsize=64)
def _all_planes(theory: Theory) -> tuple[int, ...]:
    classes = pace_classes(theory)
    possible = [int(target != NEVER) for target in theory.empowered]
    planes = [
        *_planes(theory.barrier, 3),
        *_planes([max(target, 0) for target in theory.empowered], 3),
        *_planes(possible, 1),
        *_planes([theory.group(cell) for cell in range(25)], 2),
        *_planes([int(h) for h in theory.handicapped], 1),
        *_planes([classes.index(pace) for pace in theory.pace], 3),
    ]
    return tuple(planes)


def pace_classes(theory: Theory) -> list[float]:
    """The distinct values of pace, ascending."""
    return sorted(set(theory.pace))


def keep_probability(reconsideration: float, pace: float) -> float:
    """(1 - reconsideration)^pace: chance to keep the strategy where nothing trembles; float64, computed once."""
    return math.pow(1.0 - reconsideration, pace)
