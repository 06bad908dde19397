"""The exact engine over designs: labels, batches, partners told apart or not, each coupling and mechanism by hand."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from conftest import base_config
from exact_cases import EVERYTHING, case_of

from sim import exact, exact_batch, exact_values
from sim.blocks import arguments_of, run_segment
from sim.design import points
from sim.exact_space import TIES, space_of, structure_of
from sim.labels import proposition_labels, theory_names, values_of
from sim.recording import period_grid
from sim.schema import Config
from sim.strategies import ACCOMMODATION, AVOIDANCE, COLLABORATION, COMPETITION, COMPROMISE, STRATEGIES
from sim.tallies import stacked
from sim.variables import BY_NAME, NUMBERS

REQUEST = {"output__variables": ["all", "learning_by_pair", "learning_by_theory", "unlearnt", "power"]}
ABILITIES = {
    "ability__absorptive": {"mean": 0.9},
    "ability__communicative": {"mean": 0.7},
    "ability__connections": 0.8,
    "ability__distance": 0.4,
    "ability__slack": 1.2,
    "ability__trust_cost": 0.5,
    "ability__trust_optimum": 0.2,
}
MIX = {"response__theory_mix": {"larsson1998": 0.6, "tit_for_tat": 0.3, "always_competition": 0.1}}
BASE = {**EVERYTHING, **REQUEST, "population__periods": 6}
SPECIFIC = {"population__coupling": "partner_specific"}
CASES: dict[str, dict[str, Any]] = {
    "sampled": {},
    "exits": {"population__exit_rate": 0.3},
    "majority": {"population__coupling": "majority", "population__exit_rate": 0.2},
    "abilities": {**ABILITIES, "population__exit_rate": 0.3},
    "instrumentality": {"response__instrumentality": 0.4},
    "mix": MIX,
    "mix and all": {**MIX, **ABILITIES, "response__aware": 0.3, "population__exit_rate": 0.3, "population__partners": 2},
}


def engines(config: Config, alliances: int = 64) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Values of a design, exact and simulated."""
    design = points(config)
    grid = period_grid(design, config.output.every)
    where = grid, proposition_labels(design), theory_names(design)
    sums = stacked([run_segment(arguments_of(p, config, grid), 0, alliances) for p in design])
    return exact.values(design, *where, config), values_of(design, sums, *where, config)


# --- partners told apart, or not -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_solve__is_the_same_whether_partners_are_told_apart_or_not(name):
    """Multisets against tuples of partners: every mean, deviation and number, to 1e-12."""
    point, config = case_of(**{**BASE, "population__partners": 3, **CASES[name]})
    lumped, full = exact.solve(point, config), exact.solve(point, config, ordered=True)
    few, many = (len(exact.chain_of(point, config, ordered=o).start) for o in (False, True))
    assert few < many
    for variable in lumped.data_vars:
        of_sums = variable.endswith("_sd") and BY_NAME[variable[:-3]].kind == "total"
        a, b = ((ds[variable].values ** (2 if of_sums else 1)) for ds in (lumped, full))
        scale = 10000 if variable in NUMBERS else 1
        np.testing.assert_allclose(a / scale, b / scale, rtol=0, atol=1e-12, err_msg=variable)


def test_solve__of_two_partners_is_the_same_for_all_couplings():
    found = [exact.solve(*case_of(**BASE, population__coupling=c, population__exit_rate=0.2, **ABILITIES))
             for c in ("sampled", "weakest", "majority", "partner_specific")]  # fmt: skip
    assert all(ds.identical(found[0]) for ds in found)


def test_space_of__majority_takes_the_plurality_of_the_active_others():
    """Every state of five partners, one of whom may have left, against the words of the model."""
    point, _ = case_of(population__partners=4, population__coupling="majority", population__exit_rate=0.1)
    states = space_of(structure_of(point.parameters)).states
    for s, i in itertools.product(range(len(states.alive)), range(4)):
        others = [x for j, x in enumerate(states.partners[s]) if j != i and x < 5]
        if states.partners[s, i] < 5 and others:
            held = [others.count(code) for code in TIES]
            assert states.met[s, i].tolist() == (np.arange(5) == TIES[held.index(max(held))]).tolist()
    assert TIES == (AVOIDANCE, COMPETITION, COMPROMISE, ACCOMMODATION, COLLABORATION)


# --- by hand ---------------------------------------------------------------------------------------------------------

DOWN = {
    "response__theory_mix": "barriers_only",
    "response__tremble": 0.0,
    "response__reconsideration": 1.0,
    "population__periods": 1,
}


def after(*strategies: int, **overrides: Any) -> np.ndarray:
    """Shares of strategies after a period in which all reconsider and give in."""
    start = [STRATEGIES[s] for s in strategies]
    values = {"population__partners": len(start), "population__initial__strategies": start}
    ds = exact.solve(*case_of(**{**DOWN, **values, **overrides})).isel(point=0)
    return np.rint(ds.strategy_share.values[1] * len(start) * 1e9) / 1e9


