"""Which factors a result depends on: Sobol indices and Morris measures of any recorded variable, from a saved dataset.

The design is made again from the config that a dataset carries, so that its runs are known in the order in which they were
sampled; the estimators are SALib's (Herman & Usher 2017, doi:10.21105/joss.00097). Each value of a run has a Monte Carlo
error of its own, which is accounted for, see `sobol`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis.summaries import AnalysisError, MissingVariable, flat
from sim.sampling import Sample, row_of, sample_of
from sim.variables import BY_NAME

#: Variance below this share of the square of the largest value is rounding.
NOTHING = 1e-20
RESAMPLES = 200
LEVEL = 0.95


def sobol(
    ds: xr.Dataset, variable: str, periods: Sequence[int] | None = None, resamples: int = RESAMPLES, level: float = LEVEL,
    seed: int = 1,
) -> xr.Dataset:  # fmt: skip
    """First-order and total Sobol indices of a variable, with bootstrap intervals.

    Of the variance of a variable over the design, `first` is the share that goes when a factor is known, `total` the share
    that stays when all others are known; `total` less `first` is what the factor does with others.

    Parameters
    ----------
    ds : dataset of a run with ``design=saltelli``, complete.
    variable : its name; all its labels (strategies, regimes, ...) are analysed.
    periods : those wanted; default: all that are recorded. A variable of the whole run has none.
    resamples : of the bootstrap over base points.  level : of its intervals.  seed : of the bootstrap.

    Returns
    -------
    xarray.Dataset : ``first``, ``first_low``, ``first_high``, ``total``, ``total_low``, ``total_high`` (factor, ... dims of
        the variable), and ``variance``, ``noise`` (dims of the variable). NaN where nothing varies.

    Raises
    ------
    AnalysisError : another design, or points that are not finished.  MissingVariable : it is not in the dataset.

    Notes
    -----
    Values of runs have errors, so that their variance is larger than that of what they estimate. ``noise`` is the mean
    squared standard error over this variance. Where runs have random numbers of their own (``random.common=false``) the
    indices are corrected for it: the variance and the squared differences behind `total` by what errors add to them. With
    common random numbers errors of neighbouring runs cancel in part; nothing is corrected then, and an index is off by no
    more than about ``noise``.

    Sources: Saltelli et al. 2010, doi:10.1016/j.cpc.2009.09.018, estimators (b) and (f).
    """
    sample, values, errors, dims = _runs(ds, variable, periods, "saltelli")
    names, common = list(sample.design.factors), json.loads(ds.attrs["config"])["random"]["common"]
    found = sobol_indices(values, None if common else errors, names, resamples, level, seed, sample.runs)
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = np.mean(errors**2, axis=0) / found["variance"] if errors is not None else np.full(values.shape[1:], np.nan)
    about = {
        "first": "first-order Sobol index", "total": "total Sobol index", "variance": "variance over the design",
        "noise": "share of the variance that is Monte Carlo error",
    }  # fmt: skip
    units = dict.fromkeys(about, "1") | {"variance": f"({BY_NAME[variable].units})^2"}
    result = _labelled({**found, "noise": noise}, about, units, ds, names, dims, periods, level)
    return result.assign_attrs(variable=variable, design="saltelli", points=int(sample.design.points or 0), level=level)


def morris(
    ds: xr.Dataset, variable: str, periods: Sequence[int] | None = None, resamples: int = RESAMPLES, level: float = LEVEL,
    seed: int = 1,
) -> xr.Dataset:  # fmt: skip
    """Morris measures of a variable: how much it changes as one factor goes through its whole range.

    Parameters
    ----------
    ds : dataset of a run with ``design=morris``, complete.  The rest as of `sobol`.

    Returns
    -------
    xarray.Dataset : ``mu`` (mean elementary effect), ``mu_star`` (mean absolute effect), ``mu_star_low``, ``mu_star_high``
        (bootstrap) and ``sigma`` (standard deviation of the effects: interaction and curvature), (factor, ... dims of the
        variable) in the variable's units; ``error``, the mean standard error of an effect that comes from the Monte Carlo
        if runs were independent.

    Raises
    ------
    AnalysisError : another design, or points that are not finished.  MissingVariable : it is not in the dataset.

    Notes
    -----
    Sources: Morris 1991, doi:10.1080/00401706.1991.10484804; Campolongo et al. 2007, doi:10.1016/j.envsoft.2006.10.004.
    """
    from SALib.analyze import morris as analyzer

    sample, values, errors, dims = _runs(ds, variable, periods, "morris")
    names = list(sample.design.factors)
    columns = values.reshape(len(values), -1)
    keys = {"mu": "mu", "mu_star": "mu_star", "sigma": "sigma", "conf": "mu_star_conf"}
    found = {key: np.full((len(names), columns.shape[1]), np.nan) for key in keys}
    for k, column in enumerate(columns.T):
        if np.isnan(column).any():
            continue
        made: Mapping[str, Any] = analyzer.analyze(
            _problem(names), sample.unit, column, num_resamples=resamples, conf_level=level,
            num_levels=sample.design.levels, seed=seed,
        )  # fmt: skip
        for key, theirs in keys.items():
            found[key][:, k] = np.asarray(made[theirs], float)
    shaped = {key: array.reshape(len(names), *values.shape[1:]) for key, array in found.items()}
    half = shaped.pop("conf")
    shaped |= {"mu_star_low": shaped["mu_star"] - half, "mu_star_high": shaped["mu_star"] + half}
    # An effect is a difference of two runs over the step of the grid.
    p = sample.design.levels or 2
    step = p / (2.0 * (p - 1))
    error = np.full(values.shape[1:], np.nan) if errors is None else np.sqrt(2.0 * np.mean(errors**2, axis=0)) / step
    about = {
        "mu": "mean elementary effect", "mu_star": "mean absolute elementary effect",
        "sigma": "standard deviation of elementary effects",
        "error": "standard error of an elementary effect from the Monte Carlo, runs taken as independent",
    }  # fmt: skip
    units = dict.fromkeys(about, BY_NAME[variable].units)
    result = _labelled({**shaped, "error": error}, about, units, ds, names, dims, periods, level)
    return result.assign_attrs(variable=variable, design="morris", trajectories=int(sample.design.points or 0), level=level)


def sobol_indices(
    values: np.ndarray, errors: np.ndarray | None, names: Sequence[str], resamples: int = RESAMPLES, level: float = LEVEL,
    seed: int = 1, runs: np.ndarray | None = None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Sobol indices of the runs of a Saltelli design.

    Parameters
    ----------
    values : float64 (runs, ...), N (k + 2) runs of k factors: for each base point A, AB of each factor, B.
    errors : their standard errors if independent of one another, whose part in the indices is then taken out; or None.
    runs : int64 (runs,), equal where runs are one and the same point, with one and the same error; default: none are.

    Returns
    -------
    dict : ``first``, ``total``, with ``_low`` and ``_high``, float64 (k, ...); ``variance`` float64 (...).
    """
    from SALib.analyze import sobol as analyzer

    shape, k = values.shape[1:], len(names)
    columns = values.reshape(len(values), -1)
    noise = np.zeros_like(columns) if errors is None else np.nan_to_num(errors.reshape(columns.shape)) ** 2
    found = {key: np.full((k, columns.shape[1]), np.nan) for key in ("S1", "S1_conf", "ST", "ST_conf")}
    base = np.arange(len(columns)) % (k + 2)
    ends = (base == 0) | (base == k + 1)
    variance = columns[ends].var(axis=0)
    alone, together = _noise(noise, np.arange(len(columns)) if runs is None else runs, k)
    for c, column in enumerate(columns.T):
        if np.isnan(column).any() or variance[c] <= NOTHING * np.abs(column).max() ** 2:
            continue
        made: Mapping[str, Any] = analyzer.analyze(
            _problem(names), column, calc_second_order=False, num_resamples=resamples, conf_level=level, seed=seed
        )
        left = max(1.0 - noise[ends, c].mean() / variance[c], NOTHING)
        first, total = (part[:, c] / variance[c] for part in (alone, together))
        found["S1"][:, c], found["S1_conf"][:, c] = (made["S1"] - first) / left, made["S1_conf"] / left
        found["ST"][:, c], found["ST_conf"][:, c] = (made["ST"] - total) / left, made["ST_conf"] / left
    out: dict[str, np.ndarray] = {}
    for name, key in (("first", "S1"), ("total", "ST")):
        middle, half = found[key], found[f"{key}_conf"]
        each = {name: middle, f"{name}_low": middle - half, f"{name}_high": middle + half}
        out |= {label: array.reshape(k, *shape) for label, array in each.items()}
    return out | {"variance": variance.reshape(shape)}


