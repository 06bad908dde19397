"""Who learns most in a tournament of response theories, with and without noise, and whom it needs around it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis.drawing import canvas, caption, plain, sample
from analysis.figures import BAND, DASHES, MARKERS, SMALL
from analysis.matches import matches, present
from analysis.studies import Study
from analysis.summaries import AnalysisError, factors, flat, with_error, word

NOISE = ("slips", "misreading")
WORDS = {"larsson1998": "Larsson 1998", "_": " "}
#: How much a firm minds what its partner gains, where standing counts.
MINDS = 0.5
OPEN, CLOSED, RECIPROCAL = "always_collaboration", "always_competition", "tit_for_tat"


class Round(NamedTuple):
    """A round robin: (own, other) learning and error, and what each theory learned where all met; NaN: they did not."""

    theories: tuple[str, ...]
    learning: np.ndarray
    error: np.ndarray
    together: np.ndarray

    def score(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean over all opponents, its own theory among them, and its error."""
        return self.learning.mean(axis=1), np.sqrt((self.error**2).sum(axis=1)) / len(self.theories)

    def standing(self, minds: float = MINDS) -> np.ndarray:
        """What a firm gains where each unit its partner learns counts as a loss of `minds`."""
        return self.learning - minds * self.learning.T


def study(ds: xr.Dataset, store: Path) -> Study:
    """Ranking of the theories, without noise and with most of it; the rows hold every level.

    Parameters
    ----------
    ds : a factorial design of slips, misreading and a factor of mixes: each theory alone, each two together, and (may be
        left out) all together.  store : not read.

    Raises
    ------
    AnalysisError : another design.  MissingVariable : a variable of the study is not in the dataset.
    """
    rounds = _rounds(flat(ds))
    rows: list[dict[str, object]] = []
    for noise, found in rounds.items():
        score, error = found.score()
        for i, own in enumerate(found.theories):
            for j, other in enumerate(found.theories):
                rows.append({**dict(zip(NOISE, noise, strict=True)), "own": own, "other": other,
                             "learning": found.learning[i, j], "learning_se": found.error[i, j], "score": score[i],
                             "score_se": error[i], "together": found.together[i]})  # fmt: skip
    ends = {o: {min(levels), max(levels)} for o, levels in zip(NOISE, zip(*rounds, strict=True), strict=True)}
    shown = {noise: one for noise, one in rounds.items() if all(v in ends[o] for o, v in zip(NOISE, noise, strict=True))}
    return Study(_text(shown), rows, _figure(flat(ds), shown))


def named(theory: str) -> str:
    """A theory as one writes it."""
    for short, long in WORDS.items():
        theory = theory.replace(short, long)
    return theory


def _rounds(ds: xr.Dataset) -> dict[tuple[float, float], Round]:
    levels = factors(ds) if ds.sizes["point"] else {}
    if not set(NOISE) <= set(levels) or any(levels[o].dtype.kind not in "iuf" for o in NOISE):
        raise AnalysisError(f"needs the factors {', '.join(NOISE)} (numbers) and one of mixes, at some finished points")
    mixes, rounds = present(ds), {}
    theories = tuple(dict.fromkeys(name for mix in mixes if len(mix) == 1 for name in mix))
    for noise in itertools.product(*(levels[o].tolist() for o in NOISE)):
        here = np.all([ds[o].values == v for o, v in zip(NOISE, noise, strict=True)], axis=0)
        few = np.array([len(mix) <= 2 for mix in mixes])
        found = matches(ds.isel(point=np.flatnonzero(here & few)))
        if len(theories) < 2 or (missing := [p for p in itertools.product(theories, repeat=2) if p not in found]):
            said = f"; {' and '.join(missing[0])} did not meet" if len(theories) > 1 else ""
            raise AnalysisError(f"needs two theories or more, each alone and with each other, at every noise{said}")
        cells = [[found[own, other] for other in theories] for own in theories]
        learning, error = (np.array([[getattr(c, n) for c in line] for line in cells]) for n in ("learning", "error"))
        together = np.full(len(theories), np.nan)
        for k in np.flatnonzero(here & ~few):
            if set(mixes[k]) == set(theories):
                one = ds["learning_by_theory"].isel(point=k, period=slice(1, None)).mean("period")
                together = one.sel(theory=list(theories)).values
        rounds[noise] = Round(theories, learning, error, together)
    return rounds


def share_for_invasion(found: Round) -> float:
    """Share of unconditional collaborators, the rest tit for tat, above which a competitor gains most by its standing.

    NaN where it always, or never, does, or where a theory is missing.
    """
    if not {OPEN, CLOSED, RECIPROCAL} <= set(found.theories):
        return np.nan
    value = found.standing()
    a, c, r = (found.theories.index(name) for name in (OPEN, CLOSED, RECIPROCAL))
    best = np.array([max(value[a, x], value[r, x]) for x in (a, r)])
    gain = np.array([value[c, a], value[c, r]]) - best
    return float(-gain[1] / (gain[0] - gain[1])) if gain[0] > 0 > gain[1] else np.nan


