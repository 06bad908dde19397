"""Whether a simulation agrees with the exact chain, by bounds that hold for any number of alliances.

A compared number, a *cell*, is a mean over n alliances of values in [0, most]. If the chain is right, its chance to be as
far from its expectation as it is, on either side, is at most

- where an alliance's value is 0 or 1: twice the exact binomial tail, which takes care of rare cells;
- else, by Bennett's inequality with the chain's own variance v and all values within b of the expectation,
  2 exp(-(n v / b^2) ((1 + y) log(1 + y) - y)), y = b d / v, d the difference: for common values 2 exp(-z^2 / 2). Where the
  chain does not say the variance, it is at most (most - mean) mean (Bhatia & Davis 2000).

All cells agree if none has a chance below `FALSE_ALARM` over the number of cells (Bonferroni). Sources: Bennett 1962,
J. Am. Stat. Assoc. 57, 33-45.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from sim.fields import ConfigError
from sim.parameters import Parameters
from sim.theory import DRIVERS
from sim.variables import BY_NAME, VARIABLES

#: Probability of a false alarm in all cells together, if simulation and chain are of the same model.
FALSE_ALARM = 1e-6
#: Recorded reals are rounded to steps of 2^-20; a float32 sum may fall to either side.
ROUNDING = 2.0**-20
#: Probability with which an error of the size `Cells.detectable` is found.
POWER = 0.999
_SURE = 3.1
#: Variables that count, so that only the arithmetic of the chain rounds them.
_COUNTS = ("strategy_share", "regime_share", "survival", "active_share", "dissolution_cause", "response_count")
_HALVINGS = 60
#: Alliances that at least share in a value's not being 0 (by Cauchy and Schwarz), or not the largest, for it to be common.
_COMMON = 25


@dataclass(frozen=True)
class Cells:
    """Compared numbers, as arrays (cells,).

    Attributes
    ----------
    name : variable and place.  number : contributing alliances.  observed, expected : mean, simulated and of the chain.
    deviation : standard deviation of one alliance's value.  most : the largest it can be; the least is 0.
    binary : whether it is 0 or 1.  slack : difference that rounding may make.
    """

    name: np.ndarray
    number: np.ndarray
    observed: np.ndarray
    expected: np.ndarray
    deviation: np.ndarray
    most: np.ndarray
    binary: np.ndarray
    slack: np.ndarray

    def __getitem__(self, where: Any) -> Cells:
        return Cells(*(getattr(self, f.name)[where] for f in fields(self)))

    @property
    def variable(self) -> np.ndarray:
        """Variable of each cell."""
        return np.array([name.partition("[")[0] for name in self.name], dtype=object)

    def chances(self) -> np.ndarray:
        """Bound on the probability of means this far from their expectation, on either side."""
        from scipy.stats import binom

        low, high = np.ones((2, len(self.number)))
        n, b = self.number[self.binary], self.binary
        successes = np.rint(self.observed[b] * n)
        low[b], high[b] = binom.cdf(successes, n, self.expected[b]), binom.sf(successes - 1, n, self.expected[b])
        away = self._away()
        room = np.where(self.observed > self.expected, self.most - self.expected, self.expected)
        certain = np.where(away > 0, 0.0, 1.0)
        other = np.where(self.deviation > 0, 2 * np.exp(self.log_bennett(away, room)), certain)
        return np.minimum(np.where(b, 2 * np.minimum(low, high), other), 1.0)

    def _away(self) -> np.ndarray:
        return np.asarray(np.maximum(abs(self.observed - self.expected) - self.slack, 0.0))

    def z(self) -> np.ndarray:
        """Difference over standard error; 0 where there is none, or too few events for it to be about normal."""
        error = self.deviation / np.sqrt(self.number)
        events = [m**2 / np.maximum(m**2 + self.deviation**2, 1e-300) for m in (self.expected, self.most - self.expected)]
        common = self.number * np.minimum(*events) >= _COMMON
        return np.asarray(np.where(common & (error > 0), self._away() / np.where(error > 0, error, 1.0), 0.0))

    def log_bennett(self, away: np.ndarray, room: np.ndarray) -> np.ndarray:
        """Logarithm of the bound on the probability of a mean this far on one side; 0 for deviation 0."""
        variance = np.where(self.deviation > 0, self.deviation, 1.0) ** 2
        room = np.maximum(room, 1e-12)
        y = room * away / variance
        return np.asarray(-self.number * variance / room**2 * ((1 + y) * np.log1p(y) - y) * (self.deviation > 0))

    def detectable(self, cells: int | None = None) -> np.ndarray:
        """Errors of the expectation found with probability `POWER`, by Bennett's bound also where values are binary.

        Parameters
        ----------
        cells : how many are compared in all; None: these.
        """
        low, high, room = np.zeros(len(self.most)), 10 * self.most, np.maximum(self.most - self.expected, self.expected)
        target = np.log(FALSE_ALARM / (cells or len(self.name)) / 2)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            enough = self.log_bennett(middle, room) < target
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        found = high + _SURE * self.deviation / np.sqrt(self.number)
        return np.asarray(np.where(self.deviation > 0, found, 0.0) + self.slack)


def limits(p: Parameters) -> dict[str, float]:
    """The largest value of one alliance, by variable."""
    n, periods, full = p.population.partners, p.population.periods, 1 + 2 * p.ability.creation
    units = n * (n - 1) if p.population.coupling == "partner_specific" else n
    learning = ("learning", "cumulative_learning", "learning_by_theory", "learning_by_pair")
    shares = ("strategy_share", "regime_share", "transfer", "efficiency", "inequity", "survival", "active_share",
              "dissolution_cause", "unlearnt", *(f"mean_{name}" for name in DRIVERS))  # fmt: skip
    return {
        **dict.fromkeys(shares, 1.0), **dict.fromkeys(learning, full), "creation": 2 * p.ability.creation,
        "dissolution_time": float(periods), "response_count": float(units * periods),
    }  # fmt: skip


def cells_of(
    simulated: Mapping[Any, Any], expected: Mapping[Any, Any], parameters: Parameters, alliances: int
) -> Cells:  # fmt: skip
    """All numbers to compare of a point.

    Parameters
    ----------
    simulated, expected : name -> array on the point's own periods, as of `sim.labels.values_of` and
        `sim.exact.moments_of`.  alliances : how many were simulated.
    """
    p, most = parameters, limits(parameters)
    parts: list[list[Any]] = []
    for name in (v.name for v in VARIABLES if v.name in most and v.name in simulated and v.name in expected):
        limit = most[name]
        mean, observed = np.asarray(expected[name], np.float64), np.asarray(simulated[name], np.float64)
        deviation, v = np.asarray(expected[f"{name}_sd"], np.float64), BY_NAME[name]
        number = np.full(mean.shape, alliances)
        if v.number is not None:
            number = np.asarray(simulated[v.number])
            chance = np.clip(np.asarray(expected[v.number]) / p.population.alliances, 0, 1)
            spread = np.sqrt(chance * (1 - chance))
            parts.append([_names(v.number, chance.shape), alliances, number / alliances, chance, spread, 1.0, True, 0.0])
        there = ~np.isnan(mean) & (number > 0)
        mean = np.clip(mean, 0, limit)
        deviation = np.where(np.isnan(deviation), np.sqrt(mean * (limit - mean)), deviation)
        # Deviations of sums over periods are good to 1e-8: below 1e-7 there is none.
        deviation = np.where(deviation > 1e-7 * limit, deviation, 0.0)
        # A value where there can be none, or none where there is one, is as wrong as can be.
        observed = np.where(np.isnan(observed), 2 * limit + 1, observed)
        binary = name in ("survival", "dissolution_cause") or (name == "regime_share" and p.population.partners == 2)
        slack = 1e-9 * limit if name in _COUNTS else ROUNDING
        parts.append([_names(name, mean.shape)[there.ravel()], number[there], observed[there], mean[there],
                      deviation[there], limit, binary, slack])  # fmt: skip
    if not parts:
        raise ConfigError(
            "output.variables: nothing that is recorded has an exact value to compare with; add another variable."
        )
    rows = [[np.broadcast_to(np.ravel(column), len(part[0])) for column in part] for part in parts]
    return Cells(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def _names(name: str, shape: Sequence[int]) -> np.ndarray:
    return np.array([f"{name}{list(place)}" for place in itertools.product(*map(range, shape))], dtype=object)


def verdict(cells: Cells) -> tuple[float, str]:
    """Bonferroni's chance of the least likely cell if the expectation is right, and which it is."""
    chances = cells.chances()
    worst = int(np.argmin(chances))
    return min(1.0, len(chances) * float(chances[worst])), str(cells.name[worst])
