"""Differences between the points of a dataset with paired errors, from `batch_mean`: means of 32 batches of alliances.

Points that share random numbers (``random.common``) hold the same alliances under other parameters, so that a difference
between them is known far better than their own errors say. Alliance k is in batch k mod 32 at every point: batches are
independent of each other, and what two points have in common shows in theirs (Law & Kelton 2000, ch. 11).

    contrasts(ds, "survival", {"partners": 2})     # every point less the one of two partners, all else equal
    contrasts(ds, "survival", along="trust")       # every level of trust less the one below
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.special import stdtrit

from analysis.summaries import AnalysisError, MissingVariable, word
from sim.variables import BATCHES, BY_NAME, FIXED, QUANTITIES

#: Two alliances in each batch; fewer say nothing of its spread.
LEAST = 2 * BATCHES
#: Levels written out in a message.
MOST_LEVELS = 12
#: Difference at which two numbers are the same level, in parts of it.
SAME = 1e-9


class Levels(NamedTuple):
    """A factor: the levels there are (ascending, names by the alphabet), and each point's by its place in them."""

    names: np.ndarray
    place: np.ndarray


def contrasts(
    ds: xr.Dataset,
    variable: str,
    baseline: Mapping[str, object] | None = None,
    along: str | None = None,
    level: float = 0.95,
) -> xr.Dataset:
    """Differences of points to a baseline, or to their neighbours along a factor, with paired standard errors.

    Parameters
    ----------
    ds : dataset of a run (`sim.open_results`, `sim.simulate`), points or cube, with `batch_mean`.
    variable : what is kept by batch (``output.batches``); survival and learning are those of a point's last period.
    baseline : levels of some factors. Every point is compared to the one that has these, and its own levels of the
        other factors; NaN where there is none.
    along : a factor. Every point is compared to the one with the next lower level (of names: the one before it in the
        alphabet), all else equal. Either `baseline` or `along` is given.
    level : of the interval, in (0, 1).

    Returns
    -------
    xarray.Dataset : dims of the points; `along`: less the first level, with what was subtracted as ``<along>_from``.
        `difference`, `se` (paired), `low` and `high` (t interval, 31 degrees of freedom) in units of the variable;
        `se_independent`, as if the points shared nothing; `variance_reduction`, the square of its ratio to `se`;
        `correlation` of the points' means. All but `difference` are NaN where a point has fewer than 64 alliances, unless
        it was solved exactly; a reduction is infinite where `se` alone is 0, and NaN where `se_independent` is 0, too.

    Raises
    ------
    AnalysisError : a ValueError: no such variable, factor or level, or nothing to compare; it says what there is.

    Notes
    -----
    With sum S_b over the n_b alliances of batch b, n alliances of a point and mean m, r_b = S_b - n_b m. The variance of
    the difference of points p and q is 32/31 sum_b (r_bp / n_p - r_bq / n_q)^2: the paired variance of batch means
    where both have equally many alliances; it also holds where they have not, and where nothing is shared.
    """
    if (baseline is None) == (along is None):
        raise AnalysisError("give either a baseline, {factor: level}, or along, a factor")
    if not 0.0 < level < 1.0:
        raise AnalysisError(f"level = {level:g}: must be between 0 and 1")
    if along in ds.dims:
        ds = ds.sortby(along)
    means, alliances, levels = _means(ds, variable), ds["alliances"], _levels(ds)
    if baseline is not None:
        upper, lower, here = np.arange(alliances.size), _at(levels, baseline), alliances
        about = {"baseline": ", ".join(f"{label}={_word(value)}" for label, value in baseline.items())}
        coords = {}
    else:
        assert along is not None
        upper, lower = _neighbours(levels, along)
        here = alliances.isel({along: slice(1, None)} if along in alliances.dims else {"point": upper})
        below = ds[along].values[:-1] if along in alliances.dims else levels[along].names[levels[along].place[lower]]
        about = {"along": along}
        coords = {f"{along}_from": (here[along].dims, below, {"long_name": f"level of {along} that is subtracted"})}
    values = _paired(means, alliances.values.ravel(), _scale(variable), upper, lower, level)
    attributes = _attributes(variable, level)
    data = {name: (here.dims, values[name].reshape(here.shape), attributes[name]) for name in attributes}
    found = xr.Dataset(data, here.coords, {"variable": variable, **about, "level": level})
    return found.assign_coords(coords)


def _scale(variable: str) -> float:
    """What tallied integers were divided by."""
    return float(FIXED) if BY_NAME[variable].scale == "fixed" else 1.0


def _attributes(variable: str, level: float) -> dict[str, dict[str, str]]:
    """Attributes of every variable of `contrasts`."""
    v, interval = BY_NAME[variable], f"Of {level:g}, by Student's t with {BATCHES - 1} degrees of freedom."
    told = {
        "difference": (v.units, f"difference in {v.long_name}", "The point's mean less that of the one it is compared to."),
        "se": (v.units, "standard error of the difference", f"Paired, from {BATCHES} batches of the same alliances."),
        "se_independent": (v.units, "standard error without pairing", "As if the points had been run independently."),
        "variance_reduction": ("1", "variance reduction", "se_independent^2 / se^2: what common random numbers save."),
        "low": (v.units, "lower end of the interval", interval),
        "high": (v.units, "upper end of the interval", interval),
        "correlation": ("1", "correlation", "Of the two means; about 0 where points share no random numbers."),
    }
    return {name: dict(zip(("units", "long_name", "description"), texts, strict=True)) for name, texts in told.items()}


