"""The model in plain Python, one alliance at a time: what the compiled kernel has to reproduce, integer for integer.

Written from the page of the model (sections 0 to 7), as loops over periods, partners and pairs, with the tables of the
theories as they stand in their files: no lanes, no tables of numbers, no early stop, and every mechanism always in place. The
formulas are those of `sim.equations`, `sim.abilities` and `sim.review`, run as plain Python on float32 scalars.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import reference_draws as rd
from reference_draws import ONE, ZERO, Code, Draws, F, sum_of
from reference_records import EARLY, NOBODY, Outcome, Response, Review, Seen, Trajectory

from sim import rng
from sim.design import Point, key_of, theories_of
from sim.schema import Config
from sim.strategies import ACCOMMODATION, AVOIDANCE, COLLABORATION, COMPETITION, COMPROMISE
from sim.variables import PHASES

#: Of strategies equally common the first here is the plurality.
TIES = (AVOIDANCE, COMPETITION, COMPROMISE, ACCOMMODATION, COLLABORATION)


class _Alliance:
    """The state of one alliance; its methods are the steps of section 0."""

    def __init__(self, point: Point, config: Config, number: int) -> None:
        self.p = p = point.parameters
        self.theories = [theory for _, _, theory in theories_of(p)]
        self.shares = [share for _, share, _ in theories_of(p)]
        self.coupling = p.population.coupling
        self.by_pair = self.coupling == "partner_specific"
        self.n = p.population.partners
        self.partners = range(self.n)
        self.pairs = [(i, j) for i in self.partners for j in self.partners if i != j]
        self.draws = Draws(key_of(point, config.random.seed, config.random.common), number)
        self.moderate, self.gamma = F(p.ability.moderate), F(p.ability.creation)
        horizon = p.context.endgame.horizon
        self.horizon, self.window = F(np.inf if horizon is None else horizon), F(p.context.endgame.window)
        moves = p.context.kind == "endogenous"
        self.rates = {name: F(value if moves else 0.0) for name, value in p.context.dynamics.model_dump().items()}
        self.scope = F(np.inf if p.race.scope is None else p.race.scope)
        self.slack = F(np.inf if p.ability.slack is None else p.ability.slack)
        distance = p.ability.distance
        self.closeness = ONE if distance is None else rd.closeness(F(distance))
        self.novelty = ONE if distance is None else rd.novelty(F(distance))
        phased = p.phases.kind != "none"
        self.table = [getattr(p.phases.table, name) for name in PHASES] if phased else None
        largest = max([1.0, *(phase.mutuality for phase in self.table or ())])
        self.most = rd.most_learning(self.gamma, F(largest))

    def neighbours(self, i: int) -> list[int]:
        """The other active partners, in the order i + 1, i + 2, ... mod N."""
        return [j for j in ((i + d) % self.n for d in range(1, self.n)) if self.active[j]]

    def both_active(self) -> list[tuple[int, int]]:
        return [(i, j) for i, j in self.pairs if self.active[i] and self.active[j]]

    # t = 0

    def form(self) -> None:
        p, draws, n = self.p, self.draws, self.n
        context, ability = p.context, p.ability
        self.slots = rd.theory_slots(draws, self.shares, n)
        first = [rd.first_strategy(draws, p.population.initial, self.theories[self.slots[i]], i) for i in self.partners]
        self.strategy = [[NOBODY if i == j else first[i] for j in self.partners] for i in self.partners]
        self.aware = [draws.happens(rng.AWARENESS, 0, i, F(p.response.aware)) for i in self.partners]

        def drawn(start, purpose, symmetric=False):
            return rd.start_matrix(start, purpose, draws, n, start.level, symmetric)

        self.stakes = self.first_stakes = drawn(context.stakes, rng.STAKES)
        self.trust = drawn(context.trust, rng.TRUST)
        self.prior = drawn(context.prior, rng.PRIOR, True)
        self.first_orientation = rd.quantile(context.orientation, draws.word(rng.ORIENTATION, 0, 0))
        conditions = F(ability.connections), F(ability.relatedness), F(ability.alignment)
        self.absorptive = drawn(ability.absorptive, rng.ABSORPTIVE)
        for i, j in self.pairs:
            self.absorptive[i, j] = rd.absorptive_start(self.absorptive[i, j], *conditions)
        self.communicative = drawn(ability.communicative, rng.COMMUNICATIVE)
        self.remaining, self.learned, self.power = (self._everywhere(v) for v in (ONE, ZERO, ZERO))
        self.active = [True] * n
        self.anybody_left = False
        self.dissolved_at: int | None = None
        self.cause: str | None = None
        self.phase = 0
        self.open_window()
        self.dissolve(0)

    def _everywhere(self, value: np.float32) -> np.ndarray:
        matrix = np.full((self.n, self.n), value, np.float32)
        np.fill_diagonal(matrix, np.nan)
        return matrix

    # t >= 1

    @property
    def openness(self) -> np.float32:
        return ONE if self.table is None else F(self.table[self.phase].openness)

    @property
    def mutuality(self) -> np.float32:
        return ONE if self.table is None else F(self.table[self.phase].mutuality)

    def orientation(self, t: int) -> np.float32:
        return rd.orientation_at(self.first_orientation, F(t), self.horizon, self.window)

    def kappa(self, i: int, j: int) -> np.float32:
        return rd.with_memory(self.communicative[i, j], self.prior[i, j])

    def alpha(self, i: int, j: int) -> np.float32:
        spare = rd.spare(self.slack, F(max(sum(self.active) - 1, 1)))
        return rd.absorptive_capacity(self.absorptive[i, j], self.prior[i, j], self.closeness, spare)

    def creation_capacity(self, i: int, j: int) -> np.float32:
        a, b = min(i, j), max(i, j)
        trust = rd.mean_of_two(self.trust[a, b], self.trust[b, a])
        cost, optimum = F(self.p.ability.trust_cost), F(self.p.ability.trust_optimum)
        return rd.creation_capacity(self.gamma, self.mutuality, self.novelty, trust, cost, optimum)

    def offer(self, i: int, j: int) -> np.float32:
        """X_ij: what i discloses to j, by itself or because j is the stronger."""
        strategy, kappa = self.strategy[i][j], self.kappa(i, j)
        offered = rd.disclosure(rd.transparency(Code(strategy), self.moderate), kappa, self.openness)
        if strategy != AVOIDANCE:
            offered = rd.forced(offered, self.power[j, i], kappa, self.openness, F(self.p.race.forced_disclosure))
        return offered

    def exchange(self) -> None:
        """Disclosure X, transfer f, creation g and learning l for all ordered pairs; none of a partner with itself."""
        self.X, self.f, self.g, self.l = ([[ZERO] * self.n for _ in self.partners] for _ in range(4))
        for i, j in self.pairs:
            self.X[i][j] = self.offer(i, j)
        for i, j in self.pairs:
            absorbs = rd.receptivity(Code(self.strategy[i][j]), self.moderate) * self.alpha(i, j)
            self.f[i][j] = rd.unlearnt_part(rd.transfer(self.X[j][i], absorbs), self.remaining[i, j])
        for i, j in self.pairs:
            self.g[i][j] = rd.creation(self.creation_capacity(i, j), self.f[i][j], self.f[j][i])
            self.l[i][j] = self.f[i][j] + rd.appropriated(self.g[i][j], self.f[i][j])

    def outcome(self) -> Outcome:
        transfers, creations, learnings = [], [], []
        for i in self.partners:
            others = [j for j in self.partners if j != i]
            got = sum_of([self.f[i][j] for j in others])
            made = sum_of([rd.appropriated(self.g[i][j], self.f[i][j]) for j in others])
            transfers.append(rd.per_other(got, F(self.n - 1)))
            creations.append(rd.per_other(made, F(self.n - 1)))
            learnings.append(transfers[i] + creations[i])
        upper = [(self.l[i][j], self.l[j][i]) for i, j in self.pairs if i < j]
        differences = sum_of([abs(mine - theirs) for mine, theirs in upper])
        totals = sum_of([mine + theirs for mine, theirs in upper])
        means = [rd.per_partner(sum_of(values), F(self.n)) for values in (transfers, creations, learnings)]
        shares = rd.efficiency(means[2], self.most), rd.inequity(differences, totals)
        by_partner = tuple(transfers), tuple(creations), tuple(learnings)
        return Outcome(*by_partner, *means, differences, totals, *shares, self.X, self.f, self.l, self.phase)

    def learn(self) -> None:
        """Cumulative learning and remaining knowledge (section 5)."""
        learned, remaining, renewal = self.learned.copy(), self.remaining.copy(), F(self.p.race.renewal)
        for i, j in self.pairs:
            learned[i, j] = self.learned[i, j] + self.l[i][j]
            remaining[i, j] = rd.next_remaining(
                self.remaining[i, j], self.f[i][j], self.g[i][j], self.scope, renewal
            )  # fmt: skip
        self.learned, self.remaining = learned, remaining

    def move_context(self) -> None:
        X, f, r, o = self.X, self.f, self.rates, self.openness
        trust, stakes, prior = self.trust.copy(), self.stakes.copy(), self.prior.copy()
        for i, j in self.both_active():
            takes = rd.withholding(rd.receptivity(Code(self.strategy[j][i]), self.moderate), X[j][i], o)
            loss = rd.exploited(f[i][j], f[j][i])
            decay = rd.trust_decay(loss, takes, r["trust_loss"], r["suspicion"])
            trust[i, j] = rd.moved_trust(self.trust[i, j], rd.trust_growth(X[j][i], o, r["trust_gain"]), decay)
            shared = rd.interaction(X[i][j], X[j][i])
            prior[i, j] = rd.moved_prior(self.prior[i, j], r["prior_gain"] * shared, rd.prior_decay(shared, r["prior_loss"]))
            target = rd.stakes_target(self.first_stakes[i, j], f[i][j], f[j][i])
            stakes[i, j] = rd.moved_stakes(self.stakes[i, j], target, r["stakes_rate"])
        self.trust, self.stakes, self.prior = trust, stakes, prior

    def measure_power(self) -> None:
        scale = F(self.p.race.power_scale)
        power = self._everywhere(ZERO)
        for i, j in self.pairs:
            power[i, j] = rd.power(self.learned[i, j], self.learned[j, i], scale)
        self.power = power

    # Section 6: whom a partner answers.

    def meet(self, t: int, i: int, towards: int) -> Seen:
        """What i answers; `towards` is the partner it answers where behaviour is partner-specific."""
        others = self.neighbours(i)
        if self.coupling == "majority":
            return self.plurality(i, sorted(others))
        if self.coupling == "sampled":
            j = others[int(rd.one_of(self.draws.word(rng.COUNTERPART, t, i), Code(len(others))))]
        elif self.coupling == "weakest":
            j = others[0]
            for k in others[1:]:
                lead, best = self.f[k][i] - self.f[i][k], self.f[j][i] - self.f[i][j]
                if lead > best or (lead == best and self.X[k][i] < self.X[j][i]):
                    j = k
        else:
            j = towards
        values = (matrix[i, j] for matrix in (self.remaining, self.stakes, self.trust, self.prior, self.power))
        return Seen(j, self.strategy[j][i], *values)

    def plurality(self, i: int, others: Sequence[int]) -> Seen:
        held = [self.strategy[j][i] for j in others]
        strategy = max(TIES, key=held.count)
        who = [j for j in others if self.strategy[j][i] == strategy]
        means = (
            rd.mean_of(sum_of([matrix[i, j] for j in who]), F(len(who)))
            for matrix in (self.remaining, self.stakes, self.trust, self.prior, self.power)
        )
        return Seen(None, strategy, *means)

    # Section 4: the answer.

    def empowerment(self, i: int, cell: int, seen: Seen, omega: np.float32) -> np.float32:
        """E_ij."""
        theory, response = self.theories[self.slots[i]], self.p.response
        if theory.empowered[cell] < 0:
            return ZERO
        group = ("6", "7", "8", "9").index(theory.empowered_label[cell][0])
        override = (response.threshold.P6, response.threshold.P7, response.threshold.P8, response.threshold.P9)[group]
        threshold = theory.thresholds[group] if override is None else override
        handicap = theory.handicap if response.symmetric_handicap is None else response.symmetric_handicap
        stakes = rd.at_stake(seen.remaining, seen.stakes)
        tau = rd.effective_trust(seen.trust, stakes, omega, F(self.p.context.calculative_share))
        weights = [F(w) for w in theory.weights[group]]
        z = rd.empowerment_score(
            rd.drive(stakes, tau, omega, seen.prior, *weights, rd.total_weight(*weights)),
            ONE if self.aware[i] else ZERO,
            F(response.awareness_bonus),
            F(threshold),
            F(handicap) if theory.handicapped[cell] else ZERO,
            seen.power,
            F(self.p.race.temptation),
            F(response.sensitivity),
        )
        return rd.logistic(z)

    def sated(self, t: int, i: int, number: int, towards: int) -> bool:
        """Whether i has learned enough: from its counterpart where behaviour is partner-specific, else from the others."""
        others = [towards] if self.by_pair else sorted(self.neighbours(i))
        remaining = rd.mean_of(sum_of([self.remaining[i, j] for j in others]), F(len(others)))
        probability = rd.satiety(F(self.p.race.satiation), remaining)
        return self.draws.happens(rng.SATIATION, t, number, probability)

    def answer(self, t: int, i: int, towards: int, omega: np.float32) -> Response:
        p, theory = self.p.response, self.theories[self.slots[i]]
        # A partner's answer to the one d places after it has draws of its own; those to the next one are the partner's.
        number = i + 32 * ((towards - i) % self.n - 1) if self.by_pair else i
        seen = self.meet(t, i, towards)
        own, shown = self.strategy[i][towards], seen.strategy
        if self.draws.happens(rng.MISPERCEPTION, t, number, F(p.misperception)):
            shown = int(rd.seen_openness(Code(shown)))
        cell = 5 * own + shown
        first, second = self.draws.response(t, number)

        def response(decided: str, target: int, label: str = "") -> Response:
            return Response(i, seen.counterpart, self.slots[i], own, shown, decided, target, label or "none")

        tremble, keep = F(p.tremble), F(math.pow(1.0 - p.reconsideration, theory.pace[cell]))
        if rd.uniform(first) < tremble:
            return response("tremble", int(rd.one_of(second, Code(5))))
        if self.sated(t, i, number, towards):
            return response("satiation", AVOIDANCE)
        if rd.uniform(first) < rd.keep_threshold(tremble, keep):
            return response("keep", own)
        probability = self.empowerment(i, cell, seen, omega)
        if rd.uniform(second) < probability:
            return response("empowered", theory.empowered[cell], theory.empowered_label[cell])
        symbolic = own == shown == ACCOMMODATION
        if symbolic and self.draws.happens(rng.INSTRUMENTALITY, t, number, F(p.instrumentality)):
            word = int(self.draws.word(rng.INSTRUMENTALITY, t, number))
            return response("instrumental", COMPETITION if word % 2 else AVOIDANCE)
        if rd.uniform(second) < rd.barrier_threshold(probability, F(p.barrier_strength)):
            return response("barrier", theory.barrier[cell], theory.barrier_label[cell])
        return response("kept", own)

    def respond(self, t: int, omega: np.float32) -> tuple[Response, ...]:
        """The answers of all, from the same old strategies; then all switch at once."""
        chosen, answers = [list(row) for row in self.strategy], []
        for i in self.partners:
            if not self.active[i]:
                continue
            if self.by_pair:
                for j in sorted(self.neighbours(i)):
                    answers.append(self.answer(t, i, j, omega))
                    chosen[i][j] = answers[-1].target
            else:
                # The same strategy faces all others, so any of them says which it was.
                answers.append(self.answer(t, i, (i + 1) % self.n, omega))
                chosen[i] = [NOBODY if j == i else answers[-1].target for j in self.partners]
        self.strategy = chosen
        return tuple(answers)

    # Exits, dissolution.

    def avoids(self, i: int) -> bool:
        """Whether i avoids every active partner."""
        return all(self.strategy[i][j] == AVOIDANCE for j in self.partners if j != i and self.active[j])

    def exits(self, t: int) -> None:
        rate = F(self.p.population.exit_rate)
        leaving = [
            i for i in self.partners if self.active[i] and self.avoids(i) and self.draws.happens(rng.EXIT, t, i, rate)
        ]
        for i in leaving:
            self.active[i] = False
            self.anybody_left = True
            self._withdraw(i)

    def _withdraw(self, i: int) -> None:
        self.strategy[i] = [NOBODY if j == i else AVOIDANCE for j in self.partners]

    def dissolve(self, t: int) -> None:
        at_work = [i for i in self.partners if self.active[i]]
        if len(at_work) < 2 or all(self.avoids(i) for i in at_work):
            self.end(t, "exit" if self.anybody_left else "avoidance")

    def end(self, t: int, cause: str) -> None:
        self.dissolved_at, self.cause = t, cause
        for i in self.partners:
            self._withdraw(i)
        self.active = [False] * self.n

    # Section 7: reviews.

    def open_window(self) -> None:
        self.learning_sum, self.differences, self.totals = ZERO, ZERO, ZERO
        self.reached, self.empowered = 0, 0
        self.offered = [[ZERO] * self.n for _ in self.partners]

    def watch(self, outcome: Outcome) -> None:
        """Add a period's exchange to the window of the next review."""
        self.learning_sum = self.learning_sum + outcome.mean_learning
        self.differences = self.differences + outcome.differences
        self.totals = self.totals + outcome.totals
        for i, j in self.pairs:
            self.offered[i][j] = self.offered[i][j] + rd.before_openness(self.X[i][j], self.openness)

    def count(self, answers: Sequence[Response]) -> None:
        self.reached += sum(r.decided not in EARLY for r in answers)
        self.empowered += sum(r.decided == "empowered" for r in answers)

    def readiness(self, periods: np.float32) -> np.float32:
        values = []
        for i, j in self.both_active():
            if i < j:
                for a, b in ((i, j), (j, i)):
                    offered = rd.mean_of(self.offered[a][b], periods)
                    values.append(rd.pair_readiness(offered, self.trust[a, b], self.kappa(a, b), self.prior[a, b]))
        return rd.mean_of(sum_of(values), F(len(values)))

    def review(self, t: int) -> Review:
        p = self.p.phases
        periods = F(p.review_every)
        most = rd.most_learning(self.gamma, self.mutuality)
        efficient = rd.window_efficiency(self.learning_sum, periods, self.openness, most)
        even = rd.equity(self.differences, self.totals) if self.totals > 0 else None
        adapts = rd.adaptability(F(self.empowered), F(self.reached)) if self.reached else None
        value = rd.review_value(
            efficient,
            ZERO if even is None else even,
            ZERO if adapts is None else adapts,
            F(p.weights.efficiency),
            ZERO if even is None else F(p.weights.equity),
            ZERO if adapts is None else F(p.weights.adaptability),
        )
        ready = self.readiness(periods)
        needed = self.table[self.phase].readiness
        last = self.phase == len(PHASES) - 1
        advances = bool(value >= F(p.advance) and not last and needed is not None and ready >= F(needed))
        breaks = bool(value < F(p.fail)) and self.draws.happens(rng.BREAK, t, 0, F(p.break_rate))
        trust, stakes = self.trust.copy(), self.stakes.copy()
        for i, j in self.both_active():
            trust[i, j] = rd.readjusted(self.trust[i, j], F(p.readjustment), value)
            stakes[i, j] = rd.readjusted(self.stakes[i, j], F(p.readjustment), value)
        self.trust, self.stakes = trust, stakes
        if advances:
            self.phase += 1
        if breaks:
            self.end(t, "review")
        self.open_window()
        return Review(efficient, even, adapts, value, ready, advances, breaks)


