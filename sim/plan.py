"""Points x alliances -> blocks of about a second: what is still to be simulated, cut into pieces of work.

How the work is cut changes no result; the layout of the store (points per chunk) does not depend on timing either.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sim.design import ConfigError, Point
from sim.recording import layout_of, partner_updates, period_grid, recorded_names, speed_class
from sim.schema import Config
from sim.variables import BY_NAME, COORDS

if TYPE_CHECKING:
    from sim.blocks import Arguments, Block

#: Partner-updates a second that chunk sizes are laid out for; a round figure, so that the layout is the same everywhere.
NOMINAL_RATE = 100e6
MAX_CHUNK_BYTES = 64 * 2**20
#: Tallies of a point larger than this are refused; `output.every` makes them smaller.
MAX_POINT_BYTES = 2**28
MAX_WORK = 2**63
#: Typical size of a compressed store over its values in memory.
COMPRESSION = 0.6
PILOT_POINTS = 3
#: Partner-updates, times partners, of one trial: a tenth of a second or less.
PILOT_WORK = 5_000_000
#: A short run is cut finer, so that every worker gets at least this many blocks and none waits long for the last.
BLOCKS_PER_WORKER = 8
LEAST_SECONDS = 0.02
#: A block may be this much longer than asked for before the next one begins.
SLACK = 1.2
#: Points are split at multiples of this many alliances, the lanes of the kernel.
SPLIT = 512

#: Class of points (`sim.recording.speed_class`) -> partner-updates a second on one core.
Rates = Mapping[tuple[int, str, bool], float]


@dataclass(frozen=True)
class Task:
    """What one point still needs: alliances ``start`` to ``stop``.

    Attributes
    ----------
    index : of the point in the store.  point : its parameters.  start, stop : range of alliances to simulate.
    """

    index: int
    point: Point
    start: int
    stop: int

    @property
    def work(self) -> int:
        """Partner-updates of the task."""
        return (self.stop - self.start) * partner_updates(self.point)


def check_size(points: Sequence[Point], grid: np.ndarray, config: Config) -> None:
    """Refuse runs that cannot be.

    Raises
    ------
    ConfigError : alliances x periods x points beyond 2^63, or a point's record larger than 256 MiB.
    """
    work = sum(p.parameters.population.alliances * p.parameters.population.periods for p in points)
    if work >= MAX_WORK:
        raise ConfigError(
            f"population.alliances x population.periods x points = {work:.3g}: must stay below 2^63 (9.2e18); "
            "use fewer alliances, periods or points."
        )
    size = bytes_per_point(grid, 0, config)
    if size > MAX_POINT_BYTES:
        raise ConfigError(
            f"output.every = {config.output.every}: a point would record {len(grid)} periods ({size / 2**20:.0f} MiB); "
            "at most 256 MiB are allowed. Record less often with output.every, or fewer output.variables."
        )


def bytes_per_point(grid: np.ndarray, propositions: int, config: Config) -> int:
    """Size of one point's labelled values and tallies in memory, in bytes."""
    lengths = {dim: len(labels) for dim, labels in COORDS.items()} | {"period": len(grid), "proposition": propositions}
    layout, cells = layout_of(config), 0
    lengths["theory"] = layout.slots
    for name in recorded_names(config):
        v = BY_NAME[name]
        size = int(np.prod([lengths[d] for d in v.dims], initial=1))
        by_period, columns = layout.columns_of(name)
        tallied = 2 * (columns.stop - columns.start) * (len(grid) if by_period else 1)
        cells += size * (1 + v.error) + (size if v.number else 0) + tallied
    return 8 * cells


