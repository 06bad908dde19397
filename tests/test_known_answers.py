"""What the papers say must happen, and what follows from the model by hand (model section 10).

Certain answers are checked exactly: on the graph of the chain's transitions (which states can follow which, without a
tolerance), and in the simulator, where a share that is certain is exactly 1. Uncertain ones state their margin: by
Hoeffding's inequality a mean over 2^16 alliances of values in [0, 1] is off by more than .0105 with probability below 1e-6.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import xarray as xr
from conftest import base_config

from sim import exact
from sim.blocks import arguments_of, run_segment, traced
from sim.design import Point, points
from sim.labels import dataset
from sim.recording import period_grid
from sim.schema import Config
from sim.strategies import (
    ACCOMMODATION,
    AVOIDANCE,
    COLLABORATION,
    COMPETITION,
    COMPROMISE,
    REGIMES,
    STRATEGIES,
    regime_of,
)
from sim.theory import DRIVERS, PROPOSITIONS
from sim.variables import FIXED

ALLIANCES = 2**16
#: sqrt(log(2 / 1e-6) / (2 * 2^16)): how far off a mean of values in [0, 1] may be, but for a chance of 1e-6.
MARGIN = float(np.sqrt(np.log(2 / 1e-6) / (2 * ALLIANCES)))
EVEN_MIX = dict.fromkeys(STRATEGIES, 0.2)
NO_EMPOWERMENT = {"response__theory_mix": "barriers_only", "response__tremble": 0.0, "context__kind": "static"}
FULL_EMPOWERMENT = {
    "response__threshold": dict.fromkeys(PROPOSITIONS, -100.0), "response__tremble": 0.0, "context__kind": "static",
}  # fmt: skip


def case_of(**overrides: Any) -> tuple[Point, Config]:
    config = Config.model_validate(base_config(random__seed=20260802, **overrides))
    return points(config)[0], config


def simulate(alliances: int = ALLIANCES, **overrides: Any) -> xr.Dataset:
    point, config = case_of(**overrides)
    grid = period_grid([point], config.output.every)
    return dataset([point], [run_segment(arguments_of(point, config, grid), 0, alliances)], config).isel(point=0)


def start(*strategies: int) -> dict[str, Any]:
    """Overrides: these first strategies."""
    return {"population__partners": len(strategies), "population__initial__strategies": [STRATEGIES[s] for s in strategies]}


class Chain:
    """States, transition probabilities, and which states can follow which sooner or later."""

    def __init__(self, **overrides: Any) -> None:
        self.point, config = case_of(**overrides)
        chain = exact.chain_of(self.point, config)
        self.states, self.start, self.matrix = chain.space.states.partners, chain.start, chain.matrix
        self.follows = (self.matrix > 0) | np.eye(len(self.matrix), dtype=bool)
        for _ in range(len(self.matrix).bit_length()):
            self.follows = self.follows @ self.follows

    def number(self, *strategies: int) -> int:
        return self.states.tolist().index(sorted(strategies))

    def ends(self, state: int) -> set[int]:
        """Recurrent states that can follow a state: where it ends with probability 1."""
        recurrent = (self.follows <= self.follows.T).all(axis=1)
        return set(np.flatnonzero(self.follows[state] & recurrent).tolist())


# --- E = 0: the downward spiral (Fig. 3) -------------------------------------------------------------------------------


def test_downward_spiral__only_goes_down_and_ends_in_avoidance():
    """From mutual collaboration: exploitation, deadlock, withdrawal, disintegration, never back and never past a stage."""
    chain = Chain(**NO_EMPOWERMENT)
    pairs = [(COLLABORATION, COLLABORATION), (COLLABORATION, COMPETITION), (COMPETITION, COMPETITION),
             (COMPETITION, AVOIDANCE), (AVOIDANCE, AVOIDANCE)]  # fmt: skip
    spiral = [chain.number(*pair) for pair in pairs]
    assert set(np.flatnonzero(chain.follows[spiral[0]])) == set(spiral)
    descent = chain.matrix[np.ix_(spiral, spiral)]
    assert not np.tril(descent, -1).any()
    assert (np.diag(descent, 1) > 0).all()
    assert chain.ends(spiral[0]) == {spiral[-1]}
    point, config = case_of(population__periods=80, **start(COLLABORATION, COLLABORATION), **NO_EMPOWERMENT)
    shares = exact.solve(point, config).regime_share.isel(point=0)
    peaks = [int(shares.sel(regime=regime_of(*pair)).argmax("period")) for pair in pairs]
    assert peaks == sorted(peaks)
    assert len(set(peaks)) == len(peaks)


@pytest.mark.parametrize("partners", [2, 3, 4])
def test_downward_spiral__in_two_steps_where_all_reconsider(partners):
    """Reconsideration 1: collaboration, then competition, then avoidance, and dissolved in period 2; certain, so exact."""
    ds = simulate(
        1000, **start(*[COLLABORATION] * partners), **NO_EMPOWERMENT, population__periods=4, response__reconsideration=1.0
    )
    for t, strategy in enumerate(["collaboration", "competition", "avoidance", "avoidance", "avoidance"]):
        assert float(ds.strategy_share.sel(period=t, strategy=strategy)) == 1.0
    assert float(ds.dissolution_time) == 2
    assert float(ds.dissolution_time_se) == 0
    assert float(ds.response_count.sel(proposition="1a")) == float(ds.response_count.sel(proposition="2b")) == partners


def test_downward_spiral__simulated_alliances_take_no_other_way():
    ds = simulate(**start(COLLABORATION, COLLABORATION), **NO_EMPOWERMENT, population__periods=60)
    way = {"integration", "exploitation", "deadlock", "withdrawal", "disintegration"}
    for name in REGIMES:
        assert bool((ds.regime_share.sel(regime=name) > 0).any()) == (name in way)
    assert (np.diff(ds.regime_share.sel(regime="integration")) <= 0).all()
    assert (np.diff(ds.regime_share.sel(regime="disintegration")) >= 0).all()


@pytest.mark.parametrize("partners", [2, 3, 4, 5])
def test_no_empowerment__only_moderation_symbolic_alliances_and_the_dissolved_persist(partners):
    chain = Chain(**NO_EMPOWERMENT, population__partners=partners)
    persistent = {chain.number(*[s] * partners) for s in (COMPROMISE, ACCOMMODATION, AVOIDANCE)}
    assert set(np.flatnonzero(chain.matrix.diagonal() == 1)) == persistent
    assert set().union(*(chain.ends(s) for s in range(len(chain.matrix)))) == persistent


@pytest.mark.parametrize("partners", [2, 3])
def test_no_empowerment__simulated_alliances_end_in_what_persists(partners):
    """T so long that the chance of any other state among all alliances is below 1e-9, by the chain."""
    overrides = {**NO_EMPOWERMENT, "population__partners": partners, "population__initial__mix": EVEN_MIX}
    chain, periods = Chain(**overrides), 300
    law = chain.start @ np.linalg.matrix_power(chain.matrix, periods)
    assert ALLIANCES * law[chain.matrix.diagonal() < 1].sum() < 1e-9
    ds = simulate(**overrides, population__periods=periods)
    last = ds.regime_share.sel(period=periods)
    assert (last.sel(regime=["moderation", "symbolic", "disintegration"]) > 0).all()
    assert not last.drop_sel(regime=["moderation", "symbolic", "disintegration"]).any()
    assert float(last.sel(regime="disintegration")) == pytest.approx(1 - float(ds.survival.sel(period=periods)), abs=1e-12)


@pytest.mark.parametrize("strategy", [COMPROMISE, ACCOMMODATION])
@pytest.mark.parametrize("partners", [2, 4])
def test_no_empowerment__moderation_and_symbolic_alliances_last(partners, strategy):
    ds = simulate(1000, **start(*[strategy] * partners), **NO_EMPOWERMENT, population__periods=50)
    assert (ds.regime_share.sel(regime=regime_of(strategy, strategy)) == 1).all()
    assert (ds.survival == 1).all()


# --- the least stable regime -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theory", ["barriers_only", "larsson1998"])
@pytest.mark.parametrize("mean", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("reconsideration", [0.05, 0.25, 0.6])
def test_exploitation__has_the_shortest_mean_stay(theory, mean, reconsideration):
    """1 / (1 - P(s, s)) for all pairs of strategies; collaboration facing competition "will counter rapidly"."""
    means = {f"context__{name}": {"distribution": "constant", "mean": mean} for name in DRIVERS}
    chain = Chain(response__theory_mix=theory, response__reconsideration=reconsideration, context__kind="static", **means)
    leaving = 1 - chain.matrix.diagonal()
    shortest = chain.number(COLLABORATION, COMPETITION)
    assert (np.delete(leaving, shortest) < leaving[shortest]).all()


def test_exploitation__simulated_lasts_shortest():
    """Share of pairs still in their regime after a period: others stay by .1 more at least; false alarms 1.5e-5."""
    stays = {}
    for pair in itertools.combinations_with_replacement(range(1, 5), 2):
        ds = simulate(**start(*pair), context__kind="static", population__periods=1)
        stays[regime_of(*pair)] = float(ds.regime_share.sel(period=1, regime=regime_of(*pair)))
    stays["withdrawal"] = min(
        float(simulate(**start(AVOIDANCE, s), context__kind="static", population__periods=1).regime_share.sel(
            period=1, regime="withdrawal")) for s in range(1, 5)
    )  # fmt: skip
    exploitation = stays.pop("exploitation")
    assert len(stays) == 10
    assert exploitation + 0.1 < min(stays.values()) - 2 * MARGIN


# --- E = 1: all collaborate (Fig. 4) -----------------------------------------------------------------------------------


def all_collaborate(strategies: tuple[int, ...]) -> bool:
    """Whether the start is one from which all collaborate in the end."""
    return AVOIDANCE not in strategies and not {ACCOMMODATION, COMPETITION} <= set(strategies)


def starts(partners: int) -> list[tuple[int, ...]]:
    return list(itertools.combinations_with_replacement(range(5), partners))


@pytest.mark.parametrize("partners", [2, 3, 4, 5])
def test_full_empowerment__all_collaborate_with_probability_one_from_exactly_these_starts(partners):
    chain = Chain(**FULL_EMPOWERMENT, population__partners=partners)
    collaboration = chain.number(*[COLLABORATION] * partners)
    assert chain.matrix[collaboration, collaboration] == 1
    for strategies in starts(partners):
        certain = chain.ends(chain.number(*strategies)) == {collaboration}
        assert certain == all_collaborate(strategies), strategies
        if AVOIDANCE in strategies:
            assert collaboration not in chain.ends(chain.number(*strategies))


@pytest.mark.parametrize("partners", [2, 3])
def test_full_empowerment__simulated_alliances_all_collaborate_from_exactly_these_starts(partners):
    """All starts, 2048 alliances, T = 300. By the chain, the chance of a false alarm is below 1e-9 for each start."""
    chain, periods, alliances = Chain(**FULL_EMPOWERMENT, population__partners=partners), 300, 2048
    later = np.linalg.matrix_power(chain.matrix, periods)
    collaboration = chain.number(*[COLLABORATION] * partners)
    for strategies in starts(partners):
        ds = simulate(alliances, **start(*strategies), **FULL_EMPOWERMENT, population__periods=periods)
        share = float(ds.regime_share.sel(period=periods, regime="integration"))
        row = later[chain.number(*strategies)]
        if all_collaborate(strategies):
            assert alliances * np.delete(row, collaboration).sum() < 1e-9
            assert share == 1.0, strategies
            assert float(ds.survival.sel(period=periods)) == 1.0
        else:
            assert row[collaboration] ** alliances < 1e-9
            assert share < 1.0, strategies
        if AVOIDANCE in strategies:
            assert share == 0.0


# --- context -----------------------------------------------------------------------------------------------------------


def test_symbolic_alliance__familiarity_grows_while_it_lasts():
    """AC-AC that never reconsiders: prior interaction closes 3 per cent of its gap to 1 a period, trust 5; stakes stay."""
    ds = simulate(500, **start(ACCOMMODATION, ACCOMMODATION), response__reconsideration=0.0, response__tremble=0.0)
    assert (ds.regime_share.sel(regime="symbolic") == 1).all()
    for name, first, rate in (("mean_prior", 0.3, 0.03), ("mean_trust", 0.5, 0.05)):
        np.testing.assert_allclose(ds[name], 1 - (1 - first) * (1 - rate) ** ds.period, rtol=0, atol=1e-5)
        assert (np.diff(ds[name]) > 0).all()
        assert not ds[f"{name}_se"].any()
    np.testing.assert_array_equal(ds.mean_stakes, 0.5)
    assert not ds.learning[1:].any()


def test_symbolic_alliance__drifts_into_moderation_and_integration_where_familiarity_grows():
    """Proposition 6b, the Dowty-Sema case: stakes too low to open up, until prior interaction has grown.

    Share of pairs in moderation, asymmetric contribution or integration after 60 periods, with and without the
    dynamics of context; false alarms 4e-6; a drift of 2 x .0105 would be found.
    """
    low = {
        "context__stakes": {"distribution": "constant", "mean": 0.2},
        "context__prior": {"distribution": "constant", "mean": 0.0},
        "context__trust": {"distribution": "constant", "mean": 0.7},
        "context__orientation": {"distribution": "constant", "mean": 0.7},
    }
    settings = {**low, **start(ACCOMMODATION, ACCOMMODATION), "response__tremble": 0.0, "population__periods": 60}
    upward = ["moderation", "asymmetric_contribution", "integration"]
    ends = {}
    for kind in ("static", "endogenous"):
        ds = simulate(**settings, context__kind=kind)
        ends[kind] = ds.regime_share.sel(regime=upward).sum("regime")
        assert (np.diff(ds.regime_share.sel(regime="symbolic")) <= 0).all()
    assert float(ends["static"][60]) < 0.02 + MARGIN
    assert float(ends["endogenous"][60]) > 0.25 - MARGIN
    # Integration, too: the last step of the drift, and later than the first.
    moderation, integration = (ds.regime_share.sel(regime=name) for name in ("moderation", "integration"))
    assert float(integration[60]) > 0.1 - MARGIN
    assert int((moderation > 0.02).argmax("period")) < int((integration > 0.02).argmax("period"))


def test_symbolic_alliance__drifts_the_more_the_more_stakes_and_prior_interaction_empower():
    """P6: shares of integration after 30 periods rise by more than 2 x .0105 with each step; false alarms 3e-6."""
    shares = []
    for mean in (0.1, 0.4, 0.8):
        drivers = {f"context__{name}": {"distribution": "constant", "mean": mean} for name in ("stakes", "prior")}
        others = {f"context__{name}": {"distribution": "constant", "mean": 0.8} for name in ("trust", "orientation")}
        ds = simulate(**drivers, **others, **start(ACCOMMODATION, ACCOMMODATION), population__periods=30)
        shares.append(float(ds.regime_share.sel(period=30, regime="integration")))
    assert (np.diff(shares) > 2 * MARGIN).all()
    assert shares[-1] > 0.5


def test_deadlock__loses_trust():
    """CP-CP that never reconsiders: suspicion takes 5 per cent of trust a period; no transfer, no interaction."""
    ds = simulate(500, **start(COMPETITION, COMPETITION), response__reconsideration=0.0, response__tremble=0.0)
    np.testing.assert_allclose(ds.mean_trust, 0.5 * 0.95**ds.period, rtol=0, atol=1e-5)
    assert (np.diff(ds.mean_trust) < 0).all()
    assert not ds.mean_trust_se.any()
    np.testing.assert_allclose(ds.mean_prior, 0.3 * 0.99**ds.period, rtol=0, atol=1e-5)
    assert not ds.learning[1:].any()
    free = simulate(**start(COMPETITION, COMPETITION), response__tremble=0.0, population__periods=5)
    assert (np.diff(free.mean_trust) < 0).all()


@pytest.mark.parametrize("partners", [2, 3, 7])
def test_static_context__means_are_constant_with_error_zero(partners):
    """Exactly: a constant has standard error 0, and its mean is the float32 start value in steps of 2^-20."""
    values = {"stakes": 0.3, "trust": 0.71, "orientation": 0.1, "prior": 0.37}
    means = {f"context__{name}": {"distribution": "constant", "mean": value} for name, value in values.items()}
    ds = simulate(5000, population__partners=partners, population__periods=20, context__kind="static",
                  population__initial__mix=EVEN_MIX, population__exit_rate=0.2, **means)  # fmt: skip
    assert 0 < float(ds.survival[-1]) < 1
    for name, value in values.items():
        expected = float(np.rint(np.float32(value) * np.float32(FIXED))) / FIXED
        atol = 0 if partners == 2 else 2 / FIXED  # a float32 mean over several pairs may round
        np.testing.assert_allclose(ds[f"mean_{name}"], expected, rtol=0, atol=atol)
        assert np.unique(ds[f"mean_{name}"]).size == 1
        np.testing.assert_array_equal(ds[f"mean_{name}_se"], 0.0)


# --- theories against each other --------------------------------------------------------------------------------------


@pytest.mark.parametrize("opponent", STRATEGIES)
def test_tit_for_tat__plays_axelrods_moves(opponent: str) -> None:
    """Collaborates first, then answers in kind what it saw; two of its kind collaborate for ever (Axelrod 1984)."""
    mix = {f"always_{opponent}": 0.5, "tit_for_tat": 0.5}
    config = Config.model_validate(
        base_config(
            population__periods=6, response__theory_mix=mix, response__reconsideration=1.0, response__tremble=0.0,
            output__variables=["survival"],
        )
    )  # fmt: skip
    (point,) = points(config)
    trace, _ = traced(arguments_of(point, config, period_grid([point], 1), force_full=True), 0, 200)
    always, kinds = STRATEGIES.index(opponent), trace.formed[0].astype(int)
    answer = {"accommodation": "collaboration"}.get(opponent, opponent)
    met = 0
    for lane in range(200):
        moves = trace.units[:, 0, :, lane].astype(int)
        if kinds[:, lane].tolist() == [1, 1]:
            assert (moves == COLLABORATION).all()
        elif kinds[:, lane].tolist() == [0, 0]:
            assert (moves == always).all()
        else:
            met += 1
            own = int(kinds[1, lane])
            assert (moves[:, 1 - own] == always).all()
            assert moves[0, own] == COLLABORATION
            assert (moves[1:, own] == STRATEGIES.index(answer)).all()
    assert met > 50
