"""Tallies -> labelled dataset: means, standard errors, coordinates and attributes."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.design import Point, mixes, theories_of
from sim.recording import batched, layout_of, own_periods, period_grid, recorded_names
from sim.schema import Config
from sim.tallies import Sums, Tallies, stacked
from sim.theory_tables import labels, response_labels
from sim.variables import BATCHES, BIN_LEFT, BY_NAME, COORDS, DIMS, FIXED, NUMBERS, Layout, number_dims

if TYPE_CHECKING:
    import xarray as xr


def proposition_labels(points: Sequence[Point]) -> tuple[str, ...]:
    """The ``proposition`` coordinate of a design: the labels of all its theories."""
    return labels(theory for mix in mixes(points) for _, _, theory in mix)


def theory_names(points: Sequence[Point]) -> tuple[str, ...]:
    """The ``theory`` coordinate of a design: the names of all its theories, as the config gives them."""
    return tuple(sorted({name for mix in mixes(points) for name, _, _ in mix}))


#: Kinds of columns, by the rows that count for them; see `_counted`.
STATE, OUTCOME, PHASED = 0, 1, 2
SCALES = ("fixed", "one", "partners", "units", "pairs")


@functools.lru_cache(maxsize=16)
def _columns(layout: Layout, by_period: bool) -> tuple[np.ndarray, ...]:
    """What `sim.moments.table` is told of each column: int64 kind, number, scale, start and width."""
    told = []
    for c, (name, label) in enumerate(layout.period if by_period else layout.point):
        if name in NUMBERS:
            told.append((STATE, -1, SCALES.index("one"), c, 1))
            continue
        v, where = BY_NAME[name], layout.columns_of(name)[1]
        number = -1
        if v.number is not None:
            counts = layout.columns_of(v.number)[1]
            number = counts.start + (c - where.start if counts.stop - counts.start > 1 else 0)
        kind = (OUTCOME if v.kind == "outcome" else STATE) + (PHASED if v.when == "phases" else 0)
        scale = BY_NAME[label.partition("|")[0]].scale if name == "batch_mean" else v.scale
        told.append((kind, number, SCALES.index(scale), where.start, where.stop - where.start))
    return tuple(np.ascontiguousarray(column) for column in np.array(told, np.int64).reshape(-1, 5).T)


def _counted(own: np.ndarray, later: np.ndarray, phased: np.ndarray) -> np.ndarray:
    """Rows that count for each kind of column: a point's own periods; outcomes after period 0; phases where it has them.

    Parameters
    ----------
    own : bool[points, rows].  later : bool[rows].  phased : bool[points].
    """
    kinds = (own, own & later, own & phased[:, None], own & later & phased[:, None])
    return np.ascontiguousarray(np.stack(kinds, axis=-1))


def _table(sums: np.ndarray, alliances: np.ndarray, counted: np.ndarray, scales: np.ndarray, told: Any) -> Any:
    """Function from a slice of columns to their means and errors: (points, rows, columns) each."""
    from sim.moments import table

    points, rows, columns = sums.shape[1:4]
    mean, error = np.empty(points * rows * columns), np.empty(points * rows * columns)
    table(np.ascontiguousarray(sums), alliances, counted, scales, *told, mean, error)

    def of(where: slice) -> tuple[np.ndarray, np.ndarray]:
        part = slice(points * rows * where.start, points * rows * where.stop)
        return mean[part].reshape(points, rows, -1), error[part].reshape(points, rows, -1)

    return of


def values_of(
    points: Sequence[Point],
    sums: Sums,
    grid: np.ndarray,
    propositions: Sequence[str],
    theories: Sequence[str],
    config: Config,
) -> dict[str, np.ndarray]:
    """Labelled values of some points, as arrays with the points first.

    Parameters
    ----------
    points, sums : the points and their tallies, in one order.
    grid, propositions, theories : the ``period``, ``proposition`` and ``theory`` coordinates.

    Returns
    -------
    dict : name -> float64 or int64 array with the dims of `sim.variables`, ``point`` first.
    """
    layout = layout_of(config)
    by = scales(points)
    lengths = [p.parameters.population.periods for p in points]
    held = {periods: np.isin(grid, own_periods(periods, config.output.every)) for periods in set(lengths)}
    own = np.stack([held[periods] for periods in lengths])
    phased = np.array([p.parameters.phases.kind != "none" for p in points])
    once = np.ones((len(points), 1), bool)
    by_period = _table(sums.period, sums.alliances, _counted(own, grid != 0, phased), by, _columns(layout, True))
    by_run = _table(sums.point[:, :, None], sums.alliances, _counted(once, once[0], phased), by, _columns(layout, False))
    values: dict[str, np.ndarray] = {"alliances": sums.alliances}
    for name in recorded_names(config):
        v = BY_NAME[name]
        is_by_period, columns = layout.columns_of(name)
        if name == "response_count":
            values[name] = responses_of(points, sums.point[:, :, columns], sums.alliances, propositions)
            continue
        if name == "batch_mean":
            values[name] = _by_batch(by_run(columns)[0][:, 0], sums.alliances)
            continue
        for key, array in zip((name, f"{name}_se"), (by_period if is_by_period else by_run)(columns), strict=True):
            values[key] = shaped(array if is_by_period else array[:, 0], v.dims, points, theories)
        if v.number is not None:
            n = sums.period[0, :, :, layout.columns_of(v.number)[1], 0].astype(np.int64)
            if v.when == "phases":
                n[~phased] = 0
            values[v.number] = shaped(n, number_dims(v.number), points, theories)
    return values


def scales(points: Sequence[Point]) -> np.ndarray:
    """What tallied integers are divided by, in the order of `SCALES`, see `sim.variables.Variable.scale`."""
    partners = np.array([p.parameters.population.partners for p in points], np.float64)
    specific = np.array([p.parameters.population.coupling == "partner_specific" for p in points])
    found = {
        "fixed": np.full(len(points), float(FIXED)),
        "one": np.ones(len(points)),
        "partners": partners,
        "units": np.where(specific, partners * (partners - 1), partners),
        "pairs": partners * (partners - 1) / 2,
    }
    return np.stack([found[name] for name in SCALES], axis=1)


def shaped(array: np.ndarray, dims: Sequence[str], points: Sequence[Point], theories: Sequence[str]) -> np.ndarray:
    """Tally columns as the further dims of a variable; slots of the mix of theories by name."""
    inner = [d for d in dims if d != "period"]
    if not inner:
        return array[..., 0]
    if inner != ["theory"]:
        return array.reshape(*array.shape[:-1], *(len(COORDS[d]) for d in inner)) if inner[0] in COORDS else array
    wide = np.full((*array.shape[:-1], len(theories)), np.nan if array.dtype.kind == "f" else 0, array.dtype)
    for k, point in enumerate(points):
        for slot, (name, _, _) in enumerate(theories_of(point.parameters)):
            wide[k, ..., theories.index(name)] = array[k, ..., slot]
    return wide


def responses_of(
    points: Sequence[Point], sums: np.ndarray, alliances: np.ndarray, propositions: Sequence[str]
) -> np.ndarray:
    """Responses per alliance by proposition, from sums (words, points, columns, 1 or 2) by theory, branch and cell."""
    counts = np.zeros((len(points), len(propositions)))
    total = sums[0, ..., 0].astype(np.float64)
    if len(sums) > 1:
        total += sums[1, ..., 0].astype(np.float64) * 2.0**64
    # Points of one mix of theories together, each sum in the order of the columns.
    alike: dict[int, list[int]] = {}
    for k, point in enumerate(points):
        alike.setdefault(id(point.parameters.response), []).append(k)
    for where in alike.values():
        mix = theories_of(points[where[0]].parameters)
        labels_ = [label for _, _, theory in mix for label in response_labels(theory)]
        found = np.zeros((len(where), len(propositions)))
        for column, label in enumerate(labels_):
            found[:, propositions.index(label)] += total[where, column]
        counts[where] = found
    return np.asarray(counts / alliances[:, None])


def _by_batch(parts: np.ndarray, alliances: np.ndarray) -> np.ndarray:
    """Means of batches, (points, quantities, BATCHES), from their parts of a point's mean; NaN where one is empty."""
    number = alliances[:, None] // BATCHES + (np.arange(BATCHES) < alliances[:, None] % BATCHES)
    weight = np.divide(alliances[:, None], number, out=np.full(number.shape, np.nan), where=number > 0)
    return np.asarray(parts.reshape(len(parts), -1, BATCHES) * weight[:, None, :])


