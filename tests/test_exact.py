"""The lumped chain against the chain on all ordered states, built here from the page of the model, and by hand."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml
from exact_cases import EVERYTHING, case_of

from sim import equations as eq
from sim import exact, exact_law
from sim.blocks import arguments_of, run_segment
from sim.design import Point, theory_of
from sim.exact_batch import batches
from sim.exact_law import fill_answers_of
from sim.labels import dataset
from sim.recording import period_grid
from sim.schema import Config
from sim.strategies import (
    ACCOMMODATION,
    AVOIDANCE,
    COLLABORATION,
    COMPETITION,
    COMPROMISE,
    REGIMES,
    STRATEGIES,
    regime_of,
)
from sim.theory import NEVER, Theory, load, source_of
from sim.variables import FIXED, VARIABLES

F = np.float32
TOLERANCE = 1e-12


def scrambled(folder: Any, **changes: Any) -> str:
    """Path of a theory with targets in all cells, eight paces and uneven weights."""
    rng = np.random.default_rng(3)
    theory = yaml.safe_load(source_of("larsson1998"))
    paces = [0, 0.3, 0.5, 0.9, 1.5, 3, 10]
    for own in STRATEGIES:
        theory["barrier"][own] = {seen: f"{rng.choice(STRATEGIES)} b:{own}:{seen}" for seen in STRATEGIES}
        theory["empowered"][own] = {seen: f"{rng.choice(STRATEGIES)} {rng.integers(6, 10)}e" for seen in STRATEGIES}
        theory["pace"][own] = {seen: float(rng.choice(paces)) for seen in STRATEGIES}
    cells = list(itertools.product(STRATEGIES, repeat=2))
    theory["handicapped"] = [list(cells[k]) for k in rng.choice(25, 8, replace=False)]
    for proposition in theory["propositions"].values():
        proposition["drivers"] = {name: float(rng.uniform(0.1, 3)) for name in ("stakes", "trust", "orientation", "prior")}
    path = folder / "scrambled.yaml"
    path.write_text(yaml.safe_dump({**theory, **changes}))
    return str(path)


# --- the chain on ordered states -------------------------------------------------------------------------------------


event = exact_law.event.py_func


def happens(p: np.float32) -> float:
    """Share of k = 0 .. 2^24 - 1 with k 2^-24 < p."""
    return math.ceil(float(p) * 2**24) / 2**24 if p < 1 else 1.0


@dataclasses.dataclass(frozen=True)
class Partner:
    """A partner of a known index; `strategy` avoidance and not `active` once it has left."""

    strategy: int
    active: bool = True
    aware: bool = False


State = tuple[Partner, ...]


class Ordered:
    """All N-tuples of partners, and the law of the alliance over them, for one period."""

    def __init__(self, point: Point, theory: Theory) -> None:
        p = point.parameters
        self.p, self.theory, self.n = p, theory, p.population.partners
        awareness = [False, True] if 0 < p.response.aware < 1 else [p.response.aware == 1]
        self.types = [Partner(s, True, a) for s in range(5) for a in awareness]
        if p.population.exit_rate > 0:
            self.types.append(Partner(AVOIDANCE, False))
        self.states: list[State] = list(itertools.product(self.types, repeat=self.n))
        self.alive = np.array([not self.dissolved(state) for state in self.states])

    @staticmethod
    def dissolved(state: State) -> bool:
        active = [x for x in state if x.active]
        return len(active) < 2 or all(x.strategy == AVOIDANCE for x in active)

    def seen(self, state: State) -> list[int]:
        """Strategies as recorded."""
        return [AVOIDANCE] * self.n if self.dissolved(state) else [x.strategy for x in state]

    def initial(self) -> np.ndarray:
        given, aware = self.p.population.initial.strategies, happens(F(self.p.response.aware))
        edges = np.cumsum([getattr(self.p.population.initial.mix, s) for s in STRATEGIES])
        if self.theory.initial is not None:
            edges = np.cumsum([k == self.theory.initial for k in range(5)]).astype(float)
        law = np.ones(1)
        for i in range(self.n):
            below = edges if given is None else np.cumsum([s == given[i] for s in STRATEGIES])
            reach = [math.ceil(e * 2**24) / 2**24 for e in below[:4]] + [1.0]
            mix = np.diff([0.0, *reach])
            law = np.kron(law, [mix[x.strategy] * (aware if x.aware else 1 - aware) * x.active for x in self.types])
        return law

    def empowerment(self, own: int, seen: int, omega: np.float32, aware: bool) -> np.float32:
        cell, p, theory = 5 * own + seen, self.p, self.theory
        if theory.empowered[cell] == NEVER:
            return F(0)
        k = int(theory.empowered_label[cell][0]) - 6
        stakes, prior = F(p.context.stakes.mean), F(p.context.prior.mean)
        share = F(p.context.calculative_share)
        trust = eq.effective_trust.py_func(F(p.context.trust.mean), stakes, omega, share)
        weights = [F(w) for w in theory.weights[k]]
        drive = eq.drive.py_func(stakes, trust, omega, prior, *weights, eq.total_weight.py_func(*weights))
        given = p.response.threshold
        own_threshold = (given.P6, given.P7, given.P8, given.P9)[k]
        threshold = F(theory.thresholds[k]) if own_threshold is None else F(own_threshold)
        handicap = p.response.symmetric_handicap
        extra = F(0) if not theory.handicapped[cell] else F(theory.handicap if handicap is None else handicap)
        bonus, sensitivity = F(p.response.awareness_bonus), F(p.response.sensitivity)
        return eq.logistic.py_func(
            eq.empowerment_score.py_func(drive, F(aware), bonus, threshold, extra, F(0), F(0), sensitivity)
        )

    @functools.cache  # noqa: B019
    def answers(self, own: Partner, counterpart: int, t: int) -> list[tuple[float, int, str]]:
        """(probability, next strategy, proposition or "") of a partner that meets a counterpart's strategy."""
        r, found = self.p.response, []
        horizon, window = self.p.context.endgame.horizon, self.p.context.endgame.window
        fade = 1.0 if horizon is None else min(max((horizon - t) / window, 0.0), 1.0)
        omega = F(self.p.context.orientation.mean) * F(fade)
        missed = happens(F(r.misperception))
        hidden = {COLLABORATION: COMPETITION, COMPROMISE: COMPETITION, ACCOMMODATION: AVOIDANCE}
        for seen, perception in ((counterpart, 1 - missed), (hidden.get(counterpart, counterpart), missed)):
            cell = 5 * own.strategy + seen
            keep = F((1 - r.reconsideration) ** self.theory.pace[cell])
            tremble = happens(F(r.tremble))
            stop = max(tremble, happens(F(r.tremble) + (F(1) - F(r.tremble)) * keep))
            chance = self.empowerment(own.strategy, seen, omega, own.aware)
            up = happens(chance)
            down = max(happens(chance + (F(1) - chance) * F(r.barrier_strength)), up)
            found += [(perception * tremble / 5, s, "") for s in range(5)]
            found.append((perception * (stop - tremble), own.strategy, ""))
            theory, reached = self.theory, perception * (1 - stop)
            found.append((reached * up, theory.empowered[cell], theory.empowered_label[cell] or "none"))
            found.append((reached * (down - up), theory.barrier[cell], theory.barrier_label[cell] or "none"))
            found.append((reached * (1 - down), own.strategy, "none"))
        return [x for x in found if x[0] > 0]

    def moves(self, state: State, i: int, t: int, label: str) -> np.ndarray:
        """Law of partner i's next type: (2, types), without and with a response under the label."""
        law, own, leaves = np.zeros((2, len(self.types))), state[i], happens(F(self.p.population.exit_rate))
        if not own.active:
            law[0, self.types.index(own)] = 1
            return law
        others = [state[j] for j in range(self.n) if j != i and state[j].active]
        for other in others:
            for probability, target, proposition in self.answers(own, other.strategy, t):
                chance = probability / len(others)
                counted = int(proposition == label)
                if target == AVOIDANCE and leaves > 0:
                    law[counted, self.types.index(Partner(AVOIDANCE, False))] += chance * leaves
                    chance *= 1 - leaves
                law[counted, self.types.index(Partner(target, True, own.aware))] += chance
        return law

    def matrix(self, t: int, label: str = "?") -> np.ndarray:
        """P(s, s', count): law of the next state and of the number of responses under the label."""
        found = np.zeros((len(self.states), len(self.states), self.n + 1))
        for row, state in enumerate(self.states):
            if not self.alive[row]:
                found[row, row, 0] = 1
                continue
            law = np.ones((1, 1))
            for i in range(self.n):
                without, counted = self.moves(state, i, t, label)
                longer = np.zeros((law.shape[0] + 1, law.shape[1] * len(self.types)))
                longer[:-1] += [np.kron(part, without) for part in law]
                longer[1:] += [np.kron(part, counted) for part in law]
                law = longer
            found[row] = law.T
        return found

    def outcomes(self, state: State) -> dict[str, float]:
        """Section 2, pair by pair."""
        m, gamma = float(F(self.p.ability.moderate)), F(self.p.ability.creation)
        takes, gives = [0, 0, m, 1, 1], [0, 1, m, 0, 1]
        s = self.seen(state)
        total, gap, sums = 0.0, 0.0, {"transfer": 0.0, "creation": 0.0, "learning": 0.0}
        for i, j in itertools.permutations(range(self.n), 2):
            got, gave = min(gives[s[j]], takes[s[i]]), min(gives[s[i]], takes[s[j]])
            created = float(gamma * (F(got) + F(gave)))
            mine, theirs = got + created * (got > 0), gave + created * (gave > 0)
            total, gap = total + mine, gap + abs(mine - theirs) / 2
            for name, value in (("transfer", got), ("creation", created * (got > 0)), ("learning", mine)):
                sums[name] += value / (self.n * (self.n - 1))
        values = {
            **sums,
            "efficiency": sums["learning"] / float(F(1) + F(2) * gamma),
            "inequity": gap / total if total > 0 else 0.0,
        }
        return {**{k: np.rint(v * FIXED) / FIXED for k, v in values.items()}, "learns": float(total > 0)}

    def regimes(self, state: State) -> list[float]:
        names = [regime_of(a, b) for a, b in itertools.combinations(self.seen(state), 2)]
        return [names.count(name) / len(names) for name in REGIMES]


