"""A run in memory: what `sim.experiment` does with a store, for notebooks and comparisons."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence

import numpy as np

from sim import plan, precision, solving
from sim.design import Point
from sim.executor import execute
from sim.labels import proposition_labels, theory_names, values_of
from sim.recording import period_grid
from sim.schema import Config
from sim.solving import Batch
from sim.supply import supply_for
from sim.tallies import Tallies, stacked


def tallied(design: Sequence[Point], config: Config) -> list[Tallies]:
    """Simulate points, by the plan and on the executor that a config names.

    Parameters
    ----------
    design : points of the design of `config`.

    Raises
    ------
    ConfigError : a run or a target that cannot be.  RuntimeError : a block failed.
    """
    sums, _ = _run(design, config, [False] * len(design))
    return [sums[k] for k in range(len(design))]


def valued(design: Sequence[Point], config: Config) -> dict[str, np.ndarray]:
    """Labelled values of points, simulated or solved as `method` says; as `sim.labels.values_of` returns them.

    Raises
    ------
    ConfigError : a run, a target or a method that cannot be.  RuntimeError : a block failed.
    """
    sums, values = _run(design, config, solving.solved(design, config))
    if sums:
        where = sorted(sums)
        points, together = [design[k] for k in where], stacked([sums[k] for k in where])
        grid = period_grid(design, config.output.every)
        found = values_of(points, together, grid, proposition_labels(design), theory_names(design), config)
        _fill(values, where, found, len(design))
    return values


def _run(design: Sequence[Point], config: Config, exact: Sequence[bool]) -> tuple[dict[int, Tallies], dict[str, np.ndarray]]:
    """Tallies of the points that are simulated, and values at those that are solved."""
    grid = period_grid(design, config.output.every)
    plan.check_size(design, grid, config)
    if config.precision.kind == "target":
        precision.check(config, design)
    tasks = [plan.Task(k, p, 0, plan.most_alliances(p, config), exact[k]) for k, p in enumerate(design)]
    simulated = [t for t in tasks if not t.exact]
    supply = supply_for(simulated, plan.pilot(simulated, config), config, grid, len(design))
    coordinates = (grid, proposition_labels(design), theory_names(design))
    work = itertools.chain(solving.batches([t for t in tasks if t.exact], len(design), *coordinates, config), supply)
    sums: dict[int, Tallies] = {}
    values: dict[str, np.ndarray] = {}
    for block, outcome, _ in execute(work, config, threading.Event()):
        if isinstance(outcome, Exception):
            raise RuntimeError(f"a block failed: {outcome}") from outcome
        if isinstance(block, Batch):
            assert isinstance(outcome, dict)
            _fill(values, block.indices, outcome, len(design))
            continue
        assert isinstance(outcome, list)
        for segment, tallies in zip(block.segments, outcome, strict=True):
            if (whole := supply.take(segment, tallies)) is not None:
                sums[segment.point] = whole
    return sums, values


def _fill(values: dict[str, np.ndarray], where: Sequence[int], found: Mapping[str, np.ndarray], points: int) -> None:
    for name, array in found.items():
        values.setdefault(name, np.empty((points, *array.shape[1:]), array.dtype))[list(where)] = array