def _means(ds: xr.Dataset, variable: str) -> np.ndarray:
    """Means of batches, (points, BATCHES)."""
    if "batch_mean" not in ds:
        raise MissingVariable("batch_mean")
    kept = ds["quantity"].values.tolist()
    if variable not in kept:
        said = f"{variable!r} is not kept by batch in the dataset, only {', '.join(kept)}; "
        if variable in QUANTITIES:
            raise AnalysisError(f"{said}add it to output.batches")
        raise AnalysisError(f"{said}{_nearest(variable, QUANTITIES)}{', '.join(QUANTITIES)} can be")
    found = ds["batch_mean"].sel(quantity=variable).transpose(*ds["alliances"].dims, "batch")
    return np.asarray(found.values, np.float64).reshape(-1, BATCHES)


def _paired(
    means: np.ndarray, alliances: np.ndarray, scale: float, upper: np.ndarray, lower: np.ndarray, level: float
) -> dict[str, np.ndarray]:
    """The estimates for pairs of points, by index; lower -1: there is none."""
    sizes = alliances[:, None] // BATCHES + (np.arange(BATCHES) < alliances[:, None] % BATCHES)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Integers again, so that a constant has no spread.
        sums = np.rint(np.where(sizes > 0, means * sizes * scale, 0.0))
        mean = sums.sum(axis=1) / alliances
        parts = (sums - sizes * mean[:, None]) / alliances[:, None]
        parts[alliances < LEAST] = np.nan
        # A point that has values but no alliances was solved, not simulated: it has no error.
        solved = alliances == 0
        mean[solved], parts[solved] = means[solved, 0] * scale, 0.0 * means[solved]
        a, b = parts[upper], np.where(lower[:, None] < 0, np.nan, parts[lower])
        by, bessel = "pb,pb->p", BATCHES / (BATCHES - 1) / scale**2
        first, second, both, apart = (bessel * np.einsum(by, x, y) for x, y in ((a, a), (b, b), (a, b), (a - b, a - b)))
        difference = np.where(lower < 0, np.nan, mean[upper] - mean[lower]) / scale
        se, half = np.sqrt(apart), stdtrit(BATCHES - 1, (1.0 + level) / 2.0) * np.sqrt(apart)
        return {
            "difference": difference,
            "se": se,
            "se_independent": np.sqrt(first + second),
            "variance_reduction": (first + second) / apart,
            "low": difference - half,
            "high": difference + half,
            "correlation": np.clip(both / np.sqrt(first * second), -1.0, 1.0),
        }


def _levels(ds: xr.Dataset) -> dict[str, Levels]:
    """The factors of a dataset."""
    found, like = {}, ds["alliances"]
    for label in json.loads(ds.attrs.get("factors", "[]")):
        if label in ds.coords:
            values = ds[label].broadcast_like(like).transpose(*like.dims).values.ravel()
            names, place = np.unique(values, return_inverse=True)
            found[label] = Levels(names, place)
    return found


def _factor(levels: Mapping[str, Levels], label: str) -> Levels:
    if label not in levels:
        raise AnalysisError(f"{label!r} is no factor; {_nearest(label, levels)}there are {', '.join(levels) or 'none'}")
    return levels[label]


def _groups(places: Iterable[np.ndarray], points: int) -> np.ndarray:
    """A number for each combination of levels: int64[points]."""
    key = np.zeros(points, np.int64)
    for place in places:
        key = np.unique(key * (int(place.max(initial=0)) + 1) + place, return_inverse=True)[1]
    return key


def _at(levels: Mapping[str, Levels], baseline: Mapping[str, object]) -> np.ndarray:
    """The point that each one is compared to, or -1."""
    if not baseline:
        raise AnalysisError(f"the baseline names no factor; there are {', '.join(levels) or 'none'}")
    chosen = [_factor(levels, label).place == _place(label, levels[label].names, value) for label, value in baseline.items()]
    where = np.flatnonzero(np.all(chosen, axis=0))
    if not where.size:
        said = ", ".join(f"{label}={_word(value)}" for label, value in baseline.items())
        raise AnalysisError(f"no point has {said} together")
    key = _groups((levels[label].place for label in levels if label not in baseline), chosen[0].size)
    found = np.full(key.max() + 1, -1)
    found[key[where]] = where
    return np.asarray(found[key])


def _place(label: str, names: np.ndarray, value: object) -> int:
    """Place of a level among those of a factor."""
    numeric = names.dtype.kind in "iuf"
    if numeric and isinstance(value, int | float | np.number):
        fits = np.isclose(names, float(value), rtol=SAME, atol=SAME)
        hint = f"the nearest is {_word(names[np.argmin(np.abs(names - float(value)))].item())}; "
    else:
        fits = np.zeros(names.size, bool) if numeric else names == str(value)
        hint = "" if numeric else _nearest(str(value), names.tolist())
    if not fits.any():
        shown = ", ".join(map(_word, names[:MOST_LEVELS].tolist())) + (", ..." if names.size > MOST_LEVELS else "")
        raise AnalysisError(f"{label} = {_word(value)}: there is no such level; {hint}levels are {shown}")
    return int(np.argmax(fits))


def _neighbours(levels: Mapping[str, Levels], along: str) -> tuple[np.ndarray, np.ndarray]:
    """Points with a neighbour below along a factor, ascending, and their neighbours."""
    place = _factor(levels, along).place
    key = _groups((levels[label].place for label in levels if label != along), place.size)
    order = np.lexsort((place, key))
    alike = np.flatnonzero(key[order][1:] == key[order][:-1])
    if not alike.size:
        raise AnalysisError(f"no two points differ in {along} alone")
    alike = alike[np.argsort(order[alike + 1])]
    return order[alike + 1], order[alike]


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean {near[0]}? " if near else ""


def _word(value: object) -> str:
    """A level as one writes it, NumPy's too."""
    return word(value.item() if isinstance(value, np.generic) else value)
