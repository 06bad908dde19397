"""The model in plain Python, one alliance at a time: what the compiled kernel has to reproduce, integer for integer.

Written from the page of the model (sections 0 to 4, 6 with sampled coupling, 8 and 9), as loops over periods, partners
and pairs, with the tables of the theory as they stand in its file: no lanes, no bit planes, no early stop, no packed
counts. The formulas are those of `sim.equations` and the draws those of `sim.rng`, run as plain Python on float32
scalars; every call checks that no Python float has crept in.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from sim import equations as eq
from sim import rng
from sim.design import Point, key_of, theory_of
from sim.schema import Config
from sim.strategies import AVOIDANCE, REGIMES, STRATEGIES, regime_of
from sim.tallies import Tallies
from sim.variables import BINS, BRANCHES, FIXED, NUMBERS, PERIOD_COLUMNS, POINT_COLUMNS, VARIABLES, columns_of

F = np.float32
Code = np.uint32
ZERO, ONE = F(0), F(1)
#: Recorded whether asked for or not.
ALWAYS = ("dissolution_time", "dissolution_cause")


def plain(formula: Any, result: type = np.float32) -> Callable[..., Any]:
    """A formula as plain Python that takes and gives numpy scalars of 32 bits only."""
    function = formula.py_func

    def checked(*values: Any) -> Any:
        out = function(*values)
        assert type(out) is result, (function.__name__, type(out))
        assert all(type(v) in (np.float32, np.uint32) for v in values), (function.__name__, values)
        return out

    return checked


receptivity, transparency = plain(eq.receptivity), plain(eq.transparency)
transfer, creation, appropriated = plain(eq.transfer), plain(eq.creation), plain(eq.appropriated)
per_other, per_partner = plain(eq.per_other), plain(eq.per_partner)
efficiency, inequity = plain(eq.efficiency), plain(eq.inequity)
exploited, withholding = plain(eq.exploited), plain(eq.withholding)
next_trust, next_prior, next_stakes = plain(eq.next_trust), plain(eq.next_prior), plain(eq.next_stakes)
orientation_at, effective_trust = plain(eq.orientation_at), plain(eq.effective_trust)
seen_openness = plain(eq.seen_openness, np.uint32)
drive, empowerment_score, logistic = plain(eq.drive), plain(eq.empowerment_score), plain(eq.logistic)
keep_threshold, barrier_threshold = plain(eq.keep_threshold), plain(eq.barrier_threshold)
uniform, one_of = plain(rng.uniform), plain(rng.one_of, np.uint32)
_fixed_point = plain(eq.fixed_point, np.int32)


def fixed_point(x: np.float32) -> int:
    return int(_fixed_point(x))


class Draws:
    """The random words of one alliance, as `sim.rng` lays them out."""

    def __init__(self, key: tuple[int, int], alliance: int) -> None:
        self.key = Code(key[0]), Code(key[1])
        self.low, self.high = Code(alliance % 2**32), Code(alliance // 2**32)

    def call(self, purpose: np.uint32, t: int, number: int) -> list[np.uint32]:
        slot = rng.slot_of.py_func(purpose, Code(number))
        return [Code(w) for w in rng.philox.py_func(self.low, self.high, Code(t), slot, *self.key)]

    def word(self, purpose: np.uint32, t: int, i: int) -> np.uint32:
        return self.call(purpose, t, i // 4)[i % 4]

    def response(self, t: int, i: int) -> tuple[np.uint32, np.uint32]:
        words = self.call(rng.RESPONSE, t, i // 2)
        return words[2 * (i % 2)], words[2 * (i % 2) + 1]


@dataclass(frozen=True)
class Response:
    """A response that reached item 3 of section 4."""

    partner: int
    counterpart: int
    own: int
    seen: int
    branch: str
    target: int
    proposition: str

    @property
    def cell(self) -> int:
        return 5 * self.own + self.seen


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a period brings; `transfer`, `creation` and `learning` by partner, the rest of the alliance."""

    transfer: tuple[np.float32, ...]
    creation: tuple[np.float32, ...]
    learning: tuple[np.float32, ...]
    mean_transfer: np.float32
    mean_creation: np.float32
    mean_learning: np.float32
    efficiency: np.float32
    inequity: np.float32
    any_learning: bool


