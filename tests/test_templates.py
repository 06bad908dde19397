"""Arguments made from a template are those made from the point itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import base_config

from sim import templates
from sim.arguments import Arguments, arguments_of
from sim.design import points
from sim.recording import period_grid
from sim.schema import Config
from sim.templates import PLAIN, Templates

OTHER: dict[str, Any] = {
    "population.partners": [2, 3],
    "population.periods": [5, 9],
    "response.tremble": [0.01, 0.02],
    "response.theory_mix": ["larsson1998", "barriers_only"],
    "context.endgame.horizon": [{"none": None}, {"some": 7.0}],
}


def design(paths: dict[str, list[Any]], **overrides: Any) -> Config:
    factors = {f"f{k}": {"path": path, "levels": levels} for k, (path, levels) in enumerate(paths.items())}
    return Config.model_validate(base_config(design__kind="factorial", design__factors=factors, **overrides))


def same(a: Arguments, b: Arguments) -> None:
    for name in ("form", "rows", "layout"):
        assert getattr(a, name) == getattr(b, name)
    for name in ("point", "mix", "recorded", "want"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    for name in ("tables", "full"):
        ours, theirs = getattr(a, name), getattr(b, name)
        assert (ours is None) == (theirs is None)
        for x, y in zip(vars(ours).values(), vars(theirs).values(), strict=True) if ours is not None else ():
            np.testing.assert_equal(x, y)


def check(config: Config) -> None:
    found = points(config)
    grid, made = period_grid(found, config.output.every), Templates(config, period_grid(found, config.output.every))
    for point in found:
        same(made.arguments(point), arguments_of(point, config, grid))


@pytest.mark.parametrize("path", PLAIN)
@pytest.mark.parametrize("other", OTHER)
def test_templates__are_the_points_themselves(path: str, other: str) -> None:
    check(design({other: OTHER[other], path: [0.25, 0.5, 0.75]}))


@pytest.mark.parametrize("common", [True, False])
def test_templates__several_keys_and_draws_of_their_own(common: bool) -> None:
    paths = {path: [0.1, 0.3] for path in list(PLAIN)[::3]}
    check(design({**paths, "population.alliances": [10, 20]}, random__common=common))


def test_templates__every_mechanism() -> None:
    check(design({"context.trust.mean": [0.2, 0.6], "ability.distance": [0.1, 0.4]}, context__trust__distribution="beta"))


def test_templates__more_than_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "MOST", 2)
    check(design({"response.tremble": [0.1, 0.2, 0.3], "context.trust.mean": [0.2, 0.6]}))
