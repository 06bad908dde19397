"""Batch Monte Carlo experiments on the dynamics of learning in strategic alliances.

`simulate` runs in memory, `open_results` opens what ``python -m sim.run`` stored, `histories` and `panel` tell single
alliances of it again, `long_runs` solves what becomes of alliances in the end. Nothing heavy is imported before one is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.api import long_runs, open_results, simulate
    from sim.design import ConfigError
    from sim.retrace import histories, panel

__all__ = ["ConfigError", "histories", "long_runs", "open_results", "panel", "simulate"]
_HOMES = {
    "simulate": "sim.api",
    "open_results": "sim.api",
    "long_runs": "sim.api",
    "histories": "sim.retrace",
    "panel": "sim.retrace",
    "ConfigError": "sim.design",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sim' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
