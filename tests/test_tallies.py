"""Exact sums in 128 bits, and the means and errors computed from them, against Python's integers and fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sim.moments import moments
from sim.tallies import Tallies, widen

WORD = 2**64
RELATIVE = Fraction(1, 10**12)
#: Limits that `moments` states: tallied integers below 2^32; and as many alliances as a config may ask for.
LARGEST = 2**32 - 1
MOST = 2**63 - 1
checked = settings(max_examples=300, deadline=None, derandomize=True)


def words(numbers: list[int]) -> np.ndarray:
    """Non-negative integers below 2^128 as (low, high): uint64 (2, n)."""
    return np.array([[n % WORD for n in numbers], [n // WORD for n in numbers]], np.uint64)


def number_of(pair: np.ndarray) -> int:
    return int(pair[0]) + int(pair[1]) * WORD


def computed(n: int, total: int, squares: int) -> tuple[float, float]:
    """Mean and error that `moments` gives."""
    assert max(total, squares) < 2**128
    (low, high), (square_low, square_high) = words([total]), words([squares])
    mean, error = np.full(1, -7.0), np.full(1, -7.0)
    moments(np.array([n], np.int64), low, high, square_low, square_high, mean, error)
    return float(mean[0]), float(error[0])


def check(groups: list[tuple[int, int]]) -> None:
    """`moments` of values and how often each occurs, against fractions."""
    n = sum(k for _, k in groups)
    total, squares = sum(x * k for x, k in groups), sum(x * x * k for x, k in groups)
    mean, error = computed(n, total, squares)
    exact = Fraction(total, n)
    assert abs(Fraction(mean) - exact) <= RELATIVE * exact
    if n == 1:
        assert math.isnan(error)
        return
    variance_of_mean = (squares - n * exact * exact) / (n - 1) / n
    assert variance_of_mean >= 0
    assert error >= 0
    if variance_of_mean == 0:
        assert error == 0
        assert mean == total // n
    else:
        # Relative error of a root is half that of its square.
        assert abs(Fraction(error) ** 2 / variance_of_mean - 1) < 2 * RELATIVE


# --- addition --------------------------------------------------------------------------------------------------------

anything = st.integers(0, 2**127 - 1)
carrying = st.sampled_from([0, 1, WORD - 1, WORD, WORD + 1, 2 * WORD - 1, 2**127 - 1, 2**126, 5 * WORD - 1])
number = st.one_of(anything, carrying)


@checked
@given(a=st.lists(number, min_size=6, max_size=6), b=st.lists(number, min_size=6, max_size=6), n=st.integers(0, 2**62))
@example(a=[WORD - 1] * 6, b=[1] * 6, n=1)
@example(a=[WORD - 1] * 6, b=[WORD - 1] * 6, n=1)
def test_tallies__add_without_error(a: list[int], b: list[int], n: int) -> None:
    def tallies(values: list[int], alliances: int) -> Tallies:
        return Tallies(words(values[:4]).reshape(2, 1, 2, 2), words(values[4:]).reshape(2, 1, 2), alliances)

    total = tallies(a, n) + tallies(b, 5)
    assert total.alliances == n + 5
    assert total.period.dtype == total.point.dtype == np.uint64
    found = [number_of(total.period[:, 0, c, p]) for c in range(2) for p in range(2)]
    found += [number_of(total.point[:, 0, p]) for p in range(2)]
    assert found == [x + y for x, y in zip(a, b, strict=True)]


@checked
@given(parts=st.lists(st.integers(0, 2**120), min_size=1, max_size=8), order=st.randoms(use_true_random=False))
def test_tallies__any_order_of_merging_gives_the_same(parts: list[int], order: object) -> None:
    each = [Tallies(words([p]).reshape(2, 1, 1, 1), words([p // 3]).reshape(2, 1, 1), 1) for p in parts]
    forward, shuffled = each[0], list(each)
    for t in each[1:]:
        forward = forward + t
    order.shuffle(shuffled)
    backward = shuffled[0]
    for t in shuffled[1:]:
        backward = t + backward
    assert (forward.period == backward.period).all()
    assert (forward.point == backward.point).all()
    assert number_of(forward.period[:, 0, 0, 0]) == sum(parts)


@checked
@given(values=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=6))
@example(values=[2**63 - 1, 0])
def test_widen__keeps_every_sum(values: list[int]) -> None:
    wide = widen(np.array(values, np.int64))
    assert wide.dtype == np.uint64
    assert [number_of(wide[:, k]) for k in range(len(values))] == values


# --- moments ---------------------------------------------------------------------------------------------------------

value = st.one_of(st.integers(0, LARGEST), st.integers(0, 40), st.sampled_from([0, 1, 2**20, 2**31, LARGEST - 1, LARGEST]))
count = st.one_of(st.integers(1, 50), st.integers(1, 2**60), st.integers(2**59, 2**60))


@checked
@given(groups=st.lists(st.tuples(value, count), min_size=1, max_size=4))
@example(groups=[(0, 2**62)])
@example(groups=[(LARGEST, 2**62)])
@example(groups=[(LARGEST, 2**62), (0, 1)])
@example(groups=[(0, 2**62), (1, 1)])
@example(groups=[(LARGEST, 2**61), (0, 2**61)])
@example(groups=[(LARGEST, 2**61), (LARGEST - 1, 2**61)])
@example(groups=[(LARGEST, 2**61), (LARGEST - 1, 2**61 - 1)])
@example(groups=[(LARGEST, 2**62), (LARGEST - 1, 2**62 - 1)])
@example(groups=[(LARGEST, 2**62 - 1), (0, 2**62)])
@example(groups=[(2**20, 2**40), (2**20 + 1, 1)])
@example(groups=[(7, 1), (8, 1)])
@example(groups=[(7, 1)])
def test_moments__against_fractions(groups: list[tuple[int, int]]) -> None:
    check(groups)


@checked
@given(values=st.lists(value, min_size=2, max_size=30))
def test_moments__of_a_list_of_values(values: list[int]) -> None:
    check([(v, 1) for v in values])


@checked
@given(base=st.integers(0, LARGEST - 3), counts=st.lists(st.integers(0, 2**59), min_size=4, max_size=4).filter(any))
def test_moments__of_values_that_hardly_differ(base: int, counts: list[int]) -> None:
    # Where sums of squares lose every digit in floating point.
    check([(base + k, n) for k, n in enumerate(counts) if n])


@checked
@given(c=value, n=st.one_of(st.integers(2, 10), st.integers(2, 2**62)))
@example(c=LARGEST, n=2**62)
@example(c=LARGEST, n=2**62 - 1)
@example(c=3, n=MOST)
def test_moments__of_a_constant_is_exact(c: int, n: int) -> None:
    assert computed(n, c * n, c * c * n) == (float(c), 0.0)


def test_moments__nan_where_nothing_or_one() -> None:
    assert all(math.isnan(x) for x in computed(0, 0, 0))
    mean, error = computed(1, 12, 144)
    assert mean == 12
    assert math.isnan(error)


def test_moments__two_values_by_hand() -> None:
    # 3 and 7: mean 5, sd sqrt(8), error sqrt(8/2) = 2.
    assert computed(2, 10, 58) == (5.0, 2.0)
    # A share: 1 of 4 is 1; variance 3/16 * 4/3 = 1/4, error 1/4.
    assert computed(4, 1, 1) == (0.25, 0.25)


def test_moments__entries_are_independent() -> None:
    cases = [(0, 0, 0), (1, 5, 25), (2, 10, 58), (4, 1, 1), (2**62, 2**62 * LARGEST, 2**62 * LARGEST**2), (3, 0, 0)]
    n = np.array([c[0] for c in cases], np.int64)
    (low, high), (square_low, square_high) = words([c[1] for c in cases]), words([c[2] for c in cases])
    mean, error = np.empty(len(cases)), np.empty(len(cases))
    moments(n, low, high, square_low, square_high, mean, error)
    np.testing.assert_array_equal(np.stack([mean, error], 1), np.array([computed(*c) for c in cases]))


@pytest.mark.parametrize("n", [10, 10**6, 2**40])
def test_moments__of_a_run_like_those_of_the_model(n: int) -> None:
    # Learning of 0, 3/4 and 2, in steps of 2^-20.
    check([(0, n // 2), (3 * 2**18, n // 3), (2**21, n - n // 2 - n // 3)])
