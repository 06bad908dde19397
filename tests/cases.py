"""Points as the kernel and the reference take them, and the comparison of what they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import reference
import reference_tallies
from conftest import base_config
from reference_records import Trajectory

from sim.blocks import Arguments, arguments_of, run_segment
from sim.design import Point, points
from sim.recording import layout_of, period_grid
from sim.schema import Config
from sim.tallies import Tallies
from sim.variables import QUANTITIES, Layout, layout


@dataclass(frozen=True)
class Case:
    """A point, its run, and the arguments the kernel gets."""

    config: Config
    point: Point
    grid: np.ndarray
    arguments: Arguments

    @property
    def layout(self) -> Layout:
        return layout_of(self.config)

    def run(self, first: int, count: int) -> Tallies:
        return run_segment(self.arguments, first, count)

    def reference(self, first: int, count: int) -> Tallies:
        return reference_tallies.tallies(self.point, self.config, self.grid, first, count)

    def history(self, alliance: int) -> Trajectory:
        return reference.history(self.point, self.config, alliance)

    def differing(self, first: int, count: int) -> list[str]:
        """Where kernel and reference differ."""
        return differing(self.run(first, count), self.reference(first, count), self.layout)


def cases_of(**overrides: Any) -> list[Case]:
    """Every point of a design."""
    config = Config.model_validate(base_config(**overrides))
    found = points(config)
    grid = period_grid(found, config.output.every)
    return [Case(config, point, grid, arguments_of(point, config, grid)) for point in found]


def case_of(**overrides: Any) -> Case:
    (case,) = cases_of(**overrides)
    return case


def differing(a: Tallies, b: Tallies, columns: Layout | None = None) -> list[str]:
    """Where two tallies differ, in words; `columns`: those of a run that records more than the usual."""
    columns = columns or layout(batched=QUANTITIES)
    assert a.period.shape == b.period.shape
    assert a.point.shape == b.point.shape
    assert a.period.shape[2] == len(columns.period)
    found = [] if a.alliances == b.alliances else [f"alliances: {a.alliances}, {b.alliances}"]
    for _, row, column_, power in np.argwhere(a.period != b.period):
        name, values = columns.period[column_], [int(x.period[0, row, column_, power]) for x in (a, b)]
        found.append(f"row {row} of {name}, power {power + 1}: {values}")
    for _, column_, power in np.argwhere(a.point != b.point):
        name, values = columns.point[column_], [int(x.point[0, column_, power]) for x in (a, b)]
        found.append(f"{name}, power {power + 1}: {values}")
    return found


def column(tallies: Tallies, name: str, power: int = 0, columns: Layout | None = None) -> np.ndarray:
    """Sums (power 0) or sums of squares (1) of a variable as int64: (rows, columns) or (columns,)."""
    by_period, where = (columns or layout()).columns_of(name)
    words = (tallies.period if by_period else tallies.point)[..., where, power]
    assert not words[1].any()
    return words[0].astype(np.int64)
