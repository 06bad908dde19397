"""Config: defaults, ranges, messages, list functions, merging; every experiment composes."""

from __future__ import annotations

import copy
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings
from omegaconf import OmegaConf

from sim import helptext
from sim.config import arguments, compose, conf_folder, from_mapping, jobs, prepared, resolved, validate
from sim.design import ConfigError, points
from sim.hydra_errors import explained
from sim.schema import Config, Parameters

EXPERIMENTS = sorted(file.stem for file in (conf_folder() / "experiment").glob("*.yaml"))
SMALLEST = 2.0**-24

#: Means of what is drawn from a distribution; and the phases, in the columns of the page of the model.
MEANS = {"context.stakes": 0.5, "context.trust": 0.5, "context.orientation": 0.5, "context.prior": 0.3,
         "ability.absorptive": 1, "ability.communicative": 1}  # fmt: skip
COLUMNS = ("openness", "mutuality", "environment", "task", "process", "skills", "goals", "readiness")
PHASES = {
    "awareness": (0.25, 0, 0.5, 0, 0, 0.25, 0.25, 0.55),
    "exploration": (0.6, 0.5, 0.3, 0.15, 0.15, 0.15, 0.25, 0.65),
    "expansion": (1, 1, 0.15, 0.2, 0.2, 0.25, 0.2, 0.75),
    "commitment": (1, 1.25, 0.1, 0.2, 0.2, 0.3, 0.2, None),
}


def drawn(key, mean):
    """Defaults of a distribution."""
    shape = {"concentration": 10, "low": 0, "high": 1, "values": None, "level": "alliance"}
    return {f"{key}.{name}": value for name, value in {"distribution": "constant", "mean": mean, **shape}.items()}


#: Every default, typed out anew.
DEFAULTS = {
    "population.partners": 2,
    "population.alliances": 10000,
    "population.periods": 100,
    "population.initial.mix.avoidance": 0,
    "population.initial.mix.accommodation": 0.25,
    "population.initial.mix.compromise": 0.25,
    "population.initial.mix.competition": 0.25,
    "population.initial.mix.collaboration": 0.25,
    "population.initial.strategies": None,
    "population.coupling": "sampled",
    "population.exit_rate": 0,
    "context.kind": "endogenous",
    **{k: v for factor, mean in MEANS.items() for k, v in drawn(factor, mean).items()},
    "context.dynamics.trust_gain": 0.05,
    "context.dynamics.trust_loss": 0.3,
    "context.dynamics.suspicion": 0.05,
    "context.dynamics.prior_gain": 0.03,
    "context.dynamics.prior_loss": 0.01,
    "context.dynamics.stakes_rate": 0.1,
    "context.endgame.horizon": None,
    "context.endgame.window": 10,
    "context.calculative_share": 0,
    "response.theory_mix": "larsson1998",
    "response.reconsideration": 0.25,
    "response.sensitivity": 12,
    "response.threshold.P6": None,
    "response.threshold.P7": None,
    "response.threshold.P8": None,
    "response.threshold.P9": None,
    "response.symmetric_handicap": None,
    "response.barrier_strength": 1,
    "response.tremble": 0.002,
    "response.misperception": 0,
    "response.aware": 0,
    "response.awareness_bonus": 0.2,
    "response.instrumentality": 0,
    "ability.connections": 1,
    "ability.relatedness": 1,
    "ability.alignment": 1,
    "ability.distance": None,
    "ability.slack": None,
    "ability.trust_cost": 0,
    "ability.trust_optimum": 0.7,
    "ability.moderate": 0.5,
    "ability.creation": 0.5,
    "race.scope": None,
    "race.renewal": 0,
    "race.power_scale": 1,
    "race.temptation": 0,
    "race.forced_disclosure": 0,
    "race.satiation": 0,
    "phases.kind": "none",
    "phases.review_every": 5,
    "phases.advance": 0.5,
    "phases.fail": 0.2,
    "phases.break_rate": 0.5,
    "phases.readjustment": 0.1,
    "phases.weights.efficiency": 1,
    "phases.weights.equity": 1,
    "phases.weights.adaptability": 1,
    **{f"phases.table.{phase}.{c}": v for phase, row in PHASES.items() for c, v in zip(COLUMNS, row, strict=True)},
    "design.kind": "single",
    "design.factors": {},
    "design.rows": None,
    "precision.kind": "fixed",
    "precision.variable": ["survival"],
    "precision.period": "last",
    "precision.standard_error": 0.005,
    "precision.relative": False,
    "precision.floor": 0.01,
    "precision.max_alliances": 1000000,
    "method": "simulate",
    "shard": None,
    "design.points": None,
    "design.seed": 1,
    "design.levels": None,
    "random.seed": 1,
    "random.common": True,
    "compute.kind": "threads",
    "compute.workers": None,
    "compute.memory": None,
    "compute.address": None,
    "compute.scheduler_file": None,
    "compute.interface": None,
    "compute.walltime": None,
    "compute.queue": None,
    "compute.account": None,
    "compute.dashboard": False,
    "compute.patience": 600,
    "output.path": None,
    "output.overwrite": False,
    "output.every": 1,
    "output.variables": "all",
    "output.batches": ["survival", "cumulative_learning", "learning"],
    "output.report": True,
    "plan": False,
}

#: key -> (smallest, largest) allowed, from the same section.
PROBABILITIES = ["population.exit_rate", "response.reconsideration", "response.barrier_strength", "response.tremble",
                 "response.misperception", "response.aware", "response.instrumentality", "race.satiation",
                 "phases.break_rate"]  # fmt: skip
SHARES = ["response.awareness_bonus", "context.dynamics.trust_gain", "context.dynamics.trust_loss", "context.dynamics.suspicion",
          "context.dynamics.prior_gain", "context.dynamics.prior_loss", "context.dynamics.stakes_rate",
          "context.calculative_share", "ability.moderate", "ability.creation", "ability.connections", "ability.relatedness",
          "ability.alignment", "ability.distance", "ability.trust_cost", "race.renewal", "race.forced_disclosure",
          "phases.advance", "phases.fail", "phases.readjustment",
          *(f"{key}.{name}" for key in MEANS for name in ("mean", "low", "high")),
          *(f"phases.table.{phase}.{name}" for phase in PHASES for name in COLUMNS[2:])]  # fmt: skip
