"""Every config key, once: its type, range, unit and meaning, as typed and frozen parameters.

Defaults live in ``conf/``; `sim.helptext` puts this page into words; `sim.config` makes a `Config`, all that layers take.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from sim.strategies import STRATEGIES
from sim.variables import BY_NAME

#: Draws are multiples of 2^-24, so a smaller probability could never happen.
SMALLEST_PROBABILITY = 2.0**-24
MIX_TOLERANCE = 1e-9
#: Most levels of a factor, values of a list function, and points of a design.
MAX_POINTS = 10**6


class Allowed(str):
    """What a key may be, in words, where its type alone does not say it."""


def refuse(text: str, key: str = "") -> PydanticCustomError:
    """The error a validator raises: what is allowed, as the end of a sentence, for `key` below what is validated."""
    return PydanticCustomError("refused", "{text}", {"text": text, "key": key})


def _whole(value: Any) -> Any:
    """Let 1e4 stand for 10000."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _happens(value: float) -> float:
    if 0.0 < value < SMALLEST_PROBABILITY:
        raise refuse("must be 0 or at least 2^-24 (6e-8), the step of the draws")
    return value


def _sequence(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _form(value: Any) -> str | None:
    """Tag of the form in which a key of several forms is given; pointed brackets keep tags apart from keys."""
    if isinstance(value, str):
        return "<word>"
    return "<list>" if isinstance(value, tuple) else "<mapping>" if isinstance(value, Mapping | BaseModel) else None


def _finite(value: Any) -> Any:
    """A level, or a row's value, holds no infinite number."""
    for part in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
        _finite(part)
    if isinstance(value, float) and not math.isfinite(value):
        raise refuse("must be a finite number")
    return value


def _recorded(value: Any) -> Any:
    for k, name in enumerate(value):
        if name not in BY_NAME:
            raise refuse(f"{name!r} is no variable; known are {', '.join(BY_NAME)}")
        if name in value[:k]:
            raise refuse(f"{name!r} appears twice")
    return value


Whole = Annotated[int, BeforeValidator(_whole)]
Share = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(ge=0, le=1), AfterValidator(_happens)]
Threshold = Annotated[float, Field(ge=-100, le=100)]
Level = Annotated[Any, AfterValidator(_finite)]
Word = Annotated[str, Tag("<word>")]
Words = Annotated[tuple[str, ...], Field(min_length=1), Tag("<list>")]
Paths = Annotated[Word | Words, Discriminator(_form), BeforeValidator(_sequence), Allowed("a key, or a list of keys")]
Rows = Annotated[tuple[dict[str, Level], ...], BeforeValidator(_sequence), Allowed("a list of {label: value}")]
Strategy = Literal["avoidance", "accommodation", "compromise", "competition", "collaboration"]
Strategies = Annotated[tuple[Strategy, ...], BeforeValidator(_sequence), Allowed("a list of strategies")]


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Mix(_Group):
    """Shares of the partners' first strategies; they sum to 1."""

    avoidance: Share = Field(description="share of partners that start in avoidance")
    accommodation: Share = Field(description="share of partners that start in accommodation")
    compromise: Share = Field(description="share of partners that start in compromise")
    competition: Share = Field(description="share of partners that start in competition")
    collaboration: Share = Field(description="share of partners that start in collaboration")

    @model_validator(mode="after")
    def _sums_to_one(self) -> Mix:
        total = sum(getattr(self, name) for name in STRATEGIES)
        if abs(total - 1.0) > MIX_TOLERANCE:
            raise refuse(f"the shares must sum to 1, these sum to {total:.10g}")
        return self


class Initial(_Group):
    """The partners' first strategies."""

    mix: Mix
    strategies: Strategies | None = Field(description="each partner's first strategy; null: drawn from the mix")


class Population(_Group):
    """Who is simulated, and for how long."""

    partners: Annotated[Whole, Field(ge=2, le=32, description="partners per alliance, N")]
    alliances: Annotated[Whole, Field(ge=1, lt=2**63, description="independent alliances per point")]
    periods: Annotated[Whole, Field(ge=1, le=10**6, description="periods each alliance is followed, T")]
    initial: Initial
    coupling: Literal["sampled"] = Field(description="whom a partner answers: one other active partner, drawn uniformly")
    exit_rate: Probability = Field(description="probability per period that a partner in avoidance leaves")

    @model_validator(mode="after")
    def _one_strategy_each(self) -> Population:
        given = self.initial.strategies
        if given is not None and len(given) != self.partners:
            raise refuse(
                f"must name {self.partners} strategies, one for each partner; got {len(given)}", "initial.strategies"
            )
        return self


class Thresholds(_Group):
    """What the drivers of a proposition must pass; null: the theory's own."""

    P6: Threshold | None = Field(description="what stakes and prior interaction must pass (accommodation opens up)")
    P7: Threshold | None = Field(description="what trust, orientation and prior interaction must pass (competition)")
    P8: Threshold | None = Field(description="what stakes, trust and prior interaction must pass (compromise)")
    P9: Threshold | None = Field(description="what trust and orientation must pass (collaboration lasts)")


def _single_theory(value: Any) -> Any:
    """A bare name, or {name: 1}."""
    if isinstance(value, dict):
        names = [name for name, share in value.items() if share != 0 or isinstance(share, bool)]
        if len(names) != 1 or value[names[0]] != 1 or isinstance(value[names[0]], bool):
            raise refuse("must be the name of one theory, or {name: 1}")
        return names[0]
    return value


