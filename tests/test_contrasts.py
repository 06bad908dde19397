"""Contrasts between points: the estimator by hand and over many runs, levels and neighbours, what is refused."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest
import reference_tallies
import xarray as xr
from cases import Case, cases_of
from scipy.stats import t as student

import sim
from analysis.contrasts import contrasts
from analysis.summaries import AnalysisError, MissingVariable
from sim import exact
from sim.variables import BATCHES, BY_NAME, FIXED, QUANTITIES

VALUES = ("difference", "se", "se_independent", "variance_reduction", "low", "high", "correlation")


def made(means: np.ndarray, alliances: list[int], levels: dict[str, Any], name: str = "dissolution_time") -> xr.Dataset:
    """A dataset of points from means of batches."""
    coords = {label: ("point", values) for label, values in levels.items()}
    data = {"batch_mean": (("point", "quantity", "batch"), means[:, None]), "alliances": ("point", alliances)}
    attrs = {"factors": json.dumps(list(levels))}
    return xr.Dataset(data, {**coords, "quantity": [name], "batch": np.arange(BATCHES)}, attrs)


def by_batch(values: np.ndarray) -> np.ndarray:
    """Means of batches of one point's alliances."""
    return np.array([values[b::BATCHES].mean() for b in range(BATCHES)])


def two(levels: tuple[float, float], **more: Any) -> list[Case]:
    factor = {"trust": {"path": "context.trust.mean", "levels": list(levels)}}
    keys = {
        "population__periods": 10,
        "context__kind": "static",
        "response__reconsideration": 0.4,
        "output__batches": list(QUANTITIES),
    }
    return cases_of(**{"design__kind": "factorial", "design__factors": factor, **keys, **more})


# --- the estimator -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3])
def test_contrasts__paired_variance_of_the_reference(n: int) -> None:
    """From every alliance's own history: means of 32 batches at both points, their differences, and the spread of these."""
    alliances = 96
    cases = two((0.2, 0.8), population__partners=n, population__periods=5, population__alliances=alliances)
    found = sim.simulate(
        {"population": {"partners": n, "periods": 5, "alliances": alliances}, "response.reconsideration": 0.4,
         "design": {"kind": "factorial", "factors": {"trust": {"path": "context.trust.mean", "levels": [0.2, 0.8]}}},
         "context.kind": "static", "output.batches": list(QUANTITIES), "compute.kind": "serial"}
    )  # fmt: skip
    values: dict[str, list[list[int]]] = {name: [] for name in QUANTITIES}
    for case in cases:
        p, each = case.point.parameters, [case.history(k) for k in range(alliances)]
        told = [reference_tallies.period_values(h, 5, p, 1) | reference_tallies.point_values(h, p, 1) for h in each]
        for name in QUANTITIES:
            values[name].append([one[name][0] for one in told])
    for name in QUANTITIES:
        scale = FIXED if BY_NAME[name].scale == "fixed" else 1
        low, high = np.array(values[name], float) / scale
        c = contrasts(found, name, {"trust": 0.2}).sel(trust=0.8)
        apart = by_batch(high) - by_batch(low)
        assert float(c.difference) == pytest.approx(high.mean() - low.mean(), rel=1e-12)
        assert float(c.se) == pytest.approx(apart.std(ddof=1) / np.sqrt(BATCHES), rel=1e-10)
        spread = by_batch(low).var(ddof=1) + by_batch(high).var(ddof=1)
        assert float(c.se_independent) == pytest.approx(np.sqrt(spread / BATCHES), rel=1e-10)
        assert float(c.correlation) == pytest.approx(np.corrcoef(by_batch(low), by_batch(high))[0, 1], abs=1e-10)
        assert float(c.variance_reduction) == pytest.approx(float((c.se_independent / c.se) ** 2), rel=1e-12)
        half = student.ppf(0.975, 31) * c.se
        assert float(c.high) == pytest.approx(float(c.difference + half), rel=1e-12)
        assert float(c.low) == pytest.approx(float(c.difference - half), rel=1e-12)


