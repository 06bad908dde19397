"""What the reference tells of an alliance: responses, reviews, what a period brings, and the whole history."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

Matrix = list[list[np.float32]]
#: What may decide a response before it reaches item 3 of section 4.
EARLY = ("tremble", "satiation", "keep")
#: Strategy of a partner facing itself.
NOBODY = -1


@dataclass(frozen=True)
class Response:
    """How a partner answered; `counterpart` is None where it answered a plurality.

    `decided` is tremble, satiation or keep; for a response that reached item 3 of section 4, empowered, instrumental,
    barrier or kept. `seen` is what the counterpart was taken for.
    """

    partner: int
    counterpart: int | None
    slot: int
    own: int
    seen: int
    decided: str
    target: int
    proposition: str

    @property
    def cell(self) -> int:
        return 5 * self.own + self.seen

    @property
    def branch(self) -> str:
        """The branch under which it is tallied; instrumentality counts as kept."""
        return "kept" if self.decided == "instrumental" else self.decided


@dataclass(frozen=True)
class Review:
    """A review: its parts (None: left out), its value, readiness, and what came of it."""

    efficiency: np.float32
    equity: np.float32 | None
    adaptability: np.float32 | None
    value: np.float32
    readiness: np.float32
    advances: bool
    breaks: bool


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a period brings; `transfer`, `creation` and `learning` by partner, the rest of the alliance.

    `disclosure`, `exchange` and `learnt` are X, f and l by ordered pair; `phase` is the one in force.
    """

    transfer: tuple[np.float32, ...]
    creation: tuple[np.float32, ...]
    learning: tuple[np.float32, ...]
    mean_transfer: np.float32
    mean_creation: np.float32
    mean_learning: np.float32
    differences: np.float32
    totals: np.float32
    efficiency: np.float32
    inequity: np.float32
    disclosure: Matrix
    exchange: Matrix
    learnt: Matrix
    phase: int

    @property
    def any_learning(self) -> bool:
        return bool(self.totals > 0)


@dataclass(frozen=True, eq=False)
class Trajectory:
    """History of one alliance. Entry t of a sequence belongs to period t; what begins in period 1 has None or () at 0.

    Attributes
    ----------
    strategies : by partner; partner_specific: by ordered pair, in the order of i, then j.
    facing : strategy of i facing j, `NOBODY` where i = j.
    active : by partner, at the end of the period.
    trust, stakes, prior, remaining (q), power : float32 (N, N), row i facing column j, at the end of the period.
    responses, answers : the responses that reached item 3 of section 4; all.
    slots : place of each partner's theory in the mix, sorted by name.
    dissolved_at, cause : None for an alliance that never dissolved.
    """

    facing: tuple[tuple[tuple[int, ...], ...], ...]
    active: tuple[tuple[bool, ...], ...]
    trust: tuple[np.ndarray, ...]
    stakes: tuple[np.ndarray, ...]
    prior: tuple[np.ndarray, ...]
    remaining: tuple[np.ndarray, ...]
    power: tuple[np.ndarray, ...]
    phase: tuple[int, ...]
    orientation: tuple[np.float32, ...]
    outcomes: tuple[Outcome | None, ...]
    answers: tuple[tuple[Response, ...], ...]
    reviews: tuple[Review | None, ...]
    aware: tuple[bool, ...]
    slots: tuple[int, ...]
    by_pair: bool
    dissolved_at: int | None
    cause: str | None

    @functools.cached_property
    def strategies(self) -> tuple[tuple[int, ...], ...]:
        """Strategies of each period by unit: partner, or ordered pair."""
        rows = [[[s for s in row if s != NOBODY] for row in facing] for facing in self.facing]
        return tuple(tuple(s for row in t for s in (row if self.by_pair else row[:1])) for t in rows)

    @functools.cached_property
    def responses(self) -> tuple[tuple[Response, ...], ...]:
        return tuple(tuple(r for r in answers if r.decided not in EARLY) for answers in self.answers)

    def alive(self, t: int) -> bool:
        """Not dissolved at the end of period t."""
        return self.dissolved_at is None or self.dissolved_at > t


@dataclass(frozen=True)
class Seen:
    """What a partner answers: a strategy and what it has facing who holds it."""

    counterpart: int | None
    strategy: int
    remaining: np.float32
    stakes: np.float32
    trust: np.float32
    prior: np.float32
    power: np.float32