def _noise(noise: np.ndarray, runs: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """What squared errors (runs, columns) add to products behind `first` and to squares behind `total`: (k, columns).

    Of a base point, B (AB - A) averages the first and (A - AB)^2 / 2 the second. Errors of different points do not
    correlate; two runs that are one point have one error, which is squared in a product and cancels in a difference.
    """
    step = k + 2
    a, b = slice(0, None, step), slice(k + 1, None, step)
    alone, together = np.empty((2, k, noise.shape[1]))
    for j in range(k):
        ab = slice(j + 1, None, step)
        same = ((runs[ab] == runs[b]) * 1.0 - (runs[a] == runs[b]))[:, None]
        alone[j] = (same * noise[b]).mean(axis=0)
        together[j] = ((runs[ab] != runs[a])[:, None] * (noise[a] + noise[ab])).mean(axis=0) / 2.0
    return alone, together


def _labelled(
    found: Mapping[str, np.ndarray], about: Mapping[str, str], units: Mapping[str, str], ds: xr.Dataset,
    names: Sequence[str], dims: Sequence[str], periods: Sequence[int] | None, level: float,
) -> xr.Dataset:  # fmt: skip
    """Arrays as a dataset; those with an axis more than the variable are by factor."""
    coords = {d: _periods(ds, periods) if d == "period" else ds[d].values for d in dims}
    result = xr.Dataset(coords={"factor": list(names), **coords})
    for name, array in found.items():
        stem = name.removesuffix("_low").removesuffix("_high")
        side = "" if name == stem else f", {name.removeprefix(stem)[1:]} end of the {level:.0%} interval"
        attrs = {"units": units[stem], "long_name": about[stem] + side}
        result[name] = ((["factor", *dims] if array.ndim > len(dims) else list(dims)), array, attrs)
    for d in dims:
        result[d].attrs = dict(ds[d].attrs)
    return result


def _problem(names: Sequence[str]) -> dict[str, Any]:
    return {"num_vars": len(names), "names": list(names), "bounds": [[0.0, 1.0]] * len(names)}


def _periods(ds: xr.Dataset, periods: Sequence[int] | None) -> np.ndarray:
    every = ds["period"].values
    if periods is None:
        return np.asarray(every)
    if missing := sorted(set(periods) - set(every.tolist())):
        raise AnalysisError(f"period {missing[0]} is not recorded; recorded are {', '.join(map(str, every[:20].tolist()))}")
    return np.asarray(periods)


def _runs(
    ds: xr.Dataset, variable: str, periods: Sequence[int] | None, kind: str
) -> tuple[Sample, np.ndarray, np.ndarray | None, list[str]]:
    """The sample; values and errors of all runs of the design (runs, ...), in order; dims of the variable."""
    if variable not in ds:
        raise MissingVariable(variable)
    config = json.loads(ds.attrs["config"])
    if config["design"]["kind"] != kind:
        raise AnalysisError(f"needs a run with design={kind}; this one's is {config['design']['kind']}")
    ds, sample = flat(ds), sample_of(config)
    columns = [ds[label].values.tolist() for label in sample.design.factors]
    there = {row_of(row): n for n, row in enumerate(zip(*columns, strict=True))}
    if missing := sum(row not in there for row in sample.rows):
        raise AnalysisError(f"{missing} of {len(sample.rows)} points of the design are not finished; run it to the end")
    where = np.array([there[row] for row in sample.rows])[sample.runs]
    array, error = ds[variable], ds.get(f"{variable}_se")
    dims = [str(d) for d in array.dims if d != "point"]
    if "period" in dims:
        wanted = _periods(ds, periods)
        array = array.sel(period=wanted)
        error = None if error is None else error.sel(period=wanted)
    values = array.transpose("point", *dims).values[where]
    return sample, values, None if error is None else error.transpose("point", *dims).values[where], dims
