"""Three partners whose behaviour is partner-specific: the exact chain on strategies by ordered pair (model section 6).

A state is the strategies s_01, s_10, s_02, s_20, s_12, s_21, the kinds of the partners (drawn once), and who has left: 5^6
strategies, times 4 for nobody or one of three (once two have left, or nobody is open, the alliance has dissolved). As a
pair answers only what happens between the two, its 25 states move by a matrix of their own, and the law of all is a
tensor of three axes that is multiplied along each; what binds the pairs is how they begin, exits and dissolution.
With more partners the tensor is too large; with two, all couplings are the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sim import equations as eq
from sim.exact_batch import Batch
from sim.exact_law import event, fill_answers_of, fill_tables_of
from sim.exact_space import CODES
from sim.exact_values import Expected, constants, most_learning, stepped
from sim.strategies import AVOIDANCE, REGIMES, regime_of
from sim.variables import BRANCHES, BY_NAME

N = 3
#: Pairs, in the order of the axes of a law: float64 (25, 25, 25), cell 5 s_ij + s_ji, i < j.
PAIRS = ((0, 1), (0, 2), (1, 2))
#: Who has left: nobody, or one of the three.
NOBODY = N
_CELLS = CODES**2
_FLIPPED = np.arange(_CELLS).reshape(CODES, CODES).T.ravel()
_OWN, _OTHER = np.divmod(np.arange(_CELLS), CODES)


@dataclass
class _Law:
    """Law of an alliance whose partners are of certain kinds.

    Attributes
    ----------
    alive : float64 (4, 25, 25, 25), by who has left.  dissolved : float64 (2,), by avoidance and after an exit.
    """

    alive: np.ndarray
    dissolved: np.ndarray


def _along(pair: int, values: np.ndarray) -> np.ndarray:
    """What belongs to a pair's cells, to be broadcast against a law."""
    return values.reshape([_CELLS if axis == pair else 1 for axis in range(N)])


def _avoids(i: int, left: int) -> np.ndarray:
    """Whether partner i avoids all others that are active: bool, to be broadcast against a law."""
    found = np.ones((1, 1, 1), bool)
    for axis, pair in enumerate(PAIRS):
        if i in pair and left not in pair:
            found = found & _along(axis, (_OWN if i == pair[0] else _OTHER) == AVOIDANCE)
    return found


def _mixes(drawn: np.ndarray, kinds: int) -> dict[tuple[int, ...], int]:
    """Kinds of the three partners -> how many orders of them this one stands for: where all begin alike, all orders."""
    found: dict[tuple[int, ...], int] = {}
    alike = (drawn == drawn[0]).all()
    for mix in itertools.product(range(kinds), repeat=N):
        mark = tuple(sorted(mix)) if alike else mix
        found[mark] = found.get(mark, 0) + 1
    return found


def _start(drawn: np.ndarray, kinds: tuple[int, ...], often: int) -> _Law:
    """Law at formation, for so many orders of these kinds; drawn : float64 (N, types)."""
    alive, dissolved = np.zeros((N + 1, _CELLS, _CELLS, _CELLS)), np.zeros(2)
    first = [drawn[i, CODES * k : CODES * (k + 1)] for i, k in enumerate(kinds)]
    for s in itertools.product(range(CODES), repeat=N):
        cells = tuple(CODES * s[i] + s[j] for i, j in PAIRS)
        alive[(NOBODY, *cells)] += first[0][s[0]] * first[1][s[1]] * first[2][s[2]] * often
    dissolved[0] = alive[NOBODY, 0, 0, 0]
    alive[NOBODY, 0, 0, 0] = 0.0
    return _Law(alive, dissolved)


