"""When competing pays for the firm, and what it costs the alliance: the table of outcomes, and partners that respond."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis.drawing import band, canvas, caption, plain, sample
from analysis.figures import BAND, DASHES, SMALL
from analysis.matches import Match, matches, present
from analysis.studies import Study
from analysis.summaries import AnalysisError, MissingVariable, factors, flat, with_error, word
from sim.strategies import STRATEGIES

RESPONDS = "larsson1998"
FIRMS = {"always_collaboration": "collaborates", "always_compromise": "compromises", "always_competition": "competes",
         RESPONDS: "responds"}  # fmt: skip
SHORT = ("AV", "AC", "CM", "CP", "CL")
#: (trust, rivalry) -> what a firm and a partner that responds learn.
Found = dict[tuple[float, float], dict[tuple[str, str], Match]]


def study(ds: xr.Dataset, store: Path) -> Study:
    """Learning of committed firms, and of their partners, over trust and rivalry.

    Parameters
    ----------
    ds : a factorial design of trust, rivalry (2 levels or more) and a factor of mixes: each theory of `FIRMS` alone, each
        of the committed ones with `RESPONDS`, and all five commitments together.  store : not read.

    Raises
    ------
    AnalysisError : another design.  MissingVariable : a variable of the study is not in the dataset.
    """
    ds = flat(ds)
    levels = factors(ds) if ds.sizes["point"] else {}
    if not {"trust", "rivalry"} <= set(levels) or any(levels[o].dtype.kind not in "iuf" for o in ("trust", "rivalry")):
        raise AnalysisError("needs the factors trust, rivalry (numbers) and one of mixes, at some finished points")
    if "learning_by_pair" not in ds:
        raise MissingVariable("learning_by_pair")
    many = np.array([len(mix) > 2 for mix in present(ds)])
    found: Found = {}
    for t, r in itertools.product(levels["trust"].tolist(), levels["rivalry"].tolist()):
        here = (ds["trust"].values == t) & (ds["rivalry"].values == r) & ~many
        found[t, r] = matches(ds.isel(point=np.flatnonzero(here)))
        if missing := [firm for firm in FIRMS if (firm, RESPONDS) not in found[t, r]]:
            raise AnalysisError(f"needs {RESPONDS} alone and with {', '.join(missing)}, at every trust and rivalry")
    tables = {
        r: _table(ds.isel(point=np.flatnonzero(many & (ds["rivalry"].values == r)))) for r in levels["rivalry"].tolist()
    }
    rows: list[dict[str, object]] = []
    for (t, r), own in found.items():
        for firm, name in FIRMS.items():
            mine, other = own[firm, RESPONDS], own[RESPONDS, firm]
            rows.append({"rivalry": r, "trust": t, "firm": name, "learning": mine.learning, "learning_se": mine.error,
                         "partner": other.learning, "partner_se": other.error})  # fmt: skip
    return Study(_text(found, tables), rows, _figure(ds, found, tables))


def _table(ds: xr.Dataset) -> np.ndarray:
    """(own, counterpart) mean over periods of what is learnt, 0 where a pair never was (both avoid)."""
    if not ds.sizes["point"]:
        raise AnalysisError("needs a mix of all five commitments, at every rivalry")
    pairs = ds["learning_by_pair"].isel(point=0, period=slice(1, None)).transpose("period", "own", "counterpart").values
    return np.asarray(np.nan_to_num(pairs).mean(axis=0))


def weight(own: dict[tuple[str, str], Match], firm: str, other: str) -> float:
    """The weight of the partner's learning, as a loss, from which on `other` pays the firm more than `firm`.

    A firm that values what it learns less `weight` times what its partner learns; NaN where none does it.
    """
    gain = own[firm, RESPONDS].learning - own[other, RESPONDS].learning
    lead = own[RESPONDS, firm].learning - own[RESPONDS, other].learning
    return gain / lead if lead > 0 else np.nan


def _text(found: Found, tables: dict[float, np.ndarray]) -> str:
    lines = ["learning per period against each strategy, mean over the five (Fig. 2: CL .9, CP .75, CM .55)"]
    for r, table in list(tables.items())[:5]:
        lines.append(
            f"  rivalry {r:g}: " + ", ".join(f"{s} {v:.3f}" for s, v in zip(SHORT, table.mean(axis=1), strict=True))
        )
    lines += ["a firm against a partner that responds: what it learns (standard error)",
              "rivalry  trust  collaborates     compromises      competes         partner if collab. / comp."]  # fmt: skip
    trusts = list(dict.fromkeys(t for t, _ in found))
    shown = {trusts[k] for k in np.linspace(0, len(trusts) - 1, min(5, len(trusts))).round().astype(int)}
    for (t, r), own in sorted(found.items(), key=lambda item: item[0][::-1]):
        if t in shown and r in (min(tables), max(tables)):
            cells = [with_error(own[f, RESPONDS].learning, own[f, RESPONDS].error, 4) for f in list(FIRMS)[:3]]
            others = [f"{own[RESPONDS, f].learning:.3f}" for f in ("always_collaboration", "always_competition")]
            lines.append(f"{r:<7g}  {t:<5g}  " + "  ".join(f"{cell:<15}" for cell in cells) + "  " + " / ".join(others))
    for r in dict.fromkeys((min(tables), max(tables))):
        ones = [found[t, r] for t in trusts]
        best = [max(list(FIRMS)[:3], key=lambda f: one[f, RESPONDS].learning) for one in ones]
        runs = [(FIRMS[f], [t for t, b in zip(trusts, best, strict=True) if b == f]) for f in dict.fromkeys(best)]
        said = ", ".join(f"{name} at trust {min(at):g} to {max(at):g}" for name, at in runs)
        low = [weight(one, "always_collaboration", "always_competition") for one in ones]
        lines.append(f"rivalry {r:g}: the firm learns most that {said}")
        if np.isfinite(low).any():
            least = f"{np.nanmin(low):.2f} to {np.nanmax(low):.2f}, by trust (in one round: .25)"
            lines.append("  competing beats collaborating only if each unit the partner learns is a loss of")
            lines.append(f"  {least}")
    return "\n".join(lines)


def _figure(ds: xr.Dataset, found: Found, tables: dict[float, np.ndarray]) -> Figure:
    figure = canvas(11.0, 6.8)
    grid = figure.add_gridspec(2, 3)
    trusts = np.array(list(dict.fromkeys(t for t, _ in found)))
    shades = [*matplotlib.colormaps["viridis_r"](np.linspace(0.25, 1.0, 3)), "0.5"]
    for line, rivalry in enumerate((min(tables), max(tables))):
        _heat(figure.add_subplot(grid[line, 0]), tables[rivalry], f"rivalry {word(rivalry)}: both committed")
        panels = [figure.add_subplot(grid[line, column]) for column in (1, 2)]
        for (firm, name), shade, dash in zip(FIRMS.items(), shades, DASHES, strict=False):
            own = [found[t, rivalry][firm, RESPONDS] for t in trusts.tolist()]
            other = [found[t, rivalry][RESPONDS, firm] for t in trusts.tolist()]
            mine, theirs = (np.array([[m.learning, m.error] for m in side]).T for side in (own, other))
            # The errors of both add at most.
            for axes, (y, error) in zip(panels, (mine, mine + theirs if firm != RESPONDS else 2 * mine), strict=True):
                band(axes, trusts, y, error, color=shade, linestyle=dash, label=name)
        for axes, title, y in zip(
            panels, ("what the firm learns", "what both learn"), ("firm", "firm and partner"), strict=True
        ):
            axes.set_ylim(-0.05, 2.15 if y == "firm" else 4.3)
            plain(axes, "interorganizational trust at start" * line, f"learning of {y}\nper period",
                  f"partner responds: {title}")  # fmt: skip
        if line == 1:
            panels[0].legend(title="the firm", frameon=False, fontsize=SMALL, title_fontsize=SMALL, loc="upper left")
    figure.suptitle("When does competing pay for the firm, and what does it cost the alliance?", x=0.01, ha="left",
                    fontsize=12, fontweight="bold")  # fmt: skip
    caption(
        figure,
        f"{sample(ds)}. Rivalry: a lead in learning forces the other to disclose, "
        "and tempts to exploit. Left: mean learning over the run, both committed "
        "(AV avoidance, AC accommodation, CM compromise, CP competition, CL collaboration). "
        "Middle, right: the partner begins in collaboration and responds (Propositions "
        f"1 to 9); orientation fixed. Bands: ±{BAND} Monte Carlo standard errors."
    )  # fmt: skip
    return figure


def _heat(axes: Any, table: np.ndarray, title: str) -> None:
    axes.imshow(table, cmap="Greys", vmin=0.0, vmax=2.6)
    for (i, j), value in np.ndenumerate(table):
        axes.text(j, i, f"{value:.2f}".replace("0.", ".", 1) if value < 1 else f"{value:.2f}", ha="center", va="center",
                  fontsize=SMALL, color="white" if value > 1.4 else "black")  # fmt: skip
    for i, value in enumerate(table.mean(axis=1)):
        axes.text(len(STRATEGIES) + 0.0, i, f"{value:.2f}", ha="center", va="center", fontsize=SMALL, fontweight="bold")
    axes.text(len(STRATEGIES) + 0.0, -0.75, "mean", ha="center", va="center", fontsize=SMALL, fontweight="bold")
    axes.set_xticks(range(5), SHORT)
    axes.set_yticks(range(5), SHORT)
    plain(axes, "partner's strategy", "firm's strategy", title)
    axes.set_xlim(-0.5, 5.5)
    axes.spines[["left", "bottom"]].set_visible(False)
