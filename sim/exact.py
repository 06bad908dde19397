"""The exact Markov chain of an alliance in a static, homogeneous context: an engine beside the kernel.

Where trust, stakes, orientation and prior interaction are the same for all pairs and do not react, the partners'
strategies are a Markov chain (model section 10). Partners are exchangeable, so a state is a *multiset* of partner types:
how many hold each strategy, are aware, have left; C(N + 4, 4) states where nobody is aware or leaves. From a state s
partner i moves on its own with probability q_i(x | s); P(s, s') sums q_1(x_1 | s) ... q_N(x_N | s) over all x that form
s', which is done by adding partner after partner to a growing multiset. Dissolved alliances are absorbing states.

Formulas, thresholds and roundings are the simulator's: an event of float32 probability p happens with ceil(p 2^24) / 2^24,
the share of draws below p. One of n has probability 1/n, from which the simulator's differs by less than 2^-32. Arithmetic
is float64. Source: Larsson, Bengtsson, Henriksson & Sparks 1998, Propositions 1 to 9; the chain is ours.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sim import equations as eq
from sim.design import Point, theory_of
from sim.labels import attributes_of, coordinates, dims_of
from sim.recording import own_periods, recorded_names
from sim.schema import Config, Parameters
from sim.strategies import AVOIDANCE, REGIMES, STRATEGIES, regime_of
from sim.theory import DRIVERS, NEVER, PROPOSITIONS, Theory
from sim.theory_tables import keep_probability, labels
from sim.variables import BRANCHES, BY_NAME, FIXED

if TYPE_CHECKING:
    import xarray as xr

#: More states are refused: a matrix of this many rows takes 12 MB, and one is held for each proposition.
MAX_STATES = 1200
#: Recorded by the simulator, but no function of the lumped chain: it needs one partner's whole history.
OMITTED = ("cumulative_learning_hist", "batch_mean")
_CODES, _DRAWS = len(STRATEGIES), 2.0**24
_RATES = ("trust_gain", "trust_loss", "suspicion", "prior_gain", "prior_loss", "stakes_rate")
_DISTRIBUTED = (*(f"context.{factor}" for factor in DRIVERS), "ability.absorptive", "ability.communicative")
#: Key -> the only value under which the chain holds; a key that the parameters do not have is at that value.
_NEUTRAL: dict[str, Any] = {
    **{"population.coupling": "sampled", "phases.kind": "none", "ability.trust_cost": 0, "response.instrumentality": 0},
    **{f"{name}.distribution": "constant" for name in _DISTRIBUTED},
    **dict.fromkeys(("ability.absorptive.mean", "ability.communicative.mean"), 1),
    **dict.fromkeys(("ability.connections", "ability.relatedness", "ability.alignment"), 1),
    **dict.fromkeys(("ability.distance", "ability.slack", "race.scope")),
    **{f"race.{name}": 0 for name in ("temptation", "forced_disclosure", "satiation")},
}


@dataclass(frozen=True)
class Space:
    """The states of an alliance: the multisets of N partner types.

    Attributes
    ----------
    aware : awareness, 0 or 1, and share of each kind of active partner, whose type is 5 kind + strategy.
    left : the type of partners who have left, after all others.  types : number of types, `left` where nobody can leave.
    partners : int64 (states, N), types in ascending order.  active : int64 (states, 5), active partners by strategy.
    strategies : int64 (states, 5), partners by strategy as recorded: all avoid where dissolved.
    alive : bool (states,), not dissolved.
    grow : for k = 0..N-1, int64 (multisets of k, types): the multiset of k + 1 partners that adding a type makes.
    """

    aware: dict[float, float]
    left: int
    types: int
    partners: np.ndarray
    active: np.ndarray
    strategies: np.ndarray
    alive: np.ndarray
    grow: tuple[np.ndarray, ...]


def event(probability: Any) -> float:
    """Chance that a draw, a multiple of 2^-24 in [0, 1), lies below a probability."""
    return min(max(math.ceil(float(probability) * _DRAWS), 0.0), _DRAWS) / _DRAWS


def check(parameters: Parameters) -> None:
    """Refuse parameters for which the chain does not hold: ValueError with the key, its value and what is needed."""
    for key, needed in _NEUTRAL.items():
        value: Any = parameters
        for name in key.split("."):
            value = getattr(value, name, needed)
        if key == "population.coupling" and parameters.population.partners == 2:
            continue  # all couplings are the same
        if value != needed:
            raise ValueError(f"{key} = {value!r}: the exact chain needs {needed!r}.")
    moving = [name for name in _RATES if getattr(parameters.context.dynamics, name) > 0]
    if parameters.context.kind != "static" and moving:
        raise ValueError(f"context.kind = endogenous: the exact chain needs static, or context.dynamics.{moving[0]} = 0.")
    n, types = parameters.population.partners, _CODES * len(_awareness(parameters)) + (parameters.population.exit_rate > 0)
    if (states := math.comb(n + types - 1, n)) > MAX_STATES:
        raise ValueError(f"population.partners = {n}: {states} states are too many for the exact chain ({MAX_STATES}).")


def space_of(parameters: Parameters) -> Space:
    """The states of an alliance with these parameters; raises as `check` does."""
    check(parameters)
    n, aware, codes = parameters.population.partners, _awareness(parameters), np.arange(_CODES)
    left, types = _CODES * len(aware), _CODES * len(aware) + (parameters.population.exit_rate > 0)
    sizes = [list(itertools.combinations_with_replacement(range(types), k)) for k in range(n + 1)]
    number = {multiset: m for size in sizes for m, multiset in enumerate(size)}
    grow = tuple(np.array([[number[tuple(sorted((*m, new)))] for new in range(types)] for m in size]) for size in sizes[:-1])
    partners = np.array(sizes[-1])
    active = ((partners[..., None] % _CODES == codes) & (partners[..., None] != left)).sum(axis=1)
    alive = (active[:, 1:].sum(axis=1) > 0) & (active.sum(axis=1) >= 2)
    strategies = active * alive[:, None]
    strategies[:, AVOIDANCE] += n - strategies.sum(axis=1)
    return Space(aware, left, types, partners, active, strategies, alive, grow)


def _awareness(parameters: Parameters) -> dict[float, float]:
    """Kinds of partner by awareness, 0 or 1, and the share of each."""
    share = event(np.float32(parameters.response.aware))
    return {kind: chance for kind, chance in ((0.0, 1.0 - share), (1.0, share)) if chance > 0}


def _grown(law: np.ndarray, drawn: np.ndarray, grow: np.ndarray) -> np.ndarray:
    """Add a partner: law (states, multisets of k), drawn (states, types) -> (states, multisets of k + 1)."""
    new = np.zeros((len(law), int(grow.max()) + 1))
    for kind in range(grow.shape[1]):
        new[:, grow[:, kind]] += law * drawn[:, kind, None]
    return new


def initial_law(parameters: Parameters, space: Space, theory: Theory) -> np.ndarray:
    """Probability of each state at formation: float64 (states,)."""
    initial, law = parameters.population.initial, np.ones((1, 1))
    mix = [float(getattr(initial.mix, name)) for name in STRATEGIES]
    if theory.initial is not None:
        mix = [float(k == theory.initial) for k in range(_CODES)]
    for i, grow in enumerate(space.grow):
        own = mix if initial.strategies is None else [float(name == initial.strategies[i]) for name in STRATEGIES]
        first = np.diff([0.0, *(event(edge) for edge in np.cumsum(own)[:-1]), 1.0])
        drawn = np.zeros((1, space.types))
        drawn[0, : space.left] = np.outer(list(space.aware.values()), first).ravel()
        law = _grown(law, drawn, grow)
    return np.asarray(law[0])


def response_law(parameters: Parameters, theory: Theory, orientation: Any, aware: float = 0.0) -> np.ndarray:
    """How a partner answers what it sees (model section 4), given omega_t (float32) and its awareness (0 or 1).

    Returns
    -------
    float64 (25, 4, 5) : probability by cell (5 own + seen), branch (`BRANCHES`, then: not reached) and next strategy.
    """
    f, p, context = np.float32, parameters.response, parameters.context
    stakes, prior = f(context.stakes.mean), f(context.prior.mean)
    trust = eq.effective_trust.py_func(f(context.trust.mean), stakes, orientation, f(context.calculative_share))
    handicap = theory.handicap if p.symmetric_handicap is None else p.symmetric_handicap
    law = np.zeros((_CODES**2, len(BRANCHES) + 1, _CODES))
    for cell in range(_CODES**2):
        own, group = cell // _CODES, theory.group(cell)
        keep = f(keep_probability(p.reconsideration, theory.pace[cell]))
        trembles, kept = event(f(p.tremble)), event(eq.keep_threshold.py_func(f(p.tremble), keep))
        law[cell, -1] = trembles / _CODES
        law[cell, -1, own] += max(kept - trembles, 0.0)
        threshold = getattr(p.threshold, PROPOSITIONS[group])
        weights = [f(w) for w in theory.weights[group]]
        drive = eq.drive.py_func(stakes, trust, orientation, prior, *weights, eq.total_weight.py_func(*weights))
        score = eq.empowerment_score.py_func(
            drive, f(aware), f(p.awareness_bonus), f(theory.thresholds[group] if threshold is None else threshold),
            f(handicap if theory.handicapped[cell] else 0.0), eq.ZERO, eq.ZERO, f(p.sensitivity),
        )  # fmt: skip
        chance = eq.ZERO if theory.empowered[cell] == NEVER else eq.logistic.py_func(score)
        empowered = event(chance)
        yields = max(event(eq.barrier_threshold.py_func(chance, f(p.barrier_strength))) - empowered, 0.0)
        targets = (theory.empowered[cell], theory.barrier[cell], own)
        for branch, share in enumerate((empowered, yields, 1.0 - empowered - yields)):
            law[cell, branch, targets[branch]] = (1.0 - max(trembles, kept)) * share
    return law


def _moves(parameters: Parameters, space: Space, theory: Theory, orientation: Any) -> np.ndarray:
    """What a partner does next: (types, states, labels + 1, types), by the label of its response; last: not reached."""
    names = labels([theory])
    missed, exits = (event(np.float32(p)) for p in (parameters.response.misperception, parameters.population.exit_rate))
    where = [[*(names.index(theory.label(c, b)) for b in range(len(BRANCHES))), len(names)] for c in range(_CODES**2)]
    moves = np.zeros((space.types, len(space.partners), len(names) + 1, space.types))
    moves[space.left :, :, len(names), space.left :] = 1.0
    for (k, aware), own in itertools.product(enumerate(space.aware), range(_CODES)):
        law, first = response_law(parameters, theory, orientation, aware), _CODES * k
        answer = np.zeros((_CODES, len(names) + 1, _CODES))
        for other in range(_CODES):
            for seen, share in ((other, 1.0 - missed), (int(eq.seen_openness.py_func(other)), missed)):
                np.add.at(answer[other], where[_CODES * own + seen], share * law[_CODES * own + seen])
        others = np.maximum(space.active - (np.arange(_CODES) == own), 0)
        met = others / np.maximum(others.sum(axis=1, keepdims=True), 1)
        move = moves[first + own]
        move[..., first : first + _CODES] = np.einsum("so,olx->slx", met, answer)
        move[..., space.left :] = exits * move[..., first, None]
        move[..., first] *= 1.0 - exits
    return moves


def step_of(parameters: Parameters, space: Space, theory: Theory, period: int = 1) -> tuple[np.ndarray, ...]:
    """A period of the chain, and what it adds to sums over periods: survival, learning, responses by proposition.

    Returns
    -------
    matrix : float64 (states, states), P(s, s'); without a horizon the same for all periods.
    joint : float64 (sums, states, states), E[gain; s' follows s].  square : float64 (sums, states), E[gain^2].
    """
    states = len(space.partners)
    moves = _moves(parameters, space, theory, _orientation(parameters, period))
    slots = [moves[types, np.arange(states)] for types in space.partners.T]  # one for each partner
    before = [np.ones((states, 1))]
    for slot, grow in zip(slots, space.grow, strict=True):
        before.append(_grown(before[-1], slot.sum(axis=1), grow))
    matrix = np.where(space.alive[:, None], before[-1], np.eye(states))
    certain = np.array([space.alive, _values(parameters, space)["learning"]])  # gains that the state decides
    chances = np.array([slot[:, :-1].sum(axis=2).T for slot in slots]) * space.alive  # (partners, labels, states)
    counts = chances.sum(axis=0)
    squares = counts + counts**2 - (chances**2).sum(axis=0)
    joint = np.concatenate([certain[..., None] * matrix, np.zeros((len(counts), states, states))])
    for k in np.flatnonzero(counts.any(axis=1)):
        law = np.zeros((states, 1))
        for slot, grow, rest in zip(slots, space.grow, before[:-1], strict=True):
            law = _grown(law, slot.sum(axis=1), grow) + _grown(rest, slot[:, k], grow)
        joint[2 + k] = law * space.alive[:, None]
    return matrix, joint, np.vstack([certain**2, squares])


def _orientation(parameters: Parameters, period: int) -> Any:
    f, context, largest = np.float32, parameters.context, float(np.finfo(np.float32).max)
    horizon = np.inf if context.endgame.horizon is None else min(context.endgame.horizon, largest)
    ends = (f(horizon), f(min(context.endgame.window, largest)))
    return eq.orientation_at.py_func(f(context.orientation.mean), f(period), *ends)


def _learning(parameters: Parameters) -> dict[str, np.ndarray]:
    """What a partner gets from one counterpart in a period: float64 (5 own, 5 other)."""
    m, gamma, codes = np.float32(parameters.ability.moderate), np.float32(parameters.ability.creation), range(_CODES)
    takes, gives = [eq.receptivity.py_func(s, m) for s in codes], [eq.transparency.py_func(s, m) for s in codes]
    transfer = np.array([[eq.transfer.py_func(gives[o], takes[s]) for o in codes] for s in codes], np.float64)
    creation = float(gamma) * (transfer + transfer.T) * (transfer > 0)
    return {"transfer": transfer, "creation": creation, "learning": transfer + creation}


def _values(parameters: Parameters, space: Space) -> dict[str, np.ndarray]:
    """Recorded values of each state, (states, ...): those at its period's end, and outcomes of the next; NaN: none."""
    c, n, tables = space.strategies, parameters.population.partners, _learning(parameters)
    pairs = c[:, :, None] * (c[:, None, :] - np.eye(_CODES)) / (n * (n - 1))  # ordered, by own and other's strategy
    real = {name: (pairs * table).sum(axis=(1, 2)) for name, table in tables.items()}
    gap = (pairs * abs(tables["learning"] - tables["learning"].T)).sum(axis=(1, 2)) / 2
    most = 1 + 2 * float(np.float32(parameters.ability.creation))
    real["efficiency"] = np.where(space.alive, real["learning"] / most, np.nan)
    real["inequity"] = gap / np.where(real["learning"] > 0, real["learning"], np.nan)
    real |= {f"mean_{name}": np.full(len(c), np.float32(getattr(parameters.context, name).mean)) for name in DRIVERS}
    regimes = np.zeros((len(c), len(REGIMES)))
    for own, other in itertools.product(range(_CODES), repeat=2):
        regimes[:, REGIMES.index(regime_of(own, other))] += pairs[:, own, other]
    exited = (space.partners == space.left).any(axis=1)
    causes = [~space.alive & ~exited, ~space.alive & exited, np.zeros(len(c))]
    return {
        **{name: np.rint(value * FIXED) / FIXED for name, value in real.items()},
        "strategy_share": c / n, "regime_share": regimes, "survival": space.alive * 1.0,
        "active_share": space.active.sum(axis=1) * space.alive / n, "dissolution_cause": np.stack(causes, axis=1),
    }  # fmt: skip


def _moments(laws: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, standard deviation (periods, ...) and number of contributors (periods,) of values (states, ...), NaN: none."""
    flat = values.reshape(len(values), -1).astype(np.float64)
    laws = laws * ~np.isnan(flat[:, 0])
    number, flat = laws.sum(axis=1), np.nan_to_num(flat)
    weights = laws / np.where(number > 0, number, np.nan)[:, None]
    mean = flat[0] + weights @ (flat - flat[0])  # what is the same in all states has deviation 0
    variance = np.stack([(weights * (v - mean[:, k, None]) ** 2).sum(axis=1) for k, v in enumerate(flat.T)], axis=1)
    shape = (len(laws), *values.shape[1:])
    return mean.reshape(shape), np.sqrt(variance).reshape(shape), number


def _evolve(parameters: Parameters, space: Space, theory: Theory, grid: np.ndarray) -> tuple[np.ndarray, ...]:
    """Laws at the ends and starts of recorded periods (2, periods, states); mean and deviation of the sums of `step_of`.

    Of a sum A, E[A; S_t = s] and E[A^2] are carried along; a deviation is good to about 1e-8 of the mean.
    """
    law = initial_law(parameters, space, theory)
    sums = np.zeros((2 + len(labels([theory])), len(law)))
    laws, omega, squares = np.zeros((2, len(grid), len(law))), None, np.zeros(len(sums))
    laws[0, 0] = law
    for t in range(1, parameters.population.periods + 1):
        if omega != (now := _orientation(parameters, t)):
            omega, (matrix, joint, square) = now, step_of(parameters, space, theory, t)
            gain = joint.sum(axis=2)
        squares += 2 * (sums * gain).sum(axis=1) + square @ law
        sums = sums @ matrix + np.einsum("s,lsx->lx", law, joint)
        before, law = law, law @ matrix
        if t == grid[row := int(np.searchsorted(grid, t))]:
            laws[:, row] = law, before
    mean = sums.sum(axis=1)
    return laws, mean, np.sqrt(np.maximum(squares - mean**2, 0.0))


def solve(point: Point, config: Config, theory: Theory | None = None) -> xr.Dataset:
    """Expected values of a point, without simulation; raises as `check` does.

    Parameters
    ----------
    point : a point of the design.  config : its run; says which periods and variables are wanted.
    theory : stands in for the point's own response theory.

    Returns
    -------
    Dataset : as of a simulation of the point, but without `OMITTED` and ``alliances``. ``<name>_se`` is 0, ``<name>_sd``
        the standard deviation of one contributing alliance's value; ``efficiency_n``, ``inequity_n`` are expected numbers.

    Notes
    -----
    Recorded reals are rounded to steps of 2^-20 as in the tallies; a simulated alliance's may be one step off, as its
    float32 sums depend on the order of its partners.
    """
    import xarray as xr

    p, theory = point.parameters, theory or theory_of(point.parameters)
    space, grid = space_of(p), own_periods(p.population.periods, config.output.every)
    laws, total, spread = _evolve(p, space, theory, grid)
    values, periods, data = _values(p, space), p.population.periods, {}
    sums = {"dissolution_time": (total[0], spread[0]), "cumulative_learning": (total[1] / periods, spread[1] / periods),
            "response_count": (total[2:], spread[2:])}  # fmt: skip
    for name in (name for name in recorded_names(config) if name not in OMITTED):
        v, about = BY_NAME[name], attributes_of(name)
        if name in sums:
            mean, deviation = sums[name]
        else:
            mean, deviation, number = _moments(laws[int(v.kind == "outcome")], values[name])
        if name == "dissolution_cause":
            mean, deviation = mean[-1], deviation[-1]
        if name == "mean_orientation":
            mean = np.rint(np.array([_orientation(p, int(t)) for t in grid]) * FIXED) / FIXED
        if v.number is not None:
            data[v.number] = (dims_of(v.number), number[None] * p.population.alliances, attributes_of(v.number))
        text = {"long_name": f"standard deviation of {v.long_name}", "description": "Of one alliance's value."}
        data[name] = (dims_of(name), mean[None], about)
        data[f"{name}_sd"] = (dims_of(name), deviation[None], {**about, **text})
        if v.error:
            data[f"{name}_se"] = (dims_of(name), 0.0 * deviation[None], attributes_of(f"{name}_se"))
    return xr.Dataset(data, coords=coordinates([point], grid, labels([theory]), (), config)).drop_dims(
        ["bin", "quantity", "batch"], errors="ignore"
    )
