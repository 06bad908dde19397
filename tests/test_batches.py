"""Sums by batch, alliance number modulo 32: against the reference, the tallies of all alliances, and single alliances."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import Case, case_of, column, differing
from conftest import base_config
from test_waves import MORTAL

import sim
from sim import experiment, plan, survey
from sim.api import open_results
from sim.arguments import arguments_of
from sim.blocks import run_segment
from sim.design import points as design_points
from sim.kernel_parts import MAX_ALLIANCES
from sim.labels import dataset
from sim.provenance import identity
from sim.recording import layout_of, period_grid
from sim.rows import LANES
from sim.schema import Config
from sim.tallies import Tallies
from sim.tally_columns import columns_of
from sim.variables import BATCHES, POINT_COLUMNS, QUANTITIES

ALL: dict[str, Any] = {"output__batches": list(QUANTITIES)}
EXITS = {"population__exit_rate": 0.2}
PHASED = {"phases__kind": "iyer2002", "phases__review_every": 3, "phases__break_rate": 0.5, "phases__fail": 0.4}
RACE = {"race__scope": 4.0, "race__temptation": 0.5}
SETTINGS: dict[str, dict[str, Any]] = {
    "usual": {},
    "static, misperception": {"context__kind": "static", "response__misperception": 0.2},
    "between steps": {"ability__moderate": 0.3, "ability__creation": 0.37},
    "every third period": {"output__every": 3},
    "exits": EXITS,
    "phases, race": {**PHASED, **RACE},
    "partner-specific": {"population__coupling": "partner_specific", **EXITS},
}


def kept(case: Case, tallies: Tallies) -> dict[str, np.ndarray]:
    """Sums by batch of each quantity."""
    first = dict(zip(QUANTITIES, case.layout.batches, strict=True))
    assert not tallies.point[1].any()
    return {name: tallies.point[0, k : k + BATCHES, 0].astype(np.int64) for name, k in first.items() if k >= 0}


def whole(case: Case, tallies: Tallies) -> dict[str, int]:
    """Sums of each quantity over all alliances, as they are tallied for the variables."""
    found = {name: column(tallies, name, columns=case.layout) for name in QUANTITIES}
    return {name: int(sums[-1, 0] if sums.ndim == 2 else sums[0]) for name, sums in found.items()}


@pytest.mark.parametrize("n", [2, 3, 4, 5])
@pytest.mark.parametrize("setting", SETTINGS)
def test_batches__equal_the_reference(setting: str, n: int) -> None:
    case = case_of(**{**MORTAL, **ALL, "population__partners": n, "population__periods": 13, **SETTINGS[setting]})
    for first, count in ((45, 21), (2**32 - 3, 7), (2**62 + 2**33 - 4, 6)):
        assert case.differing(first, count) == []


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("setting", SETTINGS)
def test_batches__add_up_to_the_tallies(setting: str, n: int) -> None:
    case = case_of(**{**MORTAL, **ALL, "population__partners": n, **SETTINGS[setting]})
    count = 4 * LANES + 77
    tallies = case.run(1000, count)
    found = kept(case, tallies)
    assert {name: int(sums.sum()) for name, sums in found.items()} == whole(case, tallies)
    assert 0 < found["survival"].sum() < count
    assert (found["learning"] > 0).any()
    # No squares: errors come from the batches.
    assert not tallies.point[:, min(case.layout.batches) :, 1].any()


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("setting", ["usual", "exits"])
def test_batches__hold_the_alliances_of_their_number(setting: str, n: int) -> None:
    """However alliances move between lanes: every one alone, in its batch."""
    case = case_of(**{**MORTAL, **ALL, "population__partners": n, **SETTINGS[setting]})
    first, count = 2**32 - 700, 3 * LANES + 9
    expected = {name: np.zeros(BATCHES, np.int64) for name in QUANTITIES}
    for alliance in range(first, first + count):
        for name, k in whole(case, case.run(alliance, 1)).items():
            expected[name][alliance % BATCHES] += k
    found = kept(case, case.run(first, count))
    for name in QUANTITIES:
        assert found[name].tolist() == expected[name].tolist()


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("setting", ["usual", "phases, race"])
def test_batches__however_alliances_are_split(setting: str, n: int) -> None:
    case = case_of(**{**MORTAL, **ALL, "population__partners": n, **SETTINGS[setting]})
    cuts = [7, 8, 40, 41 + LANES, 100 + 3 * LANES, 5 * LANES]
    parts = [case.run(a, b - a) for a, b in itertools.pairwise(cuts)]
    together = parts[2]
    for k in (4, 0, 3, 1):
        together = parts[k] + together
    assert differing(together, case.run(7, 5 * LANES - 7), case.layout) == []


def test_batches__of_more_than_a_call() -> None:
    case = case_of(**{**MORTAL, **ALL, "population__periods": 2})
    tallies = case.run(3, MAX_ALLIANCES + 50)
    assert {name: int(sums.sum()) for name, sums in kept(case, tallies).items()} == whole(case, tallies)


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("more", [{}, EXITS], ids=["base", "full"])
def test_batches__any_selection_is_a_part_of_the_whole(n: int, more: dict[str, Any]) -> None:
    case = case_of(**{**MORTAL, **ALL, "population__partners": n, **more})
    everything = kept(case, case.run(0, 2 * LANES))
    nothing = np.zeros(len(case.arguments.want), bool)
    for k in range(5):
        for names in itertools.combinations(QUANTITIES, k):
            first = [at if name in names else -1 for name, at in zip(QUANTITIES, case.layout.batches, strict=True)]
            arguments = dataclasses.replace(case.arguments, want=nothing, batches=np.array(first))
            few = kept(case, Case(case.config, case.point, case.grid, arguments).run(0, 2 * LANES))
            for name in QUANTITIES:
                assert (few[name] == everything[name] * (name in names)).all()


# --- layout, config, identity ------------------------------------------------------------------------------------------


def config_of(**overrides: Any) -> Config:
    return Config.model_validate(base_config(**overrides))


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        ({}, ["survival", "cumulative_learning", "learning"]),
        ({"output__batches": ["dissolution_time", "survival"]}, ["survival", "dissolution_time"]),
        ({"output__variables": ["batch_mean"]}, ["survival", "cumulative_learning", "learning"]),
        ({"output__variables": ["survival"]}, []),
    ],
)
def test_batches__columns_come_last(overrides: dict[str, Any], names: list[str]) -> None:
    config = config_of(**overrides, response__theory_mix={"larsson1998": 0.5, "tit_for_tat": 0.5})
    layout = layout_of(config)
    labels = [f"{name}|{b}" for name in names for b in range(BATCHES)]
    assert layout.point[: len(POINT_COLUMNS)] == POINT_COLUMNS
    assert [label for name, label in layout.point if name == "batch_mean"] == labels
    assert list(layout.point[len(layout.point) - len(labels) :]) == [("batch_mean", label) for label in labels]
    columns = columns_of(config)["by_run"]
    assert [c for c in columns if c.startswith("batch_mean")] == [f"batch_mean[{label}]" for label in labels]


def test_batches__are_part_of_what_a_store_is() -> None:
    names = ["survival", "learning"]
    found = [identity(config_of(output__batches=order), []) for order in (names, names[::-1])]
    assert found[0] == found[1]
    assert found[0]["output.batches"] == ["learning", "survival"]
    assert identity(config_of(), []) != found[0]


# --- labelled ----------------------------------------------------------------------------------------------------------

FACTORS = {"n": {"path": "population.partners", "levels": [2, 3]}, "t": {"path": "population.periods", "levels": [6, 11]}}


def run(config: Config, path: Path) -> None:
    found = survey.survey(config, path)
    result = experiment.perform(found, plan.pilot(found.tasks, config), "test", "", threading.Event())
    assert experiment.complete(found, result), result.failures


def swept(**overrides: Any) -> Config:
    start = {"population__initial__mix": MORTAL["population__initial__mix"], "response__reconsideration": 0.5}
    return config_of(**{"design__kind": "factorial", "design__factors": FACTORS, **start, **ALL, **overrides})


def test_batch_mean__is_that_of_its_alliances(tmp_path: Path) -> None:
    alliances = 75
    run(swept(population__alliances=alliances), tmp_path / "a.zarr")
    ds = open_results(tmp_path / "a.zarr").load()
    assert ds.batch_mean.dims == ("n", "t", "quantity", "batch")
    assert ds["quantity"].values.tolist() == list(QUANTITIES)
    assert ds["batch"].values.tolist() == list(range(BATCHES))
    assert "batch_mean_se" not in ds
    assert set(ds.batch_mean.attrs) >= {"units", "long_name", "description"}
    for point, (n, t) in enumerate(itertools.product([2, 3], [6, 11])):
        h = sim.histories(tmp_path / "a.zarr", point, range(alliances))
        lives = h.dissolved_at.fillna(t).values
        cell = ds.sel(n=n, t=t)
        number = np.bincount(np.arange(alliances) % BATCHES, minlength=BATCHES)
        for name in QUANTITIES:
            mean = cell.batch_mean.sel(quantity=name)
            of_all = cell[name].sel(period=t) if "period" in cell[name].dims else cell[name]
            assert float((mean * number).sum() / alliances) == pytest.approx(float(of_all), rel=1e-12)
        expected = [lives[b::BATCHES].mean() for b in range(BATCHES)]
        np.testing.assert_allclose(cell.batch_mean.sel(quantity="dissolution_time"), expected, rtol=1e-14)


def test_batch_mean__nan_where_a_batch_is_empty() -> None:
    ds = sim.simulate({"population": {"alliances": 20, "periods": 5}, "compute.kind": "serial"}).isel(point=0)
    assert ds["quantity"].values.tolist() == ["survival", "cumulative_learning", "learning"]
    assert ds.batch_mean.notnull().sum("batch").values.tolist() == [20] * 3
    assert ds.batch_mean[:, :20].notnull().all()


def test_batch_mean__extended_is_as_run_at_once(tmp_path: Path) -> None:
    run(swept(population__alliances=37), tmp_path / "a.zarr")
    run(swept(population__alliances=101), tmp_path / "a.zarr")
    run(swept(population__alliances=101), tmp_path / "b.zarr")
    grown, at_once = (open_results(tmp_path / f"{name}.zarr").load().drop_attrs() for name in "ab")
    assert grown.identical(at_once)


def test_batch_mean__of_sums_in_two_words() -> None:
    """The mean of a batch does not depend on how sums are held."""
    config = swept(population__alliances=64)
    points = design_points(config)
    grid = period_grid(points, 1)
    sums = [run_segment(arguments_of(p, config, grid), 0, 64) for p in points]
    narrow = [Tallies(t.period[:1], t.point[:1], 64) for t in sums]
    assert dataset(points, sums, config).batch_mean.identical(dataset(points, narrow, config).batch_mean)