def test_solve__weakest_looks_at_who_gains_most():
    """A collaborator takes from nobody who takes nothing; facing competition it competes, facing compromise it stays.

    A competitor among an accommodator and a compromiser gains from both, and looks at the compromiser: f_ji - f_ij is
    -1 of the accommodator, -1/2 of the compromiser.
    """
    weakest = {"population__coupling": "weakest"}
    # Collaborators answer the competitor (+1), who answers one of them and stays.
    assert after(COLLABORATION, COMPETITION, COLLABORATION, **weakest).tolist() == [0, 0, 0, 3, 0]
    # The compromiser answers the competitor: competes. The accommodator answers it, too: avoids. It answers compromise.
    assert after(COMPETITION, ACCOMMODATION, COMPROMISE, **weakest).tolist() == [1, 0, 0, 2, 0]
    # A competitor loses nothing to an avoider, and looks at it rather than at a collaborator: avoids.
    assert after(AVOIDANCE, COLLABORATION, COMPETITION, **weakest).tolist() == [2, 0, 0, 1, 0]


def reached(label: str, *strategies: int, **overrides: Any) -> float:
    start = [STRATEGIES[s] for s in strategies]
    values = {"population__partners": len(start), "population__initial__strategies": start, **overrides}
    ds = exact.solve(*case_of(**{**DOWN, **values, "population__coupling": "weakest"})).isel(point=0)
    return float(ds.response_count.sel(proposition=label))


def test_solve__weakest_breaks_ties_by_openness_then_number():
    """Competitor and collaborator gain alike over an accommodator, who looks at the less open (2b, not 1b).

    A competitor loses alike to accommodator and collaborator, equally open, and looks at the next: with P7 sure, it
    moderates (7a) where that is the collaborator, who does so for its part in either case.
    """
    assert reached("2b", ACCOMMODATION, COLLABORATION, COMPETITION) == 1
    assert reached("1b", ACCOMMODATION, COLLABORATION, COMPETITION) == 0
    sure = {
        "response__theory_mix": "larsson1998",
        "response__threshold": {"P6": 100.0, "P7": -100.0, "P8": 100.0, "P9": 100.0},
    }
    assert reached("7a", COMPETITION, ACCOMMODATION, COLLABORATION, **sure) == 1
    assert reached("7a", COMPETITION, COLLABORATION, ACCOMMODATION, **sure) == 2


def test_solve__majority_by_hand():
    """Each of two collaborators faces one of either: ties go to competition. The competitor faces collaboration."""
    majority = {"population__coupling": "majority"}
    assert after(COLLABORATION, COMPETITION, COLLABORATION, **majority).tolist() == [0, 0, 0, 3, 0]
    # Three collaborators and a competitor: they face two collaborators and one competitor, so collaboration; barrier 1a.
    assert after(COLLABORATION, COLLABORATION, COLLABORATION, COMPETITION, **majority).tolist() == [0, 0, 0, 4, 0]
    # Accommodators who face accommodation stay (4), where a competitor is in the minority.
    assert after(ACCOMMODATION, ACCOMMODATION, ACCOMMODATION, COMPETITION, **majority).tolist() == [0, 3, 0, 1, 0]


def test_solve__partner_specific_answers_each_by_itself():
    """A collaborator facing competition competes with it alone; what it shows the other goes its own way."""
    start = ["collaboration", "competition", "compromise"]
    ds = exact.solve(*case_of(**DOWN, **SPECIFIC, population__partners=3, population__initial__strategies=start)).isel(
        point=0
    )
    # CL facing CP: CP. CP facing CL: CP. CL facing CM: CL. CM facing CL: CP. CP facing CM: CP. CM facing CP: CP.
    np.testing.assert_allclose(ds.strategy_share[1], [0, 0, 0, 5 / 6, 1 / 6], rtol=0, atol=1e-15)
    regimes = {"deadlock": 2 / 3, "exploitation": 1 / 3}
    for name, share in regimes.items():
        assert float(ds.regime_share.sel(regime=name)[1]) == pytest.approx(share, abs=1e-15)


