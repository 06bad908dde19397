"""Formulas of abilities and of the race to learn (model section 5): scalar functions in float32, as in `sim.equations`.

Neutral values leave the base model's bits as they are: abilities 1, no distance, infinite slack and scope.
"""

from __future__ import annotations

from typing import Any

from sim.equations import ONE, TWO, ZERO
from sim.jit import formula


@formula
def absorptive_start(absorptive: Any, connections: Any, relatedness: Any, alignment: Any) -> Any:
    """alpha0 = absorptive connections relatedness alignment: Inkpen's three conditions."""
    return absorptive * connections * relatedness * alignment


@formula
def with_memory(start: Any, prior: Any) -> Any:
    """start + (1 - start) pi: relational memory fills what an ability lacks; kappa_ij, and the first factor of alpha_ij."""
    return start + (ONE - start) * prior


@formula
def spare(slack: Any, others: Any) -> Any:
    """min(1, slack/(n - 1)): the share of full receptivity left for each of `others` = n - 1 active counterparts."""
    share = slack / others
    return share if share < ONE else ONE


@formula
def closeness(distance: Any) -> Any:
    """1 - distance: what partners of different knowledge bases can still absorb from each other."""
    return ONE - distance


@formula
def novelty(distance: Any) -> Any:
    """2 distance: what different knowledge bases can create together."""
    return TWO * distance


@formula
def absorptive_capacity(start: Any, prior: Any, closeness_: Any, spare_: Any) -> Any:
    """alpha_ij = (alpha0 + (1 - alpha0) pi) (1 - distance) min(1, slack/(n - 1))."""
    return (start + (ONE - start) * prior) * closeness_ * spare_


@formula
def creation_capacity(
    creation_ability: Any, mutuality: Any, novelty_: Any, mean_trust: Any, trust_cost: Any, trust_optimum: Any
) -> Any:
    """gamma_ij = creation mu novelty (1 - trust_cost max(0, (taubar - optimum)/(1 - optimum))): high trust has a cost."""
    excess = (mean_trust - trust_optimum) / (ONE - trust_optimum)
    excess = excess if excess > ZERO else ZERO
    return creation_ability * mutuality * novelty_ * (ONE - trust_cost * excess)


@formula
def disclosure(transparency_: Any, communicative: Any, openness: Any) -> Any:
    """X_ij = chi(s_i) kappa_ij o: what i offers j; o: openness of the phase, else 1."""
    return transparency_ * communicative * openness


@formula
def forced(disclosure_: Any, power_ji: Any, communicative: Any, openness: Any, forced_disclosure: Any) -> Any:
    """X_ij + forced_disclosure max(0, P_ji) max(0, kappa_ij o - X_ij): a stronger partner extracts more, within ability."""
    advantage = power_ji if power_ji > ZERO else ZERO
    hidden = communicative * openness - disclosure_
    hidden = hidden if hidden > ZERO else ZERO
    return disclosure_ + forced_disclosure * advantage * hidden


@formula
def unlearnt_part(transfer_: Any, remaining_: Any) -> Any:
    """f_ij = min(X_ji, R_ij) q_ij: only what i has not yet internalised can still be learned."""
    return transfer_ * remaining_


@formula
def next_remaining(remaining_: Any, transfer_ij: Any, creation_ij: Any, scope: Any, renewal: Any) -> Any:
    """q_ij after a period: clip(q - f/scope + renewal g/scope, 0, 1); `scope` infinite: q stays."""
    value = remaining_ - transfer_ij / scope + renewal * creation_ij / scope
    value = value if value > ZERO else ZERO
    return value if value < ONE else ONE


@formula
def power(learned_ij: Any, learned_ji: Any, power_scale: Any) -> Any:
    """P_ij = D/(1 + |D|), D = (K_ij - K_ji)/power_scale: who has learned more depends less on the other; P_ji = -P_ij."""
    lead = (learned_ij - learned_ji) / power_scale
    return lead / (ONE + (lead if lead > ZERO else -lead))