REALS = {
    **dict.fromkeys(PROBABILITIES + SHARES, (0, 1)),
    "response.sensitivity": (0, 1000),
    **{f"response.threshold.P{k}": (-100, 100) for k in (6, 7, 8, 9)},
    "response.symmetric_handicap": (0, 100),
    "context.endgame.horizon": (1, math.inf),
    "context.endgame.window": (0.001, math.inf),
    **{f"{key}.concentration": (0.01, 1e6) for key in MEANS},
    "ability.slack": (0.001, 1e9),
    "ability.trust_optimum": (0, 0.999),
    "race.scope": (0.001, 1e9),
    "race.power_scale": (1e-6, 1e9),
    "race.temptation": (0, 100),
    "precision.standard_error": (1e-9, 1e6),
    "precision.floor": (1e-9, 1e6),
    "compute.patience": (1, 1e6),
    **{f"phases.weights.{name}": (0, 100) for name in ("efficiency", "equity", "adaptability")},
    **{f"phases.table.{phase}.openness": (0.001, 1) for phase in PHASES},
    **{f"phases.table.{phase}.mutuality": (0, 2) for phase in PHASES},
}
#: What else must hold, so that a number may go through its whole range.
BESIDE = {"phases.advance": {"phases.fail": 0}, "phases.fail": {"phases.advance": 1}}
WHOLES = {
    "population.partners": (2, 32),
    "population.alliances": (1, 2**63 - 1),
    "population.periods": (1, 10**6),
    "precision.max_alliances": (2, 2**63 - 1),
    "random.seed": (0, 2**32 - 1),
    "design.points": (1, 10**6),
    "design.seed": (0, 2**32 - 1),
    "design.levels": (2, 1000),
    "output.every": (1, 10**6),
    "phases.review_every": (1, 10**6),
    "compute.workers": (1, 4096),
}
CHOICES = {
    "population.coupling": "sampled, weakest, majority, partner_specific",
    "context.kind": "endogenous, static",
    **{f"{key}.distribution": "constant, beta, uniform, empirical" for key in MEANS},
    **{f"{key}.level": "alliance" if "orientation" in key else "alliance, partner, pair" for key in MEANS},
    "phases.kind": "none, iyer2002",
    "precision.kind": "fixed, target",
    "method": "simulate, exact, auto",
    "design.kind": "single, factorial, list, latin_hypercube, sobol, saltelli, morris",
    "compute.kind": "serial, threads, processes, slurm, pbs, scheduler",
}


def refused(action, *parts):
    """The message of a refusal: one line that holds all `parts`."""
    with pytest.raises(ConfigError) as caught:
        action()
    text = str(caught.value)
    assert "\n" not in text
    for jargon in ("pydantic", "Traceback", "Input should", "Field required", "omegaconf", "full_key", "type=", "Error:"):
        assert jargon not in text, text
    for part in parts:
        assert part in text, f"{part!r} is not in: {text}"
    return text


def with_keys(base, changes):
    """The config of `base` with dotted keys changed, validated without composing anew."""
    tree = copy.deepcopy(base)
    for key, value in changes.items():
        *parents, leaf = key.split(".")
        inner = tree
        for name in parents:
            inner[name] = inner[name] if isinstance(inner.get(name), dict) else {}
            inner = inner[name]
        inner[leaf] = value
    return validate(tree)


@pytest.fixture(scope="module")
def base():
    return compose().model_dump()


# Defaults and experiments


def test_defaults__are_those_of_the_model():
    found = resolved(compose())
    assert {k: v for k, v in found.items() if k != "compute.block_seconds"} == DEFAULTS
    assert 0.01 <= found["compute.block_seconds"] <= 3600


def test_defaults__none_at_all_is_the_same():
    assert from_mapping() == from_mapping({}) == compose()


def test_conf_folder__is_absolute_and_holds_the_config():
    assert conf_folder().is_absolute()
    assert (conf_folder() / "config.yaml").is_file()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiment__composes_and_asks_a_question(name):
    config = compose([f"+experiment={name}"])
    assert points(config)
    assert helptext.question_of(name).endswith("?")
    assert from_mapping({"experiment": name}) == config


def test_experiment__sweep_has_its_labels():
    found = points(compose(["+experiment=sweep"]))
    assert list(found[0].labels) == ["trust", "orientation", "partners"]
    assert len(found) == 21 * 5 * 3


@pytest.mark.parametrize("group", sorted(f.name for f in conf_folder().iterdir() if f.is_dir() and f.name != "experiment"))
def test_group__every_choice_composes_and_says_what_it_is(group):
    for file in (conf_folder() / group).glob("*.yaml"):
        # The one choice that cannot do without a word of the user's.
        more = {"compute.address": "tcp://host:8786"} if file.stem == "scheduler" else {}
        config = compose([f"{group}={file.stem}", *(f"{k}={v}" for k, v in more.items())])
        assert from_mapping({group: file.stem, **more}) == config
        assert helptext.remark(file)
        kind = getattr(getattr(config, group), "kind", file.stem)
        assert kind == file.stem


def test_static__keeps_the_rates():
    assert compose(["context=static"]).context.dynamics == compose().context.dynamics


# Ranges


@pytest.mark.parametrize(("key", "low", "high"), [(k, *v) for k, v in REALS.items()])
def test_real__edges(base, key, low, high):
    for value in (low, float(low), high if math.isfinite(high) else 1e300):
        assert resolved(with_keys(base, {**BESIDE.get(key, {}), key: value}))[key] == value
    below, above = math.nextafter(low, -math.inf), math.nextafter(high, math.inf)
    low, high = (
        f"{edge:g}".replace("e+0", "e").replace("e-0", "e-") if abs(edge) != math.inf else "" for edge in (low, high)
    )
    allowed = f"in [{low}, {high}]" if high else f"at least {low}"
    for value in (below, above, -1e300) if high else (below, -1e300):
        refused(lambda v=value: with_keys(base, {key: v}), f"{key} = {helptext.show(value)}: must be ", allowed)
    for value in (math.nan, math.inf, -math.inf, "abc", "0.5", True, [0.5], {"a": 0.5}):
        refused(lambda v=value: with_keys(base, {key: v}), f"{key} = {helptext.show(value)}: must be ", allowed)


@pytest.mark.parametrize(("key", "low", "high"), [(k, *v) for k, v in WHOLES.items()])
def test_whole__edges(base, key, low, high):
    for value in (low, high):
        assert resolved(with_keys(base, {key: value}))[key] == value
    assert resolved(with_keys(base, {key: float(low)}))[key] == low
    for value in (low - 1, high + 1, low + 0.5, math.nan, math.inf, "abc", "2", True, [2], {"a": 2}, 10**400):
        refused(
            lambda v=value: with_keys(base, {key: v}), f"{key} = {helptext.show(value)}: must be ", "a whole number in ["
        )


@pytest.mark.parametrize("key", PROBABILITIES)
def test_probability__below_the_step_of_the_draws(base, key):
    assert resolved(with_keys(base, {key: SMALLEST}))[key] == SMALLEST
    for value in (1e-9, SMALLEST * (1 - 1e-12)):
        refused(lambda v=value: with_keys(base, {key: v}), key, helptext.show(value), "must be 0 or at least 2^-24")


@pytest.mark.parametrize("key", ["random.common", "output.overwrite", "output.report", "plan"])
def test_flag__true_or_false(base, key):
    for value in (1, 0, "yes", None):
        refused(lambda v=value: with_keys(base, {key: v}), f"{key} = {helptext.show(value)}: must be true or false.")


@pytest.mark.parametrize(("key", "choices"), CHOICES.items())
def test_choice__names_all(base, key, choices):
    for value in ("nonsense", 3, None, True, ["constant"]):
        refused(lambda v=value: with_keys(base, {key: v}), f"{key} = {helptext.show(value)}: must be ", choices)


@pytest.mark.parametrize("key", [k for k, v in DEFAULTS.items() if v is None and k not in ("output.path", "design.rows")])
def test_null__is_allowed_where_it_is_the_default_only(base, key):
    assert resolved(with_keys(base, {key: None}))[key] is None


@pytest.mark.parametrize("phase", PHASES)
def test_null__is_the_readiness_of_a_phase_that_is_the_last(base, phase):
    found = with_keys(base, {f"phases.table.{phase}.readiness": None})
    assert getattr(found.phases.table, phase).readiness is None


@pytest.mark.parametrize("key", [k for k, v in DEFAULTS.items() if v is not None and not k.endswith(".readiness")])
def test_null__is_refused_elsewhere(base, key):
    refused(lambda: with_keys(base, {key: None}), f"{key} = null: must be ")


