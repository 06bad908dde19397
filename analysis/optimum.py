"""Where a curve known with error at some levels is highest, with a confidence interval.

A cubic is fitted to the levels around the highest value, over a part of the widest stretch that does not refute it; the
interval is the set of places at which its slope may be zero. Where the peak is a kink, which no smooth curve fits, the
interval comes from the levels themselves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import chi2, norm

#: Of the cubic; fewest levels it is fitted to; chance below which a fit is refuted; part that is used of the widest
#: stretch that does not refute it. What no test finds is still a bias, and shrinks faster than the stretch.
DEGREE, FEWEST, REFUTED, PART = 3, 6, 0.2, 0.4
STEPS = 1001
#: Values are stored in steps of about a millionth: no error is smaller.
STEP = 2e-6


class Optimum(NamedTuple):
    """Where a curve is highest.

    Attributes
    ----------
    estimate, low, high : the place and its interval; NaN where there is none inside the range.
    value, error : of the curve there, with its standard error; at an end, the value of the end.
    reason : ``interior``, ``kink`` (inside, by levels alone), ``rises`` or ``falls`` (highest at an end), ``flat`` (no
        level stands out), or ``no values`` (fewer than `FEWEST` levels).
    """

    estimate: float
    low: float
    high: float
    value: float
    error: float
    reason: str

    @property
    def inside(self) -> bool:
        """Whether there is an optimum inside the range."""
        return self.reason in ("interior", "kink")


def optimum(x: np.ndarray, y: np.ndarray, y_se: np.ndarray, miss: float = 0.05) -> Optimum:
    """The place at which a curve with one peak is highest.

    Parameters
    ----------
    x : (levels,) in any order.  y, y_se : values and standard errors; NaN: no value. Errors of different levels are
        taken as independent, so runs need ``random.common=false``: levels that share random numbers err together, and
        neither their correlation nor which way it changes the interval is in the dataset.
    miss : the chance the interval is made for to miss the place, where the curve is a cubic over the stretch. That the
        stretch is chosen by the data, and other curves, add to it: for smooth peaks the tests find at most twice that.

    Returns
    -------
    Optimum : inside the range only where the peak is above both ends by more than chance (`miss`, over all levels).
        ``kink`` says from which level to which one, either side left of any that may be highest, the peak can lie.

    Examples
    --------
    >>> x = np.linspace(0.0, 1.0, 21)
    >>> round(optimum(x, x * (1.0 - x), np.full(21, 0.001)).estimate, 6)
    0.5
    """
    order = np.argsort(x)
    order = order[np.isfinite(x[order]) & np.isfinite(y[order])]
    x, y, error = x[order], y[order], np.nan_to_num(y_se[order])
    if x.size < FEWEST:
        return Optimum(np.nan, np.nan, np.nan, np.nan, np.nan, "no values")
    error = np.maximum(error, STEP * max(float(np.abs(y).max()), 1e-300))
    best, sure = int(np.argmax(y)), float(norm.isf(miss / x.size))
    above = y[best] - y > sure * np.hypot(error, error[best])
    if not (above[0] and above[-1]):
        end = 0 if y[0] >= y[-1] else -1
        reason = "flat" if not (above[0] or above[-1]) else "falls" if above[-1] else "rises"
        return Optimum(np.nan, np.nan, np.nan, float(y[end]), float(error[end]), reason)
    found = _smooth(x, y, error, best, miss)
    if found is not None:
        return found
    # A curve with one peak is highest between the neighbours of the levels that may be highest.
    may = np.flatnonzero(~above)
    return Optimum(float(x[best]), float(x[may[0] - 1]), float(x[may[-1] + 1]), float(y[best]), float(error[best]), "kink")


def _smooth(x: np.ndarray, y: np.ndarray, error: np.ndarray, best: int, miss: float) -> Optimum | None:
    """The optimum by a cubic over part of the widest stretch around level `best` that refutes none; None: none fits."""
    for half in range(x.size - 1, 0, -1):
        wide = slice(max(0, best - half), min(x.size, best + half + 1))
        if wide.stop - wide.start < FEWEST:
            return None
        if _fit(x, y, error, wide, best)[2] < REFUTED:
            continue
        inner = max(FEWEST // 2, round(PART * min(half, max(best, x.size - 1 - best))))
        beta, covariance, _ = _fit(x, y, error, slice(max(0, best - inner), best + inner + 1), best)
        return _peak(x[max(0, best - inner) : best + inner + 1], x[best], beta, covariance, miss)
    return None


def _fit(x: np.ndarray, y: np.ndarray, error: np.ndarray, stretch: slice, best: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Coefficients of a cubic about level `best`, their covariance, and the chance of a misfit as large."""
    design = np.vander(x[stretch] - x[best], DEGREE + 1, increasing=True) / error[stretch, None]
    inverse = np.linalg.pinv(design)
    beta = inverse @ (y[stretch] / error[stretch])
    misfit = float(((y[stretch] / error[stretch] - design @ beta) ** 2).sum())
    return beta, inverse @ inverse.T, float(chi2.sf(misfit, len(design) - DEGREE - 1))


def _peak(x: np.ndarray, centre: float, beta: np.ndarray, covariance: np.ndarray, miss: float) -> Optimum | None:
    """Where a cubic about `centre` is highest over the stretch `x`, and where its slope may be zero around there."""
    at = np.linspace(x[0], x[-1], STEPS)
    powers = np.arange(1, DEGREE + 1)
    slopes = np.hstack([np.zeros((STEPS, 1)), powers * (at[:, None] - centre) ** (powers - 1)])
    slope, slope_error = slopes @ beta, np.sqrt(((slopes @ covariance) * slopes).sum(axis=1))
    down = np.flatnonzero((slope[:-1] > 0) & (slope[1:] <= 0))
    if down.size != 1:
        return None
    low, high = int(down[0]), int(down[0]) + 1
    peak = float(at[low] + (at[high] - at[low]) * slope[low] / (slope[low] - slope[high]))
    sure = np.abs(slope) > norm.isf(miss / 2) * slope_error
    before, after = (
        np.flatnonzero(sure[: low + 1] & (slope[: low + 1] > 0)),
        np.flatnonzero(sure[high:] & (slope[high:] < 0)),
    )
    if not (before.size and after.size):  # the stretch does not say on which side the curve falls
        return None
    row = (peak - centre) ** np.arange(DEGREE + 1)
    value, error = float(row @ beta), float(np.sqrt(row @ covariance @ row))
    return Optimum(peak, float(at[before[-1]]), float(at[high + after[0]]), value, error, "interior")
