"""Which factors survival and learning depend on: Sobol indices at the end and over time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis import drawing
from analysis import sensitivity as indices
from analysis.figures import GREY, SMALL
from analysis.studies import Study
from analysis.summaries import flat

#: Variable -> what the text calls it.
VARIABLES = {"survival": "survival at the end", "cumulative_learning": "learning over the whole run"}
#: Factors drawn over time; the others share one line.
LINES = 6


def study(ds: xr.Dataset, store: Path) -> Study:
    """First-order and total indices of all factors, for survival and learning.

    Parameters
    ----------
    ds : a Saltelli design with survival and cumulative_learning, complete.  store : not read.

    Raises
    ------
    AnalysisError : another design, or not finished.  MissingVariable : a variable is not in the dataset.
    """
    over_time = indices.sobol(ds, "survival")
    last = int(over_time["period"].values[-1])
    found = {"survival": over_time.sel(period=last), "cumulative_learning": indices.sobol(ds, "cumulative_learning")}
    rows: list[dict[str, object]] = []
    for name, result in (("survival", over_time), ("cumulative_learning", found["cumulative_learning"])):
        for period in result["period"].values.tolist() if "period" in result.dims else [last]:
            at = result.sel(period=period) if "period" in result.dims else result
            for factor in result["factor"].values.tolist():
                values = {str(key): float(at[key].sel(factor=factor)) for key in at.data_vars if "factor" in at[key].dims}
                rows.append({"variable": name, "period": period, "factor": factor, **values,
                             "variance": float(at["variance"]), "noise": float(at["noise"])})  # fmt: skip
    return Study(_text(ds, found, last), rows, _figure(ds, found, over_time, last))


def _order(result: xr.Dataset) -> list[str]:
    """Factors, the one with the largest total index first."""
    return [str(f) for f in result["factor"].values[np.argsort(-result["total"].values, kind="stable")]]


def _text(ds: xr.Dataset, found: dict[str, xr.Dataset], last: int) -> str:
    width = max(len(str(f)) for f in found["survival"]["factor"].values) + 2
    names = list(VARIABLES)
    lines = [
        f"share of the variance over {flat(ds).sizes['point']:,} points that a factor decides alone (first) and takes part",
        f"in deciding (total), with 95 % bootstrap intervals; {last} periods",
        " " * width + "".join(f"{VARIABLES[n]:42s}" for n in names).rstrip(),
        f"{'factor':{width}s}" + "".join(f"{'first':21s}{'total':21s}" for _ in names).rstrip(),
    ]
    for factor in _order(found["survival"]):
        cells = []
        for name in names:
            at = found[name].sel(factor=factor)
            for key in ("first", "total"):
                half = float(at[f"{key}_high"] - at[key])
                cells.append(f"{f'{float(at[key]):.3f} +- {half:.3f}':21s}")
        lines.append(f"{factor:{width}s}" + "".join(cells).rstrip())
    sums = [float(found[name]["first"].sum()) for name in names]
    total = "".join(f"{f'{s:.3f}':42s}" for s in sums)
    lines.append(f"{'sum':{width}s}" + total.rstrip())
    noise = ", ".join(f"{float(found[name]['noise']):.2%} of the variance of {name}" for name in names)
    lines.append(f"Monte Carlo error is {noise}, and taken out.")
    return "\n".join(lines)


def _figure(ds: xr.Dataset, found: dict[str, xr.Dataset], over_time: xr.Dataset, last: int) -> Figure:
    figure = drawing.canvas(12.0, 5.4)
    grid = figure.add_gridspec(1, 3, width_ratios=(1, 1, 1.25))
    order = _order(found["survival"])
    left: Any = None
    for k, (name, title) in enumerate(VARIABLES.items()):
        axes = figure.add_subplot(grid[0, k], sharey=left)
        left = left or axes
        _bars(axes, found[name].sel(factor=order), order)
        drawing.plain(axes, "share of the variance", "", title)
        axes.tick_params(labelleft=k == 0, left=False)
    left.legend(loc="lower right", fontsize=SMALL, frameon=False)
    _over_time(figure.add_subplot(grid[0, 2]), over_time, order)
    alliances = int(flat(ds)["alliances"].values.max())
    said = (
        f"{over_time.attrs['points']:,} base points, {flat(ds).sizes['point']:,} points of {alliances:,} alliances, {last} "
        "periods, two partners. Sobol indices, Monte Carlo error taken out; bars: 95 % bootstrap intervals. Total less "
        "first: what a factor does together with others."
    )
    drawing.caption(figure, said)
    return figure


def _bars(axes: Any, result: xr.Dataset, order: list[str]) -> None:
    y = np.arange(len(order))[::-1]
    for key, color, height, label in (("total", "#9ecae1", 0.72, "total"), ("first", "#08519c", 0.36, "first order")):
        value = result[key].values
        axes.barh(y, np.maximum(value, 0), height, color=color, label=label)
        half = result[f"{key}_high"].values - value
        axes.errorbar(value, y, xerr=half, fmt="none", ecolor="0.25", elinewidth=0.8, capsize=1.5)
    axes.set_yticks(y, order, fontsize=SMALL)
    axes.set_xlim(left=0)


def _over_time(axes: Any, result: xr.Dataset, order: list[str]) -> None:
    period = result["period"].values
    kept = np.isfinite(result["total"].values).any(axis=0)
    colors = matplotlib.colormaps["tab10"](np.arange(LINES))
    largest = sorted(order, key=lambda f: -float(result["total"].sel(factor=f).max()))
    ends = []
    for color, factor in zip(colors, largest, strict=False):
        at = result.sel(factor=factor)
        axes.plot(period[kept], at["total"].values[kept], color=color, linewidth=1.8)
        axes.fill_between(period[kept], at["total_low"].values[kept], at["total_high"].values[kept], color=color, alpha=0.2,
                          linewidth=0)  # fmt: skip
        ends.append((float(at["total"].values[kept][-1]), factor, color))
    rest = result["total"].sel(factor=largest[LINES:])
    if rest.size:
        axes.plot(period[kept], rest.max("factor").values[kept], color=GREY, linewidth=1.2, linestyle=":")
        ends.append((float(rest.max("factor").values[kept][-1]), "largest of the others", GREY))
    top = max(1e-3, axes.get_ylim()[1])
    floor = -top
    for value, factor, color in sorted(ends):
        floor = max(value, floor + 0.045 * top)
        axes.text(period[-1] * 1.02, floor, factor, color=color, fontsize=SMALL, va="center")
    drawing.plain(axes, "period", "", "survival: total indices over time")
    axes.set_ylim(0, top)
    axes.set_xlim(0, period[-1] * 1.42)
    axes.set_xticks(np.linspace(0, period[-1], 6))
