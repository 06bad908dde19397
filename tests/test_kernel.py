"""The compiled kernel against the plain-Python reference, integer for integer, and against its own invariants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
import reference
import reference_tallies
import yaml
from cases import Case, case_of, column, differing
from conftest import base_config
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from reference_draws import Draws, uniform

from sim import rng
from sim.blocks import arguments_of, run_segment
from sim.design import points, theory_of
from sim.kernel_parts import MAX_ALLIANCES, WANTED
from sim.rows import LANES
from sim.schema import Config
from sim.strategies import ACCOMMODATION, AVOIDANCE, COLLABORATION, COMPROMISE, REGIMES, STRATEGIES
from sim.tallies import Tallies
from sim.theory import DRIVERS, PROPOSITIONS, source_of
from sim.variables import BY_NAME, FIXED, PERIOD_COLUMNS, POINT_COLUMNS

STEP = 2.0**-24
EVEN_MIX = dict.fromkeys(STRATEGIES, 0.2)
DISSOLUTION = ("dissolution_time", "dissolution_cause")


# --- kernel == reference ---------------------------------------------------------------------------------------------

EVERYTHING = {
    "population__initial__mix": EVEN_MIX,
    "population__exit_rate": 0.3,
    "response__reconsideration": 0.5,
    "response__tremble": 0.1,
    "response__misperception": 0.25,
    "response__aware": 0.5,
    "response__barrier_strength": 0.7,
    "response__sensitivity": 8.0,
    "context__calculative_share": 0.4,
    "context__endgame": {"horizon": 9.0, "window": 5.0},
    "ability__moderate": 0.3,
    "ability__creation": 0.8,
}

SCENARIOS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "static": {"context__kind": "static"},
    "even mix": {"population__initial__mix": EVEN_MIX},
    "barriers_only": {"response__theory_mix": "barriers_only", "response__reconsideration": 0.5},
    "barriers_only, no noise": {"response__theory_mix": "barriers_only", "response__tremble": 0.0},
    "exits": {"population__initial__mix": EVEN_MIX, "population__exit_rate": 0.4, "response__tremble": 0.1},
    "certain exit": {"population__initial__mix": EVEN_MIX, "population__exit_rate": 1.0, "response__tremble": 0.05},
    "misperception": {"response__misperception": 0.4},
    "always misperceived": {"response__misperception": 1.0, "response__reconsideration": 0.6},
    "awareness": {"response__aware": 0.5, "response__awareness_bonus": 0.7, "response__reconsideration": 0.6},
    "all aware": {"response__aware": 1.0},
    "calculative trust": {"context__calculative_share": 0.65, "context__trust__mean": 0.8},
    "wholly calculative": {"context__calculative_share": 1.0, "context__orientation__mean": 0.9},
    "end-game": {"context__endgame": {"horizon": 7.0, "window": 4.5}, "context__orientation__mean": 0.9},
    "abrupt end-game": {"context__endgame": {"horizon": 5.0, "window": 0.001}, "context__orientation__mean": 0.9},
    "no tremble": {"response__tremble": 0.0},
    "much tremble": {"response__tremble": 0.3, "response__barrier_strength": 0.5},
    "only tremble": {"response__tremble": 1.0},
    "moderate and creation": {"ability__moderate": 0.37, "ability__creation": 0.81},
    "moderate 0, creation 0": {"ability__moderate": 0.0, "ability__creation": 0.0},
    "moderate 1, creation 1": {"ability__moderate": 1.0, "ability__creation": 1.0},
    "trusting": {"context__trust__mean": 0.9, "context__stakes__mean": 0.8, "context__prior__mean": 0.9},
    "no stakes": {"context__stakes__mean": 0.0, "context__prior__mean": 0.0},
    "fast context": {"context__dynamics": dict.fromkeys(
        ("trust_gain", "trust_loss", "suspicion", "prior_gain", "prior_loss", "stakes_rate"), 1.0)},
    "always reconsidered": {"response__reconsideration": 1.0, "response__tremble": 0.01},
    "never reconsidered": {"response__reconsideration": 0.0, "response__tremble": 0.01},
    "no barriers": {"response__barrier_strength": 0.0, "response__reconsideration": 0.7},
    "weak barriers": {"response__barrier_strength": 0.5, "response__reconsideration": 0.7, "response__tremble": 0.05},
    "insensitive": {"response__sensitivity": 0.0},
    "step function": {"response__sensitivity": 1000.0},
    "own thresholds": {"response__threshold": {"P6": 0.2, "P7": -0.5, "P8": 0.4, "P9": 0.6},
                       "response__symmetric_handicap": 0.3},
    "part of the thresholds": {"response__threshold": {"P6": None, "P7": 0.3, "P8": None, "P9": 100.0}},
    "all avoid": {"population__initial__mix": dict.fromkeys(STRATEGIES, 0.0) | {"avoidance": 1.0}},
    "mostly avoid": {"population__initial__mix": dict.fromkeys(STRATEGIES, 0.05) | {"avoidance": 0.8}},
    "everything": EVERYTHING,
    "everything, static": {**EVERYTHING, "context__kind": "static"},
    "not in common": {"random": {"seed": 7, "common": False}},
    "largest seed": {"random": {"seed": 2**32 - 1, "common": True}},
    "every third period": {"output__every": 3},
    "first and last period": {"output__every": 10**6},
    "all dissolve between two recordings": {
        "output__every": 7, "response__theory_mix": "barriers_only", "response__reconsideration": 1.0,
        "response__tremble": 0.0, "context__endgame": {"horizon": 10.0, "window": 9.0},
        "population__initial__mix": dict.fromkeys(STRATEGIES, 0.0) | {"collaboration": 1.0}},
    "every second, dissolving": {"output__every": 2, "response__reconsideration": 0.8, "response__tremble": 0.0},
}  # fmt: skip


@pytest.mark.parametrize("name", SCENARIOS)
def test_simulate__equals_reference_with_two_partners(name: str) -> None:
    case = case_of(population__periods=20, **SCENARIOS[name])
    assert differing(case.run(0, 12), case.reference(0, 12)) == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_simulate__equals_reference_with_three_partners(name: str) -> None:
    case = case_of(population__partners=3, population__periods=14, **SCENARIOS[name])
    assert differing(case.run(5, 7), case.reference(5, 7)) == []


@pytest.mark.parametrize("kind", ["endogenous", "static"])
@pytest.mark.parametrize(("partners", "periods", "count"), [(2, 40, 25), (3, 30, 15), (4, 20, 10), (5, 15, 8), (8, 10, 5)])
@pytest.mark.parametrize("base", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_simulate__equals_reference_for_each_size(base: dict, partners: int, periods: int, count: int, kind: str) -> None:
    case = case_of(**{**base, "population__partners": partners, "population__periods": periods, "context__kind": kind})
    assert differing(case.run(100, count), case.reference(100, count)) == []


@pytest.mark.parametrize("base", [{}, EVERYTHING], ids=["defaults", "everything"])
@pytest.mark.parametrize("partners", [7, 31, 32])
def test_simulate__equals_reference_in_large_alliances(base: dict, partners: int) -> None:
    case = case_of(**{**base, "population__partners": partners, "population__periods": 6})
    assert differing(case.run(0, 3), case.reference(0, 3)) == []


@pytest.mark.parametrize("first", [2**32 - 5, 2**62, 2**63 - 12, 2**62 + 2**33 - 4])
@pytest.mark.parametrize("partners", [2, 3])
def test_simulate__equals_reference_beyond_32_bits(first: int, partners: int) -> None:
    case = case_of(population__partners=partners, population__periods=12, response__tremble=0.2)
    assert differing(case.run(first, 11), case.reference(first, 11)) == []


def test_simulate__high_word_of_alliance_matters() -> None:
    case = case_of(population__periods=12)
    assert differing(case.run(0, 20), case.run(2**32, 20)) != []


@pytest.mark.parametrize("count", [1, LANES - 1, LANES + 1])
def test_simulate__equals_reference_around_the_lane_width(count: int) -> None:
    case = case_of(population__periods=4, response__reconsideration=0.7)
    assert differing(case.run(3, count), case.reference(3, count)) == []


@pytest.mark.parametrize(
    "strategies",
    [
        ("collaboration", "competition"),
        ("avoidance", "collaboration"),
        ("avoidance", "avoidance"),
        ("accommodation", "compromise", "avoidance"),
        ("collaboration", "competition", "compromise", "accommodation", "avoidance"),
    ],
)
def test_simulate__equals_reference_from_fixed_strategies(strategies: tuple[str, ...]) -> None:
    case = case_of(
        population__partners=len(strategies),
        population__periods=12,
        population__initial__strategies=list(strategies),
        response__tremble=0.05,
    )
    shares = column(case.run(0, 9), "strategy_share")[0]
    assert shares.tolist() == [9 * strategies.count(name) for name in STRATEGIES]
    assert differing(case.run(0, 9), case.reference(0, 9)) == []


ALWAYS = [name for name in WANTED if BY_NAME[name].when == "always"]
SUBSETS = [*((name,) for name in (*ALWAYS, *DISSOLUTION)), ("learning", "mean_prior", "response_count")]


@pytest.mark.parametrize("wanted", SUBSETS, ids="-".join)
def test_simulate__tallies_what_is_asked_for(wanted: tuple[str, ...]) -> None:
    shape = {"population__partners": 3, "population__periods": 9, "output__every": 2, "response__reconsideration": 0.7}
    case = case_of(**shape, output__variables=list(wanted))
    few, everything = case.run(0, 8), case_of(**shape).run(0, 8)
    assert differing(few, case.reference(0, 8)) == []
    kept = {*wanted, *(f"{name}_n" for name in wanted), *DISSOLUTION}
    arrays = ((PERIOD_COLUMNS, few.period, everything.period), (POINT_COLUMNS, few.point, everything.point))
    for names, part, whole in arrays:
        for k, (name, _) in enumerate(names):
            if name in kept:
                assert (part[..., k, :] == whole[..., k, :]).all(), name
            else:
                assert not part[..., k, :].any(), name
    assert all(column(few, name).any() for name in wanted)


def test_simulate__takes_every_branch_of_every_cell() -> None:
    case = case_of(
        population__partners=5,
        population__periods=30,
        population__initial__mix=EVEN_MIX,
        response__tremble=0.3,
        response__reconsideration=0.8,
        response__barrier_strength=0.5,
        response__sensitivity=2.0,
    )
    tallies = case.run(0, 25)
    assert differing(tallies, case.reference(0, 25)) == []
    empowered, barrier, kept = column(tallies, "response_count").reshape(3, 25)
    assert (barrier > 0).all()
    assert (kept > 0).all()
    assert (empowered > 0).tolist() == [target >= 0 for target in theory_of(case.point.parameters).empowered]


# --- an event is u < p, to the last step ------------------------------------------------------------------------------

AT_ONCE = {"population__periods": 1, "response__tremble": 0.0, "response__reconsideration": 1.0}
BARRIERS = {**AT_ONCE, "response__theory_mix": "barriers_only"}
EDGES: dict[str, tuple[Callable[[Draws], np.uint32], Callable[[float], dict[str, Any]]]] = {
    "first strategy": (
        lambda draws: draws.word(rng.INITIAL_STRATEGY, 0, 0),
        lambda p: {
            **AT_ONCE,
            "population__initial__mix": dict.fromkeys(STRATEGIES, 0.0) | {"avoidance": p, "competition": 1.0 - p},
        },
    ),
    "last strategy": (
        lambda draws: draws.word(rng.INITIAL_STRATEGY, 0, 1),
        lambda p: {
            **AT_ONCE,
            "population__initial__mix": dict.fromkeys(STRATEGIES, 0.0) | {"competition": p, "collaboration": 1.0 - p},
        },
    ),
    "awareness": (
        lambda draws: draws.word(rng.AWARENESS, 0, 0),
        lambda p: {
            **AT_ONCE,
            "response__aware": p,
            "response__awareness_bonus": 1.0,
            "response__threshold": dict.fromkeys(PROPOSITIONS, 1.2),
            "response__sensitivity": 1000.0,
        },
    ),
    "misperception": (
        lambda draws: draws.word(rng.MISPERCEPTION, 1, 0),
        lambda p: {**BARRIERS, "response__misperception": p},
    ),
    "tremble": (lambda draws: draws.response(1, 0)[0], lambda p: {**BARRIERS, "response__tremble": p}),
    "keep": (lambda draws: draws.response(1, 1)[0], lambda p: {**BARRIERS, "response__reconsideration": 1.0 - p}),
    "barrier": (lambda draws: draws.response(1, 0)[1], lambda p: {**BARRIERS, "response__barrier_strength": p}),
    "exit": (
        lambda draws: draws.word(rng.EXIT, 1, 0),
        lambda p: {
            **BARRIERS,
            "population__partners": 3,
            "population__initial__strategies": ["avoidance", "compromise", "compromise"],
            "response__reconsideration": 0.0,
            "population__exit_rate": p,
        },
    ),
}


@pytest.mark.parametrize("name", EDGES)
def test_simulate__a_draw_equal_to_the_probability_is_no_event(name: str) -> None:
    word, overrides = EDGES[name]
    different = 0
    for alliance in range(8):
        u = float(uniform(word(Draws((1, 0), alliance))))
        at, above = case_of(**overrides(u)), case_of(**overrides(u + STEP))
        assert differing(at.run(alliance, 1), at.reference(alliance, 1)) == []
        assert differing(above.run(alliance, 1), above.reference(alliance, 1)) == []
        different += differing(at.run(alliance, 1), above.run(alliance, 1)) != []
    assert different > 0


@numba.njit
def _first_with_second_word(word: np.uint32, shift: np.uint32) -> int:
    """First alliance of seed 1 whose partner 0 draws the given second response word of period 1, low bits aside."""
    zero, one = np.uint32(0), np.uint32(1)
    for alliance in range(2**28):
        words = rng.philox(np.uint32(alliance), zero, one, zero, one, zero)
        if words[1] >> shift == word >> shift:
            return alliance
    return -1


def test_simulate__a_draw_equal_to_the_chance_of_empowerment_is_no_event() -> None:
    # With sensitivity 0 the chance is 1/2 in every cell; an alliance whose draw is 1/2 has to be looked for.
    alliance = _first_with_second_word(np.uint32(2**31), np.uint32(8))
    assert uniform(Draws((1, 0), alliance).response(1, 0)[1]) == 0.5
    start = {"population__initial__strategies": ["collaboration", "collaboration"]}
    case = case_of(**AT_ONCE, **start, response__sensitivity=0.0, response__barrier_strength=0.0)
    tallies = case.run(alliance, 1)
    assert differing(tallies, case.reference(alliance, 1)) == []
    responses = column(tallies, "response_count").reshape(3, 25)[:, 24]
    assert responses[2] >= 1


# --- random configurations and random theories ------------------------------------------------------------------------

probability = st.one_of(st.sampled_from([0.0, STEP, 0.5, 1.0]), st.floats(STEP, 1.0))
share = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0.0, 1.0))
threshold = st.one_of(st.none(), st.sampled_from([-100.0, 0.0, 100.0]), st.floats(-1.0, 2.0))


@st.composite
def mixes(draw: Callable) -> dict[str, float]:
    parts = draw(st.lists(st.integers(0, 10), min_size=5, max_size=5).filter(any))
    return {name: k / sum(parts) for name, k in zip(STRATEGIES, parts, strict=True)}


@st.composite
def configs(draw: Callable) -> dict[str, Any]:
    partners = draw(st.integers(2, 6))
    rates = ("trust_gain", "trust_loss", "suspicion", "prior_gain", "prior_loss", "stakes_rate")
    given_strategies = st.lists(st.sampled_from(STRATEGIES), min_size=partners, max_size=partners)
    return {
        "population__partners": partners,
        "population__periods": draw(st.integers(1, 9)),
        "population__initial__mix": draw(mixes()),
        "population__initial__strategies": draw(st.one_of(st.none(), st.none(), given_strategies)),
        "population__exit_rate": draw(probability),
        "response__theory_mix": draw(st.sampled_from(["larsson1998", "larsson1998", "barriers_only"])),
        "response__reconsideration": draw(probability),
        "response__sensitivity": draw(st.one_of(st.sampled_from([0.0, 1000.0]), st.floats(0.0, 30.0))),
        "response__threshold": {name: draw(threshold) for name in PROPOSITIONS},
        "response__symmetric_handicap": draw(st.one_of(st.none(), st.floats(0.0, 1.0), st.just(100.0))),
        "response__barrier_strength": draw(probability),
        "response__tremble": draw(st.one_of(st.just(0.0), st.floats(STEP, 0.3), probability)),
        "response__misperception": draw(probability),
        "response__aware": draw(probability),
        "response__awareness_bonus": draw(share),
        "context__kind": draw(st.sampled_from(["endogenous", "endogenous", "static"])),
        **{f"context__{name}__mean": draw(share) for name in DRIVERS},
        "context__dynamics": {name: draw(share) for name in rates},
        "context__endgame": {
            "horizon": draw(st.one_of(st.none(), st.floats(1.0, 12.0))),
            "window": draw(st.one_of(st.just(0.001), st.floats(0.001, 12.0))),
        },
        "context__calculative_share": draw(share),
        "ability__moderate": draw(share),
        "ability__creation": draw(share),
        "output__every": draw(st.integers(1, 4)),
        "random": {"seed": draw(st.integers(0, 2**32 - 1)), "common": draw(st.booleans())},
    }


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(overrides=configs(), first=st.integers(0, 2**63 - 10))
@example(overrides={}, first=0)
def test_simulate__equals_reference_for_any_config(overrides: dict[str, Any], first: int) -> None:
    case = case_of(**{"population__periods": 9, **overrides})
    assert differing(case.run(first, 4), case.reference(first, 4)) == []


@st.composite
def theory_files(draw: Callable) -> dict[str, Any]:
    """A random theory that is valid: any targets, any paces, odd weights."""
    target = st.sampled_from(STRATEGIES)
    barrier_cell = st.builds(lambda s, p: f"{s} {p}".strip(), target, st.sampled_from(["", "1a", "5", "x y"]))
    up = st.builds(lambda s, p: f"{s} {p}", target, st.sampled_from(["6", "6b", "7a", "8", "9c"]))
    empowered_cell = st.one_of(st.just("never"), up, up)
    pace = st.floats(0.0, 100.0) | st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.0])
    weights = st.sampled_from([0.0, 1.0, 1.0, 0.3, 100.0, 7.7])

    def table(cell: st.SearchStrategy) -> dict[str, dict[str, Any]]:
        return {own: {seen: draw(cell) for seen in STRATEGIES} for own in STRATEGIES}

    propositions = {}
    for name in PROPOSITIONS:
        drivers = {driver: draw(weights) for driver in DRIVERS}
        drivers[draw(st.sampled_from(DRIVERS))] = 2.5
        propositions[name] = {"drivers": drivers, "threshold": draw(st.floats(-0.5, 1.5))}
    file = {
        "name": "random_theory",
        "source": "test",
        "barrier": table(barrier_cell),
        "empowered": table(empowered_cell),
        "propositions": propositions,
        "symmetric_handicap": draw(st.floats(0.0, 1.0)),
        "handicapped": draw(st.lists(st.lists(st.sampled_from(STRATEGIES), min_size=2, max_size=2), max_size=12)),
        "pace": table(pace),
    }
    initial = draw(st.one_of(st.none(), st.sampled_from(STRATEGIES)))
    return file if initial is None else {**file, "initial": initial}


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(file=theory_files(), partners=st.integers(2, 5), reconsideration=st.sampled_from([0.05, 0.5, 1.0]))
def test_simulate__equals_reference_for_any_theory(
    tmp_path_factory: pytest.TempPathFactory, file: dict[str, Any], partners: int, reconsideration: float
) -> None:
    path = tmp_path_factory.mktemp("theory") / "random.yaml"
    path.write_text(yaml.safe_dump(file))
    case = case_of(
        population__partners=partners,
        population__periods=8,
        response__theory_mix=str(path),
        response__tremble=0.1,
        response__reconsideration=reconsideration,
        response__barrier_strength=0.8,
        response__sensitivity=4.0,
    )
    assert differing(case.run(0, 4), case.reference(0, 4)) == []


def test_simulate__first_strategy_of_a_theory_goes_over_the_mix_not_over_the_list(tmp_path: Any) -> None:
    path = tmp_path / "begins.yaml"
    path.write_text(source_of("larsson1998") + "\ninitial: compromise\n")
    mixed = case_of(population__periods=3, response__theory_mix=str(path)).run(0, 10)
    assert column(mixed, "strategy_share")[0].tolist() == [0, 0, 20, 0, 0]
    given_list = ["competition", "accommodation"]
    listed = case_of(population__periods=3, response__theory_mix=str(path), population__initial__strategies=given_list)
    assert column(listed.run(0, 10), "strategy_share")[0].tolist() == [0, 10, 0, 10, 0]


# --- ranges ----------------------------------------------------------------------------------------------------------

SHAPES = {"two": {}, "three": {"population__partners": 3}, "five": {**EVERYTHING, "population__partners": 5}}


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(total=st.integers(2, 2 * LANES + 3), cut=st.floats(0, 1), first=st.sampled_from([0, 17, 2**32 - 300, 2**62]))
@example(total=LANES + 1, cut=0.999, first=0)
@example(total=2 * LANES, cut=0.5, first=0)
@example(total=LANES - 1, cut=0.0, first=1)
def test_run_segment__a_range_may_be_split_anywhere(shape: str, total: int, cut: float, first: int) -> None:
    case = _split_case(shape)
    part = min(max(round(cut * total), 1), total - 1)
    whole = case.run(first, total)
    assert whole.alliances == total
    assert differing(whole, case.run(first, part) + case.run(first + part, total - part)) == []
    assert differing(whole, case.run(first + part, total - part) + case.run(first, part)) == []


_CASES: dict[str, Case] = {}


def _split_case(shape: str) -> Case:
    if shape not in _CASES:
        _CASES[shape] = case_of(**{**SHAPES[shape], "population__periods": 10})
    return _CASES[shape]


def test_run_segment__more_than_one_kernel_call() -> None:
    case = case_of(population__periods=2)
    count = MAX_ALLIANCES + 3
    whole = case.run(0, count)
    assert differing(whole, case.run(0, 40_000) + case.run(40_000, count - 40_000)) == []
    tail = case.run(MAX_ALLIANCES, 3)
    assert differing(tail, case.reference(MAX_ALLIANCES, 3)) == []
    assert column(whole, "survival")[0].tolist() == [count]


def test_run_segment__one_by_one() -> None:
    case = case_of(population__partners=4, population__periods=15, response__misperception=0.2)
    alone = [case.run(k, 1) for k in range(20)]
    total = alone[0]
    for tallies in alone[1:]:
        total = total + tallies
    assert differing(case.run(0, 20), total) == []


def test_simulate__a_longer_run_begins_like_a_shorter_one() -> None:
    short, long = (case_of(population__partners=3, population__periods=t).run(0, 700) for t in (10, 25))
    assert (short.period[:, :11] == long.period[:, :11]).all()


def test_simulate__recording_less_often_changes_no_value() -> None:
    fine = case_of(population__partners=3, population__periods=20, response__reconsideration=0.6)
    coarse = case_of(population__partners=3, population__periods=20, response__reconsideration=0.6, output__every=7)
    a, b = fine.run(0, 600), coarse.run(0, 600)
    assert coarse.grid.tolist() == [0, 7, 14, 20]
    assert (a.period[:, coarse.grid] == b.period).all()
    assert (a.point == b.point).all()


def test_simulate__on_a_grid_with_periods_of_other_points() -> None:
    config = Config.model_validate(base_config(population__periods=7, output__every=3))
    point = points(config)[0]
    grid = np.array([0, 2, 3, 5, 6, 7, 9, 11], np.int64)
    tallies = run_segment(arguments_of(point, config, grid), 0, 30)
    assert differing(tallies, reference_tallies.tallies(point, config, grid, 0, 30)) == []
    assert (column(tallies, "strategy_share").sum(axis=1) > 0).tolist() == [k in (0, 3, 6, 7) for k in grid]


# --- mechanisms that cannot act leave the bits alone ------------------------------------------------------------------

FOUR = {"population__partners": 4, "population__periods": 25, "population__initial__mix": EVEN_MIX}
NO_RATES = dict.fromkeys(("trust_gain", "trust_loss", "suspicion", "prior_gain", "prior_loss", "stakes_rate"), 0.0)
NEUTRAL = {
    "rates of 0 are a static context": ({"context__kind": "static"}, {"context__dynamics": NO_RATES}),
    "exit in 2^24 draws": ({"population__exit_rate": 0.0}, {"population__exit_rate": STEP}),
    "misperception in 2^24 draws": ({"response__misperception": 0.0}, {"response__misperception": STEP}),
    "awareness in 2^24 draws": ({"response__aware": 0.0}, {"response__aware": STEP}),
    "awareness without bonus": (
        {"response__aware": 0.0, "response__awareness_bonus": 0.0},
        {"response__aware": 1.0, "response__awareness_bonus": 0.0},
    ),
    "a bonus nobody gets": ({"response__awareness_bonus": 0.0}, {"response__awareness_bonus": 1.0}),
    "a far horizon": (
        {"context__endgame": {"horizon": None, "window": 10.0}},
        {"context__endgame": {"horizon": 35.0, "window": 10.0}},
    ),
    "a window without horizon": (
        {"context__endgame": {"horizon": None, "window": 10.0}},
        {"context__endgame": {"horizon": None, "window": 0.5}},
    ),
    "thresholds of the theory": (
        {"response__threshold": dict.fromkeys(PROPOSITIONS)},
        {"response__threshold": dict.fromkeys(PROPOSITIONS, 0.5), "response__symmetric_handicap": 0.1},
    ),
    "dynamics in a static context": (
        {"context__kind": "static"},
        {"context__kind": "static", "context__dynamics": dict.fromkeys(NO_RATES, 1.0)},
    ),
}


# A draw in 2^24 acts with a chance of less than one in a hundred in all draws of these runs; it happens not to.
@pytest.mark.parametrize("name", NEUTRAL)
def test_simulate__a_mechanism_that_cannot_act_changes_nothing(name: str) -> None:
    off, on = (case_of(**{**FOUR, **overrides}) for overrides in NEUTRAL[name])
    assert differing(off.run(0, 1100), on.run(0, 1100)) == []


ACTIVE = {
    "exits": {"population__exit_rate": 0.1},
    "misperception": {"response__misperception": 0.1},
    "awareness": {"response__aware": 0.1},
    "horizon": {"context__endgame": {"horizon": 34.0, "window": 10.0}},
    "handicap": {"response__symmetric_handicap": 0.11},
    "pure trust": {"context__calculative_share": 0.1},
    **{f"P{k}": {"response__threshold": {**dict.fromkeys(PROPOSITIONS), f"P{k}": 0.51}} for k in (6, 7, 8, 9)},
    **{rate: {"context__dynamics": {**base_config()["context"]["dynamics"], rate: 0.2}} for rate in NO_RATES},
}


@pytest.mark.parametrize("name", ACTIVE)
def test_simulate__a_mechanism_that_acts_changes_something(name: str) -> None:
    assert differing(case_of(**FOUR).run(0, 1100), case_of(**{**FOUR, **ACTIVE[name]}).run(0, 1100)) != []


def test_simulate__exits_leave_the_other_draws_alone() -> None:
    off, on = (case_of(**{**FOUR, "population__exit_rate": rate}) for rate in (0.0, 0.5))
    before = after = 0
    for alliance in range(40):
        a, b = (reference.history(c.point, c.config, alliance) for c in (off, on))
        gone = next((t for t in range(26) if not all(b.active[t])), 26)
        assert a.strategies[:gone] == b.strategies[:gone]
        before += gone
        after += 26 - gone
    assert before > 100
    assert after > 100


# --- invariants ------------------------------------------------------------------------------------------------------

INVARIANT_CASES = {
    "defaults": {},
    "three": {"population__partners": 3},
    "everything, five": {**EVERYTHING, "population__partners": 5},
    "exits, eight": {**SCENARIOS["exits"], "population__partners": 8},
    "fast context": {**SCENARIOS["fast context"], "population__partners": 3, "response__tremble": 0.2},
    "full creation": {"ability__creation": 1.0, "ability__moderate": 0.9, "context__trust__mean": 1.0},
}
NUMBER = 1300
PERIODS = 40


@pytest.fixture(scope="module", params=list(INVARIANT_CASES))
def run(request: pytest.FixtureRequest) -> tuple[Case, Tallies]:
    case = case_of(**{**INVARIANT_CASES[request.param], "population__periods": PERIODS})
    return case, case.run(0, NUMBER)


def test_simulate__shares_add_up(run: tuple[Case, Tallies]) -> None:
    case, tallies = run
    n = case.point.parameters.population.partners
    assert (column(tallies, "strategy_share").sum(axis=1) == NUMBER * n).all()
    assert (column(tallies, "regime_share").sum(axis=1) == NUMBER * n * (n - 1) // 2).all()
    assert column(tallies, "cumulative_learning_hist").sum() == NUMBER * n


def test_simulate__reals_stay_in_their_bounds(run: tuple[Case, Tallies]) -> None:
    case, tallies = run
    most = 1 + 2 * case.point.parameters.ability.creation
    bounds = {"transfer": 1.0, "creation": most - 1, "learning": most, "efficiency": 1.0, "inequity": 1.0}
    bounds |= dict.fromkeys(("mean_stakes", "mean_trust", "mean_orientation", "mean_prior"), 1.0)
    for name, bound in bounds.items():
        sums, squares = column(tallies, name), column(tallies, name, 1)
        assert (sums >= 0).all(), name
        assert (sums <= NUMBER * bound * FIXED).all(), name
        # 0 <= x <= b for every alliance gives sum x^2 <= b sum x.
        assert (squares <= bound * FIXED * sums).all(), name
        assert sums.any(), name


def test_simulate__squares_allow_no_negative_variance(run: tuple[Case, Tallies]) -> None:
    _, tallies = run
    for names, words in ((PERIOD_COLUMNS, tallies.period), (POINT_COLUMNS, tallies.point)):
        keep = [k for k, (name, _) in enumerate(names) if name not in ("efficiency_n", "inequity_n", "response_count")]
        for pair in words[0][..., keep, :].reshape(-1, 2).tolist():
            assert NUMBER * pair[1] >= pair[0] ** 2
            assert pair[0] % 2 == pair[1] % 2


def test_simulate__learning_is_transfer_and_creation(run: tuple[Case, Tallies]) -> None:
    _, tallies = run
    gap = column(tallies, "learning") - column(tallies, "transfer") - column(tallies, "creation")
    # Three roundings of half a step each, and the float32 sums of at most 32 terms of at most 3: below another step.
    assert (np.abs(gap) <= NUMBER * 2.5).all()
    # Each partner's integers are half a step off, too.
    to_date = column(tallies, "cumulative_learning")[0] * PERIODS
    assert abs(to_date - column(tallies, "learning").sum()) <= NUMBER * PERIODS * 2.5


def test_simulate__survival_agrees_with_dissolution(run: tuple[Case, Tallies]) -> None:
    case, tallies = run
    n = case.point.parameters.population.partners
    survival, active = column(tallies, "survival")[:, 0], column(tallies, "active_share")[:, 0]
    assert (np.diff(survival) <= 0).all()
    assert (np.diff(active) <= 0).all()
    assert (active <= n * survival).all()
    assert (active >= 2 * survival).all()
    if case.point.parameters.population.exit_rate == 0:
        assert (active == n * survival).all()
    assert (column(tallies, "efficiency_n")[1:, 0] == survival[:-1]).all()
    assert (column(tallies, "inequity_n")[1:, 0] <= survival[:-1]).all()
    causes = column(tallies, "dissolution_cause")
    assert causes.sum() + survival[-1] == NUMBER
    assert causes[2] == 0
    assert column(tallies, "dissolution_time")[0] == survival[:-1].sum()
    assert survival[-1] < NUMBER


def test_simulate__dissolved_alliances_avoid(run: tuple[Case, Tallies]) -> None:
    case, tallies = run
    n = case.point.parameters.population.partners
    dissolved = NUMBER - column(tallies, "survival")[:, 0]
    assert (column(tallies, "strategy_share")[:, AVOIDANCE] >= n * dissolved).all()
    assert (column(tallies, "regime_share")[:, -1] >= n * (n - 1) // 2 * dissolved).all()


def test_simulate__outcomes_of_period_zero_are_nothing(run: tuple[Case, Tallies]) -> None:
    _, tallies = run
    for name in ("transfer", "creation", "learning", "efficiency", "inequity", "efficiency_n", "inequity_n"):
        assert not column(tallies, name)[0].any(), name


# --- known answers that hold for certain ------------------------------------------------------------------------------


def test_simulate__collaborators_empowered_for_certain_stay() -> None:
    case = case_of(
        population__partners=3,
        population__periods=30,
        population__initial__strategies=["collaboration"] * 3,
        response__threshold=dict.fromkeys(PROPOSITIONS, -100.0),
        response__tremble=0.0,
        response__reconsideration=1.0,
    )
    tallies = case.run(0, 600)
    assert (column(tallies, "strategy_share")[:, COLLABORATION] == 1800).all()
    assert (column(tallies, "learning")[1:, 0] == 600 * 2 * FIXED).all()
    assert (column(tallies, "efficiency")[1:, 0] == 600 * FIXED).all()
    assert not column(tallies, "inequity").any()
    assert column(tallies, "cumulative_learning_hist")[-1] == 1800
    assert column(tallies, "cumulative_learning").tolist() == [600 * 2 * FIXED]
    responses = dict(zip((label for name, label in POINT_COLUMNS if name == "response_count"),
                         column(tallies, "response_count"), strict=True))  # fmt: skip
    assert {label: k for label, k in responses.items() if k} == {"empowered|collaboration|collaboration": 600 * 3 * 30}


def test_simulate__downward_spiral_without_empowerment() -> None:
    case = case_of(
        population__periods=5,
        population__initial__strategies=["collaboration"] * 2,
        response__theory_mix="barriers_only",
        response__tremble=0.0,
        response__reconsideration=1.0,
    )
    tallies = case.run(0, 300)
    assert column(tallies, "regime_share")[1, REGIMES.index("deadlock")] == 300
    assert column(tallies, "survival")[:, 0].tolist() == [300, 300, 0, 0, 0, 0]
    assert column(tallies, "dissolution_time").tolist() == [600]
    assert column(tallies, "dissolution_cause").tolist() == [300, 0, 0]


@pytest.mark.parametrize("strategy", [COMPROMISE, ACCOMMODATION])
def test_simulate__moderation_and_symbolic_alliances_persist_without_empowerment(strategy: int) -> None:
    case = case_of(
        population__partners=4,
        population__periods=20,
        population__initial__strategies=[STRATEGIES[strategy]] * 4,
        response__theory_mix="barriers_only",
        response__tremble=0.0,
        response__reconsideration=1.0,
    )
    assert (column(case.run(0, 520), "strategy_share")[:, strategy] == 4 * 520).all()


@pytest.mark.parametrize(("code", "regime"), [(4, "integration"), (3, "deadlock"), (2, "moderation"), (1, "symbolic")])
def test_simulate__largest_counts_of_full_chunks(code: int, regime: str) -> None:
    # Sums within a chunk are of 32 bits: 32 partners, 496 pairs, all lanes.
    case = case_of(
        population__partners=32,
        population__periods=1,
        population__initial__strategies=[STRATEGIES[code]] * 32,
        response__reconsideration=0.0,
        response__tremble=0.0,
    )
    tallies, number = case.run(0, 2 * LANES), 2 * LANES
    for power in (0, 1):
        k = power + 1
        shares, regimes = column(tallies, "strategy_share", power), column(tallies, "regime_share", power)
        assert shares.tolist() == [[number * 32**k * (c == code) for c in range(5)]] * 2
        assert regimes.tolist() == [[number * 496**k * (name == regime) for name in REGIMES]] * 2
        assert column(tallies, "active_share", power).tolist() == [[number * 32**k]] * 2
        if code == COLLABORATION:
            assert column(tallies, "learning", power)[1].tolist() == [number * (2 * FIXED) ** k]
        assert column(tallies, "cumulative_learning_hist", power).sum() == number * 32**k


def test_simulate__all_avoid_from_the_start() -> None:
    case = case_of(population__partners=3, population__periods=6, population__initial__strategies=["avoidance"] * 3)
    tallies = case.run(0, 520)
    assert not column(tallies, "survival").any()
    assert column(tallies, "dissolution_time").tolist() == [0]
    assert column(tallies, "dissolution_cause").tolist() == [520, 0, 0]
    assert not column(tallies, "response_count").any()
    assert (column(tallies, "mean_trust")[:, 0] == 520 * FIXED // 2).all()
    assert not column(tallies, "efficiency_n").any()


def test_history__a_partner_who_left_is_frozen() -> None:
    case = case_of(**{**SCENARIOS["exits"], "population__partners": 5, "population__periods": 20})
    frozen = 0
    for alliance in range(12):
        h = reference.history(case.point, case.config, alliance)
        for t in range(1, 21):
            for i, (before, after) in enumerate(zip(h.active[t - 1], h.active[t], strict=True)):
                assert before or not after
                if not before:
                    frozen += 1
                    assert h.strategies[t][i] == AVOIDANCE
                    for matrix in (h.trust, h.stakes, h.prior):
                        np.testing.assert_array_equal(matrix[t][i], matrix[t - 1][i])
                        np.testing.assert_array_equal(matrix[t][:, i], matrix[t - 1][:, i])
                    assert all(r.partner != i and r.counterpart != i for r in h.responses[t])
    assert frozen > 50