def test_ranges__every_number_of_the_schema_is_tested_here():
    numbers = {
        path for path, field in helptext.paths(Parameters).items()
        if helptext.group_of(field) is None
        and re.search(r"\b(a|whole) number\b", helptext.allowed(field.annotation, field.metadata))
    }  # fmt: skip
    assert {k for k in numbers if ".mix." not in k} <= set(REALS) | set(WHOLES)


def test_mix__shares_sum_to_one(base):
    key = "population.initial.mix"
    mix = {"avoidance": 0, "accommodation": 0, "compromise": 0, "competition": 0, "collaboration": 1}
    assert with_keys(base, {key: mix}).population.initial.mix.collaboration == 1
    for last in (1 - 0.9e-9, 1 - 1.1e-9, 1.5, 0.0):
        if abs(last - 1) < 1e-9:
            assert with_keys(base, {key: {**mix, "collaboration": last}}).population.initial.mix.collaboration == last
    bad = {**mix, "collaboration": 1 - 1.1e-9}
    text = refused(lambda: with_keys(base, {key: bad}), "population.initial.mix = {avoidance: 0, accommodation: 0, ")
    assert text.endswith("the shares must sum to 1, these sum to 0.9999999989.")
    thirds = {**mix, "collaboration": 1 / 3, "compromise": 1 / 3, "competition": 1 / 3}
    assert with_keys(base, {key: thirds})
    for value, words in ((1.5, "in [0, 1]"), (-0.1, "in [0, 1]"), ("all", "a number in [0, 1]")):
        refused(lambda v=value: with_keys(base, {f"{key}.competition": v}), f"{key}.competition = {value}: must be {words}.")


# Distributions


@pytest.mark.parametrize("key", MEANS)
@pytest.mark.parametrize("kind", ["constant", "beta", "uniform", "empirical"])
def test_distribution__every_kind(base, key, kind):
    values = {f"{key}.distribution": kind, f"{key}.values": [0.25, 1, 0], f"{key}.low": 0.5, f"{key}.high": 0.5}
    found = with_keys(base, values)
    part = getattr(getattr(found, key.partition(".")[0]), key.partition(".")[2])
    assert (part.distribution, part.values, part.low, part.high) == (kind, (0.25, 1, 0), 0.5, 0.5)
    assert resolved(found)[f"{key}.values"] == [0.25, 1, 0]
    assert from_mapping(resolved(found)) == found


@pytest.mark.parametrize("key", ["context.stakes", "context.trust", "context.prior", "ability.absorptive",
                                 "ability.communicative"])  # fmt: skip
@pytest.mark.parametrize("level", ["alliance", "partner", "pair"])
def test_distribution__every_level(base, key, level):
    assert resolved(with_keys(base, {f"{key}.level": level}))[f"{key}.level"] == level


def test_distribution__orientation_is_shared(base):
    key = "context.orientation.level"
    refused(lambda: with_keys(base, {key: "partner"}), f"{key} = partner: must be alliance.")


def test_distribution__needs_what_it_is_made_of(base):
    key = "context.trust"
    refused(
        lambda: with_keys(base, {f"{key}.distribution": "empirical"}),
        "context.trust.values = null: distribution empirical needs values, a list of 1 to 65535 numbers in [0, 1].",
    )
    crossed = {f"{key}.low": 0.8, f"{key}.high": 0.5}
    refused(
        lambda: with_keys(base, {**crossed, f"{key}.distribution": "uniform"}),
        "context.trust.low = 0.8: distribution uniform needs low of at most high, which is 0.5.",
    )
    for other in ("constant", "beta"):
        assert with_keys(base, {**crossed, f"{key}.distribution": other}).context.trust.low == 0.8


def test_distribution__values(base):
    key = "ability.absorptive.values"
    for values in ([0], [0, 1, 0.5], [0.5] * 65535):
        assert list(with_keys(base, {key: values}).ability.absorptive.values) == values
    for values, said in (
        ([], "must be null or a list of 1 to 65535 numbers in [0, 1]."),
        ([0.5] * 65536, "must be null or a list of 1 to 65535 numbers in [0, 1]."),
        (0.5, "= 0.5: must be null or a list of 1 to 65535 numbers in [0, 1]."),
        ("beta", "= beta: must be null or a list of 1 to 65535 numbers in [0, 1]."),
        ({"a": 1}, "= {a: 1}: must be null or a list of 1 to 65535 numbers in [0, 1]."),
    ):
        refused(lambda v=values: with_keys(base, {key: v}), f"{key} = ", said)
    for value, said in ((1.5, "in [0, 1]"), (-0.1, "in [0, 1]"), ("x", "a number in [0, 1]"), (None, "a number in [0, 1]"),
                        (math.nan, "a number in [0, 1]"), (True, "a number in [0, 1]")):  # fmt: skip
        shown = helptext.show(value)
        refused(lambda v=value: with_keys(base, {key: [0.5, v]}), f"{key}[1] = {shown}: must be {said}.")


def test_distribution__on_the_command_line():
    found = compose(["context.trust={distribution: beta, mean: 0.9, level: pair}", "ability.absorptive.distribution=uniform",
                     "context.stakes.distribution=empirical", "context.stakes.values=[0.1,1]"])  # fmt: skip
    assert (found.context.trust.distribution, found.context.trust.concentration) == ("beta", 10)
    assert (found.context.stakes.values, found.ability.absorptive.high) == ((0.1, 1), 1)


# Phases


def test_phases__a_choice_takes_the_values_and_sets_the_kind():
    none, iyer = resolved(compose()), resolved(compose(["phases=iyer2002"]))
    assert {k: (none[k], iyer[k]) for k in none if none[k] != iyer[k]} == {"phases.kind": ("none", "iyer2002")}


def test_phases__fail_is_at_most_advance(base):
    both = with_keys(base, {"phases.fail": 0.5, "phases.advance": 0.5})
    assert both.phases.fail == both.phases.advance
    said = "phases.fail = 0.6: must be at most phases.advance, which is 0.5."
    refused(lambda: with_keys(base, {"phases.fail": 0.6}), said)
    refused(lambda: compose(["phases.advance=0.1"]), "phases.fail = 0.2: must be at most phases.advance, which is 0.1.")


def test_phases__some_weight(base):
    nothing = {f"phases.weights.{name}": 0 for name in ("efficiency", "equity", "adaptability")}
    for name in nothing:
        found = with_keys(base, {**nothing, name: 1e-30})
        assert sum(found.phases.weights.model_dump().values()) == 1e-30
        refused(lambda n=name: with_keys(base, {n: 1e-31}), f"{name} = 1e-31: must be 0 or at least 1e-30.")
    said = "phases.weights = {efficiency: 0, equity: 0, adaptability: 0}: at least one weight must be above 0."
    refused(lambda: with_keys(base, nothing), said)


def test_phases__a_phase_that_is_none(base):
    refused(lambda: with_keys(base, {"phases.table.comitment": {}}), "Did you mean phases.table.commitment?")
    refused(lambda: with_keys(base, {"phases.table.expansion.goal": 0}), "Did you mean phases.table.expansion.goals?")


# Mixes of theories


HALVES = {"larsson1998": 0.5, "tit_for_tat": 0.5}


