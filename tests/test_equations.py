"""Every formula: Figure 2, float32 throughout, compiled equals plain, the logistic's promises, bounds, known values."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sim import abilities, review, strategies
from sim import equations as eq

F = np.float32
AV, AC, CM, CP, CL = range(5)
HALF = F(0.5)

# --- Figure 2 --------------------------------------------------------------------------------------------------------

# What the row's organization gets, facing the column's, in the order AV AC CM CP CL: 1 is a capital letter of the
# figure, 1/2 a small one; of creation 1 is C, 1/2 c, 1/4 blank.
TRANSFER = {
    AV: [0, 0, 0, 0, 0],
    AC: [0, 0, 0, 0, 0],
    CM: [0, 0.5, 0.5, 0, 0.5],
    CP: [0, 1, 0.5, 0, 1],
    CL: [0, 1, 0.5, 0, 1],
}
CREATION = {
    AV: [0, 0, 0, 0, 0],
    AC: [0, 0, 0, 0, 0],
    CM: [0, 0.25, 0.5, 0, 0.5],
    CP: [0, 0.5, 0.25, 0, 0.5],
    CL: [0, 0.5, 0.5, 0, 1],
}
AVERAGE = {AV: 0.0, AC: 0.0, CM: 0.55, CP: 0.75, CL: 0.9}


def outcome(own: int, other: int, moderate: np.float32 = HALF, gamma: np.float32 = HALF) -> tuple[float, float]:
    """Transfer to, and creation appropriated by, the first of two strategies."""
    s, o = np.uint32(own), np.uint32(other)
    got = eq.transfer.py_func(eq.transparency.py_func(o, moderate), eq.receptivity.py_func(s, moderate))
    gave = eq.transfer.py_func(eq.transparency.py_func(s, moderate), eq.receptivity.py_func(o, moderate))
    made = eq.appropriated.py_func(eq.creation.py_func(gamma, got, gave), got)
    assert {type(v) for v in (got, gave, made)} == {np.float32}
    return float(got), float(made)


@pytest.mark.parametrize("own", range(5))
@pytest.mark.parametrize("other", range(5))
def test_outcomes__figure_2(own: int, other: int) -> None:
    assert outcome(own, other) == (TRANSFER[own][other], CREATION[own][other])


@pytest.mark.parametrize("own", range(5))
def test_outcomes__row_averages_of_figure_2(own: int) -> None:
    learning = [sum(outcome(own, other)) for other in range(5)]
    assert sum(learning) / 5 == pytest.approx(AVERAGE[own], abs=1e-15)


def test_outcomes__strategies_of_figure_1() -> None:
    m = F(0.3)
    assert [eq.receptivity.py_func(np.uint32(s), m) for s in range(5)] == [0, 0, m, 1, 1]
    assert [eq.transparency.py_func(np.uint32(s), m) for s in range(5)] == [0, 1, m, 0, 1]


def test_seen_openness__missed() -> None:
    assert [int(eq.seen_openness(np.uint32(s))) for s in (AV, AC, CM, CP, CL)] == [AV, AV, CP, CP, CP]


def test_efficiency__full_collaboration_is_one() -> None:
    for gamma in (0.0, 0.1, 0.5, 0.77, 1.0):
        got, made = outcome(CL, CL, gamma=F(gamma))
        for mutuality in (1.0, 1.25, 2.0):
            most = eq.most_learning.py_func(F(gamma), F(mutuality))
            learning = F(got) + F(made) if mutuality == 1 else F(1) + F(2) * F(gamma) * F(mutuality)
            assert eq.efficiency.py_func(learning, most) == 1


def test_inequity__without_learning_is_zero() -> None:
    assert eq.inequity(F(0), F(0)) == 0
    assert eq.inequity(F(1.5), F(1.5)) == 1
    assert eq.inequity(F(1), F(4)) == 0.25


# --- float32 all the way, compiled and plain ---------------------------------------------------------------------------

FORMULAS = {name: f for module in (eq, abilities, review) for name, f in vars(module).items() if hasattr(f, "py_func")}
RESULTS = {"seen_openness": (numba.uint32, np.uint32), "fixed_point": (numba.int32, np.int32)}
DRAWS = 1500


def arguments_for(name: str, number: int) -> list[tuple[Any, ...]]:
    """Random arguments of a formula: strategies, and reals from the range in which they occur, ends included."""
    generator = np.random.Generator(np.random.PCG64([3, *name.encode()]))
    tiny = [0.0, 1.0, 2.0**-24, 1 - 2.0**-24, 2.0**-149, 2.0**-126, 0.5]
    columns = []
    for parameter in inspect.signature(FORMULAS[name].py_func).parameters:
        if parameter == "strategy":
            columns.append(generator.integers(0, 5, number).astype(np.uint32))
            continue
        low, high = {
            "z": (-20.0, 20.0),
            "threshold": (-2.0, 2.0),
            "sensitivity": (0.0, 1000.0),
            "temptation": (0.0, 100.0),
            "power_": (-1.0, 1.0),
            "power_ji": (-1.0, 1.0),
            "openness": (0.001, 1.0),
            "mutuality": (0.0, 2.0),
            "most": (1.0, 5.0),
            "slack": (0.001, 32.0),
            "scope": (0.001, 100.0),
            "power_scale": (1e-6, 10.0),
            "learned_ij": (0.0, 300.0),
            "learned_ji": (0.0, 300.0),
            "trust_optimum": (0.0, 0.999),
            "novelty_": (0.0, 2.0),
            "learning": (0.0, 3.0),
            "total": (0.0, 100.0),
            "totals": (0.001, 100.0),
            "number": (1.0, 31.0),
            "reached": (1.0, 1000.0),
            "periods": (1.0, 50.0),
            "period": (0.0, 200.0),
            "horizon": (1.0, 200.0),
            "window": (0.001, 50.0),
            "others": (1.0, 31.0),
            "partners": (2.0, 32.0),
            "x": (0.0, 3.0),
        }.get(parameter, (0.0, 1.0))
        reals = generator.uniform(low, high, number).astype(np.float32)
        if (low, high) == (0.0, 1.0):
            special = generator.choice(np.array(tiny, np.float32), number)
            reals = np.where(generator.random(number) < 0.3, special, reals)
        if parameter in ("period", "others", "partners", "number", "reached", "periods"):
            reals = np.rint(reals)
        if parameter in ("horizon", "slack", "scope"):
            reals = np.where(generator.random(number) < 0.2, np.float32(np.inf), reals)
        columns.append(reals)
    rows = list(zip(*columns, strict=True))
    if name == "drive":
        # The last one is the sum of the weights.
        rows = [(*row[:-1], eq.total_weight.py_func(*row[4:8])) for row in rows]
        rows = [row for row in rows if row[-1] > 2.0**-100]
        assert len(rows) > number / 2
    return rows


def bits(x: Any) -> int:
    return int(np.float32(x).view(np.uint32)) if isinstance(x, float | np.floating) else int(x)


@pytest.mark.parametrize("name", FORMULAS)
def test_formula__is_float32_and_compiled_equals_plain(name: str) -> None:
    formula = FORMULAS[name]
    expected, plain_type = RESULTS.get(name, (numba.float32, np.float32))
    with np.errstate(over="ignore", under="ignore"):
        for arguments in arguments_for(name, DRAWS):
            plain = formula.py_func(*arguments)
            assert type(plain) is plain_type
            assert bits(formula(*arguments)) == bits(plain), arguments
    wanted = tuple(numba.uint32 if p == "strategy" else numba.float32 for p in inspect.signature(formula.py_func).parameters)
    assert {s.return_type for s in formula.nopython_signatures if s.args == wanted} == {expected}


def test_constants__are_of_32_bits() -> None:
    numbers = {name: v for name, v in vars(eq).items() if name.isupper() and isinstance(v, int | float | np.number)}
    ours = {name: type(v) for name, v in numbers.items() if name not in vars(strategies)}
    assert len(ours) > 20
    assert set(ours.values()) == {np.float32, np.uint32, np.int32}


def test_formulas__none_is_forgotten() -> None:
    assert {"receptivity", "transfer", "logistic", "total_weight", "drive", "fixed_point"} <= set(FORMULAS)
    assert {"trust_growth", "trust_decay", "moved_trust", "interaction", "prior_decay", "moved_prior"} <= set(FORMULAS)
    assert {"stakes_target", "moved_stakes"} <= set(FORMULAS)
    assert {"with_memory", "next_remaining", "power", "forced", "review_value", "readjusted"} <= set(FORMULAS)
    assert len(FORMULAS) == sum(hasattr(f, "py_func") for m in (eq, abilities, review) for f in vars(m).values())


# --- logistic --------------------------------------------------------------------------------------------------------


@numba.njit
def _scan(first: int, last: int, sign: int) -> tuple[float, int, int, int]:
    """Over the float32 with bits first <= b < last, times sign: worst error; disorders; wrong ends; broken symmetries."""
    worst, disorders, ends, unequal = 0.0, 0, 0, 0
    one, minus = np.float32(1.0), np.float32(sign)
    previous = eq.logistic(np.int32(first).view(np.float32) * minus)
    for b in range(first, last):
        z = np.int32(b).view(np.float32) * minus
        value = eq.logistic(z)
        disorders += (value < previous) if sign > 0 else (value > previous)
        worst = max(worst, abs(np.float64(value) - 1.0 / (1.0 + math.exp(-np.float64(z)))))
        if abs(np.float64(z)) >= 17.0:
            ends += value != (one if z > 0 else np.float32(0.0))
        if sign > 0:
            unequal += value != one - eq.logistic(-z)
        previous = value
    return worst, disorders, ends, unequal


def float_bits(x: float) -> int:
    return int(np.float32(x).view(np.int32))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("low", "high"),
    [(2.0**-20, 2.0**-19), (0.3, 0.4), (0.6931, 0.6932), (1.0, 1.5), (5.0, 6.0), (16.5, 18.0), (2.0**20, 2.0**20 + 9)],
)
def test_logistic__accurate_and_monotone_over_consecutive_floats(low: float, high: float, sign: int) -> None:
    first, last = float_bits(low), float_bits(high)
    assert last - first > 50
    worst, disorders, ends, unequal = _scan(first, last, sign)
    assert worst < 1e-6
    assert (disorders, ends, unequal) == (0, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("sign", [1, -1])
def test_logistic__accurate_and_monotone_over_all_floats(sign: int) -> None:
    worst, disorders, ends, unequal = _scan(0, float_bits(18.0) + 1, sign)
    assert worst < 1e-6
    assert (disorders, ends, unequal) == (0, 0, 0)


@numba.njit
def _scan_steps() -> tuple[float, int]:
    worst, disorders = 0.0, 0
    previous = np.float32(-1.0)
    for k in range(-18 * 2**18, 18 * 2**18 + 1):
        z = np.float32(np.float64(k) * 2.0**-18)
        value = eq.logistic(z)
        disorders += value < previous
        worst = max(worst, abs(np.float64(value) - 1.0 / (1.0 + math.exp(-np.float64(z)))))
        previous = value
    return worst, disorders


def test_logistic__monotone_over_every_step_it_is_rounded_to() -> None:
    # z is rounded to steps of 2^-18 first, so these are all the values the function takes.
    worst, disorders = _scan_steps()
    assert disorders == 0
    assert worst < 3e-7


@pytest.mark.parametrize(
    ("z", "value"),
    [(0.0, 0.5), (-0.0, 0.5), (17.0, 1.0), (-17.0, 0.0), (1e30, 1.0), (-1e30, 0.0), (math.inf, 1.0), (-math.inf, 0.0)],
)
def test_logistic__known_values(z: float, value: float) -> None:
    assert eq.logistic(F(z)) == value
    assert eq.logistic.py_func(F(z)) == value


def test_logistic__bits() -> None:
    # All results rest on these bits: whoever changes them changes the stream version.
    z = np.array([-16.9, -10.3, -5.7, -2.9, -1.3, -0.34, 0.21, 0.9, 3.3, 8.1], np.float32)
    expected = [
        0x3344824E, 0x380D1013, 0x3B5A8CBD, 0x3D559EE4, 0x3E5B4E1B,
        0x3ED4E4FB, 0x3F0D6409, 0x3F3600CE, 0x3F76E4CE, 0x3F7FEC1D,
    ]  # fmt: skip
    assert [bits(eq.logistic(x)) for x in z] == expected


def test_logistic__below_the_ends_is_neither_zero_nor_one() -> None:
    below = np.nextafter(F(17), F(0))
    assert 0 < eq.logistic(-below) < 1e-6
    assert 1 - 1e-6 < eq.logistic(below) <= 1


def test_logistic__compiled_equals_plain_over_the_range() -> None:
    with np.errstate(under="ignore"):
        for z in np.concatenate([np.linspace(-18, 18, 4001), np.geomspace(1e-40, 18, 500)]).astype(np.float32):
            assert bits(eq.logistic(z)) == bits(eq.logistic.py_func(z))


# --- context stays in [0, 1] -------------------------------------------------------------------------------------------


def next_trust(
    trust: np.float32, offered: np.float32, exploited: np.float32, withheld: np.float32, openness: np.float32,
    gain: np.float32, loss: np.float32, suspicion: np.float32,
) -> np.float32:  # fmt: skip
    """tau_ij after a period."""
    growth = eq.trust_growth.py_func(offered, openness, gain)
    decay = eq.trust_decay.py_func(exploited, withheld, loss, suspicion)
    assert 0 <= growth <= 1
    assert 0 <= decay <= 1
    return eq.moved_trust.py_func(trust, growth, decay)


def next_prior(prior: np.float32, own: np.float32, other: np.float32, gain: np.float32, loss: np.float32) -> np.float32:
    """pi_ij after a period, from what both disclose."""
    shared = eq.interaction.py_func(own, other)
    decay = eq.prior_decay.py_func(shared, loss)
    assert 0 <= shared <= 1
    assert decay == (loss if shared == 0 else 0)
    return eq.moved_prior.py_func(prior, gain * shared, decay)


def next_stakes(stakes: np.float32, start: np.float32, got: np.float32, gave: np.float32, rate: np.float32) -> np.float32:
    """lambda_ij after a period."""
    target = eq.stakes_target.py_func(start, got, gave)
    assert start <= target <= 1
    return eq.moved_stakes.py_func(stakes, target, rate)


PERIODS = {"next_trust": next_trust, "next_prior": next_prior, "next_stakes": next_stakes}

open_ = st.one_of(st.sampled_from([1.0, 0.25, 0.6, 0.001]), st.floats(0.0010000000474974513, 1, width=32)).map(F)
unit = st.one_of(st.sampled_from([0.0, 1.0, 0.5, 2.0**-149, 1 - 2.0**-24, 2.0**-24]), st.floats(0, 1, width=32)).map(F)
bounded = settings(max_examples=400, deadline=None, derandomize=True)


@bounded
@given(trust=unit, share=unit, o=open_, exploited=unit, withheld=unit, gain=unit, loss=unit, suspicion=unit)
@example(F(1 - 2.0**-24), F(1), F(1), F(0), F(0), F(1), F(0), F(0))
@example(F(1 - 2.0**-24), F(1), F(0.6), F(0), F(0), F(1), F(0), F(0))
@example(F(2.0**-149), F(0), F(1), F(1), F(1), F(0), F(1), F(1))
def test_next_trust__stays_in_bounds(
    trust: np.float32, share: np.float32, o: np.float32, exploited: np.float32, withheld: np.float32,
    gain: np.float32, loss: np.float32, suspicion: np.float32,
) -> None:  # fmt: skip
    # What is offered is at most the openness of the phase.
    offered = share * o
    after = next_trust(trust, offered, exploited, withheld, o, gain, loss, suspicion)
    assert type(after) is np.float32
    assert 0 <= after <= 1
    if gain == 0 or offered == 0:
        assert after <= trust
    if (loss == 0 or exploited == 0) and (suspicion == 0 or withheld == 0):
        assert after >= trust


@bounded
@given(prior=unit, own=unit, other=unit, gain=unit, loss=unit)
@example(F(1 - 2.0**-24), F(1), F(1), F(1), F(1))
@example(F(2.0**-149), F(0), F(0), F(1), F(1))
def test_next_prior__stays_in_bounds(
    prior: np.float32, own: np.float32, other: np.float32, gain: np.float32, loss: np.float32
) -> None:
    after = next_prior(prior, own, other, gain, loss)
    assert type(after) is np.float32
    assert 0 <= after <= 1
    assert after == next_prior(prior, other, own, gain, loss)
    # Two disclosures of which half the sum is no float32 above 0 count as none.
    if F(own + other) * HALF == 0:
        assert after <= prior
    else:
        assert after >= prior


@bounded
@given(stakes=unit, start=unit, got=unit, gave=unit, rate=unit)
@example(F(1), F(2.0**-149), F(0), F(0), F(1))
@example(F(2.0**-149), F(1 - 2.0**-24), F(1), F(1), F(1))
def test_next_stakes__stays_in_bounds(
    stakes: np.float32, start: np.float32, got: np.float32, gave: np.float32, rate: np.float32
) -> None:
    after = next_stakes(stakes, start, got, gave, rate)
    assert type(after) is np.float32
    assert 0 <= after <= 1


@bounded
@given(trust=unit, stakes=unit, orientation=unit, w=unit)
def test_effective_trust__stays_in_bounds(
    trust: np.float32, stakes: np.float32, orientation: np.float32, w: np.float32
) -> None:
    value = eq.effective_trust.py_func(trust, stakes, orientation, w)
    assert 0 <= value <= 1
    assert eq.effective_trust.py_func(trust, stakes, orientation, F(0)) == trust


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("trust_growth", (1, 1, 0.25), 0.25),
        # half an openness of half is full openness
        ("trust_growth", (0.5, 0.5, 0.25), 0.25),
        ("trust_growth", (0, 0.5, 0.25), 0),
        # .5 * .5 + .25 * 1
        ("trust_decay", (0.5, 1, 0.5, 0.25), 0.5),
        # no more than all
        ("trust_decay", (1, 1, 0.75, 0.5), 1),
        ("trust_decay", (0, 0, 1, 1), 0),
        # .5 + .25 * .5 - .5 * .5
        ("moved_trust", (0.5, 0.25, 0.5), 0.375),
        ("interaction", (1, 0.25), 0.625),
        ("interaction", (0, 0), 0),
        ("prior_decay", (0, 0.25), 0.25),
        ("prior_decay", (0.125, 0.25), 0),
        ("moved_prior", (0.75, 0.5, 0), 0.875),
        ("moved_prior", (0.75, 0, 0.5), 0.375),
        # .25 + .75 * (1 + .5) / 2
        ("stakes_target", (0.25, 1, 0.5), 0.8125),
        ("stakes_target", (0.25, 0, 0), 0.25),
        ("moved_stakes", (0.5, 0.25, 0.5), 0.375),
        ("moved_stakes", (0.5, 0.75, 1), 0.75),
        ("total_weight", (2, 1, 0, 1), 4),
        # trust .5, offered 1, nothing lost: .5 + .25 * 1 * .5
        ("next_trust", (0.5, 1, 0, 0, 1, 0.25, 0.5, 0.5), 0.625),
        # half an openness of half is full openness
        ("next_trust", (0.5, 0.5, 0, 0, 0.5, 0.25, 0.5, 0.5), 0.625),
        # gain .25 * .5 * .5 = .0625; loss (.5 * .5 + .25 * 1) * .5 = .25
        ("next_trust", (0.5, 0.5, 0.5, 1, 1, 0.25, 0.5, 0.25), 0.3125),
        # the loss is at most all trust
        ("next_trust", (0.5, 0, 1, 1, 1, 0.25, 0.75, 0.5), 0.0),
        ("next_prior", (0.5, 1, 0, 0.25, 0.5), 0.5625),
        ("next_prior", (0.5, 0, 0, 0.25, 0.5), 0.25),
        # target .25 + .75 * .5 = .625
        ("next_stakes", (0.5, 0.25, 1, 0, 0.5), 0.5625),
        ("next_stakes", (0.5, 0.25, 0, 1, 0.5), 0.5625),
        ("next_stakes", (0.5, 0.25, 1, 0.5, 1), 0.8125),
        ("next_stakes", (0.5, 0.25, 0, 0, 1), 0.25),
        ("exploited", (0.25, 1), 0.75),
        ("exploited", (1, 0.25), 0),
        ("withholding", (1, 0.25, 1), 0.75),
        ("withholding", (1, 0.25, 0.5), 0.25),
        ("withholding", (0, 1, 1), 0),
        ("withholding", (0.5, 0.25, 0.25), 0),
        ("effective_trust", (0.5, 0.5, 0.25, 0.25), 0.40625),
        # (2 * .5 + 1 * .25 + 0 * 1 + 1 * .75) / 4
        ("drive", (0.5, 0.25, 1, 0.75, 2, 1, 0, 1, 4), 0.5),
        # a factor without weight is left out
        # a factor without weight is left out
        ("drive", (0.5, 0.25, 1, 0.75, 0, 0, 3, 0, 3), 1),
        # 4 * (.5 + .25 * 1 - .125 - .0625)
        ("empowerment_score", (0.5, 1, 0.25, 0.125, 0.0625, 0.5, 0, 4), 2.25),
        # the stronger has 2 * .25 more to pass, the weaker nothing less
        ("empowerment_score", (0.5, 1, 0.25, 0.125, 0.0625, 0.25, 2, 4), 0.25),
        ("empowerment_score", (0.5, 1, 0.25, 0.125, 0.0625, -0.25, 2, 4), 2.25),
        ("keep_threshold", (0.25, 0.5), 0.625),
        ("keep_threshold", (0.3, 1.0), 1.0),
        ("barrier_threshold", (0.5, 0.25), 0.625),
        ("barrier_threshold", (0.7, 1.0), 1.0),
        ("creation", (0.5, 1, 0.5), 0.75),
        ("appropriated", (0.75, 0), 0),
        ("appropriated", (0.75, 0.5), 0.75),
        ("per_other", (3, 4), 0.75),
        ("per_partner", (3, 4), 0.75),
        ("efficiency", (1, 2), 0.5),
        ("most_learning", (0.5, 1), 2),
        ("most_learning", (0.5, 1.25), 2.25),
        ("at_stake", (0.5, 0.25), 0.125),
        ("satiety", (0.5, 0.25), 0.375),
        ("satiety", (0.5, 1), 0),
        ("mean_of", (3, 4), 0.75),
        ("mean_of_two", (0.25, 0.75), 0.5),
        ("between", (0.25, 0.75, 0.5), 0.5),
        ("between", (0.25, 0.75, 0), 0.25),
        ("between", (0.25, 0.75, 1), 0.75),
        ("absorptive_start", (0.5, 0.5, 0.5, 0.75), 0.09375),
        ("with_memory", (0.5, 0.25), 0.625),
        ("with_memory", (0, 0.25), 0.25),
        ("with_memory", (1, 0.25), 1),
        ("spare", (1.5, 3), 0.5),
        ("spare", (4, 3), 1),
        ("spare", (math.inf, 1), 1),
        ("closeness", (0.25,), 0.75),
        ("novelty", (0.25,), 0.5),
        # (.5 + .5 * .5) * .5 * .5
        ("absorptive_capacity", (0.5, 0.5, 0.5, 0.5), 0.1875),
        # .5 * 1.25 * .5 * (1 - .5 * (.75 - .5) / (1 - .5))
        ("creation_capacity", (0.5, 1.25, 0.5, 0.75, 0.5, 0.5), 0.234375),
        # trust that does not pass the optimum costs nothing
        ("creation_capacity", (0.5, 1, 1, 0.25, 1, 0.5), 0.5),
        ("disclosure", (1, 0.5, 0.25), 0.125),
        # .25 + .5 * .5 * (.75 * 1 - .25)
        ("forced", (0.25, 0.5, 0.75, 1, 0.5), 0.375),
        ("forced", (0.25, -0.5, 0.75, 1, 0.5), 0.25),
        ("forced", (0.25, 0.5, 0.75, 0.25, 0.5), 0.25),
        ("unlearnt_part", (0.5, 0.25), 0.125),
        # .75 - 1 / 4 + .5 * .5 / 4
        ("next_remaining", (0.75, 1, 0.5, 4, 0.5), 0.5625),
        ("next_remaining", (0.25, 1, 0, 2, 0.5), 0),
        ("next_remaining", (1, 0, 0.5, 2, 1), 1),
        ("next_remaining", (0.75, 1, 1, math.inf, 1), 0.75),
        ("power", (3, 1, 2), 0.5),
        ("power", (1, 3, 2), -0.5),
        ("power", (3, 3, 2), 0),
        ("before_openness", (0.125, 0.25), 0.5),
        # (2 / 4) / (.5 * 2)
        ("window_efficiency", (2, 4, 0.5, 2), 0.5),
        ("window_efficiency", (8, 4, 0.5, 2), 1),
        ("equity", (1, 4), 0.75),
        ("equity", (4, 4), 0),
        ("adaptability", (3, 4), 0.75),
        # (2 * .5 + 1 * .25 + 1 * .75) / 4
        ("review_value", (0.5, 0.25, 0.75, 2, 1, 1), 0.5),
        ("review_value", (0.5, 0, 0.75, 2, 0, 1), 1.75 / 3),
        ("review_value", (0.5, 0.25, 0.75, 0, 0, 0), 0),
        ("pair_readiness", (0.25, 0.5, 0.75, 0.5), 0.5),
        ("readjusted", (0.5, 0.5, 0.75), 0.625),
        ("readjusted", (0.5, 0.5, 0.25), 0.375),
        ("readjusted", (0.75, 1, 1), 1),
        ("readjusted", (0.25, 1, 0), 0),
    ],
)
def test_formula__worked_by_hand(name: str, arguments: tuple[float, ...], expected: float) -> None:
    formula = {**FORMULAS, **PERIODS}[name]
    assert formula(*[F(a) for a in arguments]) == F(expected)


@pytest.mark.parametrize("name", ["keep_threshold", "barrier_threshold"])
def test_threshold__of_certainty_is_exactly_one(name: str) -> None:
    # u < 1 always: a certain event never fails, whatever comes before it.
    formula = FORMULAS[name].py_func
    before = np.concatenate([np.linspace(0, 1, 5001), np.geomspace(2.0**-24, 1, 5001), 2.0 ** -np.arange(30)])
    assert all(formula(x, F(1)) == 1 for x in before.astype(np.float32))
    assert all(formula(x, F(0)) == x for x in before.astype(np.float32))


# --- abilities and the race to learn ------------------------------------------------------------------------------------

ability = st.one_of(st.sampled_from([0.0, 1.0, 0.5]), st.floats(0, 1, width=32)).map(F)
lead = st.floats(-1, 1, width=32, allow_subnormal=False).map(F)
learned = st.floats(0, 3000, width=32, allow_subnormal=False).map(F)


@bounded
@given(start=ability, prior=ability, more=ability)
def test_with_memory__grows_from_the_start_to_one(start: np.float32, prior: np.float32, more: np.float32) -> None:
    value = abilities.with_memory.py_func(start, prior)
    assert start <= value <= 1
    assert abilities.with_memory.py_func(start, max(prior, more)) >= value
    assert abilities.with_memory.py_func(start, F(1)) == 1
    assert abilities.with_memory.py_func(F(1), prior) == 1
    assert abilities.absorptive_capacity.py_func(start, prior, F(1), F(1)) == value


@bounded
@given(start=ability, prior=ability, distance=ability, slack=st.floats(0.0010000000474974513, 64, width=32).map(F),
       others=st.integers(1, 31).map(F))  # fmt: skip
def test_absorptive_capacity__is_at_most_what_memory_gives(
    start: np.float32, prior: np.float32, distance: np.float32, slack: np.float32, others: np.float32
) -> None:
    share = abilities.spare.py_func(slack, others)
    assert 0 < share <= 1
    assert (share == 1) == (slack >= others)
    assert abilities.spare.py_func(slack, others + F(1)) <= share
    value = abilities.absorptive_capacity.py_func(start, prior, abilities.closeness.py_func(distance), share)
    assert 0 <= value <= abilities.with_memory.py_func(start, prior)


def test_novelty_and_closeness__inverted_u() -> None:
    distances = np.linspace(0, 1, 101).astype(np.float32)
    both = [float(abilities.novelty.py_func(d) * abilities.closeness.py_func(d)) for d in distances]
    assert both[0] == both[-1] == 0
    assert int(np.argmax(both)) == 50
    assert both[50] == 0.5
    assert (np.diff(both[:51]) > 0).all()
    assert (np.diff(both[50:]) < 0).all()


@bounded
@given(gamma=ability, trust=ability, less=ability, cost=ability, optimum=st.floats(0, 0.9990000128746033, width=32).map(F))
def test_creation_capacity__falls_above_the_optimum(
    gamma: np.float32, trust: np.float32, less: np.float32, cost: np.float32, optimum: np.float32
) -> None:
    value = abilities.creation_capacity.py_func(gamma, F(1), F(1), trust, cost, optimum)
    assert 0 <= value <= gamma
    assert abilities.creation_capacity.py_func(gamma, F(1), F(1), min(trust, less), cost, optimum) >= value
    if trust <= optimum or cost == 0:
        assert value == gamma
    assert abilities.creation_capacity.py_func(gamma, F(0), F(1), trust, cost, optimum) == 0


@bounded
@given(chi=ability, kappa=ability, o=open_, p=lead, rate=ability)
def test_forced__stays_within_ability(
    chi: np.float32, kappa: np.float32, o: np.float32, p: np.float32, rate: np.float32
) -> None:
    offered = abilities.disclosure.py_func(chi, kappa, o)
    assert 0 <= offered <= o
    value = abilities.forced.py_func(offered, p, kappa, o, rate)
    # The last product and sum round, so a full pull may miss what there is by one step.
    assert offered <= value <= np.nextafter(kappa * o, F(2))
    if p <= 0 or rate == 0 or chi == 1:
        assert value == offered


@bounded
@given(remaining=unit, got=unit, made=ability, scope=st.floats(0.0010000000474974513, 1e6, width=32).map(F), renewal=ability)
@example(F(1), F(1), F(1), F(0.001), F(1))
def test_next_remaining__stays_in_bounds(
    remaining: np.float32, got: np.float32, made: np.float32, scope: np.float32, renewal: np.float32
) -> None:
    after = abilities.next_remaining.py_func(remaining, got, made, scope, renewal)
    assert type(after) is np.float32
    assert 0 <= after <= 1
    assert abilities.next_remaining.py_func(remaining, got, made, scope, F(0)) <= remaining
    assert abilities.next_remaining.py_func(remaining, F(0), made, scope, renewal) >= remaining
    assert abilities.next_remaining.py_func(remaining, got, made, F(np.inf), renewal) == remaining


@bounded
@given(mine=learned, theirs=learned, more=learned, scale=st.floats(9.999999974752427e-07, 1e9, width=32).map(F))
def test_power__is_antisymmetric_monotone_and_below_one(
    mine: np.float32, theirs: np.float32, more: np.float32, scale: np.float32
) -> None:
    value = abilities.power.py_func(mine, theirs, scale)
    assert type(value) is np.float32
    # The quotient of neighbours rounds to 1 for leads beyond 2^24 scales.
    assert -1 <= value <= 1
    assert abilities.power.py_func(theirs, mine, scale) == -value
    assert (value > 0) <= (mine > theirs)
    bigger = abilities.power.py_func(max(mine, more), theirs, scale)
    assert bigger >= value - F(2.0**-23)


# --- reviews ------------------------------------------------------------------------------------------------------------


@bounded
@given(
    parts=st.tuples(ability, ability, ability),
    weights=st.tuples(*[st.floats(0, 100, width=32, allow_subnormal=False).map(F)] * 3),
)
def test_review_value__lies_between_its_parts(parts: tuple[np.float32, ...], weights: tuple[np.float32, ...]) -> None:
    value = review.review_value.py_func(*parts, *weights)
    held = [part for part, weight in zip(parts, weights, strict=True) if weight > 0]
    if not held:
        assert value == 0
    elif min(w for w in weights if w > 0) > 2.0**-100:
        assert float(min(held)) * (1 - 2e-6) - 1e-30 <= value <= float(max(held)) * (1 + 2e-6)


@bounded
@given(value=unit, readjustment=ability, v=ability)
def test_readjusted__stays_in_bounds(value: np.float32, readjustment: np.float32, v: np.float32) -> None:
    after = review.readjusted.py_func(value, readjustment, v)
    assert 0 <= after <= 1
    if v >= 0.5:
        assert after >= value
    if v <= 0.5:
        assert after <= value
    assert review.readjusted.py_func(value, F(0), v) == value


@bounded
@given(offered=ability, trust=ability, kappa=ability, prior=ability, o=open_)
def test_pair_readiness__is_a_mean(
    offered: np.float32, trust: np.float32, kappa: np.float32, prior: np.float32, o: np.float32
) -> None:
    value = review.pair_readiness.py_func(offered, trust, kappa, prior)
    assert 0 <= value <= 1
    assert min(offered, trust, kappa, prior) * (1 - 1e-6) <= value <= max(offered, trust, kappa, prior) * (1 + 1e-6)
    assert review.before_openness.py_func(offered, F(1)) == offered
    assert abs(float(review.before_openness.py_func(offered * o, o)) - float(offered)) < 1e-6


@bounded
@given(learning=st.floats(0, 1000, width=32).map(F), periods=st.integers(1, 50).map(F), o=open_, more=ability)
def test_window_efficiency__is_at_most_one(
    learning: np.float32, periods: np.float32, o: np.float32, more: np.float32
) -> None:
    value = review.window_efficiency.py_func(learning, periods, o, F(2))
    assert 0 <= value <= 1
    assert review.window_efficiency.py_func(learning + more, periods, o, F(2)) >= value


@bounded
@given(low=ability, high=ability, u=ability, v=ability)
def test_between__is_a_monotone_quantile(low: np.float32, high: np.float32, u: np.float32, v: np.float32) -> None:
    low, high = min(low, high), max(low, high)
    value = eq.between.py_func(low, high, u)
    assert low <= value <= np.nextafter(high, F(2))
    assert eq.between.py_func(low, high, max(u, v)) >= value
    assert eq.between.py_func(low, low, u) == low
    assert eq.mean_of_two.py_func(low, low) == low
    assert low <= eq.mean_of_two.py_func(low, high) <= high


# --- end-game and fixed point ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("t", "horizon", "window", "factor"),
    [
        (0, math.inf, 10, 1),
        (1e6, math.inf, 10, 1),
        (0, 20, 10, 1),
        (10, 20, 10, 1),
        (15, 20, 10, 0.5),
        (19, 20, 8, 0.125),
        (20, 20, 10, 0),
        (21, 20, 10, 0),
        (1e6, 20, 0.001, 0),
        (4, 5, 0.001, 1),
        (5, 5, 0.001, 0),
        (0, 1, 2, 0.5),
    ],
)
def test_orientation_at__end_game(t: float, horizon: float, window: float, factor: float) -> None:
    assert eq.orientation_at(F(0.75), F(t), F(horizon), F(window)) == 0.75 * factor
    assert eq.orientation_at.py_func(F(0.75), F(t), F(horizon), F(window)) == 0.75 * factor


def test_orientation_at__largest_horizon_and_smallest_window() -> None:
    huge = np.finfo(np.float32).max
    assert eq.orientation_at(F(0.75), F(1e6), huge, F(0.001)) == 0.75
    assert eq.orientation_at(F(0.75), F(1e6), huge, huge) == 0.75


@pytest.mark.parametrize(
    ("steps", "expected"), [(0, 0), (1, 1), (0.5, 0), (1.5, 2), (2.5, 2), (0.75, 1), (2**20, 2**20), (3 * 2**20, 3 * 2**20)]
)
def test_fixed_point__rounds_half_to_even(steps: float, expected: int) -> None:
    assert eq.fixed_point(F(steps * 2.0**-20)) == expected
    assert eq.fixed_point.py_func(F(steps * 2.0**-20)) == expected
