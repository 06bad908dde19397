"""Fixtures of the whole suite: a base config as plain data, and points made from it."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

CONF = Path(__file__).parent.parent / "conf"


def _read(name: str) -> dict[str, Any]:
    return yaml.safe_load((CONF / name).read_text())


def base_config(**overrides: Any) -> dict[str, Any]:
    """The defaults as plain nested data, with ``a__b=value`` overrides (``population__partners=3``); into a group, by key."""
    raw = {
        "population": _read("population/default.yaml"),
        "response": _read("response/default.yaml"),
        "context": _read("context/endogenous.yaml"),
        "ability": _read("ability/neutral.yaml"),
        "race": _read("race/none.yaml"),
        "phases": _read("phases/none.yaml"),
        "design": _read("design/single.yaml"),
        "precision": _read("precision/fixed.yaml"),
        "method": "simulate",
        "compute": _read("compute/serial.yaml"),
        "output": _read("output/default.yaml"),
        "random": {"seed": 1, "common": True},
        "plan": False,
    }
    raw = copy.deepcopy(raw)
    for key, value in overrides.items():
        tree: Any = raw
        *parents, leaf = key.split("__")
        for name in parents:
            tree = tree[name]
        old = tree.get(leaf)
        tree[leaf] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return raw


def in_python(module: Any) -> SimpleNamespace:
    """A module of the kernels, its row loops and steps so that Python can call them."""
    from sim.jit import _Inner, from_python

    return SimpleNamespace(**{k: from_python(v) if isinstance(v, _Inner) else v for k, v in vars(module).items()})


@pytest.fixture
def make_config():
    """base_config validated: ``make_config(population__partners=3)``."""
    from sim.schema import Config

    return lambda **overrides: Config.model_validate(base_config(**overrides))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full-size", action="store_true", help="run benchmarks at full size")
