"""Who gets ahead in a race to learn, how long the alliance lasts, what is learnt and what is left."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis.drawing import band, canvas, caption, plain, sample
from analysis.figures import BAND, DASHES, SMALL
from analysis.studies import Study
from analysis.summaries import AnalysisError, MissingVariable, ends, factors, flat, with_error, word

FACTORS = ("opening", "weakest", "temptation", "scope")
#: What is read: of the whole run, or at its end.
PANELS = {"dissolution_time": "periods the\nalliance lasts", "share_learnt": "share learnt of what\nthe partner knows",
          "power": "power of who is\nahead, at the end"}  # fmt: skip
OPENINGS = {"both_open": "both collaborate first", "one_competes": "one competes first"}


class Race(NamedTuple):
    """Arrays over (opening, weakest, temptation, scope). levels : of each factor; values, errors : by name of `PANELS`."""

    levels: dict[str, np.ndarray]
    values: dict[str, np.ndarray]
    errors: dict[str, np.ndarray]


def study(ds: xr.Dataset, store: Path) -> Study:
    """Duration, knowledge learnt and power over scope and temptation.

    Parameters
    ----------
    ds : a factorial design of opening, weakest, temptation and scope (3 levels or more), with dissolution_time, unlearnt
        and power.  store : not read.

    Raises
    ------
    AnalysisError : another design.  MissingVariable : a variable of the study is not in the dataset.
    """
    race = _race(flat(ds))
    rows: list[dict[str, object]] = []
    for at in np.ndindex(*(len(race.levels[o]) for o in FACTORS)):
        row: dict[str, object] = {o: race.levels[o][k].item() for o, k in zip(FACTORS, at, strict=True)}
        for name in PANELS:
            row |= {name: float(race.values[name][at]), f"{name}_se": float(race.errors[name][at])}
        rows.append(row)
    return Study(_text(race), rows, _figure(flat(ds), race))


def _race(ds: xr.Dataset) -> Race:
    found = factors(ds) if ds.sizes["point"] else {}
    if set(FACTORS) - set(found) or [o for o, v in found.items() if len(v) > 1 and o not in FACTORS]:
        raise AnalysisError(f"needs the factors {', '.join(FACTORS)} and no other, at some finished points")
    levels = {o: found[o] for o in FACTORS}
    if any(levels[o].dtype.kind not in "iuf" for o in FACTORS[1:]) or len(levels["scope"]) < 3:
        raise AnalysisError("weakest, temptation and scope (3 or more) need numbers as levels")
    if "dissolution_time" not in ds:
        raise MissingVariable("dissolution_time")
    end = ends(ds, ["unlearnt", "power"])
    sources = {"dissolution_time": (ds["dissolution_time"].values, ds["dissolution_time_se"].values),
               "share_learnt": (1.0 - end["unlearnt"].values, end["unlearnt_se"].values),
               "power": (end["power"].values, end["power_se"].values)}  # fmt: skip
    shape = tuple(len(levels[o]) for o in FACTORS)
    index = {o: {level: k for k, level in enumerate(levels[o].tolist())} for o in FACTORS}
    where = tuple(np.array([index[o][v] for v in ds[o].values.tolist()]) for o in FACTORS)
    if ds.sizes["point"] != np.prod(shape):
        raise AnalysisError("not every combination of levels is finished")
    values, errors = ({name: np.full(shape, np.nan) for name in PANELS} for _ in range(2))
    for name, (value, error) in sources.items():
        values[name][where], errors[name][where] = value, error
    return Race(levels, values, errors)


def _contests(race: Race) -> list[tuple[int, int, str]]:
    """(opening, weakest) and what one calls them."""
    made = []
    for i, j in itertools.product(range(len(race.levels["opening"])), reversed(range(len(race.levels["weakest"])))):
        opening, least = str(race.levels["opening"][i]), race.levels["weakest"][j]
        ability = "alike in ability" if least == 1.0 else f"abilities from {word(float(least))} to 1"
        made.append((i, j, f"{OPENINGS.get(opening, opening)}, {ability}"))
    return made


def _text(race: Race) -> str:
    lines = ["periods an alliance lasts, share of the partner's knowledge learnt, power of who is ahead",
             "temptation  scope  lasts           learnt           power  (standard errors)"]  # fmt: skip
    for i, j, name in _contests(race):
        lines.append(f"{name}:")
        for t, s in itertools.product((0, -1), (0, -1)):
            cells = [with_error(float(race.values[n][i, j, t, s]), float(race.errors[n][i, j, t, s]), 4) for n in PANELS]
            at = f"{race.levels['temptation'][t]:<10g}  {race.levels['scope'][s]:<5g}"
            lines.append(f"{at}  {cells[0]:<14}  {cells[1]:<15}  {cells[2]}")
    return "\n".join(lines)


def _figure(ds: xr.Dataset, race: Race) -> Figure:
    contests = _contests(race)
    figure = canvas(1.0 + 2.05 * len(contests), 6.8)
    grid = figure.add_gridspec(len(PANELS), len(contests))
    shades = matplotlib.colormaps["viridis_r"](np.linspace(0.2, 1.0, len(race.levels["temptation"])))
    scopes, periods = race.levels["scope"], int(ds["period"].values.max())
    for (line, (panel, label)), (column, (i, j, name)) in itertools.product(enumerate(PANELS.items()), enumerate(contests)):
        axes: Any = figure.add_subplot(grid[line, column])
        for k, (shade, dash) in enumerate(zip(shades, itertools.cycle(DASHES), strict=False)):
            band(axes, scopes, race.values[panel][i, j, k], race.errors[panel][i, j, k], color=shade, linestyle=dash,
                 label=word(race.levels["temptation"][k].item()))  # fmt: skip
        axes.set_xscale("log", base=2)
        axes.set_xticks(scopes, [word(s) for s in scopes.tolist()])
        axes.set_ylim(0, {"dissolution_time": float(periods), "share_learnt": 1.0}.get(panel, 0.75))
        last = line == len(PANELS) - 1
        plain(axes, "scope of knowledge\n(periods of full transfer)" * last, label * (column == 0),
              name.replace(", ", ",\n") * (line == 0))  # fmt: skip
        axes.xaxis.label.set_size(SMALL)
        axes.tick_params(labelleft=column == 0, labelbottom=last)
        if line == column == 0:
            axes.legend(title="temptation", frameon=False, fontsize=SMALL, title_fontsize=SMALL, loc="upper left")
    figure.suptitle("Who wins the race to learn, and how long does the alliance last?", x=0.01, ha="left", fontsize=12,
                    fontweight="bold")  # fmt: skip
    caption(
        figure,
        f"{sample(ds)}. Temptation: what full power over the partner adds to the "
        "thresholds of restraint. Power: 0 where both learnt the same, .5 where "
        "one is ahead by five periods of one-way transfer. Trust and orientation "
        ".8; half of trust rests on what is left to learn; who has nothing left "
        "avoids after ten periods on average. Bands, mostly thinner than the lines: "
        f"±{BAND} Monte Carlo standard errors."
    )  # fmt: skip
    return figure
