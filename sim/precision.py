"""How exactly a point is known, and how many alliances it takes: looks at fixed sizes, until a target is met.

A point is looked at when it has ceil(1000 x 1.1^k) alliances, k = 0, 1, ..., and at `precision.max_alliances`; it ends at
the first look at which every chosen standard error is below its target. So its alliances, and all its values, depend on
the config alone: not on timing, on how the work was cut or on how far ahead of a look the simulation ran.

A sample that does not vary says little: of n alliances that are all alike, 3/n may differ with probability e^-3 = .05 of
being missed (the rule of three). An error therefore counts as at least ``range x sqrt(3) / n``, the standard error that
goes with a share of 3/n, where `range` is the largest value that an alliance can have.

A point ends where the estimate of its error is small, and so, where errors go with means as they do for shares, where the
mean is low rather than high. ``docs/designs.md`` says what this does to intervals.
"""

from __future__ import annotations

import functools
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sim.design import ConfigError, Point
from sim.labels import SCALES, scales
from sim.parameters import Parameters
from sim.recording import layout_of, own_periods, recorded_names
from sim.schema import Config
from sim.tallies import Tallies
from sim.variables import BY_NAME

FIRST_LOOK = 1000
#: Looks are this far apart: 11/10.
GROWTH = (11, 10)
#: The probability to miss whatever 3 in n do is e^-3.
RULE_OF_THREE = 3.0
#: Rounding errors of what is compared are smaller.
MARGIN = 1e-9


@dataclass(frozen=True)
class Cells:
    """What a target is set for at one point: a value for each variable, period and label.

    Attributes
    ----------
    mean, error : float64[cells], mean and standard error.  number : float64[cells], contributing alliances.
    most : float64[cells], the largest value that one alliance can have.
    """

    mean: np.ndarray
    error: np.ndarray
    number: np.ndarray
    most: np.ndarray


