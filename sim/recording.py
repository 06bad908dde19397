"""What a run records, and how much work a point is."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sim.design import Point
from sim.parameters import Parameters
from sim.schema import Config, Spacing
from sim.variables import PERIOD_COLUMNS, QUANTITIES, VARIABLES, Layout, layout

#: Kernels, and about how many seconds each takes to compile: the base model of two partners, of more, every mechanism.
FORMS = {"pair": 12, "group": 14, "full": 30}
#: Neutral values of the keys that make a race to learn.
_NO_RACE = {"scope": None, "temptation": 0.0, "forced_disclosure": 0.0, "satiation": 0.0}


def period_grid(points: Sequence[Point], every: int) -> np.ndarray:
    """The ``period`` coordinate: every period that some point records (int64, ascending)."""
    lengths = {p.parameters.population.periods for p in points}
    return np.unique(np.concatenate([own_periods(t, every) for t in lengths]))


@functools.lru_cache(maxsize=64)
def own_periods(periods: int, every: int) -> np.ndarray:
    """Periods a point records: 0, every, 2 every, ... and its last; not to be written to."""
    found = np.unique(np.append(np.arange(0, periods + 1, every), periods))
    found.flags.writeable = False
    return found


def recorded_names(config: Config) -> tuple[str, ...]:
    """Recorded variables, in the order of `sim.variables.VARIABLES`."""
    given = config.output.variables
    wanted = (given,) if isinstance(given, str) else given
    on = {"always": True, "race": has_race(config), "phases": has_phases(config), "request": False}
    return tuple(v.name for v in VARIABLES if (on[v.when] and "all" in wanted) or v.name in wanted)


def batched(config: Config) -> tuple[str, ...]:
    """Quantities that are kept by batch, in the order of `sim.variables.QUANTITIES`."""
    kept = config.output.batches if "batch_mean" in recorded_names(config) else ()
    return tuple(name for name in QUANTITIES if name in kept)


def has_race(config: Config) -> bool:
    """Whether the race to learn acts in a run, or a factor may make it act."""
    varied = any(path.startswith("race.") for path in _factor_paths(config))
    return varied or any(getattr(config.race, key) != value for key, value in _NO_RACE.items())


def has_phases(config: Config) -> bool:
    """Whether alliances evolve through phases in a run, or in some of its points."""
    return config.phases.kind != "none" or any(path == "phases.kind" for path in _factor_paths(config))


def races(config: Config) -> bool:
    """Whether learning to date and power are followed: the race acts, or what it brings is recorded."""
    return has_race(config) or not {"unlearnt", "power"}.isdisjoint(recorded_names(config))


def needs_full(p: Parameters, config: Config) -> bool:
    """Whether a point needs the form with every mechanism; else the base model's, which are faster, give the same bits."""
    return has_mechanisms(p) or layout_of(config).period != PERIOD_COLUMNS


def form_of(p: Parameters, config: Config) -> str:
    """Which of `FORMS` simulates a point: the faster that does what it needs; where both do, the bits are the same."""
    return "full" if needs_full(p, config) else "pair" if p.population.partners == 2 else "group"


def has_mechanisms(p: Parameters) -> bool:
    """Whether anything acts at a point that the base model leaves out."""
    ability, phases = p.ability, p.phases
    starts = (p.context.stakes, p.context.trust, p.context.orientation, p.context.prior)
    neutral = (
        p.population.coupling == "sampled" or p.population.partners == 2,
        p.population.exit_rate == 0.0,
        all(start.distribution == "constant" for start in (*starts, ability.absorptive, ability.communicative)),
        ability.absorptive.mean == ability.communicative.mean == 1.0,
        ability.connections == ability.relatedness == ability.alignment == 1.0,
        ability.distance is None,
        ability.slack is None,
        ability.trust_cost == 0.0,
        p.response.instrumentality == 0.0,
        isinstance(p.response.theory_mix, str),
        all(getattr(p.race, key) == value for key, value in _NO_RACE.items()),
        phases.kind == "none",
    )
    return not all(neutral)


def speed_class(point: Point) -> tuple[int, str, bool]:
    """Partners, coupling, and whether mechanisms act: what the time of a partner-update depends on most."""
    population = point.parameters.population
    return population.partners, population.coupling, has_mechanisms(point.parameters)


def layout_of(config: Config) -> Layout:
    """Order of the tally columns of a run."""
    extras = {v.name for v in VARIABLES if v.when != "always"} & set(recorded_names(config))
    sizes = [len(mix) if isinstance(mix, Mapping) else 1 for mix in (config.response.theory_mix, *_mixes(config))]
    return layout(frozenset(extras), max(sizes), batched(config))


def _factor_paths(config: Config) -> Iterator[str]:
    for factor in config.design.factors.values():
        yield from [factor.path] if isinstance(factor.path, str) else factor.path


def _mixes(config: Config) -> Iterator[Any]:
    """Every level of a factor that sets the mix of theories."""
    for label, factor in config.design.factors.items():
        if "response.theory_mix" in ([factor.path] if isinstance(factor.path, str) else factor.path):
            given = () if factor.levels is None or isinstance(factor.levels, Spacing) else factor.levels
            # A file has numbers and words alone.
            rows = () if config.design.rows is None or isinstance(config.design.rows, str) else config.design.rows
            for level in (*given, *(row.get(label) for row in rows)):
                yield from level.values() if isinstance(level, Mapping) else ()


def partner_updates(point: Point) -> int:
    """Work of one alliance of a point: partners x periods."""
    return point.parameters.population.partners * point.parameters.population.periods