def test_contrasts__of_points_with_different_numbers_of_alliances() -> None:
    draw = np.random.default_rng(1)
    values = [draw.integers(0, 50, size).astype(float) for size in (67, 1003)]
    values[1][:67] += values[0]
    ds = made(np.array([by_batch(v) for v in values]), [67, 1003], {"a": [0, 1]})
    apart = 0.0
    for b in range(BATCHES):
        of_both = [(v[b::BATCHES].sum() - len(v[b::BATCHES]) * v.mean()) / len(v) for v in values]
        apart += (of_both[1] - of_both[0]) ** 2
    c = contrasts(ds, "dissolution_time", {"a": 0})
    assert float(c.difference[1]) == pytest.approx(values[1].mean() - values[0].mean(), rel=1e-12)
    assert float(c.se[1]) == pytest.approx(np.sqrt(BATCHES / (BATCHES - 1) * apart), rel=1e-12)


RUNS, ALLIANCES = 4000, 320


def many(cases: list[Case], name: str) -> xr.Dataset:
    """`RUNS` runs of two points, each of alliances of its own; factors ``run`` and ``arm``."""
    k = cases[0].layout.batches[QUANTITIES.index(name)]
    scale = (FIXED if BY_NAME[name].scale == "fixed" else 1) * ALLIANCES / BATCHES
    means = [case.run(r * ALLIANCES, ALLIANCES).point[0, k : k + BATCHES, 0] / scale for case in cases for r in range(RUNS)]
    levels = {"run": [*range(RUNS)] * 2, "arm": [0] * RUNS + [1] * RUNS}
    return made(np.array(means), [ALLIANCES] * 2 * RUNS, levels, name)


@pytest.mark.parametrize("name", QUANTITIES)
@pytest.mark.parametrize("common", [True, False], ids=["common", "own"])
def test_contrasts__intervals_hold_the_exact_difference(name: str, common: bool) -> None:
    """Coverage of 95 % intervals over 4000 runs, sd .0034; 4.9 sd are allowed, a false alarm in 10^6.

    Caught for sure (3 sd beyond): a coverage below .922 or above .978, a standard error 11 % too small or 19 % too large.
    The mean square of the errors is compared to the variance of the differences, sd 2.3 %; off by 19 % is caught for sure.
    """
    cases = two((0.4, 0.7), random={"seed": 3, "common": common})
    solved = [exact.solve(case.point, case.config) for case in cases]
    truth = [float(ds[name].isel(point=0).values.reshape(-1)[-1]) for ds in solved]
    c = contrasts(many(cases, name), name, {"arm": 0}).isel(point=slice(RUNS, None))
    covered = (c.low <= truth[1] - truth[0]) & (truth[1] - truth[0] <= c.high)
    sd = np.sqrt(0.95 * 0.05 / RUNS)
    assert abs(float(covered.mean()) - 0.95) < 4.9 * sd
    assert float((c.se**2).mean() / c.difference.var(ddof=1)) == pytest.approx(1, abs=4.9 * np.sqrt(2 / RUNS * (1 + 1 / 31)))
    # Correlations scatter by 1/sqrt(31) about their expectation; five sd of their mean.
    reduction = float((c.se_independent**2).mean() / (c.se**2).mean())
    if common:
        assert reduction > 1.15
        assert float(c.correlation.mean()) > 0.1
    else:
        assert abs(float(c.correlation.mean())) < 5 / np.sqrt(31 * RUNS)
        assert reduction == pytest.approx(1, abs=0.02)


def test_contrasts__identical_points() -> None:
    draw = np.random.default_rng(2)
    alike = by_batch(draw.integers(0, 9, 640).astype(float))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        c = contrasts(made(np.array([alike, alike]), [640, 640], {"a": [0, 1]}), "dissolution_time", {"a": 0})
        constant = contrasts(
            made(np.full((2, BATCHES), round(0.7 * FIXED) / FIXED), [640, 999], {"a": [0, 1]}, "learning"),
            "learning",
            {"a": 0},
        )
    assert (c.difference == 0).all()
    assert (c.se == 0).all()
    assert (c.low == 0).all()
    assert (c.se_independent > 0).all()
    assert np.isinf(c.variance_reduction).all()
    np.testing.assert_allclose(c.correlation, 1, atol=1e-12)
    assert (constant.se == 0).all()
    assert (constant.se_independent == 0).all()
    assert constant.variance_reduction.isnull().all()
    assert constant.correlation.isnull().all()


