"""What a call of the base model's kernels works on: chunks of alliances, rows, tables by cell; allocated by NumPy."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np

from sim.answer_rows import RESPONSE_CODES, ROWS
from sim.cell_tables import MOVES, OUTCOMES
from sim.kernel_parts import FOUR
from sim.lookup import SLOTS
from sim.pair_tally import Counts, new_counts
from sim.rows import LANES
from sim.variables import BINS
from sim.waves import Gone, State, new_gone

#: Memory that chunks side by side may take: less than a third-level cache holds.
WAVE_BYTES = 16 * 2**20
#: Most chunks side by side.
MOST_CHUNKS = 32
_kept = threading.local()


class Tables(NamedTuple):
    """Tables by cell, as reals and as the bits that are looked up; see `sim.cell_tables` and `sim.answer_rows`."""

    outcomes: Any
    outcome_bits: Any
    moves: Any
    move_bits: Any
    answers: Any
    answer_bits: Any
    learned: Any


class PairRows(NamedTuple):
    """Rows that two partners need within a period; a first axis counts what the name says."""

    words: Any
    missed: Any
    cell: Any
    seen: Any
    code: Any
    found: Any
    found_reals: Any
    probability: Any
    scratch: Any


class GroupRows(NamedTuple):
    """Rows that more partners need within a period.

    met_reals : trust, stakes, prior interaction with the counterpart.  sums : transfer, creation, learning over partners.
    inequity : differences, totals.  received : transfers of all partners, then creations.
    """

    words: Any
    draws: Any
    meetings: Any
    held: Any
    rank: Any
    met: Any
    seen: Any
    cell: Any
    code: Any
    found: Any
    found_reals: Any
    met_reals: Any
    probability: Any
    sums: Any
    inequity: Any
    received: Any
    scratch: Any


class Work(NamedTuple):
    """All of it.

    state : `sim.waves.State`.  rows : `PairRows` or `GroupRows`.  counts : `sim.pair_tally.Counts`, of two partners, or
    int64[4, RESPONSE_CODES].  gone : `sim.waves.Gone`.  bins : int64[BINS], states : int64[columns, 2], 0 between uses.
    """

    state: State
    rows: Any
    tables: Tables
    counts: Any
    gone: Gone
    bins: Any
    states: Any


def chunks_of(n: int, count: int) -> int:
    """How many chunks of alliances go side by side: as many as there are, `MOST_CHUNKS`, or as fit `WAVE_BYTES`."""
    values = 8 + 7 * n + 5 * n * (n - 1) // 2
    return max(1, min(MOST_CHUNKS, -(-count // LANES), WAVE_BYTES // (4 * LANES * values)))


def new_tables() -> Tables:
    """Empty tables; entries of no cell are 0."""
    outcomes, moves, answers = (np.zeros((rows, SLOTS), np.float32) for rows in (OUTCOMES, MOVES, ROWS))
    u4 = np.uint32
    return Tables(outcomes, outcomes.view(u4), moves, moves.view(u4), answers, answers.view(u4), np.zeros((2, SLOTS), u4))


def new_state(n: int, chunks: int) -> State:
    """Chunks of alliances of n partners, not formed yet."""
    u4, f4, i8 = np.uint32, np.float32, np.int64
    return State(
        lanes=np.zeros(chunks, i8),
        living=np.zeros(chunks, i8),
        product=np.zeros((chunks, LANES), np.uint64),
        alive=np.zeros((chunks, LANES), u4),
        ended=np.zeros((chunks, LANES), u4),
        packed=np.zeros((chunks, LANES), u4),
        strategy=np.zeros((chunks, 2, n, LANES), u4),
        aware=np.zeros((chunks, n, LANES), f4),
        learned=np.zeros((chunks, n, LANES), np.int32),
        cumulated=np.zeros((chunks, n, LANES), i8),
        context=np.zeros((chunks, 5, n * (n - 1) // 2, LANES), f4),
        exited=np.zeros(LANES, u4),
    )


def new_rows(n: int) -> PairRows | GroupRows:
    """Rows for n partners."""
    u4, f4 = np.uint32, np.float32
    found = np.zeros((ROWS, LANES), u4)
    draws = np.zeros((-(-n // FOUR) * FOUR, LANES), u4)
    if n == 2:
        return PairRows(
            words=np.zeros((FOUR, LANES), u4),
            missed=draws,
            cell=np.zeros((2, LANES), u4),
            seen=np.zeros(LANES, u4),
            code=np.zeros((2, LANES), u4),
            found=found,
            found_reals=found.view(f4),
            probability=np.zeros(LANES, f4),
            scratch=np.zeros(LANES, f4),
        )
    return GroupRows(
        words=np.zeros((FOUR, LANES), u4),
        draws=draws,
        meetings=draws.copy(),
        held=np.zeros((FOUR, LANES), u4),
        rank=np.zeros(LANES, u4),
        met=np.zeros(LANES, u4),
        seen=np.zeros(LANES, u4),
        cell=np.zeros(LANES, u4),
        code=np.zeros(LANES, u4),
        found=found,
        found_reals=found.view(f4),
        met_reals=np.zeros((3, LANES), f4),
        probability=np.zeros(LANES, f4),
        sums=np.zeros((3, LANES), f4),
        inequity=np.zeros((2, LANES), f4),
        received=np.zeros((2 * n, LANES), f4),
        scratch=np.zeros(LANES, f4),
    )


def work_for(n: int, count: int, recorded: int, columns: int) -> Work:
    """Work for `count` alliances of n partners, so many recorded periods, and so many columns of tallies by period.

    What a kernel does not expect to be empty is handed out again to the same thread.
    """
    key, kept = (n, chunks_of(n, count)), _kept.__dict__
    if kept.get("key") != key:
        kept.update(key=key, room=(new_state(*key), new_rows(n), new_tables()))
    counts: Counts | np.ndarray = new_counts(recorded) if n == 2 else np.zeros((FOUR, RESPONSE_CODES), np.int64)
    state, rows, tables = kept["room"]
    bins, states = np.zeros(BINS, np.int64), np.zeros((columns, 2), np.int64)
    return Work(state, rows, tables, counts, new_gone(recorded, columns), bins, states)
