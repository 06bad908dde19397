"""Sampled designs: sizes, samples, the levels they stand for, runs that are one point, stores that grow."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time
from collections import Counter

import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from conftest import base_config
from hypothesis import given, settings

from sim import experiment, opening, survey
from sim.api import open_results
from sim.config import from_mapping, resolved, validate
from sim.design import ConfigError, design_rows, points
from sim.factors import levels_of, quantiles
from sim.outlook import plan_text
from sim.sampling import GROWING, SAMPLED, runs_of, unit_sample
from sim.schema import MAX_POINTS, Config, Design, Factor

TRUST = ("context.trust.mean", {"low": 0, "high": 1})
STAKES = ("context.stakes.mean", {"low": 0.2, "high": 0.9})
TREMBLE = ("response.tremble", {"low": 1e-4, "high": 0.1, "scale": "log"})
PARTNERS = ("population.partners", {"low": 2, "high": 5, "scale": "integer"})
RULE = ("response.theory_mix", ["larsson1998", {"mixed": {"larsson1998": 0.5, "tit_for_tat": 0.5}}])
KIND = ("phases.kind", ["none", "iyer2002"])
EVERY = {"trust": TRUST, "tremble": TREMBLE, "partners": PARTNERS, "rule": RULE, "form": KIND}
ONE = {"trust": TRUST}
#: Kind -> runs of 8 points with 5 factors.
SIZES = {"latin_hypercube": 8, "sobol": 8, "saltelli": 8 * 7, "morris": 8 * 6}


def sampled(kind, points=8, factors=None, overrides=None, **more) -> Config:
    given = {k: {"path": p, "levels": v} for k, (p, v) in (EVERY if factors is None else factors).items()}
    design = {"kind": kind, "factors": given, "points": points, "levels": 4 if kind == "morris" else None, **more}
    return validate(base_config(design=design, **(overrides or {})))


def refused(config, *parts):
    """The message that refuses a design: one line that holds all `parts`."""
    with pytest.raises(ConfigError) as caught:
        points(config)
    text = str(caught.value)
    assert "\n" not in text
    for part in parts:
        assert part in text, f"{part!r} is not in: {text}"


def labels(config: Config) -> list[dict[str, float | int | str]]:
    """The labels of every run, equal ones each."""
    found, runs = design_rows(config)
    return [found[k].labels for k in runs]


# Levels


ENDS = st.lists(st.floats(1e-3, 100), min_size=2, max_size=2, unique_by=lambda x: f"{x:.6g}").map(sorted)
POSITIONS = st.lists(st.floats(0, 1), min_size=1, max_size=20).map(lambda u: np.array(sorted(u)))


@given(ENDS, POSITIONS, st.sampled_from(["linear", "log"]), st.sampled_from([1, -1]))
@settings(derandomize=True, deadline=None)
def test_quantiles__stay_in_the_range_and_in_order(ends, u, scale, sign):
    low, high = ends if sign == 1 or scale == "log" else (-ends[1], -ends[0])
    factor = Factor(path="response.threshold.P6", levels={"low": low, "high": high, "scale": scale})
    found = [v for _, v in quantiles("a", factor, "sobol")(u)]
    assert all(low <= v <= high for v in found)
    assert found == sorted(found)
    assert all(v in (low, high) or v == float(f"{v:.12g}") for v in found)
    assert [v for _, v in quantiles("a", factor, "sobol")(np.array([0.0, 1.0]))] == pytest.approx([low, high], rel=1e-11)


def test_quantiles__values():
    u = np.array([0, 0.25, 0.5, 1])
    for levels, values in (
        ({"low": 0.1, "high": 0.3}, [0.1, 0.15, 0.2, 0.3]),
        ({"low": 0.01, "high": 1, "scale": "log"}, [0.01, 0.0316227766017, 0.1, 1]),
        ({"low": 0, "high": 1, "n": 9}, [0, 0.25, 0.5, 1]),
        ([0.2, 0.7, 0.1], [0.2, 0.2, 0.7, 0.1]),
    ):
        found = quantiles("a", Factor(path="context.trust.mean", levels=levels), "sobol")(u)
        assert [v for _, v in found] == values == [c for c, _ in found]


def test_quantiles__a_probability_below_the_step_of_the_draws_is_none():
    u = np.array([0, 2.0**-25, 2.0**-24, 0.5])
    for path, values in (("response.tremble", [0, 0, 2.0**-24, 0.5]), ("context.trust.mean", [0, 2.0**-25, 2.0**-24, 0.5])):
        found = [v for _, v in quantiles("a", Factor(path=path, levels={"low": 0, "high": 1}), "sobol")(u)]
        assert found == [float(f"{v:.12g}") for v in values]


@given(st.integers(2, 40), st.integers(1, 50))
@settings(derandomize=True, deadline=None)
def test_quantiles__whole_numbers_and_names_take_equal_parts(number, parts):
    """Of a sample that has as many positions in each part of the range, each level takes as many."""
    u = (np.arange(number * parts) + 0.5) / (number * parts)
    for levels, names in (
        ({"low": 1, "high": number, "scale": "integer"}, range(1, number + 1)),
        ([f"n{k}" for k in range(number)], [f"n{k}" for k in range(number)]),
    ):
        found = quantiles("a", Factor(path="population.periods" if isinstance(levels, dict) else "x", levels=levels), "x")(u)
        assert [c for c, _ in found] == [name for name in names for _ in range(parts)]
    grid = np.arange(number + 1) / number
    assert [c for c, _ in quantiles("a", Factor(path="population.periods", levels={"low": 1, "high": number, "scale": "integer"}),
                                    "morris")(grid)] == [*range(1, number + 1), number]  # fmt: skip


def test_levels__whole_numbers_of_a_factorial():
    def found(**spacing):
        pairs = levels_of("a", Factor(path="population.partners", levels={"scale": "integer", **spacing}))
        assert all(type(c) is type(v) is int for c, v in pairs)
        return [v for _, v in pairs]

    assert found(low=2, high=5) == [2, 3, 4, 5]
    assert found(low=2, high=5, n=4) == [2, 3, 4, 5]
    assert found(low=1, high=100, n=4) == [1, 34, 67, 100]
    assert found(low=3, high=3) == found(low=3, high=9, n=1) == [3]
    assert found(low=5, high=2) == [5, 4, 3, 2]


# Samples


@pytest.mark.parametrize("kind", SAMPLED)
def test_design__every_kind_of_factor(kind):
    config = sampled(kind)
    found, runs = design_rows(config)
    assert len(runs) == SIZES[kind] == runs_of(config.design, 8)
    assert sorted(set(runs.tolist())) == list(range(len(found)))
    for point in found:
        assert list(point.labels) == list(EVERY)
        p = point.parameters
        assert point.labels["partners"] == p.population.partners
        assert type(point.labels["partners"]) is int
        assert point.labels["trust"] == p.context.trust.mean
        assert (point.labels["rule"] == "mixed") is isinstance(p.response.theory_mix, dict)
        assert point.labels["form"] == p.phases.kind
        assert 1e-4 <= p.response.tremble <= 0.1
    assert {p.labels["form"] for p in found} == {"none", "iyer2002"}
    assert points(config) == found


@pytest.mark.parametrize("kind", SAMPLED)
def test_design__the_seed_is_its_own(kind):
    ours = labels(sampled(kind))
    assert labels(sampled(kind, overrides={"random__seed": 9})) == ours
    assert labels(sampled(kind, seed=2)) != ours


@pytest.mark.parametrize("kind", SAMPLED)
def test_design__of_a_saved_config_is_the_same(kind):
    config = sampled(kind)
    for again in (
        Config.model_validate(json.loads(json.dumps(config.model_dump(mode="json")))),
        from_mapping(resolved(config)),
    ):
        (ours, runs), (theirs, other) = design_rows(config), design_rows(again)
        assert ours == theirs
        assert runs.tolist() == other.tolist()


def test_design__is_the_same_in_another_process():
    """And, as far as these digits go, in every version of the libraries that draw: stored designs are made again."""
    code = """if True:
        import json, sys
        from sim.schema import Design
        from sim.sampling import unit_sample
        factors = {k: {"path": "context.trust.mean"} for k in "abc"}
        for kind in sys.argv[1:]:
            print(unit_sample(Design(kind=kind, factors=factors, rows=None, points=4, levels=4)).tolist())
    """
    told = subprocess.run([sys.executable, "-c", code, *SAMPLED], capture_output=True, text=True, check=True).stdout
    factors = {k: {"path": "context.trust.mean"} for k in "abc"}
    for line, kind in zip(told.splitlines(), SAMPLED, strict=True):
        assert json.loads(line) == unit_sample(Design(kind=kind, factors=factors, rows=None, points=4, levels=4)).tolist()
    known = {
        "latin_hypercube": LATIN, "sobol": SOBOL, "saltelli": SALTELLI, "morris": MORRIS,
    }  # fmt: skip
    for kind, row in known.items():
        found = unit_sample(Design(kind=kind, factors=factors, rows=None, points=4, levels=4))[1]
        np.testing.assert_allclose(found, row, atol=1e-9)


LATIN = [0.6699494034, 0.7257847193, 0.2968554278]
SOBOL = [0.9456960997, 0.6048936443, 0.1764043719]
SALTELLI = [0.2423999896, 0.5887473263, 0.6075321753]
MORRIS = [0.3333333333, 0.6666666667, 0.0]


def test_latin_hypercube__every_part_of_every_factor_is_used_once():
    found = labels(sampled("latin_hypercube", 50, {"trust": TRUST, "stakes": STAKES}))
    for label, (_, levels) in {"trust": TRUST, "stakes": STAKES}.items():
        low, high = levels["low"], levels["high"]
        assert sorted(int((row[label] - low) / (high - low) * 50) for row in found) == list(range(50))


def test_sobol__is_balanced_in_every_factor():
    found = labels(sampled("sobol", 64))
    assert {n: sum(row["partners"] == n for row in found) for n in (2, 3, 4, 5)} == dict.fromkeys((2, 3, 4, 5), 16)
    assert sum(row["form"] == "none" for row in found) == 32
    assert sorted(int(row["trust"] * 64) for row in found) == list(range(64))


def test_saltelli__runs_are_a_then_each_factor_from_b_then_b():
    found, names = labels(sampled("saltelli", 16)), list(EVERY)
    for start in range(0, len(found), 7):
        a, *mixed, b = found[start : start + 7]
        for name, row in zip(names, mixed, strict=True):
            assert row == {**a, name: b[name]}


def test_saltelli__recovers_known_indices():
    """Of 2 x + y, x and y even on [0, 1], the shares of variance are 4/5 and 1/5."""
    from SALib.analyze import sobol

    config = sampled("saltelli", 512, {"x": TRUST, "y": ("context.prior.mean", {"low": 0, "high": 1})})
    y = np.array([2 * row["x"] + row["y"] for row in labels(config)])
    problem = {"num_vars": 2, "names": ["x", "y"], "bounds": [[0, 1]] * 2}
    found = sobol.analyze(problem, y, calc_second_order=False, seed=1)
    np.testing.assert_allclose(found["S1"], [0.8, 0.2], atol=0.01)
    np.testing.assert_allclose(found["ST"], [0.8, 0.2], atol=0.01)


def test_morris__a_step_changes_one_factor():
    found = labels(sampled("morris", 6))
    for start in range(0, len(found), 6):
        steps = found[start : start + 6]
        changed = [[k for k in EVERY if a[k] != b[k]] for a, b in itertools.pairwise(steps)]
        assert sorted(each for step in changed for each in step) == sorted(EVERY)
        assert all(len(step) == 1 for step in changed)
    assert {row["trust"] for row in found} <= {0.0, 0.333333333333, 0.666666666667, 1.0}


def test_morris__recovers_known_effects():
    from SALib.analyze import morris

    config = sampled("morris", 4, {"x": TRUST, "y": ("context.prior.mean", {"low": 0, "high": 1})}, levels=6)
    y = np.array([2 * row["x"] - row["y"] for row in labels(config)])
    problem = {"num_vars": 2, "names": ["x", "y"], "bounds": [[0, 1]] * 2}
    found = morris.analyze(problem, unit_sample(config.design), y, num_levels=6)
    np.testing.assert_allclose(found["mu"], [2, -1], atol=1e-9)


# Runs that are one point


@pytest.mark.parametrize("kind", SAMPLED)
def test_rows__equal_ones_are_one_point(kind):
    config = sampled(kind, 16, {"rule": RULE, "form": KIND})
    found, runs = design_rows(config)
    assert len({p.identity for p in found}) == len(found) <= 4 < len(runs)
    # In the order in which they first come.
    assert list(dict.fromkeys(runs.tolist())) == list(range(len(found)))


def test_rows__of_a_design_that_is_no_sample():
    for design in (
        {"kind": "single"},
        {"kind": "factorial", "factors": {"a": {"path": "ability.moderate", "levels": [0, 1, 0.5]}}},
        {"kind": "list", "factors": {"a": {"path": "ability.moderate"}}, "rows": [{"a": 0.5}, {"a": 0}]},
    ):
        found, runs = design_rows(validate(base_config(design=design)))
        assert runs.tolist() == list(range(len(found)))


@given(st.sampled_from(GROWING), st.integers(0, 4), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=30, derandomize=True, deadline=None)
def test_growing__twice_as_many_points_begin_with_the_first(kind, power, seed, names):
    factors = {"rule": RULE, "partners": PARTNERS} if names else EVERY
    few, many = (design_rows(sampled(kind, n, factors, seed=seed)) for n in (2**power, 2 ** (power + 1)))
    assert [p.identity for p in many[0][: len(few[0])]] == [p.identity for p in few[0]]
    assert many[1][: len(few[1])].tolist() == few[1].tolist()
    assert len(many[1]) == 2 * len(few[1])


# Stores


SMALL = {"population__alliances": 100, "population__periods": 4, "output__variables": ["learning", "response_count"]}
FEW = {"trust": TRUST, "partners": PARTNERS, "coupling": ("population.coupling", ["sampled", "weakest"])}


def small(kind, points=4, factors=None, **more) -> Config:
    more = {"overrides": SMALL, **more}
    return sampled(kind, points, factors or FEW, **more)


def run(config, path):
    found = survey.survey(config, path)
    if not found.tasks:
        return None
    rates = {(n, c, full): 1e7 for n in range(2, 6) for c in ("sampled", "weakest") for full in (False, True)}
    result = experiment.perform(found, rates, "test", "", threading.Event())
    assert not result.failures
    return result


def values(path) -> xr.Dataset:
    return open_results(path).load().drop_attrs()


@pytest.mark.parametrize("kind", GROWING)
def test_store__grows_as_if_made_at_once(tmp_path, kind):
    grown, at_once = tmp_path / "grown.zarr", tmp_path / "once.zarr"
    first = run(small(kind), grown)
    before = values(grown)
    assert run(small(kind), grown) is None
    second = run(small(kind, 8), grown)
    assert run(small(kind), grown) is None
    assert run(small(kind, 2), grown) is None
    whole = run(small(kind, 8), at_once)
    assert second.finished == whole.finished - first.finished > 0
    xr.testing.assert_identical(values(grown), values(at_once))
    xr.testing.assert_identical(values(grown).isel(point=slice(first.finished)), before)
    # The design is made again from what the store says.
    opened = opening.read(grown)
    found, runs = design_rows(Config.model_validate(json.loads(opened.attrs["config"])))
    assert len(runs) == runs_of(small(kind, 8).design, 8)
    assert [opened.index[p.identity] for p in found] == list(range(whole.finished))


@pytest.mark.parametrize("kind", sorted(set(SAMPLED) - set(GROWING)))
def test_store__of_a_sample_that_cannot_grow(tmp_path, kind):
    path = tmp_path / "a.zarr"
    run(small(kind), path)
    assert run(small(kind), path) is None
    for points_ in (8, 2):
        with pytest.raises(ConfigError) as refusal:
            survey.survey(small(kind, points_), path)
        for part in (
            f"design.points = {points_}: ",
            f"holds a {kind} design of 4, which cannot be extended: ",
            "design=sobol",
        ):
            assert part in str(refusal.value)
    # More alliances of the same points are another matter.
    assert run(small(kind, overrides={**SMALL, "population__alliances": 200}), path).finished == opening.read(path).done.size


OTHERS = {
    "seed": ({"seed": 2}, "design.seed: 1 in the store, 2 in this run"),
    "range": (
        {"factors": {**FEW, "trust": ("context.trust.mean", {"low": 0, "high": 0.5})}},
        "design.factors.trust.levels: ",
    ),
    "names": (
        {"factors": {**FEW, "coupling": ("population.coupling", ["sampled", "majority"])}},
        "design.factors.coupling.lev",
    ),
    "order": ({"factors": dict(reversed(FEW.items()))}, "design.factors: ["),
}


@pytest.mark.parametrize("other", OTHERS)
def test_store__of_another_sample_is_refused(tmp_path, other):
    path = tmp_path / "a.zarr"
    run(small("sobol"), path)
    # The number of levels of a factorial design is no part of a sample.
    assert run(small("sobol", factors={**FEW, "trust": ("context.trust.mean", {"low": 0, "high": 1, "n": 3})}), path) is None
    changed, said = OTHERS[other]
    with pytest.raises(ConfigError) as refusal:
        survey.survey(small("sobol", 8, **changed), path)
    assert said in str(refusal.value)


def test_store__of_another_kind_is_refused(tmp_path):
    path, other = tmp_path / "a.zarr", tmp_path / "b.zarr"
    run(small("sobol"), path)
    factors = {"trust": {"path": "context.trust.mean", "levels": [0.5]}, "partners": {"path": "population.partners", "levels": [2]},
               "coupling": {"path": "population.coupling", "levels": ["sampled"]}}  # fmt: skip
    factorial = validate(base_config(design={"kind": "factorial", "factors": factors}, **SMALL))
    with pytest.raises(ConfigError) as refusal:
        survey.survey(factorial, path)
    assert '(design.kind: "sobol" in the store, "factorial" in this run).' in str(refusal.value)
    run(factorial, other)
    with pytest.raises(ConfigError) as refusal:
        survey.survey(small("saltelli"), other)
    assert '(design.kind: "factorial" in the store, "saltelli" in this run).' in str(refusal.value)


def test_store__of_a_program_without_samples_is_read():
    """Its config has none of their keys."""
    config = validate(
        base_config(design={"kind": "factorial", "factors": {"a": {"path": TRUST[0], "levels": {**TRUST[1], "n": 3}}}})
    )
    saved = json.loads(json.dumps(config.model_dump(mode="json")))
    for key in ("points", "seed", "levels"):
        del saved["design"][key]
    assert Config.model_validate(saved) == config


@pytest.mark.parametrize(
    ("factors", "said"), [({"n": PARTNERS}, "4 for 8 runs, equal ones once: sobol of n"), (ONE, "8: sobol of trust")]
)
def test_plan__says_when_runs_are_equal(tmp_path, factors, said):
    found = survey.survey(small("sobol", 8, factors), tmp_path / "a.zarr")
    rates = {(n, "sampled", full): 1e7 for n in range(2, 6) for full in (False, True)}
    assert plan_text(found, rates).splitlines()[0] == f"points     {said}"


# What is refused


BAD = [
    ({"kind": "sobol", "points": None}, "design.points = null: design=sobol needs the number of points, a power of two."),
    ({"kind": "latin_hypercube", "points": None}, "design=latin_hypercube needs the number of points."),
    ({"kind": "saltelli", "points": None}, "design=saltelli needs the base sample N, a power of two."),
    ({"kind": "morris", "points": None}, "design=morris needs the number of trajectories."),
    ({"kind": "sobol", "points": 100}, "design.points = 100: design=sobol needs a power of two, as only so many points of the "
                                       "sequence are balanced in every factor; take 64 (64 runs) or 128 (128 runs)."),
    ({"kind": "saltelli", "points": 1000, "factors": EVERY}, "take 512 (3,584 runs) or 1024 (7,168 runs)."),
    ({"kind": "saltelli", "points": 2**18, "factors": EVERY},
     "design.points = 262144: 1,835,008 runs with 5 factors; at most 1,000,000 are possible, so 131,072."),
    ({"kind": "morris", "points": 10**6}, "2,000,000 runs with 1 factor; at most 1,000,000 are possible, so 500,000."),
    ({"kind": "sobol", "points": 999_999}, "take 524288 (524,288 runs)."),
    ({"kind": "latin_hypercube", "levels": 6}, "design.levels = 6: the levels of a grid belong to design=morris; design.kind is "),
    ({"kind": "morris", "levels": 5}, "design.levels = 5: design=morris needs the levels of its grid, an even number in [2, 1000]"),
    ({"kind": "morris", "levels": None}, "design.levels = null: design=morris needs the levels of its grid"),
    ({"kind": "sobol", "rows": [{"trust": 1}]}, "design.rows = [{trust: 1}]: rows belong to design=list; design.kind is sobol."),
    ({"kind": "sobol", "factors": {}}, "design.kind = sobol: needs design.factors: label -> {path, levels}."),
    ({"kind": "factorial"}, "design.points = 8: points belong to design=latin_hypercube, sobol, saltelli, morris; design.kind is "),
    ({"kind": "list", "rows": [{"trust": 1}]}, "design.points = 8: points belong to"),
    ({"kind": "single", "factors": {}}, "design.points = 8: points belong to"),
    ({"kind": "factorial", "points": None, "levels": 4}, "design.levels = 4: the levels of a grid belong to design=morris"),
]  # fmt: skip


@pytest.mark.parametrize(("design", "said"), BAD, ids=[said[:40] for _, said in BAD])
def test_refused__design(design, said):
    refused(sampled(**{"factors": ONE, **design}), said)


BAD_FACTORS = [
    (("context.trust.mean", None), "design.factors.a.levels = null: design=sobol needs levels: a list, or {low, high, scale}."),
    (("context.trust.mean", []), "design.factors.a.levels = []: design=sobol needs levels"),
    (("context.trust.mean", [0.5]), "levels = [0.5]: one level does not vary; design=sobol needs two or more, or set context.tr"),
    (("context.trust.mean", [0.5, 0.5]), "design.factors.a.levels: the level 0.5 appears twice."),
    (("context.trust.mean", [0.5, 1.5]), "level 1.5 of factor 'a': context.trust.mean = 1.5: must be in [0, 1]."),
    (("context.trust.mean", {"low": 0.5, "high": 0.5}), "design=sobol needs low below high, got 0.5 and 0.5."),
    (("context.trust.mean", {"low": 0.5, "high": 0.2}), "design=sobol needs low below high, got 0.5 and 0.2."),
    (("context.trust.mean", {"low": 0, "high": 1, "scale": "log"}), "scale log needs low and high above 0, got 0 and 1."),
    (("population.partners", {"low": 2.5, "high": 4, "scale": "integer"}), "scale integer needs whole low and high, got 2.5 and 4"),
    (("context.trust.mean", {"low": 0, "high": 2}),
     "design.factors.a.levels = {low: 0.0, high: 2.0, scale: linear}: context.trust.mean = 2: must be a number in [0, 1]."),
    (("population.partners", {"low": 2, "high": 99, "scale": "integer"}), "population.partners = 99: must be a whole number in [2,"),
    (("population.partners", {"low": 2, "high": 5}), "must be a whole number in [2, 32]. Use scale: integer."),
    (("phases.kind", {"low": 0, "high": 1}), "phases.kind = 0: must be one of none, iyer2002."),
    (("context.trust", {"low": 0, "high": 1}), "context.trust = 0: must be a group of keys"),
    (("response.tremble", {"low": 1e-9, "high": 1}), "response.tremble = 1e-09: must be 0 or at least 2^-24"),
    (("random.seed", {"low": 0, "high": 1}), "design.factors.a.path = random.seed: there is no such key of population"),
    ((["context.trust.mean", "response.threshold.P6"], {"low": 0.5, "high": 3}), "context.trust.mean = 3: must be a number in"),
]  # fmt: skip


@pytest.mark.parametrize(("factor", "said"), BAD_FACTORS, ids=[said[:60] for _, said in BAD_FACTORS])
def test_refused__factor(factor, said):
    refused(sampled("sobol", factors={"a": factor}), said)


def test_refused__at_once():
    begin = time.perf_counter()
    refused(sampled("latin_hypercube", 10**6, {"a": ("context.trust.mean", {"low": 0, "high": 2})}), "must be a number in")
    assert time.perf_counter() - begin < 2


def test_largest__is_what_is_possible():
    assert runs_of(sampled("morris", MAX_POINTS // 2, ONE).design, MAX_POINTS // 2) == MAX_POINTS
    assert len(points(sampled("sobol", 1, ONE))) == 1


def test_size__ten_thousand_runs_are_quick():
    begin = time.perf_counter()
    found, runs = design_rows(sampled("saltelli", 2048))
    assert time.perf_counter() - begin < 10
    assert len(runs) == 2048 * 7
    assert len(found) > 2048 * 2


# Grids of Morris designs


TRUST_RANGE = ("context.trust.mean", {"low": 0.0, "high": 1.0})


def morris_levels(levels, number):
    config = small("morris", 40, {"a": ("response.theory_mix", levels), "trust": TRUST_RANGE}, levels=number)
    points_, runs = design_rows(config)
    return [points_[k].labels["a"] for k in runs]


THEORIES = ["larsson1998", "barriers_only", "tit_for_tat", "always_collaboration", "always_competition"]


@pytest.mark.parametrize(("levels", "number"), [(THEORIES, 10), (THEORIES[:3], 6), (THEORIES[:2], 4), (THEORIES[:4], 4)])
def test_morris__every_level_of_a_list_is_run_and_about_as_often(levels, number):
    counts = Counter(morris_levels(levels, number))
    assert set(counts) == set(levels)
    assert min(counts.values()) > 0.4 * max(counts.values())


@pytest.mark.parametrize(("levels", "needed"), [(THEORIES, 10), (THEORIES[:3], 6)])
def test_morris__a_grid_that_lists_do_not_share_evenly_is_refused(levels, needed):
    with pytest.raises(ConfigError, match=rf"design\.levels = 4: .*a has {len(levels)}.* multiple of {needed}"):
        morris_levels(levels, 4)


def test_morris__whole_numbers_reach_both_ends():
    factors = {"n": ("population.partners", {"low": 2, "high": 9, "scale": "integer"}), "trust": TRUST_RANGE}
    found, _ = design_rows(small("morris", 30, factors, levels=4))
    assert {p.labels["n"] for p in found} == {2, 4, 7, 9}