def test_theories__one_form_for_equal_mixes(base):
    def mixed(value):
        return with_keys(base, {"response.theory_mix": value}).response.theory_mix

    assert mixed("a/b.yaml") == mixed({"a/b.yaml": 1}) == mixed({"a/b.yaml": 1.0, "other": 0, "more": -0.0}) == "a/b.yaml"
    assert mixed({"x": 1 - 0.9e-9}) == "x"
    found = mixed({"tit_for_tat": 0.25, "none": 0, "a.yaml": 0.5, "larsson1998": 0.25})
    assert found == {"a.yaml": 0.5, "larsson1998": 0.25, "tit_for_tat": 0.25}
    assert list(found) == ["a.yaml", "larsson1998", "tit_for_tat"]
    thirds = {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}
    assert mixed(thirds) == thirds
    assert all(isinstance(share, float) for share in found.values())


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": 0.5}, " = {a: 0.5}: the shares must sum to 1, these sum to 0.5."),
        ({"a": 1 - 1.1e-9}, " = {a: 0.9999999989}: the shares must sum to 1, these sum to 0.9999999989."),
        ({"a": 0.5, "b": 0.6}, " = {a: 0.5, b: 0.6}: the shares must sum to 1, these sum to 1.1."),
        ({"a": 1, "b": 1}, " = {a: 1, b: 1}: the shares must sum to 1, these sum to 2."),
        ({}, " = {}: the shares must sum to 1, these sum to 0."),
        ({"a": 0}, " = {a: 0}: the shares must sum to 1, these sum to 0."),
        ({"a": 1.5, "b": -0.5}, ".a = 1.5: must be in [0, 1]. (and 1 more)"),
        ({"a": 0.5, "b": -0.1}, ".b = -0.1: must be in [0, 1]."),
        ({"a": math.nan}, ".a = nan: must be a number in [0, 1]."),
        ({"a": True}, ".a = true: must be a number in [0, 1]."),
        ({"a": "1"}, ".a = 1: must be a number in [0, 1]."),
        ({"a": None}, ".a = null: must be a number in [0, 1]."),
        ({"a": {"b": 1}}, ".a = {b: 1}: must be a number in [0, 1]."),
        (3, " = 3: must be a theory's name or .yaml file, or {name: share}."),
        (True, " = true: must be a theory's name or .yaml file, or {name: share}."),
        (["a"], " = [a]: must be a theory's name or .yaml file, or {name: share}."),
    ],
)
def test_theories__refused(base, value, said):
    refused(lambda: with_keys(base, {"response.theory_mix": value}), f"response.theory_mix{said}")


MIXED = [
    (["response.theory_mix={larsson1998:.5,tit_for_tat:.5}"], HALVES),
    (["response.theory_mix={tit_for_tat: 0.5, larsson1998: 0.5}"], HALVES),
    (["response.theory_mix.larsson1998=.5", "response.theory_mix.tit_for_tat=.5"], HALVES),
    (["+response.theory_mix.tit_for_tat=0.5", "random.seed=3", "++response.theory_mix.larsson1998=0.5"], HALVES),
    (["response.theory_mix=barriers_only"], "barriers_only"),
    (["response.theory_mix.barriers_only=1"], "barriers_only"),
    (["response.theory_mix={larsson1998: 1}"], "larsson1998"),
    (["response.theory_mix.a/b.yaml=.5", "response.theory_mix.../c d.yaml=.5"], {"../c d.yaml": 0.5, "a/b.yaml": 0.5}),
    (["response.theory_mix={/a/b.c.yaml: .25, larsson1998: .75}"], {"/a/b.c.yaml": 0.25, "larsson1998": 0.75}),
    (["response.theory_mix.(a)[b],{c}.yaml=.5", "response.theory_mix.d=.5"], {"(a)[b],{c}.yaml": 0.5, "d": 0.5}),
]


@pytest.mark.parametrize("file", ["", "{barriers_only: 0.25, larsson1998: 0.75}", "tit_for_tat"])
@pytest.mark.parametrize(("overrides", "mix"), MIXED, ids=[" ".join(o)[:60] for o, _ in MIXED])
def test_theories__of_the_command_line_are_the_whole_mix(own, file, overrides, mix):
    text = f"# @package _global_\nresponse: {{theory_mix: {file}}}\n" if file else "# @package _global_\nplan: true\n"
    config = own(text, *overrides)
    assert config.response.theory_mix == mix
    assert from_mapping(resolved(config)) == config


def test_theories__of_a_file_replace_the_default(own):
    text = "# @package _global_\nresponse: {theory_mix: {larsson1998: 0.5, tit_for_tat: 0.5}}\n"
    assert own(text).response.theory_mix == HALVES
    refused(
        lambda: own(text, "~response.theory_mix.tit_for_tat"), "response.theory_mix = {larsson1998: 0.5}: the shares must"
    )


def test_theories__swept():
    found = list(jobs(["response.theory_mix=larsson1998,{larsson1998:.5,tit_for_tat:.5}", "response.tremble=0,.1"]))
    assert [compose(job).response.theory_mix for job in found] == ["larsson1998", "larsson1998", HALVES, HALVES]
    found = list(jobs(["response.theory_mix.larsson1998=.5", "response.theory_mix.a/b.yaml=.5", "random.seed=1,2"]))
    assert [compose(job).random.seed for job in found] == [1, 2]
    assert {str(compose(job).response.theory_mix) for job in found} == {"{'a/b.yaml': 0.5, 'larsson1998': 0.5}"}


def test_theories__as_data():
    other = {"a/b.yaml": 0.25, "larsson1998": 0.75}
    for differences in (
        {"response.theory_mix": other},
        {"response": {"theory_mix": other}},
        {"response.theory_mix.a/b.yaml": 0.25, "response.theory_mix.larsson1998": 0.75},
        {"response.theory_mix": HALVES, "response": {"theory_mix": other}},
        {
            "response.theory_mix": "tit_for_tat",
            "response.theory_mix.larsson1998": 0.75,
            "response.theory_mix.a/b.yaml": 0.25,
        },
    ):
        assert from_mapping(differences).response.theory_mix == other
    assert from_mapping({"response.theory_mix": HALVES, "response": {"theory_mix": "larsson1998"}}) == compose()
    assert resolved(from_mapping({"response.theory_mix": other}))["response.theory_mix"] == other


# Messages

