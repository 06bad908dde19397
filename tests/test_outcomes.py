"""Outcomes from counts of strategies, and tallies from counts of cells: the integers that pair by pair and one by one give."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from cases import Case, case_of, column, differing
from conftest import in_python

from sim import answer_rows, cell_tables, class_rows, lookup, pair_tally, rows
from sim import equations as eq
from sim import tally_rows as tally
from sim.cell_tables import CELLS, LARGEST, OUTCOMES, STEPS
from sim.kernel_parts import POINT, SHORT, WANTED
from sim.lookup import SLOTS
from sim.rows import LANES
from sim.strategies import REGIMES, STRATEGIES, regime_of
from sim.tallies import Tallies
from sim.theory import PROPOSITIONS, source_of
from sim.variables import BRANCHES, FIXED, PERIOD_COLUMNS, POINT_COLUMNS, QUANTITIES, layout

answer_rows, class_rows, pair_tally, rows = map(in_python, (answer_rows, class_rows, pair_tally, rows))
_tables = in_python(cell_tables)
exact, fill_learned, fill_moves, fill_outcomes = (
    _tables.exact,
    _tables.fill_learned,
    _tables.fill_moves,
    _tables.fill_outcomes,
)
look_up = in_python(lookup).look_up

F = np.float32
AV, AC, CM, CP, CL = range(5)
EVEN_MIX = dict.fromkeys(STRATEGIES, 0.2)
DISSOLUTION = ("dissolution_time", "dissolution_cause")


def generator(*seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([23, *seed]))


def outcome_tables(moderate: float, creation: float) -> np.ndarray:
    tables = np.zeros((OUTCOMES, SLOTS), F)
    fill_outcomes(F(moderate), F(creation), tables)
    return tables


# --- outcomes by cell --------------------------------------------------------------------------------------------------

# What the first gets, (transfer, creation), facing the second: Figure 2 with moderate = creation = 1/2.
FIGURE_2 = {
    (AC, AC): (0, 0), (AC, CM): (0, 0), (AC, CP): (0, 0), (AC, CL): (0, 0),
    (CM, AC): (0.5, 0.25), (CM, CM): (0.5, 0.5), (CM, CP): (0, 0), (CM, CL): (0.5, 0.5),
    (CP, AC): (1, 0.5), (CP, CM): (0.5, 0.25), (CP, CP): (0, 0), (CP, CL): (1, 0.5),
    (CL, AC): (1, 0.5), (CL, CM): (0.5, 0.5), (CL, CP): (0, 0), (CL, CL): (1, 1),
}  # fmt: skip


def test_fill_outcomes__figure_2() -> None:
    tables = outcome_tables(0.5, 0.5)
    for cell in range(CELLS):
        own, other = divmod(cell, 5)
        mine, theirs = FIGURE_2.get((own, other), (0, 0)), FIGURE_2.get((other, own), (0, 0))
        totals = abs(sum(mine) - sum(theirs)), sum(mine) + sum(theirs)
        assert tables[:, cell].tolist() == [*mine, *theirs, *totals]
    assert not tables[:, CELLS:].any()


def test_fill_learned__in_fixed_point() -> None:
    learned = np.zeros((2, SLOTS), np.uint32)
    fill_learned(outcome_tables(0.3, 0.37), F(1), learned)
    tables = outcome_tables(0.3, 0.37)
    for k in range(2):
        expected = np.rint((tables[2 * k] + tables[2 * k + 1]).astype(float) * FIXED)
        assert learned[k].tolist() == expected.tolist()
    assert not learned[:, CELLS:].any()


def test_fill_moves__by_the_formulas() -> None:
    """Each of a pair's two sides, from the disclosures and absorptions of Figure 1; nothing moves where there is no pair."""
    case = case_of(
        ability__moderate=0.3,
        context__stakes__mean=0.4,
        context__dynamics={"trust_gain": 0.11, "trust_loss": 0.9, "suspicion": 0.6, "prior_gain": 0.07, "prior_loss": 0.05,
                           "stakes_rate": 0.21},
    )  # fmt: skip
    point, tables = case.arguments.point[()], np.zeros((8, SLOTS), F)
    fill_moves(point, tables)
    gives, takes = [0.0, 1.0, 0.3, 0.0, 1.0], [0.0, 0.0, 0.3, 1.0, 1.0]
    for cell in range(CELLS):
        i, j = divmod(cell, 5)
        f_up, f_down = min(gives[j], takes[i]), min(gives[i], takes[j])
        shared = (gives[i] + gives[j]) / 2
        expected = [
            0.11 * gives[j],
            min(1.0, 0.9 * max(0.0, f_down - f_up) + 0.6 * max(0.0, takes[j] - gives[j])),
            0.11 * gives[i],
            min(1.0, 0.9 * max(0.0, f_up - f_down) + 0.6 * max(0.0, takes[i] - gives[i])),
            0.07 * shared,
            0.05 if shared == 0 else 0.0,
            0.4 + 0.6 * (f_up + f_down) / 2,
            0.21,
        ]
        np.testing.assert_allclose(tables[:, cell], expected, rtol=1e-6, atol=1e-8)
    assert not tables[:, CELLS:].any()