@dataclass(frozen=True, eq=False)
class Trajectory:
    """History of one alliance. Entry t of a sequence belongs to period t; `outcomes` and `responses` begin with None, ().

    Attributes
    ----------
    strategies, active : by partner, at the end of the period.
    trust, stakes, prior : float32 (N, N), row i facing column j, at the end of the period; the diagonal is NaN.
    dissolved_at, cause : None for an alliance that never dissolved.
    """

    strategies: tuple[tuple[int, ...], ...]
    active: tuple[tuple[bool, ...], ...]
    trust: tuple[np.ndarray, ...]
    stakes: tuple[np.ndarray, ...]
    prior: tuple[np.ndarray, ...]
    orientation: tuple[np.float32, ...]
    outcomes: tuple[Outcome | None, ...]
    responses: tuple[tuple[Response, ...], ...]
    aware: tuple[bool, ...]
    dissolved_at: int | None
    cause: str | None

    def alive(self, t: int) -> bool:
        """Not dissolved at the end of period t."""
        return self.dissolved_at is None or self.dissolved_at > t


class _Alliance:
    """The state of one alliance; its methods are the steps of section 0."""

    def __init__(self, point: Point, config: Config, number: int) -> None:
        self.p = p = point.parameters
        starts = (p.context.stakes, p.context.trust, p.context.orientation, p.context.prior)
        assert {start.distribution for start in starts} == {"constant"}
        assert p.population.coupling == "sampled"
        self.theory = theory_of(p)
        self.n = p.population.partners
        self.partners = range(self.n)
        self.draws = Draws(key_of(point, config.random.seed, config.random.common), number)
        self.moderate, self.gamma = F(p.ability.moderate), F(p.ability.creation)
        horizon = p.context.endgame.horizon
        self.horizon, self.window = F(np.inf if horizon is None else horizon), F(p.context.endgame.window)
        rates = p.context.dynamics
        moves = p.context.kind == "endogenous"
        self.rates = {name: F(value if moves else 0.0) for name, value in rates.model_dump().items()}

    # t = 0

    def form(self) -> None:
        p = self.p
        self.strategy = [self._first_strategy(i) for i in self.partners]
        aware = F(p.response.aware)
        self.aware = [bool(uniform(self.draws.word(rng.AWARENESS, 0, i)) < aware) for i in self.partners]
        self.active = [True] * self.n
        self.anybody_left = False
        self.dissolved_at: int | None = None
        self.cause: str | None = None
        self.trust, self.stakes, self.prior = (
            self._everywhere(F(start.mean)) for start in (p.context.trust, p.context.stakes, p.context.prior)
        )
        self.dissolve(0)

    def _everywhere(self, value: np.float32) -> np.ndarray:
        matrix = np.full((self.n, self.n), value, np.float32)
        np.fill_diagonal(matrix, np.nan)
        return matrix

    def _first_strategy(self, i: int) -> int:
        initial = self.p.population.initial
        if initial.strategies is not None:
            return STRATEGIES.index(initial.strategies[i])
        if self.theory.initial is not None:
            return self.theory.initial
        u = float(uniform(self.draws.word(rng.INITIAL_STRATEGY, 0, i)))
        cumulated = 0.0
        for code, name in enumerate(STRATEGIES):
            cumulated += getattr(initial.mix, name)
            if u < cumulated:
                return code
        return len(STRATEGIES) - 1

    # t >= 1

    def orientation(self, t: int) -> np.float32:
        return orientation_at(F(self.p.context.orientation.mean), F(t), self.horizon, self.window)

    def exchange(self) -> None:
        """Disclosure X[i][j], absorption R[i][j] and transfer f[i][j] for all ordered pairs."""
        s = [Code(k) for k in self.strategy]
        self.disclosure = [[transparency(s[i], self.moderate) for _ in self.partners] for i in self.partners]
        self.absorption = [[receptivity(s[i], self.moderate) for _ in self.partners] for i in self.partners]
        self.transfer = [
            [transfer(self.disclosure[j][i], self.absorption[i][j]) for j in self.partners] for i in self.partners
        ]

    def outcome(self) -> Outcome:
        f = self.transfer
        transfers, creations, learnings = [], [], []
        for i in self.partners:
            got, made = ZERO, ZERO
            for j in self.partners:
                if j != i:
                    got = got + f[i][j]
                    made = made + appropriated(creation(self.gamma, f[i][j], f[j][i]), f[i][j])
            transfers.append(per_other(got, F(self.n - 1)))
            creations.append(per_other(made, F(self.n - 1)))
            learnings.append(transfers[i] + creations[i])
        difference, total = ZERO, ZERO
        for i in self.partners:
            for j in range(i + 1, self.n):
                mine = f[i][j] + appropriated(creation(self.gamma, f[i][j], f[j][i]), f[i][j])
                theirs = f[j][i] + appropriated(creation(self.gamma, f[j][i], f[i][j]), f[j][i])
                difference = difference + abs(mine - theirs)
                total = total + (mine + theirs)
        means = [per_partner(_sum(values), F(self.n)) for values in (transfers, creations, learnings)]
        return Outcome(
            tuple(transfers),
            tuple(creations),
            tuple(learnings),
            *means,
            efficiency(means[2], self.gamma),
            inequity(difference, total),
            bool(total > 0),
        )

    def move_context(self) -> None:
        X, f, r = self.disclosure, self.transfer, self.rates
        trust, stakes, prior = self.trust.copy(), self.stakes.copy(), self.prior.copy()
        for i in self.partners:
            for j in self.partners:
                if i == j or not (self.active[i] and self.active[j]):
                    continue
                takes = receptivity(Code(self.strategy[j]), self.moderate)
                trust[i, j] = next_trust(
                    self.trust[i, j],
                    X[j][i],
                    exploited(f[i][j], f[j][i]),
                    withholding(takes, X[j][i]),
                    r["trust_gain"],
                    r["trust_loss"],
                    r["suspicion"],
                )
                prior[i, j] = next_prior(self.prior[i, j], X[i][j], X[j][i], r["prior_gain"], r["prior_loss"])
                start = F(self.p.context.stakes.mean)
                stakes[i, j] = next_stakes(self.stakes[i, j], start, f[i][j], f[j][i], r["stakes_rate"])
        self.trust, self.stakes, self.prior = trust, stakes, prior

    def empowerment(self, i: int, j: int, cell: int, omega: np.float32) -> np.float32:
        """E_ij."""
        theory, response = self.theory, self.p.response
        if theory.empowered[cell] < 0:
            return ZERO
        group = ("6", "7", "8", "9").index(theory.empowered_label[cell][0])
        override = (response.threshold.P6, response.threshold.P7, response.threshold.P8, response.threshold.P9)[group]
        threshold = theory.thresholds[group] if override is None else override
        handicap = theory.handicap if response.symmetric_handicap is None else response.symmetric_handicap
        tau = effective_trust(self.trust[i, j], self.stakes[i, j], omega, F(self.p.context.calculative_share))
        weights = [F(w) for w in theory.weights[group]]
        drivers = drive(self.stakes[i, j], tau, omega, self.prior[i, j], *weights)
        z = empowerment_score(
            drivers,
            ONE if self.aware[i] else ZERO,
            F(response.awareness_bonus),
            F(threshold),
            F(handicap) if theory.handicapped[cell] else ZERO,
            F(response.sensitivity),
        )
        return logistic(z)

    def respond(self, t: int, omega: np.float32) -> tuple[Response, ...]:
        p, theory = self.p.response, self.theory
        chosen, reached = list(self.strategy), []
        tremble = F(p.tremble)
        for i in self.partners:
            if not self.active[i]:
                continue
            after = [(i + d) % self.n for d in range(1, self.n)]
            others = [j for j in after if self.active[j]]
            j = others[int(one_of(self.draws.word(rng.COUNTERPART, t, i), Code(len(others))))]
            own, seen = self.strategy[i], self.strategy[j]
            if uniform(self.draws.word(rng.MISPERCEPTION, t, i)) < F(p.misperception):
                seen = int(seen_openness(Code(seen)))
            cell = 5 * own + seen
            first, second = self.draws.response(t, i)
            keep = F(math.pow(1.0 - p.reconsideration, theory.pace[cell]))
            if uniform(first) < tremble:
                chosen[i] = int(one_of(second, Code(5)))
            elif uniform(first) >= keep_threshold(tremble, keep):
                probability = self.empowerment(i, j, cell, omega)
                if uniform(second) < probability:
                    branch, target, label = "empowered", theory.empowered[cell], theory.empowered_label[cell]
                elif uniform(second) < barrier_threshold(probability, F(p.barrier_strength)):
                    branch, target, label = "barrier", theory.barrier[cell], theory.barrier_label[cell]
                else:
                    branch, target, label = "kept", own, ""
                reached.append(Response(i, j, own, seen, branch, target, label or "none"))
                chosen[i] = target
        self.strategy = chosen
        return tuple(reached)

    def exits(self, t: int) -> None:
        for i in self.partners:
            avoids = self.active[i] and self.strategy[i] == AVOIDANCE
            if avoids and uniform(self.draws.word(rng.EXIT, t, i)) < F(self.p.population.exit_rate):
                self.active[i] = False
                self.anybody_left = True

    def dissolve(self, t: int) -> None:
        at_work = [self.strategy[i] for i in self.partners if self.active[i]]
        if len(at_work) < 2 or all(s == AVOIDANCE for s in at_work):
            self.dissolved_at = t
            self.cause = "exit" if self.anybody_left else "avoidance"
            self.strategy = [AVOIDANCE] * self.n
            self.active = [False] * self.n