def test_contrasts__needs_two_alliances_in_each_batch() -> None:
    means = np.random.default_rng(3).random((4, BATCHES))
    means[3] = np.nan
    c = contrasts(made(means, [64, 63, 64, 0], {"a": [0, 1, 2, 3]}, "learning"), "learning", {"a": 0})
    assert c.se.notnull().values.tolist() == [True, False, True, False]
    assert c.difference.notnull().values.tolist() == [True, True, True, False]


def test_contrasts__of_points_known_exactly() -> None:
    """No alliances, the same mean in every batch: it has no error; without a mean, the point is not finished."""
    simulated = np.random.default_rng(5).integers(0, 9, BATCHES) * 1.0
    means = np.array([np.full(BATCHES, 4.3), simulated, np.full(BATCHES, 4.7), np.full(BATCHES, np.nan)])
    c = contrasts(made(means, [0, 64, 0, 0], {"a": [0, 1, 2, 3]}), "dissolution_time", {"a": 0})
    np.testing.assert_allclose(c.difference, [0, simulated.mean() - 4.3, 0.4, np.nan], atol=1e-12)
    np.testing.assert_allclose(c.se, [0, simulated.std(ddof=1) / np.sqrt(BATCHES), 0, np.nan], rtol=1e-12)
    np.testing.assert_allclose(c.variance_reduction, [np.nan, 1, np.nan, np.nan])


# --- which points are compared -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cube() -> xr.Dataset:
    factors = {
        "trust": {"path": "context.trust.mean", "levels": [0.1, 0.3, 0.9]},
        "n": {"path": "population.partners", "levels": [3, 2]},
        "rule": {"path": "response.theory_mix", "levels": ["larsson1998", "barriers_only"]},
    }
    return sim.simulate(
        {"population": {"alliances": 100, "periods": 8}, "design": {"kind": "factorial", "factors": factors},
         "response.reconsideration": 0.5, "compute.kind": "serial"}
    )  # fmt: skip


def as_points(ds: xr.Dataset) -> xr.Dataset:
    """A cube as a list of points."""
    axes = list(json.loads(ds.attrs["factors"]))
    return ds.stack(point=axes).reset_index("point").transpose("point", ...)


def last(ds: xr.Dataset) -> xr.DataArray:
    return ds.survival.isel(period=-1, drop=True)


def test_contrasts__to_a_point(cube: xr.Dataset) -> None:
    base = {"trust": 0.3, "n": 2, "rule": "larsson1998"}
    c = contrasts(cube, "survival", base)
    xr.testing.assert_allclose(c.difference, last(cube) - last(cube).sel(base).drop_vars(base))
    assert c.attrs["baseline"] == "trust=0.3, n=2, rule=larsson1998"
    assert set(c.data_vars) == set(VALUES)
    assert all({"units", "long_name", "description"} <= set(c[name].attrs) for name in VALUES)
    assert c.difference.attrs["units"] == "1"
    assert contrasts(cube, "learning", base).low.attrs["units"] == "knowledge per period"
    flat = contrasts(as_points(cube), "survival", base)
    assert flat.difference.dims == ("point",)
    np.testing.assert_array_equal(flat.se, c.se.values.ravel())


def test_contrasts__at_equal_levels_of_the_other_factors(cube: xr.Dataset) -> None:
    for label, level in (("n", 2), ("rule", "barriers_only"), ("trust", 0.9)):
        c = contrasts(cube, "survival", {label: level})
        xr.testing.assert_allclose(c.difference, last(cube) - last(cube).sel({label: level}, drop=True))
        assert (c.se.sel({label: level}) == 0).all()
        flat = contrasts(as_points(cube), "survival", {label: level})
        np.testing.assert_array_equal(flat.difference, c.difference.values.ravel())
    assert contrasts(cube.sel(n=3), "survival", {"trust": 0.1}).difference.dims == ("trust", "rule")
    # A number that differs by rounding is the same level.
    assert contrasts(cube, "survival", {"trust": 0.1 + 0.2}).identical(contrasts(cube, "survival", {"trust": 0.3}))


