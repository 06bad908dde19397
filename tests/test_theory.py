"""Response theories against the tables of model section 4, typed out here once more; and files that must be refused."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from cases import Case, case_of
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import answer_rows as rows
from sim.arguments import Tables, arguments_of
from sim.jit import from_python
from sim.lookup import SLOTS
from sim.strategies import STRATEGIES
from sim.theory import (
    DRIVERS,
    MAX_BYTES,
    NEVER,
    PROPOSITIONS,
    Theory,
    TheoryError,
    given_texts,
    load,
    names,
    parse,
    source_of,
)
from sim.theory_tables import keep_probability, labels, response_labels
from sim.variables import BRANCHES

CODES = {"AV": 0, "AC": 1, "CM": 2, "CP": 3, "CL": 4}

# Rows: own strategy; columns: the counterpart's as seen; AV AC CM CP CL both ways. As on the page of the model.
BARRIER = """
    AV(5)  AV     AV      AV      AV
    AV(5)  AC(4)  AV(3b)  AV(2b)  AV(1b)
    AV(5)  CM     CM(3a)  CP(2a)  CP(1a)
    AV(5)  CP     CP      AV(2b)  CP
    AV(5)  CL     CL      CP(2a)  CP(1a)
"""
EMPOWERED = """
    -  -       -       -       -
    -  CM(6b)  CM(6b)  -       CL(6a)
    -  -       CL(8)   CM(7b)  CL(8)
    -  -       CM(7b)  CM(7b)  CM(7a)
    -  -       CL(8)   CM(7a)  CL(9)
