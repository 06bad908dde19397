"""Response theories as the program uses them: labels of propositions, and the chance to keep a strategy."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable

from sim.theory import NO_PROPOSITION, Theory
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


def keep_probability(reconsideration: float, pace: float) -> float:
    """(1 - reconsideration)^pace: chance to keep the strategy where nothing trembles; float64, computed once."""
    return math.pow(1.0 - reconsideration, pace)