def test_solve__partner_specific_without_exits_is_three_pairs_that_begin_alike():
    """Nobody dissolves while somebody is open: where nobody can come to avoid, each pair is a pair of its own."""
    start = {"avoidance": 0.0, "accommodation": 0.0, "compromise": 0.5, "competition": 0.0, "collaboration": 0.5}
    given = {"population__initial__mix": start, "response__tremble": 0.0, "population__periods": 8,
             **{f"response__threshold__{p}": -100.0 for p in ("P6", "P7", "P8", "P9")}}  # fmt: skip
    three = exact.solve(*case_of(**given, **SPECIFIC, population__partners=3)).isel(point=0)
    two = exact.solve(*case_of(**given)).isel(point=0)
    for name in ("strategy_share", "regime_share", "transfer", "creation", "learning"):
        # An alliance's outcomes are rounded, of three pairs once.
        rounding = 1e-12 if name.endswith("share") else 2.0**-20
        np.testing.assert_allclose(three[name], two[name], rtol=0, atol=rounding, err_msg=name)
    np.testing.assert_allclose(three.response_count, 3 * two.response_count, rtol=0, atol=1e-12)


def test_solve__slack_is_shared_among_the_active_by_hand():
    """Four collaborators with slack 1: each takes in a third from each; after an exit of one, half from each of two."""
    start = ["avoidance", "collaboration", "collaboration", "collaboration"]
    still = {
        "response__tremble": 0.0,
        "response__reconsideration": 0.0,
        "population__exit_rate": 1.0,
        "population__periods": 2,
    }
    point, config = case_of(population__partners=4, population__initial__strategies=start, ability__slack=1.0, **still)
    ds = exact.solve(point, config).isel(point=0)
    # Transfer of a partner over three counterparts: three of them take from two.
    np.testing.assert_allclose(ds.transfer[1:], [3 * 2 / 3 / 3 / 4, 3 * 2 / 2 / 3 / 4], rtol=0, atol=2.0**-20)
    assert float(ds.active_share[2]) == 3 / 4


def test_solve__instrumentality_by_hand():
    """Two accommodators who reconsider, are not empowered, and all turn: half compete, half avoid; counted as kept."""
    given = {**DOWN, "response__instrumentality": 1.0, "population__initial__strategies": ["accommodation"] * 2}
    ds = exact.solve(*case_of(**given)).isel(point=0)
    np.testing.assert_array_equal(ds.strategy_share[1], [0.5, 0, 0, 0.5, 0])
    assert float(ds.response_count.sel(proposition="none")) == 2
    assert float(ds.survival[1]) == 3 / 4


def test_solve__learning_by_theory_by_hand():
    """Always competing against always collaborating: 1.25 or 2 and .5 ... by who meets whom at formation."""
    mix = {"always_competition": 0.5, "always_collaboration": 0.5}
    point, config = case_of(**{**REQUEST, "response__theory_mix": mix, "response__tremble": 0.0, "population__periods": 1})
    ds = exact.solve(point, config).isel(point=0)
    # A competitor gets 1 + 1/2 from a collaborator, 0 from its like; a collaborator 0, or 1 + 1 from its like.
    values = ds.learning_by_theory[1]
    assert float(values.sel(theory="always_competition")) == pytest.approx((1.5 * 0.5 + 0 * 0.25) / 0.75, abs=1e-12)
    assert float(values.sel(theory="always_collaboration")) == pytest.approx((0 * 0.5 + 2 * 0.25) / 0.75, abs=1e-12)
    np.testing.assert_allclose(ds.learning_by_theory_n[1] / 10000, 0.75, rtol=0, atol=1e-12)
    by_pair = ds.learning_by_pair[1]
    assert float(by_pair.sel(own="competition", counterpart="collaboration")) == 1.5
    assert float(by_pair.sel(own="collaboration", counterpart="collaboration")) == 2
    assert np.isnan(by_pair.sel(own="compromise", counterpart="collaboration"))


# --- designs ---------------------------------------------------------------------------------------------------------

DESIGN = {
    "design__kind": "factorial",
    "design__factors": {
        "n": {"path": "population.partners", "levels": [2, 3]},
        "coupling": {"path": "population.coupling", "levels": ["sampled", "weakest", "majority", "partner_specific"]},
        "exits": {"path": "population.exit_rate", "levels": [0.0, 0.2]},
        "followed": {"path": "response.theory_mix", "levels": ["larsson1998", {"both": {"tit_for_tat": 0.5, "larsson1998": 0.5}}]},
        "t": {"path": "population.periods", "levels": [2, 5]},
    },
}  # fmt: skip


