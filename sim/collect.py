"""Finished points, out to the store."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

import numpy as np

from sim.design import Point
from sim.labels import values_of
from sim.plan import Task
from sim.recording import layout_of
from sim.schema import Config
from sim.store import Store
from sim.tallies import Tallies, stacked

#: Chunks that may wait to be written, so that memory stays bounded where simulating is faster than writing.
MOST_WAITING = 2
#: Seconds that a finished point waits for others of its chunk.
PATIENCE = 60.0


@dataclass(frozen=True)
class Solved:
    """A point that was solved exactly: a row of the values of several."""

    values: Mapping[str, np.ndarray]
    row: int


class Collector:
    """Takes in finished points and writes them, a chunk of the store at a time.

    Parameters
    ----------
    tasks : what the run has to do.  target : the store.
    writers : threads that work out and write the chunks; None: `flush` does it itself.
    """

    def __init__(self, tasks: Sequence[Task], target: Store, config: Config, writers: Executor | None = None) -> None:
        self.writers, self.waiting = writers, deque[tuple[int, Future[int]]]()
        self.target, self.config, self.finished = target, config, 0
        self.layout = layout_of(config)
        self.tasks = {t.index: t for t in tasks}
        self.ready: dict[int, dict[int, Tallies | Solved]] = {}
        self.since: dict[int, float] = {}
        self.missing: dict[int, int] = {}
        for task in tasks:
            chunk = task.index // target.chunk
            self.missing[chunk] = self.missing.get(chunk, 0) + 1

    def name(self, index: int) -> str:
        """What a message calls a point: its index and its levels."""
        return named(index, self.tasks[index].point)

    def put(self, index: int, found: Tallies | Solved) -> None:
        """Take in a finished point: its tallies, or its values where it was solved exactly."""
        chunk = index // self.target.chunk
        self.ready.setdefault(chunk, {})[index] = found
        self.since.setdefault(chunk, time.monotonic())

    def flush(self, everything: bool = False) -> None:
        """Write chunks whose points are all finished or have waited for long, or all that is finished; that is waited for.

        Raises
        ------
        OSError : a chunk, of this call or an earlier one, cannot be written.
        """
        now = time.monotonic()
        for chunk in sorted(self.ready):
            found = self.ready[chunk]
            if len(found) < self.missing[chunk] and now - self.since[chunk] < PATIENCE and not everything:
                continue
            if len(found) < self.missing[chunk] or chunk in {at for at, _ in self.waiting}:
                # A chunk that is not whole is read again when the rest of it is written: one writer at a time.
                self._settle(lambda at, _, chunk=chunk: at == chunk)  # type: ignore[misc]
            self.missing[chunk] -= len(found)
            del self.ready[chunk], self.since[chunk]
            if self.writers is None:
                self.finished += self._write(found)
            else:
                self.waiting.append((chunk, self.writers.submit(self._write, found)))
        while self.waiting and (everything or len(self.waiting) > MOST_WAITING or self.waiting[0][1].done()):
            self.finished += self.waiting.popleft()[1].result()

    def _settle(self, which: Callable[[int, Future[int]], bool]) -> None:
        """Wait for some of what is being written."""
        for item in [item for item in self.waiting if which(*item)]:
            self.waiting.remove(item)
            self.finished += item[1].result()

    def _write(self, found: Mapping[int, Tallies | Solved]) -> int:
        """Work out and write the values of finished points of a chunk; how many these are."""
        target, points = self.target, {k: self.tasks[k].point for k in found}
        simulated = {k: found[k] for k in sorted(found) if isinstance(found[k], Tallies)}
        if simulated:
            sums = stacked([each for each in simulated.values() if isinstance(each, Tallies)])
            done = [points[k] for k in simulated]
            values = values_of(done, sums, target.grid, target.propositions, target.theories, self.config)
            target.write(list(simulated), values, sums, self.layout)
        rest = {k: each for k, each in sorted(found.items()) if not isinstance(each, Tallies)}
        if rest:
            names = next(iter(rest.values())).values
            values = {name: np.stack([each.values[name][each.row] for each in rest.values()]) for name in names}
            target.write(list(rest), values, None, self.layout)
        return len(found)


def named(index: int, point: Point) -> str:
    """What a message calls a point: its index and its levels."""
    return f"point {index}" + (f" ({', '.join(f'{k}={v}' for k, v in point.labels.items())})" if point.labels else "")
