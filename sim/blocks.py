"""One block -> tallies: a point's parameters as the kernel takes them, and the only calls of the kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim import equations as eq
from sim import kernel
from sim.design import Point, key_of, theory_of
from sim.recording import own_periods, recorded_names
from sim.schema import Config
from sim.strategies import STRATEGIES
from sim.tallies import Tallies, widen
from sim.theory import bit_planes, keep_probability, pace_classes
from sim.variables import PERIOD_COLUMNS, POINT_COLUMNS


@dataclass(frozen=True)
class Arguments:
    """A point as the kernel takes it; see `sim.kernel.simulate`."""

    point: np.ndarray
    mix: np.ndarray
    planes: np.ndarray
    keeps: np.ndarray
    weights: np.ndarray
    thresholds: np.ndarray
    recorded: np.ndarray
    want: np.ndarray
    rows: int


@dataclass(frozen=True)
class Segment:
    """Alliances ``first`` to ``first + count`` of the point at index `point`."""

    point: int
    first: int
    count: int


@dataclass(frozen=True)
class Block:
    """A piece of work for one worker: segments with the arguments of their points."""

    number: int
    segments: tuple[Segment, ...]
    arguments: tuple[Arguments, ...]


def arguments_of(point: Point, config: Config, grid: np.ndarray) -> Arguments:
    """Round a point's parameters to what the kernel computes with.

    Parameters
    ----------
    point : a point of the design.  config : the run it belongs to.
    grid : int64, the ``period`` coordinate of the dataset.
    """
    p = point.parameters
    theory = theory_of(p)
    f = np.float32
    record = np.zeros((), kernel.POINT)
    key_0, key_1 = key_of(point, config.random.seed, config.random.common)
    endgame, dynamics, response = p.context.endgame, p.context.dynamics, p.response
    own_handicap = response.symmetric_handicap
    values = {
        "key_0": key_0,
        "key_1": key_1,
        "partners": p.population.partners,
        "periods": p.population.periods,
        "dynamic": p.context.kind == "endogenous",
        "stakes": p.context.stakes.mean,
        "trust": p.context.trust.mean,
        "orientation": p.context.orientation.mean,
        "prior": p.context.prior.mean,
        "calculative_share": p.context.calculative_share,
        "horizon": np.inf if endgame.horizon is None else min(endgame.horizon, float(np.finfo(f).max)),
        "window": min(endgame.window, float(np.finfo(f).max)),
        **dynamics.model_dump(),
        "sensitivity": response.sensitivity,
        "barrier_strength": response.barrier_strength,
        "tremble": response.tremble,
        "misperception": response.misperception,
        "aware": response.aware,
        "awareness_bonus": response.awareness_bonus,
        "exit_rate": p.population.exit_rate,
        "moderate": p.ability.moderate,
        "creation": p.ability.creation,
        "handicap": theory.handicap if own_handicap is None else own_handicap,
    }
    for name, value in values.items():
        record[name] = value
    keeps = np.zeros(8, f)
    for k, pace in enumerate(pace_classes(theory)):
        keep = f(keep_probability(response.reconsideration, pace))
        keeps[k] = eq.keep_threshold.py_func(f(response.tremble), keep)
    own = [response.threshold.P6, response.threshold.P7, response.threshold.P8, response.threshold.P9]
    recorded = np.full(p.population.periods + 1, -1, np.int64)
    periods = own_periods(p.population.periods, config.output.every)
    recorded[periods] = np.searchsorted(grid, periods)
    names = recorded_names(config)
    return Arguments(
        point=record,
        mix=_cumulated_mix(point),
        planes=bit_planes(theory),
        keeps=keeps,
        weights=np.array(theory.weights, f),
        thresholds=np.array([t if o is None else o for t, o in zip(theory.thresholds, own, strict=True)], f),
        recorded=recorded,
        want=np.array([name in names for name in kernel.WANTED]),
        rows=len(grid),
    )


def _cumulated_mix(point: Point) -> np.ndarray:
    """Cumulated mix of first strategies: float64 (partners, 4); a fixed list is a mix that leaves no choice."""
    population = point.parameters.population
    theory = theory_of(point.parameters)
    shares = [getattr(population.initial.mix, name) for name in STRATEGIES]
    if theory.initial is not None:
        shares = [float(k == theory.initial) for k in range(len(STRATEGIES))]
    rows = [shares] * population.partners
    if population.initial.strategies is not None:
        rows = [[float(name == given) for name in STRATEGIES] for given in population.initial.strategies]
    return np.cumsum(np.array(rows, np.float64), axis=1)[:, :4].copy()


def run_segment(arguments: Arguments, first: int, count: int) -> Tallies:
    """Simulate alliances ``first`` to ``first + count`` of a point.

    Returns
    -------
    Tallies : period (2, rows, columns, 2), point (2, columns, 2); the same bits however a range is split.
    """
    done: Tallies | None = None
    for start in range(first, first + count, kernel.MAX_ALLIANCES):
        number = min(kernel.MAX_ALLIANCES, first + count - start)
        by_period = np.zeros((arguments.rows, len(PERIOD_COLUMNS), 2), np.int64)
        by_point = np.zeros((len(POINT_COLUMNS), 2), np.int64)
        a = arguments
        kernel.simulate(
            a.point[()], np.uint64(start), number, a.mix, a.planes, a.keeps, a.weights, a.thresholds, a.recorded, a.want,
            by_period, by_point,
        )  # fmt: skip
        part = Tallies(widen(by_period), widen(by_point), number)
        done = part if done is None else done + part
    assert done is not None
    return done


def run_block(block: Block) -> list[Tallies]:
    """Tallies of each segment of a block, in order."""
    return [run_segment(a, s.first, s.count) for s, a in zip(block.segments, block.arguments, strict=True)]