def history(point: Point, config: Config, alliance: int) -> Trajectory:
    """Everything that happens in alliance number `alliance` of a point of the design of `config`."""
    with np.errstate(over="raise", invalid="raise", divide="raise", under="ignore"):
        return _history(point, config, alliance)


def _history(point: Point, config: Config, alliance: int) -> Trajectory:
    a = _Alliance(point, config, alliance)
    a.form()
    states = []

    def keep_state(t: int) -> None:
        facing = tuple(tuple(row) for row in a.strategy)
        context = a.trust, a.stakes, a.prior, a.remaining, a.power
        for matrix in context:
            assert matrix.dtype == np.float32
        states.append((facing, tuple(a.active), *context, a.phase, a.orientation(t)))

    keep_state(0)
    outcomes, answers, reviews = [None], [()], [None]
    for t in range(1, point.parameters.population.periods + 1):
        a.exchange()
        outcomes.append(a.outcome())
        answers.append(())
        reviews.append(None)
        if a.dissolved_at is None:
            a.watch(outcomes[t])
            a.learn()
            a.move_context()
            a.measure_power()
            answers[t] = a.respond(t, a.orientation(t))
            a.count(answers[t])
            a.exits(t)
            a.dissolve(t)
            if a.table is not None and a.dissolved_at is None and t % a.p.phases.review_every == 0:
                reviews[t] = a.review(t)
        keep_state(t)
    return Trajectory(
        *zip(*states, strict=True),
        *map(tuple, (outcomes, answers, reviews, a.aware, a.slots)),
        a.by_pair,
        a.dissolved_at,
        a.cause,
    )
