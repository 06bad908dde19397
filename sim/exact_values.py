"""From the law of the state to the recorded variables: means, standard deviations, shares of contributing alliances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from sim import equations as eq
from sim.exact_batch import BYTES, Batch
from sim.exact_chain import follow, new_room
from sim.exact_space import CODES, Space, space_of
from sim.exact_sums import sums_of
from sim.theory import DRIVERS
from sim.variables import BRANCHES, BY_NAME, FIXED

_CELLS = CODES**2


@dataclass(frozen=True)
class Laws:
    """What `sim.exact_chain.follow` finds; see there."""

    starts: np.ndarray
    ends: np.ndarray
    omegas: np.ndarray
    tables: np.ndarray
    visits: np.ndarray
    responses: np.ndarray
    matrix: np.ndarray


@dataclass(frozen=True)
class Expected:
    """Variables of some points, as float64 arrays: (points, periods, columns), or (points, columns) of a whole run.

    Attributes
    ----------
    mean : name -> expected value; ``response_count`` by theory, branch and cell, as `sim.labels.responses_of` takes it.
    share : name of a count of contributing alliances -> the share of them that contributes.
    deviation : name -> standard deviation of one contributing alliance's value; NaN: not known; only where asked for.
    """

    mean: dict[str, np.ndarray] = field(default_factory=dict)
    share: dict[str, np.ndarray] = field(default_factory=dict)
    deviation: dict[str, np.ndarray] = field(default_factory=dict)


def laws_of(batch: Batch) -> Iterator[Laws]:
    """Laws of the state by period, of all points of a batch.

    A long run of a single point comes in parts, of some `BYTES` each: recorded periods one after the other; visits and
    responses are those so far.
    """
    space = space_of(batch.structure)
    points, rows, states, theories = len(batch.records), len(batch.periods), len(space.strategies), batch.reals.shape[1]
    room, most = new_room(space.states, theories), rows if points > 1 else max(2, BYTES // (16 * states))
    tables = np.zeros((points, 2, batch.structure.partners + 1, _CELLS), np.float32)
    visits, responses = np.zeros((points, states)), np.zeros((points, theories, len(BRANCHES), _CELLS))
    for first in range(0, rows, most):
        own, passed = batch.periods[first : first + most], int(batch.periods[first - 1]) if first else 0
        recorded = np.full(int(own[-1]) + 1, -1, np.int64)
        recorded[own] = np.arange(len(own))
        starts, ends = np.zeros((2, points, len(own), states))
        laws = Laws(starts, ends, np.zeros((points, len(own)), np.float32), tables, visits, responses, room.matrix)
        follow(
            space.states, batch.records, batch.cells, batch.reals, batch.drawn, batch.absorptive, batch.communicative,
            batch.weakest, recorded, passed, room, laws.starts, laws.ends, laws.omegas, tables, visits, responses,
        )  # fmt: skip
        yield laws


def transition(batch: Batch, period: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Law of the state at formation, float64 (states,), and P(s, s') in a period, float64 (states, states), of one point."""
    records = batch.records[:1].copy()
    ends = (records["horizon"][0], records["window"][0])
    records["orientation"] = eq.orientation_at.py_func(records["orientation"][0], np.float32(period), *ends)
    records["horizon"] = np.inf
    (laws,) = laws_of(replace(batch, records=records, periods=np.array([0, 1]), recorded=np.array([0, 1])))
    return laws.starts[0, 0], laws.matrix


def stepped(values: np.ndarray) -> np.ndarray:
    """Reals in the steps in which they are tallied."""
    return np.asarray(np.rint(values * FIXED) / FIXED)


def most_learning(batch: Batch) -> np.ndarray:
    """The largest learning of a period: float64 (points,)."""
    return np.asarray(eq.most_learning.py_func(batch.records["creation"], eq.ONE), np.float64)


