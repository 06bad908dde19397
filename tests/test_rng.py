"""Philox against its published vectors and a second implementation; exactness and layout of the draws."""

from __future__ import annotations

import re
from collections import Counter

import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference_draws import Draws

from sim import rng
from sim.variables import STREAM_VERSION

ALL_ONES = 0xFFFFFFFF
# Random123, examples/kat_vectors, lines "philox4x32 10": counter, key, output.
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ALL_ONES,) * 4, (ALL_ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
word = st.integers(0, ALL_ONES)


def as_words(*values: int) -> list[np.uint32]:
    return [np.uint32(v) for v in values]


def philox_in_integers(counter: tuple[int, ...], key: tuple[int, ...]) -> tuple[int, ...]:
    """Philox4x32-10 after Salmon et al. 2011, in Python integers."""
    x, k = list(counter), list(key)
    for _ in range(10):
        high_0, low_0 = divmod(0xD2511F53 * x[0], 2**32)
        high_1, low_1 = divmod(0xCD9E8D57 * x[2], 2**32)
        x = [high_1 ^ x[1] ^ k[0], low_1, high_0 ^ x[3] ^ k[1], low_0]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return tuple(x)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS, ids=["zeros", "ones", "pi"])
def test_philox__published_vectors(counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]) -> None:
    arguments = as_words(*counter, *key)
    assert tuple(int(w) for w in rng.philox(*arguments)) == expected
    assert tuple(int(w) for w in rng.philox.py_func(*arguments)) == expected
    assert philox_in_integers(counter, key) == expected


@settings(max_examples=300, deadline=None, derandomize=True)
@given(counter=st.tuples(word, word, word, word), key=st.tuples(word, word))
@example(counter=(ALL_ONES, 0, ALL_ONES, 0), key=(ALL_ONES, 0))
def test_philox__equals_second_implementation(counter: tuple[int, ...], key: tuple[int, ...]) -> None:
    expected = philox_in_integers(counter, key)
    arguments = as_words(*counter, *key)
    assert tuple(int(w) for w in rng.philox(*arguments)) == expected
    assert tuple(int(w) for w in rng.philox.py_func(*arguments)) == expected


@pytest.mark.parametrize(("name", "arguments", "result"), [("uniform", 1, numba.float32), ("one_of", 2, numba.uint32)])
def test_formulas__compiled_on_words_give_32_bits(name: str, arguments: int, result: numba.types.Type) -> None:
    formula = getattr(rng, name)
    formula(*as_words(*[3] * arguments))
    assert {s.return_type for s in formula.nopython_signatures if set(s.args) == {numba.uint32}} == {result}


@numba.njit
def _count_inexact() -> tuple[int, float, float]:
    wrong, least, most = 0, 1.0, 0.0
    for k in range(2**24):
        for low in (0, 1, 255):
            u = np.float64(rng.uniform(np.uint32(k * 256 + low)))
            wrong += u * 2.0**24 != k
            least, most = min(least, u), max(most, u)
    return wrong, least, most


def test_uniform__is_exact_for_every_value_it_can_take() -> None:
    assert _count_inexact() == (0, 0.0, 1 - 2.0**-24)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(w=word)
@example(w=0)
@example(w=ALL_ONES)
def test_uniform__compiled_equals_plain(w: int) -> None:
    plain = rng.uniform.py_func(np.uint32(w))
    assert type(plain) is np.float32
    assert float(plain) == rng.uniform(np.uint32(w)) == (w >> 8) / 2**24


