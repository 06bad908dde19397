"""Sampled designs: a sample of the unit cube with one row for each run, and the levels it stands for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.factors import Level, plain, quantiles
from sim.fields import ConfigError
from sim.schema import MAX_POINTS, Design

#: Kinds of design whose points are a sample.
SAMPLED = ("latin_hypercube", "sobol", "saltelli", "morris")
#: Those that keep the points they have when `design.points` is doubled.
GROWING = ("sobol", "saltelli")
#: Why the others do not, as the end of a sentence.
WHY_FIXED = {
    "latin_hypercube": "its strata are as many as its points, so that all points move with their number",
    "morris": "its trajectories are drawn together, and nothing promises that the first stay when there are more",
}


def runs_of(design: Design, points: int) -> int:
    """Runs of a sampled design: rows of its sample, equal ones counted each."""
    return points * {"saltelli": len(design.factors) + 2, "morris": len(design.factors) + 1}.get(design.kind, 1)


def check_size(design: Design) -> None:
    """Refuse sizes that a design cannot have, and keys of another kind of design.

    Raises
    ------
    ConfigError : points or levels where they do not belong, none where they do, too many, or no power of two.
    """
    kind, points, levels = design.kind, design.points, design.levels
    if kind != "morris" and levels is not None:
        raise ConfigError(f"design.levels = {levels}: the levels of a grid belong to design=morris; design.kind is {kind}.")
    if kind not in SAMPLED:
        if points is not None:
            kinds = ", ".join(SAMPLED)
            raise ConfigError(f"design.points = {points}: points belong to design={kinds}; design.kind is {kind}.")
        return
    if points is None:
        what = {"saltelli": "the base sample N, a power of two", "morris": "the number of trajectories"}
        said = what.get(kind, "the number of points" + ", a power of two" * (kind in GROWING))
        raise ConfigError(f"design.points = null: design={kind} needs {said}.")
    if kind == "morris" and (levels is None or levels % 2):
        said = "needs the levels of its grid, an even number in [2, 1000], usually 4"
        raise ConfigError(f"design.levels = {'null' if levels is None else levels}: design=morris {said}.")
    if kind == "morris":
        _check_grid(design)
    number, most = runs_of(design, points), MAX_POINTS // runs_of(design, 1)
    if number > MAX_POINTS:
        most = 1 << (most.bit_length() - 1) if kind in GROWING and most else most
        factors = f" with {len(design.factors)} factor{'s' * (len(design.factors) > 1)}" * (kind in ("saltelli", "morris"))
        said = f"{number:,} runs{factors}; at most {MAX_POINTS:,} are possible, so {most:,}"
        raise ConfigError(f"design.points = {points}: {said}.")
    if kind in GROWING and points & (points - 1):
        below = 1 << (points.bit_length() - 1)
        sizes = [(n, runs_of(design, n)) for n in (below, 2 * below)]
        near = " or ".join(f"{n} ({runs:,} runs)" for n, runs in sizes if runs <= MAX_POINTS)
        said = f"design={kind} needs a power of two, as only so many points of the sequence are balanced in every factor"
        raise ConfigError(f"design.points = {points}: {said}; take {near}.")


def _check_grid(design: Design) -> None:
    """Refuse a grid on which some levels of a list would take more positions than others, or none."""
    lists = {label: len(f.levels) for label, f in design.factors.items() if isinstance(f.levels, tuple) and f.levels}
    needed = math.lcm(2, *lists.values())
    if (design.levels or 0) % needed:
        counts = ", ".join(f"{label} has {number}" for label, number in lists.items())
        raise ConfigError(
            f"design.levels = {design.levels}: lists of levels must share the grid evenly ({counts}), so that it takes a "
            f"multiple of {needed}."
        )


def unit_sample(design: Design) -> np.ndarray:
    """The sample in the unit cube that a sampled design stands for: float64 (run, factor), the same in every process.

    Rows of `saltelli` and `morris` are in the order that ``SALib.analyze`` expects: for each base point A, then AB of each
    factor, then B (no second order); for each trajectory its steps. The first rows of `sobol` and `saltelli` stay when
    there are more.

    Parameters
    ----------
    design : of a kind in `SAMPLED`, its size checked.
    """
    points, number = design.points or 0, len(design.factors)
    if design.kind in ("sobol", "latin_hypercube"):
        from scipy.stats import qmc

        sampler = {"sobol": qmc.Sobol, "latin_hypercube": qmc.LatinHypercube}[design.kind]
        return np.asarray(sampler(number, rng=np.random.default_rng(design.seed)).random(points))
    problem = {"num_vars": number, "names": list(design.factors), "bounds": [[0.0, 1.0]] * number}
    if design.kind == "saltelli":
        from SALib.sample import sobol

        return np.asarray(sobol.sample(problem, points, calc_second_order=False, seed=design.seed))
    from SALib.sample import morris

    return np.asarray(morris.sample(problem, points, num_levels=design.levels, seed=design.seed))


def identity(design: Design) -> dict[str, Any]:
    """What says which points a sampled design has, by key: all of it but the number of points where these may be added to.

    The order of the factors counts: each takes a column of the sample.
    """
    if design.kind not in SAMPLED:
        return {}
    found: dict[str, Any] = {"design.kind": design.kind, "design.seed": design.seed, "design.factors": list(design.factors)}
    for label, factor in design.factors.items():
        levels = factor.model_dump(mode="json")["levels"]
        found[f"design.factors.{label}.levels"] = (
            {k: v for k, v in levels.items() if k != "n"} if isinstance(levels, dict) else levels
        )
    fixed = {} if design.kind in GROWING else {"design.points": design.points}
    return found | fixed | ({"design.levels": design.levels} if design.kind == "morris" else {})


def sampled_rows(design: Design) -> tuple[list[dict[str, Level]], np.ndarray]:
    """Rows of a sampled design that differ, in the order in which they first come, and for each run the number of its row.

    Raises
    ------
    ConfigError : levels that a sample cannot be taken of.
    """
    takers = [quantiles(label, factor, design.kind, design.levels) for label, factor in design.factors.items()]
    sample = unit_sample(design)
    columns = [take(sample[:, k]) for k, take in enumerate(takers)]
    coordinates = [[coordinate for coordinate, _ in column] for column in columns]
    found: dict[tuple[object, ...], int] = {}
    numbers = np.array([found.setdefault(row, len(found)) for row in zip(*coordinates, strict=True)])
    _, first = np.unique(numbers, return_index=True)
    rows = [dict(zip(design.factors, row, strict=True)) for row in zip(*columns, strict=True)]
    return [rows[k] for k in first.tolist()], numbers


@dataclass(frozen=True)
class Sample:
    """A sampled design as its analysis needs it.

    Attributes
    ----------
    design : the design.  rows : levels of each point that differs from those before, in canonical form.
    runs : int64 (run), the row that each run of the sample is.  unit : float64 (run, factor), as `unit_sample`.
    """

    design: Design
    rows: list[tuple[object, ...]]
    runs: np.ndarray
    unit: np.ndarray


def sample_of(config: Mapping[str, Any]) -> Sample:
    """The sample that a saved config asks for.

    Parameters
    ----------
    config : the attribute ``config`` of a store, as data.
    """
    design = Design.model_validate(config["design"])
    rows, runs = sampled_rows(design)
    labels = [row_of(coordinate for coordinate, _ in row.values()) for row in rows]
    return Sample(design, labels, runs, unit_sample(design))


def row_of(levels: Iterable[Any]) -> tuple[object, ...]:
    """Levels of a point in the form of `Sample.rows`."""
    return tuple(map(plain, levels))