BAD = [
    (["population.partnerz=3"], ["population.partnerz = 3: there is no such key. Did you mean population.partners?"]),
    (["+population.partnerz=3"], ["population.partnerz = 3: there is no such key. Did you mean population.partners?"]),
    (["populaton.partners=3"], ["populaton.partners = 3: there is no such key. Did you mean population.partners?"]),
    (["partners=3"], ["partners = 3", "Did you mean population.partners?"]),
    (["response.treshold.P6=3"], ["Did you mean response.threshold.P6?"]),
    (["response.theory_mx.larsson1998=1"], ["there is no such key. Did you mean response.theory_mix?"]),
    (["response.theory_mix.larsson1998=0.5"], ["response.theory_mix = {larsson1998: 0.5}: the shares must sum to 1, these "]),
    (["response.theory_mix={larsson1998: 0.5, tit_for_tit: 0.5}"],
     ["response.theory_mix = {larsson1998: 0.5, tit_for_tit: 0.5}: 'tit_for_tit' is no known theory; known are always_",
      "Did you mean tit_for_tat?"]),
    (["response.theory_mix.larsson1998=.5", "response.theory_mix.no/such.yaml=.5"], ["'no/such.yaml' cannot be read: No such"]),
    (["response.theory_mix.larsson1998=.5,1"], ["response.theory_mix={larsson1998:.5,1}: cannot be read as key=value"]),
    (["response.theory_mix=[larsson1998]"], ["response.theory_mix = [larsson1998]: must be a theory's name or .yaml file, or"]),
    (["context.trust.distribution=gamma"], ["must be one of constant, beta, uniform, empirical."]),
    (["context.trust.distribution=unifrom"], ["Did you mean uniform?"]),
    (["context.trust.distribution=empirical"], ["context.trust.values = null: distribution empirical needs values, a list"]),
    (["context.trust.concentraton=3"], ["Did you mean context.trust.concentration?"]),
    (["context.orientation.level=pair"], ["context.orientation.level = pair: must be alliance."]),
    (["ability.absorptive=0.5"], ["ability.absorptive = 0.5: must be a group of keys (distribution, mean, concentration,"]),
    (["race=hamel"], ["race = hamel: must be one of none."]),
    (["race.scpe=3"], ["Did you mean race.scope?"]),
    (["phases=iyer"], ["phases = iyer: must be one of iyer2002, none. Did you mean iyer2002?"]),
    (["phases.kind=iyer2003"], ["phases.kind = iyer2003: must be one of none, iyer2002. Did you mean iyer2002?"]),
    (["phases.review_every=0"], ["phases.review_every = 0: must be a whole number in [1, 1e6]."]),
    (["phases.advance=0.1"], ["phases.fail = 0.2: must be at most phases.advance, which is 0.1."]),
    (["phases.table.expansion.openness=0"], ["phases.table.expansion.openness = 0: must be in [0.001, 1]."]),
    (["phases.table.exploratoin.openness=1"], ["Did you mean phases.table.exploration.openness?"]),
    (["context.trust={men: 0.5}"], ["context.trust.men: there is no such key. Did you mean context.trust.mean?"]),
    (["foo=1"], ["foo = 1: there is no such key."]),
    (["+foo=1"], ["foo = 1: there is no such key."]),
    (["~foo"], ["foo: there is no such key."]),
    (["~population.partners"], ["population.partners: is missing; it must be a whole number in [2, 32]."]),
    (["+population.partners=3"], ["population.partners = 3", "without the plus"]),
    (["population.partners=2.5"], ["population.partners = 2.5: must be a whole number in [2, 32]."]),
    (["population.partners=33"], ["population.partners = 33: must be a whole number in [2, 32]."]),
    (["population.partners='3'"], ["population.partners = 3: must be a whole number in [2, 32]."]),
    (["population.partners=[3]"], ["population.partners = [3]: must be a whole number in [2, 32]."]),
    (["population.partners={a: 3}"], ["population.partners = {a: 3}: must be a whole number in [2, 32]."]),
    (["population.partners=???"], ["population.partners = ???: must be a whole number in [2, 32]."]),
    (["population.partners=1", "response.tremble=2", "foo.bar=1"], ["foo.bar = 1"]),
    (["population.partners=1", "response.tremble=2", "random.seed=x"], ["population.partners = 1", "(and 2 more)"]),
    (["response.tremble=1.5"], ["response.tremble = 1.5: must be in [0, 1]."]),
    (["response.tremble=nan"], ["response.tremble = nan: must be a number in [0, 1]."]),
    (["response.tremble=true"], ["response.tremble = true: must be a number in [0, 1]."]),
    (["response.tremble=abc"], ["response.tremble = abc: must be a number in [0, 1]."]),
    (["response.threshold.P6=101"], ["response.threshold.P6 = 101: must be null or in [-100, 100]."]),
    (["context.endgame.horizon=0"], ["context.endgame.horizon = 0: must be null or at least 1."]),
    (["context.endgame.horizon=inf"], ["context.endgame.horizon = inf: must be null or a number of at least 1."]),
    (["population.initial.mix=[1,2]"], ["population.initial.mix = [1,2]: must be a group of keys (avoidance, "]),
    (["population.initial.mix=3"], ["population.initial.mix = 3: must be a group of keys (avoidance, "]),
    (["population.initial.mix={collaboration: 1}"], ["population.initial.mix = {", "must sum to 1, these sum to 1.75."]),
    (["population.initial.strategies=[collaboration]"], ["population.initial.strategies = [collaboration]: must name 2 "]),
    (["population.initial.strategies=[collaboration,colaboration]"],
     ["population.initial.strategies[1] = colaboration: must be one of avoidance, ", "Did you mean collaboration?"]),
    (["population.initial.strategies=collaboration"], ["strategies = collaboration: must be null or a list of strategies."]),
    (["population.coupling=weakset"], ["must be one of sampled, weakest, majority, partner_specific. Did you mean weakest?"]),
    (["context.kind=statik"], ["context.kind = statik: must be one of endogenous, static. Did you mean static?"]),
    (["output.variables=[survivl]"], ["output.variables = [survivl]: 'survivl' is no variable; did you mean survival? known are all, strategy_share"]),
    (["output.variables=[survival,survival]"], ["output.variables = [survival, survival]: 'survival' appears twice."]),
    (["output.variables=[]"], ["output.variables = []: must be all, or a list of variables."]),
    (["output.batches=[survivl]"], ["output.batches = [survivl]: 'survivl' is not kept by batch; did you mean survival? these can be: survival, cumulative_learning, learning, dissolution_time."]),
    (["output.batches=[learning,survival,learning]"], ["'learning' appears twice."]),
    (["output.batches=[]"], ["output.batches = []: must be a list of survival, cumulative_learning, learning, dissolution_time."]),
    (["output.batches=survival"], ["output.batches = survival: must be a list of survival, cumulative_learning, learning, dissolution_time."]),
    (["output.path=''"], ["output.path = '': must be null or a path."]),
    (["+population._target_=os.system"], ["population._target_ = os.system: there is no such key."]),
    (["+_target_=os.system"], ["_target_ = os.system: there is no such key."]),
    (["design.factors.a._target_=os.system"], ["design.factors.a._target_ = os.system: there is no such key."]),
    (["design.factors.a={path: x, levels: [{_target_: os.system}]}"], ["levels[0]._target_ = os.system: there is no such "]),
    (["+hydra.callbacks.a._target_=os.system"], ["hydra.callbacks = {a: {_target_: os.system}}: there is no such key."]),
    (["hydra.launcher._target_=os.system"], ["hydra.launcher._target_ = os.system: there is no such key."]),
    (["design=factorail"], ["design = factorail: must be one of factorial, latin_hypercube, list, morris, saltelli, single, sobol. Did you mean factorial?"]),
    (["desing=factorial"], ["desing = factorial: there is no such key. Did you mean design?"]),
    (["+design=list"], ["design = list", "without the plus"]),
    (["design=null"], ["design = null: must be the name of one of the group's choices"]),
    (["population=3"], ["population = 3: must be the name of one of the group's choices"]),
    (["+experiment=sweeep"], ["experiment = sweeep: must be one of ", "Did you mean sweep?"]),
    (["experiment=sweep"], ["experiment = sweep: an experiment is added with a plus, +experiment=NAME."]),
    (["population.partners"], ["population.partners: cannot be read as key=value"]),
    (["population.partners=[1"], ["population.partners=[1: cannot be read as key=value"]),
    (["=", "population.partners=3"], ["there is no such key"]),
    ([""], ["'': cannot be read as key=value"]),
    (["population.partners=2,3"], ["population.partners = 2,3: takes one value; several need --multirun."]),
    (["population.partners=range(2,4)"], ["population.partners = range(2,4): takes one value"]),
    (["random.seed=" + "9" * 5000], ["random.seed"]),
    (["random.seed=1e400"], ["random.seed = inf: must be a whole number in [0, 2^32)."]),
    (["population.partners=${population.partnerz}"],
     ["population.partners = ${population.partnerz}", "there is no such key. Did you mean population.partners?"]),
    (["population.partners=${population.partners}"], ["= ${population.partners}: the value refers to itself."]),
    (["population.partners=${linspce:1,2,3}"], ["there is no function linspce; known are linspace, logspace, arange."]),
    (["population.partners=${oc.env:NO_SUCH_NAME}"], ["population.partners = ${oc.env:NO_SUCH_NAME}", "not found"]),
    (["population.partners=${"], ["population.partners=${: cannot be read"]),
]  # fmt: skip


