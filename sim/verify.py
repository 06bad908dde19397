"""The command ``python -m sim.verify [+experiment=NAME] [group=choice] [key=value ...]``: does the simulation agree?

Runs both engines, the simulation and the exact chain, in memory, for all points of a design that both serve, and compares
every number that both give; see `sim.agreement` for how, and at which rate of false alarms. Nothing is written.

Exit status: 0 they agree, 1 they do not, 2 bad input, also where no point has an exact form, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sim.agreement import Cells
    from sim.design import Point
    from sim.schema import Config

#: Reasons for leaving points out that are told one by one.
MOST_REASONS = 12
AGREE, DISAGREE, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


@dataclass
class Row:
    """What is said of one variable: cells, largest |z|, largest difference, least chance, the cells told worst apart."""

    cells: int = 0
    z: float = 0.0
    away: float = 0.0
    chance: float = 1.0
    where: str = ""
    widest: list[Cells] = field(default_factory=list)


@dataclass(frozen=True)
class Comparison:
    """Both engines compared.

    Attributes
    ----------
    rows : by variable.  points : how many were compared.  alliances : of each, in order.
    left_out : what prevents an exact form -> points, an example.
    """

    rows: dict[str, Row]
    points: int
    alliances: tuple[int, ...]
    left_out: dict[str, tuple[int, str]]

    @property
    def cells(self) -> int:
        """Numbers compared."""
        return sum(row.cells for row in self.rows.values())

    @property
    def chance(self) -> float:
        """Bonferroni's chance of the least likely number, if both engines are of the same model."""
        return min(1.0, self.cells * min(row.chance for row in self.rows.values()))

    @property
    def agree(self) -> bool:
        """Whether no number is less likely than a false alarm."""
        from sim.agreement import FALSE_ALARM

        return self.chance > FALSE_ALARM


def compare(config: Config) -> Comparison:
    """Run both engines for the points of a design that both serve.

    Parameters
    ----------
    config : a run; what it records is compared.

    Raises
    ------
    ConfigError : no point has an exact form, or the design does not fit.
    """
    from sim import exact
    from sim.agreement import cells_of
    from sim.design import ConfigError, points
    from sim.labels import dims_of, proposition_labels, theory_names, values_of
    from sim.memory import tallied
    from sim.recording import own_periods, period_grid
    from sim.tallies import stacked

    design = points(config)
    refused = [exact.refusal(p.parameters) for p in design]
    served, left_out = [p for p, why in zip(design, refused, strict=True) if why is None], _grouped(refused)
    if not served:
        raise ConfigError(f"no point of {len(design):,} has an exact form: {_reasons(left_out)}")
    grid, propositions, theories = (
        period_grid(served, config.output.every), proposition_labels(served), theory_names(served)
    )  # fmt: skip
    sums, rows = stacked(tallied(served, config)), dict[str, Row]()
    simulated = values_of(served, sums, grid, propositions, theories, config)
    for k, point in enumerate(served):
        own = {name: array[k] for name, array in simulated.items()}
        expected = exact.moments_of(point, config, propositions, theories)
        where = np.searchsorted(grid, own_periods(point.parameters.population.periods, config.output.every))
        for name in own:
            if "period" in dims_of(name):
                own[name] = own[name][where]
        cells = cells_of(own, expected, point.parameters, int(simulated["alliances"][k]))
        _note(rows, cells, _called(point))
    return Comparison(rows, len(served), tuple(simulated["alliances"].tolist()), left_out)


def _called(point: Point) -> str:
    """What a message calls a point: its levels."""
    return f" at {', '.join(f'{key}={value}' for key, value in point.labels.items())}" if point.labels else ""


def _note(rows: dict[str, Row], cells: Cells, called: str) -> None:
    """Take in the cells of a point."""
    variables, chances, z = cells.variable, cells.chances(), cells.z()
    away, spread = abs(cells.observed - cells.expected), cells.deviation / np.sqrt(cells.number)
    for name in dict.fromkeys(variables):
        where = np.flatnonzero(variables == name)
        row, worst = rows.setdefault(name, Row()), where[np.argmin(chances[where])]
        row.cells += len(where)
        row.z, row.away = max(row.z, float(z[where].max())), max(row.away, float(away[where].max()))
        if chances[worst] < row.chance or not row.where:
            row.chance, row.where = float(chances[worst]), f"{cells.name[worst]}{called}"
        widest = where[np.argmax(spread[where])]
        row.widest = [max([*row.widest, cells[[widest]]], key=lambda c: float(c.deviation[0] / np.sqrt(c.number[0])))]


def _grouped(refused: Sequence[str | None]) -> dict[str, tuple[int, str]]:
    """Points left out, by what keeps them from an exact form: how many, and what is said of them.

    Where there is more to say than `MOST_REASONS`, by the key alone, with what is said of the first.
    """
    found: dict[str, tuple[int, str]] = {}
    several = len(set(refused)) > MOST_REASONS
    for why in refused:
        if why is not None:
            key = why.partition(" = ")[0] if several else why
            number, said = found.get(key, (0, why))
            found[key] = number + 1, said
    return found


def _reasons(left_out: dict[str, tuple[int, str]]) -> str:
    return " ".join(f"{said} ({number:,} point{'s' * (number > 1)})" for number, said in left_out.values())


def largest_z(cells: int) -> float:
    """Median of the largest |z| among so many independent normal ones."""
    from scipy.stats import norm

    return float(norm.ppf((1 + 0.5 ** (1 / cells)) / 2))


def report(found: Comparison) -> str:
    """Text about a comparison."""
    from sim.agreement import FALSE_ALARM, POWER

    least, most = min(found.alliances), max(found.alliances)
    alliances = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    width = max(len(name) for name in found.rows)
    lines = [
        f"{found.points:,} point{'s' * (found.points > 1)} compared, {alliances} alliances each",
        *(f"left out: {_reasons({key: of})}" for key, of in found.left_out.items()),
        "",
        f"{'':<{width}}  {'numbers':>9} {'largest |z|':>12} {'expected':>9} {'largest difference':>19} {'found from':>11}",
    ]
    for name, row in found.rows.items():
        smallest = float(row.widest[0].detectable(found.cells)[0])
        figures = f"{row.cells:>9,} {row.z:>12.2f} {largest_z(row.cells):>9.2f} {row.away:>19.3g} {smallest:>11.2g}"
        lines.append(f"{name:<{width}}  {figures}")
    worst = min(found.rows.values(), key=lambda row: row.chance)
    lines += [
        "",
        "expected: median of the largest |z| of as many independent numbers; |z| where events are not rare.",
        f"found from: an error of this size in any one number would be found with probability {POWER:g}.",
        f"least likely: {worst.where}, chance at most {worst.chance:.2g}, {found.chance:.2g} among {found.cells:,} numbers;",
        f"the engines {'agree' if found.agree else 'DISAGREE'} at a false-alarm rate of {FALSE_ALARM:g} (Bonferroni).",
    ]
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    from sim.config import compose
    from sim.design import ConfigError

    overrides = list(sys.argv[1:] if words is None else words)
    if any(word in ("-h", "--help") for word in overrides):
        print(__doc__)
        return AGREE
    try:
        if flags := [word for word in overrides if word.startswith("-")]:
            raise ConfigError(f"{flags[0]}: there is no such option; everything is set by overrides, key=value.")
        config = compose(overrides)
        found = compare(config)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted; nothing was written.", file=sys.stderr)
        return INTERRUPTED
    print(report(found), flush=True)
    return AGREE if found.agree else DISAGREE


if __name__ == "__main__":
    sys.exit(main())
