"""Row loops of the formation of alliances: start values from distributions, theories drawn from a mix (model section 3).

As in `sim.rows`: one step over `LANES` alliances, and the rows of one call never overlap.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import abilities as ab
from sim import equations as eq
from sim.jit import row_loop
from sim.rng import one_of, uniform
from sim.rows import FIVE, LANES, ONE, ZERO

QUANTILES = np.float32(1024.0)


@row_loop
def start_uniform(word: Any, low: Any, high: Any, out: Any) -> None:
    """Start values of a uniform distribution."""
    for lane in range(LANES):
        out[lane] = eq.between(low, high, uniform(word[lane]))


@row_loop
def start_quantile(word: Any, table: Any, out: Any) -> None:
    """Start values by a table of quantiles at k/1024, linear in between."""
    for lane in range(LANES):
        x = uniform(word[lane]) * QUANTILES
        k = np.int64(x)
        out[lane] = eq.between(table[k], table[k + 1], x - np.float32(k))


@row_loop
def start_empirical(word: Any, values: Any, out: Any) -> None:
    """Start values from a sorted list."""
    number = np.uint32(values.size)
    for lane in range(LANES):
        out[lane] = values[np.int64(one_of(word[lane], number))]


@row_loop
def start_both(first: Any, second: Any, out: Any) -> None:
    """Start value of a pair from the draws of its partners."""
    for lane in range(LANES):
        out[lane] = eq.mean_of_two(first[lane], second[lane])


@row_loop
def copy(row: Any, out: Any) -> None:
    """Take over a row."""
    for lane in range(LANES):
        out[lane] = row[lane]


@row_loop
def start_absorptive(connections: Any, relatedness: Any, alignment: Any, row: Any) -> None:
    """alpha0 from a receiver's own absorptive capacity and Inkpen's conditions."""
    for lane in range(LANES):
        row[lane] = ab.absorptive_start(row[lane], connections, relatedness, alignment)


@row_loop
def draw_theory(word: Any, cumulated: Any, theory: Any) -> None:
    """A partner's slot in the mix of theories; `cumulated` float64, its last entry left out."""
    for lane in range(LANES):
        u = np.float64(uniform(word[lane]))
        slot = ZERO
        for k in range(cumulated.size):
            slot = np.uint32(slot + (ONE if u >= cumulated[k] else ZERO))
        theory[lane] = slot


@row_loop
def take_initial(theory: Any, initial: Any, strategy: Any) -> None:
    """First strategy of those whose theory names one (others: 5)."""
    for lane in range(LANES):
        own, s = initial[np.int64(theory[lane])], strategy[lane]
        strategy[lane] = own if own < FIVE else s
