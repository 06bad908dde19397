"""Points x alliances -> blocks of about a second: what is still to be simulated, cut into pieces of work.

How the work is cut changes no result; the layout of the store (points per chunk) does not depend on timing either.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from sim.design import ConfigError, Point
from sim.recording import layout_of, partner_updates, period_grid, recorded_names, speed_class
from sim.schema import Config
from sim.shards import WHOLE, Share
from sim.variables import BY_NAME, COORDS

if TYPE_CHECKING:
    from sim.blocks import Arguments, Block

#: Partner-updates a second that chunk sizes are laid out for; a round figure, so that the layout is the same everywhere.
NOMINAL_RATE = 100e6
NOMINAL_ALLIANCES = 10_000
MAX_CHUNK_BYTES = 64 * 2**20
#: Tallies of a point larger than this are refused; `output.every` makes them smaller.
MAX_POINT_BYTES = 2**28
MAX_WORK = 2**63
#: Typical size of a compressed store over its values in memory.
COMPRESSION = 0.6
PILOT_POINTS = 3
#: Partner-updates, times partners, of one trial: a tenth of a second or less.
PILOT_WORK = 10_000_000
#: Alliances of one trial: several chunks of lanes, as the more there are the less those that dissolve cost.
PILOT_ALLIANCES = 4096
#: At least this many blocks of a size are left to every worker, so that none waits long for the last.
BLOCKS_LEFT = 4
LEAST_SECONDS = 0.02
#: A block may be this much longer than asked for before the next one begins.
SLACK = 1.2
#: Points are split at multiples of this many alliances, the lanes of the kernel.
SPLIT = 576

#: Class of points (`sim.recording.speed_class`) -> partner-updates a second on one core.
Rates = Mapping[tuple[int, str, bool], float]


@dataclass(frozen=True)
class Task:
    """What one point still needs: alliances ``start`` to ``stop``.

    Attributes
    ----------
    index : of the point in the store.  point : its parameters.
    start, stop : range of alliances to simulate; with a target, the most there may be.
    exact : the point is solved; nothing is simulated.
    share : the alliances of the point that this run has; `start` and `stop` count these.
    """

    index: int
    point: Point
    start: int
    stop: int
    exact: bool = False
    share: Share = WHOLE

    @cached_property
    def each(self) -> int:
        """Partner-updates of one alliance."""
        return partner_updates(self.point)

    @property
    def work(self) -> int:
        """Partner-updates of the task; with a target, the most there may be."""
        return 0 if self.exact else (self.stop - self.start) * self.each

    @cached_property
    def kind(self) -> tuple[int, str, bool]:
        """Class of the point, `sim.recording.speed_class`."""
        return speed_class(self.point)


def check_size(points: Sequence[Point], grid: np.ndarray, config: Config) -> None:
    """Refuse runs that cannot be.

    Raises
    ------
    ConfigError : alliances x periods x points beyond 2^63, or a point's record larger than 256 MiB.
    """
    work = sum(most_alliances(p, config) * p.parameters.population.periods for p in points)
    if work >= MAX_WORK:
        key = "population.alliances" if config.precision.kind == "fixed" else "precision.max_alliances"
        raise ConfigError(
            f"{key} x population.periods x points = {work:.3g}: must stay below 2^63 (9.2e18); "
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


def most_alliances(point: Point, config: Config) -> int:
    """The most alliances of a point that a run may simulate."""
    fixed = config.precision.kind == "fixed"
    return point.parameters.population.alliances if fixed else config.precision.max_alliances


def points_per_chunk(points: Sequence[Point], size: int, config: Config) -> int:
    """Points that share a chunk of the store: a second or two of work, at most 64 MiB.

    With a target, about as many as fixed numbers of `NOMINAL_ALLIANCES` would make; points that are solved count as one.
    """
    most = {"exact": 1}.get(config.method, 2**63 if config.precision.kind == "fixed" else NOMINAL_ALLIANCES)
    work = sum(partner_updates(p) * min(most, most_alliances(p, config)) for p in points) / len(points)
    return int(max(1, min(len(points), NOMINAL_RATE // work, MAX_CHUNK_BYTES // max(size, 1))))


def dealt_block(point: Point) -> int:
    """Alliances of a block that is dealt to a shard: about a second's, at the nominal rate, the same for all shards."""
    return max(SPLIT, int(NOMINAL_RATE / partner_updates(point)) // SPLIT * SPLIT)


def workers_of(config: Config) -> int:
    """Number of workers a config asks for, or the cores this process may use; 1 where only a Dask scheduler knows."""
    if config.compute.kind == "serial":
        return 1
    return config.compute.workers or (1 if config.compute.kind == "scheduler" else cores())


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pilot(tasks: Sequence[Task], config: Config) -> Rates:
    """Partner-updates a second on one core by class of points, from short trials of a few points of each.

    The first call also compiles the kernel, or loads it from its cache.
    """
    from sim.blocks import arguments_of, run_segment
    from sim.warmup import compile_missing

    classes: dict[tuple[int, str, bool], list[Task]] = {}
    for task in tasks:
        classes.setdefault(task.kind, []).append(task)
    firsts = [_followed_for(1, group[0].point) for group in classes.values()]
    needed = [arguments_of(point, config, period_grid([point], config.output.every)) for point in firsts]
    compile_missing(needed, cores())
    rates: dict[tuple[int, str, bool], float] = {}
    for kind, group in classes.items():
        seconds, work = 0.0, 0
        for k in sorted({len(group) * i // PILOT_POINTS for i in range(PILOT_POINTS)} | {len(group) - 1}):
            short = _shortened(group[k].point, kind[0])
            arguments = arguments_of(short, config, period_grid([short], config.output.every))
            if not work:
                # Loads, or compiles, the form of the kernel that the class needs.
                run_segment(arguments, 0, 1)
            count = min(group[k].stop - group[k].start, PILOT_ALLIANCES)
            started = time.perf_counter()
            run_segment(arguments, group[k].start, count)
            seconds += time.perf_counter() - started
            work += count * partner_updates(short)
        rates[kind] = work / max(seconds, 1e-9)
    return rates


def _shortened(point: Point, partners: int) -> Point:
    """A point followed for no more periods than a short trial takes."""
    population = point.parameters.population
    most = max(1, PILOT_WORK // (PILOT_ALLIANCES * partners * partners))
    return point if population.periods <= most else _followed_for(most, point)


def _followed_for(periods: int, point: Point) -> Point:
    fewer = point.parameters.population.model_copy(update={"periods": periods})
    return replace(point, parameters=point.parameters.model_copy(update={"population": fewer}))


def seconds_of(tasks: Sequence[Task], rates: Rates) -> float:
    """Estimated time of tasks on one core."""
    return sum(t.work / rates[t.kind] for t in tasks)


def pack(tasks: Sequence[Task], rates: Rates, config: Config, chunk: int) -> Iterator[list[tuple[Task, int, int]]]:
    """Cut tasks into groups of (task, first alliance, count), in order: blocks.

    A group is worth about `compute.block_seconds` on one core, less towards the end, so that no worker waits long for the
    last. Small points share a group, large ones are split at multiples of the lane width; a group stays within a chunk of
    the store.
    """
    group: list[tuple[Task, int, int]] = []
    filled, current = 0.0, -1
    left = seconds_of(tasks, rates)
    seconds = fair(left, config)
    for task in tasks:
        each = task.each / rates[task.kind]
        start = task.start
        while start < task.stop:
            if group and (task.index // chunk != current or filled + (task.stop - start) * each > SLACK * seconds):
                yield group
                left -= filled
                seconds = fair(left, config)
                group, filled = [], 0.0
            current = task.index // chunk
            step = max(SPLIT, int(seconds / each) // SPLIT * SPLIT)
            count = task.stop - start if (task.stop - start) * each <= SLACK * seconds else min(step, task.stop - start)
            count = min(count, task.share.left(start))
            group.append((task, task.share.where(start), count))
            filled += count * each
            start += count
    if group:
        yield group


def fair(left: float, config: Config) -> float:
    """Aimed-at duration of a block when so many seconds of work, on one core, are left: less towards the end."""
    return min(config.compute.block_seconds, max(left / (workers_of(config) * BLOCKS_LEFT), LEAST_SECONDS))


def blocks(tasks: Sequence[Task], rates: Rates, config: Config, grid: np.ndarray, chunk: int) -> Iterator[Block]:
    """The blocks of a run, made one at a time."""
    from sim.blocks import Block, Segment
    from sim.templates import Templates

    templates = Templates(config, grid)
    prepared: tuple[int, Arguments] | None = None
    for number, group in enumerate(pack(tasks, rates, config, chunk)):
        arguments = []
        for task, _, _ in group:
            if prepared is None or prepared[0] != task.index:
                prepared = (task.index, templates.arguments(task.point))
            arguments.append(prepared[1])
        yield Block(number, tuple(Segment(t.index, first, count) for t, first, count in group), tuple(arguments))
