"""The parameters of one point: type, range, unit and meaning of every key that can be a factor, typed and frozen.

Defaults live in ``conf/``; `sim.schema` adds the keys of a whole run. Symbols and sections are those of docs/model.md.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sim.fields import (
    Group,
    Probability,
    Share,
    Strategies,
    Theories,
    Threshold,
    Values,
    Weight,
    Whole,
    check_sum,
    refuse,
)
from sim.strategies import STRATEGIES

#: The key whose value may be a mapping: theory -> share.
THEORY_MIX = "response.theory_mix"


class Mix(Group):
    """Shares of the partners' first strategies; they sum to 1."""

    avoidance: Share = Field(description="share of partners that start in avoidance")
    accommodation: Share = Field(description="share of partners that start in accommodation")
    compromise: Share = Field(description="share of partners that start in compromise")
    competition: Share = Field(description="share of partners that start in competition")
    collaboration: Share = Field(description="share of partners that start in collaboration")

    @model_validator(mode="after")
    def _sums_to_one(self) -> Mix:
        check_sum({name: getattr(self, name) for name in STRATEGIES})
        return self


class Initial(Group):
    """The partners' first strategies."""

    mix: Mix
    strategies: Strategies | None = Field(description="each partner's first strategy; null: drawn from the mix")


class Population(Group):
    """Who is simulated, and for how long."""

    partners: Annotated[Whole, Field(ge=2, le=32, description="partners per alliance, N")]
    alliances: Annotated[Whole, Field(ge=1, lt=2**63, description="independent alliances per point")]
    periods: Annotated[Whole, Field(ge=1, le=10**6, description="periods each alliance is followed, T")]
    initial: Initial
    coupling: Literal["sampled", "weakest", "majority", "partner_specific"] = Field(
        description="whom a partner answers: another at random, the one that gains most over it, the plurality, or each "
        "with a strategy of its own"
    )
    exit_rate: Probability = Field(description="probability per period that a partner in avoidance leaves")

    @model_validator(mode="after")
    def _one_strategy_each(self) -> Population:
        given = self.initial.strategies
        if given is not None and len(given) != self.partners:
            raise refuse(
                f"must name {self.partners} strategies, one for each partner; got {len(given)}", "initial.strategies"
            )
        return self


class Thresholds(Group):
    """What the drivers of a proposition must pass; null: the theory's own."""

    P6: Threshold | None = Field(description="what stakes and prior interaction must pass (accommodation opens up)")
    P7: Threshold | None = Field(description="what trust, orientation and prior interaction must pass (competition)")
    P8: Threshold | None = Field(description="what stakes, trust and prior interaction must pass (compromise)")
    P9: Threshold | None = Field(description="what trust and orientation must pass (collaboration lasts)")


class Response(Group):
    """How partners answer each other (Larsson et al. 1998, Propositions 1-9)."""

    theory_mix: Theories = Field(description="response theory, or shares of partners by theory; they sum to 1")
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
    instrumentality: Probability = Field(
        description="probability that accommodation facing accommodation, not empowered, turns to competition or avoidance"
    )


class Distribution(Group):
    """What start values or capacities are drawn from; keys of another distribution than the chosen one do not act."""

    distribution: Literal["constant", "beta", "uniform", "empirical"] = Field(
        description="all at the mean; beta; even between low and high; or one of the values"
    )
    mean: Share = Field(description="mean of constant and beta")
    concentration: Annotated[float, Field(ge=0.01, le=1e6)] = Field(
        description="sum of the two parameters of beta: the larger, the closer to the mean"
    )
    low: Share = Field(description="smallest value of uniform")
    high: Share = Field(description="largest value of uniform")
    values: Values | None = Field(description="values of empirical, all equally likely")
    level: Literal["alliance", "partner", "pair"] = Field(description="one draw per alliance, partner or pair")

    @model_validator(mode="after")
    def _can_be_drawn(self) -> Distribution:
        if self.distribution == "empirical" and self.values is None:
            raise refuse("distribution empirical needs values, a list of 1 to 65535 numbers in [0, 1]", "values")
        if self.distribution == "uniform" and self.low > self.high:
            raise refuse(f"distribution uniform needs low of at most high, which is {self.high:g}", "low")
        return self


class SharedDistribution(Distribution):
    """A distribution of what all partners of an alliance share."""

    level: Literal["alliance"] = Field(description="one draw per alliance")


class Dynamics(Group):
    """How the context moves; none of it acts with context=static."""

    trust_gain: Share = Field(description="growth of trust per period of full openness of the counterpart")
    trust_loss: Share = Field(description="loss of trust per unit given more than got")
    suspicion: Share = Field(description="loss of trust where the counterpart takes without giving")
    prior_gain: Share = Field(description="growth of prior interaction per period of full mutual disclosure")
    prior_loss: Share = Field(description="decay of prior interaction in a period without any")
    stakes_rate: Share = Field(description="speed at which stakes follow the joint pie")


