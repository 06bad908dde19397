"""The propositions of Larsson et al. (1998) as claims about what partners do next, and how they are measured.

A claim is judged by strategies alone: by what partners had and what they changed to, never by the label of a decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from analysis.moves import AC, AV, CL, CM, CP
from sim.strategies import STRATEGIES

FACTORS = ("stakes", "trust", "orientation", "prior")
#: A difference this small counts as none, where the paper says none.
MARGIN = 0.02

#: What a finding predicts, in words: of its second share against the first.
WORDS = {1: "rises", -1: "falls", 0: "same"}

Pair = tuple[int, int]


class Claim(NamedTuple):
    """What a proposition says of one combination: who (the partners in `own`) adopts what next, and what drives it.

    `others` : what the other partner adopts where the proposition speaks of both; then both must.
    """

    proposition: str
    start: Pair
    own: int
    adopts: int
    others: int | None = None
    drivers: tuple[str, ...] = ()


BARRIERS = (
    Claim("1a", (CL, CL), CL, CP), Claim("1a", (CL, CM), CM, CP), Claim("1b", (CL, AC), AC, AV),
    Claim("2a", (CL, CP), CL, CP), Claim("2a", (CP, CM), CM, CP), Claim("2b", (CP, CP), CP, AV),
    Claim("2b", (CP, AC), AC, AV), Claim("3a", (CM, CM), CM, CM), Claim("3b", (CM, AC), AC, AV),
    Claim("4", (AC, AC), AC, AC), Claim("5", (CL, AV), CL, AV), Claim("5", (CP, AV), CP, AV),
    Claim("5", (CM, AV), CM, AV), Claim("5", (AC, AV), AC, AV),
)  # fmt: skip
#: Both organizations in Propositions 7a, 8 and 9; "the ... organization(s)" in 6 and 7b.
EMPOWERING = (
    Claim("6a", (CL, AC), AC, CL, None, ("stakes", "prior")), Claim("6b", (CM, AC), AC, CM, None, ("stakes", "prior")),
    Claim("6b", (AC, AC), AC, CM, None, ("stakes", "prior")),
    Claim("7a", (CL, CP), CP, CM, CM, ("trust", "orientation", "prior")),
    Claim("7b", (CP, CM), CP, CM, None, ("trust", "orientation", "prior")),
    Claim("7b", (CP, CP), CP, CM, None, ("trust", "orientation", "prior")),
    Claim("8", (CL, CM), CM, CL, CL, ("stakes", "trust", "prior")),
    Claim("8", (CM, CM), CM, CL, CL, ("stakes", "trust", "prior")),
    Claim("9", (CL, CL), CL, CL, CL, ("trust", "orientation")),
)  # fmt: skip
#: Combinations of `BARRIERS` from which Propositions 6 to 9 know a way up for the partner in question, or for both; in the
#: others no circumstance should matter.
GIVES_WAY = {(c.start, c.own) for c in EMPOWERING} | {((CL, CP), CL), ((CP, CM), CM)}


@dataclass(frozen=True)
class Finding:
    """One row of the table: two shares of alliances, or of partners in question, and their paired difference.

    contrast : ``tends`` (commonest alternative, then as proposed, drivers low), ``circumstances`` (as proposed with
        drivers low, then high).  driver : which.  predicted : +1, -1 or 0.
    """

    claim: Claim
    contrast: str
    driver: str
    predicted: int
    low: float
    high: float
    difference: float
    error: float
    alternative: str = ""

    def interval(self, z: float) -> tuple[float, float]:
        """The difference less and plus `z` standard errors."""
        return self.difference - z * self.error, self.difference + z * self.error

    def verdict(self, z: float) -> str:
        """supported, opposite, no difference, or not supported (undecided), by an interval of `z` standard errors."""
        lower, upper = self.interval(z)
        none = max(-lower, upper) < MARGIN
        if self.predicted == 0:
            return "supported" if none else "not supported"
        if lower > 0 or upper < 0:
            return "supported" if (lower > 0) == (self.predicted > 0) else "opposite"
        return "no difference" if none else "not supported"


def responses(strategies: np.ndarray) -> np.ndarray:
    """What each partner's first change was to; its first strategy where it never changed: int8[alliances, 2].

    Parameters
    ----------
    strategies : int8[alliances, periods + 1, 2].
    """
    changed = strategies != strategies[:, :1]
    at = np.where(changed.any(axis=1), changed.argmax(axis=1), 0)
    return np.asarray(np.take_along_axis(strategies, at[:, None, :], axis=1)[:, 0])


def as_proposed(claim: Claim, first: np.ndarray, then: np.ndarray, adopts: int | None = None) -> np.ndarray:
    """For each alliance, the share of the partners in question that did as proposed; 0 or 1 where both must.

    Parameters
    ----------
    first, then : int8[alliances, 2], strategies at the start and by `responses`.
    adopts : in place of what the claim says.
    """
    own = first == claim.own
    if claim.others is None:
        did = then == (claim.adopts if adopts is None else adopts)
        return np.asarray((did & own).sum(axis=1) / own.sum(axis=1))
    return np.asarray(np.where(own, then == claim.adopts, then == claim.others).all(axis=1).astype(float))


def difference(low: np.ndarray, high: np.ndarray) -> tuple[float, float]:
    """Mean paired difference and its standard error, one more alliance of either extreme added.

    These two (Agresti and Min's adjustment for paired shares) keep the error above 0 where all alliances agree.
    """
    d = np.append(high - low, (1.0, -1.0))
    return float(d.mean()), float(d.std(ddof=1) / np.sqrt(d.size))


def findings(read: Mapping[tuple[Pair, str], tuple[np.ndarray, np.ndarray]]) -> list[Finding]:
    """All rows of the table.

    Parameters
    ----------
    read : (start, setting) -> strategies of the alliances at the start and by `responses`. The same rows of different
        settings are the same alliances, with the same draws. Settings are ``all low``, ``all high``, ``trust low`` ...
    """
    found = []
    for claim in BARRIERS:
        low, high = (as_proposed(claim, *read[claim.start, f"all {level}"]) for level in ("low", "high"))
        first, then = read[claim.start, "all low"]
        other = {s: as_proposed(claim, first, then, s) for s in range(5) if s != claim.adopts}
        next_best = max(other, key=lambda s: float(other[s].mean()))
        d = difference(other[next_best], low)
        found.append(Finding(claim, "tends", "", 1, other[next_best].mean(), low.mean(), *d, STRATEGIES[next_best]))
        predicted = -1 if (claim.start, claim.own) in GIVES_WAY else 0
        found.append(Finding(claim, "circumstances", "all", predicted, low.mean(), high.mean(), *difference(low, high)))
    for claim in EMPOWERING:
        for driver in (*FACTORS, "all"):
            low, high = (as_proposed(claim, *read[claim.start, f"{driver} {level}"]) for level in ("low", "high"))
            predicted = int(driver == "all" or driver in claim.drivers)
            found.append(Finding(claim, "circumstances", driver, predicted, low.mean(), high.mean(), *difference(low, high)))
    return found