def points_per_chunk(points: Sequence[Point], size: int) -> int:
    """Points that share a chunk of the store: a second or two of work, at most 64 MiB."""
    work = sum(partner_updates(p) * p.parameters.population.alliances for p in points) / len(points)
    return int(max(1, min(len(points), NOMINAL_RATE // work, MAX_CHUNK_BYTES // max(size, 1))))


def workers_of(config: Config) -> int:
    """Number of workers a config asks for; by default the cores this process may use."""
    if config.compute.kind == "serial":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return config.compute.workers or cores


def pilot(tasks: Sequence[Task], config: Config) -> Rates:
    """Partner-updates a second on one core by class of points, from short trials of a few points of each.

    The first call also compiles the kernel, or loads it from its cache.
    """
    from sim.blocks import arguments_of, run_segment

    classes: dict[tuple[int, str, bool], list[Task]] = {}
    for task in tasks:
        classes.setdefault(speed_class(task.point), []).append(task)
    rates: dict[tuple[int, str, bool], float] = {}
    for kind, group in classes.items():
        seconds, work = 0.0, 0
        for k in sorted({len(group) * i // PILOT_POINTS for i in range(PILOT_POINTS)} | {len(group) - 1}):
            short = _shortened(group[k].point, kind[0])
            arguments = arguments_of(short, config, period_grid([short], config.output.every))
            if not work:
                # Loads, or compiles, the form of the kernel that the class needs.
                run_segment(arguments, 0, 1)
            started = time.perf_counter()
            run_segment(arguments, group[k].start, SPLIT)
            seconds += time.perf_counter() - started
            work += SPLIT * partner_updates(short)
        rates[kind] = work / max(seconds, 1e-9)
    return rates


def _shortened(point: Point, partners: int) -> Point:
    """A point followed for no more periods than a short trial takes."""
    population = point.parameters.population
    most = max(1, PILOT_WORK // (SPLIT * partners * partners))
    if population.periods <= most:
        return point
    fewer = population.model_copy(update={"periods": most})
    return replace(point, parameters=point.parameters.model_copy(update={"population": fewer}))


def seconds_of(tasks: Sequence[Task], rates: Rates) -> float:
    """Estimated time of tasks on one core."""
    return sum(t.work / rates[speed_class(t.point)] for t in tasks)


def block_seconds(tasks: Sequence[Task], rates: Rates, config: Config) -> float:
    """Aimed-at duration of a block: `compute.block_seconds`, or less where the whole run is short."""
    fair = seconds_of(tasks, rates) / (workers_of(config) * BLOCKS_PER_WORKER)
    return min(config.compute.block_seconds, max(fair, LEAST_SECONDS))


def pack(tasks: Sequence[Task], rates: Rates, seconds: float, chunk: int) -> Iterator[list[tuple[Task, int, int]]]:
    """Cut tasks into groups of (task, first alliance, count) worth about `seconds` on one core each, in order.

    Small points share a group, large ones are split at multiples of the lane width; a group stays within a chunk of
    the store.
    """
    group: list[tuple[Task, int, int]] = []
    filled, current = 0.0, -1
    for task in tasks:
        each = partner_updates(task.point) / rates[speed_class(task.point)]
        step = max(SPLIT, int(seconds / each) // SPLIT * SPLIT)
        for start in range(task.start, task.stop, step):
            count = min(step, task.stop - start)
            if group and (filled + count * each > SLACK * seconds or task.index // chunk != current):
                yield group
                group, filled = [], 0.0
            group.append((task, start, count))
            filled += count * each
            current = task.index // chunk
    if group:
        yield group


def blocks(tasks: Sequence[Task], rates: Rates, config: Config, grid: np.ndarray, chunk: int) -> Iterator[Block]:
    """The blocks of a run, made one at a time."""
    from sim.blocks import Block, Segment, arguments_of

    prepared: tuple[int, Arguments] | None = None
    for number, group in enumerate(pack(tasks, rates, block_seconds(tasks, rates, config), chunk)):
        arguments = []
        for task, _, _ in group:
            if prepared is None or prepared[0] != task.index:
                prepared = (task.index, arguments_of(task.point, config, grid))
            arguments.append(prepared[1])
        yield Block(number, tuple(Segment(t.index, first, count) for t, first, count in group), tuple(arguments))
