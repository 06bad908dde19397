"""What a saved dataset says at the end of its runs: values, the level of a factor that is needed, tables.

Only labelled datasets are read (dim ``point``, or the cube of `sim.open_results`). Standard errors are those of the
Monte Carlo: how far a number may be from what infinitely many alliances would give, nothing else.
"""

from __future__ import annotations

import itertools
import json
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from sim.variables import BY_NAME, DIMS, RESERVED

LEVEL, TEXT_WIDTH, TEXT_ROWS, POINT_ROWS = 0.5, 100, 15, 20
MEANING = {"needed": "{0} at which {1} reaches the level", "reason": "how {1} passes the level", "times": "crossings",
           "low": "{1} at the lowest {0}", "high": "{1} at the highest {0}", "extra": "{0} needed more than at the first",
           "extra_least": "{0} needed more than at the first, at least"}  # fmt: skip


class AnalysisError(ValueError):
    """No summary can be made of a dataset; the message is one line and says why."""


class MissingVariable(AnalysisError):
    """A variable is needed that the dataset does not hold (``output.variables`` left it out)."""

    def __init__(self, *names: str) -> None:
        super().__init__(f"{' or '.join(names)} is needed, but is not in the dataset; add it to output.variables")


class Crossing(NamedTuple):
    """Where a curve passes a level: `crossing`."""

    estimate: float
    error: float
    reason: str
    times: int


def flat(ds: xr.Dataset) -> xr.Dataset:
    """A dataset with dim ``point`` and finished points only, from a store or a cube of `sim.open_results`."""
    if "point" not in ds.dims:
        axes = [str(d) for d in ds.dims if d not in DIMS]
        wide, ds = ds, ds.stack(point=axes).reset_index("point") if axes else ds.expand_dims("point")
        for axis in axes:
            ds[axis].attrs = wide[axis].attrs
        ds = ds.transpose("point", ...)
    return ds if "done" not in ds else ds.isel(point=np.flatnonzero(ds["done"].values == 1))


def factors(ds: xr.Dataset) -> dict[str, np.ndarray]:
    """Levels of each factor of a flat dataset: numbers ascending, names in order of appearance."""
    found = {}
    for label in dict.fromkeys([*json.loads(ds.attrs.get("factors", "[]")), *map(str, ds.coords)]):
        if label in ds.coords and ds[label].dims == ("point",) and label not in RESERVED:
            values = ds[label].values
            numeric = values.dtype.kind in "iuf"
            found[label] = np.unique(values) if numeric else np.array(list(dict.fromkeys(values.tolist())))
    return found


def roles(ds: xr.Dataset) -> tuple[str, tuple[str, ...]] | None:
    """The factor along which to look, and the others; None where the points do not form curves along a factor.

    Parameters
    ----------
    ds : flat. Each combination of levels is there once at most, with at least 3 levels of the main factor for every
        combination of the others that is there at all; factors of one level do not count.

    Returns
    -------
    (main, others) : main is the numeric factor with most levels, at least 3. The last of the others is the one to
        contrast: ``partners``, or else the factor with fewest levels.
    """
    levels = {label: found for label, found in factors(ds).items() if len(found) > 1}
    main = max((o for o in levels if levels[o].dtype.kind in "iuf"), key=lambda o: len(levels[o]), default=None)
    if main is None:
        return None
    others = sorted((o for o in levels if o != main), key=lambda o: (o == "partners", -len(levels[o])))
    curves = Counter(zip([0] * ds.sizes["point"], *(ds[o].values.tolist() for o in others), strict=True))
    points = set(zip(*(ds[o].values.tolist() for o in levels), strict=True))
    return (main, tuple(others)) if min(curves.values()) >= 3 and len(points) == ds.sizes["point"] else None


def by_period(ds: xr.Dataset) -> list[str]:
    """Recorded variables by period that are in a dataset, with their standard errors."""
    return [str(n) for n in ds.data_vars if "period" in ds[n].dims and n in BY_NAME and f"{n}_se" in ds]


