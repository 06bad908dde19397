"""Formulas of alliance evolution (model section 7): small scalar functions in float32, as in `sim.equations`.

Sources: Iyer 2002; Doz 1996 and Inkpen 1998 via Serrat; the numbers are ours.
"""

from __future__ import annotations

from typing import Any

from sim.equations import HALF, ONE, QUARTER, ZERO
from sim.jit import formula


@formula
def before_openness(disclosure_: Any, openness: Any) -> Any:
    """X_ij / o: what i would offer j were the phase fully open."""
    return disclosure_ / openness


@formula
def window_efficiency(learning: Any, periods: Any, openness: Any, most: Any) -> Any:
    """Mean learning per period of a review's window over the phase's maximum o (1 + 2 creation mu), at most 1."""
    share = learning / periods / (openness * most)
    return share if share < ONE else ONE


@formula
def equity(differences: Any, totals: Any) -> Any:
    """1 - inequity over a window: 1 - summed differences over summed totals, `totals` above 0."""
    return ONE - differences / totals


@formula
def adaptability(empowered: Any, reached: Any) -> Any:
    """Share of a window's reconsidered responses that took the empowered branch, `reached` above 0."""
    return empowered / reached


@formula
def review_value(
    efficiency_: Any, equity_: Any, adaptability_: Any, w_efficiency: Any, w_equity: Any, w_adaptability: Any
) -> Any:
    """v: weighted mean of the parts of a review; a part left out has weight 0; 0 where none is left."""
    weights = w_efficiency + w_equity + w_adaptability
    total = w_efficiency * efficiency_ + w_equity * equity_ + w_adaptability * adaptability_
    return total / weights if weights > ZERO else ZERO


@formula
def pair_readiness(offered: Any, trust: Any, communicative: Any, prior: Any) -> Any:
    """(X before openness, window mean + tau + kappa + pi)/4: how ready i is to go on with j."""
    return (offered + trust + communicative + prior) * QUARTER


@formula
def readjusted(value: Any, readjustment: Any, review: Any) -> Any:
    """clip(value + readjustment (v - 1/2), 0, 1): trust or stakes after a review."""
    moved = value + readjustment * (review - HALF)
    moved = moved if moved > ZERO else ZERO
    return moved if moved < ONE else ONE
