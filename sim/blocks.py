"""One block -> tallies: the only calls of the kernels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim import kernel_parts
from sim.arguments import Arguments, arguments_of
from sim.base_state import new_work
from sim.full_kernel import simulate_full
from sim.full_state import SPECIFIC, Trace
from sim.full_state import new_work as new_full_work
from sim.kernel import simulate
from sim.pair_kernel import simulate_pairs
from sim.tallies import Tallies, widen

__all__ = ["Arguments", "Block", "Segment", "arguments_of", "run_block", "run_segment", "traced"]


@dataclass(frozen=True)
class Segment:
    """Alliances ``first`` to ``first + count`` of the point at index `point`."""

    point: int
    first: int
    count: int


@dataclass(frozen=True)
class Block:
    """A piece of work for one worker: segments with the arguments of their points."""

    number: int
    segments: tuple[Segment, ...]
    arguments: tuple[Arguments, ...]


def run_segment(arguments: Arguments, first: int, count: int) -> Tallies:
    """Simulate alliances ``first`` to ``first + count`` of a point.

    Returns
    -------
    Tallies : period (2, rows, columns, 2), point (2, columns, 2); the same bits however a range is split.
    """
    done: Tallies | None = None
    for start in range(first, first + count, kernel_parts.MAX_ALLIANCES):
        part = _run(arguments, start, min(kernel_parts.MAX_ALLIANCES, first + count - start), no_trace())
        done = part if done is None else done + part
    assert done is not None
    return done


def _run(a: Arguments, first: int, count: int, trace: Trace) -> Tallies:
    """One call of the kernel that a point needs."""
    by_period = np.zeros((a.rows, len(a.layout.period), 2), np.int64)
    by_point = np.zeros((len(a.layout.point), 2), np.int64)
    if a.tables is not None:
        t = a.tables
        partners = int(a.point["partners"])
        simulate_base = simulate_pairs if partners == 2 else simulate
        simulate_base(
            a.point[()], np.uint64(first), count, a.mix, t.cells, t.reals, a.recorded, a.want,
            new_work(partners, count, a.rows, len(a.layout.period)), by_period, by_point,
        )  # fmt: skip
    else:
        assert a.full is not None
        f = a.full
        work = new_full_work(
            int(a.point["partners"]), int(a.point["coupling"]) == SPECIFIC, f.theories.initial.size, len(a.layout.period)
        )
        simulate_full(
            a.point[()], np.uint64(first), count, a.mix, f.starts, f.theories, f.phases, a.recorded, a.want, f.extra,
            a.layout.slots, work, by_period, by_point, trace,
        )  # fmt: skip
    return Tallies(widen(by_period), widen(by_point), count)


def no_trace() -> Trace:
    """A trace that notes nothing."""
    return new_trace(0, 0, 0, 0, 0)


def new_trace(first: int, rows: int, partners: int, units: int, lanes: int) -> Trace:
    """An empty trace of `lanes` alliances and the periods from `first` on; see `sim.full_state.Trace`."""
    return Trace(
        first,
        np.zeros((rows, 5, units, lanes), np.uint8),
        np.zeros((rows, partners, lanes), np.uint8),
        np.zeros((2, partners, lanes), np.uint8),
        np.full((rows, 8, partners**2, lanes), np.nan, np.float32),
        np.zeros((rows, 2, lanes), np.float32),
        np.zeros((3, lanes), np.uint32),
    )


def traced(arguments: Arguments, first: int, count: int, start: int = 0) -> tuple[Trace, Tallies]:
    """Histories of alliances ``first`` to ``first + count`` of a point, and what they add to its tallies.

    Parameters
    ----------
    arguments : of the form with every mechanism.  count : 1 to `sim.rows.LANES`.
    start : the first period that is noted; the last is that of the arguments.
    """
    partners, periods = int(arguments.point["partners"]), int(arguments.point["periods"])
    units = partners**2 if int(arguments.point["coupling"]) == SPECIFIC else partners
    trace = new_trace(start, periods + 1 - start, partners, units, count)
    return trace, _run(arguments, first, count, trace)


def run_block(block: Block) -> list[Tallies]:
    """Tallies of each segment of a block, in order."""
    return [run_segment(a, s.first, s.count) for s, a in zip(block.segments, block.arguments, strict=True)]