@pytest.mark.parametrize(("overrides", "parts"), BAD, ids=[" ".join(o)[:50] for o, _ in BAD])
def test_message__names_key_value_and_what_is_allowed(overrides, parts):
    text = refused(lambda: points(compose(overrides)), *parts)
    assert len(text) < 500


SWEEP_BAD = [
    ("design.factors.trsut.levels=[0,1]", "design.factors.trsut.path: is missing; it must be a key, or a list of keys."),
    ("design.factors.trsut.levels=[0,1]", "Did you mean trust?"),
    ("design.factors.trust.level=[0,1]", "there is no such key. Did you mean design.factors.trust.levels?"),
    ("design.factors.trust.levels={low: 0,high: 1,n: 3,values: [1]}", "levels.values = [1]: there is no such key."),
    ("design.factors.trust.levels={linspace: [0,1,3]}", "Levels are a list, or {low, high, n, scale}, not a mix of the "),
    ("design.factors.trust.levels=3", "levels = 3: must be null or a list of levels, or {low, high, n, scale}."),
    ("design.factors.trust.levels=[0,nan]", "design.factors.trust.levels[1] = nan: must be a finite number."),
    ("design.factors.trust.levels.n=2.5", "design.factors.trust.levels.n = 2.5: must be null or a whole number in [1, 1e6]."),
    ("design.factors.trust.levels={low: 0,high: 1}", "design.factors.trust.levels.n = null: design=factorial needs the number"),
    ("design.factors.trust.levels.scale=logg", "must be one of linear, log, integer. Did you mean log?"),
    ("design.factors.trust=null", "design.factors.trust = null: must be a group of keys (path, levels)."),
    ("design.factors=3", "design.factors = 3: must be a mapping of labels, each with {path, levels}."),
    ("design.factors.trust.path=3", "design.factors.trust.path = 3: must be a key, or a list of keys."),
    ("design.factors.trust.path=[]", "design.factors.trust.path = []: must be a key, or a list of keys."),
    ("design.factors.trust={levels: [1]}", "design.factors.trust = {levels: [1]}: lists and mappings do not merge."),
    ("design.rows=3", "design.rows = 3: must be null or a list of {label: value}, or a .csv or .parquet file."),
    ("design.rows=[3]", "design.rows[0] = 3: must be "),
]  # fmt: skip


@pytest.mark.parametrize(("override", "part"), SWEEP_BAD)
def test_message__of_a_factor(override, part):
    refused(lambda: points(compose(["+experiment=sweep", override])), part)


# Levels change form


@pytest.mark.parametrize(
    ("override", "number"),
    [
        ("design.factors.trust.levels=[0,1]", 2),
        ("+design.factors.trust.levels=[0,1]", 2),
        ("++design.factors.trust.levels=[0,1]", 2),
        ("design.factors.trust.levels={low: 0.01,high: 1,n: 3,scale: log}", 3),
        ("design.factors.trust.levels.n=4", 4),
        ("design.factors.trust.levels={low: 0,high: 1,scale: integer}", 2),
        ("design.factors.trust.levels=${linspace:0,1,5}", 5),
        ("design.factors.trust={path: context.trust.mean, levels: [0.5]}", 1),
        ("~design.factors.trust", 1),
    ],
)
def test_levels__change_form(override, number):
    found = points(compose(["+experiment=sweep", "~design.factors.orientation", "~design.factors.partners",
                            "design.factors.a={path: ability.moderate, levels: [0.5]}", override]))  # fmt: skip
    assert len(found) == number


def test_levels__list_becomes_a_range_and_factors_are_new_without_a_plus():
    config = compose(["+experiment=sweep", "design.factors.partners.levels={low: 2,high: 5,n: 4}",
                      "design.factors.new.path=ability.creation", "design.factors.new.levels=[0,1]"])  # fmt: skip
    assert len(points(config)) == 21 * 5 * 4 * 2
    assert {p.parameters.population.partners for p in points(config)} == {2, 3, 4, 5}


def test_arguments__leave_the_rest_alone():
    words = ["-m", "--cfg", "job", "population.partners=2,3", "+experiment=sweep", "~design.factors.trust", "design=list"]
    assert arguments(words) == words


# Files


