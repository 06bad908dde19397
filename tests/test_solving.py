"""Runs whose points are solved: exact, or exact where it can be; the same store, the same life."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from conftest import base_config
from life import assert_same, fill, tally

import sim
from analysis.contrasts import contrasts
from sim import exact, info, opening, plan, run, solving, survey
from sim.api import open_results
from sim.config import from_mapping
from sim.design import ConfigError, points
from sim.labels import proposition_labels, theory_names
from sim.schema import Config

#: Kept context is solved, moving context is simulated.
COURSE = {"path": "context.kind", "levels": ["static", "endogenous"]}
TRUST = {"path": "context.trust.mean", "levels": [0.2, 0.5, 0.8]}


def config(method="auto", trust=(0.2, 0.5, 0.8), course=True, **overrides) -> Config:
    factors = {"trust": {**TRUST, "levels": list(trust)}, **({"course": COURSE} if course else {})}
    given = {"design__kind": "factorial", "design__factors": factors, "population__alliances": 600,
             "population__periods": 15, "method": method, **({} if course else {"context__kind": "static"})}  # fmt: skip
    return Config.model_validate(base_config(**{**given, **overrides}))


def test_exact__a_store_holds_what_the_engine_says(tmp_path):
    given = config("exact", course=False)
    result = fill(given, tmp_path / "a.zarr")
    assert (result.finished, result.updates) == (3, 0)
    ds = open_results(tmp_path / "a.zarr").load()
    assert (ds.alliances == 0).all()
    assert (ds.survival_se == 0).all()
    assert ds.cumulative_learning_hist.isnull().all()
    assert (ds.learning.isel(period=slice(1, None)) > 0).all()
    for k, point in enumerate(points(given)):
        np.testing.assert_allclose(ds.survival.values[k], exact.solve(point, given).survival.values[0], atol=1e-12)
    assert not tally(tmp_path / "a.zarr").by_period.any()


def test_auto__points_with_a_chain_are_those_of_exact_the_others_those_of_simulate(tmp_path):
    for method in ("auto", "simulate"):
        fill(config(method), tmp_path / f"{method}.zarr")
    fill(config("exact", course=False), tmp_path / "exact.zarr")
    auto, drawn = (open_results(tmp_path / f"{m}.zarr").load().drop_attrs() for m in ("auto", "simulate"))
    solved = open_results(tmp_path / "exact.zarr").load().drop_attrs()
    xr.testing.assert_identical(auto.sel(course="endogenous"), drawn.sel(course="endogenous"))
    xr.testing.assert_identical(auto.sel(course="static").drop_vars("course"), solved)
    # Six standard errors, of the exact share: false with 2e-9 a number, of 24; an error of .15 would be found.
    share, number = solved.survival.isel(period=slice(8, None)), 600
    away = abs(share - drawn.survival.sel(course="static").isel(period=slice(8, None)))
    assert (away <= 6 * np.sqrt(share * (1 - share) / number)).all()


@pytest.mark.parametrize(
    "overrides",
    [
        {"compute__kind": "threads", "compute__workers": 3},
        {"compute__block_seconds": 0.01},
        pytest.param({"compute__kind": "processes", "compute__workers": 2}, id="processes"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_auto__same_bits_for_every_executor(tmp_path, overrides):
    fill(config(), tmp_path / "a.zarr")
    fill(config(**overrides), tmp_path / "b.zarr")
    assert_same(tmp_path / "a.zarr", tmp_path / "b.zarr")


@pytest.mark.parametrize("blocks", [1, 2])
def test_auto__interrupted_and_resumed(tmp_path, blocks):
    fill(config(), tmp_path / "a.zarr")
    assert fill(config(compute__block_seconds=0.01), tmp_path / "b.zarr", stop_after=blocks).interrupted
    fill(config(), tmp_path / "b.zarr")
    assert_same(tmp_path / "a.zarr", tmp_path / "b.zarr")
    assert fill(config(), tmp_path / "b.zarr") is None


def test_auto__more_alliances_extend_the_simulated_points_alone(tmp_path):
    fill(config(), tmp_path / "a.zarr")
    result = fill(config(population__alliances=1500), tmp_path / "a.zarr")
    assert result.finished == 3
    fill(config(population__alliances=1500), tmp_path / "b.zarr")
    assert_same(tmp_path / "a.zarr", tmp_path / "b.zarr")
    more = fill(config(population__alliances=1500, trust=(0.2, 0.4, 0.5, 0.8)), tmp_path / "a.zarr")
    assert more.finished == 2
    assert open_results(tmp_path / "a.zarr").sizes["trust"] == 4


def test_auto__a_target_is_for_the_simulated_points(tmp_path):
    given = config(precision__kind="target", precision__standard_error=0.012)
    fill(given, tmp_path / "a.zarr")
    ds = open_results(tmp_path / "a.zarr").load()
    assert (ds.alliances.sel(course="static") == 0).all()
    assert (ds.alliances.sel(course="endogenous") >= 1000).all()
    assert (ds.survival_se.isel(period=-1) < 0.012).all()
    assert not survey.shortfalls(survey.survey(given, tmp_path / "a.zarr"))


def test_method__is_part_of_what_a_store_is(tmp_path):
    fill(config(), tmp_path / "a.zarr")
    with pytest.raises(ConfigError, match='method: "auto" in the store, "simulate" in this run'):
        survey.survey(config("simulate"), tmp_path / "a.zarr")


def test_exact__refuses_with_the_key_that_prevents_it():
    with pytest.raises(ConfigError) as caught:
        solving.solved(points(config("exact")), config("exact"))
    text = str(caught.value)
    assert text.startswith("method = exact: 3 of 6 points have no exact form (trust=0.2, course=endogenous): context.kind =")
    assert "method=auto" in text
    raced = config("exact", course=False, race__scope=50.0)
    with pytest.raises(ConfigError, match=r"race\.scope = 50"):
        solving.solved(points(raced), raced)


def test_exact__too_many_states_are_refused_with_the_largest_number_that_would_do():
    many = config("exact", course=False, population__partners=20)
    with pytest.raises(ConfigError, match="at most 14 partners would do"):
        solving.solved(points(many), many)


def test_simulate__gives_the_same_in_memory(tmp_path):
    words = {"method": "auto", "design": "factorial", "compute": "serial",
             "design.factors": {"course": COURSE, "trust": TRUST}, "population.alliances": 300,
             "population.periods": 6}  # fmt: skip
    ds = sim.simulate(words)
    fill(from_mapping(words), tmp_path / "a.zarr")
    saved = open_results(tmp_path / "a.zarr").load().drop_vars("done").drop_attrs()
    xr.testing.assert_identical(ds.drop_attrs()[sorted(ds.data_vars)], saved[sorted(saved.data_vars)])


def test_contrasts__of_an_exact_and_a_simulated_point(tmp_path):
    fill(config(), tmp_path / "a.zarr")
    ds = open_results(tmp_path / "a.zarr").load()
    found = contrasts(ds, "survival", {"course": "static"}).sel(course="endogenous")
    expected = ds.survival.isel(period=-1).sel(course="endogenous") - ds.survival.isel(period=-1).sel(course="static")
    np.testing.assert_allclose(found.difference.values, expected.values, atol=1e-12)
    own = ds.survival_se.isel(period=-1).sel(course="endogenous").values
    assert ((found.se.values > 0.5 * own) & (found.se.values < 2 * own)).all()


def test_batch_mean__of_a_solved_point_is_its_mean(tmp_path):
    fill(config("exact", course=False), tmp_path / "a.zarr")
    ds = open_results(tmp_path / "a.zarr").load()
    for name in ("survival", "learning", "cumulative_learning"):
        mean = ds[name].isel(period=-1) if "period" in ds[name].dims else ds[name]
        np.testing.assert_array_equal(ds.batch_mean.sel(quantity=name), mean.expand_dims(batch=32).transpose(..., "batch"))


def command(monkeypatch, capsys, *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["sim.run", *words])
    status = run.main()
    return status, *capsys.readouterr()


def test_command__solves_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ("context=static", "method=exact", "population.periods=5", "compute=serial", "output.report=false")
    status, out, _ = command(monkeypatch, capsys, *words, "plan=true")
    assert status == 0
    assert "exact      1 of them solved as Markov chains" in out
    assert "blocks" not in out
    status, out, _ = command(monkeypatch, capsys, *words)
    assert status == 0
    assert "1 of 1 points in " in out
    assert "partner-updates" not in out
    status, out, _ = command(monkeypatch, capsys, *words)
    assert "nothing to do" in out
    assert info.main(["results/single.zarr"]) == 0
    assert "none, solved exactly" in capsys.readouterr().out


def test_command__exact_without_a_chain_ends_with_status_2(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    status, _, err = command(monkeypatch, capsys, "method=exact", "compute=serial")
    assert status == 2
    assert "method = exact: context.kind = endogenous: the exact chain needs static" in err
    assert err.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_batches__stay_within_a_chunk_and_hold_every_point_once():
    given = config("exact", course=False, trust=tuple(np.linspace(0, 1, 40).round(3).tolist()))
    tasks = [plan.Task(k, p, 0, 600, True) for k, p in enumerate(points(given))]
    found = list(solving.batches(tasks, 7, np.arange(16), (), (), given))
    assert [k for batch in found for k in batch.indices] == list(range(40))
    assert all(len({k // 7 for k in batch.indices}) == 1 for batch in found)


def test_long_runs__of_a_design_are_labelled_and_refuse_what_has_no_chain():
    factors = {"trust": TRUST, "partners": {"path": "population.partners", "levels": [2, 3]}}
    ds = sim.long_runs({"context": "static", "design": "factorial", "design.factors": factors})
    assert ds.dissolution_time.dims == ("trust", "partners")
    assert (ds.dissolution_time.diff("trust") > 0).all()
    np.testing.assert_allclose(ds.dissolution_cause.sum("cause"), 1.0)
    # The chain's mean time is what a simulation of many periods tends to.
    point = {"context": "static", "context.trust.mean": 0.2, "population.periods": 600, "population.alliances": 20000}
    drawn = sim.simulate({**point, "output.every": 600})
    assert float(drawn.survival[0, -1]) < 1e-3
    away = float(drawn.dissolution_time[0]) - float(ds.dissolution_time.sel(trust=0.2, partners=2))
    assert abs(away) < 6 * float(drawn.dissolution_time_se[0])
    with pytest.raises(ConfigError, match=r"context\.kind = endogenous"):
        sim.long_runs()


def test_store__a_solved_point_is_not_taken_for_an_unfinished_one(tmp_path):
    fill(config("exact", course=False), tmp_path / "a.zarr")
    assert opening.read(tmp_path / "a.zarr").done.tolist() == [1, 1, 1]
    assert fill(config("exact", course=False, population__alliances=10**6), tmp_path / "a.zarr") is None


def test_exact__bits_do_not_depend_on_which_points_are_solved_together():
    given = config("exact", course=False, trust=tuple(np.linspace(0.05, 0.95, 23).round(3).tolist()))
    all_of_them = points(given)
    grid, labels, theories = np.arange(16), proposition_labels(all_of_them), theory_names(all_of_them)
    together = exact.values(all_of_them, grid, labels, theories, given)
    for some in (all_of_them[:1], all_of_them[3:8], all_of_them[22:]):
        first = all_of_them.index(some[0])
        apart = exact.values(some, grid, labels, theories, given)
        for name, array in apart.items():
            np.testing.assert_array_equal(array, together[name][first : first + len(some)], err_msg=name)


def test_target__a_variable_without_an_exact_value_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ("context=static", "method=auto", "precision=target", "precision.variable=cumulative_learning_hist",
             "population.periods=5", "compute=serial", "output.report=false")  # fmt: skip
    status, _, err = command(monkeypatch, capsys, *words)
    assert status == 0
    assert "warning: 1 of 1 points stay above the target" in err


def test_replay__of_a_solved_point_says_that_there_is_nothing_to_tell(tmp_path):
    fill(config("exact", course=False), tmp_path / "a.zarr")
    with pytest.raises(ConfigError, match="point = 0: was solved exactly"):
        sim.histories(tmp_path / "a.zarr", 0)
