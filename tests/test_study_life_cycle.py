"""The study of phases: histories booked by hand, identities with the saved means, refusals, and that it can say no."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from analysis import lives
from analysis.studies import life_cycle
from analysis.summaries import AnalysisError, MissingVariable
from sim import experiment, survey
from sim.config import compose
from sim.variables import PHASES

A, E, X, C = PHASES
SMALL = [
    "+experiment=life_cycle",
    "population.alliances=600",
    "population.periods=40",
    "design.factors.goodwill.levels=[0.5,0.8]",
]


def stored(path, *overrides):
    """A store of a small run of the experiment."""
    config = compose([*SMALL, "compute=serial", *overrides])
    experiment.perform(
        survey.survey(config, path), {(2, "sampled", True): 1e6}, "life_cycle", "a question?", threading.Event()
    )
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return stored(tmp_path_factory.mktemp("life_cycle") / "small.zarr")


@pytest.fixture(scope="module")
def ds(store):
    return xr.open_zarr(store).load()


@pytest.fixture(scope="module")
def found(ds, store):
    return life_cycle.study(ds, store)


def test_lived__by_hand():
    # Three alliances over four periods: one goes on at the end of period 2 and stays; one is lost in exploration at a
    # review at the end of period 3; one is lost in awareness in period 1.
    phase = np.array([[A, A, E, E, E], [A, E, E, E, E], [A, A, A, A, A]], object)
    each = np.zeros((3, 5, 2, 2))
    each[:, 0] = np.nan
    created = each.copy()
    each[:, 1:, 0, 1], created[:, 1:, 0, 1] = 0.6, 0.2  # partner 1 learns, partner 2 nothing
    h = xr.Dataset(
        {
            "phase": (("alliance", "period"), phase),
            "learning": (("alliance", "period", "partner", "counterpart"), each),
            "creation": (("alliance", "period", "partner", "counterpart"), created),
            "dissolved_at": ("alliance", [np.nan, 3.0, 1.0]),
            "cause": ("alliance", np.array(["", "review", "avoidance"], object)),
        }
    )
    life = lives.lived(h)
    assert life.reached.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0]]
    assert life.lost.tolist() == [[0, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0]]
    assert life.reviewed.tolist() == [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert life.periods.tolist() == [[2, 2, 0, 0], [1, 2, 0, 0], [1, 0, 0, 0]]
    assert life.learning[0].tolist() == pytest.approx([0.6, 0.6, 0.0, 0.0])  # .3 a period and partner
    assert life.mutual[0].tolist() == pytest.approx([0.2, 0.2, 0.0, 0.0])


def test_ratio__closed_forms():
    ones = np.ones(50)
    share, error = lives.ratio(np.repeat([0.0, 1.0], 25), ones)
    assert (share, error) == (0.5, pytest.approx(0.5 / np.sqrt(49)))
    assert lives.ratio(3 * ones, ones) == (3.0, 0.0)
    assert np.isnan(lives.ratio(ones, 0 * ones)).all()


def test_lives__agree_with_the_saved_means(ds, store):
    for k in range(ds.sizes["point"]):
        one = ds.isel(point=k)
        life = lives.lives(store, {o: one[o].item() for o in life_cycle.FACTORS}, 600)
        assert 1.0 - life.lost.sum() / 600 == pytest.approx(one["survival"].values[-1])
        assert life.periods.sum() / 600 == pytest.approx(one["dissolution_time"].item())
        assert life.learning.sum() / 600 / 40 == pytest.approx(one["cumulative_learning"].item(), abs=1e-5)
        assert life.mutual.sum() / 600 == pytest.approx(np.nansum(one["creation"].values), abs=1e-4)
        staying = (life.reached - life.lost)[:, -1].mean()  # from commitment nobody goes on
        assert staying == pytest.approx((one["survival"] * one["phase_share"].sel(phase=C)).values[-1])


def test_rows_text_and_figure(found):
    assert len(found.rows) == 2 * 2 * 4
    own = [r for r in found.rows if (r["table"], r["goodwill"]) == ("graded", 0.5)]
    assert [r["phase"] for r in own] == list(PHASES)
    assert own[0]["reached"] == 1.0
    assert own[0]["mutual_share"] == 0.0
    reach = [r["reached"] for r in own]
    assert reach == sorted(reach, reverse=True)
    assert all(r["lost"] > 0 for r in own)
    lines = found.text.splitlines()
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 100
    assert "600 histories" in lines[0]
    assert len(found.figure.axes) == 4


def test_default_population_passes_all_phases_and_loses_alliances_in_each(store):
    # What section 7 of the model asks of the thresholds.
    life = lives.lives(store, {"table": "graded", "goodwill": 0.5}, 600)
    assert life.reached.mean(0)[-1] > 0.05
    assert (life.lost.mean(0) > 0.02).all()


def test_flat_table_differs_in_openness_and_mutuality_alone():
    factor = compose(SMALL).design.factors["table"]
    levels = {name: level for entry in factor.levels for name, level in entry.items()}
    for phase in PHASES:
        graded, flat = dict(levels["graded"][phase]), dict(levels["flat"][phase])
        assert (flat.pop("openness"), flat.pop("mutuality")) == (1, 1)
        assert (graded.pop("openness"), graded.pop("mutuality")) is not None
        assert graded == flat


def test_can_say_no__nobody_goes_on(tmp_path):
    path = stored(
        tmp_path / "stuck.zarr",
        "phases.table.awareness.readiness=1",
        "design.factors.goodwill.levels=[0.5]",
        "response.theory_mix=barriers_only",
    )
    study = life_cycle.study(xr.open_zarr(path), path)
    own = [r for r in study.rows if r["table"] == "graded"]
    assert [r["reached"] for r in own] == [1.0, 0.0, 0.0, 0.0]
    assert np.isnan(own[3]["mutual_share"])
    assert own[0]["lost"] > 0.5


def test_refuses_other_designs(ds, store):
    for other in (ds.drop_vars("goodwill"), ds.isel(point=slice(0, 0)), ds.isel(point=ds["table"].values == "flat"),
                  ds.assign_coords(partners=("point", np.arange(4)))):  # fmt: skip
        with pytest.raises(AnalysisError):
            life_cycle.study(other, store)
    with pytest.raises(MissingVariable, match="phase_share"):
        life_cycle.study(ds.drop_vars("phase_share"), Path())
