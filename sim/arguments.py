"""A point's parameters as the kernels take them: rounded to float32 once, tables laid out, the form chosen."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim import abilities as ab
from sim import equations as eq
from sim import full_state, kernel_parts
from sim.design import Point, key_of, theories_of
from sim.full_state import Phases, Starts, Theories
from sim.full_tallies import EXTRA
from sim.parameters import Distribution, Parameters
from sim.recording import form_of, layout_of, own_periods, races, recorded_names
from sim.schema import Config
from sim.strategies import STRATEGIES
from sim.theory import NEVER, PROPOSITIONS, Theory
from sim.theory_tables import keep_probability
from sim.variables import DIMENSIONS, PHASES, Layout

#: Intervals of a table of quantiles.
QUANTILES = 1024
CELLS = len(STRATEGIES) ** 2
NO_STRATEGY = 5
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Tables:
    """A response theory as the base model's kernel takes it; see `sim.answer_rows.fill_answers`."""

    cells: np.ndarray
    reals: np.ndarray


@dataclass(frozen=True)
class Full:
    """What the form with every mechanism takes besides; see `sim.full_kernel.simulate_full`."""

    starts: Starts
    theories: Theories
    phases: Phases
    extra: np.ndarray


@dataclass(frozen=True)
class Arguments:
    """A point as the kernels take it. One of `tables` (base model) and `full` is there.

    Attributes
    ----------
    form : which kernel, one of `sim.recording.FORMS`.
    point : record of dtype `sim.kernel_parts.POINT`.  mix : float64[partners, 4], cumulated mix of first strategies.
    recorded : int64[periods + 1], row of each period or -1.  want : bool, what is recorded.  rows : recorded periods.
    batches : int64[quantities], see `sim.variables.Layout.batches`.
    layout : order of the tally columns.
    """

    form: str
    point: np.ndarray
    mix: np.ndarray
    recorded: np.ndarray
    want: np.ndarray
    batches: np.ndarray
    rows: int
    layout: Layout
    tables: Tables | None
    full: Full | None


def arguments_of(point: Point, config: Config, grid: np.ndarray, force_full: bool = False) -> Arguments:
    """Round a point's parameters to what the kernels compute with, and choose the kernel.

    Parameters
    ----------
    point : a point of the design.  config : the run it belongs to.
    grid : int64, the ``period`` coordinate of the dataset.
    force_full : take the form with every mechanism even where the base model would do; the results are the same.
    """
    p, names, layout = point.parameters, recorded_names(config), layout_of(config)
    recorded = np.full(p.population.periods + 1, -1, np.int64)
    periods = own_periods(p.population.periods, config.output.every)
    recorded[periods] = np.searchsorted(grid, periods)
    form = "full" if force_full else form_of(p, config)
    full = form == "full"
    return Arguments(
        form=form,
        point=_record(point, config),
        mix=_cumulated_mix(p, full),
        recorded=recorded,
        want=np.array([name in names for name in kernel_parts.WANTED]),
        batches=np.array(layout.batches, np.int64),
        rows=len(grid),
        layout=layout,
        tables=None if full else _tables(p),
        full=_full(p, layout) if full else None,
    )


def _record(point: Point, config: Config) -> np.ndarray:
    p = point.parameters
    f = np.float32
    record = np.zeros((), kernel_parts.POINT)
    key_0, key_1 = key_of(point, config.random.seed, config.random.common)
    endgame, response, ability, phases = p.context.endgame, p.response, p.ability, p.phases
    phased, distance = phases.kind != "none", ability.distance
    table = [getattr(phases.table, name) for name in PHASES]
    values = {
        "key_0": key_0,
        "key_1": key_1,
        "partners": p.population.partners,
        "periods": p.population.periods,
        "dynamic": p.context.kind == "endogenous",
        **{name: getattr(p.context, name).mean for name in ("stakes", "trust", "orientation", "prior")},
        "calculative_share": p.context.calculative_share,
        "horizon": np.inf if endgame.horizon is None else min(endgame.horizon, _LARGEST),
        "window": min(endgame.window, _LARGEST),
        **p.context.dynamics.model_dump(),
        **{
            name: getattr(response, name)
            for name in ("sensitivity", "barrier_strength", "tremble", "misperception", "aware", "awareness_bonus",
                         "instrumentality")
        },
        "exit_rate": p.population.exit_rate,
        **{
            name: getattr(ability, name)
            for name in ("moderate", "creation", "connections", "relatedness", "alignment", "trust_cost", "trust_optimum")
        },
        "mutuality": max(1.0, *(phase.mutuality for phase in table)) if phased else 1.0,
        "handicap": _handicap(p, theories_of(p)[0][2]),
        "coupling": full_state.COUPLINGS.index(p.population.coupling),
        "racing": races(config),
        "phased": phased,
        "closeness": f(1) if distance is None else ab.closeness.py_func(f(distance)),
        "novelty": f(1) if distance is None else ab.novelty.py_func(f(distance)),
        "slack": np.inf if ability.slack is None else ability.slack,
        **p.race.model_dump(),
        "scope": np.inf if p.race.scope is None else p.race.scope,
        **{name: getattr(phases, name) for name in ("review_every", "advance", "fail", "break_rate", "readjustment")},
    }  # fmt: skip
    for name, value in values.items():
        record[name] = value
    return record


def _handicap(p: Parameters, theory: Theory) -> float:
    given = p.response.symmetric_handicap
    return theory.handicap if given is None else given


