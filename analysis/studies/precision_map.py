"""A phase diagram of survival, known everywhere to the same error, and the alliances that this took.

What it takes is p (1 - p) / error^2 for a share p: most on the boundary, next to nothing far from it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from analysis import drawing
from analysis.figures import BAND, SMALL
from analysis.studies import Study
from analysis.summaries import AnalysisError, crossing, ends, factors, flat, with_error

FACTORS = ("orientation", "trust")
SHARES = (0.25, 0.5, 0.75)
COLUMNS = 5


def study(ds: xr.Dataset, store: Path) -> Study:
    """Survival over orientation and trust, its boundary, and the alliances of each point.

    Parameters
    ----------
    ds : a factorial design of orientation and trust, 3 levels or more each, with survival, run to a target.
    store : not read.

    Raises
    ------
    AnalysisError : another design, or no target.  MissingVariable : survival is not in the dataset.
    """
    target = json.loads(ds.attrs["config"]).get("precision", {})
    if target.get("kind") != "target" or target["variable"] != ["survival"] or target["relative"]:
        raise AnalysisError("needs precision=target, of survival, absolute")
    ds = flat(ds)
    levels = factors(ds) if ds.sizes["point"] else {}
    if set(levels) != set(FACTORS) or min(len(levels[f]) for f in levels) < 3:
        raise AnalysisError(f"needs the factors {', '.join(FACTORS)}, each with 3 levels or more")
    shape = tuple(len(levels[f]) for f in FACTORS)
    if ds.sizes["point"] != np.prod(shape):
        raise AnalysisError("needs every combination of the factors' levels")
    at = tuple(np.array([levels[f].tolist().index(v) for v in ds[f].values.tolist()]) for f in FACTORS)

    def grid(array: xr.DataArray) -> np.ndarray:
        found = np.full(shape, np.nan)
        found[at] = array.values
        return found

    end = ends(ds, ["survival"])
    survival, error, alliances = grid(end["survival"]), grid(end["survival_se"]), grid(ds["alliances"])
    cross = [crossing(levels["orientation"], survival[:, k], error[:, k]) for k in range(shape[1])]
    needed = np.array([(c.estimate, c.error) for c in cross])
    rows: list[dict[str, object]] = [
        {"alliances": int(alliances[i, j]), "orientation": levels["orientation"][i], "trust": levels["trust"][j],
         "survival": survival[i, j], "survival_se": error[i, j], "orientation_needed": needed[j, 0],
         "orientation_needed_se": needed[j, 1]}
        for i in range(shape[0]) for j in range(shape[1])
    ]  # fmt: skip
    text = _text(levels, survival, error, alliances, needed, target, int(ds["period"].values.max()))
    return Study(text, rows, _figure(ds, levels, survival, alliances, needed, target))


def _text(
    levels: dict[str, np.ndarray], survival: np.ndarray, error: np.ndarray, alliances: np.ndarray, needed: np.ndarray,
    target: dict[str, Any], periods: int,
) -> str:  # fmt: skip
    wanted, most = target["standard_error"], alliances.max()
    inside = (survival > SHARES[0]) & (survival < SHARES[-1])
    some = np.unique(np.rint(np.linspace(0, len(levels["trust"]) - 1, COLUMNS)).astype(int))
    cells = [with_error(needed[k, 0], needed[k, 1], 3) or "never" for k in some]
    oracle = np.maximum(survival * (1 - survival) / wanted**2, 0)
    large = oracle > 10_000 / 4
    lines = [
        f"survival after {periods} periods at {survival.size:,} points, largest standard error {error.max():.5f} "
        f"(target {wanted:g})",
        "orientation needed for half of the alliances to survive (standard error):",
        "  " + "".join(f"{f'trust {t:g}':15s}" for t in levels["trust"][some]).rstrip(),
        "  " + "".join(f"{cell:15s}" for cell in cells).rstrip(),
        f"alliances: {alliances.sum():,.0f} in all, {alliances.min():,.0f} to {most:,.0f} a point",
        f"  {inside.mean():.0%} of the points, with survival between {SHARES[0]:g} and {SHARES[-1]:g}, take "
        f"{alliances[inside].sum() / alliances.sum():.0%} of them",
        f"  {most:,.0f} at every point would be {most * alliances.size / alliances.sum():.1f} times as many",
    ]
    if large.any():
        ratio = alliances[large].sum() / oracle[large].sum()
        lines.append(f"  {ratio:.2f} times p (1 - p) / {wanted:g}^2, where that is above {10_000 / 4:,.0f}")
    return "\n".join(lines)


def _figure(
    ds: xr.Dataset, levels: dict[str, np.ndarray], survival: np.ndarray, alliances: np.ndarray, needed: np.ndarray,
    target: dict[str, Any],
) -> Figure:  # fmt: skip
    figure = drawing.canvas(9.4, 4.9)
    left, right = figure.subplots(1, 2, sharey=True)
    trust, orientation = levels["trust"], levels["orientation"]
    shade = left.pcolormesh(trust, orientation, survival, cmap="Greys_r", vmin=-0.2, vmax=1.05, shading="nearest")
    lines = left.contour(trust, orientation, survival, levels=SHARES, colors="#b2182b", linewidths=(0.9, 1.8, 0.9))
    left.clabel(lines, fmt=lambda v: f"{v:.2f}", fontsize=SMALL - 1)
    _ends(needed, trust, left)
    drawing.plain(left, "interorganizational trust at start", "long-term orientation", "survival")
    bar = figure.colorbar(shade, ax=left, location="bottom", shrink=0.8, aspect=30)
    bar.set_label("share of alliances that survive", fontsize=SMALL)
    bar.ax.set_xlim(0, 1)
    bar.ax.tick_params(labelsize=SMALL)
    cost = right.pcolormesh(
        trust, orientation, alliances, cmap="viridis", norm=LogNorm(alliances.min(), max(alliances.max(), 1001)),
        shading="nearest",
    )  # fmt: skip
    right.contour(trust, orientation, survival, levels=SHARES[1:2], colors="white", linewidths=1.2)
    drawing.plain(right, "interorganizational trust at start", "", f"alliances for an error of {target['standard_error']:g}")
    bar = figure.colorbar(cost, ax=right, location="bottom", shrink=0.8, aspect=30)
    bar.set_label("alliances simulated (log scale)", fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)
    ticks = [v for v in (1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 250_000, 10**6) if v <= alliances.max()]
    bar.set_ticks(ticks, labels=[f"{v:,}" for v in ticks], minor=False)
    bar.minorticks_off()
    for axes in (left, right):
        axes.set_xlim(trust[0], trust[-1])
        axes.set_ylim(orientation[0], orientation[-1])
    said = (
        f"{drawing.sample(ds)}; two partners who begin in collaboration. Each point ran until the standard error of its "
        f"survival was below {target['standard_error']:g}. Lines: .25, .5, .75 of the alliances survive; band: ±{BAND} "
        "standard errors of the middle one; white: the same line."
    )
    drawing.caption(figure, said)
    return figure


def _ends(needed: np.ndarray, trust: np.ndarray, axes: Any) -> None:
    """The boundary's band."""
    kept = np.isfinite(needed[:, 0])
    estimate, error = needed[kept, 0], np.nan_to_num(needed[kept, 1])
    axes.fill_between(trust[kept], estimate - BAND * error, estimate + BAND * error, color="#b2182b", alpha=0.3, linewidth=0)
