"""Who learns what from whom: matches of theories, the dilemma, the tournament and the race, against known answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import sim
from analysis.matches import matches
from analysis.studies import dilemma, learning_race, tournament
from analysis.summaries import AnalysisError, MissingVariable, flat

STORE = Path("none.zarr")
CALM = {"response.tremble": 0.0, "response.reconsideration": 1.0, "population.initial.mix.collaboration": 1.0,
        **{f"population.initial.mix.{s}": 0.0 for s in ("accommodation", "compromise", "competition")}}  # fmt: skip
VARIABLES = ["learning", "survival", "cumulative_learning", "learning_by_theory", "learning_by_pair"]
PERIODS = 10


def run(factors, alliances=400, **more):
    return sim.simulate({**CALM, "population.alliances": alliances, "population.periods": PERIODS, "design.kind": "factorial",
                         "design.factors": factors, "output.variables": VARIABLES, **more})  # fmt: skip


def mixes(*theories):
    pairs = [(a, b) for k, a in enumerate(theories) for b in theories[k + 1 :]]
    return [{a: a} for a in theories] + [{f"{a}_{b}": {a: 0.5, b: 0.5}} for a, b in pairs]


# --- matches ---------------------------------------------------------------------------------------------------------


def test_matches__moves_one_can_write_down():
    # Fig. 2: CL-CL 2 each, CP-CL 1.5 and 0, CP-CP 0. Tit for tat opens up, then answers: competition gains once.
    theories = ("always_collaboration", "always_competition", "tit_for_tat")
    found = matches(flat(run({"mix": {"path": "response.theory_mix", "levels": mixes(*theories)}})))
    once = 1.5 / PERIODS
    expected = [[2.0, 0.0, 2.0], [1.5, 0.0, once], [2.0, 0.0, 2.0]]
    for i, own in enumerate(theories):
        for j, other in enumerate(theories):
            assert found[own, other].learning == pytest.approx(expected[i][j], abs=1e-6)
            assert found[own, other].error == pytest.approx(0.0, abs=1e-4)


def test_matches__agree_with_a_sample_of_their_own():
    # Independent points: larsson1998 with collaborators, from two different mixes. z of the difference by the stated error,
    # itself a bound: |z| < 4 fails by chance once in 10^4.
    levels = [{"a": "larsson1998"}, {"b": "always_collaboration"}]
    found = []
    for share, seed in ((0.5, 1), (0.8, 2)):
        mix = {"both": {"always_collaboration": share, "larsson1998": round(1 - share, 6)}}
        ds = run({"mix": {"path": "response.theory_mix", "levels": [*levels, mix]}}, 4000, **{"random.seed": seed})
        found.append(matches(flat(ds)))
    for pair in (("larsson1998", "always_collaboration"), ("always_collaboration", "larsson1998")):
        one, other = (each[pair] for each in found)
        assert abs(one.learning - other.learning) < 4 * np.hypot(one.error, other.error)
        assert 0.0 < one.error < 0.05
        assert abs(one.learning - found[0]["larsson1998", "larsson1998"].learning) > 4 * one.error


def test_matches__two_points_with_the_same_theories_are_refused():
    factors = {"mix": {"path": "response.theory_mix", "levels": mixes("tit_for_tat", "always_competition")},
               "trust": {"path": "context.trust.mean", "levels": [0.2, 0.8]}}  # fmt: skip
    with pytest.raises(AnalysisError, match="more than one point"):
        matches(flat(run(factors)))


def test_matches__needs_every_period():
    with pytest.raises(AnalysisError, match="every period"):
        matches(flat(run({"mix": {"path": "response.theory_mix", "levels": mixes("tit_for_tat")}}, **{"output.every": 2})))


# --- dilemma ---------------------------------------------------------------------------------------------------------

COMMITTED = ("always_compromise", "always_competition", "always_collaboration")


def dilemma_run(**more):
    every = {
        "all": {f"always_{s}": 0.2 for s in ("avoidance", "accommodation", "compromise", "competition", "collaboration")}
    }
    levels = [{"responds": "larsson1998"}, *({a: a} for a in COMMITTED),
              *({f"{a}_r": {a: 0.8, "larsson1998": 0.2}} for a in COMMITTED), every]  # fmt: skip
    factors = {"commitment": {"path": "response.theory_mix", "levels": levels},
               "trust": {"path": "context.trust.mean", "levels": [0.0, 1.0]},
               "rivalry": {"path": ["race.forced_disclosure", "race.temptation"], "levels": [0.0, 1.0]}}  # fmt: skip
    return run(factors, 1000, **more)


@pytest.fixture(scope="module")
def exploited():
    """Nobody is ever empowered: the partner turns to competition at once, and what is learnt is of the first period."""
    return dilemma.study(dilemma_run(**{f"response.threshold.{p}": 100.0 for p in ("P6", "P7", "P8", "P9")}), STORE)


def of(study, firm, column="learning", **at):
    return next(r[column] for r in study.rows if r["firm"] == firm and all(r[k] == v for k, v in at.items()))


def test_dilemma__without_empowerment_good_partners_are_exploited(exploited):
    at = {"trust": 1.0, "rivalry": 0.0}
    # CL-CL in period 1 (2 each), then the partner competes for good: 1.5 a period for it, nothing for the firm.
    assert of(exploited, "collaborates", **at) == pytest.approx(2.0 / PERIODS, abs=1e-6)
    assert of(exploited, "collaborates", "partner", **at) == pytest.approx((2.0 + 1.5 * (PERIODS - 1)) / PERIODS, abs=0.1)
    assert of(exploited, "competes", **at) == pytest.approx(1.5 / PERIODS, abs=1e-6)
    assert of(exploited, "competes", "partner", **at) == pytest.approx(0.0, abs=0.02)
    # A collaborator facing compromise keeps: no proposition says otherwise.
    assert of(exploited, "compromises", **at) == pytest.approx(1.0, abs=1e-6)


def test_dilemma__table_is_figure_2():
    text = dilemma.study(dilemma_run(), STORE).text
    assert "rivalry 0: AV 0.000, AC 0.000, CM 0.550, CP 0.750, CL 0.900" in text
    forced = next(line for line in text.splitlines() if line.startswith("  rivalry 1:"))
    assert 0.75 < float(forced.split("CP ")[1].split(",")[0]) <= 0.9  # power favours competition


def test_dilemma__what_a_firm_must_begrudge():
    pair = {("a", "larsson1998"): 2.0, ("larsson1998", "a"): 2.0, ("b", "larsson1998"): 1.5, ("larsson1998", "b"): 0.0}
    own = {k: type("M", (), {"learning": v}) for k, v in pair.items()}
    assert dilemma.weight(own, "a", "b") == pytest.approx(0.25)


def test_dilemma__other_designs_are_refused():
    with pytest.raises(AnalysisError, match="needs the factors"):
        dilemma.study(run({"trust": {"path": "context.trust.mean", "levels": [0.1, 0.2]}}), STORE)
    with pytest.raises(MissingVariable, match="learning_by_pair"):
        dilemma.study(dilemma_run().drop_vars("learning_by_pair"), STORE)


# --- tournament ------------------------------------------------------------------------------------------------------


def noisy(levels, slips=(0.0, 0.1), **more):
    return run({"meeting": {"path": "response.theory_mix", "levels": levels}, "slips": {"path": "response.tremble", "levels": list(slips)},
                "misreading": {"path": "response.misperception", "levels": [0.0]}},
               **{"random.common": False, "output.variables": VARIABLES[:4], **more})  # fmt: skip


def test_tournament__ranking_and_invasion():
    theories = ("always_collaboration", "always_competition", "tit_for_tat")
    ds = noisy([*mixes(*theories), {"all": {theories[0]: 0.4, theories[1]: 0.3, theories[2]: 0.3}}])
    study = tournament.study(ds, STORE)
    calm = {r["own"]: r["score"] for r in study.rows if r["slips"] == 0.0}
    once = 1.5 / PERIODS
    assert calm == {"always_collaboration": pytest.approx(4 / 3, abs=1e-5), "tit_for_tat": pytest.approx(4 / 3, abs=1e-5),
                    "always_competition": pytest.approx((1.5 + once) / 3, abs=1e-5)}  # fmt: skip
    # With half the partner's learning a loss: collaborators and tit for tat gain 1, a competitor 1.5 u + once (1 - u).
    found = tournament._rounds(flat(ds))[0.0, 0.0]
    assert tournament.share_for_invasion(found) == pytest.approx((1.0 - once) / (1.5 - once), abs=1e-4)
    together = dict(zip(found.theories, found.together, strict=True))
    # Means of alliances with a competitor: .24 with a collaborator, .18 with tit for tat, .09 among themselves. 0.2 is 3 errors.
    assert together["always_competition"] == pytest.approx((1.5 * 0.24 + once * 0.18) / 0.51, abs=0.2)
    assert max(map(len, study.text.splitlines())) <= 100


def test_tournament__a_competitor_never_wins_where_nothing_is_exploitable():
    found = tournament._rounds(flat(noisy(mixes("tit_for_tat", "always_competition"), slips=(0.0,))))[0.0, 0.0]
    assert np.isnan(tournament.share_for_invasion(found))


def test_tournament__incomplete_designs_are_refused():
    with pytest.raises(AnalysisError, match="did not meet"):
        tournament.study(noisy([{"a": "tit_for_tat"}, {"b": "always_competition"}]), STORE)
    with pytest.raises(AnalysisError, match="needs the factors"):
        tournament.study(run({"trust": {"path": "context.trust.mean", "levels": [0.1, 0.2]}}), STORE)


# --- learning race ---------------------------------------------------------------------------------------------------


def race_run(scopes=(5.0, 20.0, 80.0), **more):
    factors = {"scope": {"path": "race.scope", "levels": list(scopes)},
               "temptation": {"path": "race.temptation", "levels": [0.0, 2.0]},
               "opening": {"path": "population.initial.strategies", "levels": [
                   {"both_open": ["collaboration", "collaboration"]}, {"one_competes": ["competition", "collaboration"]}]},
               "weakest": {"path": "ability.absorptive.low", "levels": [1.0, 0.4]}}  # fmt: skip
    config = {**CALM, "population.alliances": 300, "population.periods": 30, "design.kind": "factorial", "design.factors": factors,
              "ability.absorptive.distribution": "uniform", "ability.absorptive.level": "partner", "context.trust.mean": 0.8,
              "context.orientation.mean": 0.8, "race.power_scale": 5.0}  # fmt: skip
    return sim.simulate({**config, **more})


def test_learning_race__equals_race_down_an_exponential():
    # Empowered for sure, equals share everything: f = q, q <- q (1 - 1/scope); nobody is ever ahead.
    sure = {f"response.threshold.{p}": -100.0 for p in ("P6", "P7", "P8", "P9")}
    study = learning_race.study(race_run(**sure), STORE)
    for row in study.rows:
        if row["opening"] == "both_open" and row["weakest"] == 1.0:
            assert row["share_learnt"] == pytest.approx(1.0 - (1.0 - 1.0 / row["scope"]) ** 30, abs=1e-4)
            assert (row["power"], row["dissolution_time"]) == (0.0, 30.0)
    assert max(map(len, study.text.splitlines())) <= 100


def test_learning_race__temptation_bites_only_where_somebody_is_ahead():
    rows = learning_race.study(race_run(), STORE).rows

    def lasts(temptation, opening, weakest):
        return next(r["dissolution_time"] for r in rows
                    if (r["temptation"], r["opening"], r["weakest"], r["scope"]) == (temptation, opening, weakest, 80.0))  # fmt: skip

    equal = lasts(0.0, "both_open", 1.0) - lasts(2.0, "both_open", 1.0)
    ahead = lasts(0.0, "one_competes", 1.0) - lasts(2.0, "one_competes", 1.0)
    assert ahead > max(3.0, 2 * equal)


def test_learning_race__other_designs_are_refused():
    with pytest.raises(AnalysisError, match="needs the factors"):
        learning_race.study(run({"trust": {"path": "context.trust.mean", "levels": [0.1, 0.2]}}), STORE)
    with pytest.raises(AnalysisError, match="3 or more"):
        learning_race.study(race_run(scopes=(5.0, 20.0)), STORE)


def test_studies__need_a_finished_point():
    ds = flat(race_run()).isel(point=[])
    assert json.loads(ds.attrs["factors"])
    with pytest.raises(AnalysisError):
        learning_race.study(ds, STORE)