def by_state(batch: Batch, space: Space, tables: np.ndarray, names: Iterable[str]) -> dict[str, np.ndarray]:
    """What an alliance of each state adds to a variable, NaN: nothing.

    Returns
    -------
    dict : name -> float64 (points or 1, states, columns). States at the end of a period; outcomes, those at its start.
    """
    states, n, wanted = space.states, batch.structure.partners, set(names)
    cells = tables.astype(np.float64)[:, :, states.active]  # (points, 2, states, 25)
    transfer, creation = np.moveaxis((cells * space.pairs).sum(axis=-1), 1, 0)
    learning, each = transfer + creation, cells.sum(axis=1)
    gap = (space.pairs * abs(each - each.reshape(*each.shape[:-1], CODES, CODES).swapaxes(-1, -2).reshape(each.shape))) / 2
    efficiency = np.where(states.alive, learning / most_learning(batch)[:, None], np.nan)
    inequity = gap.sum(axis=-1) / np.where(learning > 0, learning, np.nan)
    outcomes = {"transfer": transfer, "creation": creation, "learning": learning, "efficiency": efficiency,
                "inequity": inequity}  # fmt: skip
    causes = (~states.alive & ~space.exited, ~states.alive & space.exited, np.zeros(len(states.alive)))
    shares = {"strategy_share": space.strategies / n, "regime_share": space.regimes,
              "survival": states.alive[:, None] * 1.0, "active_share": (states.active * states.alive / n)[:, None],
              "dissolution_cause": np.stack(causes, axis=1) * 1.0}  # fmt: skip
    found = {name: stepped(value)[..., None] for name, value in outcomes.items()}
    found |= {name: np.asarray(value)[None] for name, value in shares.items()}
    if "learning_by_pair" in wanted:
        found["learning_by_pair"] = stepped(np.where(space.pairs > 0, each, np.nan))
    if "learning_by_theory" in wanted:
        others = (space.strategies[:, None, :] - np.eye(CODES)) / (n - 1)  # (states, own, other)
        mine = (each.reshape(*each.shape[:-1], CODES, CODES) * others).sum(axis=-1)
        followers = space.followers.sum(axis=2)
        total = np.einsum("psc,skc->psk", mine, space.followers)
        by_theory = stepped(total / np.where(followers > 0, followers, np.nan))
        # Theories of the mix that nobody can hold come after those that somebody may.
        none = np.full((*by_theory.shape[:2], batch.reals.shape[1] - by_theory.shape[2]), np.nan)
        found["learning_by_theory"] = np.concatenate([by_theory, none], axis=2)
    return found


def constants(batch: Batch, omegas: np.ndarray) -> dict[str, np.ndarray]:
    """Variables that are certain: float64 (points, periods, 1). Nothing is learned for good without a race to learn."""
    rows = omegas.shape[1]
    means = {f"mean_{name}": batch.records[name][:, None] for name in DRIVERS} | {"mean_orientation": omegas}
    found = {name: np.broadcast_to(stepped(m.astype(np.float64)), (len(m), rows))[..., None] for name, m in means.items()}
    return found | {"unlearnt": np.ones((len(omegas), rows, 1))}


def expected(batch: Batch, names: Iterable[str], groups: np.ndarray | None = None) -> Expected:
    """Variables of all points of a batch; those that have no value in the chain are left out.

    Parameters
    ----------
    groups : find standard deviations, too, of one point; int64 (theories x 75,): of ``response_count`` those of the
        numbers of responses whose columns are in one group, 0 to the last.
    """
    space, names, found = space_of(batch.structure), list(names), Expected()
    values: dict[str, np.ndarray] = {}
    parts: list[Expected] = []
    for laws in laws_of(batch):
        values = values or by_state(batch, space, laws.tables, names)
        parts.append(_by_period(constants(batch, laws.omegas), values, laws, names, groups is not None, not parts))
    for key in ("mean", "share", "deviation"):
        columns = [getattr(part, key) for part in parts]
        getattr(found, key).update({name: np.concatenate([c[name] for c in columns], axis=1) for name in columns[0]})
    learning = values["learning"][..., 0]
    runs = {
        "dissolution_time": (laws.visits * space.states.alive).sum(axis=1),
        "cumulative_learning": (laws.visits * learning).sum(axis=1) / (len(batch.recorded) - 1),
        "response_count": laws.responses.reshape(len(laws.responses), -1),
    }
    found.mean.update({name: run.reshape(len(batch.where), -1) for name, run in runs.items() if name in names})
    if "dissolution_cause" in names:
        # What it is by the end of the last period.
        for of in (found.mean, found.deviation):
            of.update({name: array[:, -1] for name, array in of.items() if name == "dissolution_cause"})
    if groups is not None:
        found.deviation.update(_of_runs(batch, space, learning[0], groups, names))
    return found


