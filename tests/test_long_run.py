"""The long run against powers of the transition matrix, by hand, and where nothing, or everything, goes on for ever."""

from __future__ import annotations

import math

import numpy as np
import pytest
from exact_cases import EVERYTHING, case_of

from sim import exact
from sim.long_run import MAX_HORIZON, long_run
from sim.strategies import REGIMES

NO_EMPOWERMENT = {"response__theory_mix": "barriers_only", "response__tremble": 0.0}
NO_HORIZON = {"context__endgame": {"horizon": None, "window": 3.5}}
CASES = {
    "default": {},
    "three": {**EVERYTHING, **NO_HORIZON, "population__partners": 3},
    "horizon": {**EVERYTHING, "population__partners": 3},
    "exits": {**EVERYTHING, **NO_HORIZON, "population__partners": 3, "population__exit_rate": 0.3},
    "aware": {**EVERYTHING, "response__aware": 0.4},
    "theories": {**EVERYTHING, "response__theory_mix": {"larsson1998": 0.5, "tit_for_tat": 0.5}},
    "weakest": {**EVERYTHING, "population__partners": 3, "population__coupling": "weakest"},
    "for ever": {**NO_EMPOWERMENT},
    "for ever with exits": {**NO_EMPOWERMENT, "population__partners": 3, "population__exit_rate": 0.4},
}


@pytest.mark.parametrize("name", CASES)
def test_long_run__is_what_powers_of_the_matrix_tend_to(name):
    """Chances, times and mix from some 20,000 periods one by one; to 1e-9."""
    point, config = case_of(**CASES[name])
    found = long_run(point, config)
    law, survival, periods = exact.chain_of(point, config).start, [], 20_000
    space = exact.chain_of(point, config).space
    alive = space.states.alive
    for t in range(1, periods + 1):
        survival.append(law @ alive)
        if t <= 6:
            matrix = exact.chain_of(point, config, t).matrix
        law = law @ matrix
        if t == periods // 40:
            earlier = law * alive / (law @ alive)
            still = law @ alive
            after = law @ matrix
    causes = [law @ (~alive & ~space.exited), law @ (~alive & space.exited), 0.0]
    never = 1 - sum(causes)
    np.testing.assert_allclose(found.dissolution_cause, causes, rtol=0, atol=1e-9)
    assert float(found.never_dissolved) == pytest.approx(never, abs=1e-9)
    # Of those that dissolve: survival less those who never do.
    lasting = (np.array(survival) - never) / (1 - never)
    mean, square = lasting.sum(), (lasting * (2 * np.arange(periods) + 1)).sum()
    assert float(found.dissolution_time) == pytest.approx(mean, rel=1e-7)
    assert float(found.dissolution_time_sd) == pytest.approx(math.sqrt(square - mean**2), rel=1e-6)
    np.testing.assert_allclose(found.regime_share, earlier @ space.regimes, rtol=0, atol=1e-6)
    np.testing.assert_allclose(
        found.strategy_share, earlier @ space.strategies / space.structure.partners, rtol=0, atol=1e-6
    )
    assert float(found.dissolution_rate) == pytest.approx(1 - (after @ alive) / still, abs=1e-7)


def test_long_run__by_hand():
    """A collaborator who always collaborates, and an avoider who never moves, who leaves with 1/4: geometric."""
    mix = {"always_collaboration": 0.5, "always_avoidance": 0.5}
    start = {"population__initial__strategies": ["collaboration", "avoidance"], "population__exit_rate": 0.25}
    point, config = case_of(**start, response__tremble=0.0, response__reconsideration=0.0, response__theory_mix=mix)
    found = long_run(point, config)
    np.testing.assert_allclose(found.dissolution_cause, [0, 1, 0], rtol=0, atol=1e-12)
    assert float(found.dissolution_time) == pytest.approx(4, abs=1e-12)
    assert float(found.dissolution_time_sd) == pytest.approx(math.sqrt(0.75) * 4, abs=1e-12)


def test_long_run__rates_and_stays_by_hand():
    """Downward from collaboration, each stage left with a rate of its own: what is left in the end is the slowest.

    Facing an avoider a competitor keeps with 3/4; two competitors both keep with 9/16; the slowest is withdrawal.
    """
    point, config = case_of(**NO_EMPOWERMENT, population__initial__strategies=["collaboration"] * 2)
    found = long_run(point, config)
    assert float(found.never_dissolved) == 0
    assert float(found.dissolution_rate) == pytest.approx(1 / 4, abs=1e-12)
    assert float(found.regime_share.sel(regime="withdrawal")) == pytest.approx(1, abs=1e-12)
    assert float(found.regime_stay.sel(regime="withdrawal")) == pytest.approx(4, abs=1e-12)
    assert float(found.learning) == 0