def _sum(values: Sequence[np.float32]) -> np.float32:
    total = ZERO
    for v in values:
        total = total + v
    assert type(total) is np.float32
    return total


def history(point: Point, config: Config, alliance: int) -> Trajectory:
    """Everything that happens in alliance number `alliance` of a point of the design of `config`."""
    with np.errstate(over="raise", invalid="raise", divide="raise", under="ignore"):
        return _history(point, config, alliance)


def _history(point: Point, config: Config, alliance: int) -> Trajectory:
    a = _Alliance(point, config, alliance)
    a.form()
    strategies, active = [tuple(a.strategy)], [tuple(a.active)]
    trust, stakes, prior = [a.trust], [a.stakes], [a.prior]
    orientation, outcomes, responses = [a.orientation(0)], [None], [()]
    for t in range(1, point.parameters.population.periods + 1):
        omega = a.orientation(t)
        a.exchange()
        outcomes.append(a.outcome())
        responses.append(())
        if a.dissolved_at is None:
            a.move_context()
            responses[t] = a.respond(t, omega)
            a.exits(t)
            a.dissolve(t)
        strategies.append(tuple(a.strategy))
        active.append(tuple(a.active))
        trust.append(a.trust)
        stakes.append(a.stakes)
        prior.append(a.prior)
        orientation.append(omega)
    for matrix in (*trust, *stakes, *prior):
        assert matrix.dtype == np.float32
    return Trajectory(
        *map(tuple, (strategies, active, trust, stakes, prior, orientation, outcomes, responses, a.aware)),
        a.dissolved_at,
        a.cause,
    )


