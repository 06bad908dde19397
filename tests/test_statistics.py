"""The simulator against the exact chain: means by period of everything recorded, in a static homogeneous context.

Each test compares some 300 to 3000 numbers at a false-alarm rate of 1e-6 in all (Bonferroni), with a fixed seed, by the
bounds of `sim.agreement`.

What is found with probability .999 in a single period, by 2^19 alliances of two partners in the default case
(`test_statistics__smallest_deviations` computes it): a share of partners off by .0062, of pairs or of surviving alliances
by .0068, transfer or creation by .0038, learning (at most 2) by .0071, a mean time of dissolution by .16 periods, a mean
number of responses by .05. In terms of the model: any cell of the response tables altered to any other target (chance of
passing: below 1e-40), and the changes of parameters listed in `SMALL_CHANGES`.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml
from conftest import base_config

from sim import agreement, exact
from sim.agreement import FALSE_ALARM, Cells
from sim.blocks import arguments_of, run_segment
from sim.design import Point, points, theory_of
from sim.labels import dataset
from sim.recording import period_grid
from sim.schema import Config
from sim.strategies import STRATEGIES
from sim.theory import NEVER, PROPOSITIONS, Theory, source_of

ALLIANCES = 2**19
EVEN_MIX = dict.fromkeys(STRATEGIES, 0.2)
EVERYTHING = {
    "population__periods": 20,
    "population__initial__mix": EVEN_MIX,
    "context__calculative_share": 0.4,
    "context__endgame": {"horizon": 15.0, "window": 10.0},
    "response__misperception": 0.15,
    "response__tremble": 0.03,
    "response__barrier_strength": 0.6,
    "ability__moderate": 0.3,
    "ability__creation": 0.8,
}
CASES: dict[str, dict[str, Any]] = {
    "default": {},
    "barriers only": {"response__theory_mix": "barriers_only", "response__tremble": 0.0},
    "everything": EVERYTHING,
    "misperception": {"response__misperception": 0.3},
    "weak barriers": {"response__barrier_strength": 0.2, "response__reconsideration": 0.7},
    "end-game": {"context__endgame": {"horizon": 20.0, "window": 12.0}, "context__calculative_share": 1.0},
    "exits": {**EVERYTHING, "population__exit_rate": 0.3},
    "aware": {"population__periods": 15, "response__aware": 0.4, "response__awareness_bonus": 0.25},
    "aware and exits": {**EVERYTHING, "response__aware": 0.4, "population__exit_rate": 0.2},
}


def case_of(**overrides: Any) -> tuple[Point, Config]:
    settings = {"context__kind": "static", "population__periods": 40, "random__seed": 20260801, **overrides}
    config = Config.model_validate(base_config(**settings))
    return points(config)[0], config


def simulate(point: Point, config: Config, alliances: int) -> xr.Dataset:
    grid = period_grid([point], config.output.every)
    return dataset([point], [run_segment(arguments_of(point, config, grid), 0, alliances)], config).isel(point=0)


# --- the comparison --------------------------------------------------------------------------------------------------


def cells_of(simulated: xr.Dataset, expected: xr.Dataset, point: Point) -> Cells:
    """All numbers to compare."""
    assert all(simulated[name].dims == expected[name].dims for name in simulated if name in expected)
    return agreement.cells_of(simulated, expected, point.parameters, int(simulated.alliances))


def verdict(simulated: xr.Dataset, expected: xr.Dataset, point: Point) -> tuple[float, str]:
    """Bonferroni's chance of the least likely cell if the expectation is right, and which it is."""
    return agreement.verdict(cells_of(simulated, expected, point))


def agree(point: Point, config: Config, alliances: int = ALLIANCES) -> None:
    expected = exact.solve(point, config).isel(point=0)
    chance, cell = verdict(simulate(point, config, alliances), expected, point)
    assert chance > FALSE_ALARM, f"{cell}: chance {chance:.2g}"


# --- agreement -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "partners"), [(name, n) for name in CASES for n in (2, 3, 4) if "aware" not in name or n < 4]
)
def test_statistics__simulation_agrees_with_the_chain(name, partners):
    """False alarms: 1e-6 a case. Finds a strategy's share off by .0065 or less in any period (2^19 alliances)."""
    agree(*case_of(population__partners=partners, **CASES[name]))


