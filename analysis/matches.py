"""What partners of one response theory learn from partners of another, from runs with mixes of theories.

A partner draws its theory, so a run with a mix of two theories, A and B, holds alliances of A with A, A with B and B
with B. `learning_by_theory` averages over all alliances that have such a partner; as all counts are stored and runs of
each theory among its own say what A learns from A, what A learns from B follows. Two partners; every period recorded.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from analysis.summaries import AnalysisError, MissingVariable

NEEDED = ("learning", "cumulative_learning", "learning_by_theory")


class Match(NamedTuple):
    """Learning per period over the whole run of a partner of one theory in alliances with one of another.

    `error` is a Monte Carlo standard error, or a bound on it; `alliances` is how many such alliances there were.
    """

    learning: float
    error: float
    alliances: int


def present(ds: xr.Dataset) -> list[tuple[str, ...]]:
    """The theories that partners of each point follow.

    Raises
    ------
    AnalysisError : a variable of `NEEDED` is missing, or not every period was recorded.
    """
    if missing := [name for name in NEEDED if name not in ds]:
        raise MissingVariable(*missing)
    periods = ds["period"].values
    if len(periods) < 2 or (periods != np.arange(len(periods))).any():
        raise AnalysisError("every period is needed; set output.every=1")
    names, there = ds["theory"].values.tolist(), ds["learning_by_theory_n"].values[:, 1, :] > 0
    return [tuple(name for name, here in zip(names, row, strict=True) if here) for row in there]


def matches(ds: xr.Dataset) -> dict[tuple[str, str], Match]:
    """Every (own, other) that the points of a flat dataset allow.

    Parameters
    ----------
    ds : flat, its points the same but for the mix: one theory alone, or two. A match of two needs a point with both and,
        for either, a point with it alone.

    Returns
    -------
    dict : learning of `own` in alliances with `other`. Of one theory alone the error is that of the run. Of a match it
        is a bound: errors by period are averaged as if a partner's luck lasted all its life, and what the partners of
        one theory learn among themselves is taken from a separate sample of alliances.

    Raises
    ------
    AnalysisError : as `present`, or a theory is alone, or a pair together, in more than one point.
    """
    found: dict[tuple[str, str], Match] = {}
    mixes = present(ds)
    if len(set(mixes)) < len(mixes):
        raise AnalysisError("the same theories meet in more than one point; choose one level of every other factor")
    alone = {mix[0]: k for k, mix in enumerate(mixes) if len(mix) == 1}
    for name, k in alone.items():
        value, error = (float(ds[f"cumulative_learning{end}"].values[k]) for end in ("", "_se"))
        found[name, name] = Match(value, error, int(ds["alliances"].values[k]))
    for k, mix in enumerate(mixes):
        if len(mix) == 2 and set(mix) <= set(alone):
            for own, other in (mix, mix[::-1]):
                found[own, other] = _between(ds, k, own, other, alone[own])
    return found


def _between(ds: xr.Dataset, k: int, own: str, other: str, alone: int) -> Match:
    """`Match` of `own` with `other` in point `k`; `alone` is the point of `own` among its own."""
    by = {end: ds[f"learning_by_theory{end}"].isel(point=k, period=slice(1, None)) for end in ("", "_se", "_n")}
    total, with_own, with_other = (
        int(ds["alliances"].values[k]), *(int(by["_n"].sel(theory=name).values[0]) for name in (own, other))
    )  # fmt: skip
    same, mixed = total - with_other, with_own + with_other - total
    if mixed < 2 or same < 1:
        raise AnalysisError(f"too few alliances of {own} and {other}; raise population.alliances")
    mean, error = (by[end].sel(theory=own).values for end in ("", "_se"))
    own_mean, own_error = (ds[f"learning{end}"].values[alone, 1 : len(mean) + 1] for end in ("", "_se"))
    own_number = int(ds["alliances"].values[alone])
    learning = (with_own * mean - same * own_mean) / mixed
    # Squares about the mean split into those within the two kinds of alliances and those between.
    spread_own = own_number * own_error**2
    between = same * mixed / with_own * (own_mean - learning) ** 2
    within = (with_own - 1) * with_own * error**2 - max(0, same - 1) * spread_own - between
    spread = np.maximum(within, 0.0) / (mixed - 1)
    lasting = float(np.sqrt(spread / mixed).mean())
    borrowed = same / mixed * float(ds["cumulative_learning_se"].values[alone]) * np.sqrt(own_number / same + 1.0)
    return Match(float(learning.mean()), float(np.hypot(lasting, borrowed)), mixed)
