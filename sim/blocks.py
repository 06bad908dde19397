"""One block -> tallies: the only calls of the kernels."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from sim import kernel_parts
from sim.arguments import Arguments, arguments_of
from sim.base_state import work_for
from sim.full_kernel import simulate_full
from sim.full_rows import new_work as new_full_work
from sim.full_state import SPECIFIC, Trace
from sim.kernel import simulate
from sim.pair_kernel import simulate_pairs
from sim.tallies import Tallies

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
    return _summed(arguments, first, count, *_empty(arguments, 1)).widened()


def _empty(a: Arguments, segments: int) -> tuple[np.ndarray, np.ndarray]:
    """Room for the sums of some segments."""
    return (
        np.zeros((segments, a.rows, len(a.layout.period), 2), np.int64),
        np.zeros((segments, len(a.layout.point), 2), np.int64),
    )


def _summed(a: Arguments, first: int, count: int, by_period: np.ndarray, by_point: np.ndarray) -> Tallies:
    """Tallies of a segment, its first call of the kernel in the given room, (1, ...) and empty."""
    most = kernel_parts.MAX_ALLIANCES
    done = _run(a, first, min(most, count), no_trace(), by_period, by_point)
    for start in range(first + most, first + count, most):
        done = done + _run(a, start, min(most, first + count - start), no_trace(), *_empty(a, 1))
    return done


def _run(a: Arguments, first: int, count: int, trace: Trace, by_period: np.ndarray, by_point: np.ndarray) -> Tallies:
    """One call of the kernel that a point needs, adding to sums of one segment."""
    if a.tables is not None:
        t = a.tables
        partners = int(a.point["partners"])
        simulate_base = simulate_pairs if partners == 2 else simulate
        simulate_base(
            a.point[()], np.uint64(first), count, a.mix, t.cells, t.reals, a.recorded, a.want, a.batches,
            work_for(partners, count, a.rows, len(a.layout.period)), by_period[0], by_point[0],
        )  # fmt: skip
    else:
        assert a.full is not None
        f = a.full
        work = new_full_work(
            int(a.point["partners"]), int(a.point["coupling"]) == SPECIFIC, f.theories.initial.size, len(a.layout.period)
        )
        simulate_full(
            a.point[()], np.uint64(first), count, a.mix, f.starts, f.theories, f.phases, a.recorded, a.want, a.batches,
            f.extra, a.layout.slots, work, by_period[0], by_point[0], trace,
        )  # fmt: skip
    # The sums of one call stay below 2^63.
    return Tallies(by_period.view(np.uint64), by_point.view(np.uint64), count)


@functools.cache
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
    return trace, _run(arguments, first, count, trace, *_empty(arguments, 1)).widened()


def run_block(block: Block) -> list[Tallies]:
    """Tallies of each segment of a block, in order; they lie side by side, so that small points are written as they are."""
    by_period, by_point = _empty(block.arguments[0], len(block.segments))
    return [
        _summed(a, s.first, s.count, by_period[k : k + 1], by_point[k : k + 1])
        for k, (s, a) in enumerate(zip(block.segments, block.arguments, strict=True))
    ]