# --- section 8: what an alliance adds to the tallies ------------------------------------------------------------------


def _mean_over_pairs(matrix: np.ndarray, ordered: bool) -> np.float32:
    """Pairs in the order of i, then j > i; of an ordered pair, i facing j comes before j facing i."""
    n = len(matrix)
    values = [v for i in range(n) for j in range(i + 1, n) for v in (matrix[i, j], matrix[j, i])[: 1 + ordered]]
    return per_partner(_sum(values), F(len(values)))


def period_values(h: Trajectory, t: int) -> dict[str, list[int]]:
    """Integers by tally column of each variable recorded in period t, and of the numbers of contributing alliances."""
    strategies = h.strategies[t]
    n = len(strategies)
    regimes = Counter(regime_of(strategies[i], strategies[j]) for i in range(n) for j in range(i + 1, n))
    values = {
        "strategy_share": [strategies.count(code) for code in range(len(STRATEGIES))],
        "regime_share": [regimes[name] for name in REGIMES],
        "mean_stakes": [fixed_point(_mean_over_pairs(h.stakes[t], True))],
        "mean_trust": [fixed_point(_mean_over_pairs(h.trust[t], True))],
        "mean_prior": [fixed_point(_mean_over_pairs(h.prior[t], False))],
        "mean_orientation": [fixed_point(h.orientation[t])],
        "survival": [int(h.alive(t))],
        "active_share": [sum(h.active[t])],
    }
    outcome = h.outcomes[t]
    if outcome is not None:
        values["transfer"] = [fixed_point(outcome.mean_transfer)]
        values["creation"] = [fixed_point(outcome.mean_creation)]
        values["learning"] = [fixed_point(outcome.mean_learning)]
        if h.alive(t - 1):
            values["efficiency"] = [fixed_point(outcome.efficiency)]
            values["efficiency_n"] = [1]
        if outcome.any_learning:
            values["inequity"] = [fixed_point(outcome.inequity)]
            values["inequity_n"] = [1]
    return values


