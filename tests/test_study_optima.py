"""The studies of cognitive distance and of overtrust: known peaks, effects switched off, other designs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sim
from analysis.studies import cognitive_distance, overtrust
from analysis.summaries import AnalysisError

STORE = Path("none.zarr")
START = {"population.initial.mix.collaboration": 1.0,
         **{f"population.initial.mix.{s}": 0.0 for s in ("accommodation", "compromise", "competition")}}  # fmt: skip
SURE = {f"response.threshold.{p}": -100.0 for p in ("P6", "P7", "P8", "P9")}
VARIABLES = ["survival", "cumulative_learning"]


def distance_run(theory="always_collaboration", common=False, **more):
    factors = {"distance": {"path": "ability.distance", "levels": {"low": 0.0, "high": 1.0, "n": 21}},
               "creativity": {"path": "ability.creation", "levels": [0.25, 0.5, 1.0]},
               "knowledge": {"path": "race.scope", "levels": [{"inexhaustible": None}, {"exhaustible": 10.0}]},
               "calculation": {"path": "context.calculative_share", "levels": [0.0]}}  # fmt: skip
    return sim.simulate({**START, "population.alliances": 300, "population.periods": 20, "response.theory_mix": theory,
                         "response.tremble": 0.0, "race.renewal": 1.0, "random.common": common, "design.kind": "factorial",
                         "design.factors": factors, "output.variables": VARIABLES, **more})  # fmt: skip


def trust_run(**more):
    factors = {"trust": {"path": "context.trust.mean", "levels": {"low": 0.4, "high": 1.0, "n": 13}},
               "cost": {"path": "ability.trust_cost", "levels": [0.0, 1.0]},
               "orientation": {"path": "context.orientation.mean", "levels": [0.8]},
               "course": {"path": "context.kind", "levels": [{"kept": "static"}, {"moving": "endogenous"}]}}  # fmt: skip
    return sim.simulate({**START, "population.alliances": 1500, "population.periods": 60, "random.common": False,
                         "design.kind": "factorial", "design.factors": factors, "output.variables": VARIABLES, **more})  # fmt: skip


def of(study, **at):
    found = [row for row in study.rows if all(row[k] == v for k, v in at.items())]
    assert len(found) == 1
    return found[0]


def test_cognitive_distance__a_standing_pair_peaks_where_the_equations_say():
    study = cognitive_distance.study(distance_run(), STORE)
    for creativity, peak in ((0.5, 0.25), (1.0, 0.375)):
        row = of(study, what="learning", knowledge="inexhaustible", creativity=creativity)
        assert cognitive_distance.standing(creativity) == peak
        assert row["optimum"] == pytest.approx(peak, abs=1e-4)
        assert row["value"] == pytest.approx((1 - peak) * (1 + 4 * creativity * peak), abs=1e-5)
    # Little is created: the nearer the better, and a peak at 0 is said to be none.
    assert of(study, what="learning", knowledge="inexhaustible", creativity=0.25)["reason"] == "falls"
    # Renewal keeps pace with absorption from 1 / (4 creativity) on.
    row = of(study, what="learning", knowledge="exhaustible", creativity=0.5)
    assert row["low"] <= 0.5 <= row["high"]
    assert {row["reason"] for row in study.rows if row["what"] == "survival"} == {"flat"}
    assert max(map(len, study.text.splitlines())) <= 100


def test_cognitive_distance__says_no_without_novelty():
    # Nothing is created, so distance only hinders.
    ds = distance_run(**{"design.factors": {
        "distance": {"path": "ability.distance", "levels": {"low": 0.0, "high": 1.0, "n": 21}},
        "creativity": {"path": "ability.creation", "levels": [0.0]},
        "knowledge": {"path": "race.scope", "levels": [{"inexhaustible": None}, {"exhaustible": 10.0}]},
        "calculation": {"path": "context.calculative_share", "levels": [0.0]}}})  # fmt: skip
    rows = [row for row in cognitive_distance.study(ds, STORE).rows if row["what"] == "learning"]
    assert [row["reason"] for row in rows] == ["falls", "falls"]
    assert all(np.isnan(row["optimum"]) for row in rows)


def test_overtrust__only_where_trust_costs_and_never_for_survival():
    study = overtrust.study(trust_run(), STORE)
    for course in ("kept", "moving"):
        assert of(study, what="learning", cost=0.0, course=course)["reason"] == "rises"
        assert {row["reason"] for row in study.rows if row["what"] == "survival"} == {"rises"}
    kept = of(study, what="learning", cost=1.0, course="kept")
    assert kept["reason"] in ("interior", "kink")
    assert 0.65 <= kept["low"] < kept["high"] <= 0.9
    # At full trust a collaborating pair learns 1 + 2 x .5, or 1 where all creation is lost; the same alliances in the mean.
    free = of(study, what="learning", cost=0.0, course="kept")
    assert kept["last"] == pytest.approx(free["last"] / 2, abs=5 * np.hypot(kept["last_se"], free["last_se"] / 2))
    assert max(map(len, study.text.splitlines())) <= 100


def test_overtrust__a_cost_cannot_show_where_alliances_last_anyhow():
    # Empowered for sure, all trust alike up to the optimum: highest at .7 or below, and flat there.
    study = overtrust.study(trust_run(**SURE, **{"response.tremble": 0.0}), STORE)
    kept = of(study, what="learning", cost=1.0, course="kept")
    assert (kept["reason"], kept["value"]) == ("falls", pytest.approx(2.0, abs=1e-6))
    assert of(study, what="learning", cost=0.0, course="kept")["reason"] == "flat"


@pytest.mark.parametrize("study", [cognitive_distance.study, overtrust.study])
def test_studies__refuse_other_designs(study):
    other = sim.simulate({"population.alliances": 10, "population.periods": 2})
    with pytest.raises(AnalysisError, match="needs the factors"):
        study(other, STORE)


def test_studies__refuse_common_random_numbers():
    with pytest.raises(AnalysisError, match="common=false"):
        cognitive_distance.study(distance_run(common=True), STORE)
