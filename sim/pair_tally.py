"""Tallies of two partners from a histogram of their cells.

What a pair does in a period follows from its cell, the two strategies, so that strategies, regimes, transfer, creation,
learning, efficiency, inequity, survival and responses are counted by cell and worked out once a call. An alliance's value
is a function of its cell: the integers are the same as if each had been added alone. A dissolved alliance is one in which
both avoid, cell 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sim import equations as eq
from sim import kernel_parts as base
from sim import tally_rows as tally
from sim.answer_rows import RESPONSE_CODES, SKIPPED
from sim.jit import row_loop, step
from sim.lookup import SLOTS
from sim.strategies import REGIMES, regime_of
from sim.variables import BATCHES

CELLS = 25
#: Regime of each cell.
REGIME_OF = np.array([REGIMES.index(regime_of(c // 5, c % 5)) for c in range(CELLS)])
#: A pair's period: cell + 32 x what the first partner did + 128 x what the second did (`sim.answer_rows`).
JOINT = 512
DID = np.uint32(96)
DID_SHIFT = np.uint32(2)
NOTHING_DONE = np.uint32(int(SKIPPED) * (32 + 128))
PARTS = 4
#: Outcomes that follow from a cell: which of `sim.kernel_parts.WANTED`, and their columns.
OUTCOMES = (base.W_TRANSFER, base.W_CREATION, base.W_LEARNING, base.W_EFFICIENCY, base.W_INEQUITY)
LEARNING = OUTCOMES.index(base.W_LEARNING)
OUTCOME_COLUMNS = (tally.TRANSFER, tally.CREATION, tally.LEARNING, tally.EFFICIENCY, tally.INEQUITY)


class Counts(NamedTuple):
    """Histograms of a call.

    joint : uint32[PARTS, JOINT], since they were closed last.  before : uint32[SLOTS], cells in them a period ago.
    decisions : int64[JOINT], closed.  starts, ends : int64[recorded, SLOTS], cells at the start and end of a period.
    responses : int64[PARTS, RESPONSE_CODES], where partners are counted one by one.
    values : int64[len(OUTCOMES), 25], fixed-point outcomes of an alliance by cell; overwritten.
    """

    joint: Any
    before: Any
    decisions: Any
    starts: Any
    ends: Any
    responses: Any
    values: Any


@row_loop
def count_pairs(code: Any, other_code: Any, lanes: Any, counts: Any) -> None:
    """Count lanes by cell and decisions; four histograms side by side, so that equal ones do not wait for each other."""
    for lane in range(lanes):
        joint = np.uint32(code[lane] | np.uint32(np.uint32(other_code[lane] & DID) << DID_SHIFT))
        counts[lane & 3, np.int64(joint)] += np.uint32(1)


@row_loop
def count_cells(cell: Any, lanes: Any, counts: Any) -> None:
    """`count_pairs` of cells alone."""
    for lane in range(lanes):
        counts[lane & 3, np.int64(np.uint32(cell[lane] + NOTHING_DONE))] += np.uint32(1)


@row_loop
def count_last(cell: Any, lanes: Any, out: Any) -> None:
    """Count lanes by cell, into int64[SLOTS]."""
    for lane in range(lanes):
        out[np.int64(cell[lane])] += 1


def new_counts(recorded: int) -> Counts:
    """Empty histograms for so many recorded periods."""
    return Counts(
        np.zeros((PARTS, JOINT), np.uint32),
        np.zeros(SLOTS, np.uint32),
        np.zeros(JOINT, np.int64),
        np.zeros((recorded, SLOTS), np.int64),
        np.zeros((recorded, SLOTS), np.int64),
        np.zeros((PARTS, RESPONSE_CODES), np.int64),
        np.zeros((len(OUTCOMES), CELLS), np.int64),
    )


@step
def close_period(last_row: Any, row: Any, joint: Any, before: Any, starts: Any, ends: Any) -> None:
    """Book what was counted last, cells at a period's start and the end of the one before; -1: that is not recorded."""
    for k in range(SLOTS):
        total = np.uint32(0)
        for part in range(PARTS):
            for block in range(0, JOINT, SLOTS):
                total = np.uint32(total + joint[part, block + k])
        cells = np.int64(np.uint32(total - before[k]))
        before[k] = total
        if last_row >= 0:
            ends[last_row, k] += cells
        if row >= 0:
            starts[row, k] += cells


@step
def close_counts(joint: Any, before: Any, decisions: Any) -> None:
    """Add the joint counts to 64-bit totals and begin anew."""
    for part in range(PARTS):
        for k in range(JOINT):
            decisions[k] += np.int64(joint[part, k])
            joint[part, k] = np.uint32(0)
    for k in range(SLOTS):
        before[k] = np.uint32(0)