@functools.lru_cache(maxsize=8)
def looks(most: int) -> tuple[int, ...]:
    """Numbers of alliances at which points are looked at, ascending; the last is `most`."""
    sizes, k = [], 0
    while (size := -(-FIRST_LOOK * GROWTH[0] ** k // GROWTH[1] ** k)) < most:
        sizes.append(size)
        k += 1
    return (*sizes, most)


def check(config: Config, points: Sequence[Point]) -> None:
    """Refuse a target that cannot be.

    Raises
    ------
    ConfigError : a variable or period that is not recorded, or that has no value.
    """
    wanted, recorded = config.precision, recorded_names(config)
    for name in wanted.variable:
        if name not in recorded:
            raise ConfigError(
                f"precision.variable = {name}: this run does not record it; recorded are {', '.join(recorded)}."
            )
        if BY_NAME[name].when == "phases" and any(p.parameters.phases.kind == "none" for p in points):
            raise ConfigError(f"precision.variable = {name}: some points have no phases, and so no {name}.")
    varied = {path for f in config.design.factors.values() for path in ([f.path] if isinstance(f.path, str) else f.path)}
    if "population.alliances" in varied:
        raise ConfigError("precision.kind = target: chooses population.alliances, which is a factor of the design, too.")
    if isinstance(wanted.period, str):
        return
    lengths = sorted({p.parameters.population.periods for p in points})
    for period in wanted.period:
        for periods in lengths:
            own = own_periods(periods, config.output.every)
            if period not in own:
                raise ConfigError(
                    f"precision.period = {period}: points of {periods} periods do not record it; output.every is "
                    f"{config.output.every}, the nearest recorded period is {own[np.abs(own - period).argmin()]}."
                )
        if period == 0 and any(BY_NAME[name].kind == "outcome" for name in wanted.variable):
            raise ConfigError("precision.period = 0: nothing is learned in period 0; outcomes begin in period 1.")


def _rows(name: str, p: Parameters, grid: np.ndarray, config: Config) -> np.ndarray:
    """Rows of the period grid that the target is for."""
    period = config.precision.period
    if isinstance(period, str):
        own = own_periods(p.population.periods, config.output.every)
        wanted = own[-1:] if period == "last" else own[1:] if BY_NAME[name].kind == "outcome" else own
    else:
        wanted = np.array(period)
    return np.searchsorted(grid, wanted)


def _most(name: str, p: Parameters) -> float:
    """The largest value of a variable that one alliance can have."""
    if name == "dissolution_time":
        return float(p.population.periods)
    if BY_NAME[name].units == "knowledge per period":
        table = p.phases.table
        mutuality = max(1.0, *(getattr(table, phase).mutuality for phase in type(table).model_fields))
        return 1.0 + 2.0 * p.ability.creation * (mutuality if p.phases.kind != "none" else 1.0)
    return 1.0


def cells_of(point: Point, tallies: Tallies, grid: np.ndarray, config: Config) -> Cells:
    """The cells of a point from its tallies; means and errors are those of `sim.labels.values_of`, to the bit."""
    from sim.moments import moments

    layout, parts = layout_of(config), []
    for name in config.precision.variable:
        v = BY_NAME[name]
        by_period, columns = layout.columns_of(name)
        sums = tallies.period[:, _rows(name, point.parameters, grid, config)] if by_period else tallies.point[:, None]
        cells = sums[:, :, columns].reshape(len(sums), -1, 2)
        number = np.full(cells.shape[1], tallies.alliances, np.int64)
        if v.number is not None:
            number = np.repeat(sums[0, :, layout.columns_of(v.number)[1], 0].astype(np.int64), columns.stop - columns.start)
        words = [np.ascontiguousarray(cells[word, :, moment]) if word < len(cells) else np.zeros(len(number), np.uint64)
                 for moment in (0, 1) for word in (0, 1)]  # fmt: skip
        mean, error = np.empty(len(number)), np.empty(len(number))
        moments(number, *words, mean, error)
        scale = scales([point])[0, SCALES.index(v.scale)]
        parts.append(Cells(mean / scale, error / scale, number * 1.0, np.full(len(number), _most(name, point.parameters))))
    return _joined(parts)


def cells_of_values(point: Point, values: dict[str, np.ndarray], alliances: int, grid: np.ndarray, config: Config) -> Cells:
    """The cells of a point from its labelled values: ``<name>``, ``<name>_se`` and counts, without the dim ``point``."""
    parts = []
    for name in config.precision.variable:
        v = BY_NAME[name]
        rows = _rows(name, point.parameters, grid, config) if "period" in v.dims else slice(None)
        mean, error = (np.atleast_1d(values[key])[rows].ravel() for key in (name, f"{name}_se"))
        number = np.full(mean.size, float(alliances))
        if v.number is not None:
            counts = values[v.number][rows]
            number = np.repeat(counts.ravel() * 1.0, mean.size // counts.size)
        parts.append(Cells(mean, error, number, np.full(mean.size, _most(name, point.parameters))))
    return _joined(parts)


def _joined(parts: Sequence[Cells]) -> Cells:
    fields = ("mean", "error", "number", "most")
    return Cells(*(np.concatenate([getattr(part, field) for part in parts]) for field in fields))


def excess(cells: Cells, config: Config) -> float:
    """The largest error over its target; below 1: the target is met. Infinite where a value does not exist."""
    target = _targets(cells.mean, config)
    least = cells.most * np.sqrt(RULE_OF_THREE) / np.maximum(cells.number, 1.0)
    found = np.maximum(cells.error, least) / target
    return float(np.inf if np.isnan(found).any() else found.max())


def _targets(mean: np.ndarray, config: Config) -> np.ndarray:
    wanted = config.precision
    if not wanted.relative:
        return np.full(mean.shape, wanted.standard_error)
    return np.asarray(wanted.standard_error * np.maximum(np.abs(mean), wanted.floor))


def holds(cells: Cells, config: Config) -> bool:
    """Whether a point is known as exactly as wanted."""
    return excess(cells, config) < 1.0


def needed(cells: Cells, size: int, config: Config) -> float:
    """How many alliances a point will probably take, judged by `size` of them; infinite where too few contribute."""
    target = _targets(cells.mean, config)
    least = cells.most * np.sqrt(RULE_OF_THREE) / np.maximum(cells.number, 1.0)
    found = size * np.maximum((cells.error / target) ** 2, least / target)
    return float(np.nan_to_num(found, nan=np.inf).max())


def look_for(alliances: float, config: Config) -> int:
    """The first look of at least so many alliances, or the last."""
    sizes = looks(config.precision.max_alliances)
    return sizes[min(bisect_left(sizes, alliances), len(sizes) - 1)]


def described(config: Config) -> str:
    """The target in words."""
    wanted = config.precision
    periods = {"last": "in the last period", "all": "in every recorded period"}
    where = periods[wanted.period] if isinstance(wanted.period, str) else f"in period {', '.join(map(str, wanted.period))}"
    unit = f" of the mean (or of {wanted.floor:g})" if wanted.relative else ""
    return f"standard error of {', '.join(wanted.variable)} {where} below {wanted.standard_error:g}{unit}"


def shortfalls(
    points: Sequence[Point], where: Sequence[int], read: Callable[[str], np.ndarray], grid: np.ndarray, config: Config
) -> list[float]:
    """How far stored points are from the target: `excess` of each; 0 for exact ones, infinite without a value.

    Parameters
    ----------
    points : finished points of a store.  where : their indices in it.  read : gives the values of a variable.
    grid : the store's periods.
    """
    names = list(config.precision.variable)
    keys = [*names, *(f"{name}_se" for name in names), *(n for name in names if (n := BY_NAME[name].number) is not None)]
    stored, alliances = {key: read(key) for key in keys}, read("alliances")
    found = []
    for point, k in zip(points, where, strict=True):
        values = {key: array[k] for key, array in stored.items()}
        cells = cells_of_values(point, values, int(alliances[k]), grid, config)
        # What was solved has no error, where it has a value.
        exact = np.inf if np.isnan(cells.mean).any() else 0.0
        found.append(exact if alliances[k] == 0 else excess(cells, config))
    return found


def next_look(cells: Cells, size: int, config: Config) -> int:
    """The next look at which a point of `size` alliances may end; those in between are certain to find too large an error.

    The sum of squares about the mean never falls as alliances are added. With M of it now and m alliances at a look, the
    error there is at least sqrt(M / (m (m - 1))).
    """
    sizes = looks(config.precision.max_alliances)
    spread = cells.error**2 * cells.number * (cells.number - 1.0)

    def surely_fails(look: int) -> bool:
        added = float(look - size)
        m = cells.number + added
        highest = (cells.mean * cells.number + added * cells.most) / m
        target = _targets(np.maximum(highest, np.abs(cells.mean)), config)
        return bool((np.sqrt(spread / (m * (m - 1.0))) * (1.0 - MARGIN) > target).any())

    low = bisect_right(sizes, size)
    high = len(sizes) - 1
    while low < high:
        middle = (low + high) // 2
        if surely_fails(sizes[middle]):
            low = middle + 1
        else:
            high = middle
    return sizes[low]
