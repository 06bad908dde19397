"""Designs: levels, factors, rows, points and their keys."""

from __future__ import annotations

import hashlib
import json
import math
import time

import pytest
from conftest import base_config

from sim.config import validate
from sim.design import (
    AMOUNTS,
    ConfigError,
    canonical,
    key_of,
    points,
    theories_of,
    theory_of,
)
from sim.factors import levels_of, point_paths, spaced
from sim.schema import MAX_POINTS, POINT_GROUPS, Config, Factor


def designed(kind="factorial", rows=None, overrides=None, **factors):
    """A config with factors ``label=(path, levels)``."""
    given = {label: {"path": v[0], "levels": v[1]} if isinstance(v, tuple) else {"path": v} for label, v in factors.items()}
    return validate(base_config(**(overrides or {}), design={"kind": kind, "factors": given, "rows": rows}))


def refused(config, *parts):
    """The message that refuses a design: one line that holds all `parts`."""
    with pytest.raises(ConfigError) as caught:
        points(config if isinstance(config, Config) else config())
    text = str(caught.value)
    assert "\n" not in text
    for jargon in ("pydantic", "Traceback", "Input should", "Field required"):
        assert jargon not in text, text
    for part in parts:
        assert part in text, f"{part!r} is not in: {text}"


# Points


def test_single__is_one_point_without_labels():
    (point,) = points(designed("single"))
    assert (point.labels, point.content, point.identity) == ({}, {}, "{}")
    assert point.parameters.population.partners == 2


def test_factorial__last_factor_varies_fastest():
    found = points(designed(a=("context.trust.mean", [0.1, 0.2]), b=("population.partners", [2, 3, 5])))
    assert [tuple(p.labels.values()) for p in found] == [(0.1, 2), (0.1, 3), (0.1, 5), (0.2, 2), (0.2, 3), (0.2, 5)]
    assert [p.parameters.context.trust.mean for p in found] == [0.1] * 3 + [0.2] * 3
    assert [p.parameters.population.partners for p in found] == [2, 3, 5] * 2
    assert all(p.parameters.context.prior.mean == 0.3 for p in found)


def test_list__points_are_its_rows():
    config = designed("list", [{"b": 3, "a": 0.1}, {"a": 0.7, "b": 2}], a="context.trust.mean", b="population.partners")
    assert [p.labels for p in points(config)] == [{"a": 0.1, "b": 3}, {"a": 0.7, "b": 2}]
    assert [p.parameters.population.partners for p in points(config)] == [3, 2]


def test_list__takes_its_levels_from_the_rows_alone():
    config = designed("list", [{"a": 0.9}], a=("context.trust.mean", [0.1, 0.2]))
    assert [p.labels for p in points(config)] == [{"a": 0.9}]


def test_factor__several_keys_take_the_level():
    (low, high) = points(designed(a=(["context.trust.mean", "context.prior.mean"], [0.1, 0.9])))
    assert (low.parameters.context.trust.mean, low.parameters.context.prior.mean) == (0.1, 0.1)
    assert high.content == {"context.trust.mean": 0.9, "context.prior.mean": 0.9}


def test_factor__named_levels():
    levels = [{"all_in": {"avoidance": 0, "accommodation": 0, "compromise": 0, "competition": 0, "collaboration": 1}},
              {"rest": {"collaboration": 0.25}}]  # fmt: skip
    one, two = points(designed(mix=("population.initial.mix", levels)))
    assert (one.labels, two.labels) == ({"mix": "all_in"}, {"mix": "rest"})
    assert one.parameters.population.initial.mix.collaboration == 1
    assert two.parameters.population.initial.mix.accommodation == 0.25
    assert one.content["population.initial.mix"]["avoidance"] == 0
    lists = points(designed(s=("population.initial.strategies", [{"x": ["competition", "collaboration"]}, {"none": None}])))
    assert [p.parameters.population.initial.strategies for p in lists] == [("competition", "collaboration"), None]
    flags = points(designed(h=("response.symmetric_handicap", [{"own": None}, {"half": 0.5}])))
    assert [p.parameters.response.symmetric_handicap for p in flags] == [None, 0.5]