def test_statistics__agreement_from_different_fixed_starts():
    """False alarms: 1e-6. Partners of different first strategies, so a mix-up of partners would show."""
    start = ["competition", "accommodation", "collaboration", "compromise"]
    agree(*case_of(population__partners=4, population__initial__strategies=start, **CASES["misperception"]))


@pytest.mark.parametrize("partners", [2, 3, 4])
def test_statistics__agreement_for_a_theory_with_every_cell_in_use(partners, tmp_path):
    """False alarms: 1e-6. A theory with random targets, its own label for each cell, uneven weights and eight paces."""
    rng = np.random.default_rng(5)
    theory = labelled()
    for table in ("barrier", "empowered"):
        for own, seen in itertools.product(STRATEGIES, repeat=2):
            label = f"{rng.integers(6, 10)}:{own}:{seen}" if table == "empowered" else f"b:{own}:{seen}"
            theory[table][own][seen] = f"{rng.choice(STRATEGIES)} {label}"
    paces = [0.1, 0.3, 0.5, 0.9, 1.2, 1.5, 3, 10]
    theory["pace"] = {own: {seen: float(rng.choice(paces)) for seen in STRATEGIES} for own in STRATEGIES}
    for proposition in theory["propositions"].values():
        proposition["drivers"] = {name: float(rng.uniform(0.1, 3)) for name in ("stakes", "trust", "orientation", "prior")}
    agree(*case_of(population__partners=partners, **{**EVERYTHING, "response__theory_mix": written(theory, tmp_path)}))


def test_statistics__smallest_deviations():
    """What the module says it finds is what the bounds give, to the last digit stated."""
    point, config = case_of()
    expected = exact.solve(point, config).isel(point=0)
    cells = cells_of(simulate(point, config, ALLIANCES), expected, point)
    stated = {
        "strategy_share": 0.0062, "regime_share": 0.0068, "survival": 0.0068, "transfer": 0.0038, "creation": 0.0038,
        "learning": 0.0071, "dissolution_time": 0.16, "response_count": 0.05,
    }  # fmt: skip
    for name, deviation in stated.items():
        assert 0.9 * deviation < cells.detectable()[cells.variable == name].max() <= deviation, name


ABILITIES = {
    "ability__absorptive": {"mean": 0.9},
    "ability__communicative": {"mean": 0.7},
    "ability__connections": 0.8,
    "ability__distance": 0.4,
    "ability__trust_cost": 0.5,
    "ability__trust_optimum": 0.2,
}
FOLLOWED = {"larsson1998": 0.6, "tit_for_tat": 0.4}
EXITS = {"population__exit_rate": 0.3}
SLACK = {"ability__slack": 1.2, **EXITS}
#: Mechanisms besides the base model, with exits and all else in reach.
MECHANISMS: dict[str, dict[str, Any]] = {
    "majority": {"population__coupling": "majority"},
    "majority with exits": {"population__coupling": "majority", **EXITS},
    "weakest": {"population__coupling": "weakest"},
    "weakest with abilities": {"population__coupling": "weakest", **ABILITIES, **SLACK},
    "specific": {"population__coupling": "partner_specific"},
    "specific with exits": {"population__coupling": "partner_specific", **ABILITIES, **SLACK},
    "specific mix": {"population__coupling": "partner_specific", "response__theory_mix": FOLLOWED, **EXITS},
    "abilities": ABILITIES,
    "slack": {**ABILITIES, **SLACK},
    "instrumentality": {"response__instrumentality": 0.3},
    "theories": {"response__theory_mix": {**FOLLOWED, "larsson1998": 0.3, "always_competition": 0.3}},
    "theories and awareness": {"response__theory_mix": FOLLOWED, "response__aware": 0.3, **EXITS},
}


