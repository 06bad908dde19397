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

from sim.exact_space import CODES
from sim.exact_values import stepped
from sim.strategies import AVOIDANCE, REGIMES, regime_of

N = 3
#: Pairs, in the order of the axes of a law: float64 (25, 25, 25), cell 5 s_ij + s_ji, i < j.
PAIRS = ((0, 1), (0, 2), (1, 2))
#: Who has left: nobody, or one of the three.
NOBODY = N
_CELLS = CODES**2
FLIPPED = np.arange(_CELLS).reshape(CODES, CODES).T.ravel()
_OWN, _OTHER = np.divmod(np.arange(_CELLS), CODES)


@dataclass(frozen=True)
class Law:
    """Law of an alliance whose partners are of certain kinds.

    Attributes
    ----------
    alive : float64 (4, 25, 25, 25), by who has left.  dissolved : float64 (2,), by avoidance and after an exit.
    """

    alive: np.ndarray
    dissolved: np.ndarray


def along(pair: int, values: np.ndarray) -> np.ndarray:
    """What belongs to a pair's cells, to be broadcast against a law."""
    return values.reshape([_CELLS if axis == pair else 1 for axis in range(N)])


def _avoids(i: int, left: int) -> np.ndarray:
    """Whether partner i avoids all others that are active: bool, to be broadcast against a law."""
    found = np.ones((1, 1, 1), bool)
    for axis, pair in enumerate(PAIRS):
        if i in pair and left not in pair:
            found = found & along(axis, (_OWN if i == pair[0] else _OTHER) == AVOIDANCE)
    return found


def mixes_of(drawn: np.ndarray, kinds: int) -> dict[tuple[int, ...], int]:
    """Kinds of the three partners -> how many orders of them this one stands for: where all begin alike, all orders."""
    found: dict[tuple[int, ...], int] = {}
    alike = (drawn == drawn[0]).all()
    for mix in itertools.product(range(kinds), repeat=N):
        mark = tuple(sorted(mix)) if alike else mix
        found[mark] = found.get(mark, 0) + 1
    return found


def start(drawn: np.ndarray, kinds: tuple[int, ...], often: int) -> Law:
    """Law at formation, for so many orders of these kinds; drawn : float64 (N, types)."""
    alive, dissolved = np.zeros((N + 1, _CELLS, _CELLS, _CELLS)), np.zeros(2)
    first = [drawn[i, CODES * k : CODES * (k + 1)] for i, k in enumerate(kinds)]
    for s in itertools.product(range(CODES), repeat=N):
        cells = tuple(CODES * s[i] + s[j] for i, j in PAIRS)
        alive[(NOBODY, *cells)] += first[0][s[0]] * first[1][s[1]] * first[2][s[2]] * often
    dissolved[0] = alive[NOBODY, 0, 0, 0]
    alive[NOBODY, 0, 0, 0] = 0.0
    return Law(alive, dissolved)


def moved(law: Law, answers: np.ndarray, kinds: tuple[int, ...], exits: float) -> Law:
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
    return Law(alive, dissolved)


def table(tables: np.ndarray, left: int) -> np.ndarray:
    """Transfer and creation of a partner by cell, float64 (2, 25), by who has left."""
    return np.asarray(tables[:, N if left == NOBODY else N - 1], np.float64)


def by_state(tables: np.ndarray, most: float) -> dict[str, np.ndarray]:
    """What each state adds to a variable: float64 (columns, 4, 25, 25, 25), NaN: nothing; see `exact_values.by_state`.

    A partner who has left avoids; what others play towards it stays, and brings nothing.
    """
    shape = (N + 1, _CELLS, _CELLS, _CELLS)
    held, regimes = np.zeros((CODES, *shape)), np.zeros((len(REGIMES), *shape))
    for cell in range(_CELLS):
        own, other = int(_OWN[cell]), int(_OTHER[cell])
        for axis in range(N):
            there = along(axis, np.arange(_CELLS) == cell)
            held[own] += there / (N * (N - 1))
            held[other] += there / (N * (N - 1))
            regimes[REGIMES.index(regime_of(own, other))] += there / N
    got = np.zeros((2, *shape))
    gap, cells = np.zeros(shape), np.full((_CELLS, *shape), np.nan)
    for left in range(N + 1):
        got_made = table(tables, left)
        each = got_made.sum(axis=0)
        for axis in range(N):
            for k in range(2):
                got[k, left] += along(axis, got_made[k] + got_made[k][FLIPPED]) / (N * (N - 1))
            gap[left] += along(axis, abs(each - each[FLIPPED])) / (N * (N - 1))
            for cell in range(_CELLS):
                where = along(axis, (np.arange(_CELLS) == cell) | (np.arange(_CELLS) == FLIPPED[cell]))
                cells[cell, left] = np.where(where, each[cell], cells[cell, left])
    learning = got.sum(axis=0)
    active = np.array([N - 1] * N + [N])[:, None, None, None] / N
    values = {"transfer": got[:1], "creation": got[1:], "learning": learning[None],
              "efficiency": learning[None] / most,
              "inequity": (gap / np.where(learning > 0, learning, np.nan))[None],
              "learning_by_pair": cells}  # fmt: skip
    shares = {"strategy_share": held, "regime_share": regimes, "active_share": np.broadcast_to(active, (1, *shape))}
    return {name: stepped(value) for name, value in values.items()} | shares


def dissolved_values() -> dict[str, np.ndarray]:
    """What a dissolved alliance adds, as `by_state`: float64 (columns,)."""
    first = np.arange(_CELLS) == 0
    return {
        "transfer": np.zeros(1), "creation": np.zeros(1), "learning": np.zeros(1), "efficiency": np.full(1, np.nan),
        "inequity": np.full(1, np.nan), "learning_by_pair": np.where(first, 0.0, np.nan), "active_share": np.zeros(1),
        "strategy_share": (np.arange(CODES) == AVOIDANCE) * 1.0,
        "regime_share": (np.arange(len(REGIMES)) == REGIMES.index("disintegration")) * 1.0,
    }  # fmt: skip


def by_theory(slots: list[int], tables: np.ndarray) -> dict[int, np.ndarray]:
    """Mean learning of the partners that follow a theory: theory -> float64 (1, 4, 25, 25, 25)."""
    found = {}
    for slot in set(slots):
        own = [i for i in range(N) if slots[i] == slot]
        total = np.zeros((1, N + 1, _CELLS, _CELLS, _CELLS))
        for left in range(N + 1):
            each = table(tables, left).sum(axis=0)
            for i, axis in itertools.product(own, range(N)):
                if i in PAIRS[axis]:
                    total[0, left] += along(axis, each if i == PAIRS[axis][0] else each[FLIPPED])
        found[slot] = stepped(total / ((N - 1) * len(own)))
    return found


def meetings(laws: list[Law], mixes: Iterable[tuple[int, ...]], kinds: int) -> np.ndarray:
    """Expected answers of a period by kind of partner and cell, the counterpart's strategy as it is: float64 (kinds, 25)."""
    met = np.zeros((kinds, _CELLS))
    for law, mix in zip(laws, mixes, strict=True):
        for axis, (i, j) in enumerate(PAIRS):
            both = [left for left in range(N + 1) if left not in (i, j)]
            cells = law.alive[both].sum(axis=(0, *(1 + other for other in range(N) if other != axis)))
            met[mix[i]] += cells
            met[mix[j]] += cells[FLIPPED]
    return met