def test_factor__theories(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(source("larsson1998"))
    levels = ["larsson1998", {"none": "barriers_only"}, {"mine": str(mine)}, {"share": {"larsson1998": 1}}]
    found = points(designed(answer=("response.theory_mix", levels)))
    assert [p.labels["answer"] for p in found] == ["larsson1998", "none", "mine", "share"]
    assert [p.content["response.theory_mix"] for p in found] == ["larsson1998", "barriers_only", str(mine), "larsson1998"]
    assert theory_of(found[1].parameters).name == "barriers_only"


def test_factor__mixes_of_theories_replace_each_other():
    halves = {"larsson1998": 0.5, "tit_for_tat": 0.5}
    levels = [{"halves": halves}, {"more": {"larsson1998": 0.25, "barriers_only": 0.75}}, {"bare": "larsson1998"}]
    for base in ("larsson1998", halves):
        config = designed(answer=("response.theory_mix", levels), overrides={"response__theory_mix": base})
        found = points(config)
        assert [p.parameters.response.theory_mix for p in found] == [
            halves, {"barriers_only": 0.75, "larsson1998": 0.25}, "larsson1998"
        ]  # fmt: skip
        assert found[0].content == {"response.theory_mix": halves}
        assert len({key_of(p, 1, False) for p in found}) == 3
    swapped = points(designed(answer=("response.theory_mix", [{"x": dict(reversed(halves.items()))}])))
    assert key_of(swapped[0], 1, False) == key_of(found[0], 1, False)


def test_theories__of_a_point(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(source("larsson1998").replace("symmetric_handicap: 0.1", "symmetric_handicap: 0.2"))
    mix = {"tit_for_tat": 0.25, str(mine): 0.5, "barriers_only": 0.25, "always_avoidance": 0}
    (point,) = points(validate(base_config(response__theory_mix=mix)))
    found = theories_of(point.parameters)
    assert [(name, share, theory.name) for name, share, theory in found] == [
        (str(mine), 0.5, "larsson1998"), ("barriers_only", 0.25, "barriers_only"), ("tit_for_tat", 0.25, "tit_for_tat")
    ]  # fmt: skip
    assert found[0][2].handicap == 0.2
    with pytest.raises(ValueError, match="partners hold several theories"):
        theory_of(point.parameters)
    (alone,) = points(validate(base_config(response__theory_mix={"tit_for_tat": 1})))
    assert theories_of(alone.parameters) == (("tit_for_tat", 1.0, theory_of(alone.parameters)),)


def test_factor__a_file_is_read_anew_in_each_call(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(source("larsson1998"))
    config = designed(answer=("response.theory_mix", [{"mine": str(mine)}]))
    before = theory_of(points(config)[0].parameters)
    mine.write_text(source("larsson1998").replace("symmetric_handicap: 0.1", "symmetric_handicap: 0.2"))
    assert (before.handicap, theory_of(points(config)[0].parameters).handicap) == (0.1, 0.2)
    mine.write_text(source("larsson1998").replace("symmetric_handicap: 0.1", "symmetric_handicap: much"))
    refused(config, "level mine of factor 'answer': response.theory_mix = ", "symmetric_handicap", "much")


def source(name):
    from sim.theory import source_of

    return source_of(name)


def test_points__share_what_no_factor_tells_apart():
    one, two = points(designed(a=("context.trust.mean", [0.1, 0.2])))
    assert one.parameters.population is two.parameters.population
    assert one.parameters.context != two.parameters.context


def test_points__paths_are_those_of_the_point_groups():
    known = point_paths()
    assert known["population.partners"]
    assert known["population.initial.mix.avoidance"]
    assert known["population.initial.mix"] is False
    assert {path.partition(".")[0] for path in known} == set(POINT_GROUPS)


# Identity and keys


def test_identity__is_canonical():
    (whole,) = points(designed(b=("context.trust.mean", [1]), a=("population.partners", [2])))
    (real,) = points(designed(a=("population.partners", [2.0]), b=("context.trust.mean", [1.0])))
    assert whole.identity == real.identity == '{"a":2.0,"b":1.0}'
    (zero,) = points(designed(b=("response.threshold.P6", [-0.0])))
    assert zero.identity == '{"b":0.0}'
    (big,) = points(designed(b=("population.alliances", [2**53 + 1])))
    assert big.identity == '{"b":9007199254740993}'
    assert canonical({"b": [1, "x"], "a": None}) == '{"a":null,"b":[1,"x"]}'
    with pytest.raises(ValueError, match="JSON"):
        canonical(math.nan)


def test_key__common_is_the_seed_alone():
    found = points(designed(a=("context.trust.mean", [0.1, 0.2])))
    assert [key_of(p, 7, True) for p in found] == [(7, 0), (7, 0)]


def test_key__else_is_of_the_content():
    found = points(designed(a=("context.trust.mean", [0.1, 0.2])))
    keys = [key_of(p, 7, False) for p in found]
    assert len(set(keys)) == 2
    digest = hashlib.sha256(b'[7,{"context.trust.mean":0.1}]').digest()
    assert keys[0] == (int.from_bytes(digest[:4], "big"), int.from_bytes(digest[4:8], "big"))
    assert key_of(found[0], 8, False) != keys[0]
    assert all(0 <= word < 2**32 for key in keys for word in key)


def test_key__ignores_order_labels_alliances_and_periods():
    def keys(config):
        return {p.parameters.context.trust.mean: key_of(p, 1, False) for p in points(config)}

    plain = keys(designed(a=("context.trust.mean", [0.1, 0.2, 1])))
    assert plain == keys(designed(a=("context.trust.mean", [1.0, 0.2, 0.1])))
    assert plain == keys(designed(other=("context.trust.mean", [{"x": 0.1}, {"y": 0.2}, {"z": 1}])))
    assert plain == keys(designed("list", [{"a": 0.2}, {"a": 1}, {"a": 0.1}], a="context.trust.mean"))
    for amount in AMOUNTS:
        assert plain == keys(designed(n=(amount, [3]), a=("context.trust.mean", [0.1, 0.2, 1])))
        assert plain == keys(designed(a=("context.trust.mean", [0.1, 0.2, 1]), overrides={amount.replace(".", "__"): 3}))
    both = points(designed(a=("context.trust.mean", [0.1]), b=("context.prior.mean", [0.2])))
    swapped = points(designed(b=("context.prior.mean", [0.2]), a=("context.trust.mean", [0.1])))
    assert key_of(both[0], 1, False) == key_of(swapped[0], 1, False)


def test_content__is_json_without_amounts():
    config = designed(n=("population.alliances", [10]), t=("population.periods", [5]), p=("population.partners", [2.0]),
                      s=("population.initial.strategies", [{"x": ["competition", "collaboration"]}]))  # fmt: skip
    (point,) = points(config)
    assert json.loads(canonical(point.content)) == {
        "population.partners": 2,
        "population.initial.strategies": ["competition", "collaboration"],
    }
    assert type(point.content["population.partners"]) is int


# Levels


@pytest.mark.parametrize(
    ("spacing", "values"),
    [
        ({"low": 0, "high": 1, "n": 1}, [0]),
        ({"low": 0.1, "high": 0.9, "n": 2}, [0.1, 0.9]),
        ({"low": 0, "high": 0.3, "n": 3}, [0, 0.15, 0.3]),
        ({"low": 1, "high": 0, "n": 3}, [1, 0.5, 0]),
        ({"low": -0.3, "high": 0.6, "n": 4}, [-0.3, 0, 0.3, 0.6]),
        ({"low": 0.01, "high": 100, "n": 5, "scale": "log"}, [0.01, 0.1, 1, 10, 100]),
        ({"low": 1e-30, "high": 1, "n": 3, "scale": "log"}, [1e-30, 1e-15, 1]),
    ],
)
def test_levels__spaced(spacing, values):
    found = levels_of("a", Factor(path="context.trust.mean", levels=spacing))
    assert [c for c, _ in found] == [v for _, v in found] == values


def test_levels__read_as_one_writes_them():
    assert [repr(v) for v in spaced(0, 1, 21)[1:-1]] == [repr(round(0.05 * k, 2)) for k in range(1, 20)]
    assert spaced(-1e308, 1e308, 3)[0] == -1e308


BAD_LEVELS = [
    ([], "design.factors.a.levels = []: design=factorial needs levels"),
    (None, "design.factors.a.levels = null: design=factorial needs levels: a list, or {low, high, n, scale}."),
    ([0.1, 0.2, 0.1], "design.factors.a.levels: the level 0.1 appears twice."),
    ([1, 1.0], "design.factors.a.levels: the level 1.0 appears twice."),
    ([0.0, -0.0], "appears twice"),
    ([{"x": 0.1}, {"x": 0.2}], "design.factors.a.levels: the level x appears twice."),
    ([0.1, {"x": 0.2}], "design.factors.a.levels = [0.1, x]: the levels mix numbers and names; use one kind."),
    ([[0.1]], "a level that is no number or word is written {name: value}, got [0.1]."),
    ([None], "is written {name: value}, got null."),
    ([True], "is written {name: value}, got true."),
    ([{"x": 0.1, "y": 0.2}], "is written {name: value}, got {x: 0.1, y: 0.2}."),
    ([{}], "is written {name: value}, got {}."),
    ([0.5, 1.5], "level 1.5 of factor 'a': context.trust.mean = 1.5: must be in [0, 1]."),
    (["high"], "level high of factor 'a': context.trust.mean = high: must be a number in [0, 1]."),
    ([{"x": None}], "level x of factor 'a': context.trust.mean = null: must be a number in [0, 1]."),
    ({"low": 0, "high": 2, "n": 3}, "level 2.0 of factor 'a': context.trust.mean = 2.0: must be in [0, 1]."),
    ({"low": 0, "high": 1, "n": 3, "scale": "log"}, "scale log needs low and high above 0, got 0 and 1."),
    ({"low": -1, "high": 1, "n": 3, "scale": "log"}, "scale log needs low and high above 0, got -1 and 1."),
    ({"low": 0, "high": 1}, "design.factors.a.levels.n = null: design=factorial needs the number of levels"),
    ({"low": 0.5, "high": 2, "scale": "integer"}, "levels: scale integer needs whole low and high, got 0.5 and 2."),
    ({"low": 0, "high": 1e300, "scale": "integer"}, "scale integer needs whole low and high, got 0 and 1e+300."),
    ({"low": 0, "high": 1, "n": 3, "scale": "integer"}, "levels.n = 3: there are 2 whole numbers from 0 to 1, not 3; leave n"),
    ({"low": 0.5, "high": 0.5, "n": 3}, "low and high are both 0.5; 3 levels would be one."),
    ({"low": 0.5, "high": 0.5 + 1e-14, "n": 9}, "the level 0.5 appears twice."),
]  # fmt: skip


@pytest.mark.parametrize(("levels", "part"), BAD_LEVELS)
def test_levels__refused(levels, part):
    refused(designed(a=("context.trust.mean", levels)), part)


@pytest.mark.parametrize(("n", "text"), [(0, "0"), (-1, "-1"), (2.5, "2.5"), (MAX_POINTS + 1, "1000001"), (True, "true")])
def test_levels__number(n, text):
    said = f"design.factors.a.levels.n = {text}: must be null or a whole number in [1, 1e6]."
    refused(lambda: designed(a=("context.trust.mean", {"low": 0, "high": 1, "n": n})), said)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_levels__finite(value):
    for levels, key in (([value], "levels[0]"), ([{"x": value}], "levels[0]"), ([{"x": [0, value]}], "levels[0]")):
        refused(
            lambda v=levels: designed(a=("context.trust.mean", v)), f"design.factors.a.{key} = ", "must be a finite number."
        )
    spacing = {"low": 0, "high": value, "n": 3}
    refused(lambda: designed(a=("context.trust.mean", spacing)), f"levels.high = {value}: must be a number.")
    refused(
        lambda: designed("list", [{"a": value}], a="context.trust.mean"), "design.rows[0].a = ", "must be a finite number."
    )


# Factors

BAD_PATHS = [
    ("context.trust.men", "path = context.trust.men: there is no such key of population, response, context, ability, race, phases."),
    ("context.trust.men", "Did you mean context.trust.mean?"),
    ("contxt.trust.mean", "Did you mean context.trust.mean?"),
    ("mean", "there is no such key"),
    ("random.seed", "there is no such key of population, response, context, ability, race, phases."),
    ("output.every", "there is no such key of"),
    ("", "design.factors.a.path = '': there is no such key of"),
    ("population", "path = population: this is a group of keys; name one of population.partners, population.alliances"),
    ("context.trust", "level 0.5 of factor 'a': context.trust = 0.5: must be a group of keys (distribution, mean, concentra"),
    ("population.initial.mix", "population.initial.mix = 0.5: must be a group of keys (avoidance, accommodation"),
    (["context.trust.mean", "context.trust.mean"], "path = context.trust.mean: the factor 'a' already sets"),
    (["context.trust.mean", "context.trust"], "path = context.trust: the factor 'a' already sets context.trust.mean."),
    (["context.trust.mean", "context.prior.man"], "design.factors.a.path = context.prior.man: there is no such key"),
    (["context.trust.mean", "population.partners"], "level 0.5 of factor 'a': population.partners = 0.5: must be a whole "),
]  # fmt: skip


@pytest.mark.parametrize(("path", "part"), BAD_PATHS)
def test_path__refused(path, part):
    refused(designed(a=(path, [0.5])), part)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("context.trust.mean", "context.trust.mean"),
        ("population.initial.mix", "population.initial.mix.avoidance"),
        ("population.initial.mix.avoidance", "population.initial.mix"),
        ("population.initial.mix", "population.initial"),
    ],
)
def test_path__two_factors_on_one(first, second):
    config = designed(a=(first, [{"x": 0}]), b=(second, [{"x": 0}]))
    refused(config, f"design.factors.b.path = {second}: the factor 'a' already sets {first}.")


def test_path__one_that_begins_like_another_is_another():
    found = points(designed(a=("response.aware", [0.1]), b=("response.awareness_bonus", [0.2])))
    assert len(found) == 1


@pytest.mark.parametrize("label", ["survival", "strategy_share", "period", "point", "strategy", "alliances", "inequity_n"])
def test_label__is_taken(label):
    refused(
        designed(**{label: ("context.trust.mean", [0.5])}),
        f"design.factors.{label}: '{label}' is the name of a recorded variable",
    )


@pytest.mark.parametrize("label", ["a b", "1a", "a-b", "", "_a", "a.b", "_target_x"])
def test_label__is_a_word(label):
    refused(
        designed(**{label: ("context.trust.mean", [0.5])}),
        f"design.factors.{label or repr(label)}: a label is a word of letters",
    )


# Kinds


def test_kind__single_has_no_factors():
    refused(designed("single", a=("context.trust.mean", [0.5])), "design.kind = single", "names a", "use design=factorial")
    refused(designed("single", [{"a": 1}]), "design.rows = [{a: 1}]: rows belong to design=list; design.kind is single.")


def test_kind__factorial_needs_factors_and_no_rows():
    refused(designed("factorial"), "design.kind = factorial: needs design.factors: label -> {path, levels}.")
    refused(
        designed("factorial", [{"a": 1}], a=("context.trust.mean", [0.5])),
        "rows belong to design=list; design.kind is factorial",
    )


@pytest.mark.parametrize(
    ("rows", "part"),
    [
        (None, "design.rows = null: design=list needs one {label: value} for each point."),
        ([], "design.rows = []: design=list needs one {label: value} for each point."),
        ([{"a": 0.1}], "design.rows[0] = {a: 0.1}: every row gives each of a, b; check b."),
        ([{"a": 0.1, "b": 2}, {"a": 0.1, "b": 2, "c": 1}], "design.rows[1] = {a: 0.1, b: 2, c: 1}: every row gives each "),
        ([{}], "design.rows[0] = {}: every row gives each of a, b; check a, b."),
        ([{"a": 0.1, "b": 2}, {"a": 0.2, "b": 2}, {"b": 2.0, "a": 0.1}],
         "design.rows[2] = {a: 0.1, b: 2.0}: the same point as design.rows[0]."),
        ([{"a": 0.1, "b": 2}, {"a": "x", "b": 2}],
         "design.rows[1]: a = x: design.rows[0] has 0.1; the levels of a factor are all numbers or all names."),
        ([{"a": {"x": 0.1}, "b": 2}, {"a": {"x": 0.2}, "b": 3}],
         "design.rows[1]: a = x: the name stands for another value in another row."),
        ([{"a": 0.1, "b": 1}], "level 1 of factor 'b': population.partners = 1: must be a whole number in [2, 32]."),
        ([{"a": [1], "b": 2}], "design.rows[0].a: a level that is no number or word is written {name: value}, got [1]."),
    ],
)  # fmt: skip
def test_list__rows_refused(rows, part):
    refused(designed("list", rows, a="context.trust.mean", b="population.partners"), part)


def test_list__needs_factors():
    refused(designed("list", [{"a": 1}]), "design.kind = list: needs design.factors")


# What a point as a whole refuses


def test_point__strategies_of_the_wrong_length():
    both = {"overrides": {"population__initial__strategies": ["collaboration", "competition"]}}
    said = (
        "population.initial.strategies = [collaboration, competition]: must name 3 strategies, one for each partner; got 2."
    )
    refused(designed(n=("population.partners", [2, 3]), **both), f"point {{n: 3}}: {said}")
    refused(
        lambda: validate(
            base_config(population__partners=3, population__initial__strategies=["collaboration", "competition"])
        ),
        said,
    )


def test_point__mix_that_does_not_sum():
    shares = designed(a=("population.initial.mix.avoidance", [0, 0.1]))
    refused(shares, "level 0.1 of factor 'a': population.initial.mix = {avoidance: 0.1", "must sum to 1, these sum to 1.1.")
    misspelt = designed(a=("population.initial.mix", [{"x": {"avoidnce": 0.1}}]))
    refused(misspelt, "level x of factor 'a': population.initial.mix.avoidnce = 0.1: there is no such key.")
    refused(misspelt, "Did you mean population.initial.mix.avoidance?")


def test_point__probability_below_the_step_of_the_draws():
    refused(
        designed(a=("response.tremble", [0, 1e-9])),
        "level 1e-09 of factor 'a': response.tremble = 1e-09: must be 0 or at least 2^-24",
    )


def test_point__theories_refused(tmp_path):
    refused(designed(a=("response.theory_mix", ["larsson1998", "larson1998"])),
            "level larson1998 of factor 'a': response.theory_mix = larson1998: ", "Did you mean larsson1998?")  # fmt: skip
    refused(
        validate(base_config(response__theory_mix="larson1998")),
        "response.theory_mix = larson1998: ",
        "larsson1998, tit_for_tat, or a path",
    )
    mixed = designed(a=("response.theory_mix", [{"x": {"larsson1998": 0.5, "tit_for_tit": 0.5}}]))
    refused(mixed, "level x of factor 'a': response.theory_mix = {larsson1998: 0.5, tit_for_tit: 0.5}: 'tit_for_tit' is no ")
    refused(mixed, "Did you mean tit_for_tat?")
    refused(designed(a=("response.theory_mix", [{"x": {"larsson1998": 0.5}}])),
            "level x of factor 'a': response.theory_mix = {larsson1998: 0.5}: the shares must sum to 1")  # fmt: skip
    refused(designed(a=("response.theory_mix.larsson1998", [0.5])), "no such key", "Did you mean response.theory_mix?")
    refused(
        validate(base_config(response__theory_mix="no/such.yaml")), "response.theory_mix = no/such.yaml: ", "cannot be read"
    )
    refused(
        designed(a=("response.theory_mix", [1])),
        "response.theory_mix = 1: must be a theory's name or .yaml file, or {name: share}.",
    )
    mine = tmp_path / "t.yaml"
    for before, after, part in [
        ("  compromise:    {avoidance: avoidance 5, accommodation: compromise,", "  compromise:    {avoidance: avoidance 5,",
         "barrier.compromise.accommodation is missing; all 25 cells are needed."),
        ("symmetric_handicap: 0.1", "symmetric_handicap: [0.1]", "symmetric_handicap = [0.1]: must be "),
        ("handicapped:", "handicaped:", "handicaped"),
        ("drivers: {stakes: 1, prior: 1}", "drivers: {stakes: 1, priors: 1}", "priors"),
        ("name: larsson1998", "name: larsson1998\nname: [", "not YAML"),
    ]:  # fmt: skip
        assert before in source("larsson1998")
        mine.write_text(source("larsson1998").replace(before, after, 1))
        refused(validate(base_config(response__theory_mix=str(mine))), "response.theory_mix = ", "t.yaml: ", part)
        both = {str(mine): 0.5, "larsson1998": 0.5}
        refused(validate(base_config(response__theory_mix=both)), "response.theory_mix = {", "t.yaml: ", part)


def test_point__distributions_change_with_a_factor():
    """Keys of a distribution that is not chosen do not act, so that levels may choose it."""
    overrides = {"context__trust__values": [0.1, 0.9], "context__trust__low": 0.2, "context__trust__high": 0.3}
    kinds = ["constant", "beta", "uniform", "empirical"]
    found = points(designed(d=("context.trust.distribution", kinds), overrides=overrides))
    assert [p.parameters.context.trust.distribution for p in found] == kinds
    named = [{"few": [0.1, 0.9]}, {"one": [0.5]}]
    (few, one) = points(designed(v=("context.trust.values", named), overrides={"context__trust__distribution": "empirical",
                                                                               **overrides}))  # fmt: skip
    assert (few.parameters.context.trust.values, one.parameters.context.trust.values) == ((0.1, 0.9), (0.5,))
    assert json.loads(canonical(few.content)) == {"context.trust.values": [0.1, 0.9]}
    refused(designed(d=("context.trust.distribution", ["empirical"])),
            "point {d: empirical}: context.trust.values = null: distribution empirical needs values")  # fmt: skip
    refused(designed(low=("context.trust.low", [0.4]), overrides={**overrides, "context__trust__distribution": "uniform"}),
            "level 0.4 of factor 'low': context.trust.low = 0.4: distribution uniform needs low")  # fmt: skip


def test_point__race_and_phases_are_factors():
    found = points(designed(a=("race.scope", [{"none": None}, {"ten": 10}]), b=("phases.table.expansion.openness", [0.5]),
                            c=("phases.weights", [{"x": {"equity": 0}}])))  # fmt: skip
    assert [p.parameters.race.scope for p in found] == [None, 10]
    assert found[0].parameters.phases.table.expansion.openness == 0.5
    assert found[0].parameters.phases.weights.model_dump() == {"efficiency": 1, "equity": 0, "adaptability": 1}
    refused(
        designed(a=("phases.fail", [0.1, 0.7])), "level 0.7 of factor 'a': phases.fail = 0.7: must be at most phases.adv"
    )


# Size


def test_size__too_many_points_are_refused_at_once():
    spacing = {"low": 0, "high": 1, "n": 10**6}
    config = designed(
        a=("context.trust.mean", spacing), b=("context.prior.mean", spacing), c=("context.stakes.mean", spacing)
    )
    begin = time.perf_counter()
    refused(
        config,
        "design.factors: 1000000 x 1000000 x 1000000 = 1,000,000,000,000,000,000 points; at most 1,000,000 are possible.",
    )
    assert time.perf_counter() - begin < 1


def test_size__ten_thousand_points_are_quick():
    factors = {
        label: (f"context.{label}.mean", {"low": 0, "high": 1, "n": 10})
        for label in ("trust", "stakes", "orientation", "prior")
    }
    begin = time.perf_counter()
    found = points(designed(**factors))
    assert time.perf_counter() - begin < 3
    assert len({p.identity for p in found}) == 10_000


def test_points__a_group_level_is_laid_over_at_every_depth(make_config):
    """One number of one phase, all other phases as they are."""
    level = {"open": {"awareness": {"openness": 1.0}}}
    factor = {"tables": {"path": "phases.table", "levels": [level, {"as it is": {}}]}}
    opened, plain = points(make_config(design__kind="factorial", design__factors=factor))
    assert opened.parameters.phases.table.awareness.openness == 1.0
    assert opened.parameters.phases.table.awareness.mutuality == plain.parameters.phases.table.awareness.mutuality
    assert opened.parameters.phases.table.exploration == plain.parameters.phases.table.exploration