def _by_period(
    fixed: dict[str, np.ndarray], values: dict[str, np.ndarray], laws: Laws, names: list[str], spread: bool, begins: bool
) -> Expected:
    """Variables by period; `spread`: with deviations; `begins`: from period 0, when nothing has come out yet."""
    found = Expected()
    for name in names:
        v = BY_NAME[name]
        if name in fixed:
            found.mean[name] = fixed[name]
            found.deviation[name] = np.zeros(fixed[name].shape)
        elif name in values:
            law = laws.starts if v.kind == "outcome" else laws.ends
            mean, share = averaged(law, values[name])
            if v.kind == "outcome" and begins:
                mean[:, 0] = np.nan
                share[:, 0] = 0.0
            found.mean[name] = mean
            if v.number is not None:
                found.share[v.number] = share
            if spread:
                found.deviation[name] = deviation(law, values[name], mean)
    return found


def averaged(law: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over contributing alliances, and the share of these.

    Parameters
    ----------
    law : float64 (points, rows, states).  values : float64 (points or 1, states, columns), NaN: nothing is contributed.

    Returns
    -------
    mean, share : float64 (points, rows, columns).
    """
    there = ~np.isnan(values)
    if there.all():
        return _times(law, values), np.ones((*law.shape[:2], values.shape[-1]))
    share = _times(law, there * 1.0)
    return _times(law, np.where(there, values, 0.0)) / np.where(share > 0, share, np.nan), share


def _times(law: np.ndarray, values: np.ndarray) -> np.ndarray:
    # A product for each point, never one of all: how a library orders its sums depends on the shape, and the bits of a
    # point are not to depend on which others are solved with it.
    return np.asarray(np.matmul(law, values))


def deviation(law: np.ndarray, values: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Standard deviation of one contributing alliance's value: float64 (1, rows, columns), of one point."""
    found = np.full(mean.shape, np.nan)
    for c in range(values.shape[-1]):
        v = values[0, :, c]
        weights = law[0] * ~np.isnan(v)
        number = weights.sum(axis=1)
        square = (weights * (np.nan_to_num(v) - mean[0, :, c, None]) ** 2).sum(axis=1)
        found[0, :, c] = np.sqrt(square / np.where(number > 0, number, np.nan))
    return found


def _of_runs(
    batch: Batch, space: Space, learning: np.ndarray, groups: np.ndarray, names: list[str]
) -> dict[str, np.ndarray]:  # fmt: skip
    """Standard deviations of sums over the periods of one point; good to about 1e-8 of the mean."""
    theories, periods, states = batch.reals.shape[1], len(batch.recorded) - 1, len(learning)
    worth = {"dissolution_time": space.states.alive * 1.0, "cumulative_learning": learning / periods}
    sums = [(name, value, np.full(groups.shape, False)) for name, value in worth.items() if name in names]
    if "response_count" in names:
        sums += [("response_count", np.zeros(states), groups == k) for k in range(int(groups.max()) + 1)]
    if not sums:
        return {}
    marks = np.zeros((len(sums), theories, len(BRANCHES) + 1, _CELLS))
    marks[:, :, : len(BRANCHES)] = np.reshape([mark for _, _, mark in sums], (-1, theories, len(BRANCHES), _CELLS))
    means, squares = sums_over(batch, periods, np.array([value for _, value, _ in sums]), marks)
    spread, owner = np.sqrt(np.maximum(squares - means**2, 0.0)), np.array([name for name, _, _ in sums])
    return {name: spread[None, owner == name] for name in dict.fromkeys(owner.tolist())}


def sums_over(
    batch: Batch, periods: int, worth: np.ndarray, marks: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Mean, and mean square, of sums over the periods of one point.

    Parameters
    ----------
    worth : float64 (sums, states), what a period that begins in a state adds.
    marks : float64 (sums, theories, 4, 25), 1 where a response adds 1 instead; None: none does. See `sim.exact_sums`.
    """
    space, theories, sums = space_of(batch.structure), batch.reals.shape[1], len(worth)
    states, means, squares = worth.shape[1], np.zeros(sums), np.zeros(sums)
    marked = np.zeros((sums, theories, len(BRANCHES) + 1, _CELLS)) if marks is None else marks
    sums_of(
        space.states, batch.records[0], batch.cells[0], batch.reals[0], batch.drawn[0], batch.absorptive[0],
        batch.communicative[0], batch.weakest, periods, new_room(space.states, theories), worth, marked,
        marked.any(axis=(1, 2, 3)), np.zeros((2, batch.structure.partners + 1, _CELLS), np.float32), np.zeros((5, states)),
        np.zeros((states, states)), means, squares,
    )  # fmt: skip
    return means, squares