@pytest.fixture
def own(tmp_path):
    """Compose an experiment of one's own, given as text."""

    def run(text, *overrides):
        (tmp_path / "experiment").mkdir(exist_ok=True)
        (tmp_path / "experiment" / "own.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
        return compose([f"hydra.searchpath=[file://{tmp_path}]", "+experiment=own", *overrides])

    return run


def test_file__of_ones_own(own):
    config = own("# @package _global_\npopulation:\n  partners: 4\n")
    assert config.population.partners == 4


FILES = [
    ("# @package _global_\ndesign: [a, {b: 1\n", ["own.yaml, line 3: not valid YAML, expected"]),
    ("# @package _global_\nplan:\tfalse\n", ["own.yaml, line 2: not valid YAML"]),
    ("# @package _global_\nplan: true\nplan: false\n", ["own.yaml, line 3: not valid YAML, found duplicate key plan."]),
    ("# @package _global_\n- a\n", ["experiment/own", "lists and mappings do not merge."]),
    (b'# @package _global_\nplan: "\xff"\n', ["experiment=own", "utf-8"]),
    ("population: {partners: 3}\n", ["experiment = {population: {partners: 3}}: there is ", "# @package _global_"]),
    ("# @package _global_\ndefaults: [override /desing: factorial]\n",
     ["desing: there is no such key. Did you mean design?"]),
    ("# @package _global_\ndefaults: [override /design: factorail]\n",
     ["design = factorail: must be one of factorial, latin_hypercube, list, morris, saltelli, single, sobol. Did you mean factorial?"]),
    ("# @package _global_\npopulation: {partnerz: 3}\n", ["population.partnerz = 3: there is no such key."]),
    ("# @package _global_\npopulation: {1: 3}\n", ["population.1 = 3: there is no such key."]),
    ('# @package _global_\ndesign: {rows: [{a: "${nope}"}]}\n', ["design.rows[0].a: nope: there is no such key."]),
    ("# @package _global_\nhydra: {callbacks: {x: {_target_: os.system}}}\n", ["callbacks = {x: {_target_: os.system}}"]),
    ("# @package _global_\noutput: {path: !!binary aGVsbG8=}\n", ["output.path", "must be a number, a word"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "parts"), FILES)
def test_file__with_an_error(own, text, parts):
    refused(lambda: own(text), *parts)


def test_file__a_choice_that_is_missing_names_ones_own(own):
    refused(lambda: own("# @package _global_\n", "experiment=owm"), "must be one of", "own, ", "Did you mean own?")


def test_file__a_name_that_yaml_takes_for_a_truth_value_is_refused(own):
    text = "# @package _global_\ndefaults: [override /design: factorial]\ndesign: {factors: {a: {path: ability, levels: [{yes: {creation: 1.0}}]}}}\n"
    refused(lambda: own(text), "reads as true or false; put it in quotes")


# List functions


def listed(base, call):
    """A config as Hydra hands it over, with a factor whose levels are a list function."""
    design = {"kind": "factorial", "factors": {"a": {"path": "ability.moderate", "levels": f"${{{call}}}"}}, "rows": None}
    return validate(OmegaConf.create({**base, "design": design}))


@pytest.mark.parametrize(
    ("call", "values"),
    [
        ("linspace:0,1,5", [0, 0.25, 0.5, 0.75, 1]),
        ("linspace:0,0.3,4", [0, 0.1, 0.2, 0.3]),
        ("linspace:-0.3,0.6,4", [-0.3, 0, 0.3, 0.6]),
        ("linspace:1,0,3", [1, 0.5, 0]),
        ("linspace:0.7,1,1", [0.7]),
        ("linspace:0,1,1e1", [k / 9 for k in range(10)]),
        ("logspace:0.01,100,5", [0.01, 0.1, 1, 10, 100]),
        ("logspace:1e-20,1,3", [1e-20, 1e-10, 1]),
        ("logspace:8,1,4", [8, 4, 2, 1]),
        ("arange:2,6,1", [2, 3, 4, 5]),
        ("arange:0,0.3,0.1", [0, 0.1, 0.2]),
        ("arange:0,1,0.1", [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]),
        ("arange:-0.3,0.31,0.1", [-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3]),
        ("arange:1,0,-0.25", [1, 0.75, 0.5, 0.25]),
        ("arange:0,1,3", [0]),
    ],
)
def test_list__values(base, call, values):
    found = list(listed(base, call).design.factors["a"].levels)
    assert found == [float(f"{v:.12g}") for v in values]
    assert all(len(f"{v:.17g}") < 8 or v == float(f"{v:.12g}") for v in found)


def test_list__whole_numbers_stay_whole():
    config = compose(["design=factorial", "design.factors.n={path: population.partners, levels: '${arange:2,5,1}'}"])
    assert [type(v) for v in config.design.factors["n"].levels] == [int] * 3


def test_list__arguments_may_be_keys_and_serve_in_any_list():
    config = compose(["design=list", "design.factors.n={path: population.partners}",
                      "design.rows=[{n: 2},{n: '${population.partners}'}]",
                      "design.factors.m.path=ability.moderate",
                      "design.factors.m.levels='${linspace:0,1,${population.partners}}'"])  # fmt: skip
    assert config.design.rows[1] == {"n": 2}
    assert config.design.factors["m"].levels == (0, 1)


@pytest.mark.parametrize(
    ("call", "part"),
    [
        ("linspace:0,1", "must be linspace:a,b,n, three finite numbers."),
        ("linspace:", "must be linspace:a,b,n, three finite numbers."),
        ("linspace:0,1,2,3", "must be linspace:a,b,n"),
        ("linspace:a,1,2", "three finite numbers"),
        ("linspace:0,inf,2", "three finite numbers"),
        ("linspace:0,nan,2", "three finite numbers"),
        ("linspace:0,true,2", "three finite numbers"),
        ("linspace:0,[1],2", "three finite numbers"),
        ("linspace:0,1,0", "n must be a whole number in [1, 1000000]"),
        ("linspace:0,1,2.5", "n must be a whole number"),
        ("linspace:0,1,1e9", "n must be a whole number"),
        ("logspace:0,1,3", "a and b are the end values and must be above 0"),
        ("logspace:-1,1,3", "must be above 0"),
        ("arange:0,1,0", "step must lead from a towards b"),
        ("arange:0,1,-0.1", "step must lead from a towards b"),
        ("arange:0,0,1", "step must lead from a towards b"),
        ("arange:0,1,1e-9", "in at most 1000000 steps"),
        ("arange:0,1", "must be arange:a,b,step"),
    ],
)
def test_list__bad_arguments(base, call, part):
    refused(lambda: listed(base, call), "design.factors.a.levels = ${", part)


# Mappings


def test_mapping__nested_and_dotted():
    config = from_mapping(
        {"population": {"partners": 3, "initial": {"strategies": ["collaboration"] * 3}}, "random.seed": 7}
    )
    assert config == compose(["population.partners=3", "random.seed=7",
                              "population.initial.strategies=[collaboration,collaboration,collaboration]"])  # fmt: skip
    assert config.population.initial.mix == compose().population.initial.mix


def test_mapping__the_later_of_two_holds():
    assert from_mapping({"population": {"partners": 3}, "population.partners": 4}).population.partners == 4
    assert from_mapping({"population.partners": 4, "population": {"partners": 3}}).population.partners == 3


def test_mapping__choices_and_factors():
    config = from_mapping({"design": "factorial", "design.factors": {"t": {"path": "context.trust.mean", "levels": [0, 1]}}})
    assert [p.labels for p in points(config)] == [{"t": 0}, {"t": 1}]
    config = from_mapping({"experiment": "sweep", "design.factors.trust.levels": [0.5], "population": {"alliances": 10}})
    assert len(points(config)) == 15
    config = from_mapping({"experiment": "sweep", "design.factors.partners.levels": {"low": 2, "high": 3, "n": 2}})
    assert len(points(config)) == 21 * 5 * 2


def test_mapping__arrays_ranges_and_paths():
    config = from_mapping({
        "population.partners": np.int64(3), "ability.moderate": np.float32(0.5), "output.path": Path("a") / "b.zarr",
        "random.common": np.bool_(False), "design.kind": "factorial",
        "design.factors": {"a": {"path": "context.trust.mean", "levels": np.linspace(0, 1, 3)},
                           "b": {"path": "population.periods", "levels": range(1, 4)}},
    })  # fmt: skip
    assert (config.population.partners, config.ability.moderate, config.output.path) == (3, 0.5, "a/b.zarr")
    assert config.design.factors["a"].levels == (0, 0.5, 1)
    assert config.design.factors["b"].levels == (1, 2, 3)


@pytest.mark.parametrize(
    ("differences", "parts"),
    [
        (
            {"population": {"partnerz": 3}},
            ["population.partnerz = 3: there is no such key. Did you mean population.partners?"],
        ),
        ({"population.partners": {1, 2}}, ["population.partners = {1, 2}: must be a number, a word"]),
        ({"population": 3}, ["population = 3: must be a group of keys (partners, "]),
        ({"population.partners.x": 3}, ["population.partners = {x: 3}: must be a whole number in [2, 32]."]),
        ({"context": "statik"}, ["context = statik: must be one of endogenous, static. Did you mean static?"]),
        ({"experiment": "sweeep"}, ["experiment = sweeep", "Did you mean sweep?"]),
        ({"experiment": 3}, ["experiment = 3: there is no such key."]),
        ({"": 3}, [" = 3: there is no such key."]),
        ({3: 3}, ["3 = 3: there is no such key."]),
        ({"population.partners": "${random.seed}"}, ["population.partners = ${random.seed}: must be a whole number"]),
        ({"_target_": "os.system"}, ["_target_ = os.system: there is no such key."]),
    ],
)
def test_mapping__refused(differences, parts):
    refused(lambda: from_mapping(differences), *parts)


def test_validate__takes_plain_data(make_config):
    config = make_config()
    assert validate(config.model_dump()) == config
    refused(lambda: validate({}), "population: is missing; it must be a group of keys")


# The resolved config


LISTED = [
    "design=list",
    "design.factors.a.path=[ability.moderate]",
    "design.rows=[{a: 0.1},{a: 1}]",
    "output.variables=[survival]",
]


SAMPLED = ["design=saltelli", "design.points=4", "design.factors.a={path: ability.moderate, levels: {low: 0, high: 1}}"]
FILED = ["design=list", "design.factors.a.path=ability.moderate", "design.rows=a/b.csv"]


@pytest.mark.parametrize("overrides", [[], ["+experiment=sweep"], LISTED, SAMPLED, FILED])
def test_resolved__is_flat_json_and_leads_back(overrides):
    config = compose(overrides)
    flat = resolved(config)
    assert json.loads(json.dumps(flat, allow_nan=False)) == flat
    assert not any(isinstance(v, dict) and v for v in flat.values())
    assert from_mapping(flat) == config
    assert flat.keys() >= {path for path, field in helptext.paths(Config).items()
                           if helptext.group_of(field) is None and path != "design.factors"}  # fmt: skip


def test_resolved__equal_configs_are_equal():
    assert resolved(compose(["population.alliances=1e4"])) == resolved(compose())
    assert resolved(compose(["response.theory_mix={larsson1998: 1}"])) == resolved(compose())


# Jobs of Hydra


def test_prepared__checks_every_job():
    assert prepared(["-m", "population.partners=2,3"]) == ["-m", "population.partners=2,3"]
    refused(
        lambda: prepared(["-m", "population.partners=2,3", "response.tremble=0.1,2"]),
        "response.tremble = 2: must be in [0, 1].",
    )
    refused(lambda: prepared(["-m", "+experiment=sweep,sweeep"]), "Did you mean sweep?")
    refused(lambda: prepared(["population.partnerz=2"]), "Did you mean population.partners?")
    assert prepared(["--cfg", "job", "population.partners=99"]) == ["--cfg", "job", "population.partners=99"]
    refused(lambda: prepared(["--cfg", "job", "populaton.partners=3"]), "populaton.partners = 3: there is no such key.")


def test_prepared__finds_a_folder_of_ones_own(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\npopulation: {partners: 3}\n")
    words = ["--config-dir", str(tmp_path), "+experiment=mine"]
    assert prepared(words) == words


def test_explained__lets_errors_of_a_job_pass():
    def run_job():
        raise ValueError("of the run")

    with pytest.raises(ValueError, match=r"^of the run$") as caught, explained():
        run_job()
    assert not isinstance(caught.value, ConfigError)
    refused(lambda: _raise_within([], KeyError("x")), "x")


def _raise_within(overrides, error):
    with explained(overrides):
        raise error


def test_compose__leaves_hydra_as_it_was():
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
        before = GlobalHydra.instance().hydra
        compose()
        assert GlobalHydra.instance().hydra is before
    compose()
    assert not GlobalHydra.instance().is_initialized()


# Help


def test_help__lists_every_key_choice_and_experiment():
    text = helptext.render()
    lines = text.splitlines()
    assert max(map(len, lines)) <= helptext.WIDTH == 118
    for key in [path for path, field in helptext.paths().items() if helptext.group_of(field) is None]:
        key = re.sub(r"context\.(stakes|trust|orientation|prior)\b", "context.<factor>", key)
        key = re.sub(r"ability\.(absorptive|communicative)\b", "ability.<capacity>", key)
        key = re.sub(r"phases\.table\.(awareness|exploration|expansion|commitment)\b", "phases.table.<phase>", key)
        assert key == "design.factors" or len([line for line in lines if line.startswith(f"  {key} ")]) == 1, key
    larger = {f"{name}_full" for name in EXPERIMENTS}
    assert not any(f"  {name} " in text for name in larger)
    for word in [
        *(name for name in EXPERIMENTS if name not in larger),
        "NAME_full",
        "--cfg job",
        "--multirun",
        "--help",
        "--hydra-help",
        "130 interrupted",
        "design.factors.<label>",
    ]:
        assert word in text
    assert not re.search(r"@(keys|groups|experiments)", text)
    assert re.search(r"  population.partners +2 +whole, \[2, 32\] +partners per alliance", text)
    assert re.search(r"  context.endgame.horizon +null +null or >= 1", text)


def test_help__groups_of_the_same_keys_are_listed_once():
    listed_keys = helptext.keys()
    rows = {path: (default, may_be) for path, default, may_be, _ in listed_keys}
    assert rows["context.<factor>"] == ("", "stakes, trust, orientation, prior")
    assert rows["context.<factor>.mean"] == ("0.5 0.5 0.5 0.3", "[0, 1]")
    assert rows["context.<factor>.level"] == ("alliance", "alliance, partner, pair")
    assert rows["ability.<capacity>"] == ("", "absorptive, communicative")
    assert rows["ability.<capacity>.mean"] == ("1.0", "[0, 1]")
    assert rows["phases.table.<phase>"] == ("", "awareness, exploration, expansion, commitment")
    assert rows["phases.table.<phase>.readiness"] == ("0.55 0.65 0.75 null", "null or [0, 1]")
    assert not [path for path in rows if re.search("trust.mean|absorptive|expansion", path)]


def test_help__every_key_has_a_meaning():
    keys = helptext.keys()
    assert [path for path, _, may_be, meaning in keys if not (may_be and meaning) and ".<label>.path" not in path] == []


def test_help__imports_nothing_heavy():
    code = "import sys; from sim import helptext; helptext.render(); print(*{m.split('.')[0] for m in sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(found) & {"numba", "xarray", "zarr", "dask", "hydra", "omegaconf", "matplotlib", "scipy", "SALib"}


# Anything at all


def _validates_or_is_refused(make):
    """A config whose points can be told and whose keys are JSON, or one line that says what is wrong; nothing else."""
    try:
        config = make()
        points(config)
    except ConfigError as error:
        said = str(error)
    else:
        said = json.dumps(resolved(config), allow_nan=False)
    assert "\n" not in said


WORDS = [*DEFAULTS, "design.factors.a", "design.factors.a.levels", "design.factors.a.path", "population", "context.trust",
         "population.initial.mix", "response.theory_mix.a", "response.theory_mix.a.yaml", "phases.table", "design", "compute", "+experiment", "+foo", "~plan", "foo"]  # fmt: skip
GARBAGE = st.one_of(
    st.text(max_size=12),
    st.floats().map(str),
    st.integers().map(str),
    st.text("[]{}(),:$'\"\\=.~+-09aeinfltr _", max_size=12),
    st.sampled_from(["null", "true", "nan", "inf", "1e400", "[]", "{}", "[[1]]", "{a: {b: 1}}", "???", "${a}", "sweep",
                     "${linspace:0,1,2}", "1,2", "a,b", "range(3)", "choice(1,2)", "glob(*)", "${oc.env:HOME}", "{path: x}",
                     "x.yaml"]),
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(WORDS), GARBAGE), min_size=1, max_size=3))
@example([("design.factors.a", "{path: [], levels: [{a: 1, b: 2}]}")])
@settings(max_examples=80, derandomize=True, deadline=None)
def test_fuzz__overrides_validate_or_are_refused(pairs):
    _validates_or_is_refused(lambda: compose([f"{key}={value}" for key, value in pairs]))


DATA = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=2)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*DEFAULTS, "design", "population", "design.factors.a", "response.threshold"]), DATA,
                       min_size=1, max_size=2))  # fmt: skip
@settings(max_examples=150, derandomize=True, deadline=None)
def test_fuzz__data_validates_or_is_refused(base, differences):
    _validates_or_is_refused(lambda: with_keys(base, differences))
