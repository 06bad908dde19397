"""What the pictures of several studies share: a canvas, axes, bands, a caption. Style as in `analysis.figures`."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis.figures import BAND, DPI, GREY, SMALL

__all__ = ["band", "canvas", "caption", "plain", "sample"]


def canvas(width: float, height: float) -> Figure:
    """An empty figure on an Agg canvas; inches."""
    figure = Figure(dpi=DPI, layout="constrained", figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def caption(figure: Figure, text: str) -> None:
    """Small print below a figure: sample, what is fixed, what bars are."""
    figure.supxlabel(textwrap.fill(text, int(figure.get_figwidth() * 15)), x=0.01, ha="left", fontsize=SMALL, color=GREY)


def plain(axes: Any, x: str = "", y: str = "", title: str = "") -> None:
    """Labels, no frame, small ticks, the title at the left."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=SMALL)
    axes.set_xlabel(x, fontsize=9.5)
    axes.set_ylabel(y, fontsize=9.5)
    if title:
        axes.set_title(title, fontsize=10, fontweight="bold", loc="left")


def band(axes: Any, x: np.ndarray, y: np.ndarray, error: np.ndarray, **style: Any) -> None:
    """A line with a band of 1.96 standard errors either side; NaN are left out."""
    kept = np.isfinite(y)
    x, y, error = x[kept], y[kept], np.nan_to_num(error[kept])
    axes.plot(x, y, **{"linewidth": 1.8, **style})
    axes.fill_between(x, y - BAND * error, y + BAND * error, color=style["color"], alpha=0.25, linewidth=0)


def sample(ds: xr.Dataset) -> str:
    """How many alliances a point and how many periods: the start of a caption."""
    counts, periods = ds["alliances"].values, int(ds["period"].values.max())
    most = f"{counts.min():,}" if counts.min() == counts.max() else f"{counts.min():,} to {counts.max():,}"
    return f"{most} alliances per point, {periods} periods"