@pytest.mark.parametrize(
    "output", [REQUEST, {"output__every": 2}, {"output__variables": ["survival", "response_count"]}], ids=str
)
def test_values__are_labelled_as_simulated_ones_and_those_of_each_point_alone(output):
    """Every kind of point in one design: names, shapes, types, where there is no value, and the values of `solve`."""
    config = Config.model_validate(base_config(**{**EVERYTHING, **DESIGN, **output}))
    found, simulated = engines(config)
    assert list(found) == list(simulated)
    for name, array in found.items():
        assert array.dtype == simulated[name].dtype, name
        assert array.shape == simulated[name].shape, name
        if name.removesuffix("_se") in exact.OMITTED:
            assert np.isnan(array).all()
        elif array.dtype.kind == "f" and name not in ("learning_by_pair", "learning_by_pair_se"):
            # So few alliances as are simulated here may lack what is rare, but not have what cannot be.
            assert not (np.isnan(array) & ~np.isnan(simulated[name])).any(), name
            if "inequity" not in name and "efficiency" not in name and "theory" not in name:
                np.testing.assert_array_equal(np.isnan(array), np.isnan(simulated[name]), err_msg=name)
        if array.dtype.kind == "i" or name.endswith("_se"):
            assert not np.nan_to_num(array).any(), name
    design = points(config)
    grid, labels = period_grid(design, config.output.every), proposition_labels(design)
    for k in range(0, len(design), 5):
        alone = exact.moments_of(design[k], config, labels, theory_names(design))
        own = np.isin(grid, exact.own_periods(design[k].parameters.population.periods, config.output.every))
        for name, values in alone.items():
            if name in BY_NAME:
                all_of_it = found[name][k][own] if "period" in BY_NAME[name].dims else found[name][k]
                np.testing.assert_allclose(all_of_it, values, rtol=0, atol=1e-12, err_msg=name)
                if "period" in BY_NAME[name].dims:
                    assert np.isnan(found[name][k][~own]).all()


def test_values__do_not_depend_on_how_points_are_cut(monkeypatch):
    levels = {"low": 0.0, "high": 1.0, "n": 7}
    factors = {
        "trust": {"path": "context.trust.mean", "levels": levels},
        "m": {"path": "ability.moderate", "levels": levels},
    }
    config = Config.model_validate(base_config(**{**EVERYTHING, "design__kind": "factorial", "design__factors": factors}))
    whole, _ = engines(config, 1)
    monkeypatch.setattr(exact_batch, "BYTES", 1)
    one_by_one, _ = engines(config, 1)
    for name, array in whole.items():
        np.testing.assert_allclose(array, one_by_one[name], rtol=0, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("every", [1, 3])
def test_solve__goes_on_where_a_long_run_was_cut(monkeypatch, every):
    """In parts of two recorded periods, with an end-game in between, and one that ends with a single one."""
    point, config = case_of(**{**EVERYTHING, **REQUEST, "population__periods": 12, "output__every": every})
    whole = exact.solve(point, config)
    monkeypatch.setattr(exact_values, "BYTES", 1)
    cut = exact.solve(point, config)
    for name in whole.data_vars:
        np.testing.assert_allclose(cut[name], whole[name], rtol=1e-13, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("partners", [2, 3])
def test_solve__a_theory_that_nobody_holds_changes_nothing(partners):
    """A share of 1e-9 is less than a step of the draws."""
    coupling = "partner_specific" if partners == 3 else "sampled"
    given = {
        **EVERYTHING,
        **REQUEST,
        "population__periods": 4,
        "population__partners": partners,
        "population__coupling": coupling,
    }
    alone = exact.solve(*case_of(**given))
    mixed = exact.solve(*case_of(**given, response__theory_mix={"larsson1998": 1 - 1e-9, "tit_for_tat": 1e-9}))
    assert np.isnan(mixed.learning_by_theory.sel(theory="tit_for_tat")).all()
    assert not mixed.learning_by_theory_n.sel(theory="tit_for_tat").any()
    for name in ("strategy_share", "learning", "regime_share_sd", "dissolution_time"):
        np.testing.assert_allclose(mixed[name], alone[name], rtol=0, atol=1e-12, err_msg=name)


def test_values__of_several_points_of_one_structure():
    """Behaviour by ordered pair is worked out point by point, within a batch."""
    factors = {"trust": {"path": "context.trust.mean", "levels": [0.2, 0.8]}}
    given = {**EVERYTHING, **REQUEST, **SPECIFIC, "population__partners": 3, "population__periods": 3}
    config = Config.model_validate(base_config(**given, design__kind="factorial", design__factors=factors))
    found, _ = engines(config, 1)
    for k, trust in enumerate((0.2, 0.8)):
        alone, own = case_of(**given, context__trust__mean=trust)
        expected = exact.solve(alone, own).isel(point=0)
        for name in ("strategy_share", "learning", "mean_trust", "unlearnt", "response_count", "dissolution_time"):
            np.testing.assert_allclose(found[name][k], expected[name], rtol=0, atol=1e-13, err_msg=name)


def test_values__refuse_a_point_without_an_exact_form():
    config = Config.model_validate(base_config())
    with pytest.raises(ValueError, match=r"^context\.kind = endogenous: .*"):
        exact.values(points(config), np.arange(101), (), (), config)


def test_values__without_a_race_all_is_left_to_learn():
    point, config = case_of(**REQUEST, population__periods=3)
    ds = exact.solve(point, config)
    assert (ds.unlearnt == 1).all()
    assert "power" not in ds
