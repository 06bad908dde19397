"""Adding up a run: parts of points as they come in, finished points out to the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sim.labels import values_of
from sim.plan import Task
from sim.recording import layout_of
from sim.schema import Config
from sim.store import Store
from sim.tallies import Tallies


class Collector:
    """Adds up the tallies of points and writes the finished ones, a chunk of the store at a time."""

    def __init__(self, tasks: Sequence[Task], target: Store, base: Store | None, config: Config) -> None:
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
        """Write chunks whose points are all finished, or all that is finished."""
        for chunk in sorted(self.ready):
            indices = sorted(self.ready[chunk])
            if len(indices) < self.missing[chunk] and not everything:
                continue
            done = [self.tasks[k].point for k in indices]
            sums = [self.sums.pop(k) for k in indices]
            target = self.target
            values = values_of(done, sums, target.grid, target.propositions, target.theories, self.config)
            target.write(indices, values, sums, self.layout)
            self.finished += len(indices)
            self.missing[chunk] -= len(indices)
            del self.ready[chunk]
