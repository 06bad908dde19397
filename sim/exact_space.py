"""The states of an alliance where strategies are all that moves: which there are, and what each of them shows.

A partner has a type: its *kind* (response theory, awareness: drawn once), and its strategy, or that it has left. Where
partners are exchangeable (coupling `sampled` or `majority`), a state is a *multiset* of N types, C(N + types - 1, N) of
them; `weakest` breaks ties by number, so that there a state is a *tuple* of types, types^N of them. Either is put together
partner by partner, by the same tables (`States.grow`), so that whatever holds for one space is worked out by the same
code for the other. Source: the chain is ours; strategies and couplings are those of model sections 1 and 6.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sim.exact_law import event
from sim.helptext import show
from sim.parameters import Parameters
from sim.strategies import (
    ACCOMMODATION,
    AVOIDANCE,
    COLLABORATION,
    COMPETITION,
    COMPROMISE,
    REGIMES,
    STRATEGIES,
    regime_of,
)
from sim.theory import DRIVERS

#: More states are refused: a matrix of this many rows takes 80 MB.
MAX_STATES = 3200
#: Partners, and kinds of them, up to which behaviour by ordered pair is served, `sim.exact_pairs`: 4 have 5^12 states.
MAX_SPECIFIC = 3
MAX_KINDS = 8
CODES = len(STRATEGIES)
#: Of strategies equally common the first here is the plurality (model section 6).
TIES = (AVOIDANCE, COMPETITION, COMPROMISE, ACCOMMODATION, COLLABORATION)
_RATES = ("trust_gain", "trust_loss", "suspicion", "prior_gain", "prior_loss", "stakes_rate")
_DISTRIBUTED = (*(f"context.{factor}" for factor in DRIVERS), "ability.absorptive", "ability.communicative")
#: Key -> the only value under which strategies are all that moves, and why.
_NEEDED: dict[str, tuple[Any, str]] = {
    "phases.kind": ("none", "the exact chain needs none, as reviews look back on learning"),
    **{f"{name}.distribution": ("constant", "the exact chain needs constant: one context for all") for name in _DISTRIBUTED},
    "race.scope": (None, "the exact chain needs null, as what is left to learn makes the state continuous"),
    **{
        f"race.{name}": (0, "the exact chain needs 0, as power and what is left to learn make the state continuous")
        for name in ("temptation", "forced_disclosure", "satiation")
    },
}
_given, _rates = operator.attrgetter(*_NEEDED), operator.attrgetter(*_RATES)


class Structure(NamedTuple):
    """What decides which states there are.

    Attributes
    ----------
    partners : N.  kinds : (place of the theory in the mix sorted by name, awareness 0 or 1) of each kind of partner.
    exits : whether partners leave.  coupling : ``sampled``, ``majority`` or ``weakest``.
    ordered : states are tuples of partners, not multisets.
    """

    partners: int
    kinds: tuple[tuple[int, int], ...]
    exits: bool
    coupling: str
    ordered: bool

    @property
    def slots(self) -> tuple[int, ...]:
        """Theories that some partner may hold, by their place in the mix."""
        return tuple(sorted({slot for slot, _ in self.kinds}))

    @property
    def types(self) -> int:
        """Number of types; those who have left are told apart by theory alone."""
        return CODES * len(self.kinds) + (len(self.slots) if self.exits else 0)

    def states(self, partners: int) -> int:
        """How many states an alliance of so many partners would have."""
        return int(self.types**partners if self.ordered else math.comb(partners + self.types - 1, partners))


class States(NamedTuple):
    """The states as compiled functions take them.

    Attributes
    ----------
    partners : int64 (states, N), type of each partner: 5 kind + strategy; 5 kinds + place of the theory where it has left.
    slot, aware, left : by kind, int64: theory, awareness, the type of those who leave.
    alive : bool (states,), not dissolved.  active : int64 (states,), active partners.
    met : float64 (states, N, 5), chance that a partner meets a strategy.
    grow : int64 (rows, types): which group of k + 1 partners adding one of a type to a group of k makes.
    first : int64 (N + 1,), the row of `grow` at which groups of k begin; the last: how many rows there are.
    """

    partners: Any
    slot: Any
    aware: Any
    left: Any
    alive: Any
    active: Any
    met: Any
    grow: Any
    first: Any


@dataclass(frozen=True)
class Space:
    """The states, and what each shows.

    Attributes
    ----------
    structure : what decides which there are.  states : as compiled functions take them.
    strategies : int64 (states, 5), partners by strategy as recorded: all avoid where dissolved.
    followers : int64 (states, theories, 5), the same by theory.
    pairs : float64 (states, 25), share of ordered pairs by own and other's strategy.
    regimes : float64 (states, 12), share of pairs.  exited : bool (states,), somebody has left.
    """

    structure: Structure
    states: States
    strategies: np.ndarray
    followers: np.ndarray
    pairs: np.ndarray
    regimes: np.ndarray
    exited: np.ndarray


def chances_of(shares: Sequence[float]) -> np.ndarray:
    """Chance that each of some shares, cumulated in float64, is drawn: float64 (shares,)."""
    return np.diff([0.0, *(event.py_func(edge) for edge in np.cumsum(shares, dtype=np.float64)[:-1]), 1.0])


def structure_of(parameters: Parameters, ordered: bool = False) -> Structure:
    """Which states an alliance with these parameters has.

    Parameters
    ----------
    ordered : tell partners apart even where they are exchangeable.
    """
    population, mix = parameters.population, parameters.response.theory_mix
    shares = () if isinstance(mix, str) else tuple(mix[name] for name in sorted(mix))
    return _structure(
        population.partners, population.coupling, population.exit_rate, parameters.response.aware, shares, ordered
    )


@functools.lru_cache(maxsize=256)
def _structure(
    partners: int, coupling: str, exit_rate: float, aware: float, shares: tuple[float, ...], ordered: bool
) -> Structure:  # fmt: skip
    is_aware = event.py_func(np.float32(aware))
    kinds = [
        (slot, kind)
        for slot, share in enumerate(chances_of(shares or (1.0,)))
        for kind, chance in ((0, 1.0 - is_aware), (1, is_aware))
        if share * chance > 0
    ]
    # Two partners meet each other whatever the coupling.
    coupling = "sampled" if partners == 2 else coupling
    exits = event.py_func(np.float32(exit_rate)) > 0
    return Structure(partners, tuple(kinds), bool(exits), coupling, ordered or coupling == "weakest")


def refusal(parameters: Parameters) -> str | None:
    """Why a point has no exact form, in one sentence: the key, its value, what is needed; None where it has one."""
    for value, (key, (needed, why)) in zip(_given(parameters), _NEEDED.items(), strict=True):
        if value != needed:
            return f"{key} = {value!r}: {why}."
    if parameters.context.kind != "static":
        for name, rate in zip(_RATES, _rates(parameters.context.dynamics), strict=True):
            if rate > 0:
                return f"context.kind = endogenous: the exact chain needs static, or context.dynamics.{name} = 0."
    structure = structure_of(parameters)
    if structure.coupling == "partner_specific":
        if structure.partners > MAX_SPECIFIC:
            return (
                f"population.partners = {structure.partners}: with population.coupling = partner_specific, "
                f"5^{structure.partners * (structure.partners - 1)} states are too many for the exact chain; "
                f"at most {MAX_SPECIFIC} partners would do."
            )
        if (kinds := len(structure.kinds)) > MAX_KINDS:
            return (
                f"response.theory_mix = {show(parameters.response.theory_mix)}: {kinds} kinds of partners (theories, aware "
                "or not) are too many for the exact chain with population.coupling = partner_specific; "
                f"at most {MAX_KINDS} would do."
            )
        return None
    if (states := structure.states(structure.partners)) <= MAX_STATES:
        return None
    by = " (tuples of partners, by population.coupling = weakest)" if structure.coupling == "weakest" else ""
    most = max((n for n in range(2, structure.partners) if structure.states(n) <= MAX_STATES), default=0)
    return (
        f"population.partners = {structure.partners}: {states:,} states{by} are too many for the exact chain "
        f"(at most {MAX_STATES:,}); " + (f"at most {most} partners would do." if most else "no number of partners would do.")
    )


def check(parameters: Parameters) -> None:
    """Refuse parameters for which the chain does not hold: ValueError with what `refusal` says."""
    if said := refusal(parameters):
        raise ValueError(said)


@functools.lru_cache(maxsize=16)
def space_of(structure: Structure) -> Space:
    """The states of a structure."""
    n, kinds, types = structure.partners, len(structure.kinds), structure.types
    if structure.ordered:
        partners = np.array(list(itertools.product(range(types), repeat=n)))
        sizes = [types**k for k in range(n)]
        grow = [np.arange(size * types).reshape(size, types) for size in sizes]
    else:
        groups = [list(itertools.combinations_with_replacement(range(types), k)) for k in range(n + 1)]
        number = {group: m for size in groups for m, group in enumerate(size)}
        grow = [np.array([[number[tuple(sorted((*g, new)))] for new in range(types)] for g in size]) for size in groups[:-1]]
        partners = np.array(groups[-1])
    gone = partners >= CODES * kinds
    strategy = np.where(gone, AVOIDANCE, partners % CODES)
    held = (strategy[..., None] == np.arange(CODES)) & ~gone[..., None]
    counts = held.sum(axis=1)
    active = counts.sum(axis=1)
    alive = (counts[:, 1:].sum(axis=1) > 0) & (active >= 2)
    places = {slot: k for k, slot in enumerate(structure.slots)}
    slot = np.array([s for s, _ in structure.kinds])
    slot_of_type = np.concatenate([np.repeat(slot, CODES), structure.slots if structure.exits else []]).astype(int)
    states = States(
        partners=partners,
        slot=slot,
        aware=np.array([aware for _, aware in structure.kinds]),
        left=CODES * kinds + np.array([places[s] for s in slot]),
        alive=alive,
        active=active,
        met=_met(structure.coupling, counts, held),
        grow=np.concatenate(grow),
        first=np.cumsum([0, *(len(g) for g in grow)]),
    )
    shown = np.where(alive[:, None], strategy, AVOIDANCE)
    strategies = (shown[..., None] == np.arange(CODES)).sum(axis=1)
    follows = slot_of_type[partners][..., None] == np.arange(max(structure.slots) + 1)
    followers = np.einsum("sik,sic->skc", follows * 1, shown[..., None] == np.arange(CODES))
    pairs = strategies[:, :, None] * (strategies[:, None, :] - np.eye(CODES)) / (n * (n - 1))
    regimes = np.zeros((len(partners), len(REGIMES)))
    for own, other in itertools.product(range(CODES), repeat=2):
        regimes[:, REGIMES.index(regime_of(own, other))] += pairs[:, own, other]
    return Space(
        structure, states, strategies, followers, pairs.reshape(-1, CODES**2), regimes, np.asarray(gone.any(axis=1))
    )


def _met(coupling: str, counts: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Chance that a partner meets a strategy; of those who have left, and of `weakest`, which abilities decide, 0."""
    others = counts[:, None, :] - held
    if coupling == "sampled":
        return np.asarray(others * held.any(axis=2, keepdims=True) / np.maximum(others.sum(axis=2, keepdims=True), 1))
    if coupling == "majority":
        plural = np.array(TIES)[others[..., TIES].argmax(axis=2)]
        return np.asarray((plural[..., None] == np.arange(CODES)) * held.any(axis=2, keepdims=True) * 1.0)
    return np.zeros(held.shape)
