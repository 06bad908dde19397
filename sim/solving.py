"""Which points are solved exactly, and in what batches: `method` between the Markov chain and the simulation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sim import theory
from sim.design import ConfigError, Point
from sim.plan import Task
from sim.provenance import theory_sources
from sim.schema import Config

#: Most points solved together; they share what they can.
MOST_POINTS = 256


@dataclass(frozen=True)
class Batch:
    """Points to be solved together.

    Attributes
    ----------
    indices : of the points in the store.  points : their parameters.
    grid, propositions, theories : coordinates of the store.  config : the run.
    texts : name -> text of each theory; a worker may stand in a folder with other files of these names, or none.
    """

    indices: tuple[int, ...]
    points: tuple[Point, ...]
    grid: np.ndarray
    propositions: tuple[str, ...]
    theories: tuple[str, ...]
    config: Config
    texts: Mapping[str, str]


def solve(batch: Batch) -> dict[str, np.ndarray]:
    """Labelled values of the points of a batch, as `sim.labels.values_of` returns them."""
    from sim import exact

    with theory.given_texts(batch.texts):
        return exact.values(batch.points, batch.grid, batch.propositions, batch.theories, batch.config)


def solved(points: Sequence[Point], config: Config) -> list[bool]:
    """Whether each point is solved exactly.

    Raises
    ------
    ConfigError : `method` is exact, and a point has no chain.
    """
    if config.method == "simulate":
        return [False] * len(points)
    from sim import exact

    reasons = [exact.refusal(point.parameters) for point in points]
    refused = [k for k, reason in enumerate(reasons) if reason is not None]
    if refused and config.method == "exact":
        first = points[refused[0]].labels
        where = f" ({', '.join(f'{k}={v}' for k, v in first.items())})" if first else ""
        which = f"{len(refused)} of {len(points)} points have no exact form{where}: " if len(points) > 1 else ""
        raise ConfigError(
            f"method = exact: {which}{reasons[refused[0]]} "
            "method=auto solves the points that have one and simulates the rest."
        )
    return [reason is None for reason in reasons]


def batches(
    tasks: Sequence[Task], chunk: int, grid: np.ndarray, propositions: tuple[str, ...], theories: tuple[str, ...],
    config: Config,
) -> Iterator[Batch]:  # fmt: skip
    """Points to be solved, in order; a batch stays within a chunk of the store."""
    size = min(chunk, MOST_POINTS)
    groups: dict[tuple[int, int], list[Task]] = {}
    for task in tasks:
        groups.setdefault((task.index // chunk, task.index % chunk // size), []).append(task)
    texts = theory_sources([task.point for task in tasks])
    for group in groups.values():
        points = [task.point for task in group]
        with theory.given_texts(texts):
            own = theory_sources(points)
        yield Batch(tuple(task.index for task in group), tuple(points), grid, propositions, theories, config, own)
