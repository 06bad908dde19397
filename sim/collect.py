"""Adding up a run: parts of points as they come in, finished points out to the store."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace

import numpy as np

from sim.labels import values_of
from sim.plan import Task
from sim.recording import layout_of
from sim.schema import Config
from sim.store import Store
from sim.tallies import Tallies, stacked

#: Chunks that may wait to be written, so that memory stays bounded where simulating is faster than writing.
MOST_WAITING = 2


class Collector:
    """Adds up the tallies of points and writes the finished ones, a chunk of the store at a time.

    Parameters
    ----------
    tasks : what the run has to do.  target : the store.  base : the store that it extends, if any.
    writers : threads that work out and write the chunks; None: `flush` does it itself.
    """

    def __init__(
        self, tasks: Sequence[Task], target: Store, base: Store | None, config: Config, writers: Executor | None = None
    ) -> None:
        self.writers, self.waiting = writers, deque[Future[int]]()
        self.target, self.base, self.config, self.finished = target, base, config, 0
        self.layout = layout_of(config)
        self.tasks = {t.index: t for t in tasks}
        self.sums: dict[int, Tallies] = {}
        self.ready: dict[int, set[int]] = {}
        self.missing: dict[int, int] = {}
        for task in tasks:
            chunk = task.index // target.chunk
            self.missing[chunk] = self.missing.get(chunk, 0) + 1

    def name(self, index: int) -> str:
        """What a message calls a point: its index and its levels."""
        labels = self.tasks[index].point.labels
        return f"point {index}" + (f" ({', '.join(f'{k}={v}' for k, v in labels.items())})" if labels else "")

    def add(self, index: int, tallies: Tallies) -> None:
        """Take in a part of a point."""
        task = self.tasks[index]
        if index not in self.sums and task.start > 0:
            tallies = self._before(index) + tallies
        elif index in self.sums:
            tallies = self.sums[index] + tallies
        self.sums[index] = tallies
        if tallies.alliances == task.stop:
            self.ready.setdefault(index // self.target.chunk, set()).add(index)

    def _before(self, index: int) -> Tallies:
        """Tallies of a point before it was extended, on the period coordinate of the extended store."""
        assert self.base is not None
        old = self.base.tallies(index, self.layout)
        wide = np.zeros((2, len(self.target.grid), *old.period.shape[2:]), np.uint64)
        wide[:, np.searchsorted(self.target.grid, self.base.grid)] = old.period
        return replace(old, period=wide)

    def flush(self, everything: bool = False) -> None:
        """Write chunks whose points are all finished, or all that is finished, which is then waited for.

        Raises
        ------
        OSError : a chunk, of this call or an earlier one, cannot be written.
        """
        for chunk in sorted(self.ready):
            indices = sorted(self.ready[chunk])
            if len(indices) < self.missing[chunk] and not everything:
                continue
            sums = [self.sums.pop(k) for k in indices]
            self.missing[chunk] -= len(indices)
            del self.ready[chunk]
            if self.writers is None:
                self.finished += self._write(indices, sums)
            else:
                self.waiting.append(self.writers.submit(self._write, indices, sums))
        while self.waiting and (everything or len(self.waiting) > MOST_WAITING or self.waiting[0].done()):
            self.finished += self.waiting.popleft().result()

    def _write(self, indices: Sequence[int], tallies: Sequence[Tallies]) -> int:
        """Work out and write the values of finished points; how many these are."""
        done, sums, target = [self.tasks[k].point for k in indices], stacked(tallies), self.target
        values = values_of(done, sums, target.grid, target.propositions, target.theories, self.config)
        target.write(indices, values, sums, self.layout)
        return len(indices)