def test_long_run__mean_stays_are_those_of_single_states():
    """Where a regime is one state, its stay is 1 / (1 - P(s, s))."""
    point, config = case_of(**EVERYTHING, **{})
    found, chain = long_run(point, config), exact.chain_of(point, config, 50)
    for k, name in enumerate(REGIMES[:-2]):
        (state,) = np.flatnonzero(chain.space.regimes[:, k])
        assert float(found.regime_stay[k]) == pytest.approx(1 / (1 - chain.matrix[state, state]), rel=1e-12), name


def test_long_run__several_ways_to_go_on_for_ever():
    """Moderation and symbolic alliances persist; each has the share that ends there, and is never left."""
    found = long_run(*case_of(**NO_EMPOWERMENT))
    mix = found.regime_share
    assert float(found.never_dissolved) > 0.01
    assert float(found.dissolution_rate) == 0
    assert float(mix.sel(regime=["moderation", "symbolic"]).sum()) == pytest.approx(1, abs=1e-12)
    assert np.isinf(found.regime_stay.sel(regime=["moderation", "symbolic"])).all()
    assert np.isnan(found.regime_stay.drop_sel(regime=["moderation", "symbolic"])).all()


def test_long_run__all_go_on_for_ever_or_none_begins():
    for_ever = long_run(*case_of(response__reconsideration=0.0, response__tremble=0.0))
    assert float(for_ever.never_dissolved) == 1
    assert np.isnan(for_ever.dissolution_time)
    none = {"population__initial__strategies": ["avoidance"] * 2}
    ended = long_run(*case_of(**none))
    np.testing.assert_array_equal(ended.dissolution_cause, [1, 0, 0])
    assert float(ended.dissolution_time) == float(ended.dissolution_time_sd) == 0
    assert np.isnan(ended.regime_share).all()
    assert np.isnan(ended.dissolution_rate)


def test_long_run__is_precise_where_alliances_last_for_ages():
    """Nobody answers but by a tremble of 2^-22: both avoid at once with (2^-22 / 5)^2, so some 4e14 periods."""
    tremble = 2.0**-22
    start = {"population__initial__strategies": ["collaboration"] * 2}
    point, config = case_of(response__reconsideration=0.0, response__tremble=tremble, **start)
    found, a = long_run(point, config), tremble / 5
    # Each partner avoids half of a time: moves to avoidance with a, away with 4 a, independently.
    both = np.array([[1 - 2 * a, 2 * a], [4 * a, 1 - 5 * a]])
    del both
    # With x: nobody avoids, y: one does. x = 1 + ..., all moves of order a but those of a^2 together.
    x_leaves, y_back, y_ends = 2 * a * (1 - a), 4 * a * (1 - a), a * (1 - 4 * a)
    x_ends = a * a
    y_other = 4 * a * a
    # Exit from x at rate x_leaves + x_ends; from y at y_back + y_ends, and both at once (y to y) stays.
    y = (1 + y_back / (x_leaves + x_ends)) / (y_ends + y_back - y_back * x_leaves / (x_leaves + x_ends))
    x = (1 + x_leaves * y) / (x_leaves + x_ends)
    assert y_other < a
    assert float(found.dissolution_time) == pytest.approx(x, rel=1e-9)
    assert float(found.dissolution_rate) == pytest.approx(1 / x, rel=1e-2)


def test_long_run__has_units_and_names():
    found = long_run(*case_of())
    assert all(found[name].attrs[key] for name in found.data_vars for key in ("units", "long_name", "description", "source"))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"context__kind": "endogenous"}, "context.kind = endogenous"),
        ({"population__partners": 3, "population__coupling": "partner_specific"}, "population.coupling = partner_specific"),
        ({"context__endgame": {"horizon": MAX_HORIZON + 1.0, "window": 1.0}}, "context.endgame.horizon = 1e"),
    ],
    ids=str,
)
def test_long_run__refuses_and_names_the_key(overrides, said):
    with pytest.raises(ValueError, match=rf"^{said}"):
        long_run(*case_of(**overrides))