def moments(law: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of values (states, ...)."""
    mean = law @ values
    return mean, law @ (values - mean) ** 2


CASES: dict[str, dict[str, Any]] = {
    "default": {},
    "barriers only": {"response__theory_mix": "barriers_only"},
    "everything": EVERYTHING,
    "thresholds": {**EVERYTHING, "response__threshold": {"P6": 0.3, "P7": 0.45, "P8": 0.2, "P9": 0.6},
                   "response__symmetric_handicap": 0.3},
    "aware": {**EVERYTHING, "response__aware": 1.0},
    "fixed start": {"population__initial__strategies": ["competition", "accommodation", "collaboration"]},
    "exits": {**EVERYTHING, "population__exit_rate": 0.35},
    "scrambled": EVERYTHING,
    "initial": EVERYTHING,
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_solve__equals_the_chain_on_ordered_states(name, tmp_path):
    """Every recorded variable and its variance, by period, with three partners: to 1e-12."""
    changes = {"scrambled": {}, "initial": {"initial": "compromise"}}.get(name)
    theory = {} if changes is None else {"response__theory_mix": scrambled(tmp_path, **changes)}
    point, config = case_of(**{"population__partners": 3, "population__periods": 6, **CASES[name], **theory})
    check_by_period(point, config)


def test_solve__equals_the_chain_on_ordered_states_with_awareness_and_exits():
    """11^2 ordered states: five strategies, aware or not, or left."""
    point, config = case_of(**{**EVERYTHING, "population__periods": 6, "response__aware": 0.4, "population__exit_rate": 0.3})
    check_by_period(point, config)


def agrees(found: xr.Dataset, name: str, t: int, law: np.ndarray, values: np.ndarray) -> None:
    mean, variance = moments(law, values)
    np.testing.assert_allclose(found[name][t], mean, rtol=0, atol=TOLERANCE, err_msg=name)
    np.testing.assert_allclose(found[f"{name}_sd"][t] ** 2, variance, rtol=0, atol=TOLERANCE, err_msg=name)


def check_by_period(point: Point, config: Config) -> None:
    found = exact.solve(point, config).isel(point=0)
    chain = Ordered(point, theory_of(point.parameters))
    n = point.parameters.population.partners
    seen = [chain.seen(state) for state in chain.states]
    shares = np.array([[s.count(k) / n for k in range(5)] for s in seen])
    active = np.array([sum(x.active for x in state) / n for state in chain.states]) * chain.alive
    exited = np.array([any(not x.active for x in state) for state in chain.states])
    regimes = np.array([chain.regimes(state) for state in chain.states])
    outcomes = [chain.outcomes(state) for state in chain.states]
    learns = np.array([o["learns"] for o in outcomes])
    law, lives, lived = chain.initial(), 0.0, 0.0
    for t in range(point.parameters.population.periods + 1):
        if t > 0:
            conditions = {"efficiency": chain.alive * 1.0, "inequity": learns}
            for variable in ("transfer", "creation", "learning", "efficiency", "inequity"):
                weight = law * conditions.get(variable, 1.0)
                if variable in conditions:
                    number = found[f"{variable}_n"][t] / point.parameters.population.alliances
                    np.testing.assert_allclose(number, weight.sum(), rtol=0, atol=TOLERANCE)
                agrees(found, variable, t, weight / weight.sum(), np.array([o[variable] for o in outcomes]))
            law = law @ chain.matrix(t).sum(axis=2)
        values = {"strategy_share": shares, "regime_share": regimes, "survival": chain.alive * 1.0, "active_share": active}
        for variable, value in values.items():
            agrees(found, variable, t, law, value)
        if t < point.parameters.population.periods:
            lives, lived = lives + law @ chain.alive, lived + (2 * t + 1) * (law @ chain.alive)
    causes = np.array([law @ (~chain.alive & ~exited), law @ (~chain.alive & exited), 0.0])
    np.testing.assert_allclose(found.dissolution_cause, causes, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(found.dissolution_cause_sd**2, causes * (1 - causes), rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(found.dissolution_time, lives, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(found.dissolution_time_sd**2, lived - lives**2, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["default", "everything", "exits"])
def test_solve__response_counts_equal_their_whole_distribution(name):
    """Joint law of ordered state and count so far, for each proposition: mean and variance to 1e-12."""
    point, config = case_of(**{**CASES[name], "population__periods": 5})
    found = exact.solve(point, config).isel(point=0)
    theory = theory_of(point.parameters)
    chain, periods = Ordered(point, theory), 5
    for k, label in enumerate(found.proposition.values):
        joint = np.zeros((len(chain.states), chain.n * periods + 1))
        joint[:, 0] = chain.initial()
        for t in range(1, periods + 1):
            step, new = chain.matrix(t, label), np.zeros_like(joint)
            for count in range(chain.n + 1):
                new[:, count:] += (joint.T @ step[:, :, count]).T[:, : joint.shape[1] - count]
            joint = new
        mean, variance = moments(joint.sum(axis=0), np.arange(joint.shape[1]))
        assert (mean > 0) == (found.response_count[k] > 0)
        np.testing.assert_allclose(found.response_count[k], mean, rtol=0, atol=TOLERANCE, err_msg=label)
        np.testing.assert_allclose(found.response_count_sd[k] ** 2, variance, rtol=0, atol=TOLERANCE, err_msg=label)


def test_solve__cumulative_learning_equals_its_whole_distribution():
    """Joint law of ordered state and learning so far."""
    point, config = case_of(**{**EVERYTHING, "population__periods": 5})
    chain = Ordered(point, theory_of(point.parameters))
    gains = [chain.outcomes(state)["learning"] for state in chain.states]
    joint = {(s, 0.0): p for s, p in enumerate(chain.initial())}
    for t in range(1, 6):
        step, new = chain.matrix(t).sum(axis=2), {}
        for (s, total), p in joint.items():
            for after, chance in enumerate(step[s]):
                if p * chance > 0:
                    key = after, total + gains[s]
                    new[key] = new.get(key, 0.0) + p * chance
        joint = new
    mean, variance = moments(np.array(list(joint.values())), np.array([total / 5 for _, total in joint]))
    found = exact.solve(point, config).isel(point=0)
    np.testing.assert_allclose(found.cumulative_learning, mean, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(found.cumulative_learning_sd**2, variance, rtol=0, atol=TOLERANCE)


def test_solve__a_theory_can_stand_in_for_the_points_own():
    point, config = case_of(population__partners=3, population__periods=5)
    other, _ = case_of(population__partners=3, population__periods=5, response__theory_mix="barriers_only")
    given = exact.solve(point, config, load("barriers_only"))
    assert given.identical(exact.solve(other, config))
    assert not given.equals(exact.solve(point, config))


# --- invariants ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("partners", [2, 3, 4, 5])
@pytest.mark.parametrize("overrides", [{}, EVERYTHING, {**EVERYTHING, "population__exit_rate": 0.2}], ids=str)
def test_step_of__rows_sum_to_one_and_dissolved_states_absorb(partners, overrides):
    point, config = case_of(**{**overrides, "population__partners": partners})
    space = exact.chain_of(point, config).space
    types = 5 + (point.parameters.population.exit_rate > 0)
    alive = space.states.alive
    assert len(alive) == math.comb(partners + types - 1, partners)
    for period in (1, 3, 50):
        matrix = exact.chain_of(point, config, period).matrix
        assert matrix.min() >= 0
        np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=0, atol=1e-14)
        np.testing.assert_array_equal(matrix[~alive], np.eye(len(matrix))[~alive])
        assert (np.diag(matrix)[alive] < 1).all()
    assert exact.chain_of(point, config).start.sum() == pytest.approx(1, abs=1e-14)


def test_event__is_the_share_of_draws_below_a_probability():
    draws = np.arange(2**24, dtype=np.float32) * F(2.0**-24)
    for p in (0.0, 2.0**-24, 1e-7, 0.002, 0.1, 0.25, 0.3, 1 / 3, 0.5, 0.7, 0.999999, 1.0):
        assert event(F(p)) == np.count_nonzero(draws < F(p)) / 2**24
        assert event(p) == np.count_nonzero(draws.astype(np.float64) < p) / 2**24


def test_fill_answers__sum_to_one_and_follow_the_tables():
    point, config = case_of(**EVERYTHING)
    theory, law, answers = load("larsson1998"), np.zeros((1, 25, 4, 5)), np.zeros((1, 5, 5, 5))
    (batch,) = batches([point], config)
    fill_answers_of(batch.records[0], batch.cells[0], batch.reals[0], np.zeros(1, int), np.zeros(1, int), F(0.5),
                    np.ones((1, 4, 25)), law, answers)  # fmt: skip
    np.testing.assert_allclose(answers.sum(axis=3), 1, rtol=0, atol=1e-15)
    law = law[0]
    np.testing.assert_allclose(law.sum(axis=(1, 2)), 1, rtol=0, atol=1e-15)
    for cell in range(25):
        targets = (theory.empowered[cell], theory.barrier[cell], cell // 5)
        for branch, target in enumerate(targets):
            wrong = [s for s in range(5) if s != target or target == NEVER]
            assert not law[cell, branch, wrong].any()
            assert target == NEVER or law[cell, branch, target] > 0


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_solve__downward_spiral_by_hand():
    """Barriers only, reconsideration 1/4, no tremble, from collaboration: keep 3/4, facing competition 3/4 to the 4th."""
    point, config = case_of(
        population__initial__strategies=["collaboration", "collaboration"], population__periods=2,
        response__theory_mix="barriers_only", response__tremble=0.0,
    )  # fmt: skip
    ds = exact.solve(point, config).isel(point=0)
    first = {"integration": 9 / 16, "exploitation": 6 / 16, "deadlock": 1 / 16}
    second = {
        "integration": 81 / 256,
        "exploitation": 9 / 16 * 6 / 16 + 6 / 16 * 81 / 256,
        "deadlock": 9 / 16 * 1 / 16 + 6 / 16 * 175 / 256 + 1 / 16 * 9 / 16,
        "withdrawal": 1 / 16 * 6 / 16,
        "disintegration": 1 / 256,
    }
    for t, shares in enumerate(({"integration": 1.0}, first, second)):
        for name in REGIMES:
            assert float(ds.regime_share.sel(period=t, regime=name)) == pytest.approx(shares.get(name, 0.0), abs=1e-15)
    np.testing.assert_allclose(ds.strategy_share[1], [0, 0, 0, 0.25, 0.75], rtol=0, atol=1e-15)
    np.testing.assert_allclose(ds.transfer, [np.nan, 1, 0.75], rtol=0, atol=1e-15)
    np.testing.assert_allclose(ds.creation, [np.nan, 1, 9 / 16 + 6 / 16 / 4], rtol=0, atol=1e-15)
    np.testing.assert_allclose(ds.learning, [np.nan, 2, 9 / 8 + 6 / 16 * 3 / 4], rtol=0, atol=1e-15)
    np.testing.assert_allclose(ds.efficiency, [np.nan, 1, (9 / 8 + 6 / 16 * 3 / 4) / 2], rtol=0, atol=1e-15)
    np.testing.assert_allclose(ds.inequity, [np.nan, 0, 6 / 15], rtol=0, atol=1e-15)
    np.testing.assert_allclose(ds.inequity_sd, [np.nan, 0, math.sqrt(6 / 15 * 9 / 15)], rtol=0, atol=1e-15)
    np.testing.assert_allclose(ds.inequity_n, [0, 10000, 10000 * 15 / 16], rtol=1e-15)
    np.testing.assert_allclose(ds.survival, [1, 1, 255 / 256], rtol=0, atol=1e-15)
    assert float(ds.cumulative_learning) == pytest.approx((2 + 9 / 8 + 6 / 16 * 3 / 4) / 2, abs=1e-15)
    assert float(ds.dissolution_time) == pytest.approx(2, abs=1e-15)
    np.testing.assert_allclose(ds.dissolution_cause, [1 / 256, 0, 0], rtol=0, atol=1e-15)
    counts = {"1a": 0.5 + 9 / 16 * 0.5, "2a": 6 / 16 * 175 / 256, "2b": 1 / 16 * 0.5, "none": 6 / 16 / 4}
    for label in ds.proposition.values:
        assert float(ds.response_count.sel(proposition=label)) == pytest.approx(counts.get(label, 0.0), abs=1e-15)


def test_solve__an_even_chance_of_empowerment_by_hand():
    """Trust and orientation at the threshold of P9: E = 1/2, so each collaborator leaves with 1/4 times 1/2."""
    point, config = case_of(
        population__initial__strategies=["collaboration"] * 2, population__periods=1, response__tremble=0.0
    )
    ds = exact.solve(point, config).isel(point=0)
    assert float(ds.regime_share.sel(period=1, regime="integration")) == (7 / 8) ** 2
    assert float(ds.response_count.sel(proposition="9")) == float(ds.response_count.sel(proposition="1a")) == 1 / 4
    variance = 2 * 1 / 8 * 7 / 8
    assert float(ds.response_count_sd.sel(proposition="9")) == pytest.approx(math.sqrt(variance), abs=1e-15)


def test_solve__exits_by_hand():
    """An avoider, who stays one, leaves with 1/2 in each period; then a single partner is left."""
    point, config = case_of(
        population__initial__strategies=["avoidance", "collaboration"], population__exit_rate=0.5, population__periods=3,
        response__reconsideration=0.0, response__tremble=0.0,
    )  # fmt: skip
    ds = exact.solve(point, config).isel(point=0)
    np.testing.assert_array_equal(ds.survival, [1, 1 / 2, 1 / 4, 1 / 8])
    np.testing.assert_array_equal(ds.active_share, [1, 1 / 2, 1 / 4, 1 / 8])
    np.testing.assert_array_equal(ds.strategy_share.sel(strategy="collaboration"), [1 / 2, 1 / 4, 1 / 8, 1 / 16])
    np.testing.assert_array_equal(ds.dissolution_cause, [0, 7 / 8, 0])
    assert float(ds.dissolution_time) == 1 / 2 + 2 / 4 + 3 / 4
    three, config = case_of(
        population__partners=3, population__initial__strategies=["avoidance", "avoidance", "collaboration"],
        population__exit_rate=0.5, population__periods=1, response__reconsideration=0.0, response__tremble=0.0,
    )  # fmt: skip
    ds = exact.solve(three, config).isel(point=0)
    assert float(ds.survival[1]) == 3 / 4
    assert float(ds.active_share[1]) == pytest.approx((1 / 4 * 3 + 1 / 2 * 2) / 3, abs=1e-15)


def test_solve__whom_three_partners_meet_by_hand():
    """A collaborator between an avoider and a collaborator meets each with 1/2; reconsidering, it gives in (E = 0)."""
    point, config = case_of(
        population__partners=3, population__initial__strategies=["collaboration", "avoidance", "collaboration"],
        population__periods=1, response__theory_mix="barriers_only", response__tremble=0.0,
    )  # fmt: skip
    ds = exact.solve(point, config).isel(point=0)
    np.testing.assert_allclose(ds.strategy_share[1] * 3, [1 + 2 / 8, 0, 0, 2 / 8, 12 / 8], rtol=0, atol=1e-15)
    assert float(ds.survival[1]) == 1 - 1 / 64


def test_solve__all_avoid_from_the_start():
    mix = {**dict.fromkeys(STRATEGIES, 0.0), "avoidance": 1.0}
    point, config = case_of(population__initial__mix=mix, population__periods=4)
    ds = exact.solve(point, config).isel(point=0)
    assert not ds.survival.any()
    assert float(ds.dissolution_time) == float(ds.dissolution_time_sd) == 0
    np.testing.assert_array_equal(ds.dissolution_cause, [1, 0, 0])
    assert np.isnan(ds.efficiency).all()
    assert np.isnan(ds.inequity).all()
    assert not ds.learning[1:].any()
    assert np.isnan(ds.learning[0])


# --- labels and refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "output", [{}, {"output__every": 4}, {"output__variables": ["survival", "inequity", "response_count"]}], ids=str
)
def test_solve__is_labelled_as_a_simulation(output):
    point, config = case_of(population__partners=3, population__periods=10, **output)
    found = exact.solve(point, config)
    grid = period_grid([point], config.output.every)
    simulated = dataset([point], [run_segment(arguments_of(point, config, grid), 0, 100)], config)
    left_out = {"alliances", "batch_mean", *exact.OMITTED, *(f"{name}_se" for name in exact.OMITTED)}
    extra = {f"{v.name}_sd" for v in VARIABLES}
    assert set(simulated.data_vars) - set(found.data_vars) == left_out & set(simulated.data_vars)
    assert {name for name in found.data_vars if name not in simulated} <= extra
    for name in set(simulated.data_vars) & set(found.data_vars):
        assert found[name].dims == simulated[name].dims
        assert found[name].shape == simulated[name].shape
        assert found[name].attrs == simulated[name].attrs
        assert np.array_equal(np.isnan(found[name]), np.isnan(simulated[name])), name
    for name, coordinate in found.coords.items():
        assert coordinate.identical(simulated[name])
    assert all(found[name].attrs["units"] and found[name].attrs["long_name"] for name in found.variables)
    assert not any(np.nan_to_num(found[name]).any() for name in found.data_vars if name.endswith("_se"))


def test_solve__static_means_are_those_recorded_and_never_move():
    values = {"stakes": 0.3, "trust": 0.7, "orientation": 0.1, "prior": 0.37}
    means = {f"context__{k}": {"distribution": "constant", "mean": v} for k, v in values.items()}
    point, config = case_of(population__periods=5, **means)
    ds = exact.solve(point, config)
    for name, value in values.items():
        np.testing.assert_array_equal(ds[f"mean_{name}"], float(np.rint(F(value) * F(FIXED))) / FIXED)
        assert not ds[f"mean_{name}_sd"].any()


def test_solve__dynamics_of_rate_zero_are_static():
    rates = dict.fromkeys(("trust_gain", "trust_loss", "suspicion", "prior_gain", "prior_loss", "stakes_rate"), 0.0)
    point, config = case_of(context__kind="endogenous", context__dynamics=rates)
    static, _ = case_of()
    assert exact.solve(point, config).equals(exact.solve(static, config))


def replaced(parameters: Any, path: str, value: Any) -> Any:
    """Parameters with a key set, also one that they do not have."""
    name, _, rest = path.partition(".")
    if not rest:
        return parameters.model_copy(update={name: value})
    inner = getattr(parameters, name, None)
    new = SimpleNamespace(**{rest: value}) if inner is None else replaced(inner, rest, value)
    return parameters.model_copy(update={name: new})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("context.kind", "endogenous"),
        ("context.trust.distribution", "beta"),
        ("context.prior.distribution", "empirical"),
        ("ability.absorptive", SimpleNamespace(distribution="uniform", mean=1.0)),
        ("ability.communicative.distribution", "beta"),
        ("race.scope", 10.0),
        ("race.temptation", 1.0),
        ("race.forced_disclosure", 0.5),
        ("race.satiation", 0.1),
        ("phases.kind", "iyer2002"),
    ],
)
def test_solve__refuses_what_the_chain_cannot_do_and_names_the_key(key, value):
    point, config = case_of(population__partners=3)
    other = dataclasses.replace(point, parameters=replaced(point.parameters, key, value))
    said = exact.refusal(other.parameters)
    assert re.match(
        rf"{key.partition('.')[0]}[.]{key.partition('.')[2].replace('.', '[.]')}.* = .*: the exact chain needs ", said
    )
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        exact.solve(other, config)
    assert exact.refusal(point.parameters) is None


@pytest.mark.parametrize(
    ("overrides", "states", "most"),
    [
        ({"population__partners": 15}, "3,876", "at most 14 partners"),
        ({"population__partners": 6, "response__aware": 0.5, "population__exit_rate": 0.1}, "8,008", "at most 5 partners"),
        ({"population__partners": 6, "population__coupling": "weakest"}, "15,625", "at most 5 partners"),
        ({"population__partners": 4, "population__coupling": "partner_specific"}, "5^12", "at most 3 partners"),
    ],
    ids=str,
)
def test_refusal__of_too_many_states_says_how_many_partners_would_do(overrides, states, most):
    point, config = case_of(**overrides)
    said = exact.refusal(point.parameters)
    assert said.startswith(f"population.partners = {point.parameters.population.partners}: ")
    assert states in said
    assert most in said
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        exact.values([point], np.arange(2), (), (), config)
    fewer, _ = case_of(**{**overrides, "population__partners": int(most.split()[2])})
    assert exact.refusal(fewer.parameters) is None
