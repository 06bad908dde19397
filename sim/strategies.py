"""The five learning strategies and the twelve regimes of a pair (model sections 1 and 6).

Larsson, Bengtsson, Henriksson & Sparks (1998), Figure 1, define a strategy by its *receptivity* (how much a partner
absorbs) and its *transparency* (how much it discloses); Figures 3 and 4 name the regimes two strategies form.
Everywhere in the program a strategy is its code, an index into `STRATEGIES`.
"""

from __future__ import annotations

STRATEGIES: tuple[str, ...] = ("avoidance", "accommodation", "compromise", "competition", "collaboration")
AVOIDANCE, ACCOMMODATION, COMPROMISE, COMPETITION, COLLABORATION = range(5)

#: Name of a regime -> the codes of the two strategies that form it, in either order. ``withdrawal`` (one avoids) is the
#: only regime formed by several pairs and is listed apart.
REGIME_PAIRS: dict[str, tuple[int, int]] = {
    "integration": (COLLABORATION, COLLABORATION),
    "moderation": (COMPROMISE, COMPROMISE),
    "deadlock": (COMPETITION, COMPETITION),
    "symbolic": (ACCOMMODATION, ACCOMMODATION),
    "asymmetric_contribution": (COLLABORATION, COMPROMISE),
    "friendly_exploitation": (COLLABORATION, ACCOMMODATION),
    "exploitation": (COLLABORATION, COMPETITION),
    "partial_exploitation": (COMPROMISE, COMPETITION),
    "partial_accommodation": (COMPROMISE, ACCOMMODATION),
    "blatant_exploitation": (COMPETITION, ACCOMMODATION),
}
REGIMES: tuple[str, ...] = (*REGIME_PAIRS, "withdrawal", "disintegration")


def regime_of(own: int, other: int) -> str:
    """Name of the regime that a pair of strategies forms.

    Parameters
    ----------
    own, other : strategy codes, 0 to 4; their order does not matter.

    Examples
    --------
    >>> regime_of(COMPETITION, COLLABORATION)
    'exploitation'
    """
    if AVOIDANCE in (own, other):
        return "disintegration" if own == other else "withdrawal"
    return next(name for name, pair in REGIME_PAIRS.items() if {own, other} == set(pair))