def ends(ds: xr.Dataset, names: Sequence[str] | None = None) -> xr.Dataset:
    """Values at the last period of each point, which need not be the same for all.

    Parameters
    ----------
    ds : dataset of a run.
    names : variables by period; default: all that are there. Their standard errors come along.

    Returns
    -------
    xarray.Dataset : the variables without dim ``period``, which becomes a coordinate of ``point``; units as before.

    Raises
    ------
    MissingVariable : one of `names` is not in the dataset.
    """
    ds = flat(ds)
    known = by_period(ds)
    missing = [name for name in names or known or ["a variable by period"] if name not in known]
    if missing:
        raise MissingVariable(*missing)
    # NaN beyond a point's own last period; only efficiency and inequity can be NaN before it.
    probe = min(known, key=lambda n: (BY_NAME[n].number is not None, len(BY_NAME[n].dims)))
    present = ds[probe].notnull().any([d for d in ds[probe].dims if d not in ("point", "period")])
    last = ds.sizes["period"] - 1 - np.argmax(present.transpose("point", "period").values[:, ::-1], axis=1)
    wanted = [f"{name}{end}" for name in names or known for end in ("", "_se")]
    return ds[wanted].isel(period=xr.DataArray(last, dims="point")).load()


def crossing(x: np.ndarray, y: np.ndarray, y_se: np.ndarray, level: float = LEVEL, correlation: float = 1.0) -> Crossing:
    """Where a curve crosses a level for good.

    Of several crossings the last is taken: from there on the curve stays on the side on which it ends. It is found by
    linear interpolation between the two neighbouring points. The standard error follows by the delta method from
    theirs, ``sqrt(u^2 + v^2 + 2 correlation u v)`` with ``u = |d estimate / d y0| se0``, v alike; curvature between
    the points is not in it, nor is the choice between several crossings. Both derivatives have one sign, so that points
    that share random numbers (``random.common``) make it larger, up to ``u + v``. That bound is the default, as a dataset
    need not hold the correlation; it holds for independent points too, where it is at most 41 % too large.

    Parameters
    ----------
    x : (points,) levels of a factor, in any order.  y, y_se : (points,) values and standard errors; NaN: no value.
    level : what y is compared with; equal counts as reached.
    correlation : of neighbouring y, in [0, 1].

    Returns
    -------
    Crossing : `estimate` and `error` in units of x, NaN where there is none; `reason` is ``rises`` or ``falls`` (to
        the side on which the curve ends), ``below`` or ``above`` (everywhere), or ``no values`` (fewer than two);
        `times`, how often the curve crosses.

    Examples
    --------
    >>> crossing(np.array([0.0, 1.0]), np.array([0.25, 0.75]), np.array([0.05, 0.05])).estimate
    0.5
    """
    order = np.argsort(x)
    order = order[np.isfinite(x[order]) & np.isfinite(y[order])]
    if order.size < 2:
        return Crossing(np.nan, np.nan, "no values", 0)
    reached = y[order] >= level
    changes = np.flatnonzero(reached[1:] != reached[:-1])
    if changes.size == 0:
        return Crossing(np.nan, np.nan, "above" if reached[-1] else "below", 0)
    a, b = order[changes[-1]], order[changes[-1] + 1]
    rise, width = y[b] - y[a], x[b] - x[a]
    u, v = np.abs(width / rise**2 * np.array([(y[b] - level) * y_se[a], (level - y[a]) * y_se[b]]))
    error = np.sqrt(u * u + v * v + 2.0 * correlation * u * v)
    estimate = x[a] + width * (level - y[a]) / rise
    return Crossing(float(estimate), float(error), "rises" if reached[-1] else "falls", int(changes.size))


