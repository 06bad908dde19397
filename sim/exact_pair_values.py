"""Recorded variables of three partners whose behaviour is partner-specific, from the law of `sim.exact_pairs`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from sim import equations as eq
from sim.exact_batch import Batch
from sim.exact_law import event, fill_answers_of, fill_tables_of
from sim.exact_pairs import Law, N, by_state, by_theory, dissolved_values, meetings, mixes_of, moved, start
from sim.exact_space import CODES
from sim.exact_values import Expected, constants, most_learning
from sim.variables import BRANCHES, BY_NAME

_CELLS = CODES**2
_OWN, _OTHER = np.divmod(np.arange(_CELLS), CODES)


def expected(batch: Batch, names: Iterable[str], groups: np.ndarray | None = None) -> Expected:
    """Variables of all points of a batch, as `sim.exact_values.expected`.

    Standard deviations of responses and of cumulative learning are not worked out: NaN.
    """
    found, parts = Expected(), [_of_point(batch.at(p), list(names)) for p in range(len(batch.records))]
    for into, key in ((found.mean, "mean"), (found.share, "share"), (found.deviation, "deviation")):
        into.update({name: np.stack([getattr(part, key)[name] for part in parts]) for name in getattr(parts[0], key)})
    if groups is not None:
        found.deviation["response_count"] = np.full((len(parts), int(groups.max()) + 1), np.nan)
    return found


@dataclass
class _Record:
    """Variables by period while they are found: name -> float64 (3, rows, columns): mean, deviation, share."""

    values: dict[str, np.ndarray]
    rest: dict[str, np.ndarray]
    by_theory: list[dict[int, np.ndarray]]
    out: dict[str, np.ndarray] = field(default_factory=dict)

    def note(self, row: int, kind: str, laws: list[Law]) -> None:
        """Take in the laws at the start (kind ``outcome``) or the end (``state``) of a recorded period."""
        together, ended = np.sum([law.alive for law in laws], axis=0), float(np.sum([law.dissolved for law in laws]))
        for name, out in self.out.items():
            if BY_NAME[name].kind != kind:
                continue
            if name == "survival":
                out[:, row, 0] = 1 - ended, np.sqrt(ended * (1 - ended)), 1.0
            elif name == "learning_by_theory":
                out[:, row] = _theories(laws, self.by_theory, out.shape[2])
            else:
                out[:, row] = _weighed(together, ended, self.values[name], self.rest[name])


def _of_point(batch: Batch, names: list[str]) -> Expected:
    point, periods, rows, theories = batch.records[0], len(batch.recorded) - 1, len(batch.periods), batch.reals.shape[1]
    slot, aware = (np.array(column) for column in zip(*batch.structure.kinds, strict=True))
    tables = np.zeros((2, N + 1, _CELLS), np.float32)
    fill_tables_of(point, batch.absorptive[0], batch.communicative[0], np.zeros(CODES, np.float32), tables)
    mixes = mixes_of(batch.drawn[0], len(slot))
    laws = [start(batch.drawn[0], kinds, often) for kinds, often in mixes.items()]
    record = _Record(by_state(tables, most_learning(batch)[0]), dissolved_values(), [])
    columns = {name: len(value) for name, value in record.values.items()} | {"survival": 1}
    if "learning_by_theory" in names:
        columns["learning_by_theory"] = theories
        record.by_theory = [by_theory([int(slot[k]) for k in kinds], tables) for kinds in mixes]
    record.out = {name: np.full((3, rows, number), np.nan) for name, number in columns.items() if name in names}
    exits, omegas, responses = (
        event.py_func(point["exit_rate"]),
        np.zeros((1, rows), np.float32),
        np.zeros((theories, 3, 25)),
    )
    answers, ways = np.zeros((len(slot), *[CODES] * 3)), np.zeros((len(slot), _CELLS, len(BRANCHES) + 1, CODES))
    every, learned, lived, squares = np.ones((theories, len(BRANCHES) + 1, _CELLS)), 0.0, 0.0, 0.0
    omegas[0, 0] = _omega(point, 0)
    record.note(0, "state", laws)
    for t in range(1, periods + 1):
        row, omega = batch.recorded[t], _omega(point, t)
        if row >= 0:
            omegas[0, row] = omega
            record.note(row, "outcome", laws)
        fill_answers_of(point, batch.cells[0], batch.reals[0], slot, aware, omega, every, ways, answers)
        _count(meetings(laws, mixes, len(slot)), ways, slot, event.py_func(point["misperception"]), responses)
        lives = float(np.sum([law.alive for law in laws]))
        lived, squares = lived + lives, squares + (2 * t - 1) * lives
        learned += float(np.sum([(law.alive * record.values["learning"][0]).sum() for law in laws]))
        laws = [moved(law, answers, kinds, exits) for law, kinds in zip(laws, mixes, strict=True)]
        if row >= 0:
            record.note(row, "state", laws)
    causes = np.append(np.sum([law.dissolved for law in laws], axis=0), 0.0)
    others = {
        "dissolution_time": (np.array([lived]), np.sqrt(np.maximum([squares - lived**2], 0.0))),
        "cumulative_learning": (np.array([learned / periods]), np.full(1, np.nan)),
        "dissolution_cause": (causes, np.sqrt(causes * (1 - causes))),
        "response_count": (responses.ravel(), np.full(responses.size, np.nan)),
        **{name: (value[0], np.zeros((rows, 1))) for name, value in constants(batch, omegas).items()},
    }
    found = Expected()
    for name in names:
        if name in record.out:
            found.mean[name], found.deviation[name], share = record.out[name]
            if BY_NAME[name].number is not None:
                found.share[str(BY_NAME[name].number)] = np.nan_to_num(share)
        elif name in others:
            found.mean[name], found.deviation[name] = others[name]
    return found


def _omega(point: np.void, t: int) -> np.float32:
    return np.float32(eq.orientation_at.py_func(point["orientation"], np.float32(t), point["horizon"], point["window"]))


def _count(met: np.ndarray, ways: np.ndarray, slot: np.ndarray, missed: float, responses: np.ndarray) -> None:
    """Add the responses expected of partners that meet so often, by theory, branch and cell as seen.

    Parameters
    ----------
    met : float64 (kinds, 25).  ways : float64 (kinds, 25, 4, 5), see `sim.exact_law.fill_laws`.
    responses : float64 (theories, 3, 25), added to.
    """
    hidden = _OWN * CODES + np.array([int(eq.seen_openness.py_func(np.uint32(s))) for s in _OTHER])
    reached = ways[:, :, : len(BRANCHES)].sum(axis=3)  # (kinds, cells, branches)
    for k, theory in enumerate(slot):
        np.add.at(responses[theory].T, np.arange(_CELLS), (1 - missed) * met[k][:, None] * reached[k])
        np.add.at(responses[theory].T, hidden, missed * met[k][:, None] * reached[k][hidden])


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


def _theories(laws: list[Law], values: list[dict[int, np.ndarray]], theories: int) -> np.ndarray:
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