@pytest.mark.parametrize("label", ["trust", "n", "rule"])
def test_contrasts__of_neighbours(cube: xr.Dataset, label: str) -> None:
    c = contrasts(cube, "survival", along=label)
    xr.testing.assert_allclose(c.difference.drop_vars(f"{label}_from"), last(cube).diff(label))
    assert c[f"{label}_from"].values.tolist() == cube[label].values[:-1].tolist()
    for k in range(1, cube.sizes[label]):
        pair = contrasts(cube, "survival", {label: cube[label].values[k - 1]}).isel({label: k})
        np.testing.assert_array_equal(c.isel({label: k - 1}).se, pair.se)
    if label != "rule":
        backwards = contrasts(cube.isel({label: slice(None, None, -1)}), "survival", along=label)
        assert backwards.identical(c)
        flat = contrasts(as_points(cube), "survival", along=label)
        both = {x: flat[x] for x in ("trust", "n", "rule")}
        np.testing.assert_array_equal(flat.se, c.se.sel(both))
        np.testing.assert_array_equal(flat[f"{label}_from"], c[f"{label}_from"].sel({label: both[label]}))


def test_contrasts__of_a_list_of_points() -> None:
    means = np.random.default_rng(4).integers(0, 99, (5, BATCHES)).astype(float)
    levels = {"a": [3, 1, 2, 1, 2], "b": ["x", "x", "x", "y", "z"]}
    ds = made(np.repeat(means, 1, 0), [64] * 5, levels)
    mean = means.mean(axis=1)
    c = contrasts(ds, "dissolution_time", along="a")
    np.testing.assert_allclose(c.difference, [mean[0] - mean[2], mean[2] - mean[1]])
    assert c["a"].values.tolist() == [3, 2]
    assert c["a_from"].values.tolist() == [2, 1]
    c = contrasts(ds, "dissolution_time", {"b": "x"})
    np.testing.assert_allclose(c.difference, [0, 0, 0, mean[3] - mean[1], mean[4] - mean[2]])
    c = contrasts(ds, "dissolution_time", {"a": 3})
    assert np.isnan(c.difference).values.tolist() == [False, False, False, True, True]
    one = contrasts(ds.isel(point=[0, 1]).swap_dims(point="a").sortby("a"), "dissolution_time", along="a")
    assert one.difference.values.tolist() == pytest.approx([mean[0] - mean[1]])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"variable": "survivl", "baseline": {"n": 2}}, "'survivl' is not kept by batch in the dataset"),
        ({"variable": "survivl", "baseline": {"n": 2}}, "did you mean survival?"),
        ({"variable": "dissolution_time", "baseline": {"n": 2}}, "add it to output.batches"),
        ({}, "give either a baseline"),
        ({"baseline": {"n": 2}, "along": "n"}, "give either a baseline"),
        ({"baseline": {}}, "names no factor; there are trust, n, rule"),
        ({"baseline": {"trst": 0.1}}, "'trst' is no factor; did you mean trust? there are trust, n, rule"),
        ({"along": "partners"}, "'partners' is no factor"),
        ({"baseline": {"trust": 0.35}}, "trust = 0.35: there is no such level; the nearest is 0.3; levels are 0.1"),
        ({"baseline": {"trust": "high"}}, "trust = high: there is no such level; levels are 0.1"),
        ({"baseline": {"rule": "larson1998"}}, "rule = larson1998: there is no such level; did you mean larsson1998?"),
        ({"baseline": {"n": 2}, "level": 1.0}, "level = 1: must be between 0 and 1"),
    ],
)
def test_contrasts__says_what_is_allowed(cube: xr.Dataset, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        contrasts(cube, **{"variable": "survival", **arguments})
    assert said in str(refused.value)


def test_contrasts__nothing_to_compare(cube: xr.Dataset) -> None:
    with pytest.raises(MissingVariable, match="batch_mean is needed"):
        contrasts(cube.drop_vars("batch_mean"), "survival", {"n": 2})
    with pytest.raises(AnalysisError, match="no two points differ in n alone"):
        contrasts(cube.sel(n=3), "survival", along="n")
    some = made(np.zeros((2, BATCHES)), [64, 64], {"a": [1, 2], "b": ["x", "y"]})
    with pytest.raises(AnalysisError, match="no point has a=1, b=y together"):
        contrasts(some, "dissolution_time", {"a": 1, "b": "y"})
