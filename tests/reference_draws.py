"""What the reference builds on: the formulas as plain Python, one alliance's random words, and its start values."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.special import betaincinv

from sim import abilities, review, rng
from sim import equations as eq
from sim.strategies import STRATEGIES
from sim.theory import Theory

F = np.float32
Code = np.uint32
ZERO, ONE = F(0), F(1)
#: Steps of the table of a beta distribution's quantiles.
QUANTILES = 1024


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
per_other, per_partner, mean_of, mean_of_two = map(plain, (eq.per_other, eq.per_partner, eq.mean_of, eq.mean_of_two))
most_learning, efficiency, inequity = plain(eq.most_learning), plain(eq.efficiency), plain(eq.inequity)
exploited, withholding, at_stake = plain(eq.exploited), plain(eq.withholding), plain(eq.at_stake)
trust_growth, trust_decay, moved_trust = map(plain, (eq.trust_growth, eq.trust_decay, eq.moved_trust))
interaction, prior_decay, moved_prior = map(plain, (eq.interaction, eq.prior_decay, eq.moved_prior))
stakes_target, moved_stakes = plain(eq.stakes_target), plain(eq.moved_stakes)
orientation_at, effective_trust = plain(eq.orientation_at), plain(eq.effective_trust)
seen_openness = plain(eq.seen_openness, np.uint32)
total_weight, drive, empowerment_score = map(plain, (eq.total_weight, eq.drive, eq.empowerment_score))
logistic, satiety = map(plain, (eq.logistic, eq.satiety))
keep_threshold, barrier_threshold, between = plain(eq.keep_threshold), plain(eq.barrier_threshold), plain(eq.between)
absorptive_start, absorptive_capacity = plain(abilities.absorptive_start), plain(abilities.absorptive_capacity)
with_memory, spare, closeness = plain(abilities.with_memory), plain(abilities.spare), plain(abilities.closeness)
novelty, creation_capacity = plain(abilities.novelty), plain(abilities.creation_capacity)
disclosure, forced = plain(abilities.disclosure), plain(abilities.forced)
unlearnt_part, next_remaining, power = map(plain, (abilities.unlearnt_part, abilities.next_remaining, abilities.power))
before_openness, window_efficiency = plain(review.before_openness), plain(review.window_efficiency)
equity, adaptability, review_value = plain(review.equity), plain(review.adaptability), plain(review.review_value)
pair_readiness, readjusted = plain(review.pair_readiness), plain(review.readjusted)
uniform, one_of = plain(rng.uniform), plain(rng.one_of, np.uint32)
_fixed_point = plain(eq.fixed_point, np.int32)


def fixed_point(x: np.float32) -> int:
    return int(_fixed_point(x))


def sum_of(values: Sequence[np.float32]) -> np.float32:
    """Sum in float32, in the order given."""
    total = ZERO
    for v in values:
        total = total + v
    assert type(total) is np.float32
    return total


@functools.lru_cache(maxsize=4096)
def _philox(key: tuple[int, int], alliance: int, t: int, purpose: int, number: int) -> tuple[np.uint32, ...]:
    low, high = Code(alliance % 2**32), Code(alliance // 2**32)
    slot = rng.slot_of.py_func(Code(purpose), Code(number))
    return tuple(Code(w) for w in rng.philox.py_func(low, high, Code(t), slot, Code(key[0]), Code(key[1])))


class Draws:
    """The random words of one alliance, as `sim.rng` lays them out."""

    def __init__(self, key: tuple[int, int], alliance: int) -> None:
        self.key, self.alliance = key, alliance

    def call(self, purpose: np.uint32, t: int, number: int) -> tuple[np.uint32, ...]:
        return _philox(self.key, self.alliance, t, int(purpose), number)

    def word(self, purpose: np.uint32, t: int, i: int) -> np.uint32:
        return self.call(purpose, t, i // 4)[i % 4]

    def response(self, t: int, i: int) -> tuple[np.uint32, np.uint32]:
        words = self.call(rng.RESPONSE, t, i // 2)
        return words[2 * (i % 2)], words[2 * (i % 2) + 1]

    def happens(self, purpose: np.uint32, t: int, i: int, probability: np.float32) -> bool:
        """Whether an event of some probability occurs; a draw is at least 0, so one of probability 0 never does."""
        return bool(probability > 0 and uniform(self.word(purpose, t, i)) < probability)


# --- section 3: start values -----------------------------------------------------------------------------------------


@functools.cache
def beta_quantiles(mean: float, concentration: float) -> np.ndarray:
    """Quantiles at k / 1024 of the beta distribution of this mean; its parameters are mean c and (1 - mean) c."""
    levels = np.arange(QUANTILES + 1) / QUANTILES
    table = betaincinv(mean * concentration, (1.0 - mean) * concentration, levels).astype(np.float32)
    table[0], table[QUANTILES] = 0.0, 1.0
    return np.maximum.accumulate(table)


def quantile(start: Any, word: np.uint32) -> np.float32:
    """The start value that a word draws from a distribution; `start` is its group of keys."""
    if start.distribution == "constant" or (start.distribution == "beta" and start.mean in (0.0, 1.0)):
        return F(start.mean)
    if start.distribution == "uniform":
        return between(F(start.low), F(start.high), uniform(word))
    if start.distribution == "empirical":
        return F(sorted(start.values)[int(one_of(word, Code(len(start.values))))])
    assert start.distribution == "beta"
    table = beta_quantiles(start.mean, start.concentration)
    x = uniform(word) * F(QUANTILES)
    step = int(x)
    return between(table[step], table[step + 1], x - F(step))


def start_matrix(start: Any, purpose: np.uint32, draws: Draws, n: int, level: str, symmetric: bool = False) -> np.ndarray:
    """Start values by ordered pair, row i facing column j, one draw per alliance, partner or pair; the diagonal is NaN.

    Of a symmetric quantity, the draw of a pair is that of its lower number facing the higher, and at the level of
    partners a pair has the mean of their two draws.
    """

    def drawn(number: int) -> np.float32:
        return quantile(start, draws.word(purpose, 0, number))

    matrix = np.full((n, n), np.nan, np.float32)
    for i in range(n):
        for j in range(n):
            if i == j:
                continue
            a, b = (min(i, j), max(i, j)) if symmetric else (i, j)
            if level == "alliance":
                matrix[i, j] = drawn(0)
            elif level == "pair":
                matrix[i, j] = drawn(32 * a + b)
            else:
                assert level == "partner"
                matrix[i, j] = mean_of_two(drawn(a), drawn(b)) if symmetric else drawn(i)
    return matrix


# --- section 4: theory and first strategy ------------------------------------------------------------------------------


def _chosen(u: np.float32, shares: Sequence[float]) -> int:
    """First k with u below the shares cumulated in float64, else the last."""
    cumulated = 0.0
    for k, share in enumerate(shares):
        cumulated += share
        if float(u) < cumulated:
            return k
    return len(shares) - 1


def theory_slots(draws: Draws, shares: Sequence[float], n: int) -> list[int]:
    """Place in the mix, sorted by name, of each partner's theory."""
    return [_chosen(uniform(draws.word(rng.THEORY, 0, i)), shares) for i in range(n)]


def first_strategy(draws: Draws, initial: Any, theory: Theory, i: int) -> int:
    if initial.strategies is not None:
        return STRATEGIES.index(initial.strategies[i])
    if theory.initial is not None:
        return theory.initial
    shares = [getattr(initial.mix, name) for name in STRATEGIES]
    return _chosen(uniform(draws.word(rng.INITIAL_STRATEGY, 0, i)), shares)