@pytest.mark.parametrize(
    ("name", "partners"),
    [
        (name, n)
        for name in MECHANISMS
        for n in (2, 3, 4)
        if (n < 4 or "major" in name or name == "slack") and (n > 2 or "pec" not in name)
    ],
)
def test_statistics__simulation_agrees_with_the_chain_of_each_mechanism(name, partners):
    """False alarms: 1e-6 a case. Learning by pair of strategies and by theory is compared, too."""
    variables = {"output__variables": ["all", "learning_by_pair", "learning_by_theory", "unlearnt"]}
    periods = {"population__periods": 8, "output__every": 2}
    agree(*case_of(**{**EVERYTHING, **periods, **variables, **MECHANISMS[name], "population__partners": partners}), 2**17)


@pytest.mark.parametrize(
    ("base", "key", "wrong"),
    [
        ({**ABILITIES, **SLACK}, "ability__slack", 1.25),
        (ABILITIES, "ability__connections", 0.84),
        (ABILITIES, "ability__distance", 0.41),
        (ABILITIES, "ability__trust_cost", 0.52),
        ({"ability__communicative": {"mean": 0.7}}, "ability__communicative", {"mean": 0.72}),
        ({"response__instrumentality": 0.3}, "response__instrumentality", 0.33),
        ({"response__theory_mix": FOLLOWED}, "response__theory_mix", {"larsson1998": 0.61, "tit_for_tat": 0.39}),
        ({}, "population__coupling", "majority"),
        ({"population__coupling": "majority"}, "population__coupling", "weakest"),
        ({"population__coupling": "weakest"}, "population__coupling", "sampled"),
        ({}, "population__coupling", "partner_specific"),
    ],
    ids=str,
)
def test_statistics__small_changes_of_a_mechanism_are_found(base, key, wrong):
    """The chain with one key slightly wrong, three partners; false alarms: 1e-6 each."""
    given = {**EVERYTHING, "population__periods": 10, "population__partners": 3}
    point, config = case_of(**{**given, **base})
    simulated = simulate(point, config, ALLIANCES)
    assert verdict(simulated, exact.solve(point, config).isel(point=0), point)[0] > FALSE_ALARM
    other, _ = case_of(**{**given, **base, key: wrong})
    expected = exact.solve(other, config).isel(point=0)
    assert verdict(simulated, expected, point)[0] < FALSE_ALARM


# --- power -----------------------------------------------------------------------------------------------------------

#: Every cell is reached often and both branches are taken: all drivers near the thresholds.
POWER = {
    "population__periods": 8,
    "population__initial__mix": EVEN_MIX,
    "response__reconsideration": 0.6,
    "response__misperception": 0.3,
    "response__tremble": 0.03,
    "response__barrier_strength": 0.7,
    "context__trust": {"distribution": "constant", "mean": 0.55},
    "context__prior": {"distribution": "constant", "mean": 0.5},
}


def labelled() -> dict[str, Any]:
    """larsson1998 as data, with a label of its own for each barrier cell, so that each is counted by itself."""
    theory: dict[str, Any] = yaml.safe_load(source_of("larsson1998"))
    for own, seen in itertools.product(STRATEGIES, repeat=2):
        target, *_ = theory["barrier"][own][seen].split(" ")
        theory["barrier"][own][seen] = f"{target} b:{own}:{seen}"
    return theory


def written(theory: dict[str, Any], folder: Path) -> str:
    path = folder / "theory.yaml"
    path.write_text(yaml.safe_dump(theory))
    return str(path)


@pytest.mark.parametrize("partners", [2, 3, 4])
def test_statistics__any_altered_cell_of_the_tables_is_found(partners, tmp_path):
    """Each of the 50 cells, altered to each other target in the theory the chain is given; false alarms: 1e-6 each.

    All cells are reached (an avoider facing an avoider among two partners: one that misperceives an accommodator).
    """
    point, config = case_of(population__partners=partners, response__theory_mix=written(labelled(), tmp_path), **POWER)
    theory, simulated = theory_of(point.parameters), simulate(point, config, ALLIANCES)
    right = exact.solve(point, config).isel(point=0)
    assert all(right.response_count.sel(proposition=label) > 1e-4 for label in theory.barrier_label)
    assert verdict(simulated, right, point)[0] > FALSE_ALARM
    passed = {
        (table, cell, target): verdict(simulated, exact.solve(point, config, wrong).isel(point=0), point)[0]
        for table, cell, target, wrong in altered(theory)
    }
    assert len(passed) == 25 * 4 + 25 * 5
    assert max(passed.values()) < 1e-40, max(passed, key=lambda key: passed[key])