def attributes_of(name: str) -> dict[str, str]:
    """units, long_name, description and source of a variable, coordinate or count."""
    if name in BY_NAME:
        v = BY_NAME[name]
        return {"units": v.units, "long_name": v.long_name, "description": v.description, "source": v.source}
    if name.endswith("_se") and name[:-3] in BY_NAME:
        v = BY_NAME[name[:-3]]
        text = f"Monte Carlo standard error of {v.name}: sd / sqrt(n), n the contributing alliances."
        return {"units": v.units, "long_name": f"standard error of {v.long_name}", "description": text, "source": v.source}
    if name in NUMBERS:
        return {"units": "alliances", "long_name": NUMBERS[name], "description": f"Number of {NUMBERS[name]}."}
    if name == "alliances":
        return {"units": "alliances", "long_name": "alliances simulated", "description": "Alliances simulated at the point."}
    if name == "bin_left":
        return {"units": "1", "long_name": "left edge of a bin", "description": "Bins are right-open but the last."}
    return {"units": "period" if name == "period" else "1", "long_name": DIMS[name], "description": DIMS[name] + "."}


def dims_of(name: str) -> tuple[str, ...]:
    """Dims of a labelled variable, ``point`` first."""
    if name in NUMBERS:
        return ("point", *number_dims(name))
    return ("point", *BY_NAME[name.removesuffix("_se")].dims) if name != "alliances" else ("point",)


