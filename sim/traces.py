"""Histories of a stored point as plain arrays, a piece at a time: what the kernel notes, put into words and labels."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sim.arguments import Arguments, arguments_of
from sim.blocks import traced
from sim.design import Point, theories_of
from sim.full_state import Trace
from sim.response_rows import CODES, INACTIVE, INSTRUMENTAL, SATED, TREMBLED
from sim.rows import LANES, NOT_REACHED
from sim.schema import Config
from sim.strategies import REGIMES, STRATEGIES, regime_of
from sim.theory import NO_PROPOSITION
from sim.theory_tables import labels, response_labels
from sim.variables import BRANCHES, CAUSES, PHASES

#: Bytes that the traces of one call of the kernel may take.
TRACE_BYTES = 48 * 2**20
#: What decides where no proposition does.
TREMBLE, SATIATION, INSTRUMENTALITY, KEPT = "tremble", "satiation", "instrumentality", "no reconsideration"
LEFT, DISSOLVED = "left", "dissolved"
#: Whom a partner answered, where it was no one partner.
NOBODY, SEVERAL = 0, -1
#: Pairs' values in a trace, in the order of `sim.full_state.Trace`.
VALUES = ("transfer", "creation", "disclosure", "trust", "stakes", "prior", "remaining", "power")
OUTCOMES = VALUES[:3]
#: Words that codes stand for; the last, or first, empty one: nothing to say.
WORDS: dict[str, tuple[str, ...]] = {
    "strategy": (*STRATEGIES, ""),
    "regime": (*REGIMES, ""),
    "branch": ("", *BRANCHES),
    "phase": PHASES,
    "cause": ("", *CAUSES),
}
_EMPTY = 5
_REGIME = np.array([[REGIMES.index(regime_of(a, b)) for b in range(5)] for a in range(5)], np.uint8)


@dataclass(frozen=True)
class Piece:
    """Some alliances of a point over some periods; all alliances of the range before the next periods of any.

    Attributes
    ----------
    first, start : the first alliance and the first period.
    arrays : name -> codes of words, or values, with dims alliance, period, then what `units` says for what is decided,
        (partner, counterpart) for what belongs to pairs, partner for ``active``, ``theory``, ``aware``.
        ``dissolved_at``: the period, -1 where not dissolved by the end of the piece.
    """

    first: int
    start: int
    arrays: dict[str, np.ndarray]

    @property
    def alliances(self) -> int:
        """How many alliances."""
        return len(self.arrays["cause"])

    @property
    def rows(self) -> int:
        """How many periods."""
        return int(self.arrays["strategy"].shape[1])


class Tracer:
    """Traces alliances of one point.

    Parameters
    ----------
    point, config : as `sim.stored.Stored.point` returns them; its texts of theories must be in effect.
    """

    def __init__(self, point: Point, config: Config) -> None:
        p = point.parameters
        self.partners, self.periods = p.population.partners, p.population.periods
        self.specific = p.population.coupling == "partner_specific"
        self.phased = p.phases.kind != "none"
        mix = theories_of(p)
        self.theories = tuple(name for name, _, _ in mix)
        propositions = [label for label in labels(theory for _, _, theory in mix) if label != NO_PROPOSITION]
        others = (NO_PROPOSITION, TREMBLE, SATIATION, INSTRUMENTALITY, KEPT, LEFT, DISSOLVED)
        self.words = {**WORDS, "seen": WORDS["strategy"], "chosen": WORDS["strategy"]}
        self.words |= {"decision": ("", *propositions, *others), "theory": self.theories}
        find = self.words["decision"].index
        self._decision = np.zeros((len(mix), CODES), np.uint8)
        for slot, (_, _, theory) in enumerate(mix):
            # A theory may call a proposition of its own by one of the other words; the first of the name serves for both.
            self._decision[slot, :NOT_REACHED] = [find(label) for label in response_labels(theory)]
        rest = {NOT_REACHED: KEPT, INSTRUMENTAL: INSTRUMENTALITY, TREMBLED: TREMBLE, SATED: SATIATION, INACTIVE: LEFT}
        for code, word in rest.items():
            self._decision[:, int(code)] = find(word)
        self._branch = np.zeros(CODES, np.uint8)
        self._branch[:NOT_REACHED] = np.repeat([1, 2, 3], 25)
        self._branch[int(INSTRUMENTAL)] = 1 + BRANCHES.index("kept")
        # Nothing is tallied, so the record of the run takes no room.
        a = arguments_of(point, config, np.arange(1), force_full=True)
        nothing = np.full(self.periods + 1, -1, np.int64)
        self._arguments = replace(a, recorded=nothing, rows=0, want=np.zeros_like(a.want))

    @property
    def units(self) -> tuple[str, ...]:
        """Dims of what is decided, after alliance and period: a partner decides, or does so towards each counterpart."""
        return ("partner", "counterpart") if self.specific else ("partner",)

    def bytes_per_period(self) -> int:
        """Size of a trace per alliance and period."""
        n = self.partners
        return 5 * (n * n if self.specific else n) + n + 4 * len(VALUES) * n * n + 8

    def pieces(self, alliances: Sequence[int]) -> Iterator[Piece]:
        """Histories of consecutive alliances, in pieces of bounded size.

        A long history comes in several pieces; the first period of each is the last of the one before.
        """
        size, rows = self.bytes_per_period(), self.periods + 1
        lanes = max(1, min(LANES, TRACE_BYTES // (size * rows)))
        span = max(2, min(rows, TRACE_BYTES // (size * lanes)))
        ends = [min(start + span - 1, self.periods) for start in range(0, self.periods, span - 1)]
        for first in range(alliances[0], alliances[-1] + 1, lanes):
            count = min(lanes, alliances[-1] + 1 - first)
            for start, end in itertools.pairwise([0, *ends]):
                trace, _ = traced(self._until(end), first, count, start)
                yield Piece(first, start, self._arrays(trace))

    def _until(self, end: int) -> Arguments:
        """Arguments of histories that end early; what happens does not depend on how long it goes on."""
        point = self._arguments.point.copy()
        point["periods"] = end
        return replace(self._arguments, point=point)

    def _arrays(self, trace: Trace) -> dict[str, np.ndarray]:
        n, start = self.partners, int(trace.first)
        units = np.moveaxis(trace.units, -1, 0)
        if self.specific:
            units = units.reshape(*units.shape[:3], n, n)
        strategy, code, met, seen, chosen = (units[:, :, k] for k in range(5))
        active = np.moveaxis(trace.active, -1, 0) == 1
        theory, aware = (np.moveaxis(trace.formed[k], -1, 0) for k in range(2))
        pairs = np.moveaxis(trace.pairs, -1, 0)
        values = {name: pairs[:, :, k].reshape(*pairs.shape[:2], n, n) for k, name in enumerate(VALUES)}
        alive, when, cause = trace.ended
        dissolved = np.where(alive == 1, np.int64(-1), when.astype(np.int64))
        period = np.arange(start, start + len(trace.active))
        over = (dissolved[:, None] >= 0) & (dissolved[:, None] < period)
        at = self._wide
        slot = theory[:, None, :, None] if self.specific else theory[:, None, :]
        decision = self._decision[slot, code]
        decision = np.where(at(over), np.uint8(self.words["decision"].index(DISSOLVED)), decision)
        branch = self._branch[code]
        silent = (code == INACTIVE) | at(np.broadcast_to(period == 0, over.shape))
        if start == 0:
            decision[:, 0], branch[:, 0] = 0, 0
            for name in OUTCOMES:
                values[name][:, 0] = np.nan
        seen, chosen = (np.where(silent, np.uint8(_EMPTY), row) for row in (seen, chosen))
        chosen[:, 0] = strategy[:, 0] if start == 0 else chosen[:, 0]
        met = np.where(silent, np.int8(NOBODY), np.where(met == 255, np.int8(SEVERAL), (met + 1).astype(np.int8)))
        facing = strategy if self.specific else np.broadcast_to(strategy[..., None], (*strategy.shape, n))
        regime = _REGIME[facing, np.swapaxes(facing, -1, -2)]
        regime[..., range(n), range(n)] = len(REGIMES)
        if self.specific:
            strategy = strategy.copy()
            for row, nothing in ((strategy, _EMPTY), (seen, _EMPTY), (chosen, _EMPTY), (decision, 0), (branch, 0), (met, 0)):
                row[..., range(n), range(n)] = nothing
        return {
            "strategy": strategy, "decision": decision, "branch": branch, "met": met, "seen": seen, "chosen": chosen,
            "active": active, "regime": regime, **values, "learning": values["transfer"] + values["creation"],
            "orientation": np.moveaxis(trace.alliance[:, 0], -1, 0),
            **({"phase": np.moveaxis(trace.alliance[:, 1], -1, 0).astype(np.uint8)} if self.phased else {}),
            "theory": theory, "aware": aware == 1, "dissolved_at": dissolved,
            "cause": np.where(alive == 1, 0, 1 + cause.astype(np.uint8)).astype(np.uint8),
        }  # fmt: skip

    def _wide(self, by_period: np.ndarray) -> np.ndarray:
        """What holds for an alliance in a period, beside what is decided."""
        return by_period[:, :, None, None] if self.specific else by_period[:, :, None]