def altered(theory: Theory) -> Iterator[tuple[str, int, int, Theory]]:
    """The theory with one cell changed: all targets of all cells of both tables."""
    for table, targets in (("barrier", range(5)), ("empowered", (NEVER, *range(5)))):
        right = getattr(theory, table)
        for cell, target in itertools.product(range(25), targets):
            if target != right[cell]:
                wrong = (*right[:cell], target, *right[cell + 1 :])
                yield table, cell, target, dataclasses.replace(theory, **{table: wrong})


#: What may differ between simulation and chain without being found is smaller than this.
SMALL_CHANGES: dict[str, Any] = {
    "response__reconsideration": 0.255,
    "response__sensitivity": 13.0,
    "response__tremble": 0.035,
    "response__misperception": 0.16,
    "response__barrier_strength": 0.61,
    "response__aware": 0.32,
    "response__awareness_bonus": 0.21,
    "response__symmetric_handicap": 0.11,
    "response__threshold": [{p: 0.515 if p == q else None for p in PROPOSITIONS} for q in PROPOSITIONS],
    "context__calculative_share": 0.45,
    "population__exit_rate": 0.105,
    "population__initial__mix": {**EVEN_MIX, "avoidance": 0.203, "competition": 0.197},
    "ability__moderate": 0.32,
    "ability__creation": 0.815,
}


def test_statistics__small_changes_of_parameters_are_found():
    """The chain with one parameter slightly wrong; false alarms: 1e-6 each."""
    base = {**EVERYTHING, "response__aware": 0.3, "population__exit_rate": 0.1}
    point, config = case_of(**base)
    simulated = simulate(point, config, ALLIANCES)
    assert verdict(simulated, exact.solve(point, config).isel(point=0), point)[0] > FALSE_ALARM
    for key, values in SMALL_CHANGES.items():
        for value in values if isinstance(values, list) else [values]:
            wrong, _ = case_of(**{**base, key: value})
            chance, _ = verdict(simulated, exact.solve(wrong, config).isel(point=0), point)
            assert chance < FALSE_ALARM, (key, value, chance)


def test_statistics__a_wrong_pace_handicap_or_weight_is_found(tmp_path):
    """Any cell's pace halved, any handicap left out, any driver of a proposition half too heavy; false alarms: 1e-6 each."""
    drivers = {"stakes": 0.65, "trust": 0.7, "orientation": 0.35, "prior": 0.4}
    uneven = {f"context__{name}": {"distribution": "constant", "mean": mean} for name, mean in drivers.items()}
    point, config = case_of(**{**POWER, **uneven, "response__theory_mix": written(labelled(), tmp_path)})
    theory, simulated = theory_of(point.parameters), simulate(point, config, ALLIANCES)
    wrong = []
    for cell in range(25):
        pace = (*theory.pace[:cell], theory.pace[cell] / 2, *theory.pace[cell + 1 :])
        wrong.append(dataclasses.replace(theory, pace=pace))
        if theory.handicapped[cell]:
            handicapped = (*theory.handicapped[:cell], False, *theory.handicapped[cell + 1 :])
            wrong.append(dataclasses.replace(theory, handicapped=handicapped))
    for group, driver in np.argwhere(np.array(theory.weights) > 0):
        weights = [list(row) for row in theory.weights]
        weights[group][driver] *= 1.5
        wrong.append(dataclasses.replace(theory, weights=tuple(map(tuple, weights))))
    assert len(wrong) == 25 + 2 + 10
    assert verdict(simulated, exact.solve(point, config).isel(point=0), point)[0] > FALSE_ALARM
    for k, changed in enumerate(wrong):
        chance, _ = verdict(simulated, exact.solve(point, config, changed).isel(point=0), point)
        assert chance < FALSE_ALARM, (k, chance)
