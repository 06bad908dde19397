"""Chunks side by side: what the living and the removed alliances add is what they add in chunks of their own."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from cases import Case, case_of, column, differing

from sim.base_state import MOST_CHUNKS, chunks_of
from sim.kernel_parts import SHORT, STRIDE, WANTED
from sim.rows import LANES
from sim.strategies import STRATEGIES
from sim.tallies import Tallies
from sim.theory import PROPOSITIONS
from sim.waves import pair_number

EVEN_MIX = dict.fromkeys(STRATEGIES, 0.2)
# A third of the alliances dissolves within ten periods, most of the others later.
MORTAL: dict[str, Any] = {
    "population__initial__mix": EVEN_MIX,
    "population__periods": 5 * STRIDE + 3,
    "response__reconsideration": 0.3,
    "response__tremble": 0.05,
    "response__threshold": dict.fromkeys(PROPOSITIONS, 0.3),
}
MISSES = {"response__misperception": 0.2}
EXITS = {"population__exit_rate": 0.15}
STATIC = {"context__kind": "static"}
AWARE = {"response__aware": 0.5, "response__awareness_bonus": 0.7}
SETTINGS: dict[str, dict[str, Any]] = {
    "usual": {},
    "static": STATIC,
    "static, end-game": {**STATIC, "context__endgame": {"horizon": 30.0, "window": 20.0}},
    "misperception": MISSES,
    "exits": EXITS,
    "static, exits": {**STATIC, **EXITS},
    "awareness": AWARE,
    "all of these": {**AWARE, **MISSES, **EXITS},
    "between steps": {"ability__moderate": 0.3, "ability__creation": 0.37},
    "every third period": {"output__every": 3},
    "every fifth period, exits": {"output__every": 5, **EXITS},
    "first and last": {"output__every": 1000},
    "all dissolve at once": {"population__initial__mix": dict.fromkeys(STRATEGIES, 0.0) | {"avoidance": 1.0}},
    "all dissolve, one after the other": {
        "response__theory_mix": "barriers_only", "response__tremble": 0.0,
        "population__initial__mix": dict.fromkeys(STRATEGIES, 0.0) | {"competition": 0.5, "collaboration": 0.5}},
    "none dissolves": {"response__theory_mix": "always_collaboration", "response__tremble": 0.0},
}  # fmt: skip


def one_chunk_at_a_time(case: Case, first: int, count: int) -> Tallies:
    """Alliances that never share a wave: nothing moves."""
    parts = [case.run(start, min(LANES, first + count - start)) for start in range(first, first + count, LANES)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("setting", SETTINGS)
def test_waves__add_what_their_chunks_add(setting: str, n: int) -> None:
    case = case_of(**{**MORTAL, "population__partners": n, **SETTINGS[setting]})
    count = 6 * LANES + 77
    assert chunks_of(n, count) > 4
    assert differing(case.run(1000, count), one_chunk_at_a_time(case, 1000, count)) == []
    assert differing(case.run(1000, 9), case.reference(1000, 9)) == []


def test_waves__alliances_dissolve_by_and_by() -> None:
    """Else nothing would move in these tests."""
    survival = column(case_of(**MORTAL).run(1000, 6 * LANES), "survival")[:, 0] / LANES
    assert len({int(np.ceil(survival[t])) for t in range(STRIDE, len(survival), STRIDE)}) > 2


@pytest.mark.parametrize("periods", [1, STRIDE - 2, STRIDE - 1, STRIDE, 2 * STRIDE - 1, 2 * STRIDE, 2 * STRIDE + 1])
@pytest.mark.parametrize("n", [2, 3])
def test_waves__of_any_length(n: int, periods: int) -> None:
    for every in (1, 2, 1000):
        case = case_of(**{**MORTAL, "population__partners": n, "population__periods": periods, "output__every": every})
        count = 4 * LANES + 1
        assert differing(case.run(0, count), one_chunk_at_a_time(case, 0, count)) == []


@pytest.mark.parametrize("count", [LANES + 1, 2 * LANES - 1, 2 * LANES, 2 * LANES + 1, 17 * LANES, 40 * LANES + 5])
@pytest.mark.parametrize("n", [2, 3])
def test_waves__of_any_number_of_chunks(n: int, count: int) -> None:
    case = case_of(**{**MORTAL, **EXITS, "population__partners": n})
    assert differing(case.run(5, count), one_chunk_at_a_time(case, 5, count)) == []


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("before", [3, LANES - 1, LANES, 3 * LANES + 7])
def test_waves__do_not_cross_alliance_number_2_to_the_32(n: int, before: int) -> None:
    case = case_of(**{**MORTAL, "population__partners": n})
    first, count = 2**32 - before, 6 * LANES
    apart = one_chunk_at_a_time(case, first, before) + one_chunk_at_a_time(case, 2**32, count - before)
    assert differing(case.run(first, count), apart) == []


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("setting", ["usual", "exits", "misperception"])
def test_waves__over_many_periods(n: int, setting: str) -> None:
    lasting = {"response__tremble": 0.01, "response__threshold": dict.fromkeys(PROPOSITIONS, -1.0), "ability__creation": 1.0}
    case = case_of(
        **{**MORTAL, **lasting, **SETTINGS[setting], "population__partners": n, "population__periods": 2 * SHORT + 5,
           "output__every": 50}
    )  # fmt: skip
    whole = case.run(0, 3 * LANES + 50)
    assert differing(whole, one_chunk_at_a_time(case, 0, 3 * LANES + 50)) == []
    survival = column(whole, "survival")[:, 0]
    assert survival[1] > survival[4] > 0


@pytest.mark.parametrize("n", [2, 3])
def test_waves__of_any_selection_of_variables(n: int) -> None:
    case = case_of(**{**MORTAL, **MISSES, **EXITS, "population__partners": n, "population__periods": 2 * STRIDE + 1})
    for names in itertools.chain([()], itertools.combinations(WANTED, 1), itertools.combinations(WANTED, 2)):
        want = np.array([name in names for name in WANTED])
        few = Case(case.config, case.point, case.grid, dataclasses.replace(case.arguments, want=want))
        assert differing(few.run(0, 2 * LANES + 9), one_chunk_at_a_time(few, 0, 2 * LANES + 9)) == [], names


def test_waves__one_partner_more_or_less_in_turn() -> None:
    """Nothing is left over from one call to the next."""
    cases = [case_of(**{**MORTAL, **EXITS, "population__partners": n}) for n in (2, 3, 2, 4, 3)]
    first = [case.run(0, 3 * LANES) for case in cases]
    assert differing(first[0], first[2]) == []
    assert differing(first[1], first[4]) == []
    for case, tallies in zip(cases, first, strict=True):
        assert differing(case.run(0, 3 * LANES), tallies) == []


@pytest.mark.parametrize("n", [2, 3, 5, 32])
def test_pair_number__counts_the_pairs_in_order(n: int) -> None:
    assert [pair_number(i, j, n) for i in range(n) for j in range(i + 1, n)] == list(range(n * (n - 1) // 2))
    assert chunks_of(n, 1) == 1
    assert 1 <= chunks_of(n, 10**6) <= MOST_CHUNKS