class Response(_Group):
    """How partners answer each other."""

    theory_mix: Annotated[
        str, BeforeValidator(_single_theory), Allowed("a theory's name or .yaml file"), Field(description="response theory")
    ]
    reconsideration: Probability = Field(description="probability per period that a strategy is reconsidered, at pace 1")
    sensitivity: Annotated[float, Field(ge=0, le=1000)] = Field(description="steepness of empowerment around its threshold")
    threshold: Thresholds
    symmetric_handicap: Annotated[float, Field(ge=0, le=100)] | None = Field(
        description="added to the thresholds of moderation and deadlock; null: the theory's own"
    )
    barrier_strength: Probability = Field(description="probability that a partner not empowered yields to the barrier")
    tremble: Probability = Field(description="probability per period of a strategy drawn at random")
    misperception: Probability = Field(description="probability per period that a counterpart's openness is missed")
    aware: Probability = Field(description="share of partners with collective awareness")
    awareness_bonus: Share = Field(description="what awareness adds to the drivers of empowerment")


class Start(_Group):
    """Start value of one context factor."""

    distribution: Literal["constant"] = Field(description="distribution of the start values over alliances")
    mean: Share = Field(description="start value")


class Dynamics(_Group):
    """How the context moves; none of it acts with context=static."""

    trust_gain: Share = Field(description="growth of trust per period of full openness of the counterpart")
    trust_loss: Share = Field(description="loss of trust per unit given more than got")
    suspicion: Share = Field(description="loss of trust where the counterpart takes without giving")
    prior_gain: Share = Field(description="growth of prior interaction per period of full mutual disclosure")
    prior_loss: Share = Field(description="decay of prior interaction in a period without any")
    stakes_rate: Share = Field(description="speed at which stakes follow the joint pie")


class Endgame(_Group):
    """The end of the shadow of the future."""

    horizon: Annotated[float, Field(ge=1)] | None = Field(description="period at which the future ends; null: never")
    window: Annotated[float, Field(ge=0.001)] = Field(description="periods before the horizon over which it fades")


class Context(_Group):
    """The four empowering factors: stakes, trust, long-term orientation, prior interaction."""

    kind: Literal["endogenous", "static"] = Field(description="whether trust, stakes and prior interaction move")
    stakes: Start
    trust: Start
    orientation: Start
    prior: Start
    dynamics: Dynamics
    endgame: Endgame
    calculative_share: Share = Field(description="share of calculative trust (stakes x orientation) in trust")


class Ability(_Group):
    """What partners can absorb, disclose and create."""

    moderate: Share = Field(description="receptivity and transparency of compromise, m")
    creation: Share = Field(description="knowledge created per unit transferred, gamma")


class Spacing(_Group):
    """Evenly or geometrically spaced levels."""

    low: float = Field(description="first level")
    high: float = Field(description="last level")
    n: Annotated[Whole, Field(ge=1, le=MAX_POINTS, description="number of levels")]
    scale: Literal["linear", "log"] = Field(default="linear", description="spacing of the levels")


class Factor(_Group):
    """One factor of a design."""

    path: Paths = Field(description="what takes the level")
    levels: Annotated[
        Annotated[Annotated[tuple[Level, ...], Tag("<list>")] | Annotated[Spacing, Tag("<mapping>")], Discriminator(_form)]
        | None,
        BeforeValidator(_sequence),
        Allowed("a list of levels, or {low, high, n, scale}"),
    ] = Field(default=None, description="each level a number, a word or {name: value}; with design=list: none")


class Design(_Group):
    """Which points: combinations of factor levels."""

    kind: Literal["single", "factorial", "list"] = Field(description="one point, all combinations of levels, or rows")
    factors: Annotated[dict[str, Factor], Allowed("a mapping of labels, each with {path, levels}")]
    rows: Rows | None = Field(description="for design=list: one {label: value} for each point")


class Random(_Group):
    """The draws."""

    seed: Annotated[Whole, Field(ge=0, lt=2**32, description="seed of all draws")]
    common: bool = Field(description="points share random numbers, so that contrasts between them are sharper")


class Compute(_Group):
    """Where and how blocks run; no choice changes a result."""

    kind: Literal["serial", "threads", "processes"] = Field(description="where blocks run; no choice changes a result")
    workers: Annotated[Whole, Field(ge=1, le=4096)] | None = Field(description="threads or processes; null: one per core")
    block_seconds: Annotated[float, Field(ge=0.01, le=3600)] = Field(description="aimed-at duration of a block")


class Output(_Group):
    """The store, and what is recorded."""

    path: Annotated[str, Field(min_length=1), Allowed("a path")] | None = Field(
        description="null: results/<experiment>.zarr"
    )
    overwrite: bool = Field(description="replace a store of this program at the path, from the beginning each time")
    every: Annotated[Whole, Field(ge=1, le=10**6, description="record periods 0, every, 2 every, ... and the last")]
    variables: Annotated[
        Annotated[Literal["all"], Tag("<word>")] | Annotated[Words, AfterValidator(_recorded), Tag("<list>")],
        Discriminator(_form),
        BeforeValidator(_sequence),
        Allowed("all, or a list of variables"),
    ] = Field(description="what is recorded; the rest is neither computed nor stored")
    report: bool = Field(description="write a figure (PNG) and a table (CSV) beside the store")


class Parameters(_Group):
    """The parameters of one point."""

    population: Population
    response: Response
    context: Context
    ability: Ability


#: Top-level groups that hold the parameters of a point; only their keys can be factors.
POINT_GROUPS: tuple[str, ...] = tuple(Parameters.model_fields)


class Config(Parameters):
    """A whole run, validated."""

    design: Design
    random: Random
    compute: Compute
    output: Output
    plan: bool = Field(description="print the plan and end")
