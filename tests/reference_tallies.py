"""What an alliance of the reference adds to the tallies (model sections 8 and 9)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from reference import history
from reference_draws import F, fixed_point, mean_of, per_partner, sum_of
from reference_records import Outcome, Trajectory

from sim.design import Point, theories_of
from sim.parameters import Parameters
from sim.recording import batched, layout_of
from sim.schema import Config
from sim.strategies import REGIMES, STRATEGIES, regime_of
from sim.tallies import Tallies
from sim.variables import BATCHES, BINS, BRANCHES, CAUSES, DIMENSIONS, FIXED, NUMBERS, PHASES, Layout

#: Recorded whether asked for or not.
ALWAYS = ("dissolution_time", "dissolution_cause")
CELLS = range(len(STRATEGIES) ** 2)


def _pairs(n: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(n) for j in range(i + 1, n)]


def _mean_over_pairs(matrix: np.ndarray, ordered: bool) -> np.float32:
    """Pairs in the order of i, then j > i; of an ordered pair, i facing j comes before j facing i."""
    values = [v for i, j in _pairs(len(matrix)) for v in (matrix[i, j], matrix[j, i])[: 1 + ordered]]
    return per_partner(sum_of(values), F(len(values)))


def _states(h: Trajectory, t: int) -> dict[str, list[int]]:
    strategies, facing = h.strategies[t], h.facing[t]
    regimes = Counter(regime_of(facing[i][j], facing[j][i]) for i, j in _pairs(len(facing)))
    values = {
        "strategy_share": [strategies.count(code) for code in range(len(STRATEGIES))],
        "regime_share": [regimes[name] for name in REGIMES],
        "mean_stakes": [fixed_point(_mean_over_pairs(h.stakes[t], True))],
        "mean_trust": [fixed_point(_mean_over_pairs(h.trust[t], True))],
        "mean_prior": [fixed_point(_mean_over_pairs(h.prior[t], False))],
        "mean_orientation": [fixed_point(h.orientation[t])],
        "unlearnt": [fixed_point(_mean_over_pairs(h.remaining[t], True))],
        "power": [fixed_point(_mean_over_pairs(np.abs(h.power[t]), False))],
        "survival": [int(h.alive(t))],
        "active_share": [sum(h.active[t])],
    }
    if h.alive(t):
        values["phase_share"] = [int(h.phase[t] == k) for k in range(len(PHASES))]
        values["phase_share_n"] = [1]
    return values


def _by_theory(h: Trajectory, outcome: Outcome, slots: int) -> tuple[list[int], list[int]]:
    means, numbers = [0] * slots, [0] * slots
    for slot in range(slots):
        own = [outcome.learning[i] for i in range(len(h.slots)) if h.slots[i] == slot]
        if own:
            means[slot], numbers[slot] = fixed_point(mean_of(sum_of(own), F(len(own)))), 1
    return means, numbers


def _by_pair(h: Trajectory, t: int, outcome: Outcome) -> tuple[list[int], list[int]]:
    facing, n = h.facing[t - 1], len(h.aware)
    means, numbers = [0 for _ in CELLS], [0 for _ in CELLS]
    for cell in CELLS:
        own, other = divmod(cell, len(STRATEGIES))
        held = [(i, j) for i in range(n) for j in range(n) if i != j and (facing[i][j], facing[j][i]) == (own, other)]
        if held:
            means[cell] = fixed_point(mean_of(sum_of([outcome.learnt[i][j] for i, j in held]), F(len(held))))
            numbers[cell] = 1
    return means, numbers


def _outcomes(h: Trajectory, t: int, p: Parameters, slots: int) -> dict[str, list[int]]:
    outcome = h.outcomes[t]
    if outcome is None:
        return {}
    values = {
        "transfer": [fixed_point(outcome.mean_transfer)],
        "creation": [fixed_point(outcome.mean_creation)],
        "learning": [fixed_point(outcome.mean_learning)],
    }
    if h.alive(t - 1):
        values["efficiency"], values["efficiency_n"] = [fixed_point(outcome.efficiency)], [1]
    if outcome.any_learning:
        values["inequity"], values["inequity_n"] = [fixed_point(outcome.inequity)], [1]
    phase = getattr(p.phases.table, PHASES[outcome.phase])
    values["dimension_learning"] = [
        fixed_point(kind * F(getattr(phase, name)))
        for kind in (outcome.mean_transfer, outcome.mean_creation)
        for name in DIMENSIONS
    ]
    values["learning_by_theory"], values["learning_by_theory_n"] = _by_theory(h, outcome, slots)
    values["learning_by_pair"], values["learning_by_pair_n"] = _by_pair(h, t, outcome)
    return values


def period_values(h: Trajectory, t: int, p: Parameters, slots: int) -> dict[str, list[int]]:
    """Integers by tally column of each variable recorded in period t, and of the numbers of contributing alliances."""
    return _states(h, t) | _outcomes(h, t, p, slots)


def point_values(h: Trajectory, p: Parameters, slots: int) -> dict[str, list[int]]:
    """Integers by tally column of each variable of a whole run."""
    n, periods = len(h.aware), len(h.outcomes) - 1
    largest = max(getattr(p.phases.table, name).mutuality for name in PHASES) if p.phases.kind != "none" else 1.0
    gamma, mutuality = Fraction(float(F(p.ability.creation))), Fraction(float(F(max(1.0, largest))))
    learnt = [sum(fixed_point(o.learning[i]) for o in h.outcomes if o is not None) for i in range(n)]
    most = FIXED * periods * (1 + 2 * gamma * mutuality)
    bins = Counter(min(math.floor(BINS * k / most), BINS - 1) for k in learnt)
    reached = Counter((r.slot, r.branch, r.cell) for responses in h.responses for r in responses)
    return {
        "cumulative_learning": [round(Fraction(sum(learnt), n * periods))],
        "cumulative_learning_hist": [bins[b] for b in range(BINS)],
        "dissolution_time": [periods if h.dissolved_at is None else h.dissolved_at],
        "dissolution_cause": [int(h.cause == cause) for cause in CAUSES],
        "response_count": [reached[slot, branch, cell] for slot in range(slots) for branch in BRANCHES for cell in CELLS],
    }


def batch_values(h: Trajectory, p: Parameters, alliance: int, quantities: Sequence[str]) -> dict[str, list[int]]:
    """Integers by tally column of the means of batches: an alliance adds to its own batch alone."""
    periods = len(h.outcomes) - 1
    last, whole = period_values(h, periods, p, 1), point_values(h, p, 1)
    values = {name: (last | whole)[name] for name in quantities}
    return {"batch_mean": [k if b == alliance % BATCHES else 0 for (k,) in values.values() for b in range(BATCHES)]}


def recorded_periods(periods: int, every: int) -> list[int]:
    return sorted({*range(0, periods + 1, every), periods})


def tallies(point: Point, config: Config, grid: np.ndarray, first: int, count: int) -> Tallies:
    """What `sim.blocks.run_segment` returns for the same alliances."""
    layout, p = layout_of(config), point.parameters
    given = config.output.variables
    wanted = {given} if isinstance(given, str) else set(given)
    assert len(theories_of(p)) <= layout.slots
    names = {name for name, _ in (*layout.period, *layout.point)} - set(NUMBERS)
    names = {name for name in names if "all" in wanted or name in wanted or name in ALWAYS}
    names |= {f"{name}_n" for name in names} & set(NUMBERS)
    rows = grid.tolist()
    by_period = np.zeros((len(rows), len(layout.period), 2), object)
    by_point = np.zeros((len(layout.point), 2), object)
    periods = recorded_periods(p.population.periods, config.output.every)
    for alliance in range(first, first + count):
        h = history(point, config, alliance)
        for t in periods:
            _add(period_values(h, t, p, layout.slots), names, layout, by_period[rows.index(t)])
        _add(point_values(h, p, layout.slots), names, layout, by_point)
        _add(batch_values(h, p, alliance, batched(config)), names, layout, by_point)
    return Tallies(_words(by_period), _words(by_point), count)


def _add(values: dict[str, list[int]], names: set[str], layout: Layout, columns: np.ndarray) -> None:
    for name in values.keys() & names:
        _, where = layout.columns_of(name)
        assert len(columns[where]) == len(values[name]), name
        for column, k in zip(columns[where], values[name], strict=True):
            assert type(k) is int
            column[0] += k
            if name not in NUMBERS and name not in ("response_count", "batch_mean"):
                column[1] += k * k


def _words(sums: np.ndarray) -> np.ndarray:
    return np.stack([(sums % 2**64).astype(np.uint64), (sums // 2**64).astype(np.uint64)])
