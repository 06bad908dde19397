"""Points of the exact engine's tests."""

from __future__ import annotations

from typing import Any

from conftest import base_config

from sim.design import Point, points
from sim.schema import Config
from sim.strategies import STRATEGIES

EVEN_MIX = dict.fromkeys(STRATEGIES, 0.2)
EVERYTHING = {
    "context__kind": "static",
    "context__calculative_share": 0.4,
    "context__endgame": {"horizon": 5.0, "window": 3.5},
    "population__initial__mix": EVEN_MIX,
    "response__misperception": 0.2,
    "response__tremble": 0.05,
    "response__barrier_strength": 0.7,
    "ability__moderate": 0.3,
    "ability__creation": 0.8,
}


def case_of(**overrides: Any) -> tuple[Point, Config]:
    config = Config.model_validate(base_config(**{"context__kind": "static", **overrides}))
    return points(config)[0], config
