"""What becomes of an alliance in the end, from the exact chain: of what no simulation of finite length can tell.

Alliances that have dissolved stay dissolved, so that the chain has these long runs:

- *dissolution*: the chances to dissolve, by cause, and to go on for ever. These are sums over paths, solved for by
  eliminating state after state without a subtraction (Grassmann, Taksar & Heyman 1985), so that times of 10^15 periods
  are as good to the last digits as short ones.
- the *quasi-stationary mix*: of strategies and regimes among the alliances that have lasted for long, and the rate at
  which those dissolve; the left eigenvector of the transition matrix among lasting states (Darroch & Seneta 1965).

Where partners tremble, every alliance dissolves sooner or later. Where `response.tremble` is 0, some states may never be
left for dissolution: then ``never_dissolved`` is above 0, the mix is that of those who go on for ever (over their closed
classes, each with the chance to end in it; where a class is periodic, the mean over its period), and the rate is 0. With
awareness, a mix of theories or exits, alliances of the kind that lasts longest are what is left in the end; where two
kinds last equally long to twelve digits, the mix depends on more than the chain's last periods tell, and is NaN.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sim.design import Point
from sim.exact_batch import Batch, batches
from sim.exact_space import Space, check, space_of
from sim.exact_values import by_state, laws_of, sums_over, transition
from sim.labels import attributes_of
from sim.schema import Config
from sim.strategies import REGIMES, STRATEGIES
from sim.variables import CAUSES

if TYPE_CHECKING:
    import xarray as xr

#: A longer end-game is refused, as its periods are gone through one by one.
MAX_HORIZON = 10**6
#: Rates of survival that differ by less, relatively, are taken for equal.
EQUAL = 1e-12
_DENSE = 300
_SOURCE = "Grassmann, Taksar & Heyman 1985; Darroch & Seneta 1965"


def long_run(point: Point, config: Config) -> xr.Dataset:
    """What becomes of the alliances of a point without an end of time.

    Parameters
    ----------
    point : with an exact form; population.periods does not act.  config : its run.

    Returns
    -------
    Dataset : with units, long_name and description.
        dissolution_cause (cause) : chance to dissolve in the end, by cause.  never_dissolved : chance not to.
        dissolution_time, dissolution_time_sd : mean and standard deviation, among those that dissolve, of the period at
        whose end they do; NaN where none does.
        strategy_share (strategy), regime_share (regime), active_share, learning : of alliances that have lasted for long.
        dissolution_rate : share of these that dissolve in a period.
        regime_stay (regime) : mean number of periods that two partners of these stay in a regime; NaN for more partners,
        and where a regime is not among the mix; infinite where it is never left.

    Raises
    ------
    ValueError : no exact form, behaviour by ordered pair (too many states), or a horizon beyond `MAX_HORIZON`.

    Notes
    -----
    With a horizon, orientation fades until then and is 0 ever after: times count from the formation on, the mix is that
    after the horizon.
    """
    import xarray as xr

    p = point.parameters
    check(p)
    (batch,) = batches([point], config)
    if batch.structure.coupling == "partner_specific":
        raise ValueError("population.coupling = partner_specific: its states are too many for the long run.")
    horizon = p.context.endgame.horizon
    if horizon is not None and horizon > MAX_HORIZON:
        raise ValueError(f"context.endgame.horizon = {horizon:g}: at most {MAX_HORIZON:,} for the long run.")
    ends = 0 if horizon is None else math.ceil(horizon)
    space, (start, matrix) = space_of(batch.structure), transition(batch, max(ends, 1))
    law, lived, squares = (start, 0.0, 0.0) if horizon is None else _until(batch, space, ends)
    fate = _Fate(space, matrix, law)
    shares, times = fate.shares(ends, lived, squares)
    mix, rate = fate.mix()
    (first,) = laws_of(_short(batch, 1))
    values = by_state(batch, space, first.tables, ())
    shown = {name: mix @ values[name][0] for name in ("strategy_share", "regime_share", "active_share", "learning")}
    stay = _stay(space, matrix, mix) if batch.structure.partners == 2 else np.full(len(REGIMES), np.nan)
    kept = "among the alliances that have lasted for long"
    data = {
        "dissolution_cause": ("cause", shares[: len(CAUSES)], "1", "cause of dissolution in the end",
                              "Chance of an alliance to dissolve sooner or later, by cause."),
        "never_dissolved": ((), shares[-1], "1", "alliances that never dissolve", "Chance never to dissolve."),
        "dissolution_time": ((), times[0], "period", "expected time of dissolution",
                             "Mean period at whose end an alliance dissolves, among those that do."),
        "dissolution_time_sd": ((), times[1], "period", "standard deviation of the time of dissolution",
                                "Of one alliance's time, among those that dissolve."),
        "strategy_share": ("strategy", shown["strategy_share"], "1", "share of partners by strategy", f"Mix {kept}."),
        "regime_share": ("regime", shown["regime_share"], "1", "share of pairs by regime", f"Mix {kept}."),
        "active_share": ((), shown["active_share"][0], "1", "active partners", f"Share not left, {kept}."),
        "learning": ((), shown["learning"][0], "knowledge per period", "learning", f"Of a partner in a period, {kept}."),
        "dissolution_rate": ((), rate, "1 / period", "rate of dissolution", f"Share that dissolves in a period, {kept}."),
        "regime_stay": ("regime", stay, "period", "mean stay in a regime",
                        f"Mean number of periods two partners stay in a regime, {kept}."),
    }  # fmt: skip
    about = {name: {"units": units, "long_name": long_name, "description": text, "source": _SOURCE}
             for name, (_, _, units, long_name, text) in data.items()}  # fmt: skip
    coords = {"cause": CAUSES, "strategy": STRATEGIES, "regime": REGIMES}
    return xr.Dataset(
        {name: (dims, value, about[name]) for name, (dims, value, *_) in data.items()},
        {dim: (dim, list(names), attributes_of(dim)) for dim, names in coords.items()},
    )


def _short(batch: Batch, periods: int) -> Batch:
    """The same followed for so many periods, of which the first and the last are recorded."""
    recorded = np.full(periods + 1, -1, np.int64)
    recorded[[0, periods]] = 0, 1
    return replace(batch, periods=np.array([0, periods]), recorded=recorded)


def _until(batch: Batch, space: Space, periods: int) -> tuple[np.ndarray, float, float]:
    """Law of the state after some periods; mean, and mean square, of the periods lived until then."""
    *_, laws = laws_of(_short(batch, periods))
    means, squares = sums_over(batch, periods, space.states.alive[None] * 1.0)
    return laws.ends[0, -1], float(means[0]), float(squares[0])


class _Fate:
    """Where a law of the state leads to, as the matrix stays as it is."""

    def __init__(self, space: Space, matrix: np.ndarray, law: np.ndarray) -> None:
        self.space, self.matrix, self.law = space, matrix, law
        alive = np.asarray(space.states.alive)
        self.lasting = np.flatnonzero(alive & _reached(matrix, law > 0))
        self.closed = [c for c in self._classes() if not matrix[np.ix_(c, np.setdiff1d(np.arange(len(law)), c))].any()]
        for_ever = np.concatenate([*self.closed, np.zeros(0, np.int64)])
        self.passing = np.setdiff1d(self.lasting, for_ever)
        ends = [np.flatnonzero(~alive & ~space.exited), np.flatnonzero(~alive & space.exited), *self.closed]
        self.ends = np.stack([np.isin(np.arange(len(law)), end) * 1.0 for end in ends], axis=1)
        self.reduced = _Reduced(matrix[np.ix_(self.passing, self.passing)], matrix[self.passing] @ self.ends)

    def _classes(self) -> list[np.ndarray]:
        """Lasting states in groups that lead to each other."""
        from scipy.sparse.csgraph import connected_components

        graph = self.matrix[np.ix_(self.lasting, self.lasting)] > 0
        if not len(self.lasting):
            return []
        number, group = connected_components(graph, directed=True, connection="strong")
        return [self.lasting[group == k] for k in range(number)]

    def chances(self) -> np.ndarray:
        """Chance to end dissolved by avoidance, after an exit, and in each closed class: float64 (2 + classes,)."""
        into = self.reduced.solve(self.matrix[self.passing] @ self.ends)
        return np.asarray(self.law @ self.ends + self.law[self.passing] @ into)

    def shares(self, ends: int, lived: float, squares: float) -> tuple[np.ndarray, tuple[float, float]]:
        """Chance of each cause, and of none; mean and deviation of the time, given what was lived until period `ends`."""
        chances, law = self.chances(), self.law[self.passing]
        dissolves = self.reduced.solve((self.matrix[self.passing] @ self.ends)[:, :2].sum(axis=1, keepdims=True))
        first = self.reduced.solve(dissolves)
        inner = self.matrix[np.ix_(self.passing, self.passing)]
        second = self.reduced.solve(dissolves + 2 * inner @ first)
        still = float(self.law[self.lasting].sum())
        weight = float(chances[:2].sum())
        mean = lived - ends * still + float(law @ (ends * dissolves + first)[:, 0])
        square = squares - ends**2 * still + float(law @ (ends**2 * dissolves + 2 * ends * first + second)[:, 0])
        never = float(chances[2:].sum())
        if weight > 0:
            mean, square = mean / weight, square / weight
        times = (mean, math.sqrt(max(square - mean**2, 0.0))) if weight > 0 else (math.nan, math.nan)
        return np.array([chances[0], chances[1], 0.0, never]), times

    def mix(self) -> tuple[np.ndarray, float]:
        """Law of the state among those that last, float64 (states,), and the share of them that dissolves in a period."""
        found = np.zeros(len(self.law))
        if self.closed:
            chances = self.chances()[2:]
            for chance, states in zip(chances, self.closed, strict=True):
                found[states] += chance * _perron(self.matrix[np.ix_(states, states)])[1]
            return found / chances.sum(), 0.0
        rates = [(_perron(self.matrix[np.ix_(c, c)])[0], k) for k, c in enumerate(self._classes())]
        best = sorted(rates, reverse=True)[:2]
        if not best or best[0][0] <= 0 or (len(best) > 1 and best[1][0] >= best[0][0] * (1 - EQUAL)):
            return np.full(len(self.law), np.nan), math.nan
        first = np.isin(np.arange(len(self.law)), self._classes()[best[0][1]])
        after = np.intersect1d(np.flatnonzero(_reached(self.matrix, first)), self.lasting)
        found[after] = _perron(self.matrix[np.ix_(after, after)])[1]
        return found, float(found @ (self.matrix * ~np.asarray(self.space.states.alive)).sum(axis=1))


def _reached(matrix: np.ndarray, first: np.ndarray) -> np.ndarray:
    """States that some states lead to, themselves included: bool (states,)."""
    found = first.copy()
    while True:
        more = found | (matrix[found] > 0).any(axis=0)
        if (more == found).all():
            return np.asarray(found)
        found = more


class _Reduced:
    """Transient states eliminated one by one, without a subtraction, so that solutions are good to the last digits.

    Parameters
    ----------
    inner : float64 (n, n), P among transient states.  outer : float64 (n, ends), P(s, end).
    """

    def __init__(self, inner: np.ndarray, outer: np.ndarray) -> None:
        self.inner, out, self.leave = inner.copy(), outer.sum(axis=1), np.zeros(len(inner))
        for k in range(len(inner) - 1, -1, -1):
            self.leave[k] = self.inner[k, :k].sum() + out[k]
            self.inner[:k, k] /= self.leave[k]
            self.inner[:k, :k] += np.outer(self.inner[:k, k], self.inner[k, :k])
            out[:k] += self.inner[:k, k] * out[k]

    def solve(self, right: np.ndarray) -> np.ndarray:
        """x = right + P x; right : float64 (n, columns), not negative."""
        x = right.copy()
        for k in range(len(x) - 1, -1, -1):
            x[:k] += self.inner[:k, k, None] * x[k]
        for k in range(len(x)):
            x[k] = (x[k] + self.inner[k, :k] @ x[:k]) / self.leave[k]
        return x


def _perron(matrix: np.ndarray) -> tuple[float, np.ndarray]:
    """Largest eigenvalue of a matrix of probabilities, and its left eigenvector, which sums to 1."""
    if len(matrix) <= _DENSE:
        values, vectors = np.linalg.eig(matrix.T)
    else:
        from scipy.sparse.linalg import eigs

        values, vectors = eigs(matrix.T, k=1, which="LR", v0=np.ones(len(matrix)))
    best = int(np.argmax(values.real))
    vector = abs(vectors[:, best].real)
    return float(values[best].real), vector / vector.sum()


def _stay(space: Space, matrix: np.ndarray, mix: np.ndarray) -> np.ndarray:
    """Mean stay of two partners in each regime: how many are in it, over how many leave it in a period."""
    found = np.full(len(REGIMES), np.nan)
    for k in range(len(REGIMES)):
        inside = space.regimes[:, k] > 0
        if (held := mix[inside].sum()) > 0:
            leaves = mix[inside] @ matrix[np.ix_(inside, ~inside)].sum(axis=1)
            found[k] = held / leaves if leaves > 0 else np.inf
    return found