def _thresholds(p: Parameters, theory: Theory) -> np.ndarray:
    """Threshold of each proposition group: the theory's, or the one that overrides it."""
    given = [getattr(p.response.threshold, name) for name in PROPOSITIONS]
    return np.array([t if o is None else o for t, o in zip(theory.thresholds, given, strict=True)], np.float32)


def _keep(p: Parameters, pace: float) -> np.float32:
    """First draw below this: nothing is reconsidered."""
    f, response = np.float32, p.response
    kept = eq.keep_threshold.py_func(f(response.tremble), f(keep_probability(response.reconsideration, pace)))
    return np.float32(kept)


def _tables(p: Parameters) -> Tables:
    found = theories_taken(p, theories_of(p))
    return Tables(found.cells[0], found.reals[0])


def _cumulated_mix(p: Parameters, full: bool) -> np.ndarray:
    """Cumulated mix of first strategies: float64 (partners, 4); a fixed list is a mix that leaves no choice.

    With a mix of theories, what a theory says of its partners' first strategy comes after the draw.
    """
    population, first = p.population, theories_of(p)[0][2].initial
    shares = [getattr(population.initial.mix, name) for name in STRATEGIES]
    if first is not None and not full:
        shares = [float(k == first) for k in range(len(STRATEGIES))]
    rows = [shares] * population.partners
    if population.initial.strategies is not None:
        rows = [[float(name == given) for name in STRATEGIES] for given in population.initial.strategies]
    return np.cumsum(np.array(rows, np.float64), axis=1)[:, :4].copy()


def _full(p: Parameters, layout: Layout) -> Full:
    def start(name: str) -> int:
        columns = (column for column, _ in layout.period)
        return next((k for k, column in enumerate(columns) if column == name), -1)

    return Full(
        _starts(p), theories_taken(p, theories_of(p)), _phases(p), np.array([start(name) for name in EXTRA], np.int64)
    )


def _starts(p: Parameters) -> Starts:
    f, spans, table = np.float32, [], [np.zeros(0, np.float32)]
    given = [getattr(p.context if name in ("stakes", "trust", "orientation", "prior") else p.ability, name)
             for name in full_state.STARTS]  # fmt: skip
    kinds, bounds = [], []
    for d in given:
        # Beta with a mean at, or too close to, an end of [0, 1] has all its mass there.
        sides = (d.mean * d.concentration, (1 - d.mean) * d.concentration)
        constant = d.distribution == "constant" or (d.distribution == "beta" and 0.0 in sides)
        kinds.append("constant" if constant else d.distribution)
        bounds.append((f(d.mean), f(d.mean)) if constant else (f(d.low), f(d.high)))
        entries = () if constant else _entries(d)
        first = sum(map(len, table))
        spans.append((first, first + len(entries)))
        table.append(np.asarray(entries, f))
    return Starts(
        np.array([full_state.DISTRIBUTIONS.index(kind) for kind in kinds], np.int64),
        np.array([full_state.LEVELS.index(d.level) for d in given], np.int64),
        np.array(bounds, f),
        np.array(spans, np.int64),
        np.concatenate(table),
    )


def _entries(d: Distribution) -> Sequence[float] | np.ndarray:
    if d.distribution == "beta":
        return beta_quantiles(d.mean, d.concentration)
    return sorted(d.values or ()) if d.distribution == "empirical" else ()


@functools.lru_cache(maxsize=256)
def beta_quantiles(mean: float, concentration: float) -> np.ndarray:
    """Quantiles of a beta distribution at k/1024, k = 0..1024: float32, ascending from 0 to 1."""
    from scipy.special import betaincinv

    inner = np.arange(1, QUANTILES) / QUANTILES
    table = np.concatenate([[0.0], betaincinv(mean * concentration, (1 - mean) * concentration, inner), [1.0]])
    return np.maximum.accumulate(table.astype(np.float32))


def theories_taken(p: Parameters, mix: Sequence[tuple[str, float, Theory]]) -> Theories:
    """A mix of theories, as `theories_of` gives it, as the kernels take it."""
    cells = np.zeros((len(mix), CELLS), np.uint32)
    reals = np.zeros((len(mix), 7, CELLS), np.float32)
    for k, (_, _, theory) in enumerate(mix):
        thresholds, handicap = _thresholds(p, theory), np.float32(_handicap(p, theory))
        keeps = {pace: _keep(p, pace) for pace in set(theory.pace)}
        for cell in range(CELLS):
            target, group = theory.empowered[cell], theory.group(cell)
            cells[k, cell] = theory.barrier[cell] | max(target, 0) << 3 | (target != NEVER) << 6
            own_handicap = handicap if theory.handicapped[cell] else np.float32(0)
            reals[k, :, cell] = (*theory.weights[group], thresholds[group], own_handicap, keeps[theory.pace[cell]])
    given = p.population.initial.strategies is not None
    first = [NO_STRATEGY if given or theory.initial is None else theory.initial for _, _, theory in mix]
    return Theories(
        np.cumsum([share for _, share, _ in mix], dtype=np.float64)[:-1].copy(), np.array(first, np.uint32), cells, reals
    )


def _phases(p: Parameters) -> Phases:
    table = [getattr(p.phases.table, name) for name in PHASES]
    values = np.array([[getattr(phase, key) for key in ("openness", "mutuality", *DIMENSIONS)] for phase in table])
    needed = [np.inf if k == len(table) - 1 or phase.readiness is None else phase.readiness for k, phase in enumerate(table)]
    return Phases(
        np.vstack([values.T, needed]).astype(np.float32),
        np.array([p.phases.weights.efficiency, p.phases.weights.equity, p.phases.weights.adaptability], np.float32),
    )
