"""The long run against powers of the transition matrix, by hand, and where nothing, or everything, goes on for ever."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from exact_cases import EVERYTHING, case_of

from sim import exact
from sim.long_run import MAX_HORIZON, _Reduced, long_run
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
    chain, periods = exact.chain_of(point, config), 20_000
    space, law, survival = chain.space, chain.start, []
    alive = space.states.alive
    lasting = law * alive / (law @ alive)
    for t in range(1, periods + 1):
        survival.append(law @ alive)
        if t <= 6:
            matrix = exact.chain_of(point, config, t).matrix
        law, lasting = law @ matrix, (lasting @ matrix) * alive
        kept = lasting.sum()
        lasting = lasting / kept
    causes = [law @ (~alive & ~space.exited), law @ (~alive & space.exited), 0.0]
    never = 1 - sum(causes)
    np.testing.assert_allclose(found.dissolution_cause, causes, rtol=0, atol=1e-9)
    assert float(found.never_dissolved) == pytest.approx(never, abs=1e-9)
    # Of those that dissolve: survival less those who never do.
    ends = (np.array(survival) - never) / (1 - never)
    mean, square = ends.sum(), (ends * (2 * np.arange(periods) + 1)).sum()
    assert float(found.dissolution_time) == pytest.approx(mean, rel=1e-7)
    assert float(found.dissolution_time_sd) == pytest.approx(math.sqrt(square - mean**2), rel=1e-6)
    np.testing.assert_allclose(found.regime_share, lasting @ space.regimes, rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        found.strategy_share, lasting @ space.strategies / space.structure.partners, rtol=0, atol=1e-6
    )
    assert float(found.dissolution_rate) == pytest.approx(1 - kept, abs=1e-9)


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
    point, config = case_of(**EVERYTHING)
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


def test_reduced__is_precise_where_alliances_last_for_ages():
    """Chances of 1e-20 to move on: times of 1e40 periods, against elimination with fractions, to the last digits."""
    rng = np.random.default_rng(4)
    inner = rng.random((5, 5)) * 10.0 ** rng.integers(-20, 0, (5, 5)).astype(float)
    outer = np.array([[0.0], [0.0], [1e-30], [0.0], [1e-25]])
    np.fill_diagonal(inner, 0.0)
    rows = [[-Fraction(x) for x in row] for row in inner.tolist()]
    for k, row in enumerate(rows):
        # A state is left with all the chances to go elsewhere: nothing rests on how 1 minus these is rounded.
        row[k] = -sum(row) + Fraction(outer[k, 0])
    right = [Fraction(1)] * 5
    for k in range(5):
        for other in range(5):
            if other != k:
                factor = rows[other][k] / rows[k][k]
                rows[other] = [a - factor * b for a, b in zip(rows[other], rows[k], strict=True)]
                right[other] -= factor * right[k]
    times = [float(right[k] / rows[k][k]) for k in range(5)]
    np.testing.assert_allclose(_Reduced(inner, outer).solve(np.ones((5, 1)))[:, 0], times, rtol=1e-14)
    assert max(times) > 1e20


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
