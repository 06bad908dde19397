"""Histories of alliances of a saved store, simulated again from the store alone: the same draws, the same bits."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.design import ConfigError
from sim.helptext import show

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from sim.stored import Stored
    from sim.traces import Piece, Tracer

#: Largest dataset of histories, in bytes.
MAX_BYTES = 4 * 2**30
#: Most rows of a table at a time.
MAX_ROWS = 2**16

_PAIR, _UNIT = ("partner", "counterpart"), ("unit",)
_KNOWLEDGE = "knowledge per period"
#: Variable -> dims after alliance and period (or, last, after alliance), units, long_name, description.
VARIABLES: dict[str, tuple[tuple[str, ...], str, str, str]] = {
    "strategy": (_UNIT, "1", "strategy", "Strategy at the end of the period; all avoid once the alliance has dissolved."),
    "decision": (_UNIT, "1", "what decided the move",
                 "Label of the proposition, or none (no proposition says so), tremble, satiation, instrumentality, "
                 "no reconsideration, left, dissolved; empty at formation."),
    "branch": (_UNIT, "1", "branch of the response", "empowered, barrier or kept; empty where nothing was reconsidered."),
    "met": (_UNIT, "1", "whom the partner answered", "Label of the counterpart; 0: nobody, -1: the others' plurality."),
    "seen": (_UNIT, "1", "strategy as seen", "What the counterpart's strategy was taken for; empty where nobody answered."),
    "chosen": (_UNIT, "1", "strategy chosen", "What the response chose, before exits and dissolution of the same period."),
    "active": (("partner",), "1", "active", "Whether the partner has not left, nor the alliance dissolved."),
    "regime": (_PAIR, "1", "regime of the pair", "Regime at the end of the period; empty for a partner and itself."),
    "transfer": (_PAIR, _KNOWLEDGE, "knowledge transferred", "What the partner absorbed from the counterpart; NaN at 0."),
    "creation": (_PAIR, _KNOWLEDGE, "knowledge created", "What the partner appropriated of what both created; NaN at 0."),
    "learning": (_PAIR, _KNOWLEDGE, "learning", "Transfer plus creation; NaN at period 0."),
    "disclosure": (_PAIR, _KNOWLEDGE, "disclosure", "What the partner offered to the counterpart; NaN at period 0."),
    "trust": (_PAIR, "1", "interorganizational trust", "Of the partner in the counterpart, end of the period, in [0, 1]."),
    "stakes": (_PAIR, "1", "learning stakes", "Of the partner with the counterpart, end of the period, in [0, 1]."),
    "prior": (_PAIR, "1", "prior related interaction", "Of the pair, end of the period, in [0, 1]."),
    "remaining": (_PAIR, "1", "knowledge not yet internalised", "Part of the counterpart's left to learn, in [0, 1]."),
    "power": (_PAIR, "1", "power", "Of the partner over the counterpart, in (-1, 1); 0 where no race to learn is followed."),
    "orientation": ((), "1", "long-term orientation", "In the period, the end-game applied, in [0, 1]."),
    "phase": ((), "1", "phase of alliance evolution", "Phase that holds after the period's review."),
    "theory": (("partner",), "1", "response theory", "Theory the partner follows, as named in response.theory_mix."),
    "aware": (("partner",), "1", "collective awareness", "Whether the partner is aware of the dynamics."),
    "dissolved_at": ((), "period", "time of dissolution", "Period at whose end the alliance dissolved; NaN: it lasted."),
    "cause": ((), "1", "cause of dissolution", "avoidance, exit or review; empty: it lasted."),
}  # fmt: skip
#: Variables without dim period.
FIXED = ("theory", "aware", "dissolved_at", "cause")


def histories(path: str | os.PathLike[str], point: int | Mapping[str, Any] = 0, alliances: range | int = 0) -> xr.Dataset:
    """Histories of alliances of a finished point, period by period.

    Parameters
    ----------
    path : a store that ``python -m sim.run`` wrote.
    point : index of the point, or levels of factors that single it out (``{"trust": 0.5, "partners": 3}``).
    alliances : number of one alliance, or a range of them, from 0.

    Returns
    -------
    xarray.Dataset : dims alliance, period (0 to T), partner and counterpart (1 to N), and the variables of `VARIABLES`,
        words as text. What is decided (strategy, decision, branch, met, seen, chosen) has dim counterpart only where
        behaviour is partner-specific; phase is there only with phases. Levels of factors are coordinates
        ``factor_<label>``.

    Raises
    ------
    sim.ConfigError : the store, the point or the alliances are not there; the message says what is.

    Examples
    --------
    >>> ds = sim.histories("results/sweep.zarr", {"trust": 0.5, "orientation": 0.7, "partners": 2}, range(100))
    >>> ds.decision.sel(alliance=7, partner=1).to_series()          # doctest: +SKIP
    """
    import xarray as xr

    stored, index, tracer, wanted = _prepared(path, point, alliances)
    n, periods, number = tracer.partners, tracer.periods, len(wanted)
    size = number * (periods + 1) * (tracer.bytes_per_period() + 8 * (5 * n ** len(tracer.units) + n * n))
    if size > MAX_BYTES:
        raise ConfigError(
            f"alliances = {show_range(wanted)}: their histories take {size / 2**30:.0f} GiB in memory, more than "
            f"{MAX_BYTES / 2**30:.0f}; ask for fewer, or go through sim.panel, a piece at a time."
        )
    sizes = {"alliance": number, "period": periods + 1, "partner": n, "counterpart": n}
    names = [name for name in VARIABLES if name != "phase" or tracer.phased]
    dims = {name: _dims(name, tracer) for name in names}
    words = {name: np.array(labels, object) for name, labels in tracer.words.items()}
    data: dict[str, np.ndarray] = {}
    for piece in tracer.pieces(wanted):
        here = slice(piece.first - wanted[0], piece.first - wanted[0] + piece.alliances)
        for name in names:
            found = words[name][piece.arrays[name]] if name in words else piece.arrays[name]
            if name not in data:
                data[name] = np.empty([sizes[d] for d in dims[name]], found.dtype)
            if name in FIXED:
                data[name][here] = found
            else:
                # The first period of a later piece is noted twice, the same.
                data[name][here, piece.start : piece.start + piece.rows] = found
    at = data["dissolved_at"]
    data["dissolved_at"] = np.where(at < 0, np.nan, at)
    labels = stored.labels(index)
    coords: dict[str, Any] = {
        "alliance": ("alliance", np.arange(wanted[0], wanted[-1] + 1), _attributes("1", "alliance, from 0")),
        "period": ("period", np.arange(periods + 1), _attributes("period", "period; 0 is formation")),
        "partner": ("partner", np.arange(1, n + 1), _attributes("1", "partner, from 1")),
        "counterpart": ("counterpart", np.arange(1, n + 1), _attributes("1", "partner it faces, from 1")),
    }
    coords |= {f"factor_{k}": ((), v, _attributes("1", f"level of factor {k}")) for k, v in labels.items()}
    return xr.Dataset(
        {name: (dims[name], data[name], _attributes(*VARIABLES[name][1:])) for name in names},
        coords,
        {
            "store": str(path), "point": index, "points": len(stored), "alliances": stored.alliances(index),
            "factors": json.dumps(labels), "partners": n, "periods": periods, "theories": json.dumps(tracer.theories),
            "coupling": stored.point(index)[0].parameters.population.coupling, "seed": stored.store.attrs["seed"],
            "source": stored.store.attrs["source"], "title": stored.store.attrs["title"],
        },
    )  # fmt: skip


def panel(
    path: str | os.PathLike[str], point: int | Mapping[str, Any] = 0, alliances: range | int = 0
) -> Iterator[pd.DataFrame]:
    """Histories as a table for event-history and panel regressions, some rows at a time.

    Parameters
    ----------
    path, point, alliances : as of `histories`.

    Yields
    ------
    pandas.DataFrame : at most `MAX_ROWS` rows, one for each alliance, period 1 to T, partner and counterpart.

        - point, alliance, period, partner, counterpart, ``factor_<label>``, theory, counterpart_theory, aware
        - at the start of the period: alive (1 until dissolved: the alliances at risk), active, counterpart_active,
          strategy, counterpart_strategy, regime, trust, stakes, prior, remaining, power, phase (with phases)
        - in the period: orientation, disclosure, transfer, creation, learning
        - what came of it: decision, branch, met, seen, chosen, next_strategy, dissolved (1 in the period at whose end
          the alliance dissolved), cause

        Words are categories, the same in all tables; a missing one: there was nothing to decide. An alliance dissolved
        at formation is never alive.

    Raises
    ------
    sim.ConfigError : as `histories`, before the first table.

    Examples
    --------
    >>> frame = pd.concat(sim.panel("results/sweep.zarr", 0, range(1000)))      # doctest: +SKIP
    >>> at_risk = frame[frame.alive == 1]                                       # doctest: +SKIP
    """
    stored, index, tracer, wanted = _prepared(path, point, alliances)
    return _tables(stored, index, tracer, wanted)


def _tables(stored: Stored, index: int, tracer: Tracer, wanted: range) -> Iterator[pd.DataFrame]:
    per_period = tracer.partners * (tracer.partners - 1)
    fixed = {"point": index} | {f"factor_{label}": level for label, level in stored.labels(index).items()}
    for piece in tracer.pieces(wanted):
        rows = piece.rows - 1
        many = max(1, MAX_ROWS // (per_period * rows))
        span = rows if many > 1 else max(1, min(rows, MAX_ROWS // per_period))
        for first in range(0, piece.alliances, many):
            for start in range(0, rows, span):
                here = slice(first, min(first + many, piece.alliances))
                yield _table(piece, here, start, min(start + span, rows), tracer, fixed)


def _table(piece: Piece, here: slice, start: int, stop: int, tracer: Tracer, fixed: Mapping[str, Any]) -> pd.DataFrame:
    """Rows of some alliances of a piece, from its periods `start` + 1 to `stop`."""
    import pandas as pd

    i, j = np.nonzero(~np.eye(tracer.partners, dtype=bool))
    arrays = {name: values[here] for name, values in piece.arrays.items()}
    shape = (len(arrays["cause"]), stop - start, len(i))
    before, during = slice(start, stop), slice(start + 1, stop + 1)

    def at(name: str, when: slice, own: np.ndarray = i, other: np.ndarray = j) -> np.ndarray:
        values = arrays[name][:, when]
        if values.ndim == 4:
            return np.asarray(values[:, :, own, other])
        return np.asarray(values[:, :, own] if values.ndim == 3 else values[:, :, None])

    def words(name: str, codes: np.ndarray) -> pd.Categorical:
        labels = tracer.words[name]
        kept = [label for label in labels if label]
        to = np.array([kept.index(label) if label else -1 for label in labels], np.int16)
        return pd.Categorical.from_codes(np.broadcast_to(to[codes], shape).ravel(), kept)

    def flag(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(values, shape).ravel().astype(np.int8)

    def flat(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(values, shape).ravel()

    period = piece.start + np.arange(start + 1, stop + 1)[None, :, None]
    when = arrays["dissolved_at"][:, None, None]
    columns: dict[str, Any] = {
        "alliance": flat((piece.first + np.arange(here.start, here.stop))[:, None, None]),
        "period": flat(period),
        "partner": flag(i + 1),
        "counterpart": flag(j + 1),
        "theory": words("theory", arrays["theory"][:, None, i]),
        "counterpart_theory": words("theory", arrays["theory"][:, None, j]),
        "aware": flag(arrays["aware"][:, None, i]),
        "alive": flag((when < 0) | (when >= period)),
        "active": flag(at("active", before)),
        "counterpart_active": flag(at("active", before, j, i)),
        "strategy": words("strategy", at("strategy", before)),
        "counterpart_strategy": words("strategy", at("strategy", before, j, i)),
        "regime": words("regime", at("regime", before)),
        **{name: flat(at(name, before)) for name in ("trust", "stakes", "prior", "remaining", "power")},
        **({"phase": words("phase", at("phase", before))} if tracer.phased else {}),
        "orientation": flat(at("orientation", during)),
        **{name: flat(at(name, during)) for name in ("disclosure", "transfer", "creation", "learning")},
        **{name: words(name, at(name, during)) for name in ("decision", "branch")},
        "met": flag(at("met", during)),
        **{name: words(name, at(name, during)) for name in ("seen", "chosen")},
        "next_strategy": words("strategy", at("strategy", during)),
        "dissolved": flag(when == period),
        "cause": words("cause", np.where(when == period, arrays["cause"][:, None, None], 0)),
    }
    frame = pd.DataFrame(columns, copy=False)
    for k, (name, value) in enumerate(fixed.items()):
        frame.insert(0 if name == "point" else k + 4, name, value)
    return frame


def _prepared(
    path: str | os.PathLike[str], point: int | Mapping[str, Any], alliances: range | int
) -> tuple[Stored, int, Tracer, range]:
    """A store, a point of it, what traces it, and the alliances wanted; all checked."""
    from sim.stored import opened

    stored = opened(Path(path))
    index = stored.index_of(point) if isinstance(point, Mapping) else point
    wanted = checked(alliances, stored.alliances(index))
    with stored.as_saved():
        from sim.traces import Tracer

        return stored, index, Tracer(*stored.point(index)), wanted


def checked(alliances: range | int, number: int) -> range:
    """A range of alliances, 0 to `number` - 1, with something in it.

    Raises
    ------
    ConfigError : it is not.
    """
    wanted: Any = alliances
    if isinstance(alliances, int | np.integer) and not isinstance(alliances, bool):
        wanted = range(int(alliances), int(alliances) + 1)
    there = f"the point has alliances 0 to {number - 1}"
    if not isinstance(wanted, range) or wanted.step != 1:
        raise ConfigError(f"alliance = {show(alliances)}: must be a number or a range of step 1; {there}.")
    if not wanted:
        said = "it ends before it begins" if wanted.stop < wanted.start else "it is empty"
        raise ConfigError(f"alliance = {show_range(wanted)}: {said}; {there}.")
    if wanted.start < 0 or wanted.stop > number:
        raise ConfigError(f"alliance = {show_range(wanted)}: {there}.")
    return wanted


def show_range(alliances: range) -> str:
    """A range as on the command line."""
    return str(alliances.start) if len(alliances) == 1 else f"{alliances.start}:{alliances.stop}"


def _dims(name: str, tracer: Tracer) -> tuple[str, ...]:
    own = VARIABLES[name][0]
    return ("alliance", *(() if name in FIXED else ("period",)), *(tracer.units if own == _UNIT else own))


def _attributes(units: str, long_name: str, description: str = "") -> dict[str, str]:
    return {"units": units, "long_name": long_name, **({"description": description} if description else {})}
