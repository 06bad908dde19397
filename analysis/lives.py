"""Lives of alliances phase by phase, read from their histories: what no mean over alliances holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from sim.retrace import histories
from sim.variables import PHASES

#: Histories held at a time.
PIECE = 1000


class Lives(NamedTuple):
    """What histories say, a row for each alliance, a column for each phase.

    reached, lost, reviewed : whether it reached the phase, dissolved in it, dissolved at a review of it.
    periods : spent in it.  learning, mutual : of a partner, summed over them; in all, and by creation.
    """

    reached: np.ndarray
    lost: np.ndarray
    reviewed: np.ndarray
    periods: np.ndarray
    learning: np.ndarray
    mutual: np.ndarray


def lives(store: Path, levels: dict[str, Any], number: int) -> Lives:
    """Read the histories of the first `number` alliances of a point."""
    parts = []
    for first in range(0, number, PIECE):
        parts.append(lived(histories(store, levels, range(first, min(number, first + PIECE)))))
    return Lives(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def lived(h: xr.Dataset) -> Lives:
    """Histories by phase; the phase of period t is the one noted at the end of period t - 1."""
    last = h.sizes["period"] - 1
    phase = np.searchsorted(PHASES, h["phase"].values, sorter=np.argsort(PHASES))
    phase = np.argsort(PHASES)[phase]
    end = np.nan_to_num(h["dissolved_at"].values, nan=last).astype(int)
    gone = np.isfinite(h["dissolved_at"].values)
    at = phase[np.arange(len(end)), end]
    which = np.arange(len(PHASES))
    during = (phase[:, :-1, None] == which) & (np.arange(1, last + 1)[:, None] <= end[:, None, None])
    n = h.sizes["partner"]
    created, gained = (
        np.nansum(h[name].values[:, 1:], axis=(2, 3), dtype=float) / (n * (n - 1)) for name in ("creation", "learning")
    )
    own = (at[:, None] == which) & gone[:, None]
    return Lives(
        reached=(which <= at[:, None]).astype(float),
        lost=own.astype(float),
        reviewed=(own & (h["cause"].values == "review")[:, None]).astype(float),
        periods=during.sum(1).astype(float),
        learning=np.einsum("atp,at->ap", during, gained),
        mutual=np.einsum("atp,at->ap", during, created),
    )


def ratio(above: np.ndarray, below: np.ndarray) -> tuple[float, float]:
    """Ratio of two sums over alliances and its standard error by the delta method; NaN for 0/0."""
    n, total = len(above), below.sum()
    if not total > 0.0 or n < 2:
        return np.nan, np.nan
    share = above.sum() / total
    return float(share), float(np.sqrt(((above - share * below) ** 2).sum() * n / (n - 1)) / total)