def threshold_table(
    ds: xr.Dataset, factor: str | None = None, level: float = LEVEL, variable: str = "survival"
) -> xr.Dataset:
    """The value of a factor at which a variable at the end reaches a level, for each combination of the others.

    Parameters
    ----------
    ds : a factorial design.  factor : numeric, at least 3 levels; default: the one with most.
    level : in units of the variable.  variable : one by period, without further dims.

    Returns
    -------
    xarray.Dataset : one dim for each other factor. `needed`, `needed_se`, `reason` and `times` as in `crossing`; `low`,
        `high` and their errors: the variable at the lowest and highest level of the factor. `extra`: `needed` less that
        at the first level of the last dim (``partners`` if there). Its error adds both as if independent, too large
        where they share random numbers to the same effect; no gain by pairing is claimed. `extra_least`: where the
        factor's whole range does not suffice, but would at the first level, how much is missing at least.

    Raises
    ------
    AnalysisError : no such design or factor.  MissingVariable : the variable is not in the dataset.
    """
    end = ends(ds, [variable])
    if end[variable].dims != ("point",):
        raise AnalysisError(f"{variable} has further dims than the period; choose one without")
    found, levels = roles(end), factors(end)
    if found is None:
        raise AnalysisError("the points form no curves along a numeric factor of at least 3 levels")
    main, every = factor or found[0], (found[0], *found[1])
    if main not in every or levels[main].dtype.kind not in "iuf" or len(levels[main]) < 3:
        raise AnalysisError(f"{main!r} is no numeric factor with 3 levels or more; there are {', '.join(levels)}")
    others = [o for o in every if o != main]
    curves, errors = np.full((2, *(len(levels[o]) for o in (*others, main))), np.nan)
    index = {o: {level: k for k, level in enumerate(levels[o].tolist())} for o in every}
    where = tuple(np.array([index[o][v] for v in end[o].values.tolist()]) for o in (*others, main))
    curves[where], errors[where] = end[variable].values, end[f"{variable}_se"].values
    shape = curves.shape[:-1]
    cells = [crossing(levels[main], curves[at], errors[at], level) for at in np.ndindex(shape)]
    names = ("needed", "needed_se", "reason", "times")
    columns = {name: np.array(c).reshape(shape) for name, c in zip(names, zip(*cells, strict=True), strict=True)}
    columns |= {"low": curves[..., 0], "low_se": errors[..., 0], "high": curves[..., -1], "high_se": errors[..., -1]}
    if others:
        needed, error, reason = columns["needed"], columns["needed_se"], columns["reason"]
        alike, first = reason == reason[..., :1], np.arange(shape[-1]) == 0
        columns["extra"] = np.where(alike, needed - needed[..., :1], np.nan)
        columns["extra_se"] = np.where(alike, np.hypot(error, error[..., :1]) * ~first, np.nan)
        short = (reason == "below") & (reason[..., :1] == "rises") & np.isfinite(columns["high"])
        columns["extra_least"] = np.where(short, levels[main][-1] - needed[..., :1], np.nan)
    data = {k: (others, v, {"long_name": MEANING[k.removesuffix("_se")].format(main, variable)}) for k, v in columns.items()}
    attrs = {"factor": main, "variable": variable, "level": level, "lowest": levels[main][0], "highest": levels[main][-1]}
    return xr.Dataset(data, coords={o: (o, levels[o], end[o].attrs) for o in others}, attrs=attrs)


def with_error(value: float, error: float, most: int = 5) -> str:
    """``value (error)``, rounded to two digits of the error and at most `most` decimals; nothing for NaN."""
    if not (np.isfinite(value) and error > 0.0):
        return f"{value:.4g}" if np.isfinite(value) else ""
    digits = min(most, max(0, 1 - int(np.floor(np.log10(float(f"{error:.1e}"))))))
    return f"{value:.{digits}f} ({error:.{digits}f})"


