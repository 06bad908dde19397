"""Functions that a config may call: ``${linspace:a,b,n}``, ``${logspace:a,b,n}``, ``${arange:a,b,step}``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf

from sim.design import ConfigError
from sim.factors import spaced, tidy
from sim.helptext import show
from sim.schema import MAX_POINTS

LISTS = ("linspace", "logspace", "arange")


def register_resolvers() -> None:
    """Make ``${linspace:a,b,n}``, ``${logspace:a,b,n}`` and ``${arange:a,b,step}`` known; they serve in any list.

    linspace, logspace: n values from a to b, both included; logspace takes the end *values*, above 0, and spaces
    geometrically. arange: a, a + step, ... up to b, left out; whole numbers where all three are. 12 significant digits.
    """
    for name in LISTS:
        OmegaConf.register_new_resolver(name, lambda *numbers, name=name: _list(name, numbers), replace=True)


def _list(name: str, numbers: Sequence[Any]) -> list[float]:
    call = f"${{{name}:{','.join(map(show, numbers))}}}"
    if len(numbers) != 3 or not all(type(x) in (int, float) and abs(x) < 1e300 for x in numbers):
        raise ConfigError(f"{call}: must be {name}:a,b,{'step' if name == 'arange' else 'n'}, three finite numbers.")
    a, b, n = numbers
    if name != "arange":
        if n != int(n) or not 1 <= n <= MAX_POINTS:
            raise ConfigError(f"{call}: n must be a whole number in [1, {MAX_POINTS}].")
        if name == "logspace" and min(a, b) <= 0:
            raise ConfigError(f"{call}: a and b are the end values and must be above 0.")
        return spaced(float(a), float(b), int(n), "log" if name == "logspace" else "linear")
    if not 0 < ((b - a) / n if n else 0) <= MAX_POINTS:
        raise ConfigError(f"{call}: step must lead from a towards b in at most {MAX_POINTS} steps.")
    if all(isinstance(x, int) for x in numbers):
        return list(range(a, b, n))
    # A count that is whole but for rounding is whole: 0.3 / 0.1 is 3, so that arange:0,0.3,0.1 ends at 0.2.
    return [tidy(a + k * n, 1e-12 * max(abs(a), abs(b))) for k in range(math.ceil(round((b - a) / n, 9)))]