def _moved(law: _Law, answers: np.ndarray, kinds: tuple[int, ...], exits: float) -> _Law:
    """Law a period later; answers : float64 (kinds, 5, 5, 5)."""
    matrices = []
    for i, j in PAIRS:
        up, down = answers[kinds[i]], answers[kinds[j]]  # (own, other, next)
        matrices.append(np.einsum("abx,bay->abxy", up, down).reshape(_CELLS, _CELLS))
    alive, dissolved = np.zeros(law.alive.shape), law.dissolved.copy()
    for left in range(N + 1):
        now = law.alive[left]
        if not now.any():
            continue
        for axis, pair in enumerate(PAIRS):
            if left not in pair:
                now = np.moveaxis(np.tensordot(now, matrices[axis], (axis, 0)), -1, axis)
        active = [i for i in range(N) if i != left]
        for leaving in itertools.product((False, True), repeat=len(active)) if exits > 0 else [(False,) * len(active)]:
            part = now
            for i, leaves in zip(active, leaving, strict=True):
                part = part * (_avoids(i, left) * exits if leaves else 1.0 - _avoids(i, left) * exits)
            gone = [i for i, leaves in zip(active, leaving, strict=True) if leaves]
            after = gone[0] if left == NOBODY and len(gone) == 1 else left
            if len(active) - len(gone) < 2:
                dissolved[1] += part.sum()
                continue
            ends = np.ones((1, 1, 1), bool)
            for i in range(N):
                if i != after:
                    ends = ends & _avoids(i, after)
            ended = (part * ends).sum()
            dissolved[0 if after == NOBODY else 1] += ended
            alive[after] += part * ~ends
    return _Law(alive, dissolved)


def _by_state(batch: Batch, tables: np.ndarray, p: int) -> dict[str, np.ndarray]:
    """What each state adds to a variable: float64 (columns, 4, 25, 25, 25), NaN: nothing; see `exact_values.by_state`.

    A partner who has left avoids; what others play towards it stays, and brings nothing.
    """
    shape = (N + 1, _CELLS, _CELLS, _CELLS)
    held, regimes = np.zeros((CODES, *shape)), np.zeros((len(REGIMES), *shape))
    for cell in range(_CELLS):
        own, other = int(_OWN[cell]), int(_OTHER[cell])
        for axis in range(N):
            there = _along(axis, np.arange(_CELLS) == cell)
            held[own] += there / (N * (N - 1))
            held[other] += there / (N * (N - 1))
            regimes[REGIMES.index(regime_of(own, other))] += there / N
    got = np.zeros((2, *shape))
    gap, cells = np.zeros(shape), np.full((_CELLS, *shape), np.nan)
    for left in range(N + 1):
        table = tables[p, :, N if left == NOBODY else N - 1].astype(np.float64)
        each = table.sum(axis=0)
        for axis in range(N):
            for k in range(2):
                got[k, left] += _along(axis, table[k] + table[k][_FLIPPED]) / (N * (N - 1))
            gap[left] += _along(axis, abs(each - each[_FLIPPED])) / (N * (N - 1))
            for cell in range(_CELLS):
                where = _along(axis, (np.arange(_CELLS) == cell) | (np.arange(_CELLS) == _FLIPPED[cell]))
                cells[cell, left] = np.where(where, each[cell], cells[cell, left])
    learning = got.sum(axis=0)
    active = np.array([N - 1] * N + [N])[:, None, None, None] / N
    values = {"transfer": got[:1], "creation": got[1:], "learning": learning[None],
              "efficiency": learning[None] / most_learning(batch)[p],
              "inequity": (gap / np.where(learning > 0, learning, np.nan))[None],
              "learning_by_pair": cells}  # fmt: skip
    shares = {"strategy_share": held, "regime_share": regimes, "active_share": np.broadcast_to(active, (1, *shape))}
    return {name: stepped(value) for name, value in values.items()} | shares


def _dissolved() -> dict[str, np.ndarray]:
    """What a dissolved alliance adds, as `_by_state`: float64 (columns,)."""
    first = np.arange(_CELLS) == 0
    return {
        "transfer": np.zeros(1), "creation": np.zeros(1), "learning": np.zeros(1), "efficiency": np.full(1, np.nan),
        "inequity": np.full(1, np.nan), "learning_by_pair": np.where(first, 0.0, np.nan), "active_share": np.zeros(1),
        "strategy_share": (np.arange(CODES) == AVOIDANCE) * 1.0,
        "regime_share": (np.arange(len(REGIMES)) == REGIMES.index("disintegration")) * 1.0,
    }  # fmt: skip


