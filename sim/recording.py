"""What a run records, and how much work a point is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.design import Point
from sim.schema import Config
from sim.variables import VARIABLES


def period_grid(points: Sequence[Point], every: int) -> np.ndarray:
    """The ``period`` coordinate: every period that some point records (int64, ascending)."""
    lengths = {p.parameters.population.periods for p in points}
    return np.unique(np.concatenate([own_periods(t, every) for t in lengths]))


def own_periods(periods: int, every: int) -> np.ndarray:
    """Periods a point records: 0, every, 2 every, ... and its last."""
    return np.unique(np.append(np.arange(0, periods + 1, every), periods))


def recorded_names(config: Config) -> tuple[str, ...]:
    """Recorded variables, in the order of `sim.variables.VARIABLES`."""
    wanted = config.output.variables
    return tuple(v.name for v in VARIABLES if wanted == "all" or v.name in wanted)


def partner_updates(point: Point) -> int:
    """Work of one alliance of a point: partners x periods."""
    return point.parameters.population.partners * point.parameters.population.periods