def _text(rounds: dict[tuple[float, float], Round]) -> str:
    first = next(iter(rounds.values()))
    order = np.argsort(-first.score()[0], kind="stable")
    head = "".join(f"{f'slips {s:g} misr {m:g}':<20}" for s, m in rounds)
    lines = [
        "learning per period, mean over all opponents (standard error), and rank; misr: misreading",
        " " * 21 + head.rstrip(),
    ]
    for k in order:
        cells = []
        for found in rounds.values():
            score, error = found.score()
            cells.append(f"{with_error(float(score[k]), float(error[k]), 4)} #{1 + int((score > score[k]).sum())}")
        lines.append(f"{named(first.theories[k]):<21}" + "".join(f"{cell:<20}" for cell in cells).rstrip())
    for (s, m), found in rounds.items():
        score, error = found.score()
        best, second = np.argsort(-score, kind="stable")[:2]
        lead = with_error(float(score[best] - score[second]), float(np.hypot(error[best], error[second])), 4)
        lines.append(
            f"slips {s:g}, misreading {m:g}: {named(found.theories[best])} leads {named(found.theories[second])} by {lead}"
        )
        value, share = found.standing().mean(axis=1), share_for_invasion(found)
        winner = named(found.theories[int(np.argmax(value))])
        lines.append(f"    if half of what the partner learns is a loss: {winner}")
        if np.isfinite(share):
            lines.append(f"    and {named(CLOSED)} wins among tit for tat and {share:.2f} or more who always collaborate")
    return "\n".join(lines)


def _figure(ds: xr.Dataset, rounds: dict[tuple[float, float], Round]) -> Figure:
    first = next(iter(rounds.values()))
    order = np.argsort(-first.score()[0], kind="stable")
    names = [named(first.theories[k]) for k in order]
    figure = canvas(12.5, 4.9)
    grid = figure.add_gridspec(1, 3, width_ratios=(1.25, 1.0, 1.0))
    _heat(figure.add_subplot(grid[0]), first.learning[np.ix_(order, order)], names)
    axes = figure.add_subplot(grid[1])
    shades = np.linspace(0.0, 0.5, len(rounds))
    for k, ((s, m), found) in enumerate(rounds.items()):
        score, error = found.score()
        at = np.arange(len(order)) + 0.15 * (k - (len(rounds) - 1) / 2)
        shade = str(shades[k])
        axes.errorbar(score[order], at, xerr=BAND * error[order], fmt=MARKERS[k % len(MARKERS)], color=shade, markersize=5,
                      markerfacecolor="white" if m else shade, label=f"slips {word(s)}, misreading {word(m)}")  # fmt: skip
    axes.set_yticks(range(len(order)), names)
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.grid(axis="y", color="0.92")
    axes.set_xlim(-0.05, 1.75 * float(max(found.score()[0].max() for found in rounds.values())))
    axes.legend(frameon=False, fontsize=SMALL, loc="lower right", handletextpad=0.2)
    plain(axes, "learning per period, mean over all opponents", "", "b  ranking, with noise")
    _invasion(figure.add_subplot(grid[2]), first)
    figure.suptitle("Which way of responding learns most?", x=0.01, ha="left", fontsize=12, fontweight="bold")
    caption(
        figure,
        f"{sample(ds)}; everybody may answer every move; trust and orientation at "
        "start fixed. a: without noise, mean over the run. b: slips are moves at "
        "random, misreading misses a partner's openness (probabilities per period); "
        "bars, mostly within the marks: ±1.96 Monte Carlo standard errors. c: without "
        f"noise, where each unit the partner learns counts as a loss of {MINDS:g}, "
        "for a firm that meets partners who always collaborate (share on the axis) "
        "or play tit for tat."
    )  # fmt: skip
    return figure


def _heat(axes: Any, table: np.ndarray, names: list[str]) -> None:
    axes.imshow(table, cmap="Greys", vmin=0.0, vmax=2.8)
    for (i, j), value in np.ndenumerate(table):
        axes.text(j, i, f"{max(value, 0.0):.2f}", ha="center", va="center", fontsize=SMALL - 0.5,
                  color="white" if value > 1.5 else "black")  # fmt: skip
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axes.set_yticks(range(len(names)), names)
    plain(axes, "met by", "learning of", "a  learning per period")
    axes.spines[["left", "bottom"]].set_visible(False)


def _invasion(axes: Any, found: Round) -> None:
    """Gain of each theory that can win over the share of unconditional collaborators among its partners."""
    if not {OPEN, RECIPROCAL} <= set(found.theories):
        axes.set_axis_off()
        return
    value, share = found.standing(), np.linspace(0.0, 1.0, 101)
    shown = [
        k for k, name in enumerate(found.theories) if name in (OPEN, CLOSED, RECIPROCAL, "larsson1998", "always_compromise")
    ]
    shades = matplotlib.colormaps["viridis_r"](np.linspace(0.2, 1.0, len(shown)))
    a, r = (found.theories.index(name) for name in (OPEN, RECIPROCAL))
    for shade, dash, k in zip(shades, itertools.cycle(DASHES), shown, strict=False):
        axes.plot(share, share * value[k, a] + (1 - share) * value[k, r], color=shade, linestyle=dash, linewidth=1.8,
                  label=named(found.theories[k]))  # fmt: skip
    if np.isfinite(at := share_for_invasion(found)):
        axes.axvline(at, color="0.5", linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
        axes.annotate(f"{at:.2f}", (at, axes.get_ylim()[0]), (3, 4), textcoords="offset points", fontsize=SMALL)
    axes.legend(frameon=False, fontsize=SMALL, loc="upper left")
    axes.set_ylim(None, 2.2)
    plain(axes, "share of partners who always collaborate\n(others: tit for tat)", "learning less half the partner's",
          "c  if standing counts")  # fmt: skip