@pytest.mark.parametrize("n", [*range(1, 33), 1000, 2**16 - 1])
def test_one_of__is_uniform_over_all_words(n: int) -> None:
    # one_of is word n / 2^32 rounded down: value k begins at the first word not below k 2^32 / n.
    first = [-(-k * 2**32 // n) for k in range(n + 1)]
    for k in range(n) if n < 2000 else range(0, n, 997):
        for w, expected in ((first[k], k), (first[k + 1] - 1, k), ((first[k] + first[k + 1]) // 2, k)):
            assert int(rng.one_of.py_func(np.uint32(w), np.uint32(n))) == expected
            assert int(rng.one_of(np.uint32(w), np.uint32(n))) == expected
    widths = np.diff(first)
    assert widths.sum() == 2**32
    assert widths.max() - widths.min() <= 1


@numba.njit
def _count_values(n: int, stride: int) -> np.ndarray:
    counts = np.zeros(n + 1, np.int64)
    for k in range(2**32 // stride):
        w = np.uint32(k * stride)
        value = rng.one_of(w, np.uint32(n))
        exact = (np.uint64(w) * np.uint64(n)) >> np.uint64(32)
        counts[value if value == exact else n] += 1
    return counts


@pytest.mark.parametrize("n", [2, 5, 7, 31])
def test_one_of__counts_over_evenly_spread_words(n: int) -> None:
    # An odd stride meets every residue; 2^32 / 271 words in all.
    counts = _count_values(n, 271)
    assert counts[n] == 0
    assert np.abs(counts[:n] - 2**32 / 271 / n).max() <= 2


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, 31, 32])
def test_one_of__counts_over_all_words(n: int) -> None:
    counts = _count_values(n, 1)
    assert counts[n] == 0
    assert counts[:n].max() - counts[:n].min() <= 1


NAMES = (
    "RESPONSE", "COUNTERPART", "MISPERCEPTION", "EXIT", "INITIAL_STRATEGY", "AWARENESS", "THEORY", "STAKES", "TRUST",
    "ORIENTATION", "PRIOR", "ABSORPTIVE", "COMMUNICATIVE", "SATIATION", "INSTRUMENTALITY", "BREAK",
)  # fmt: skip
PURPOSES = {name: getattr(rng, name) for name in NAMES}
#: Purposes with a word for every ordered pair: 32 i + j, or i + 32 (d - 1) for the partner d places after i.
OF_PAIRS = {"RESPONSE", "MISPERCEPTION", "SATIATION", "INSTRUMENTALITY", "STAKES", "TRUST", "PRIOR", "ABSORPTIVE", "COMMUNICATIVE"}  # fmt: skip


def test_slot_of__purposes_and_partners_never_share_a_word() -> None:
    # 32 partners, and 32 (N - 1) more places where a word belongs to an ordered pair.
    used: Counter[tuple[int, int]] = Counter()
    numbers = {name: 32 * 32 if name in OF_PAIRS else 32 for name in PURPOSES}
    for name, purpose in PURPOSES.items():
        for i in range(numbers[name]):
            if purpose == rng.RESPONSE:
                slot = int(rng.slot_of(purpose, np.uint32(i // 2)))
                used[slot, 2 * (i % 2)] += 1
                used[slot, 2 * (i % 2) + 1] += 1
            else:
                used[int(rng.slot_of(purpose, np.uint32(i // 4))), i % 4] += 1
    assert len(used) == sum(numbers.values()) + numbers["RESPONSE"]
    assert set(used.values()) == {1}


def test_slot_of__layout() -> None:
    assert [int(p) for p in PURPOSES.values()] == list(range(16))
    assert STREAM_VERSION == 1
    for purpose in range(16):
        for call in (0, 1, 7, 15, 255, 511, 2**16 - 1):
            slot = purpose * 2**16 + call
            assert int(rng.slot_of(np.uint32(purpose), np.uint32(call))) == slot
            assert int(rng.slot_of.py_func(np.uint32(purpose), np.uint32(call))) == slot


def test_purposes__are_distinct_and_all_known_here() -> None:
    found = {name for name, v in vars(rng).items() if name.isupper() and isinstance(v, np.uint32)}
    found -= {name for name in found if name.endswith(("_BITS", "_SHIFT", "_MASK"))}
    assert found == set(PURPOSES)
    assert rng.SPAN == 32


def test_purposes__table_of_the_docs_names_each_with_its_number() -> None:
    assert rng.__doc__ is not None
    listed = dict(re.findall(r"^(\d+) +([A-Z_]+)\b", rng.__doc__, re.MULTILINE))
    assert listed == {str(int(purpose)): name for name, purpose in PURPOSES.items()}


@pytest.mark.parametrize("partners", [2, 3, 5, 32])
def test_partner_specific_answers__have_words_of_their_own(partners: int) -> None:
    numbers = [(i + 32 * (d - 1), i, d) for i in range(partners) for d in range(1, partners)]
    assert len({number for number, _, _ in numbers}) == partners * (partners - 1)
    assert {number for number, _, d in numbers if d == 1} == set(range(partners))
    assert max(number for number, _, _ in numbers) < rng.SPAN * (rng.SPAN - 1)


def test_draws__of_the_reference_follow_the_layout() -> None:
    draws = Draws((11, 5), 2**32 + 9)
    counter = (9, 1, 3, int(rng.MISPERCEPTION) * 2**16 + 8)
    assert int(draws.word(rng.MISPERCEPTION, 3, 34)) == philox_in_integers(counter, (11, 5))[2]
    counter = (9, 1, 4, int(rng.RESPONSE) * 2**16 + 17)
    assert [int(w) for w in draws.response(4, 35)] == list(philox_in_integers(counter, (11, 5))[2:])
