"""Runs as a whole: the same bits however they are cut, interrupted or extended; refusals; nothing half-written."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from conftest import base_config
from life import assert_same, labelled, tally
from life import fill as run

from sim import executor, experiment, extension, info, opening, place, replay, store, survey, theory
from sim.api import cube, open_results
from sim.design import ConfigError
from sim.schema import Config

TRUST = {"path": "context.trust.mean", "levels": [0.0, 0.5, 1.0]}
PARTNERS = {"path": "population.partners", "levels": [2, 3]}


def sweep(trust=(0.0, 0.5, 1.0), partners=(2, 3), **overrides) -> Config:
    factors = {"trust": {**TRUST, "levels": list(trust)}, "partners": {**PARTNERS, "levels": list(partners)}}
    defaults = {"population__alliances": 700, "population__periods": 20}
    return Config.model_validate(base_config(design__kind="factorial", design__factors=factors, **{**defaults, **overrides}))


def by_label(path: Path) -> xr.Dataset:
    ds = open_results(path).load().drop_attrs()
    return ds


def snapshot(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


@pytest.fixture
def serial_store(tmp_path):
    path = tmp_path / "serial.zarr"
    run(sweep(), path)
    return path


@pytest.mark.parametrize(
    "overrides",
    [
        {"compute__kind": "threads", "compute__workers": 3},
        {"compute__block_seconds": 0.01},
        {"compute__block_seconds": 100.0},
        pytest.param({"compute__kind": "processes", "compute__workers": 2}, id="processes"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_run__same_bits_for_every_executor_and_block_size(tmp_path, serial_store, overrides):
    other = tmp_path / "other.zarr"
    result = run(sweep(**overrides), other)
    assert result.finished == 6
    assert not result.failures
    assert_same(serial_store, other)


def test_run__a_store_is_what_simulate_returns(serial_store):
    import sim

    config = sweep()
    ds = sim.simulate(
        {"population": {"alliances": 700, "periods": 20}, "compute": {"kind": "serial"},
         "design": config.design.model_dump(exclude_none=True, mode="json")}
    )  # fmt: skip
    saved = by_label(serial_store).drop_vars("done")
    xr.testing.assert_identical(ds.drop_attrs()[sorted(ds.data_vars)], saved[sorted(saved.data_vars)])


def test_run__again_changes_nothing(serial_store):
    before = snapshot(serial_store)
    assert run(sweep(), serial_store) is None
    assert run(sweep(population__alliances=10), serial_store) is None
    assert run(sweep(trust=[0.5]), serial_store) is None
    assert snapshot(serial_store) == before


def test_complete__the_same_config_needs_no_points(serial_store, monkeypatch):
    elsewhere = sweep(compute__kind="threads", compute__workers=3, output__path="x.zarr", plan=True)
    monkeypatch.setattr(survey, "points", None)
    assert survey.complete(sweep(), serial_store) == survey.complete(elsewhere, serial_store) == 6


def test_complete__whatever_else_differs_is_for_a_survey_to_judge(tmp_path, serial_store):
    others = [
        sweep(population__alliances=600),
        sweep(trust=(0.0, 0.5)),
        sweep(random__seed=5),
        sweep(output__every=5),
        sweep(output__overwrite=True),
        sweep(precision__kind="target"),
    ]
    for config in others:
        assert survey.complete(config, serial_store) is None
    assert survey.complete(sweep(), tmp_path / "none.zarr") is None
    # A narrower config extends the store: it is not the answer to that alone.
    run(sweep(population__alliances=800, trust=(0.5,)), serial_store)
    assert survey.complete(sweep(population__alliances=800, trust=(0.5,)), serial_store) is None


@pytest.mark.parametrize("how", ["stopped", "failed"])
def test_complete__not_after_an_extension_that_did_not_end(serial_store, monkeypatch, how):
    """What was not redone has its mark, and fewer alliances than were asked for."""
    larger = sweep(population__alliances=900, compute__block_seconds=0.01)
    if how == "stopped":
        run(larger, serial_store, stop_after=2)
    else:
        monkeypatch.setattr(executor, "run_block", fails_once(executor.run_block))
        assert run(larger, serial_store).failures
        monkeypatch.undo()
    assert len(set(opening.read(serial_store).alliances.tolist())) == 2
    assert opening.read(serial_store).done.all()
    assert survey.complete(larger, serial_store) is None
    assert run(larger, serial_store).finished
    assert survey.complete(larger, serial_store) == 6
    assert survey.complete(sweep(), serial_store) is None


def fails_once(real):
    """A block of one point, of those that come by themselves, fails."""

    def run_block(block):
        if any(segment.point == 3 for segment in block.segments):
            raise ArithmeticError("a failure")
        return real(block)

    return run_block


def test_complete__not_with_points_left_or_damaged_or_another_program(tmp_path, serial_store, monkeypatch):
    partial = tmp_path / "partial.zarr"
    run(sweep(compute__block_seconds=0.01), partial, stop_after=3)
    assert survey.complete(sweep(), partial) is None
    with monkeypatch.context() as patched:
        patched.setattr(survey, "STREAM_VERSION", 99)
        assert survey.complete(sweep(), serial_store) is None
    next((serial_store / "survival").glob("0*")).unlink()
    assert survey.complete(sweep(), serial_store) is None


def test_complete__not_with_a_theory_that_reads_otherwise(tmp_path):
    file, path = tmp_path / "own.yaml", tmp_path / "a.zarr"
    text = theory.source_of("larsson1998")
    file.write_text(text)
    config = sweep(response__theory_mix=str(file))
    run(config, path)
    assert survey.complete(config, path) == 6
    file.write_text(text + "\n# another\n")
    assert survey.complete(config, path) is None
    file.unlink()
    assert survey.complete(config, path) is None


@pytest.mark.parametrize("blocks", [1, 2, 4])
def test_run__interrupted_and_resumed_is_as_if_never_interrupted(tmp_path, serial_store, blocks):
    path = tmp_path / "stopped.zarr"
    config = sweep(compute__block_seconds=0.02)
    first = run(config, path, stop_after=blocks)
    assert first.interrupted
    assert first.finished < 6
    done = opening.read(path).done
    assert done.sum() == first.finished
    second = run(config, path)
    assert second.finished == 6 - first.finished
    assert_same(serial_store, path)


def test_extension__more_alliances_equal_as_many_at_once(tmp_path):
    grown, at_once = tmp_path / "grown.zarr", tmp_path / "once.zarr"
    run(sweep(population__alliances=1000), grown)
    run(sweep(population__alliances=5000), grown)
    run(sweep(population__alliances=5000), at_once)
    assert_same(grown, at_once)
    assert (labelled(grown).alliances == 5000).all()


@pytest.mark.parametrize("variable", ["learning", "dissolution_time"])
def test_extension__of_a_store_without_variables_by_period_or_of_the_whole_run(tmp_path, variable):
    grown, at_once = tmp_path / "grown.zarr", tmp_path / "once.zarr"
    run(sweep(population__alliances=100, output__variables=[variable]), grown)
    run(sweep(population__alliances=300, output__variables=[variable]), grown)
    run(sweep(population__alliances=300, output__variables=[variable]), at_once)
    xr.testing.assert_identical(labelled(grown), labelled(at_once))


def test_extension__more_levels_keep_indices_and_equal_by_label(tmp_path, serial_store):
    at_once = tmp_path / "once.zarr"
    before = labelled(serial_store)
    run(sweep(trust=[0.0, 0.25, 0.5, 1.0], partners=[2, 3, 4]), serial_store)
    run(sweep(trust=[0.0, 0.25, 0.5, 1.0], partners=[2, 3, 4]), at_once)
    after = labelled(serial_store)
    xr.testing.assert_identical(before, after.isel(point=slice(0, 6)))
    xr.testing.assert_identical(by_label(serial_store), by_label(at_once))


def test_extension__levels_of_periods_widen_the_period_axis(tmp_path):
    def config(levels, alliances=300):
        return Config.model_validate(
            base_config(
                design__kind="factorial", population__alliances=alliances, output__every=4,
                design__factors={"length": {"path": "population.periods", "levels": levels}},
            )
        )  # fmt: skip

    path, at_once = tmp_path / "a.zarr", tmp_path / "b.zarr"
    run(config([7]), path)
    run(config([7, 10], 900), path)
    run(config([7, 10], 900), at_once)
    ds = labelled(path)
    assert ds.period.values.tolist() == [0, 4, 7, 8, 10]
    own = np.isfinite(ds.survival.values)
    assert own.tolist() == [[True, True, True, False, False], [True, True, False, True, True]]
    xr.testing.assert_identical(ds, labelled(at_once))
    xr.testing.assert_identical(tally(path), tally(at_once))


@pytest.mark.parametrize("blocks", [1, 3, 5])
def test_extension__interrupted_keeps_every_finished_point(tmp_path, serial_store, blocks):
    at_once = tmp_path / "once.zarr"
    before = labelled(serial_store)
    bigger = sweep(trust=[0.0, 0.5, 0.7, 1.0], population__alliances=2000, compute__block_seconds=0.02)
    run(bigger, serial_store, stop_after=blocks)
    half = labelled(serial_store)
    assert (half.done[:6] == 1).all()
    for k in range(6):
        if half.alliances[k] == 700:
            xr.testing.assert_identical(half.isel(point=k), before.isel(point=k))
    run(bigger, serial_store)
    run(bigger, at_once)
    xr.testing.assert_identical(by_label(serial_store), by_label(at_once))


def test_extension__a_death_before_it_ends_loses_nothing(tmp_path, serial_store):
    """The extended store is left aside, half done, as kill -9 leaves it."""
    bigger = sweep(trust=[0.0, 0.5, 0.7, 1.0], population__alliances=2000, compute__block_seconds=0.02)
    before = snapshot(serial_store)
    real = extension.settle

    def dies(old, new):
        raise MemoryError

    experiment.extension.settle = dies
    try:
        with pytest.raises(MemoryError):
            run(bigger, serial_store, stop_after=3)
    finally:
        experiment.extension.settle = real
    assert snapshot(serial_store) == before
    assert place.siblings(serial_store)[1].exists()
    result = run(bigger, serial_store)
    assert result.finished < 8
    at_once = tmp_path / "once.zarr"
    run(bigger, at_once)
    xr.testing.assert_identical(by_label(serial_store), by_label(at_once))
    assert sorted(os.listdir(tmp_path)) == ["once.zarr", "serial.zarr"]


def test_recover__a_swap_cut_in_half_is_finished(tmp_path, serial_store):
    before = labelled(serial_store)
    previous = place.siblings(serial_store)[2]
    os.rename(serial_store, previous)
    extension.recover(serial_store)
    xr.testing.assert_identical(labelled(serial_store), before)
    assert not previous.exists()


def test_write__a_death_before_the_mark_leaves_the_point_unfinished(tmp_path, serial_store):
    path = tmp_path / "dies.zarr"
    real = store.Store.mark

    def dies(self, indices):
        raise OSError("no space left on device")

    store.Store.mark = dies
    try:
        with pytest.raises(OSError, match="no space"):
            run(sweep(), path)
    finally:
        store.Store.mark = real
    assert opening.read(path).done.sum() == 0
    assert (labelled(path).done == 0).all()
    run(sweep(), path)
    xr.testing.assert_identical(labelled(serial_store), labelled(path))


def test_run__a_failing_block_is_reported_and_the_rest_goes_on(tmp_path, serial_store, monkeypatch):
    from sim import blocks

    real = blocks.run_segment

    def fails(arguments, first, count):
        if arguments.point["trust"] == np.float32(0.5) and arguments.point["partners"] == 3:
            raise ZeroDivisionError("on purpose")
        return real(arguments, first, count)

    path = tmp_path / "fails.zarr"
    config = sweep(compute__block_seconds=0.02)
    with monkeypatch.context() as patch:
        patch.setattr(
            executor,
            "run_block",
            lambda block: [fails(a, s.first, s.count) for s, a in zip(block.segments, block.arguments, strict=True)],
        )
        result = run(config, path)
    assert result.failures
    assert all("trust=0.5, partners=3" in text and "on purpose" in text for text in result.failures)
    assert not experiment.complete(survey.survey(config, path), result)
    assert opening.read(path).done.sum() == 5
    run(config, path)
    xr.testing.assert_identical(labelled(serial_store), labelled(path))


@pytest.mark.parametrize(
    ("override", "key", "theirs", "ours"),
    [
        ({"random__seed": 2}, "random.seed", "1", "2"),
        ({"response__tremble": 0.01}, "response.tremble", "0.002", "0.01"),
        ({"population__periods": 30}, "population.periods", "20", "30"),
        ({"output__every": 2}, "output.every", "1", "2"),
        ({"output__variables": ["survival"]}, "output.variables", '"all"', '["survival"]'),
        ({"response__theory_mix": "barriers_only"}, "response.theory_mix", '"larsson1998"', '"barriers_only"'),
        ({"context__kind": "static"}, "context.kind", '"endogenous"', '"static"'),
        ({"random__common": False}, "random.common", "true", "false"),
    ],
)
def test_identity__another_config_is_refused_with_both_values(serial_store, override, key, theirs, ours):
    before = snapshot(serial_store)
    with pytest.raises(ConfigError) as refusal:
        survey.survey(sweep(**override), serial_store)
    text = str(refusal.value)
    assert f"{key}: {theirs} in the store, {ours} in this run" in text
    assert snapshot(serial_store) == before


def test_identity__what_cannot_change_a_value_is_no_part_of_it(serial_store):
    for same in (
        {"compute__kind": "threads"},
        {"compute__block_seconds": 3.0},
        {"context__trust__mean": 0.9},
        {"output__report": False},
    ):
        assert not survey.survey(sweep(**same), serial_store).tasks


def test_identity__a_factor_of_another_path_is_refused(tmp_path, serial_store):
    config = Config.model_validate(
        base_config(
            design__kind="factorial", population__alliances=700, population__periods=20,
            design__factors={"trust": {"path": "context.stakes.mean", "levels": [0.5]}, "partners": PARTNERS},
        )
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"design\.factors\.trust\.path"):
        survey.survey(config, serial_store)


def test_path__a_file_or_a_foreign_folder_is_refused(tmp_path):
    file = tmp_path / "file.zarr"
    file.write_text("mine")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.doc").write_text("mine")
    ours = tmp_path / "other.zarr"
    xr.Dataset({"a": ("x", [1.0])}).to_zarr(ours, zarr_format=2)
    for path in (file, foreign, ours, file / "below.zarr"):
        for overwrite in (False, True):
            with pytest.raises(ConfigError, match=r"output\.path"):
                survey.survey(sweep(output__overwrite=overwrite), path)
    assert file.read_text() == "mine"
    assert (foreign / "thesis.doc").read_text() == "mine"


def test_path__overwrite_replaces_a_store(tmp_path, serial_store):
    other = tmp_path / "other.zarr"
    config = sweep(random__seed=5, output__overwrite=True)
    run(config, serial_store)
    run(sweep(random__seed=5), other)
    xr.testing.assert_identical(labelled(serial_store), labelled(other))


def test_size__beyond_what_can_be_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    path = tmp_path / "big.zarr"
    with pytest.raises(ConfigError, match=r"2\^63"):
        survey.survey(sweep(population__alliances=2**60, population__periods=100), path)
    with pytest.raises(ConfigError, match=r"output\.every"):
        survey.survey(sweep(population__periods=10**6), path)
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda where: usage)
    with pytest.raises(ConfigError, match="free"):
        survey.survey(sweep(), path)
    assert os.listdir(tmp_path) == []


def test_variables__a_subset_has_the_same_values_and_nothing_else(tmp_path, serial_store):
    path = tmp_path / "few.zarr"
    run(sweep(output__variables=["survival", "inequity", "response_count"]), path)
    few, everything = labelled(path), labelled(serial_store)
    assert set(few.data_vars) == {
        "survival", "survival_se", "inequity", "inequity_se", "inequity_n", "response_count", "alliances", "done",
    }  # fmt: skip
    xr.testing.assert_identical(few, everything[sorted(few.data_vars)])


def test_cube__one_dimension_per_factor(serial_store):
    flat, wide = labelled(serial_store), by_label(serial_store)
    assert wide.survival.dims == ("trust", "partners", "period")
    for k in range(6):
        one = flat.isel(point=k)
        chosen = wide.sel(trust=float(one.trust), partners=int(one.partners))
        np.testing.assert_array_equal(chosen.survival, one.survival)
    assert wide.alliances.dtype == flat.alliances.dtype


def test_cube__a_list_stays_a_list(tmp_path):
    rows = [{"trust": 0.1, "partners": 2}, {"trust": 0.2, "partners": 3}]
    config = Config.model_validate(
        base_config(
            design__kind="list", population__alliances=100, population__periods=5, design__rows=rows,
            design__factors={"trust": {"path": "context.trust.mean"}, "partners": {"path": "population.partners"}},
        )
    )  # fmt: skip
    path = tmp_path / "list.zarr"
    run(config, path)
    assert cube(xr.open_zarr(path)).sizes["point"] == 2


def test_store__every_variable_says_what_it_is(serial_store):
    for name, variable in xr.open_zarr(serial_store).variables.items():
        assert {"units", "long_name", "description"} <= set(variable.attrs), name


def test_store__values_follow_from_the_saved_sums(serial_store):
    """Mean and standard error of every scalar real, recomputed from ``tally`` with Python integers."""
    ds, sums = labelled(serial_store), tally(serial_store)
    n = 700
    for name in ("learning", "mean_trust", "transfer"):
        column = sums.sel(period_column=name)
        s = (
            column.by_period.sel(moment="sum").values.astype(object)
            + column.by_period_high.sel(moment="sum").values.astype(object) * 2**64
        )
        q = (
            column.by_period.sel(moment="square").values.astype(object)
            + column.by_period_high.sel(moment="square").values.astype(object) * 2**64
        )
        later = slice(1, None)
        mean = (s / (n * 2**20)).astype(float)
        error = np.sqrt(((n * q - s * s) / (n * n * (n - 1))).astype(float)) / 2**20
        np.testing.assert_allclose(ds[name].values[:, later], mean[:, later], rtol=1e-13, atol=0)
        np.testing.assert_allclose(ds[f"{name}_se"].values[:, later], error[:, later], rtol=1e-10, atol=1e-16)


def named(levels, **overrides) -> Config:
    factors = {"m": {"path": "context.trust.mean", "levels": levels}}
    return Config.model_validate(
        base_config(
            design__kind="factorial", design__factors=factors, population__alliances=50, population__periods=5, **overrides
        )
    )


def test_identity__a_name_that_stands_for_another_value_is_refused(tmp_path):
    path = tmp_path / "named.zarr"
    run(named([{"low": 0.1}, {"high": 0.9}]), path)
    assert run(named([{"high": 0.9}]), path) is None
    with pytest.raises(ConfigError, match=r"level 'high' of factor 'm': .*0\.9.* in the store, .*0\.5.* in this run"):
        survey.survey(named([{"low": 0.1}, {"high": 0.5}]), path)
    run(named([{"high": 0.9}, {"middle": 0.5}]), path)
    with pytest.raises(ConfigError, match="level 'middle'"):
        survey.survey(named([{"middle": 0.6}]), path)


def test_identity__a_group_level_includes_what_it_is_laid_over(tmp_path):
    def config(loss):
        factors = {
            "speed": {"path": "context.dynamics", "levels": [{"slow": {"trust_gain": 0.01}}, {"fast": {"trust_gain": 0.1}}]}
        }
        return Config.model_validate(
            base_config(
                design__kind="factorial", design__factors=factors, population__alliances=50, population__periods=5,
                context__dynamics__trust_loss=loss,
            )
        )  # fmt: skip

    path = tmp_path / "group.zarr"
    run(config(0.3), path)
    assert run(config(0.3), path) is None
    with pytest.raises(ConfigError, match="trust_loss"):
        survey.survey(config(0.9), path)


def test_identity__names_and_numbers_do_not_mix_on_a_factor(tmp_path):
    path = tmp_path / "mixed.zarr"
    run(named([0.1, 0.9]), path)
    with pytest.raises(ConfigError, match='levels of m: "numbers" in the store, "names" in this run'):
        survey.survey(named([{"high": 0.5}]), path)
    other = tmp_path / "other.zarr"
    run(named([{"high": 0.5}]), other)
    with pytest.raises(ConfigError, match="levels of m"):
        survey.survey(named([0.5]), other)


def test_lock__a_second_run_is_refused_and_a_dead_one_holds_nothing(tmp_path):
    path = tmp_path / "a.zarr"
    with place.lock(path), pytest.raises(ConfigError, match="another run"), place.lock(path):
        pass
    (tmp_path / ".a.zarr.lock").touch()
    with place.lock(path):
        pass
    assert os.listdir(tmp_path) == []


def test_path__what_is_no_place_for_a_store_is_refused(tmp_path, serial_store, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".x.zarr.new").mkdir()
    (tmp_path / ".x.zarr.new" / "notes").write_text("precious")
    for path, said in (
        (Path("/"), "around it"),
        (tmp_path, "the folder you are in"),
        (tmp_path.parent, "around it"),
        (tmp_path / ("a" * 300), "at most"),
        (tmp_path / " ", "name"),
        (serial_store / "inner.zarr", "inside another store"),
        (tmp_path / "x.zarr", "in the way"),
    ):
        with pytest.raises(ConfigError, match=said):
            survey.survey(sweep(), path)
    assert (tmp_path / ".x.zarr.new" / "notes").read_text() == "precious"


def test_store__without_its_tallies_is_refused(tmp_path, serial_store):
    copy = tmp_path / "copy.zarr"
    shutil.copytree(serial_store, copy)
    shutil.rmtree(copy / "tally")
    with pytest.raises(ConfigError, match="damaged"):
        survey.survey(sweep(), copy)


def test_store__unreadable_chunks_are_said_in_one_line(tmp_path, serial_store, capsys):
    """By whoever reads it: a run that resumes, replay, info."""
    copy = tmp_path / "copy.zarr"
    shutil.copytree(serial_store, copy)
    for path in copy.rglob("*"):
        if path.is_file() and not path.name.startswith(".z"):
            path.write_bytes(b"xx")
    with pytest.raises(ConfigError, match=r"is damaged: .* cannot be read"):
        survey.survey(sweep(), copy)
    for command in (info.main, replay.main):
        assert command([str(copy)]) == 2
        said = capsys.readouterr().err.strip()
        assert "is damaged" in said
        assert "\n" not in said


def test_info__an_attribute_that_cannot_be_read(tmp_path, serial_store, capsys):
    copy = tmp_path / "copy.zarr"
    shutil.copytree(serial_store, copy)
    attrs = json.loads((copy / ".zattrs").read_text())
    (copy / ".zattrs").write_text(json.dumps({**attrs, "config": "{"}))
    for command in (info.main, replay.main):
        assert command([str(copy), *([] if command is info.main else ["point=0"])]) == 2
        assert "\n" not in capsys.readouterr().err.strip()


def test_replay__of_another_version_or_without_theories_is_said(tmp_path, serial_store, capsys):
    copy = tmp_path / "copy.zarr"
    shutil.copytree(serial_store, copy)
    attrs = json.loads((copy / ".zattrs").read_text())
    (copy / ".zattrs").write_text(json.dumps({**attrs, "source": "alliance-sim 9.9.9"}))
    assert replay.main([str(copy), "point=0"]) == 0
    assert "made by alliance-sim 9.9.9" in capsys.readouterr().err
    (copy / ".zattrs").write_text(json.dumps({**attrs, "theories": "{}"}))
    assert replay.main([str(copy), "point=0"]) == 2
    assert "the attribute theories is not what .zmetadata says" in capsys.readouterr().err
    zarr.consolidate_metadata(str(copy), zarr_format=2)
    assert replay.main([str(copy), "point=0"]) == 2
    assert "does not hold the text of theory 'larsson1998'" in capsys.readouterr().err


def test_path__a_folder_that_is_not_writable_is_refused(tmp_path, serial_store, monkeypatch):
    """The answer of the system is put in its mouth: who runs the tests may write anywhere."""
    monkeypatch.setattr(place.os, "access", lambda where, mode: False)
    with pytest.raises(ConfigError, match="not writable"):
        survey.survey(sweep(), tmp_path / "new.zarr")
    with pytest.raises(ConfigError, match="not writable"):
        survey.survey(sweep(), serial_store)
