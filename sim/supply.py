"""Work as it is handed out, and what comes back of it: a fixed number of alliances, or as many as a target takes.

A supply gives blocks one at a time, None where there is nothing to do until more has come back. `take` adds up what came
back and returns the tallies of a point that is finished.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sim import plan, precision
from sim.blocks import Arguments, Block, Segment, run_segment
from sim.plan import Rates, Task
from sim.schema import Config
from sim.tallies import Tallies
from sim.templates import Templates

#: Most points in a block of `Adaptive`: all that have begun are held in memory.
MOST_SEGMENTS = 64
#: Points that the plan of a run with a target is predicted from, and the time that may take.
FORECAST_POINTS = 64
FORECAST_SECONDS = 2.0
#: Tallies of a point as they were before it is extended.
Before = Callable[[int], Tallies]


class Fixed:
    """Every point up to the `stop` of its task."""

    def __init__(
        self, tasks: Sequence[Task], rates: Rates, config: Config, grid: np.ndarray, chunk: int, before: Before | None = None
    ) -> None:
        self.tasks = {t.index: t for t in tasks}
        self.blocks = plan.blocks(tasks, rates, config, grid, chunk)
        self.before = before
        self.sums: dict[int, Tallies] = {}
        #: Partner-updates in all.
        self.work = sum(t.work for t in tasks)

    def __iter__(self) -> Iterator[Block | None]:
        return self

    def __next__(self) -> Block | None:
        return next(self.blocks)

    def take(self, segment: Segment, tallies: Tallies) -> Tallies | None:
        """Take in a part of a point; the sums of all of it, once it is finished."""
        index, task = segment.point, self.tasks[segment.point]
        if index in self.sums:
            tallies = self.sums[index] + tallies
        elif task.start > 0:
            assert self.before is not None
            tallies = self.before(index) + tallies
        if tallies.alliances < task.stop:
            self.sums[index] = tallies
            return None
        self.sums.pop(index, None)
        return tallies

    def drop(self, block: Block) -> None:
        """A block failed; its points stay unfinished."""


@dataclass(eq=False)
class _Course:
    """A point on its way: `size` alliances are added up, `goal` is the next look, `handed` were given out."""

    task: Task
    arguments: Arguments
    total: Tallies | None
    size: int
    goal: int
    handed: int
    interval: Tallies | None = None
    expected: int = 0


class Adaptive:
    """Every point from look to look, until the target of `sim.precision` is met or `max_alliances` are reached."""

    def __init__(
        self, tasks: Sequence[Task], rates: Rates, config: Config, grid: np.ndarray, before: Before | None = None
    ) -> None:
        self.rates, self.config, self.grid, self.before = rates, config, grid, before
        self.templates = Templates(config, grid)
        self.waiting = deque(tasks)
        self.ready: deque[_Course] = deque()
        self.courses: dict[int, _Course] = {}
        self.number = 0
        self.first = precision.looks(config.precision.max_alliances)[0]
        self.waiting_seconds = sum(self._seconds(t, self.first) for t in tasks)
        self.ready_seconds = 0.0
        #: Work of points that were looked at, as expected then, how many these are, and how many there are.
        self.looked_work, self.looked, self.total = 0, 0, len(tasks)

    def _seconds(self, task: Task, count: int) -> float:
        return count * task.each / self.rates[task.kind]

    @property
    def work(self) -> int:
        """Partner-updates in all, as far as can be said."""
        if not self.looked:
            return sum(self.first * t.each for t in self.waiting) + sum(c.goal * c.task.each for c in self.courses.values())
        return self.looked_work * self.total // self.looked

    def __iter__(self) -> Iterator[Block | None]:
        return self

    def __next__(self) -> Block | None:
        seconds = plan.fair(self.ready_seconds + self.waiting_seconds, self.config)
        segments: list[Segment] = []
        arguments: list[Arguments] = []
        filled = 0.0
        while filled < seconds and len(segments) < MOST_SEGMENTS and (self.ready or self.waiting):
            if not self.ready:
                self._begin(self.waiting.popleft())
            course = self.ready[0]
            each = self._seconds(course.task, 1)
            left = course.goal - course.handed
            step = max(plan.SPLIT, int((seconds - filled) / each) // plan.SPLIT * plan.SPLIT)
            count = left if left * each <= plan.SLACK * (seconds - filled) else min(step, left)
            segments.append(Segment(course.task.index, course.handed, count))
            arguments.append(course.arguments)
            course.handed += count
            filled += count * each
            self.ready_seconds -= count * each
            if course.handed == course.goal:
                self.ready.popleft()
        if not segments:
            return None
        self.number += 1
        return Block(self.number - 1, tuple(segments), tuple(arguments))

    def _begin(self, task: Task) -> None:
        self.waiting_seconds -= self._seconds(task, self.first)
        course = _Course(task, self.templates.arguments(task.point), None, task.start, self.first, task.start)
        if task.start > 0:
            assert self.before is not None
            course.total = self.before(task.index)
            course.goal = precision.next_look(self._cells(course), task.start, self.config)
        self.courses[task.index] = course
        self._ready(course)

    def _ready(self, course: _Course) -> None:
        self.ready.append(course)
        self.ready_seconds += self._seconds(course.task, course.goal - course.handed)

    def _cells(self, course: _Course) -> precision.Cells:
        assert course.total is not None
        return precision.cells_of(course.task.point, course.total, self.grid, self.config)

    def take(self, segment: Segment, tallies: Tallies) -> Tallies | None:
        """Take in a part of a point; the sums of all of it, once it is finished."""
        course = self.courses.get(segment.point)
        if course is None:
            return None
        course.interval = tallies if course.interval is None else course.interval + tallies
        if course.size + course.interval.alliances < course.goal:
            return None
        course.total = course.interval if course.total is None else course.total + course.interval
        course.size, course.interval = course.goal, None
        cells = self._cells(course)
        ends = course.size >= self.config.precision.max_alliances or precision.holds(cells, self.config)
        self._expect(
            course,
            course.size if ends else precision.look_for(precision.needed(cells, course.size, self.config), self.config),
        )
        if ends:
            del self.courses[segment.point]
            return course.total
        course.goal = precision.next_look(cells, course.size, self.config)
        self._ready(course)
        return None

    def _expect(self, course: _Course, size: int) -> None:
        work = (max(size, course.size) - course.task.start) * course.task.each
        self.looked += course.expected == 0
        self.looked_work += work - course.expected
        course.expected = work

    def drop(self, block: Block) -> None:
        """A block failed; its points stay unfinished."""
        for segment in block.segments:
            course = self.courses.pop(segment.point, None)
            if course is not None and course in self.ready:
                self.ready.remove(course)
                self.ready_seconds -= self._seconds(course.task, course.goal - course.handed)


def supply_for(
    tasks: Sequence[Task], rates: Rates, config: Config, grid: np.ndarray, chunk: int, before: Before | None = None
) -> Fixed | Adaptive:
    """What hands out the alliances of a run: of tasks that are simulated, in a store with `chunk` points to a chunk."""
    if config.precision.kind == "target":
        return Adaptive(tasks, rates, config, grid, before)
    return Fixed(tasks, rates, config, grid, chunk, before)


def forecast(tasks: Sequence[Task], config: Config, grid: np.ndarray) -> list[tuple[Task, float]]:
    """Some tasks of a run with a target, evenly spread, and how many alliances each will probably take.

    Simulates the first look of each, for no longer than `FORECAST_SECONDS`; this decides nothing.
    """
    templates, size = Templates(config, grid), precision.looks(config.precision.max_alliances)[0]
    spread = sorted({(len(tasks) - 1) * k // (FORECAST_POINTS - 1) for k in range(FORECAST_POINTS)})
    found: list[tuple[Task, float]] = []
    started = time.monotonic()
    # In an order that is spread evenly wherever it ends.
    for k in sorted(range(len(spread)), key=lambda k: int(f"{k:06b}"[::-1], 2)):
        task = tasks[spread[k]]
        tallies = run_segment(templates.arguments(task.point), 0, size)
        cells = precision.cells_of(task.point, tallies, grid, config)
        found.append((task, precision.needed(cells, size, config)))
        if time.monotonic() - started > FORECAST_SECONDS:
            break
    return found
