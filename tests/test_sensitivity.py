"""Sobol indices and Morris measures: of functions whose answers are known, through datasets, with Monte Carlo error."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from conftest import base_config

import sim
from analysis import sensitivity
from analysis.studies import sensitivity as study_module
from analysis.studies import study_of
from analysis.summaries import AnalysisError, MissingVariable
from sim.design import design_rows
from sim.schema import Config

#: Ishigami & Homma 1990 with a = 7, b = .1: first and total indices in closed form.
A, B = 7.0, 0.1
PARTS = (0.5 * (1 + B * np.pi**4 / 5) ** 2, A**2 / 8, 8 * B**2 * np.pi**8 / 225)
VARIANCE = sum(PARTS)
FIRST = np.array([PARTS[0], PARTS[1], 0.0]) / VARIANCE
TOTAL = np.array([PARTS[0] + PARTS[2], PARTS[1], PARTS[2]]) / VARIANCE


def ishigami(u):
    x = np.pi * (2 * u - 1)
    return np.sin(x[:, 0]) + A * np.sin(x[:, 1]) ** 2 + B * x[:, 2] ** 4 * np.sin(x[:, 0])


def configured(kind, points, common=False, **factors) -> Config:
    ranges = factors or {
        "trust": {"path": "context.trust.mean", "levels": {"low": 0.0, "high": 1.0}},
        "orientation": {"path": "context.orientation.mean", "levels": {"low": 0.0, "high": 1.0}},
        "prior": {"path": "context.prior.mean", "levels": {"low": 0.0, "high": 1.0}},
    }
    given = {"design__kind": kind, "design__factors": ranges, "design__points": points, "random__common": common}
    given |= {"design__levels": 4} if kind == "morris" else {}
    return Config.model_validate(base_config(**given))


def made(config: Config, function, error=0.0, seed=5) -> xr.Dataset:
    """A dataset as of a run of a design, its `learning` at two periods a function of the levels, with noise."""
    points, _ = design_rows(config)
    levels = {label: np.array([p.labels[label] for p in points]) for label in config.design.factors}
    names = any(values.dtype.kind == "U" for values in levels.values())
    u = np.stack([values.astype(object) if names else values for values in levels.values()], axis=1)
    y = function(u) + error * np.random.default_rng(seed).normal(size=len(u))
    data = {
        "learning": (("point", "period"), np.stack([np.full(len(y), np.nan), y], 1)),
        "learning_se": (("point", "period"), np.stack([np.full(len(y), np.nan), np.full(len(y), error)], 1)),
        "survival": (("point", "period"), np.ones((len(y), 2))),
        "survival_se": (("point", "period"), np.zeros((len(y), 2))),
    }
    attrs = {"factors": json.dumps(list(levels)), "config": json.dumps(config.model_dump(mode="json"))}
    coords = {label: ("point", values) for label, values in levels.items()} | {"period": [0, 10]}
    return xr.Dataset(data, coords, attrs)


def test_sobol__of_ishigami_are_those_of_the_textbook():
    """8,192 base points: off by less than .01 (the smallest textbook index that is not 0 is .244)."""
    ds = made(configured("saltelli", 8192), ishigami)
    found = sensitivity.sobol(ds, "learning").sel(period=10)
    assert found.factor.values.tolist() == ["trust", "orientation", "prior"]
    np.testing.assert_allclose(found["first"], FIRST, atol=0.01)
    np.testing.assert_allclose(found["total"], TOTAL, atol=0.01)
    assert float(found["variance"]) == pytest.approx(VARIANCE, rel=0.01)
    assert float(found["noise"]) == 0.0
    for name, truth in (("first", FIRST), ("total", TOTAL)):
        half = (found[f"{name}_high"] - found[f"{name}_low"]).values / 2
        assert (half > 0).all()
        assert (half < 0.06).all()
        assert (np.abs(found[name].values - truth) < 2 * half).all()


def test_sobol__intervals_shrink_with_the_root_of_the_points():
    halves = []
    for points in (512, 8192):
        found = sensitivity.sobol(made(configured("saltelli", points), ishigami), "learning", [10])
        halves.append(float((found["total_high"] - found["total"]).sel(factor="trust", period=10)))
    assert 2.5 < halves[0] / halves[1] < 6.5


def test_sobol__the_error_of_the_runs_is_taken_out_where_they_are_independent():
    """Noise of half the variance would make the indices a third smaller, the total of a factor that does nothing .33."""
    error = np.sqrt(VARIANCE / 2)
    noisy = made(configured("saltelli", 8192), ishigami, error)
    found = sensitivity.sobol(noisy, "learning", [10]).sel(period=10)
    np.testing.assert_allclose(found["first"], FIRST, atol=0.04)
    np.testing.assert_allclose(found["total"], TOTAL, atol=0.04)
    assert float(found["noise"]) == pytest.approx(1 / 3, abs=0.02)
    left = sensitivity.sobol(made(configured("saltelli", 8192, common=True), ishigami, error), "learning", [10])
    assert float(left["total"].sel(factor="prior", period=10)) > TOTAL[2] + 0.1


def test_sobol__one_error_of_equal_runs_is_no_difference_between_them():
    """Two levels, three, and a range: half of the pairs that differ in the first factor alone are the same point.

    The function's indices by enumeration; errors as large as it varies would take .25 from totals if equal runs counted.
    """
    factors = {
        "rule": {"path": "response.theory_mix", "levels": ["larsson1998", "barriers_only"]},
        "partners": {"path": "population.partners", "levels": [2, 3, 4]},
        "trust": {"path": "context.trust.mean", "levels": {"low": 0.0, "high": 1.0}},
    }
    config = configured("saltelli", 4096, **factors)

    def value(u):
        return 2.0 * (u[:, 0] == "larsson1998") * (u[:, 1].astype(float) - 1.0) + u[:, 2].astype(float)

    sd = 1.5
    found = sensitivity.sobol(made(config, value, sd), "learning", [10]).sel(period=10)
    grid = np.array([[2.0 * a * (n - 1.0) for n in (2, 3, 4)] for a in (0, 1)])
    whole = grid.var() + 1 / 12
    first = np.array([grid.mean(axis=1).var(), grid.mean(axis=0).var(), 1 / 12]) / whole
    total = np.array([grid.var(axis=0).mean(), grid.var(axis=1).mean(), 1 / 12]) / whole
    np.testing.assert_allclose(found["total"], total, atol=0.06)
    np.testing.assert_allclose(found["first"], first, atol=0.08)


def test_sobol__first_order_of_discrete_factors_is_not_raised_by_errors():
    """AB may be the same point as B, whose error then is squared in the product."""
    factors = {
        "rule": {"path": "response.theory_mix", "levels": ["larsson1998", "barriers_only"]},
        "partners": {"path": "population.partners", "levels": [2, 3]},
    }
    config = configured("saltelli", 4096, **factors)
    ds = made(config, lambda u: 1.0 * (u[:, 0] == "larsson1998"))
    exact = sensitivity.sobol(ds, "learning", [10]).sel(period=10)
    np.testing.assert_allclose(exact["first"], [1, 0], atol=0.02)
    # Four points: their errors are drawn anew until they average out.
    runs = [sensitivity.sobol(made(config, lambda u: 1.0 * (u[:, 0] == "larsson1998"), 0.3, seed), "learning", [10])
            for seed in range(60)]  # fmt: skip
    mean = xr.concat(runs, "run").median("run").sel(period=10)
    assert abs(float(mean["first"].sel(factor="partners"))) < 0.06
    assert abs(float(mean["total"].sel(factor="partners"))) < 0.12


def test_sobol__nothing_varies_nothing_is_said():
    found = sensitivity.sobol(made(configured("saltelli", 64), ishigami), "survival")
    assert found["first"].isnull().all()
    assert found["total"].isnull().all()
    assert (found["variance"] == 0).all()


def test_sobol__says_what_its_values_are():
    found = sensitivity.sobol(made(configured("saltelli", 64), ishigami), "learning")
    for name in found.data_vars:
        assert found[name].attrs["long_name"]
        assert found[name].attrs["units"]
    assert found.attrs["variable"] == "learning"
    assert found["first_low"].attrs["long_name"] == "first-order Sobol index, low end of the 95% interval"


def linear(u):
    return 3 * u[:, 0] - 2 * u[:, 1] + 0 * u[:, 2]


def test_morris__of_a_linear_function_are_its_slopes():
    found = sensitivity.morris(made(configured("morris", 20), linear), "learning", [10]).sel(period=10)
    np.testing.assert_allclose(found["mu"], [3, -2, 0], atol=1e-9)
    np.testing.assert_allclose(found["mu_star"], [3, 2, 0], atol=1e-9)
    np.testing.assert_allclose(found["sigma"], 0, atol=1e-9)
    assert float(found["error"]) == 0.0


def test_morris__a_curve_and_an_interaction_show_in_sigma():
    found = sensitivity.morris(made(configured("morris", 200), lambda u: u[:, 0] * u[:, 1] + u[:, 2]), "learning", [10])
    at = found.sel(period=10)
    assert float(at["sigma"].sel(factor="prior")) == pytest.approx(0.0, abs=1e-9)
    assert float(at["sigma"].sel(factor="trust")) > 0.2
    assert float(at["mu"].sel(factor="trust")) == pytest.approx(0.5, abs=0.1)
    assert (at["mu_star_low"] <= at["mu_star"]).all()


def test_morris__says_how_much_of_an_effect_is_noise():
    quiet, noisy = (sensitivity.morris(made(configured("morris", 300), linear, e), "learning", [10]) for e in (0.0, 0.1))
    # A step of 2/3 of the range: the error of a difference over it.
    assert float(noisy["error"][0]) == pytest.approx(np.sqrt(2) * 0.1 / (2 / 3))
    assert float(noisy["sigma"].sel(factor="prior")[0]) == pytest.approx(float(noisy["error"][0]), rel=0.2)
    assert float(quiet["sigma"].sel(factor="prior")[0]) == pytest.approx(0.0, abs=1e-9)


def test_refuses__another_design_a_gap_a_period_a_variable():
    saltelli = made(configured("saltelli", 16), ishigami)
    with pytest.raises(AnalysisError, match="needs a run with design=morris; this one's is saltelli"):
        sensitivity.morris(saltelli, "learning")
    with pytest.raises(AnalysisError, match="2 of 80 points of the design are not finished"):
        sensitivity.sobol(saltelli.isel(point=slice(2, None)), "learning")
    with pytest.raises(AnalysisError, match="period 5 is not recorded; recorded are 0, 10"):
        sensitivity.sobol(saltelli, "learning", [5])
    with pytest.raises(MissingVariable, match="creation"):
        sensitivity.sobol(saltelli, "creation")


CATEGORIES = [
    "design=saltelli", "design.points=32", "population.alliances=60", "population.periods=8", "compute=serial",
    "output.every=4", "random.common=false",
    "design.factors.rule={path: response.theory_mix, levels: [larsson1998, barriers_only]}",
    "design.factors.trust={path: context.trust.mean, levels: {low: 0, high: 1}}",
    "design.factors.partners={path: population.partners, levels: {low: 2, high: 4, scale: integer}}",
]  # fmt: skip


def test_a_run_with_names_and_whole_numbers_whose_equal_runs_are_one_point():
    ds = sim.simulate(CATEGORIES)
    assert ds.sizes["point"] < 32 * 5
    found = sensitivity.sobol(ds, "strategy_share")
    assert found["first"].dims == ("factor", "period", "strategy")
    assert found["total"].sel(period=8).notnull().any()
    whole = sensitivity.sobol(ds, "dissolution_time")
    assert whole["total"].dims == ("factor",)
    # A shuffled store is the same design.
    again = sensitivity.sobol(ds.isel(point=np.random.default_rng(1).permutation(ds.sizes["point"])), "dissolution_time")
    xr.testing.assert_identical(whole, again)


SMALL = ["+experiment=sensitivity", "design.points=16", "population.alliances=40", "population.periods=10",
         "output.every=5", "compute=serial"]  # fmt: skip


def test_study__runs_on_a_small_design(tmp_path):
    ds = sim.simulate(SMALL)
    found = study_of("sensitivity")(ds, tmp_path)
    factors = len(json.loads(ds.attrs["factors"]))
    assert len(found.rows) == factors * (3 + 1)
    assert {"variable", "period", "factor", "first", "first_low", "total_high", "variance", "noise"} <= set(found.rows[0])
    assert "reconsideration" in found.text
    assert len(found.text.splitlines()) <= 25
    found.figure.savefig(tmp_path / "a.png")


def test_study__names_the_factor_that_decides():
    """Survival that is a step in one factor alone: its indices are 1, all others 0."""
    ds = sim.simulate(SMALL)
    step = (ds["orientation"] > 0.5) * 1.0
    ds["survival"] = xr.where(ds["period"] > 0, step, 1.0).transpose("point", "period")
    ds["survival_se"] = 0.0 * ds["survival"]
    ds["cumulative_learning"] = step
    ds["cumulative_learning_se"] = 0.0 * step
    found = study_module.study(ds, None)
    lines = [line for line in found.text.splitlines() if "+-" in line]
    assert lines[0].startswith("orientation")
    own = {row["factor"]: row["total"] for row in found.rows if row["variable"] == "cumulative_learning"}
    assert own.pop("orientation") > 0.8
    assert max(map(abs, own.values())) < 1e-9