def _weighed(law: np.ndarray, ended: float, values: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Mean, standard deviation and contributing share by column: float64 (3, columns).

    Parameters
    ----------
    law : float64 (4, 25, 25, 25).  ended : chance of being dissolved.  values, rest : what either adds, NaN: nothing.
    """
    found = np.zeros((3, len(values)))
    flat = law.ravel()
    for c, (own, other) in enumerate(zip(values.reshape(len(values), -1), rest, strict=True)):
        there = ~np.isnan(own)
        counts = ended if not np.isnan(other) else 0.0
        plain, last = np.where(there, own, 0.0), 0.0 if np.isnan(other) else other
        share = flat @ there + counts
        if share > 0:
            mean = (flat @ plain + counts * last) / share
            variance = (flat @ (there * (plain - mean) ** 2) + counts * (last - mean) ** 2) / share
            found[:, c] = mean, np.sqrt(variance), share
        else:
            found[:2, c] = np.nan
    return found


def _by_theory(batch: Batch, kinds: tuple[int, ...], tables: np.ndarray, p: int) -> dict[int, np.ndarray]:
    """Mean learning of the partners that follow a theory: theory -> float64 (1, 4, 25, 25, 25)."""
    slots = [batch.structure.kinds[k][0] for k in kinds]
    found = {}
    for slot in set(slots):
        own = [i for i in range(N) if slots[i] == slot]
        total = np.zeros((1, N + 1, _CELLS, _CELLS, _CELLS))
        for left in range(N + 1):
            each = tables[p, :, N if left == NOBODY else N - 1].astype(np.float64).sum(axis=0)
            for i, axis in itertools.product(own, range(N)):
                if i in PAIRS[axis]:
                    total[0, left] += _along(axis, each if i == PAIRS[axis][0] else each[_FLIPPED])
        found[slot] = stepped(total / ((N - 1) * len(own)))
    return found


@dataclass
class _Sums:
    """What is added up over the periods of a point."""

    learning: float = 0.0
    lived: float = 0.0
    squares: float = 0.0


def expected(batch: Batch, names: Iterable[str], groups: np.ndarray | None = None) -> Expected:
    """Variables of all points of a batch, as `sim.exact_values.expected`.

    Standard deviations of responses and of cumulative learning are not worked out: NaN.
    """
    found, parts = Expected(), [_of_point(batch, p, list(names)) for p in range(len(batch.records))]
    for into, key in ((found.mean, "mean"), (found.share, "share"), (found.deviation, "deviation")):
        into.update({name: np.stack([getattr(part, key)[name] for part in parts]) for name in getattr(parts[0], key)})
    if groups is not None:
        found.deviation["response_count"] = np.full((len(parts), int(groups.max()) + 1), np.nan)
    return found


def _of_point(batch: Batch, p: int, names: list[str]) -> Expected:
    point, periods, rows = batch.records[p], len(batch.recorded) - 1, len(batch.periods)
    structure, theories = batch.structure, batch.reals.shape[1]
    slot, aware = (np.array(column) for column in zip(*structure.kinds, strict=True))
    tables = np.zeros((p + 1, 2, N + 1, _CELLS), np.float32)
    fill_tables_of(point, batch.absorptive[p], batch.communicative[p], np.zeros(CODES, np.float32), tables[p])
    values, rest = _by_state(batch, tables, p), _dissolved()
    mixes = _mixes(batch.drawn[p], len(structure.kinds))
    laws = [_start(batch.drawn[p], kinds, often) for kinds, often in mixes.items()]
    per_theory = [_by_theory(batch, kinds, tables, p) if "learning_by_theory" in names else {} for kinds in mixes]
    exits, missed = event.py_func(point["exit_rate"]), event.py_func(point["misperception"])
    shapes = {name: (rows, len(v)) for name, v in values.items()} | {"survival": (rows, 1)}
    if "learning_by_theory" in names:
        shapes["learning_by_theory"] = (rows, theories)
    out = {name: np.full((3, *shape), np.nan) for name, shape in shapes.items() if name in names}
    omegas, responses, sums = np.zeros((1, rows), np.float32), np.zeros((theories, len(BRANCHES), _CELLS)), _Sums()
    answers, ways = np.zeros((len(slot), *[CODES] * 3)), np.zeros((len(slot), _CELLS, len(BRANCHES) + 1, CODES))
    hidden = _OWN * CODES + np.array([int(eq.seen_openness.py_func(np.uint32(s))) for s in _OTHER])

    def record(row: int, kind: str) -> None:
        together, ended = sum(law.alive for law in laws), float(sum(law.dissolved.sum() for law in laws))
        for name in out:
            if BY_NAME[name].kind != kind:
                continue
            if name == "survival":
                out[name][:, row, 0] = 1 - ended, np.sqrt(ended * (1 - ended)), 1.0
            elif name == "learning_by_theory":
                out[name][:, row] = _theories(laws, per_theory, theories)
            else:
                out[name][:, row] = _weighed(np.asarray(together), ended, values[name], rest[name])

    omegas[0, 0] = _omega(point, 0)
    record(0, "state")
    for t in range(1, periods + 1):
        row, omega = batch.recorded[t], _omega(point, t)
        if row >= 0:
            omegas[0, row] = omega
            record(row, "outcome")
        fill_answers_of(
            point, batch.cells[p], batch.reals[p], slot, aware, omega, np.ones((theories, len(BRANCHES) + 1, _CELLS)), ways,
            answers,
        )  # fmt: skip
        met = np.zeros((len(slot), _CELLS))
        for law, kinds in zip(laws, mixes, strict=True):
            for axis, (i, j) in enumerate(PAIRS):
                both = [left for left in range(N + 1) if left not in (i, j)]
                cells = law.alive[both].sum(axis=(0, *(1 + other for other in range(N) if other != axis)))
                met[kinds[i]] += cells
                met[kinds[j]] += cells[_FLIPPED]
        reached = ways[:, :, : len(BRANCHES)].sum(axis=3)  # (kinds, cells, branches)
        for k in range(len(slot)):
            np.add.at(responses[slot[k]].T, np.arange(_CELLS), (1 - missed) * met[k][:, None] * reached[k])
            np.add.at(responses[slot[k]].T, hidden, missed * met[k][:, None] * reached[k][hidden])
        lives = float(sum(law.alive.sum() for law in laws))
        sums.lived += lives
        sums.squares += (2 * t - 1) * lives
        sums.learning += float(sum((law.alive * values["learning"][0]).sum() for law in laws))
        laws = [_moved(law, answers, kinds, exits) for law, kinds in zip(laws, mixes, strict=True)]
        if row >= 0:
            record(row, "state")
    causes = np.append(np.sum([law.dissolved for law in laws], axis=0), 0.0)
    runs = {
        "dissolution_time": (np.array([sums.lived]), np.sqrt(np.maximum([sums.squares - sums.lived**2], 0.0))),
        "cumulative_learning": (np.array([sums.learning / periods]), np.full(1, np.nan)),
        "dissolution_cause": (causes, np.sqrt(causes * (1 - causes))),
        "response_count": (responses.ravel(), np.full(responses.size, np.nan)),
    }
    fixed = {name: (value[p if name != "mean_orientation" else 0], np.zeros((rows, 1)))
             for name, value in constants(batch, omegas).items()}  # fmt: skip
    found = Expected()
    for name in names:
        if name in out:
            found.mean[name], found.deviation[name], share = out[name]
            if BY_NAME[name].number is not None:
                found.share[str(BY_NAME[name].number)] = np.nan_to_num(share)
        elif name in runs or name in fixed:
            found.mean[name], found.deviation[name] = runs[name] if name in runs else fixed[name]
    return found


def _omega(point: np.void, t: int) -> np.float32:
    return np.float32(eq.orientation_at.py_func(point["orientation"], np.float32(t), point["horizon"], point["window"]))


def _theories(laws: list[_Law], values: list[dict[int, np.ndarray]], theories: int) -> np.ndarray:
    """Learning by theory, as `_weighed`, over alliances of all kinds of partners: float64 (3, theories)."""
    found = np.full((3, theories), np.nan)
    for slot in range(theories):
        parts = [(law, of[slot]) for law, of in zip(laws, values, strict=True) if slot in of]
        share = sum(law.alive.sum() + law.dissolved.sum() for law, _ in parts)
        if share > 0:
            mean = sum((law.alive * v[0]).sum() for law, v in parts) / share
            squares = sum((law.alive * (v[0] - mean) ** 2).sum() + law.dissolved.sum() * mean**2 for law, v in parts)
            found[:, slot] = mean, np.sqrt(squares / share), share
        else:
            found[2, slot] = 0.0
    return found