class Endgame(Group):
    """The end of the shadow of the future."""

    horizon: Annotated[float, Field(ge=1)] | None = Field(description="period at which the future ends; null: never")
    window: Annotated[float, Field(ge=0.001)] = Field(description="periods before the horizon over which it fades")


class Context(Group):
    """The four empowering factors: stakes, trust, long-term orientation (level alliance only), prior interaction."""

    kind: Literal["endogenous", "static"] = Field(description="whether trust, stakes and prior interaction move")
    stakes: Distribution
    trust: Distribution
    orientation: SharedDistribution
    prior: Distribution
    dynamics: Dynamics
    endgame: Endgame
    calculative_share: Share = Field(description="share of calculative trust (stakes x orientation) in trust")


class Ability(Group):
    """What partners can absorb, disclose and create (Inkpen's conditions; Selnes & Sallis on trust)."""

    absorptive: Distribution
    communicative: Distribution
    connections: Share = Field(description="knowledge connections between partners; scales absorptive capacity")
    relatedness: Share = Field(description="relatedness of the alliance's knowledge; scales absorptive capacity")
    alignment: Share = Field(description="alignment of cultures; scales absorptive capacity")
    distance: Share | None = Field(
        description="distance of the knowledge bases: hinders absorption, makes what is created novel; null: neither"
    )
    slack: Annotated[float, Field(ge=0.001, le=1e9)] | None = Field(
        description="capacity to learn from all others together, in units of full receptivity to one; null: no limit"
    )
    trust_cost: Share = Field(description="share of creation lost at full trust")
    trust_optimum: Annotated[float, Field(ge=0, le=0.999)] = Field(description="trust above which creation suffers")
    moderate: Share = Field(description="receptivity and transparency of compromise, m")
    creation: Share = Field(description="knowledge created per unit transferred, gamma")


class Race(Group):
    """The race to learn (Hamel, in Larsson et al. 1998)."""

    scope: Annotated[float, Field(ge=0.001, le=1e9)] | None = Field(
        description="knowledge a partner has to give, in periods of full transfer; null: inexhaustible"
    )
    renewal: Share = Field(description="new knowledge to learn, per unit created together")
    power_scale: Annotated[float, Field(ge=1e-6, le=1e9)] = Field(
        description="lead in cumulative learning that gives half of full power"
    )
    temptation: Annotated[float, Field(ge=0, le=100)] = Field(
        description="added to thresholds per unit of power over the counterpart"
    )
    forced_disclosure: Share = Field(description="share of what a partner holds back that full power over it brings out")
    satiation: Probability = Field(description="probability per period that a partner with nothing left to learn avoids")


class Weights(Group):
    """What a review weighs; not all 0."""

    efficiency: Weight = Field(description="weight of learning over the phase's maximum")
    equity: Weight = Field(description="weight of an even distribution of learning")
    adaptability: Weight = Field(description="weight of the share of responses that were empowered")

    @model_validator(mode="after")
    def _some_weight(self) -> Weights:
        if not self.efficiency + self.equity + self.adaptability > 0:
            raise refuse("at least one weight must be above 0")
        return self


class Phase(Group):
    """What one phase of an alliance does, after Iyer's Table 1."""

    openness: Annotated[float, Field(ge=0.001, le=1)] = Field(description="factor of disclosure: protection falls")
    mutuality: Annotated[float, Field(ge=0, le=2)] = Field(description="factor of creation: learning becomes mutual")
    environment: Share = Field(description="share of learning about the environment")
    task: Share = Field(description="share of learning about the task")
    process: Share = Field(description="share of learning about the process")
    skills: Share = Field(description="share of learning about skills")
    goals: Share = Field(description="share of learning about goals")
    readiness: Share | None = Field(description="readiness needed for the next phase; null: the last one")


class Table(Group):
    """The phases, in order."""

    awareness: Phase
    exploration: Phase
    expansion: Phase
    commitment: Phase


class Phases(Group):
    """Phases of an alliance and the reviews between them (Iyer 2002; Doz 1996 and Inkpen 1998 via Serrat)."""

    kind: Literal["none", "iyer2002"] = Field(description="whether alliances pass through phases")
    review_every: Annotated[Whole, Field(ge=1, le=10**6, description="periods between two reviews")]
    advance: Share = Field(description="review that leads to the next phase, where readiness allows")
    fail: Share = Field(description="review below which an alliance may dissolve; at most advance")
    break_rate: Probability = Field(description="probability that an alliance dissolves at a failed review")
    readjustment: Share = Field(description="how far a review moves stakes and trust")
    weights: Weights
    table: Table

    @model_validator(mode="after")
    def _fails_below(self) -> Phases:
        if self.fail > self.advance:
            raise refuse(f"must be at most phases.advance, which is {self.advance:g}", "fail")
        return self


class Parameters(Group):
    """The parameters of one point."""

    population: Population
    response: Response
    context: Context
    ability: Ability
    race: Race
    phases: Phases


#: Top-level groups that hold the parameters of a point; only their keys can be factors.
POINT_GROUPS: tuple[str, ...] = tuple(Parameters.model_fields)