"""
PACE = [
    [1, 1, 1, 1, 1],
    [1, 1, 0.5, 1, 0.5],
    [1, 1, 1, 1, 1],
    [1, 1, 1, 1, 1],
    [1, 1, 1, 4, 1],
]
DRIVEN_BY = {
    "P6": {"stakes", "prior"},
    "P7": {"trust", "orientation", "prior"},
    "P8": {"stakes", "trust", "prior"},
    "P9": {"trust", "orientation"},
}


def cells(table: str) -> list[tuple[int, str]]:
    """(code of the target or NEVER, proposition or "") of the 25 cells."""
    found = []
    for word in table.split():
        match = re.fullmatch(r"(\w\w)(?:\((\w+)\))?", word)
        found.append((CODES[match[1]], match[2] or "") if match else (NEVER, ""))
    assert len(found) == 25
    return found


# --- the theories that come with the program ---------------------------------------------------------------------------


@pytest.mark.parametrize("cell", range(25))
def test_larsson1998__barrier_branch(cell: int) -> None:
    theory = load("larsson1998")
    assert (theory.barrier[cell], theory.barrier_label[cell]) == cells(BARRIER)[cell]
    assert theory.label(cell, BRANCHES.index("barrier")) == (cells(BARRIER)[cell][1] or "none")


@pytest.mark.parametrize("cell", range(25))
def test_larsson1998__empowered_branch(cell: int) -> None:
    theory = load("larsson1998")
    target, label = cells(EMPOWERED)[cell]
    assert (theory.empowered[cell], theory.empowered_label[cell]) == (target, label)
    assert theory.label(cell, BRANCHES.index("empowered")) == (label or "none")
    if label:
        assert PROPOSITIONS[theory.group(cell)] == f"P{label[0]}"


@pytest.mark.parametrize("cell", range(25))
def test_larsson1998__kept_branch_is_under_none(cell: int) -> None:
    assert load("larsson1998").label(cell, BRANCHES.index("kept")) == "none"


def test_larsson1998__codes_of_the_page() -> None:
    order = ("avoidance", "accommodation", "compromise", "competition", "collaboration")
    assert order == STRATEGIES
    assert list(CODES.values()) == [0, 1, 2, 3, 4]


def test_larsson1998__pace() -> None:
    assert load("larsson1998").pace == tuple(float(p) for row in PACE for p in row)


def test_larsson1998__handicap_of_mutual_compromise_and_deadlock() -> None:
    theory = load("larsson1998")
    assert theory.handicap == 0.1
    assert [cell for cell, h in enumerate(theory.handicapped) if h] == [5 * 2 + 2, 5 * 3 + 3]


@pytest.mark.parametrize("proposition", PROPOSITIONS)
def test_larsson1998__drivers(proposition: str) -> None:
    theory = load("larsson1998")
    weights = dict(zip(DRIVERS, theory.weights[PROPOSITIONS.index(proposition)], strict=True))
    assert weights == {driver: float(driver in DRIVEN_BY[proposition]) for driver in DRIVERS}
    assert theory.thresholds[PROPOSITIONS.index(proposition)] == 0.5


def test_larsson1998__begins_with_the_mix() -> None:
    assert load("larsson1998").initial is None


def test_barriers_only__is_larsson_without_empowerment() -> None:
    theory, larsson = load("barriers_only"), load("larsson1998")
    assert theory.empowered == (NEVER,) * 25
    assert theory.empowered_label == ("",) * 25
    assert (theory.barrier, theory.barrier_label, theory.pace) == (larsson.barrier, larsson.barrier_label, larsson.pace)
    assert theory.initial is None


#: b of tit for tat, by what is seen.
IN_KIND = {"AV": "AV", "AC": "CL", "CM": "CM", "CP": "CP", "CL": "CL"}


def test_tit_for_tat__answers_in_kind() -> None:
    theory = load("tit_for_tat")
    assert theory.barrier == tuple(CODES[IN_KIND[seen]] for own in CODES for seen in CODES)
    assert theory.initial == CODES["CL"]
    check_unconditional_of_empowerment(theory)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_always__one_strategy(strategy: str) -> None:
    theory = load(f"always_{strategy}")
    assert theory.barrier == (STRATEGIES.index(strategy),) * 25
    assert theory.initial == STRATEGIES.index(strategy)
    check_unconditional_of_empowerment(theory)


def check_unconditional_of_empowerment(theory: Theory) -> None:
    """Nobody is empowered, no cell has a proposition or a pace of its own."""
    assert theory.empowered == (NEVER,) * 25
    assert theory.pace == (1.0,) * 25
    assert labels([theory]) == ("none",)


def test_names__ship_and_load() -> None:
    assert list(names()) == sorted(["larsson1998", "barriers_only", "tit_for_tat", *(f"always_{s}" for s in STRATEGIES)])
    for name in names():
        assert load(name).name == name


def test_labels__order_of_the_page() -> None:
    expected = ("1a", "1b", "2a", "2b", "3a", "3b", "4", "5", "6a", "6b", "7a", "7b", "8", "9", "none")
    assert labels([load("larsson1998")]) == expected
    assert labels([load("larsson1998"), load("barriers_only")]) == expected
    assert labels([load("barriers_only")]) == (*expected[:8], "none")
    assert labels([]) == ("none",)


def test_labels__are_in_natural_order() -> None:
    text = source_of("larsson1998").replace("compromise 3a", "compromise x2")
    text = text.replace("avoidance 3b", "avoidance 10").replace("avoidance 1b", "avoidance 2ab")
    expected = ("1a", "2a", "2ab", "2b", "4", "5", "6a", "6b", "7a", "7b", "8", "9", "10", "x2", "none")
    assert labels([parse(text, "mine")]) == expected


def test_response_labels__one_for_each_column() -> None:
    expected = [label or "none" for table in (EMPOWERED, BARRIER) for _, label in cells(table)] + ["none"] * 25
    assert list(response_labels(load("larsson1998"))) == expected


@pytest.mark.parametrize(
    ("reconsideration", "pace", "kept"),
    [(0.25, 1, 0.75), (0.25, 4, 0.31640625), (0.75, 0.5, 0.5), (0, 4, 1), (1, 1, 0), (1, 0, 1), (0.5, 0, 1)],
)
def test_keep_probability__is_a_power(reconsideration: float, pace: float, kept: float) -> None:
    assert keep_probability(reconsideration, pace) == kept


# --- the tables that the kernels get ------------------------------------------------------------------------------------


def single(value: float) -> np.float32:
    return np.float32(value)


def filled(tables: Tables) -> tuple[np.ndarray, np.ndarray]:
    """What the kernel looks up: the same memory as words and as reals."""
    bits = np.zeros((rows.ROWS, SLOTS), np.uint32)
    from_python(rows.fill_answers)(tables.cells, tables.reals, bits, bits.view(np.float32))
    return bits, bits.view(np.float32)


def check_tables(
    case: Case, barrier: list[int], empowered: list[int], groups: list[int], weights: list[list[float]],
    thresholds: list[float], handicaps: list[float], paces: list[float],
) -> None:  # fmt: skip
    """Both what the kernels are given, and what is looked up by cell, say what a theory says, cell by cell."""
    tables, response = case.arguments.tables, case.point.parameters.response
    assert tables is not None
    assert (tables.cells.dtype, tables.cells.shape) == (np.uint32, (25,))
    assert (tables.reals.dtype, tables.reals.shape) == (np.float32, (7, 25))
    full = arguments_of(case.point, case.config, case.grid, force_full=True).full
    assert full is not None
    assert (full.theories.cells == tables.cells).all()
    assert (full.theories.reals == tables.reals).all()
    bits, reals = filled(tables)
    tremble = single(response.tremble)
    for cell in range(25):
        possible = empowered[cell] != NEVER
        held = int(bits[rows.TARGETS, cell])
        assert held < 2**7
        assert (held & 7, held >> 3 & 7, held >> 6) == (barrier[cell], max(empowered[cell], 0), possible)
        kept = single(math.pow(1 - response.reconsideration, paces[cell]))
        assert reals[rows.KEEP, cell] == tremble + (1 - tremble) * kept
        assert reals[rows.HANDICAP, cell] == single(handicaps[cell])
        if possible:
            expected = [single(w) for w in weights[groups[cell]]]
            assert reals[[rows.STAKES, rows.TRUST, rows.ORIENTATION, rows.PRIOR], cell].tolist() == expected
            assert reals[rows.TOTAL, cell] == expected[0] + expected[1] + expected[2] + expected[3]
            assert reals[rows.THRESHOLD, cell] == single(thresholds[groups[cell]])
        # Where nothing empowers, a mean with any weights; it has to be finite.
        assert 0 < reals[rows.TOTAL, cell] < np.inf
    assert not bits[:, 25:].any()
    check_answers(bits, reals, barrier, empowered)


def check_answers(bits: np.ndarray, reals: np.ndarray, barrier: list[int], empowered: list[int]) -> None:
    """What a partner does who neither trembles nor keeps: certain of empowerment, with a barrier, with neither."""
    zero, one, low, high = single(0), single(1), np.uint32(0), np.uint32(2**32 - 1)
    for cell in range(25):
        own, possible = np.uint32(cell // 5), empowered[cell] != NEVER

        def response(chance: np.float32, word: np.uint32, strength: np.float32, keep: np.float32 = zero) -> tuple[int, int]:
            target = bits[rows.TARGETS, cell]  # noqa: B023
            return rows.settle_one(target, keep, own, chance, low, word, zero, strength)  # noqa: B023

        fallen = (barrier[cell], rows.BARRIER)
        assert response(one, high, one) == ((empowered[cell], rows.EMPOWERED) if possible else fallen)
        assert response(zero, low, one) == fallen
        assert response(one, high, zero) == ((empowered[cell], rows.EMPOWERED) if possible else (own, rows.KEPT))
        assert response(zero, low, zero) == (own, rows.KEPT)
        assert response(one, low, one, keep=one) == (own, rows.SKIPPED)
        own_keep = reals[rows.KEEP, cell]
        assert response(zero, low, one, own_keep) == ((own, rows.SKIPPED) if own_keep > 0 else fallen)


@pytest.mark.parametrize("name", names())
def test_tables__hold_the_theories_that_come_with_the_program(name: str) -> None:
    theory = load(name)
    check_tables(
        case_of(response__theory_mix=name, population__periods=1),
        list(theory.barrier),
        list(theory.empowered),
        [PROPOSITIONS.index(f"P{label[0]}") if label else 0 for label in theory.empowered_label],
        [list(weights) for weights in theory.weights],
        list(theory.thresholds),
        [theory.handicap if h else 0 for h in theory.handicapped],
        list(theory.pace),
    )


def by_cell(values: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """25 values as a file has them."""
    return {own: dict(zip(STRATEGIES, values[5 * k : 5 * k + 5], strict=True)) for k, own in enumerate(STRATEGIES)}


weight = st.one_of(st.just(0.0), st.floats(1e-30, 100.0))
threshold = st.floats(-100.0, 100.0)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    barrier=st.lists(st.integers(0, 4), min_size=25, max_size=25),
    empowered=st.lists(st.integers(-1, 4), min_size=25, max_size=25),
    groups=st.lists(st.integers(0, 3), min_size=25, max_size=25),
    paces=st.lists(st.one_of(st.sampled_from([0.0, 0.5, 1.0, 100.0]), st.floats(0.0, 100.0)), min_size=25, max_size=25),
    weights=st.lists(st.lists(weight, min_size=4, max_size=4).filter(any), min_size=4, max_size=4),
    thresholds=st.lists(threshold, min_size=4, max_size=4),
    overrides=st.lists(st.none() | threshold, min_size=4, max_size=4),
    handicap=st.floats(0.0, 100.0),
    other_handicap=st.none() | st.floats(0.0, 100.0),
    handicapped=st.lists(st.booleans(), min_size=25, max_size=25),
    tremble=st.sampled_from([0.0, 0.02, 1.0]),
    reconsideration=st.sampled_from([0.0, 0.25, 0.7, 1.0]),
)
def test_tables__hold_any_theory(
    barrier: list[int], empowered: list[int], groups: list[int], paces: list[float], weights: list[list[float]],
    thresholds: list[float], overrides: list[float | None], handicap: float, other_handicap: float | None,
    handicapped: list[bool], tremble: float, reconsideration: float,
) -> None:  # fmt: skip
    """From the text of a file on; what it says is typed out here, not read by the program."""
    text = yaml.safe_dump({
        "name": "any_theory",
        "source": "test",
        "barrier": by_cell([STRATEGIES[b] for b in barrier]),
        "empowered": by_cell(
            ["never" if e == NEVER else f"{STRATEGIES[e]} {g + 6}x" for e, g in zip(empowered, groups, strict=True)]
        ),
        "propositions": {
            name: {"drivers": dict(zip(DRIVERS, w, strict=True)), "threshold": t}
            for name, w, t in zip(PROPOSITIONS, weights, thresholds, strict=True)
        },
        "symmetric_handicap": handicap,
        "handicapped": [[STRATEGIES[c // 5], STRATEGIES[c % 5]] for c, h in enumerate(handicapped) if h],
        "pace": by_cell(paces),
    })  # fmt: skip
    with given_texts({"any.yaml": text}):
        case = case_of(
            population__periods=1,
            response__theory_mix="any.yaml",
            response__threshold=dict(zip(PROPOSITIONS, overrides, strict=True)),
            response__symmetric_handicap=other_handicap,
            response__tremble=tremble,
            response__reconsideration=reconsideration,
        )
        own = handicap if other_handicap is None else other_handicap
        check_tables(
            case,
            barrier,
            empowered,
            groups,
            weights,
            [t if o is None else o for t, o in zip(thresholds, overrides, strict=True)],
            [own if h else 0.0 for h in handicapped],
            paces,
        )


def test_tables__chances_are_those_of_a_context_that_all_share() -> None:
    """The row of chances equals, to the bit, what is worked out alliance by alliance from the same context."""
    tables = case_of(population__periods=1).arguments.tables
    assert tables is not None
    _, reals = filled(tables)
    # The row of chances takes the place of a row that is not looked up then.
    before = reals.copy()
    context = [single(x) for x in (0.3, 0.8, 0.55, 0.1)]
    stakes, trust, omega, prior = context
    share, bonus, sensitivity = single(0.25), single(0.5), single(3)
    from_python(rows.fill_chances)(tables.reals, *context, share, bonus, sensitivity, reals)
    found = rows.STAKES, rows.TRUST, rows.ORIENTATION, rows.PRIOR, rows.TOTAL, rows.THRESHOLD, rows.HANDICAP
    for cell in range(25):
        values = [before[row, cell] for row in found]
        alone = rows.probability_of(stakes, trust, omega, prior, single(0), *values, share, bonus, sensitivity)
        assert reals[rows.CHANCE, cell] == alone
        tau = 0.75 * 0.8 + 0.25 * 0.3 * 0.55
        drive = np.average([0.3, tau, 0.55, 0.1], weights=values[:4])
        assert alone == pytest.approx(1 / (1 + np.exp(-3 * (drive - values[5] - values[6]))), abs=2e-6)
    others = [row for row in range(rows.ROWS) if row != rows.CHANCE]
    assert (reals[others] == before[others]).all()
    assert len(set(reals[rows.CHANCE, :25])) > 4


# --- files -------------------------------------------------------------------------------------------------------------


def tree() -> dict[str, Any]:
    """larsson1998 as plain data, to be spoilt."""
    return yaml.safe_load(source_of("larsson1998"))


def written(data: dict[str, Any]) -> Theory:
    return parse(yaml.safe_dump(data), "mine.yaml")


def test_parse__plain_data_comes_back_the_same() -> None:
    assert written(tree()) == load("larsson1998")


def test_parse__other_values_are_taken() -> None:
    data = tree()
    data["barrier"]["compromise"]["accommodation"] = "competition X1"
    data["empowered"]["competition"]["accommodation"] = "collaboration 9z"
    data["propositions"]["P9"] = {"drivers": {"prior": 3, "stakes": 0.5}, "threshold": -2}
    data["handicapped"] = [["avoidance", "collaboration"]]
    data["symmetric_handicap"] = 2.5
    data["pace"] = {"avoidance": {"avoidance": 0}, "competition": {"collaboration": 100}}
    data["initial"] = "competition"
    theory = written(data)
    assert (theory.barrier[11], theory.label(11, 1)) == (3, "X1")
    assert (theory.empowered[16], theory.label(16, 0), theory.group(16)) == (4, "9z", 3)
    assert theory.weights[3] == (0.5, 0.0, 0.0, 3.0)
    assert (theory.thresholds[3], theory.handicap, theory.initial) == (-2.0, 2.5, 3)
    assert [cell for cell, h in enumerate(theory.handicapped) if h] == [4]
    assert {cell: p for cell, p in enumerate(theory.pace) if p != 1} == {0: 0.0, 19: 100.0}


def test_parse__propositions_may_be_left_out_where_nothing_is_empowered() -> None:
    data = tree()
    data["empowered"] = {own: dict.fromkeys(STRATEGIES, "never") for own in STRATEGIES}
    del data["propositions"], data["handicapped"], data["symmetric_handicap"], data["pace"]
    theory = written(data)
    assert theory.pace == (1.0,) * 25
    assert theory.handicap == 0
    assert not any(theory.handicapped)
    assert all(sum(weights) > 0 for weights in theory.weights)


def without(path: str) -> dict[str, Any]:
    data = node = tree()
    *parents, leaf = path.split(".")
    for key in parents:
        node = node[key]
    del node[leaf]
    return data


def with_(path: str, value: Any) -> dict[str, Any]:
    data = node = tree()
    *parents, leaf = path.split(".")
    for key in parents:
        node = node.setdefault(key, {})
    node[leaf] = value
    return data


EVERY_STRATEGY = "none of avoidance, accommodation, compromise, competition, collaboration"
SPOILT: dict[str, tuple[dict[str, Any], list[str]]] = {
    "missing barrier cell": (without("barrier.competition.compromise"), ["barrier.competition.compromise is missing"]),
    "missing empowered cell": (
        without("empowered.accommodation.collaboration"),
        ["empowered.accommodation.collaboration is missing"],
    ),
    "missing row": (without("barrier.compromise"), ["barrier.compromise.avoidance is missing", "25 cells"]),
    "missing table": (without("empowered"), ["empowered"]),
    "unknown strategy": (
        with_("barrier.avoidance.competition", "retreat 2a"),
        ["barrier.avoidance.competition = 'retreat 2a'", "'retreat'", EVERY_STRATEGY],
    ),
    "misspelt strategy": (
        with_("barrier.collaboration.competition", "competion 2a"),
        ["barrier.collaboration.competition = 'competion 2a'", "Did you mean competition?"],
    ),
    "misspelt empowered strategy": (
        with_("empowered.collaboration.compromise", "colaboration 8"),
        ["empowered.collaboration.compromise", "'colaboration'", "never", "Did you mean collaboration?"],
    ),
    "never as a barrier": (
        with_("barrier.collaboration.competition", "never"),
        ["barrier.collaboration.competition = 'never'", EVERY_STRATEGY],
    ),
    "never with a proposition": (
        with_("empowered.competition.avoidance", "never 7a"),
        ["empowered.competition.avoidance", "never", "'7a'"],
    ),
    "empowered without proposition": (
        with_("empowered.collaboration.collaboration", "collaboration"),
        ["empowered.collaboration.collaboration", "P6, P7, P8, P9"],
    ),
    "proposition without drivers": (
        without("propositions.P8"),
        ["empowered.compromise.compromise", "'8'", "P6, P7, P9"],
    ),
    "unknown proposition": (
        with_("empowered.collaboration.collaboration", "collaboration 10"),
        ["empowered.collaboration.collaboration", "'10'"],
    ),
    "proposition called none": (
        with_("barrier.compromise.compromise", "compromise none"),
        ["barrier.compromise.compromise", "'none'"],
    ),
    "cell that is no text": (with_("barrier.compromise.compromise", 3), ["barrier.compromise.compromise = 3"]),
    "empty cell": (with_("barrier.compromise.compromise", None), ["barrier.compromise.compromise = None"]),
    "unknown row": (with_("barrier.cooperation", {}), ["barrier.cooperation: must be one of", "Did you mean collaboration?"]),
    "unknown column": (with_("empowered.compromise.cooperation", "never"), ["empowered.compromise.cooperation"]),
    "unknown driver": (with_("propositions.P7.drivers.hope", 1), ["propositions.P7.drivers.hope: must be one of", "stakes, trust"]),
    "all weights zero": (with_("propositions.P6.drivers", {"stakes": 0, "trust": 0}), ["propositions.P6", "weight above 0"]),
    "no drivers": (with_("propositions.P6.drivers", {}), ["propositions.P6", "weight above 0"]),
    "negative weight": (with_("propositions.P6.drivers.stakes", -1), ["propositions.P6.drivers.stakes = -1", "0"]),
    "large weight": (with_("propositions.P6.drivers.stakes", 101), ["propositions.P6.drivers.stakes = 101", "100"]),
    "threshold out of range": (with_("propositions.P9.threshold", 101), ["propositions.P9.threshold = 101", "100"]),
    "threshold missing": (without("propositions.P9.threshold"), ["propositions.P9.threshold"]),
    "unknown group": (with_("propositions.P5", {"drivers": {"trust": 1}, "threshold": 0}), ["propositions.P5", "P6, P7, P8, P9"]),
    "negative handicap": (with_("symmetric_handicap", -0.1), ["symmetric_handicap = -0.1"]),
    "handicap of no cell": (with_("handicapped", [["compromise"]]), ["handicapped.0"]),
    "negative pace": (with_("pace.collaboration.competition", -4), ["pace.collaboration.competition = -4", "0"]),
    "large pace": (with_("pace.collaboration.competition", 101), ["pace.collaboration.competition = 101", "100"]),
    "infinite pace": (with_("pace.collaboration.competition", float("inf")), ["pace.collaboration.competition = inf"]),
    "NaN pace": (with_("pace.collaboration.competition", float("nan")), ["pace.collaboration.competition = nan"]),
    "unknown initial": (with_("initial", "hope"), ["initial = 'hope'", "competition, collaboration"]),
    "unknown key": (with_("colour", "red"), ["colour = 'red'", "there is no such key"]),
    "misspelt key": (with_("barier", {}), ["barier", "Did you mean barrier?"]),
    "misspelt row": (with_("pace.acommodation", {}), ["pace.acommodation", "Did you mean accommodation?"]),
    "misspelt driver": (with_("propositions.P7.drivers.stake", 1), ["drivers.stake", "Did you mean stakes?"]),
    "weight lost in rounding": (with_("propositions.P9.drivers", {"trust": 1e-60}), ["propositions.P9", "at least 1e-30"]),
    "bad name": (with_("name", "1st"), ["name = '1st'"]),
    "no name": (without("name"), ["name"]),
}  # fmt: skip


@pytest.mark.parametrize("case", SPOILT)
def test_parse__names_file_and_cell_of_what_is_wrong(case: str) -> None:
    data, parts = SPOILT[case]
    with pytest.raises(TheoryError) as caught:
        written(data)
    message = str(caught.value)
    assert message.startswith("mine.yaml: ")
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_parse__every_cell_may_have_a_pace_of_its_own() -> None:
    paces = [0.0, 100.0, *(k / 7 for k in range(1, 24))]
    assert len(set(paces)) == 25
    data = tree()
    data["pace"] = by_cell(paces)
    assert written(data).pace == tuple(paces)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: [1, 2", "not YAML"),
        ("a: 'b", "not YAML"),
        ("a: \x00", "not YAML"),
        ("? [1]\n: 2", "not YAML"),
        ("name: 2020-13-45", "not YAML"),
        ("[" * 20000, "not YAML"),
        ("barrier: {avoidance: {}, avoidance: {}}", "avoidance is given twice"),
        ("", "None"),
        ("# nothing but a remark\n", "None"),
        ("- a\n- b\n", "['a', 'b']"),
        ("hello", "'hello'"),
        ("{}", "name"),
        ("a: &x [1]\nb: *x", "not YAML: anchors and aliases (& and *) are not supported, line 1; write each cell out"),
        ("a: 1\nb: *x", "anchors and aliases (& and *) are not supported, line 2"),
        ("a: &x {b: 1}\nc: {<<: *x}", "anchors and aliases"),
        ("name: !!python/object/apply:os.system [ls]", "not YAML: tags (tag:yaml.org,2002:python/object/apply:os.system)"),
        ("name: !!bool foo", "tags (tag:yaml.org,2002:bool) are not supported, line 1"),
        ("!!map foo", "tags (tag:yaml.org,2002:map) are not supported"),
        ("name: !mine x", "tags (!mine) are not supported"),
        ("{" + ", ".join(f"k{k}: 1" for k in range(30000)) + "}", "name"),
        ("x: " + "9" * 5000, "not YAML"),
    ],
    ids=[
        "open list",
        "open quote",
        "null byte",
        "list as key",
        "no date",
        "too deep",
        "twice",
        "empty",
        "remark",
        "list",
        "word",
        "no keys",
        "anchor",
        "alias",
        "merge",
        "program",
        "no bool",
        "no map",
        "own tag",
        "many keys",
        "many digits",
    ],
)
def test_parse__what_is_no_mapping_is_refused(text: str, part: str) -> None:
    with pytest.raises(TheoryError) as caught:
        parse(text, "mine.yaml")
    assert str(caught.value).startswith("mine.yaml: ")
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_load__a_path_is_read(tmp_path: Path) -> None:
    for name in ("mine.yaml", "mine.yml"):
        path = tmp_path / name
        path.write_text(source_of("larsson1998"), encoding="utf-8")
        assert load(str(path)) == load("larsson1998")


def test_load__error_names_the_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(source_of("larsson1998").replace("compromise 3a", "compromize 3a"), encoding="utf-8")
    with pytest.raises(TheoryError, match=r"mine\.yaml: barrier\.compromise\.compromise = .* Did you mean compromise\?"):
        load(str(path))


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("directory", "it is a folder or a device."),
        ("pipe", "it is a folder or a device."),
        ("absent", "No such file or directory."),
        ("no text", "it is no text in UTF-8, from byte 2 on."),
        ("large", "it has 10,000,000 bytes, at most 256,000 are allowed."),
    ],
)
def test_load__a_file_that_cannot_be_read(tmp_path: Path, case: str, reason: str) -> None:
    path = tmp_path / "mine.yaml"
    if case == "directory":
        path.mkdir()
    elif case == "pipe":
        os.mkfifo(path)
    elif case == "no text":
        path.write_bytes(b"a:\xff\xfe\x00\x80")
    elif case == "large":
        path.write_bytes(b"a: 1\n" * 2_000_000)
    with pytest.raises(TheoryError) as caught:
        load(str(path))
    assert str(caught.value) == f"theory file {str(path)!r} cannot be read: {reason}"


def test_load__up_to_the_largest_size(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    text = source_of("larsson1998")
    path.write_text(text + "#" * (MAX_BYTES - len(text.encode())), encoding="utf-8")
    assert load(str(path)) == load("larsson1998")
    with path.open("a") as file:
        file.write("#")
    with pytest.raises(TheoryError, match="it has 256,001 bytes, at most 256,000 are allowed"):
        load(str(path))


def test_parse__nested_aliases_are_refused_before_they_are_expanded() -> None:
    """Nine levels of nine aliases stand for 10^8 words; the line of the first anchor shows that nothing was expanded."""
    lines = ["a0: &a0 [lol]", *(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 10))]
    with pytest.raises(TheoryError, match=r"anchors and aliases .* are not supported, line 1"):
        parse("\n".join(lines), "mine.yaml")


def test_parse__messages_are_short() -> None:
    data = tree()
    for path, value in (("source", ["x"] * 20000), ("pace", "x" * 20000), ("y" * 20000, 1), ("barrier.compromise.compromise",
                        "z" * 20000), ("empowered.avoidance.avoidance", "never " + "v" * 20000)):  # fmt: skip
        data = with_(path, value)
        with pytest.raises(TheoryError) as caught:
            written(data)
        assert len(str(caught.value)) < 400


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.data())
def test_parse__anything_at_all_is_a_theory_or_refused(data: st.DataObject) -> None:
    text = source_of("larsson1998")
    start = data.draw(st.integers(0, len(text)))
    junk = data.draw(st.text(max_size=8) | st.text("!&*|>{}[]:,-?#%@`'\"\n\t <=0x_.", max_size=8))
    spoilt = text[:start] + junk + text[start + data.draw(st.integers(0, 30)) :]
    try:
        assert isinstance(parse(spoilt, "mine.yaml"), Theory)
    except TheoryError as error:
        assert str(error).startswith("mine.yaml: ")  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize("name", ["larson1998", "barrier_only"])
def test_load__an_unknown_name_gets_the_nearest(name: str) -> None:
    nearest = {"larson1998": "larsson1998", "barrier_only": "barriers_only"}[name]
    with pytest.raises(TheoryError, match=f"{name!r} is no known theory.* Did you mean {nearest}\\?"):
        load(name)


@pytest.mark.parametrize("name", ["", ".", "..", "/tmp", "larsson1998.txt", "../theories/larsson1998"])
def test_load__what_is_neither_name_nor_yaml_file(name: str) -> None:
    with pytest.raises(TheoryError, match="is no known theory"):
        load(name)


def test_ordered__digits_of_other_alphabets_are_letters() -> None:
    data = tree()
    data["barrier"]["compromise"]["compromise"] = "compromise 5²"
    assert "5²" in labels([written(data)])