def word(value: object) -> str:
    """A level as one writes it."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def table(ds: xr.Dataset) -> str:
    """The answer as plain text, about 20 lines of at most 100 columns, standard errors in brackets.

    Parameters
    ----------
    ds : dataset of a run. A factorial design with a numeric factor of at least 3 levels: what of it is needed for half of
        the alliances to survive (`threshold_table`). Any other: survival, learning, commonest strategies at each end.
    """
    ds = flat(ds)
    if not ds.sizes["point"]:
        return "no point is finished yet"
    return _thresholds(ds) if "survival" in by_period(ds) and roles(ds) is not None else _points(ds)


def _thresholds(ds: xr.Dataset) -> str:
    found, periods = threshold_table(ds), np.unique(ends(ds, ["survival"])["period"].values)
    (main, low, high), dims = (found.attrs[k] for k in ("factor", "lowest", "highest")), list(map(str, found["needed"].dims))
    header, lines = (
        [*dims, f"{main} needed", f"survival at {main} {low:g}", f"at {main} {high:g}", *(["extra"] if dims else [])],
        [],
    )
    for at in itertools.islice(np.ndindex(*found["needed"].shape), TEXT_ROWS):
        cell = found.isel(dict(zip(dims, at, strict=True)))
        value = {str(k): cell[k].item() for k in cell.variables}
        why = f"always {value['reason']}" if value["reason"] in ("below", "above") else value["reason"]
        needed = with_error(value["needed"], value["needed_se"]) or why
        needed += " falls" * (value["reason"] == "falls") + " *" * (value["times"] > 1)
        line = [*(word(value[d]) for d in dims), needed]
        line += [with_error(value[k], value[f"{k}_se"], 4) for k in ("low", "high")]
        if dims and at[-1] > 0:
            least = f"> {value['extra_least']:.3f}" if np.isfinite(value["extra_least"]) else ""
            line.append(with_error(value["extra"], value["extra_se"]) or least)
        lines.append(line)
    said = [f"always {r}: {r} one half at every level" for r in ("below", "above") if (found["reason"] == r).any()]
    said += ["falls: half survive below it, not above"] * bool((found["reason"] == "falls").any())
    said += ["*: crosses more than once, the last is given"] * bool((found["times"] > 1).any())
    said += [f"extra: {main} needed over {dims[-1]} = {word(found[dims[-1]].values[0].item())}"] if dims else []
    until = f"{periods[0]} periods" if periods.size == 1 else "to the end"
    title = f"{main} at which half of the alliances survive {until} (standard error)"
    return _text(title, header, lines, found["needed"].size - TEXT_ROWS, "; ".join(said))


def _points(ds: xr.Dataset) -> str:
    names = [n for n in ("survival", "learning") if n in by_period(ds)]
    if not (names or "strategy_share" in by_period(ds)):
        return f"{ds.sizes['point']} points; survival, learning and strategy_share are not in the dataset"
    end, labels, lines = ends(ds.isel(point=slice(POINT_ROWS))), list(factors(ds)), []
    for k in range(end.sizes["point"]):
        at = end.isel(point=k)
        line = [*(word(at[o].item()) for o in labels), *(with_error(at[n].item(), at[f"{n}_se"].item()) for n in names)]
        if "strategy_share" in end:
            for s in np.argsort(-at["strategy_share"].values, kind="stable")[:2]:
                share, error = at["strategy_share"][s].item(), at["strategy_share_se"][s].item()
                line.append(f"{at['strategy'][s].item()} {with_error(share, error, 4)}")
        lines.append(line)
    header = [*labels, *names, *(["commonest strategy", "next"] if "strategy_share" in end else [])]
    return _text("at the end of each point (standard error)", header, lines, ds.sizes["point"] - POINT_ROWS)


def _text(title: str, header: list[str], lines: list[list[str]], left: int, notes: str = "") -> str:
    """Aligned columns, as many as fit, and how many lines are `left` out."""
    shown = [[*(cell[:32] for cell in line), *[""] * (len(header) - len(line))] for line in [header, *lines]]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    while len(widths) > 1 and sum(widths) + 2 * (len(widths) - 1) > TEXT_WIDTH:
        widths.pop()
    body = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=False)).rstrip()[:TEXT_WIDTH] for line in shown]
    more = [f"... and {left} more in the CSV"] if left > 0 else []
    return "\n".join([title, *body, *more, *textwrap.wrap(notes, TEXT_WIDTH)])