def point_values(h: Trajectory, gamma: np.float32) -> dict[str, list[int]]:
    """Integers by tally column of each variable of a whole run."""
    n, periods = len(h.aware), len(h.outcomes) - 1
    learnt = [sum(fixed_point(o.learning[i]) for o in h.outcomes if o is not None) for i in range(n)]
    most = FIXED * periods * (1 + 2 * Fraction(float(gamma)))
    bins = Counter(min(math.floor(BINS * k / most), BINS - 1) for k in learnt)
    reached = Counter((r.branch, r.cell) for responses in h.responses for r in responses)
    return {
        "cumulative_learning": [round(Fraction(sum(learnt), n * periods))],
        "cumulative_learning_hist": [bins[b] for b in range(BINS)],
        "dissolution_time": [periods if h.dissolved_at is None else h.dissolved_at],
        "dissolution_cause": [int(h.cause == cause) for cause in ("avoidance", "exit", "review")],
        "response_count": [reached[branch, cell] for branch in BRANCHES for cell in range(25)],
    }


def recorded_periods(periods: int, every: int) -> list[int]:
    return sorted({*range(0, periods + 1, every), periods})


def tallies(point: Point, config: Config, grid: np.ndarray, first: int, count: int) -> Tallies:
    """What `sim.blocks.run_segment` returns for the same alliances."""
    wanted = config.output.variables
    names = {v.name for v in VARIABLES if wanted == "all" or v.name in wanted or v.name in ALWAYS}
    names |= {f"{name}_n" for name in names} & set(NUMBERS)
    rows = grid.tolist()
    by_period = np.zeros((len(rows), len(PERIOD_COLUMNS), 2), object)
    by_point = np.zeros((len(POINT_COLUMNS), 2), object)
    periods = recorded_periods(point.parameters.population.periods, config.output.every)
    for alliance in range(first, first + count):
        h = history(point, config, alliance)
        for t in periods:
            _add(period_values(h, t), names, by_period[rows.index(t)])
        _add(point_values(h, F(point.parameters.ability.creation)), names, by_point)
    return Tallies(_words(by_period), _words(by_point), count)


def _add(values: dict[str, list[int]], names: set[str], columns: np.ndarray) -> None:
    for name in values.keys() & names:
        _, where = columns_of(name)
        assert len(columns[where]) == len(values[name]), name
        for column, k in zip(columns[where], values[name], strict=True):
            assert type(k) is int
            column[0] += k
            if name not in NUMBERS and name != "response_count":
                column[1] += k * k


def _words(sums: np.ndarray) -> np.ndarray:
    return np.stack([(sums % 2**64).astype(np.uint64), (sums // 2**64).astype(np.uint64)])
