"""Exact sums in 128 bits, and the means and errors computed from them, against Python's integers and fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sim.moments import moments, table
from sim.tallies import Tallies, stacked

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
@given(values=st.lists(st.integers(0, 2**63 - 1), min_size=2, max_size=2), others=st.lists(number, min_size=2, max_size=2))
@example(values=[2**63 - 1, 0], others=[1, 2**127])
def test_tallies__one_word_or_two_are_the_same_sums(values: list[int], others: list[int]) -> None:
    def narrow(numbers: list[int]) -> Tallies:
        low = np.array(numbers, np.uint64).reshape(1, 1, 1, 2)
        return Tallies(low, low[:, 0], 3)

    def found(t: Tallies) -> list[int]:
        t = t.widened()
        return [number_of(t.period[:, 0, 0, p]) for p in range(2)] + [number_of(t.point[:, 0, p]) for p in range(2)]

    pair = words(others).reshape(2, 1, 1, 2)
    wide = Tallies(pair, pair[:, 0], 4)
    assert narrow(values).widened().period.shape == (2, 1, 1, 2)
    assert found(narrow(values)) == values * 2
    assert (
        found(narrow(values) + wide)
        == found(wide + narrow(values))
        == [a + b for a, b in zip(values, others, strict=True)] * 2
    )
    twice = narrow(values) + narrow(values)
    assert found(twice) == [2 * v for v in values] * 2
    assert len(twice.period) == (1 if max(values) < 2**62 else 2)


def test_stacked__what_lies_side_by_side_is_not_copied() -> None:
    room, runs = np.arange(4 * 3 * 2 * 2, dtype=np.int64).reshape(4, 3, 2, 2), np.arange(16, dtype=np.int64).reshape(4, 2, 2)
    parts = [Tallies(room[k : k + 1].view(np.uint64), runs[k : k + 1].view(np.uint64), k) for k in range(4)]
    for chosen, shared in (([0, 1, 2, 3], True), ([1, 2], True), ([3], True), ([0, 2], False), ([1, 0], False)):
        sums = stacked([parts[k] for k in chosen])
        assert np.shares_memory(sums.period, room) == np.shares_memory(sums.point, runs) == shared
        np.testing.assert_array_equal(sums.period[0], room[chosen])
        np.testing.assert_array_equal(sums.point[0], runs[chosen])
        assert sums.alliances.tolist() == chosen
    mixed = stacked([parts[0], parts[1].widened()])
    assert mixed.period.shape == (2, 2, 3, 2, 2)
    np.testing.assert_array_equal(mixed.period[0], room[:2])
    assert not mixed.period[1].any()


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


# --- tables ----------------------------------------------------------------------------------------------------------

#: Of five columns: the variable they begin, and how many it has; what counts their alliances; kind and scale.
START, WIDTH, NUMBER, KIND, SCALE = [0, 0, 0, 3, 4], [3, 3, 3, 1, 1], [-1, -1, -1, 4, -1], [0, 0, 0, 1, 0], [0, 0, 0, 1, 0]


@checked
@given(seed=st.integers(0, 2**32 - 1), n=st.sampled_from([1, 2, 3, 700, 2**16]), top=st.sampled_from([1, 2, 40, 2**23]))
def test_table__is_moments_column_by_column_from_one_word_or_two(seed: int, n: int, top: int) -> None:
    rng = np.random.default_rng(seed)
    points, rows, columns = 3, 4, 5
    # Values of at most 50 alliances, all others 0; one alliance alone at the last point; fewer in the column with a number.
    some = rng.integers(0, top, (points, rows, columns, min(n, 50)), endpoint=True)
    some[2, ..., 1:] = 0
    fewer = rng.integers(0, some.shape[-1], (points, rows), endpoint=True)
    fewer[2] = np.minimum(fewer[2], 1)
    some[:, :, 3] *= np.arange(some.shape[-1]) < fewer[..., None]
    sums = np.zeros((1, points, rows, columns, 2), np.uint64)
    sums[0, ..., 0], sums[0, ..., 1] = some.sum(-1), (some * some).sum(-1)
    sums[0, :, :, 4] = fewer[..., None]
    alliances, counted = np.array([n, n, 1], np.int64), rng.random((points, rows, 2)) < 0.8
    counted[1] = counted[0]
    scales = np.array([[1.0, 3.0], [1.0, 3.0], [7.0, 2.0**20]])
    told = [np.array(column, np.int64) for column in (KIND, NUMBER, SCALE, START, WIDTH)]
    size = points * rows * columns
    results = []
    for given_ in (sums, np.concatenate([sums, np.zeros_like(sums)])):
        mean, error = np.full(size, -7.0), np.full(size, -7.0)
        table(given_, alliances, counted, scales, *told, mean, error)
        results.append((mean, error))
    np.testing.assert_array_equal(results[0], results[1])
    mean, error = results[0]
    for c in range(columns):
        held = alliances[:, None] if NUMBER[c] < 0 else sums[0, :, :, NUMBER[c], 0].astype(np.int64)
        held = np.where(counted[:, :, KIND[c]], held, 0).ravel()
        low, squares = (np.ascontiguousarray(sums[0, :, :, c, power]).ravel() for power in (0, 1))
        none, ours = np.zeros(points * rows, np.uint64), (np.empty(points * rows), np.empty(points * rows))
        moments(held, low, none, squares, none, *ours)
        part = slice(points * rows * START[c], points * rows * (START[c] + WIDTH[c]))
        for found, wanted in zip((mean, error), ours, strict=True):
            scaled = wanted.reshape(points, rows) / scales[:, [SCALE[c]]]
            np.testing.assert_array_equal(found[part].reshape(points, rows, WIDTH[c])[..., c - START[c]], scaled)