@step
def add_gone(recorded: Any, gone: Any, ends: Any) -> None:
    """Add removed alliances to the cells at the end of the periods from their removal on; `gone`: `sim.waves.Gone.number`.

    At the start of a period they would add nothing to its outcomes.
    """
    number = np.int64(0)
    for t in range(recorded.size):
        row = recorded[t]
        if row >= 0:
            number += gone[row]
            ends[row, 0] += number


@step
def fill_values(point: Any, tables: Any, values: Any) -> None:
    """Fill `Counts.values`; `tables` as `sim.cell_tables.fill_outcomes` fills them."""
    most = eq.most_learning(point.creation, point.mutuality)
    for cell in range(CELLS):
        learning = eq.per_partner((tables[0, cell] + tables[1, cell]) + (tables[2, cell] + tables[3, cell]), eq.TWO)
        values[0, cell] = eq.fixed_point(eq.per_partner(tables[0, cell] + tables[2, cell], eq.TWO))
        values[1, cell] = eq.fixed_point(eq.per_partner(tables[1, cell] + tables[3, cell], eq.TWO))
        values[2, cell] = eq.fixed_point(learning)
        values[3, cell] = eq.fixed_point(eq.efficiency(learning, most))
        values[4, cell] = eq.fixed_point(eq.inequity(tables[4, cell], tables[5, cell]))


@row_loop
def _learning_by_batch(product: Any, cell: Any, lanes: Any, learning: Any, out: Any) -> None:
    for lane in range(lanes):
        out[tally.batch_of(product[lane]), tally.SUM] += learning[np.int64(cell[lane])]


@step
def tally_last(batches: Any, product: Any, cell: Any, lanes: Any, values: Any, by_point: Any) -> None:
    """Tally by batch what the last period brings; `cell` at its start."""
    first = batches[tally.B_LEARNING]
    if first >= 0:
        _learning_by_batch(product, cell, lanes, values[LEARNING], by_point[first : first + BATCHES])


@step
def tally_cells(want: Any, tables: Any, outcomes: Any, states: Any, values: Any, by_period: Any) -> None:
    """What recorded periods' cells say: `outcomes` by cell at a period's start, `states` at its end; int64[rows, SLOTS].

    `tables` and `values` as of `fill_values`.
    """
    for row in range(by_period.shape[0]):
        out = by_period[row]
        for cell in range(CELLS):
            c = outcomes[row, cell]
            if c > 0:
                for k in range(len(OUTCOMES)):
                    if want[OUTCOMES[k]]:
                        out[OUTCOME_COLUMNS[k], tally.SUM] += c * values[k, cell]
                        out[OUTCOME_COLUMNS[k], tally.SQUARE] += c * values[k, cell] * values[k, cell]
                if want[base.W_EFFICIENCY] and cell > 0:
                    out[tally.EFFICIENCY_N, tally.SUM] += c
                if want[base.W_INEQUITY] and tables[5, cell] > eq.ZERO:
                    out[tally.INEQUITY_N, tally.SUM] += c
            c = states[row, cell]
            if c > 0:
                alike = cell // 5 == cell % 5
                if want[base.W_STRATEGY]:
                    for strategy in (cell // 5, cell % 5):
                        out[tally.STRATEGY_SHARE + strategy, tally.SUM] += c
                        out[tally.STRATEGY_SHARE + strategy, tally.SQUARE] += 2 * c if alike else c
                if want[base.W_REGIME]:
                    for moment in (tally.SUM, tally.SQUARE):
                        out[tally.REGIME_SHARE + REGIME_OF[cell], moment] += c
                if cell > 0:
                    if want[base.W_SURVIVAL]:
                        for moment in (tally.SUM, tally.SQUARE):
                            out[tally.SURVIVAL, moment] += c
                    if want[base.W_ACTIVE]:
                        out[tally.ACTIVE_SHARE, tally.SUM] += 2 * c
                        out[tally.ACTIVE_SHARE, tally.SQUARE] += 4 * c


@step
def tally_answers(totals: Any, by_point: Any) -> None:
    """Reconsidered responses by branch and cell, of both partners; totals: int64[JOINT]."""
    for k in range(JOINT):
        cell, how, other_how = k % SLOTS, k // SLOTS % 4, k // 128
        if how < 3:
            by_point[tally.RESPONSES + CELLS * how + cell, tally.SUM] += totals[k]
        if other_how < 3:
            by_point[tally.RESPONSES + CELLS * other_how + cell % 5 * 5 + cell // 5, tally.SUM] += totals[k]