# --- sums by number of partners in each strategy ------------------------------------------------------------------------

EXACT = [(0.5, 0.5), (0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (0.25, 0.75), (0.625, 0.125), (0.5, 2.0**-7),
         (3 / 32, 5 / 32), (2.0**-10, 1.0), (1 - 2.0**-10, 1.0)]  # fmt: skip
INEXACT = [(0.3, 0.5), (0.5, 0.3), (0.3, 0.37), (0.5, 2.0**-10), (2.0**-10, 0.5), (2.0**-11, 1.0), (1 - 2.0**-24, 1.0)]


@pytest.mark.parametrize(("moderate", "creation"), EXACT)
def test_exact__multiples_of_a_step(moderate: float, creation: float) -> None:
    assert exact(outcome_tables(moderate, creation))


@pytest.mark.parametrize(("moderate", "creation"), INEXACT)
def test_exact__not_where_any_outcome_is_between(moderate: float, creation: float) -> None:
    assert not exact(outcome_tables(moderate, creation))


def test_exact__looks_at_every_outcome() -> None:
    tables = np.full((OUTCOMES, SLOTS), LARGEST - 1 / STEPS, F)
    assert exact(tables)
    for row, cell in itertools.product(range(OUTCOMES), range(CELLS)):
        for wrong in (LARGEST, F(1.5) / STEPS, F(0.3), F(1) + 1 / STEPS / 2, F(np.nan), F(np.inf)):
            kept, tables[row, cell] = tables[row, cell], wrong
            assert not exact(tables)
            tables[row, cell] = kept


def test_exact__room_for_all_pairs() -> None:
    # 496 pairs, 32 x 32 products of numbers, 32 partners: all below 2^24 steps.
    assert (32 * 31 / 2 * LARGEST * STEPS, 32 * 32 * LARGEST * STEPS / 2) < (2**24, 2**24)


def strategies_of(n: int, kind: str) -> np.ndarray:
    """uint32[n, LANES]: at random in all lanes; in the first ones all the same, and one that differs."""
    draw = generator(n, len(kind))
    if kind == "few avoid":
        found = draw.choice(5, (n, LANES), p=[0.04, 0.24, 0.24, 0.24, 0.24])
    elif kind == "lopsided":
        shares = draw.dirichlet([0.3] * 5, LANES)
        found = np.stack([draw.choice(5, n, p=p) for p in shares], axis=1)
    else:
        found = draw.integers(0, 5, (n, LANES))
    for s, other in itertools.product(range(5), repeat=2):
        found[:, 5 * s + other] = s
        found[(s + other) % n, 5 * s + other] = other
    return found.astype(np.uint32)


Sums = dict[str, np.ndarray]


def empty_sums(n: int) -> Sums:
    """Sums over partners and pairs; learning to date goes on from what there is."""
    names = ("transfer", "creation", "learning", "differences", "totals")
    return {name: np.zeros(LANES, F) for name in names} | {"to date": np.full((n, LANES), 1000, np.int32)}


def by_pairs(strategy: np.ndarray, tables: np.ndarray) -> Sums:
    n = len(strategy)
    out, own = empty_sums(n), np.zeros((2, n, LANES), F)
    cell, found = np.zeros(LANES, np.uint32), np.zeros((OUTCOMES, LANES), np.uint32)
    for i in range(n):
        for j in range(i + 1, n):
            rows.pair_cell(strategy[i], strategy[j], cell)
            look_up(tables.view(np.uint32), cell, found)
            rows.collect(found.view(F), own[0, i], own[1, i], own[0, j], own[1, j])
            rows.compare(found.view(F), out["differences"], out["totals"])
    for i in range(n):
        sums = out["transfer"], out["creation"], out["learning"]
        rows.book_partner(own[0, i], own[1, i], F(n - 1), *sums, out["to date"][i])
    assert not own.any()
    return out


def packed_of(strategy: np.ndarray) -> np.ndarray:
    packed = np.zeros(LANES, np.uint32)
    for row in strategy:
        rows.pack_count(row, packed)
    return packed


def by_number(strategy: np.ndarray, tables: np.ndarray) -> Sums:
    n, packed = len(strategy), packed_of(strategy)
    out, found = empty_sums(n), np.zeros((class_rows.CLASSES, LANES), F)
    class_rows.receive(packed, tables, F(n - 1), found)
    for i in range(n):
        class_rows.book(strategy[i], found, out["transfer"], out["creation"], out["learning"], out["to date"][i])
    class_rows.compare(packed, tables, out["differences"], out["totals"])
    return out


def in_plain_words(strategy: np.ndarray, tables: np.ndarray) -> Sums:
    """Partner by partner, in the order of their numbers, with numpy alone."""
    n, out = len(strategy), empty_sums(len(strategy))
    for i in range(n):
        transfer, created = np.zeros(LANES, F), np.zeros(LANES, F)
        for j in range(n):
            if j != i:
                cell = 5 * strategy[i] + strategy[j]
                transfer += tables[0, cell]
                created += tables[1, cell]
        transfer, created = transfer / F(n - 1), created / F(n - 1)
        out["transfer"] += transfer
        out["creation"] += created
        out["learning"] += transfer + created
        out["to date"][i] += np.rint((transfer + created).astype(float) * FIXED).astype(np.int32)
        for j in range(i + 1, n):
            mine, theirs = (
                (tables[0, c] + tables[1, c]) for c in (5 * strategy[i] + strategy[j], 5 * strategy[j] + strategy[i])
            )
            out["differences"] += abs(mine - theirs)
            out["totals"] += mine + theirs
    return out


def unequal(a: Sums, b: Sums) -> list[str]:
    assert all(a[name].dtype == b[name].dtype for name in a)
    return [name for name in a if (a[name].view(np.uint32) != b[name].view(np.uint32)).any()]


@pytest.mark.parametrize("n", range(3, 33))
@pytest.mark.parametrize("kind", ["any", "few avoid", "lopsided"])
def test_class_rows__equal_the_loops_over_pairs(n: int, kind: str) -> None:
    strategy = strategies_of(n, kind)
    for moderate, creation in EXACT:
        tables = outcome_tables(moderate, creation)
        grouped = by_number(strategy, tables)
        assert unequal(grouped, by_pairs(strategy, tables)) == [], (moderate, creation)
        assert unequal(grouped, in_plain_words(strategy, tables)) == [], (moderate, creation)


@pytest.mark.parametrize("n", [3, 4, 7, 32])
def test_collect__adds_in_the_order_of_the_partners(n: int) -> None:
    """Where the order matters."""
    strategy = strategies_of(n, "any")
    for moderate, creation in INEXACT:
        tables = outcome_tables(moderate, creation)
        assert unequal(by_pairs(strategy, tables), in_plain_words(strategy, tables)) == [], (moderate, creation)


def test_class_rows__would_differ_where_sums_are_not_exact() -> None:
    """Why `exact` is asked."""
    strategy, tables = strategies_of(11, "any"), outcome_tables(0.3, 0.37)
    assert unequal(by_number(strategy, tables), by_pairs(strategy, tables)) != []


def test_class_rows__all_in_one_strategy() -> None:
    # 32 partners in compromise get 1/2 and create 1/2, in collaboration 1 and 1; the others learn nothing.
    strategy = np.repeat(np.arange(32) % 5, LANES // 32)[None, :].repeat(32, axis=0).astype(np.uint32)
    found = by_number(strategy, outcome_tables(0.5, 0.5))
    expected = np.array([0, 0, 1, 0, 2])[strategy[0]]
    assert (found["learning"] == 32 * expected).all()
    assert (found["totals"] == 496 * 2 * expected).all()
    assert (found["to date"] == 1000 + expected * FIXED).all()
    assert not found["differences"].any()


# --- whole runs on either way --------------------------------------------------------------------------------------------

WAYS = [(0.3, 0.37, False), (0.3, 0.5, False), (0.5, 0.9, False), (0.5, 0.5, True), (0.25, 0.75, True), (1.0, 1.0, True)]
BUSY = {
    "population__initial__mix": EVEN_MIX,
    "response__reconsideration": 0.4,
    "response__tremble": 0.1,
    "response__threshold": dict.fromkeys(PROPOSITIONS, 0.0),
}


@pytest.mark.parametrize("exit_rate", [0.0, 0.2])
@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize(("moderate", "creation", "grouped"), WAYS)
def test_simulate__equals_reference_on_either_way(
    moderate: float, creation: float, grouped: bool, n: int, exit_rate: float
) -> None:
    assert exact(outcome_tables(moderate, creation)) == grouped
    case = case_of(
        **BUSY, population__partners=n, population__periods=12, population__exit_rate=exit_rate,
        ability__moderate=moderate, ability__creation=creation,
    )  # fmt: skip
    assert differing(case.run(31, 8), case.reference(31, 8)) == []


# --- any selection of variables ------------------------------------------------------------------------------------------

MISSES = {"response__misperception": 0.3}
EXITS = {"population__exit_rate": 0.2}
STATIC = {"context__kind": "static"}
AWARE = {"response__aware": 0.5, "response__awareness_bonus": 0.7}
# Rivalry ends in avoidance.
QUIET = {
    "response__theory_mix": "barriers_only",
    "response__reconsideration": 0.7,
    "response__tremble": 0.0,
    "population__initial__mix": dict.fromkeys(STRATEGIES, 0.0) | {"competition": 0.5, "collaboration": 0.5},
}
SETTINGS: dict[str, dict[str, Any]] = {
    "usual": {},
    "static": STATIC,
    "misperception": MISSES,
    "static, misperception": {**STATIC, **MISSES},
    "exits": EXITS,
    "static, exits": {**STATIC, **EXITS},
    "misperception, exits": {**MISSES, **EXITS},
    "static, awareness": {**STATIC, **AWARE},
    "awareness, misperception, exits, between steps": {
        **AWARE, **MISSES, **EXITS, "ability__moderate": 0.3, "ability__creation": 0.37},
    "every third period": {"output__every": 3},
    "every third period, misperception": {"output__every": 3, **MISSES},
    "every third period, exits": {"output__every": 3, **EXITS},
    "first and last": {"output__every": 1000},
    "all dissolve": QUIET,
    "all dissolve, every fourth period": {**QUIET, "output__every": 4},
    "all dissolve, misperception, exits": {**QUIET, **MISSES, **EXITS},
    "all avoid": {"population__initial__mix": dict.fromkeys(STRATEGIES, 0.0) | {"avoidance": 1.0}},
}  # fmt: skip


def selections() -> list[frozenset[str]]:
    """None, all, every one, all pairs, all but one, and some at random."""
    found = [frozenset(some) for k in (0, 1, 2) for some in itertools.combinations(WANTED, k)]
    found += [frozenset(WANTED) - {name} for name in WANTED]
    draw = generator(1)
    return [*found, *(frozenset(name for name in WANTED if draw.random() < 0.5) for _ in range(40))]


def only(case: Case, names: Iterable[str], first: int, count: int) -> Tallies:
    """A run that records these variables, and nothing by batch."""
    want, batches = np.array([name in names for name in WANTED]), np.full(len(QUANTITIES), -1)
    arguments = dataclasses.replace(case.arguments, want=want, batches=batches)
    return Case(case.config, case.point, case.grid, arguments).run(first, count)


def kept(whole: Tallies, names: frozenset[str]) -> tuple[np.ndarray, np.ndarray]:
    """What a run that records these variables has to tally."""
    everything = {*names, *(f"{name}_n" for name in names), *DISSOLUTION}
    columns = (PERIOD_COLUMNS, layout(batched=QUANTITIES).point[: whole.point.shape[1]])
    period, point = (np.array([name in everything for name, _ in names_]) for names_ in columns)
    return whole.period * period[:, None].astype(np.uint64), whole.point * point[:, None].astype(np.uint64)


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("setting", SETTINGS)
def test_simulate__any_selection_is_a_part_of_the_whole(setting: str, n: int) -> None:
    case = case_of(**{**BUSY, "population__partners": n, "population__periods": 13, **SETTINGS[setting]})
    count = 24 if n == 2 else 12
    whole = case.run(50, count)
    assert differing(whole, case.reference(50, count)) == []
    if "dissolve" in setting or "avoid" in setting:
        assert not column(whole, "survival")[-1].any()
    for names in selections():
        few = only(case, names, 50, count)
        period, point = kept(whole, names)
        assert (few.period == period).all(), sorted(names)
        assert (few.point == point).all(), sorted(names)


@pytest.mark.parametrize("n", [2, 3])
def test_simulate__selections_of_more_than_a_chunk(n: int) -> None:
    case = case_of(**{**BUSY, "population__partners": n, "population__periods": 13, **MISSES, **EXITS})
    whole = case.run(0, LANES + 100)
    for names in selections():
        period, point = kept(whole, names)
        few = only(case, names, 0, LANES + 100)
        assert (few.period == period).all(), sorted(names)
        assert (few.point == point).all(), sorted(names)


# --- more periods than 32 bits hold --------------------------------------------------------------------------------------

# Collaborators for ever, with the most that can be learned: 3 x 2^20 a period, beyond 2^31 after 682 periods.
ENDLESS = {
    "response__threshold": dict.fromkeys(PROPOSITIONS, -100.0),
    "response__reconsideration": 1.0,
    "response__tremble": 0.0,
    "ability__moderate": 1.0,
    "ability__creation": 1.0,
}
LENGTHS = [SHORT - 1, SHORT, SHORT + 1, 2 * SHORT - 1, 2 * SHORT, 2 * SHORT + 1, 2 * SHORT + 300]


def test_short__fits_in_32_bits() -> None:
    assert 3 * FIXED * SHORT < 2**31 < 3 * FIXED * (2 * SHORT)


@pytest.mark.parametrize("names", [frozenset(WANTED), frozenset(["cumulative_learning"]), frozenset(["response_count"])],
                         ids=["all", "learning", "responses"])  # fmt: skip
@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("periods", LENGTHS)
def test_simulate__nothing_is_lost_in_long_runs(n: int, periods: int, names: frozenset[str]) -> None:
    count = LANES + 3
    case = case_of(
        **ENDLESS, population__partners=n, population__periods=periods,
        population__initial__strategies=["collaboration"] * n,
    )  # fmt: skip
    tallies = only(case, names, 0, count)
    if "cumulative_learning" in names:
        assert [column(tallies, "cumulative_learning", k)[0] for k in (0, 1)] == [count * (3 * FIXED) ** k for k in (1, 2)]
    if "response_count" in names:
        responses = column(tallies, "response_count")
        assert np.flatnonzero(responses).tolist() == [24]
        assert responses[24] == count * n * periods
    if "learning" in names:
        assert (column(tallies, "learning")[1:] == count * 3 * FIXED).all()
        assert (column(tallies, "strategy_share")[:, CL] == count * n).all()
        assert column(tallies, "cumulative_learning_hist").tolist() == [0] * 49 + [count * n]


@pytest.fixture
def lively(tmp_path: Path) -> dict[str, Any]:
    """A point whose partners do much, and avoid next to never: its alliances live long."""
    theory = yaml.safe_load(source_of("larsson1998"))
    for own, row in theory["barrier"].items():
        for seen, target in row.items():
            if target.startswith("avoidance"):
                row[seen] = {"avoidance": "accommodation", "competition": "compromise"}.get(own, "competition") + " 1x"
    path = tmp_path / "lively.yaml"
    path.write_text(yaml.safe_dump(theory))
    return {
        "population__initial__mix": EVEN_MIX,
        "population__periods": 2 * SHORT + 30,
        "response__theory_mix": str(path),
        "response__reconsideration": 0.5,
        "response__tremble": 0.02,
        "ability__moderate": 0.8,
        "ability__creation": 1.0,
    }


LONG = {
    "two": ({}, 4),
    "two, misperception": (MISSES, 4),
    "two, exits": ({"population__exit_rate": 0.01}, 4),
    "two, every 100": ({"output__every": 100}, 4),
    "three": ({"population__partners": 3}, 2),
    "three, exact, exits": ({"population__partners": 3, "ability__moderate": 0.5, "population__exit_rate": 0.01}, 3),
}


@pytest.mark.parametrize("name", LONG)
def test_simulate__equals_reference_in_long_runs(name: str, lively: dict[str, Any]) -> None:
    overrides, count = LONG[name]
    case = case_of(**{**lively, **overrides})
    whole = case.run(7, count)
    assert differing(whole, case.reference(7, count)) == []
    assert column(whole, "survival")[-1, 0] > 0
    for names in (["response_count"], ["cumulative_learning_hist"], ["strategy_share", "learning"]):
        period, point = kept(whole, frozenset(names))
        few = only(case, names, 7, count)
        assert (few.period == period).all()
        assert (few.point == point).all()


@pytest.mark.parametrize("overrides", [{}, MISSES, {"population__partners": 3}], ids=["two", "misperception", "three"])
def test_simulate__long_runs_begin_alike(overrides: dict[str, Any], lively: dict[str, Any]) -> None:
    lengths = [SHORT, SHORT + 1, 2 * SHORT]
    short = [case_of(**{**lively, **overrides, "population__periods": t}).run(0, LANES + 9) for t in lengths]
    long = case_of(**{**lively, **overrides, "population__periods": 2 * SHORT + 1}).run(0, LANES + 9)
    for t, tallies in zip(lengths, short, strict=True):
        assert (tallies.period == long.period[:, : t + 1]).all()
        assert column(tallies, "response_count").sum() < column(long, "response_count").sum()


# --- chunks around alliance number 2^32 ----------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["usual", "static", "misperception", "exits", "every third period"])
@pytest.mark.parametrize("n", [2, 3, 5])
def test_simulate__chunks_on_both_sides_of_32_bits(n: int, setting: str) -> None:
    case = case_of(**{**BUSY, "population__partners": n, "population__periods": 7, **SETTINGS[setting]})
    border = 2**32
    whole = case.run(border - 700, 1400)
    assert differing(whole, case.run(border - 700, 700) + case.run(border, 700)) == []
    # In a chunk of their own, then as the last and the first of two.
    assert differing(case.run(border - 2, 5), case.reference(border - 2, 5)) == []
    last = case.run(border - LANES, LANES + 1)
    assert differing(last, case.run(border - LANES, LANES - 2) + case.reference(border - 2, 3)) == []


# --- tallies of two partners, from counts of cells -----------------------------------------------------------------------

ALL = np.ones(len(WANTED), bool)
NOTHING_YET = (len(PERIOD_COLUMNS), 2)


def tallied(
    outcomes: np.ndarray, states: np.ndarray, want: np.ndarray = ALL, moderate: float = 0.5, creation: float = 0.5
) -> np.ndarray:
    out = np.full((len(outcomes), *NOTHING_YET), 7, np.int64)
    point, values = np.zeros((), POINT), pair_tally.new_counts(1).values
    point["creation"], point["mutuality"] = creation, 1
    tables = outcome_tables(moderate, creation)
    pair_tally.fill_values(point[()], tables, values)
    pair_tally.tally_cells(want, tables, outcomes, states, values, out)
    # What was there stays.
    return out - 7


def histogram(**numbers: int) -> np.ndarray:
    """One row, from numbers such as ``AC_CP=2``."""
    out = np.zeros((1, SLOTS), np.int64)
    for names, number in numbers.items():
        own, other = (("AV", "AC", "CM", "CP", "CL").index(name) for name in names.split("_"))
        out[0, 5 * own + other] = number
    return out


def test_tally_cells__outcomes_by_hand() -> None:
    # Collaborators learn 2 each; an exploiter 1 + 1/2, the exploited nothing; rivals and those who avoid nothing.
    found = tallied(histogram(CL_CL=3, AC_CP=2, CP_AC=1, CP_CP=5, AV_AV=4), histogram())[0]
    one, two = FIXED, FIXED**2
    expected = np.zeros(NOTHING_YET, np.int64)
    expected[tally.TRANSFER] = 4.5 * one, 3.75 * two
    expected[tally.CREATION] = 3.75 * one, 3.1875 * two
    expected[tally.LEARNING] = 8.25 * one, 13.6875 * two
    expected[tally.EFFICIENCY] = 4.125 * one, 3.421875 * two
    expected[tally.INEQUITY] = 3 * one, 3 * two
    expected[tally.EFFICIENCY_N, 0] = 11
    expected[tally.INEQUITY_N, 0] = 6
    assert found.tolist() == expected.tolist()


def test_tally_cells__states_by_hand() -> None:
    found = tallied(histogram(), histogram(CL_CL=2, AC_CL=3, CL_AC=1, AV_CP=1, CM_CM=6, AV_AV=4))[0]
    expected = np.zeros(NOTHING_YET, np.int64)
    for strategy, values in {AV: (9, 17), AC: (4, 4), CM: (12, 24), CP: (1, 1), CL: (8, 12)}.items():
        expected[tally.STRATEGY_SHARE + strategy] = values
    regimes = {regime_of(CL, CL): 2, regime_of(AC, CL): 4, "withdrawal": 1, regime_of(CM, CM): 6, "disintegration": 4}
    for name, number in regimes.items():
        expected[tally.REGIME_SHARE + REGIMES.index(name)] = number
    expected[tally.SURVIVAL] = 13
    expected[tally.ACTIVE_SHARE] = 26, 52
    assert found.tolist() == expected.tolist()


def one_by_one(outcomes: np.ndarray, states: np.ndarray, moderate: float, creation: float) -> np.ndarray:
    """Each alliance added alone, in Python integers, from the formulas."""
    m, gamma = F(moderate), F(creation)
    most, out = eq.most_learning.py_func(gamma, F(1)), np.zeros((len(outcomes), *NOTHING_YET), object)

    def add(row: int, name: int, value: int, number: int) -> None:
        out[row, name] += np.array([int(value) * number, int(value) ** 2 * number], object)

    for row, cell in itertools.product(range(len(outcomes)), range(CELLS)):
        i, j = (np.uint32(s) for s in divmod(cell, 5))
        number = int(outcomes[row, cell])
        f = [eq.transfer.py_func(eq.transparency.py_func(b, m), eq.receptivity.py_func(a, m)) for a, b in ((i, j), (j, i))]
        g = eq.creation.py_func(gamma, *f)
        made = [eq.appropriated.py_func(g, x) for x in f]
        learnt = [x + y for x, y in zip(f, made, strict=True)]
        means = [(x + y) / F(2) for x, y in (f, made, learnt)]
        share = eq.efficiency.py_func(means[2], most)
        gap = eq.inequity.py_func(abs(learnt[0] - learnt[1]), learnt[0] + learnt[1])
        assert {type(x) for x in (*means, share, gap)} == {F}
        names = tally.TRANSFER, tally.CREATION, tally.LEARNING, tally.EFFICIENCY, tally.INEQUITY
        for name, value in zip(names, (*means, share, gap), strict=True):
            add(row, name, eq.fixed_point.py_func(value), number)
        out[row, tally.EFFICIENCY_N, 0] += number * (cell > 0)
        out[row, tally.INEQUITY_N, 0] += number * bool(learnt[0] + learnt[1] > 0)
        number = int(states[row, cell])
        for s in range(5):
            add(row, tally.STRATEGY_SHARE + s, (int(i), int(j)).count(s), number)
        add(row, tally.REGIME_SHARE + REGIMES.index(regime_of(int(i), int(j))), 1, number)
        add(row, tally.SURVIVAL, cell > 0, number)
        add(row, tally.ACTIVE_SHARE, 2 * (cell > 0), number)
    return out.astype(np.int64)


@pytest.mark.parametrize(("moderate", "creation"), [*EXACT, *INEXACT])
def test_tally_cells__as_one_by_one(moderate: float, creation: float) -> None:
    outcomes, states = (np.zeros((4, SLOTS), np.int64) for _ in range(2))
    outcomes[:3, :CELLS] = generator(2).integers(0, 400, (3, CELLS))
    states[1:, :CELLS] = generator(3).integers(0, 400, (3, CELLS))
    # A call has at most 2^16 alliances; here all in the cell of the largest values.
    outcomes[3, 24] = states[0, 24] = 2**16
    expected = one_by_one(outcomes, states, moderate, creation)
    assert (tallied(outcomes, states, ALL, moderate, creation) == expected).all()
    assert (expected >= 0).all()
    for k, name in enumerate(WANTED):
        mine = np.array([column in (name, f"{name}_n") for column, _ in PERIOD_COLUMNS])
        alone = tallied(outcomes, states, np.arange(len(WANTED)) == k, moderate, creation)
        assert (alone == expected * mine[:, None]).all(), name


def response_column(branch: str, own: int, seen: int) -> int:
    return tally.RESPONSES + 25 * BRANCHES.index(branch) + 5 * own + seen


def test_tally_answers__by_hand() -> None:
    empowered, barrier, stayed, skipped = (int(k) for k in (
        answer_rows.EMPOWERED, answer_rows.BARRIER, answer_rows.KEPT, answer_rows.SKIPPED))  # fmt: skip
    totals = np.zeros(pair_tally.JOINT, np.int64)
    for own, other, how, other_how, number in (
        (AC, CP, barrier, empowered, 3), (CL, CL, empowered, barrier, 5), (CL, CL, stayed, stayed, 1),
        (CM, AV, skipped, stayed, 2), (CP, CM, barrier, skipped, 4), (AC, CP, skipped, skipped, 100),
        (AV, AV, skipped, skipped, 1000), (CP, AC, empowered, barrier, 10),
    ):  # fmt: skip
        totals[5 * own + other + 32 * how + 128 * other_how] = number
    out = np.full((len(POINT_COLUMNS), 2), 7, np.int64)
    pair_tally.tally_answers(totals, out)
    expected = np.full((len(POINT_COLUMNS), 2), 7, np.int64)
    for branch, own, seen, number in (
        ("barrier", AC, CP, 3), ("empowered", CP, AC, 3), ("empowered", CL, CL, 5), ("barrier", CL, CL, 5),
        ("kept", CL, CL, 2), ("kept", AV, CM, 2), ("barrier", CP, CM, 4), ("empowered", CP, AC, 10), ("barrier", AC, CP, 10),
    ):  # fmt: skip
        expected[response_column(branch, own, seen), 0] += number
    assert out.tolist() == expected.tolist()


def test_close_codes__adds_what_was_reconsidered() -> None:
    counts = generator(5).integers(0, 1000, (pair_tally.PARTS, answer_rows.RESPONSE_CODES)).astype(np.int64)
    out = np.full(75, 7, np.int64)
    answer_rows.close_codes(counts, out)
    sums = counts.sum(axis=0)
    assert (out - 7).tolist() == [sums[32 * how + cell] for how in range(3) for cell in range(CELLS)]


@pytest.mark.parametrize("misses", [False, True])
@pytest.mark.parametrize("lanes", [LANES, LANES - 3, 1])
def test_close_period__by_cell_and_decision(misses: bool, lanes: int) -> None:
    """Cells at a period's start are those at the end of the one before, wherever counts are closed in between."""
    draw, periods = generator(6, lanes), 9
    counts = pair_tally.new_counts(periods)
    rows_of = [0, -1, 1, 2, -1, -1, 3, 4, 5]
    starts, ends = (np.zeros((periods, SLOTS), np.int64) for _ in range(2))
    decisions, last = np.zeros(pair_tally.JOINT, np.int64), -1
    for t, row in enumerate(rows_of):
        cell = draw.integers(0, CELLS, LANES).astype(np.uint32)
        how, other_how = draw.integers(0, 4, (2, LANES)).astype(np.uint32)
        if misses:
            joint = cell + 32 * 3 + 128 * 3
            pair_tally.count_cells(cell, lanes, counts.joint)
        else:
            code, other_code = cell + 32 * how, cell % 5 * 5 + cell // 5 + 32 * other_how
            joint = code + 128 * other_how
            pair_tally.count_pairs(code, other_code, lanes, counts.joint)
        pair_tally.close_period(last, row, counts.joint, counts.before, counts.starts, counts.ends)
        here = np.bincount(cell[:lanes], minlength=SLOTS)
        decisions += np.bincount(joint[:lanes], minlength=pair_tally.JOINT)
        for number, into in ((row, starts), (last, ends)):
            if number >= 0:
                into[number] += here
        if t in (2, 6):
            pair_tally.close_counts(counts.joint, counts.before, counts.decisions)
        last = row
    pair_tally.close_counts(counts.joint, counts.before, counts.decisions)
    pair_tally.count_last(cell, lanes, counts.ends[5])
    ends[5] += here
    assert (counts.starts == starts).all()
    assert (counts.ends == ends).all()
    assert (counts.decisions == decisions).all()
    assert not counts.joint.any()
    assert not counts.before.any()


def test_regime_of__each_cell() -> None:
    assert [REGIMES[k] for k in pair_tally.REGIME_OF] == [regime_of(c // 5, c % 5) for c in range(CELLS)]
