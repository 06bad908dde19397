"""What only some runs record, from the tallies to the labelled dataset; stores whose mix of theories grows."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from conftest import base_config

import sim
from sim import experiment, plan, survey
from sim.api import open_results
from sim.design import ConfigError, points
from sim.recording import has_phases, has_race, layout_of, needs_full, recorded_names
from sim.schema import Config
from sim.strategies import STRATEGIES
from sim.variables import BATCHES, DIMENSIONS, PERIOD_COLUMNS, PHASES, POINT_COLUMNS, VARIABLES

MIX = {"larsson1998": 0.5, "tit_for_tat": 0.5}
SMALL = {"population__alliances": 600, "population__periods": 12}
RACE = {"race__scope": 8.0, "race__temptation": 0.3}
PHASED = {"phases__kind": "iyer2002"}
EVERY = {
    **SMALL, **RACE, **PHASED,
    "population__partners": 3,
    "population__exit_rate": 0.05,
    "response__theory_mix": {"always_collaboration": 0.2, **{k: 0.4 for k in MIX}},
    "response__misperception": 0.05,
    "response__instrumentality": 0.2,
    "context__trust": {"distribution": "beta", "mean": 0.7, "level": "pair"},
    "context__stakes": {"distribution": "uniform", "low": 0.2, "level": "partner"},
    "context__orientation": {"distribution": "empirical", "values": [0.3, 0.8, 0.9]},
    "ability__absorptive": {"distribution": "beta", "mean": 0.8, "level": "partner"},
    "ability__distance": 0.4,
    "output__variables": ["all", "learning_by_theory", "learning_by_pair"],
}  # fmt: skip


def config_of(**overrides) -> Config:
    return Config.model_validate(base_config(**overrides))


def run(config: Config, path: Path) -> None:
    found = survey.survey(config, path)
    if found.tasks:
        result = experiment.perform(found, plan.pilot(found.tasks, config), "test", "", threading.Event())
        assert experiment.complete(found, result), result.failures


def values(path: Path) -> xr.Dataset:
    return open_results(path).load().drop_attrs()


# --- what is recorded, and which form of the kernel ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "more"),
    [
        ({}, set()),
        (RACE, {"unlearnt", "power"}),
        ({"race__renewal": 0.5, "race__power_scale": 3.0}, set()),
        (PHASED, {"phase_share", "dimension_learning"}),
        ({"output__variables": ["all", "learning_by_pair"]}, {"learning_by_pair"}),
        ({"design__factors": {"t": {"path": "race.temptation", "levels": [0.0, 1.0]}}}, {"unlearnt", "power"}),
    ],
)
def test_recorded_names__all_means_what_the_run_has(overrides, more):
    config = config_of(**overrides)
    usual = {v.name for v in VARIABLES if v.when == "always"}
    assert set(recorded_names(config)) == usual | more
    assert {name for name, _ in layout_of(config).period} - {name for name, _ in PERIOD_COLUMNS} >= more


def test_layout__the_usual_columns_come_first():
    found = layout_of(config_of(**EVERY))
    assert found.period[: len(PERIOD_COLUMNS)] == PERIOD_COLUMNS
    assert found.point[: len(POINT_COLUMNS)] == POINT_COLUMNS
    assert found.slots == 3
    assert len(found.point) == len(POINT_COLUMNS) + 2 * 75 + 3 * BATCHES


def test_layout__slots_of_a_factor_of_mixes():
    levels = ["barriers_only", {"half": {"larsson1998": 0.5, "tit_for_tat": 0.5}}]
    factor = {"rules": {"path": "response.theory_mix", "levels": levels}}
    assert layout_of(config_of(design__kind="factorial", design__factors=factor)).slots == 2


MECHANISMS = {
    "weakest of three": ({"population__coupling": "weakest", "population__partners": 3}, True),
    "weakest of two": ({"population__coupling": "weakest"}, False),
    "beta": ({"context__trust__distribution": "beta"}, True),
    "level of a constant": ({"context__trust__level": "pair"}, False),
    "absorptive": ({"ability__absorptive__mean": 0.9}, True),
    "alignment": ({"ability__alignment": 0.9}, True),
    "no distance": ({"ability__distance": 0.0}, True),
    "slack": ({"ability__slack": 1.0}, True),
    "instrumentality": ({"response__instrumentality": 0.1}, True),
    "mix": ({"response__theory_mix": MIX}, True),
    "temptation": ({"race__temptation": 0.1}, True),
    "phases": (PHASED, True),
    "on request": ({"output__variables": ["learning_by_pair"]}, True),
    "exits": ({"population__exit_rate": 0.1}, True),
    "noise": ({"response__misperception": 0.1, "response__aware": 0.5}, False),
}


@pytest.mark.parametrize("name", MECHANISMS)
def test_needs_full__only_where_a_mechanism_acts_or_more_is_recorded(name):
    overrides, full = MECHANISMS[name]
    config = config_of(**overrides)
    assert needs_full(points(config)[0].parameters, config) is full


def test_has__race_and_phases():
    assert not has_race(config_of())
    assert not has_phases(config_of())
    assert has_phases(config_of(design__factors={"life": {"path": "phases.kind", "levels": ["none", "iyer2002"]}}))


# --- labelled values -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def everything():
    return sim.simulate({"compute": {"kind": "serial"}, **{k.replace("__", "."): v for k, v in EVERY.items()}}).isel(point=0)


def test_phases__shares_sum_to_one_among_those_alive(everything):
    shares, number = everything.phase_share, everything.phase_share_n
    assert number.dims == ("period",)
    np.testing.assert_allclose(number / 600, everything.survival)
    np.testing.assert_allclose(shares.sum("phase"), 1.0)
    assert shares.sel(phase=PHASES[0])[0] == 1.0
    assert shares.sel(phase="exploration")[-1] > 0


def test_dimension_learning__books_all_learning(everything):
    """The weights of each phase sum to 1, so that the dimensions sum to transfer and creation."""
    by_kind = everything.dimension_learning.sum("dimension", skipna=False)
    assert everything.dimension.values.tolist() == list(DIMENSIONS)
    np.testing.assert_allclose(by_kind.sel(kind="unilateral"), everything.transfer, atol=1e-5)
    np.testing.assert_allclose(by_kind.sel(kind="mutual"), everything.creation, atol=1e-5)
    assert everything.transfer[1] > 0


def test_learning_by_theory__is_that_of_the_partners_who_hold_it(everything):
    assert everything.theory.values.tolist() == ["always_collaboration", "larsson1998", "tit_for_tat"]
    number = everything.learning_by_theory_n
    # With three partners, a theory of share p is held in 1 - (1 - p)^3 of the alliances: 5 sd either side.
    for name, share in zip(everything.theory.values, (0.2, 0.4, 0.4), strict=True):
        expected = 1 - (1 - share) ** 3
        found = number.sel(theory=name)[1:]
        assert (found == found[0]).all()
        assert abs(found[0] / 600 - expected) < 5 * np.sqrt(expected * (1 - expected) / 600)
    assert (everything.learning_by_theory.isel(period=slice(1, None)) >= 0).all()


def test_learning_by_pair__first_period_is_figure_2():
    """Everybody starts as the mix has it, so period 1 shows the table of outcomes, cell by cell."""
    ds = sim.simulate(
        {
            "population": {"alliances": 2000, "periods": 1, "initial": {"mix": {s: 0.2 for s in STRATEGIES}}},
            "output.variables": ["learning_by_pair"], "compute": {"kind": "serial"},
        }
    ).isel(point=0, period=1)  # fmt: skip
    receptive = dict(zip(STRATEGIES, (0, 0, 0.5, 1, 1), strict=True))
    transparent = dict(zip(STRATEGIES, (0, 1, 0.5, 0, 1), strict=True))
    for own in STRATEGIES:
        for other in STRATEGIES:
            f, back = min(transparent[other], receptive[own]), min(transparent[own], receptive[other])
            cell = ds.sel(own=own, counterpart=other)
            assert float(cell.learning_by_pair) == pytest.approx(f + (0.5 * (f + back) if f > 0 else 0.0))
            assert float(cell.learning_by_pair_se) == 0.0
            assert cell.learning_by_pair_n > 20


def test_phases__points_without_are_nan():
    factor = {"life": {"path": "phases.kind", "levels": ["none", "iyer2002"]}}
    ds = sim.simulate({"design": {"kind": "factorial", "factors": factor}, "population": {"alliances": 20, "periods": 6}})
    assert ds.phase_share.sel(life="none").isnull().all()
    assert ds.dimension_learning.sel(life="none").isnull().all()
    assert ds.phase_share.sel(life="iyer2002").notnull().all()
    assert (ds.phase_share_n.sel(life="none") == 0).all()
    assert (ds.phase_share_n.sel(life="iyer2002") > 0).any()


# --- stores ----------------------------------------------------------------------------------------------------------


def mixes(*levels, **overrides) -> Config:
    factors = {"rules": {"path": "response.theory_mix", "levels": list(levels)}}
    variables = ["all", "learning_by_theory"]
    given = {**SMALL, "output__variables": variables, **overrides}
    return config_of(design__kind="factorial", design__factors=factors, **given)


THREE = {"three": {"always_competition": 0.2, "larsson1998": 0.4, "tit_for_tat": 0.4}}


def test_extension__by_a_larger_mix_equals_both_at_once(tmp_path):
    grown, once = tmp_path / "grown.zarr", tmp_path / "once.zarr"
    run(mixes("larsson1998", {"half": MIX}), grown)
    run(mixes("larsson1998", {"half": MIX}, THREE), grown)
    run(mixes("larsson1998", {"half": MIX}, THREE), once)
    xr.testing.assert_identical(values(grown), values(once))
    for name in ("by_period", "by_run"):
        a, b = (xr.open_zarr(path, group="tally").load() for path in (grown, once))
        dim = "period_column" if name == "by_period" else "run_column"
        labels = [str(label) for label in b[dim].values]
        where = [[str(label) for label in a[dim].values].index(label) for label in labels]
        assert sorted(where) == list(range(len(labels)))
        np.testing.assert_array_equal(a[name].isel({dim: where}).values, b[name].values)


def test_extension__more_alliances_of_a_smaller_mix_keep_the_larger_one(tmp_path):
    path, once = tmp_path / "a.zarr", tmp_path / "b.zarr"
    run(mixes("larsson1998", THREE), path)
    before = values(path).sel(rules="three")
    run(mixes("larsson1998", population__alliances=900), path)
    run(mixes("larsson1998", population__alliances=900), once)
    after = values(path)
    xr.testing.assert_identical(after.sel(rules="three"), before)
    both = [name for name in values(once).data_vars if "theory" not in values(once)[name].dims and name != "response_count"]
    grown, alone = (
        ds.sel(rules="larsson1998")[both].drop_vars(["theory", "proposition"], errors="ignore")
        for ds in (after, values(once))
    )
    xr.testing.assert_identical(grown, alone)


@pytest.mark.parametrize(
    "overrides", [{"compute__block_seconds": 0.01}, {"compute__kind": "processes", "compute__workers": 2}]
)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_run__same_bits_with_every_mechanism(tmp_path, overrides):
    one, other = tmp_path / "one.zarr", tmp_path / "other.zarr"
    run(config_of(**{**EVERY, "population__alliances": 1500}), one)
    run(config_of(**{**EVERY, "population__alliances": 1500, **overrides}), other)
    xr.testing.assert_identical(values(one), values(other))


def test_identity__another_mix_is_refused(tmp_path):
    path = tmp_path / "a.zarr"
    run(config_of(**SMALL, response__theory_mix=MIX), path)
    with pytest.raises(ConfigError, match="theory_mix"):
        survey.survey(config_of(**SMALL, response__theory_mix={"larsson1998": 0.4, "tit_for_tat": 0.6}), path)
    with pytest.raises(ConfigError, match=r"race\.scope"):
        survey.survey(config_of(**SMALL, response__theory_mix=MIX, race__scope=3.0), path)
