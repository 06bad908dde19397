"""Whether partners move as Propositions 1 to 9 of Larsson et al. (1998) say: measured from what they did, claim by claim."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis import drawing, moves
from analysis.claims import BARRIERS, EMPOWERING, FACTORS, WORDS, Claim, Finding, Pair, findings, responses
from analysis.moves import SHORT, short
from analysis.studies import Study
from analysis.summaries import AnalysisError
from sim.strategies import STRATEGIES

QUESTION = "Do partners move as Propositions 1 to 9 say, and by the circumstances that each proposition names?"
#: False alarms over all contrasts of the table.
LEVEL = 0.05
#: Standard errors to either side of a 95 % interval of one contrast.
SINGLE = 1.96


def study(ds: xr.Dataset, store: Path) -> Study:
    """The propositions, claim by claim, from histories.

    Parameters
    ----------
    ds : flat; two partners, factors stakes, trust, orientation and prior at three levels or more, a start a point.
    store : whence histories are read.

    Raises
    ------
    AnalysisError : another design, or points that do not share their random numbers.
    """
    settings = _settings(ds)
    if not _common(ds):
        raise AnalysisError("differences are paired by alliance, which needs random.common=true")
    number = min(moves.MOST, int(ds["alliances"].values.min()))
    read: dict[tuple[Pair, str], tuple[np.ndarray, np.ndarray]] = {}
    for k, setting in enumerate(settings):
        if setting:
            strategies = np.concatenate(list(moves.courses(store, k, 0, number)))
            start = moves.start_of(moves.combined(strategies))
            read[start, setting] = (strategies[:, 0], responses(strategies))
    needed = [(c.start, f"all {level}") for c in BARRIERS for level in ("low", "high")]
    needed += [(c.start, f"{driver} {level}") for c in EMPOWERING for driver in FACTORS for level in ("low", "high")]
    missing = [(start, setting) for start, setting in needed if (start, setting) not in read]
    if missing:
        raise AnalysisError(f"no point starts in {short(missing[0][0])} with {missing[0][1]} ({len(missing)} are missing)")
    table = findings(read)
    z = NormalDist().inv_cdf(1.0 - LEVEL / 2 / len(table))
    return Study(_text(table, z, number), [_row(f, z, number) for f in table], _figure(ds, table, z, number))


def _common(ds: xr.Dataset) -> bool:
    """Whether points share random numbers; true where the dataset does not say."""
    config = json.loads(str(ds.attrs.get("config", "{}")))
    return bool(config.get("random", {}).get("common", True))


def _settings(ds: xr.Dataset) -> list[str]:
    """What each point is: ``all low``, ``trust high`` ... or nothing that is needed."""
    moves.finished(ds)
    if absent := [name for name in FACTORS if name not in ds.coords]:
        raise AnalysisError(f"the factors {', '.join(FACTORS)} are needed; {absent[0]} is not there")
    values = np.stack([ds[name].values.astype(float) for name in FACTORS], axis=1)
    low, high = values.min(axis=0), values.max(axis=0)
    found = []
    for row in values:
        at = ["low" if v == a else "high" if v == b else "middle" for v, a, b in zip(row, low, high, strict=True)]
        odd = [k for k, level in enumerate(at) if level != "middle"]
        alike = len(odd) == len(at) and len(set(at)) == 1
        found.append(f"all {at[0]}" if alike else f"{FACTORS[odd[0]]} {at[odd[0]]}" if len(odd) == 1 else "")
    return found


def _by_claim(table: Sequence[Finding]) -> dict[Claim, list[Finding]]:
    grouped: dict[Claim, list[Finding]] = {}
    for f in table:
        grouped.setdefault(f.claim, []).append(f)
    return grouped


def _says(claim: Claim) -> str:
    """In letters, what is to be adopted."""
    both = claim.others is not None or claim.start[0] == claim.start[1]
    return f"{'both' if claim.others is not None else 'each' if both else SHORT[claim.own]} to {SHORT[claim.adopts]}"


def _points(value: float) -> str:
    """A difference of shares in points, without the sign of a zero."""
    return f"{100 * value:+.1f}" if abs(100 * value) >= 0.05 else "0.0"


def _measured(f: Finding) -> str:
    lower, upper = f.interval(SINGLE)
    return f"{_points(f.difference):>6}  {f'[{_points(lower)}, {_points(upper)}]':16}"


def _text(table: Sequence[Finding], z: float, number: int) -> str:
    """The table of the propositions by all circumstances, and in short what single circumstances do."""
    lines = [
        "% that do as proposed, all circumstances low and high; difference in points [95 % interval]",
        f"{'':4}{'from -> to':20}{'predicted':11}{'low':>5}{'high':>7}   {'difference':24}verdict",
    ]
    for claim, own in _by_claim(table).items():
        f = next(f for f in own if f.driver == "all")
        line = f"{claim.proposition:4}{short(claim.start):7}{_says(claim):13}{WORDS[f.predicted]:9}{100 * f.low:7.1f}"
        lines.append(f"{line}{100 * f.high:7.1f}   {_measured(f)}{f.verdict(z)}")
    lines.append("one circumstance low to high, the others in the middle: smallest and largest, contrasts supported")
    single = [f for f in table if f.driver in FACTORS]
    for group in sorted({f.claim.proposition[0] for f in single}):
        own = [f for f in single if f.claim.proposition[0] == group]
        named = [_group([f for f in own if f.predicted == sign], z) for sign in (1, 0)]
        lines.append(f"{group:4}" + "; ".join(part for part in named if part))
    tends = [f for f in table if f.contrast == "tends"]
    lines.append(f"1-5 as proposed more than the commonest other, low: {_range(tends, z)}")
    lines += [
        f"! {f.claim.proposition:4}{short(f.claim.start):7}{_says(f.claim):13}{f.driver or 'tends':12}"
        f"{WORDS[f.predicted] if f.driver else 'more':6} {_measured(f)}{f.verdict(z)}"
        for f in table
        if f.driver != "all" and f.verdict(z) != "supported"
    ]
    good = sum(f.verdict(z) == "supported" for f in table)
    said = f"{good} of {len(table)} contrasts as the paper says (verdicts at {100 * LEVEL:g} % over the table)"
    lines.append(f"{said}; {number:,} alliances a point")
    return "\n".join(lines)


def _range(own: Sequence[Finding], z: float) -> str:
    least, most = (_points(end(f.difference for f in own)) for end in (min, max))
    return f"{least} to {most}, {sum(f.verdict(z) == 'supported' for f in own)} of {len(own)}"


def _group(own: Sequence[Finding], z: float) -> str:
    """Single circumstances of which a proposition says the same."""
    names = ", ".join(name for name in FACTORS if any(f.driver == name for f in own))
    return f"{WORDS[own[0].predicted]} by {names}: {_range(own, z)}" if own else ""


def _row(f: Finding, z: float, number: int) -> dict[str, object]:
    c = f.claim
    return {
        "proposition": c.proposition, "start": short(c.start), "who": STRATEGIES[c.own], "adopts": STRATEGIES[c.adopts],
        "both": c.others is not None, "contrast": f.contrast, "driver": f.driver,
        "named": bool(f.driver) and (f.driver == "all" or f.driver in c.drivers), "alternative": f.alternative,
        "predicted": {1: "+", -1: "-", 0: "none"}[f.predicted], "low": float(f.low), "high": float(f.high),
        "difference": f.difference, "difference_se": f.error, "lower_95": f.interval(SINGLE)[0],
        "upper_95": f.interval(SINGLE)[1], "lower_table": f.interval(z)[0],
        "upper_table": f.interval(z)[1], "verdict": f.verdict(z), "read": number,
    }  # fmt: skip


def _figure(ds: xr.Dataset, table: Sequence[Finding], z: float, number: int) -> Figure:
    figure = drawing.canvas(12.4, 5.6)
    spec = figure.add_gridspec(1, 3, width_ratios=[1.0, 0.85, 1.0])
    groups = _by_claim(table)
    barriers = {c: own for c, own in groups.items() if c in BARRIERS}
    climbs = {c: own for c, own in groups.items() if c in EMPOWERING}
    _shares(figure.add_subplot(spec[0, 0]), barriers, z, "Barriers: partners tend to ...")
    _shares(figure.add_subplot(spec[0, 1]), climbs, z, "Empowerment: partners will ...")
    _effects(figure.add_subplot(spec[0, 2]), climbs, z)
    figure.suptitle(QUESTION, x=0.01, ha="left", fontsize=12, fontweight="bold")
    levels = ", ".join(f"{v:g}" for v in np.unique(ds["trust"].values))
    periods = int(ds["period"].values[-1])
    widest = max(196 * f.error for f in table)
    drawing.caption(
        figure,
        f"{number:,} alliances of two per point, first response within {periods} period{'s' * (periods > 1)}; low, middle, "
        f"high: {levels}. Left and middle: stakes, trust, orientation and prior interaction all low or all high; 95 % "
        "intervals are smaller than the marks. Right: one from low to high, the others in the middle, framed where the "
        f"proposition names it; 95 % within {widest:.1f} points; x: not as the paper says, at {100 * LEVEL:g} % over the "
        "whole table. CL collaboration, CP competition, CM compromise, AC accommodation, AV avoidance.",
    )
    return figure


def _shares(axes: Any, groups: Mapping[Claim, Sequence[Finding]], z: float, title: str) -> None:
    """Share that do as proposed, circumstances low and high."""
    at = np.arange(len(groups))
    pairs = [next(f for f in own if f.driver == "all") for own in groups.values()]
    low, high = (np.array([100 * getattr(f, end) for f in pairs]) for end in ("low", "high"))
    axes.hlines(at, low, high, color="0.6", linewidth=2.0, zorder=1)
    axes.plot(low, at, "o", color="black", markerfacecolor="white", markersize=6.5, label="circumstances low")
    axes.plot(high, at, "o", color="black", markersize=4.5, label="high")
    said = [f"{c.proposition:>3}  {short(c.start)}: {_says(c)}" for c in groups]
    wrong = [any(f.verdict(z) != "supported" for f in own if f.driver in ("", "all")) for own in groups.values()]
    axes.set_yticks(at, [f"{text} x" if bad else text for text, bad in zip(said, wrong, strict=True)])
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.set_xlim(-4, 104)
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
    axes.axvline(50, color="0.7", linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)
    drawing.plain(axes, "% that do as proposed", "", title)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, -0.23), ncol=2, frameon=False, fontsize=8, handletextpad=0.2)


def _effects(axes: Any, groups: Mapping[Claim, Sequence[Finding]], z: float) -> None:
    """What each circumstance does on its own: grey by size, framed where the proposition names it."""
    size = np.array([[100 * f.difference for f in own[:-1]] for own in groups.values()])
    axes.imshow(np.abs(size), cmap="Greys", vmin=0, vmax=2.2 * max(1.0, np.abs(size).max()), aspect="auto")
    for row, own in enumerate(groups.values()):
        for column, f in enumerate(own[:-1]):
            text = f"{100 * f.difference:+.0f}" if abs(100 * f.difference) >= 0.5 else "0"
            axes.text(column, row, text + " x" * (f.verdict(z) != "supported"), ha="center", va="center", fontsize=9)
            if f.predicted:
                frame = Rectangle((column - 0.46, row - 0.44), 0.92, 0.88, fill=False, edgecolor="black", linewidth=1.6)
                axes.add_patch(frame)
    axes.set_xticks(range(len(FACTORS)), ["learning\nstakes", "trust", "long-term\norientation", "prior\ninteraction"])
    axes.set_yticks(range(len(groups)), [f"{c.proposition}  {short(c.start)}" for c in groups])
    axes.set_title("Effect of each circumstance, points", fontsize=10, fontweight="bold", loc="left")
    axes.tick_params(labelsize=8.5, length=0)
    axes.spines[:].set_visible(False)
