"""What the form with every mechanism tallies: strategies of partners or ordered pairs, and what only some runs record."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import equations as eq
from sim import kernel_parts as base
from sim import phase_rows, rows
from sim import tally_rows as tally
from sim.full_state import SPECIFIC, facing, unit_of
from sim.jit import step
from sim.strategies import REGIMES, regime_of
from sim.variables import DIMENSIONS

#: For each regime, the cells 5 own + other that form it, as bits.
REGIME_CELLS = np.array([sum(1 << c for c in range(25) if regime_of(c // 5, c % 5) == name) for name in REGIMES], np.uint32)
#: What `extra` says, in order: first tally column of each variable that is not always recorded, or -1.
EXTRA = (
    "unlearnt", "power", "phase_share", "phase_share_n", "dimension_learning", "learning_by_theory", "learning_by_theory_n",
    "learning_by_pair", "learning_by_pair_n",
)  # fmt: skip
(E_UNLEARNT, E_POWER, E_PHASE, E_PHASE_N, E_DIMENSION, E_THEORY, E_THEORY_N, E_PAIR, E_PAIR_N) = range(len(EXTRA))


FIVE_DIMENSIONS = len(DIMENSIONS)
REGIME_NUMBER = len(REGIMES)


@step
def tally_units(want: Any, point: Any, strategy: Any, packed: Any, lanes: Any, out: Any) -> None:
    """Strategies and regimes, of partners or of ordered pairs."""
    n = point.partners
    if point.coupling != SPECIFIC:
        rows.fill(packed, rows.ZERO)
        for i in range(n):
            rows.pack_count(strategy[i], packed)
        if want[base.W_STRATEGY]:
            tally.strategies(packed, lanes, out)
        if want[base.W_REGIME]:
            tally.regimes(packed, lanes, n, out)
        return
    if want[base.W_STRATEGY]:
        for k in range(5):
            rows.fill(packed, rows.ZERO)
            for i in range(n):
                for j in range(n):
                    if j != i:
                        phase_rows.count_strategy(strategy[i * n + j], np.uint32(k), packed)
            tally.count(packed, lanes, out[tally.STRATEGY_SHARE + k])
    if want[base.W_REGIME]:
        for k in range(REGIME_NUMBER):
            rows.fill(packed, rows.ZERO)
            for i in range(n):
                for j in range(i + 1, n):
                    phase_rows.count_cells(strategy[i * n + j], strategy[j * n + i], REGIME_CELLS[k], packed)
            tally.count(packed, lanes, out[tally.REGIME_SHARE + k])


@step
def tally_extra_states(
    extra: Any, n: Any, pairs: Any, phase: Any, alive: Any, living: Any, lanes: Any, scratch: Any, out: Any
) -> None:
    """What is left to learn, power, phases at the end of a period."""
    if extra[E_UNLEARNT] >= 0:
        base.tally_context(pairs.remaining_up, pairs.remaining_down, n, True, scratch, lanes, out[extra[E_UNLEARNT]])
    if extra[E_POWER] >= 0:
        rows.fill(scratch, eq.ZERO)
        for i in range(n):
            for j in range(i + 1, n):
                phase_rows.add_magnitude(pairs.power_up[i * n + j], scratch)
        rows.divide_row(scratch, np.float32(n * (n - 1) // 2))
        tally.real(scratch, lanes, out[extra[E_POWER]])
    if extra[E_PHASE] >= 0:
        for k in range(4):
            phase_rows.tally_phase(phase, alive, np.uint32(k), lanes, out[extra[E_PHASE] + k])
        out[extra[E_PHASE_N], tally.SUM] = living


@step
def tally_extra_outcomes(
    extra: Any, slots: Any, point: Any, phases: Any, phase: Any, theory: Any, strategy: Any, learned: Any,
    transfer_mean: Any, creation_mean: Any, pairs: Any, totals: Any, numbers: Any, lanes: Any, out: Any,
) -> None:  # fmt: skip
    """Learning by dimension, by theory, by pair of strategies."""
    n, specific = point.partners, point.coupling == SPECIFIC
    if extra[E_DIMENSION] >= 0:
        for k in range(FIVE_DIMENSIONS):
            table, first = phases.values[2 + k], extra[E_DIMENSION] + k
            phase_rows.tally_dimension(phase, table, transfer_mean, lanes, out[first])
            phase_rows.tally_dimension(phase, table, creation_mean, lanes, out[first + FIVE_DIMENSIONS])
    if extra[E_THEORY] >= 0:
        for slot in range(slots):
            rows.fill(totals[0], eq.ZERO)
            rows.fill(numbers[0], rows.ZERO)
            for i in range(n):
                phase_rows.add_of_theory(theory[i], np.uint32(slot), learned[i], totals[0], numbers[0])
            phase_rows.tally_mean(totals[0], numbers[0], lanes, out[extra[E_THEORY] + slot], out[extra[E_THEORY_N] + slot])
    if extra[E_PAIR] >= 0:
        for cell in range(25):
            rows.fill(totals[cell], eq.ZERO)
            rows.fill(numbers[cell], rows.ZERO)
        for i in range(n):
            for j in range(n):
                if j != i:
                    phase_rows.add_of_pair(
                        strategy[unit_of(i, j, n, specific)], strategy[unit_of(j, i, n, specific)],
                        facing(pairs.transfer_up, pairs.transfer_down, i, j, n),
                        pairs.created[i * n + j if i < j else j * n + i], totals, numbers,
                    )  # fmt: skip
        for cell in range(25):
            phase_rows.tally_mean(totals[cell], numbers[cell], lanes, out[extra[E_PAIR] + cell], out[extra[E_PAIR_N] + cell])
