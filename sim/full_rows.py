"""What a call of the kernel with every mechanism works on: rows of lanes and of pairs; allocated by NumPy."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sim.answer_rows import ROWS
from sim.kernel_parts import FOUR
from sim.lookup import SLOTS
from sim.response_rows import CODES
from sim.rows import LANES
from sim.variables import BINS


class Pairs(NamedTuple):
    """Rows of pairs, float32[n n, LANES]."""

    trust_up: Any
    trust_down: Any
    stakes_up: Any
    stakes_down: Any
    start_up: Any
    start_down: Any
    prior: Any
    absorptive_up: Any
    absorptive_down: Any
    communicative_up: Any
    communicative_down: Any
    remaining_up: Any
    remaining_down: Any
    learned_up: Any
    learned_down: Any
    power_up: Any
    power_down: Any
    offer_up: Any
    offer_down: Any
    transfer_up: Any
    transfer_down: Any
    created: Any
    offered_up: Any
    offered_down: Any


class Rows(NamedTuple):
    """Rows of `LANES` alliances; a first axis counts partners, units, draws of partners, or what the name says."""

    product: Any
    words: Any
    draws: Any
    meetings: Any
    missed: Any
    satings: Any
    turns: Any
    strategy: Any
    chosen: Any
    active: Any
    opens: Any
    stays: Any
    theory: Any
    aware: Any
    learned: Any
    cumulated: Any
    booked: Any
    met_reals: Any
    window: Any
    counts: Any
    review_reals: Any
    cell_totals: Any
    cell_numbers: Any
    found: Any
    found_reals: Any
    probability: Any
    joint: Any
    rank: Any
    packed: Any
    alive: Any
    ended: Any
    left: Any
    cause: Any
    active_number: Any
    open_number: Any
    met: Any
    seen: Any
    code: Any
    who: Any
    sated: Any
    turned: Any
    works: Any
    phase: Any
    cell: Any
    transfers: Any
    creations: Any
    transfer_sum: Any
    creation_sum: Any
    learning_sum: Any
    differences: Any
    totals: Any
    scratch: Any
    real: Any
    start_omega: Any
    omega: Any
    spare: Any
    openness: Any
    mutuality: Any


def new_rows(n: int, units: int) -> Rows:
    """Empty rows for n partners."""
    u4, f4 = np.uint32, np.float32
    padded = (n + FOUR - 1) // FOUR * FOUR
    marks, reals, found = np.zeros((17, LANES), u4), np.zeros((14, LANES), f4), np.zeros((ROWS, LANES), u4)
    return Rows(
        product=np.zeros(LANES, np.uint64),
        words=np.zeros((FOUR, LANES), u4),
        draws=np.zeros((padded, LANES), u4),
        meetings=np.zeros((padded, LANES), u4),
        missed=np.zeros((padded, LANES), u4),
        satings=np.zeros((padded, LANES), u4),
        turns=np.zeros((padded, LANES), u4),
        strategy=np.zeros((units, LANES), u4),
        chosen=np.zeros((units, LANES), u4),
        active=np.zeros((n, LANES), u4),
        opens=np.zeros((n, LANES), u4),
        stays=np.zeros((n, LANES), u4),
        theory=np.zeros((n, LANES), u4),
        aware=np.zeros((n, LANES), f4),
        learned=np.zeros((n, LANES), f4),
        cumulated=np.zeros((n, LANES), np.int64),
        booked=np.zeros((n, LANES), np.int32),
        met_reals=np.zeros((5, LANES), f4),
        window=np.zeros((3, LANES), f4),
        counts=np.zeros((2, LANES), u4),
        review_reals=np.zeros((4, LANES), f4),
        cell_totals=np.zeros((25, LANES), f4),
        cell_numbers=np.zeros((25, LANES), u4),
        found=found,
        found_reals=found.view(f4),
        probability=np.zeros(LANES, f4),
        joint=np.zeros(LANES, u4),
        rank=marks[0],
        packed=marks[1],
        alive=marks[2],
        ended=marks[3],
        left=marks[4],
        cause=marks[5],
        active_number=marks[6],
        open_number=marks[7],
        met=marks[8],
        seen=marks[9],
        code=marks[10],
        who=marks[11],
        sated=marks[12],
        turned=marks[13],
        works=marks[14],
        phase=marks[15],
        cell=marks[16],
        transfers=reals[0],
        creations=reals[1],
        transfer_sum=reals[2],
        creation_sum=reals[3],
        learning_sum=reals[4],
        differences=reals[5],
        totals=reals[6],
        scratch=reals[7],
        real=reals[8],
        start_omega=reals[9],
        omega=reals[10],
        spare=reals[11],
        openness=reals[12],
        mutuality=reals[13],
    )


def new_pairs(n: int) -> Pairs:
    """Empty rows of the pairs of n partners."""
    return Pairs(*(np.zeros((n * n, LANES), np.float32) for _ in Pairs._fields))


class Work(NamedTuple):
    """What a call works on.

    tables, bits : float32 and uint32[theories, ROWS, SLOTS], the same memory, see `sim.answer_rows.fill_answers`.
    needed : int64[theories], see `sim.answer_rows.rows_needed`.  responses : int64[4, theories x CODES].
     bins : int64[BINS], states : int64[columns, 2], both 0 between uses.
    """

    rows: Rows
    pairs: Pairs
    tables: Any
    bits: Any
    needed: Any
    responses: Any
    bins: Any
    states: Any


def new_work(n: int, specific: bool, theories: int, columns: int) -> Work:
    """Work for n partners, so many theories and columns of tallies by period; `specific`: strategies by ordered pair."""
    tables = np.zeros((theories, ROWS, SLOTS), np.float32)
    responses = np.zeros((FOUR, theories * CODES), np.int64)
    return Work(
        new_rows(n, n * n if specific else n), new_pairs(n), tables, tables.view(np.uint32),
        np.zeros(theories, np.int64), responses,
        np.zeros(BINS, np.int64), np.zeros((columns, 2), np.int64),
    )  # fmt: skip
