"""The curves of a design over one factor, and where each is highest: what studies of an optimum share."""

from __future__ import annotations

import itertools
import json
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from analysis.drawing import band
from analysis.figures import HALO
from analysis.optimum import FEWEST, Optimum, optimum
from analysis.summaries import AnalysisError, MissingVariable, ends, factors, flat

WHY = {
    "rises": "the more the better",
    "falls": "the less the better",
    "flat": "no level stands out",
    "no values": "no values",
}


class Curve(NamedTuple):
    """One curve: `at` are the levels of the other factors."""

    at: dict[str, Any]
    x: np.ndarray
    y: np.ndarray
    error: np.ndarray
    best: Optimum


def curves(ds: xr.Dataset, main: str, others: tuple[str, ...], variable: str) -> list[Curve]:
    """A variable over factor `main`, at its last period if it has periods, for each combination of the other factors.

    Raises
    ------
    AnalysisError : another design; the points share random numbers; or `main` has too few levels.
    MissingVariable : `variable` is not in the dataset.
    """
    ds = flat(ds)
    found = factors(ds) if ds.sizes["point"] else {}
    more = [o for o, levels in found.items() if len(levels) > 1 and o not in (main, *others)]
    if {main, *others} - set(found) or more:
        raise AnalysisError(f"needs the factors {', '.join((main, *others))} and no other, at some finished points")
    if found[main].dtype.kind not in "iuf" or len(found[main]) < FEWEST:
        raise AnalysisError(f"{main} needs numbers, {FEWEST} or more, as levels")
    if json.loads(ds.attrs.get("config", "{}")).get("random", {}).get("common", False):
        raise AnalysisError("intervals of an optimum need independent levels; set random.common=false")
    if variable not in ds:
        raise MissingVariable(variable)
    source = ends(ds, [variable]) if "period" in ds[variable].dims else ds
    made = []
    for combination in itertools.product(*(found[o].tolist() for o in others)):
        at = dict(zip(others, combination, strict=True))
        here = np.all([source[o].values == level for o, level in at.items()], axis=0)
        own = source.isel(point=np.flatnonzero(here)).sortby(main)
        x, y, error = (own[name].values for name in (main, variable, f"{variable}_se"))
        made.append(Curve(at, x, y, error, optimum(x, y, error)))
    return made


def pick(made: list[Curve], **at: Any) -> Curve:
    """The curve at some levels of the other factors; KeyError: there is none, or more than one."""
    found = [curve for curve in made if all(curve.at[o] == level for o, level in at.items())]
    if len(found) != 1:
        raise KeyError(at)
    return found[0]


def row(curve: Curve, what: str) -> dict[str, object]:
    """A line of the CSV."""
    best = curve.best
    return {**curve.at, "what": what, "optimum": best.estimate, "low": best.low, "high": best.high, "reason": best.reason,
            "value": best.value, "value_se": best.error, "first": float(curve.y[0]), "first_se": float(curve.error[0]),
            "last": float(curve.y[-1]), "last_se": float(curve.error[-1])}  # fmt: skip


def place(best: Optimum) -> str:
    """``.25 [.24, .26]``, or why there is none."""
    return f"{best.estimate:.3f} [{best.low:.3f}, {best.high:.3f}]" if best.inside else WHY[best.reason]


def draw(axes: Any, curve: Curve, label: str, **style: Any) -> None:
    """The curve with its band; a dot where it is highest, a bar for the interval of the place."""
    band(axes, curve.x, curve.y, curve.error, label=label, **style)
    best = curve.best
    if best.inside:
        reach = [[max(0.0, best.estimate - best.low)], [max(0.0, best.high - best.estimate)]]
        axes.errorbar([best.estimate], [best.value], xerr=reach, fmt="o", color=style["color"], markersize=5.5, zorder=5,
                      markeredgecolor="white", elinewidth=2.4, path_effects=HALO)  # fmt: skip