def coordinates(
    points: Sequence[Point], grid: np.ndarray, propositions: Sequence[str], theories: Sequence[str], config: Config
) -> dict[str, tuple[str, np.ndarray, dict[str, str]]]:
    """Coordinates of a dataset: one per factor on ``point``, and those of the dims in use, with attributes."""
    used = {d for name in recorded_names(config) for d in dims_of(name)}
    coords: dict[str, tuple[str, np.ndarray, dict[str, str]]] = {}
    for label, factor in config.design.factors.items():
        keys = ", ".join([factor.path] if isinstance(factor.path, str) else factor.path)
        attrs = {"units": "1", "long_name": label, "description": f"Factor of the design, sets {keys}."}
        coords[label] = ("point", np.array([p.labels[label] for p in points]), attrs)
    fixed: dict[str, Sequence[object] | np.ndarray] = {
        **COORDS,
        "period": grid,
        "proposition": propositions,
        "theory": theories,
        "quantity": batched(config),
    }
    for dim, labels_ in fixed.items():
        if dim in used:
            coords[dim] = (dim, np.array(labels_), attributes_of(dim))
    if "bin" in used:
        coords["bin_left"] = ("bin", np.array(BIN_LEFT), attributes_of("bin_left"))
    return coords


def labelled(
    points: Sequence[Point], values: Mapping[str, np.ndarray], grid: np.ndarray, propositions: Sequence[str],
    theories: Sequence[str], config: Config,
) -> xr.Dataset:  # fmt: skip
    """Labelled dataset of complete points, in memory; `values` as `values_of` returns them."""
    import xarray as xr

    data = {name: (dims_of(name), array, attributes_of(name)) for name, array in values.items()}
    return xr.Dataset(data, coords=coordinates(points, grid, propositions, theories, config))


def dataset(points: Sequence[Point], tallies: Sequence[Tallies], config: Config) -> xr.Dataset:
    """Labelled dataset of simulated points, in memory."""
    grid, propositions = period_grid(points, config.output.every), proposition_labels(points)
    theories = theory_names(points)
    values = values_of(points, stacked(tallies), grid, propositions, theories, config)
    return labelled(points, values, grid, propositions, theories, config)
