"""The points that the benchmarks run, and the scalar form of the kernel on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from conftest import base_config

from benchmarks import scalar
from sim import equations as eq
from sim import theory as theories
from sim.arguments import Arguments, arguments_of
from sim.blocks import run_segment
from sim.design import Point, points, theory_of
from sim.recording import period_grid
from sim.schema import Config
from sim.theory_tables import keep_probability

#: What the plain C form of the base model records.
FEW = ["strategy_share", "learning", "mean_trust"]
PAIRS = {"distribution": "beta", "level": "pair"}
#: Every mechanism of the model, with values that let alliances live: an alliance that has dissolved costs nothing.
MECHANISMS: dict[str, dict[str, dict[str, Any]]] = {
    "distributions": {"context": {"trust": PAIRS, "stakes": PAIRS, "prior": PAIRS}},
    "abilities": {"ability": {"absorptive": {**PAIRS, "mean": 0.8}, "distance": 0.4, "slack": 3.0, "trust_cost": 0.3}},
    "race": {"race": {"scope": 50.0, "renewal": 0.5, "temptation": 0.2, "forced_disclosure": 0.3, "satiation": 0.001}},
    "theories": {"response": {"theory_mix": {"larsson1998": 0.5, "tit_for_tat": 0.3, "always_collaboration": 0.2}}},
    "noise": {"response": {"misperception": 0.01, "aware": 0.3, "instrumentality": 0.1}, "population": {"exit_rate": 0.01}},
    "phases": {"phases": {"kind": "iyer2002", "break_rate": 0.0}},
}
Values = dict[str, Any]


def prepared(values: Values, force_full: bool = False) -> tuple[Point, Arguments]:
    """The only point of a config, and how the kernel takes it; `values` as `conftest.base_config` takes them."""
    config = Config.model_validate(base_config(**values))
    (point,) = points(config)
    return point, arguments_of(point, config, period_grid([point], config.output.every), force_full=force_full)


def alive(values: Values, count: int = 4096) -> np.ndarray:
    """Share of a point's alliances that are alive, by period."""
    _, arguments = prepared(values | {"output__variables": ["survival"]})
    tallies = run_segment(arguments, 0, count)
    _, where = arguments.layout.columns_of("survival")
    return tallies.period[0, :, where.start, 0] / count


def base(partners: int, trust: float = 0.8) -> Values:
    """The base model with trust and orientation at the same level, from every mix of strategies."""
    return {"population__partners": partners, "context__trust__mean": trust, "context__orientation__mean": trust}


def living(partners: int, *mechanisms: str) -> Values:
    """Mutual collaboration, low thresholds, next to no tremble: all alliances live to the end; with mechanisms, by name."""
    values: Values = {
        "population__partners": partners,
        "response__threshold": dict.fromkeys(theories.PROPOSITIONS, -1.0),
        "population__initial__strategies": ["collaboration"] * partners,
        "response__tremble": 1e-6,
    }
    for name in mechanisms:
        for group, keys in MECHANISMS[name].items():
            values |= {f"{group}__{key}": value for key, value in keys.items()}
    return values


def core_rule(partners: int, folder: Path) -> Values:
    """The cut-down model of the yardsticks: fixed context, even chances of empowerment, one pace; its theory goes to `folder`."""
    path = folder / "core_rule.yaml"
    data = yaml.safe_load(theories.source_of("larsson1998"))
    del data["pace"]
    path.write_text(yaml.safe_dump(data))
    return {
        "population__partners": partners,
        "context__kind": "static",
        "response__theory_mix": str(path),
        "response__sensitivity": 0.0,
        "response__reconsideration": 0.3,
        "response__tremble": 0.001,
        "output__variables": ["strategy_share", "learning"],
    }


def scalar_form(point: Point, arguments: Arguments) -> Callable[[int], np.ndarray]:
    """The scalar form of the base model on a point: number of alliances -> strategy counts (5), learning, trust by period."""
    theory, response = theory_of(point.parameters), point.parameters.response
    f, a = np.float32, arguments
    weights = np.array(theory.weights, f)
    given = [getattr(response.threshold, name) for name in theories.PROPOSITIONS]
    thresholds = np.array([t if o is None else o for t, o in zip(theory.thresholds, given, strict=True)], f)
    keeps = [
        eq.keep_threshold.py_func(f(response.tremble), f(keep_probability(response.reconsideration, pace)))
        for pace in theory.pace
    ]
    group = np.array([theory.group(cell) for cell in range(25)])
    handicap = np.array([theory.handicap * h for h in theory.handicapped], f)
    cells = np.array(theory.barrier), np.array(theory.empowered), group

    def run(count: int) -> np.ndarray:
        out = np.zeros((point.parameters.population.periods + 1, 7))
        scalar.simulate(a.point[()], 0, count, a.mix, *cells, weights, thresholds, handicap, np.array(keeps, f), out)
        return out

    return run
