"""One alliance's history in words: a table for the terminal, and plain data for JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.retrace import FIXED, VARIABLES
from sim.strategies import REGIMES, STRATEGIES

if TYPE_CHECKING:
    import xarray as xr

WIDTH = 118
#: More partners than this: only those who moved are shown.
MOST_PARTNERS = 4
MOVE = 42
#: Heading of each number -> its variable; shown are those that say something.
NUMBERS = {"got": "transfer", "made": "creation", "trust": "trust", "stakes": "stakes", "prior": "prior",
           "left": "remaining", "power": "power"}  # fmt: skip
SHORT = dict(zip(STRATEGIES, ("AV", "AC", "CM", "CP", "CL"), strict=True))
_CAUSES = {
    "avoidance": "every active partner avoids",
    "exit": "some had left, and the rest avoid or are alone",
    "review": "a review failed",
}
_NOTES = {
    "decided by": "P7a and the like: the proposition that decided, here Larsson's 7a, and what it moved. none: a move, or "
    "none, that no proposition states; tremble: a strategy drawn at random; no reconsideration: kept without a second look.",
    "numbers": "got, made: knowledge transferred from, and created with, the others in the period, mean over them; trust, "
    "stakes, prior (means, too) at its end",
    "race": "left: share of the others' knowledge still to learn; power: over the others.",
    "answered": "answered: whom, and what that one's strategy was seen as (AV avoidance, AC accommodation, CM compromise, "
    "CP competition, CL collaboration); most: the plurality of the others.",
    "specific": "1>2: what partner 1 does towards partner 2; its numbers are of that pair.",
}


def story(ds: xr.Dataset, fold: bool = True) -> str:
    """One alliance's history as text of at most 118 columns.

    Parameters
    ----------
    ds : of `sim.histories`, one alliance.  fold : take stretches without any move together.
    """
    return "\n".join(_lines(ds.isel(alliance=0), fold))


def _lines(ds: xr.Dataset, fold: bool) -> Iterator[str]:
    numbers = _numbers(ds)
    yield from _header(ds, numbers)
    heads = "".join(f"{head:>7}" for head in numbers)
    note = "regime" if ds.attrs["partners"] == 2 else "" if ds.attrs["coupling"] == "partner_specific" else "answered"
    yield f"{'period':>6}  {'':<5}{'decided by':<{MOVE}}{heads}  {note}".rstrip()
    last = ds.attrs["periods"] if np.isnan(ds.dissolved_at) else int(ds.dissolved_at)
    shown = _moves(ds)[: last + 1] if fold else np.ones(last + 1, bool)
    shown[[0, last]] = True
    notable = np.flatnonzero(shown).tolist()
    before = -1
    for t in notable:
        if t > before + 1:
            which = f"period {t - 1}" if t == before + 2 else f"periods {before + 1}-{t - 1}"
            still = f" ({_regimes(ds, t - 1)})" if ds.attrs["partners"] == 2 else ""
            yield f"        {which}: no change{still}"
        yield from _period(ds, t, numbers)
        before = t
    yield ""
    yield from _ending(ds)


def _header(ds: xr.Dataset, numbers: dict[str, np.ndarray]) -> Iterator[str]:
    a, factors = ds.attrs, json.loads(ds.attrs["factors"])
    levels = ", ".join(f"{label} = {level}" for label, level in factors.items())
    theories = json.loads(a["theories"])
    held = theories[0] if len(theories) == 1 else "; ".join(f"{p}: {n}" for p, n in _by_partner(ds, "theory"))
    pairs = [
        ("store", f"{a['store']}, point {a['point']}" + (f" of 0 to {a['points'] - 1}" if a["points"] > 1 else "")
                  + (f": {levels}" if levels else "")),
        ("alliance", f"{int(ds.alliance)} of 0 to {a['alliances'] - 1}; {a['partners']} partners, coupling {a['coupling']}, "
                     f"{a['periods']} periods, seed {a['seed']}"),
        ("theory", held),
        ("aware", ", ".join(str(p) for p, aware in _by_partner(ds, "aware") if aware)),
        ("long-term", _orientation(ds)),
    ]  # fmt: skip
    for key, value in pairs:
        if value:
            yield from textwrap.wrap(value, WIDTH, initial_indent=f"{key:<10}", subsequent_indent=" " * 10)
    race = f"; {_NOTES['race']}" if "left" in numbers else "."
    notes = [_NOTES["decided by"], _NOTES["numbers"] + race]
    if a["partners"] > 2:
        notes.append(_NOTES["specific" if a["coupling"] == "partner_specific" else "answered"])
    for note in notes:
        yield from textwrap.wrap(note, WIDTH, initial_indent=" " * 10, subsequent_indent=" " * 10)
    yield ""


def _orientation(ds: xr.Dataset) -> str:
    values = ds.orientation.values
    if values.min() == values.max():
        return f"orientation {values[0]:.3f} throughout"
    return f"orientation {values[0]:.3f} at formation, {values[-1]:.3f} at the end"


def _by_partner(ds: xr.Dataset, name: str) -> list[tuple[int, Any]]:
    return list(zip(ds.partner.values.tolist(), ds[name].values.tolist(), strict=True))


def _numbers(ds: xr.Dataset) -> dict[str, np.ndarray]:
    """Heading -> (period, partner), means over counterparts; none that says nothing."""
    others = ds.attrs["partners"] - 1
    found = {head: np.nansum(ds[name].values, axis=-1) / others for head, name in NUMBERS.items()}
    if (found["left"] == 1).all() and not found["power"].any():
        del found["left"], found["power"]
    return found


def _moves(ds: xr.Dataset) -> np.ndarray:
    """Whether anything moves, by period: a strategy, a partner who leaves, the phase."""
    moved = np.zeros(ds.attrs["periods"] + 1, bool)
    for name in ("strategy", "active", "phase"):
        if name in ds:
            values = ds[name].values.reshape(len(moved), -1)
            moved[1:] |= (values[1:] != values[:-1]).any(axis=1)
    return moved


def _regimes(ds: xr.Dataset, t: int) -> str:
    """Regimes of the pairs, with how many are in each."""
    pairs = ds.regime.values[t][np.triu_indices(ds.attrs["partners"], 1)].tolist()
    counts = {name: pairs.count(name) for name in REGIMES if name in pairs}
    return str(pairs[0]) if len(pairs) == 1 else ", ".join(f"{k} {name}" for name, k in counts.items())


def _label(decision: str) -> str:
    """A proposition as one calls it: P7a; names of other theories' as they are."""
    return f"P{decision}" if decision[:1].isdigit() else decision


def _move(ds: xr.Dataset, t: int, at: tuple[int, ...]) -> str:
    """What a partner decided, and what came of it."""
    now, decision = (str(ds[name].values[(t, *at)]) for name in ("strategy", "decision"))
    if t == 0:
        return f"starts in {now}"
    before, chosen = ds.strategy.values[(t - 1, *at)], ds.chosen.values[(t, *at)]
    if decision in ("left", "dissolved"):
        return decision
    if decision == "no reconsideration":
        return f"{before}, {decision}"
    return f"{_label(decision)}: {before} -> {chosen}" if chosen != before else f"{_label(decision)}: keeps {before}"


def _period(ds: xr.Dataset, t: int, numbers: dict[str, np.ndarray]) -> Iterator[str]:
    n, two = ds.attrs["partners"], ds.attrs["partners"] == 2
    strategy = ds.strategy.values
    notes = [] if not two else [_regimes(ds, t)]
    if "phase" in ds and (t == 0 or ds.phase.values[t] != ds.phase.values[t - 1]):
        notes.append(f"phase {ds.phase.values[t]}")
    gone = [i + 1 for i in range(n) if t and ds.active.values[t - 1, i] and not ds.active.values[t, i]]
    if gone and ds.active.values[t].any():
        notes.append(f"{', '.join(map(str, gone))} left")
    period = str(t)
    if not two:
        yield from textwrap.wrap("; ".join([*notes, _regimes(ds, t)]), WIDTH, initial_indent=f"{period:>6}  ",
                                 subsequent_indent=" " * 8)  # fmt: skip
        period = ""
    for i in range(n):
        at: list[tuple[int, ...]] = [(i, j) for j in range(n) if j != i] if strategy.ndim == 3 else [(i,)]
        if n > MOST_PARTNERS or (len(at) > 1 and t):
            at = [where for where in at if t and _shows(ds, t, where)]
        for where in at if t else at[:1]:
            who = str(i + 1) if len(where) == 1 or two or not t else f"{i + 1}>{where[1] + 1}"
            note = notes.pop(0) if two and notes else "" if two else _answered(ds, t, where)
            line = f"{period:>6}  {who:<5}{_cut(_move(ds, t, where)):<{MOVE}}{_values(ds, t, where, numbers)}"
            yield f"{line}  {note}".rstrip()[:WIDTH]
            period = ""
    if two:
        for note in notes:
            yield f"{'':>13}{note}"
    elif n > MOST_PARTNERS and t == 0:
        counts = {s: int((strategy[0] == s).sum()) for s in dict.fromkeys(strategy[0].ravel()) if s}
        yield f"        partners start in {', '.join(f'{s} ({k})' for s, k in counts.items())}"


def _shows(ds: xr.Dataset, t: int, where: tuple[int, ...]) -> bool:
    """Whether a partner of many has something to show: it chose to move, or left."""
    return bool(
        ds.chosen.values[(t, *where)] not in ("", ds.strategy.values[(t - 1, *where)])
        or (ds.active.values[t].any() and ds.active.values[t, where[0]] != ds.active.values[t - 1, where[0]])
    )


def _values(ds: xr.Dataset, t: int, where: tuple[int, ...], numbers: dict[str, np.ndarray]) -> str:
    """Numbers of a partner, or of it facing one counterpart; nothing is exchanged in period 0."""
    own = t > 0 and len(where) == 2
    found = {head: ds[NUMBERS[head]].values[(t, *where)] if own else v[t, where[0]] for head, v in numbers.items()}
    return "".join(f"{v:7.3f}" if t or head not in ("got", "made") else f"{'':>7}" for head, v in found.items())


def _cut(text: str) -> str:
    return text if len(text) < MOVE else text.replace("instrumentality", "instrum.")[: MOVE - 1]


def _answered(ds: xr.Dataset, t: int, where: tuple[int, ...]) -> str:
    """Whom a partner answered."""
    met = int(ds.met.values[(t, *where)])
    if met == 0 or len(where) == 2:
        return ""
    seen = ds.seen.values[(t, *where)]
    return f"{'most' if met < 0 else met} ({SHORT[seen]})"


def _ending(ds: xr.Dataset) -> Iterator[str]:
    if np.isnan(ds.dissolved_at):
        yield f"The alliance lasted all {ds.attrs['periods']} periods."
    else:
        cause, when = str(ds.cause.values), int(ds.dissolved_at)
        ending = f"at the end of period {when}" if when else "at formation"
        yield f"The alliance dissolved {ending}: {cause} ({_CAUSES.get(cause, cause)})."
    others = ds.attrs["partners"] - 1
    transfer, creation = (np.nansum(ds[name].values, axis=(0, 2)) / others for name in ("transfer", "creation"))
    for i, (got, made) in enumerate(zip(transfer.tolist(), creation.tolist(), strict=True)):
        mean = (got + made) / ds.attrs["periods"]
        yield f"Partner {i + 1} learned {got + made:.3f} (got {got:.3f}, made {made:.3f}): {mean:.4f} a period."


def plain(ds: xr.Dataset) -> dict[str, Any]:
    """One alliance's history as plain data: lists, numbers, text, and None where there is nothing.

    Parameters
    ----------
    ds : of `sim.histories`, one alliance.

    Returns
    -------
    dict : about the point; ``theory``, ``aware`` by partner; ``dissolved_at``, ``cause``; ``learning`` and so on in
        ``history``, one entry for each period, lists in the order of the partners (and of the counterparts within).
    """
    one = ds.isel(alliance=0)
    a = dict(one.attrs)
    about = {
        **{k: a[k] for k in ("store", "title", "point", "coupling", "partners", "periods", "seed", "source")},
        "factors": json.loads(a["factors"]),
        "alliance": int(one.alliance),
        **{name: _plain(one[name].values) for name in FIXED},
        "dissolved_at": None if np.isnan(one.dissolved_at) else int(one.dissolved_at),
        "learned": _plain(np.nansum(one.learning.values, axis=(0, 2)) / (a["partners"] - 1)),
        "units": {str(name): VARIABLES[str(name)][1] for name in one.data_vars},
    }
    names = [str(name) for name in one.data_vars if name not in FIXED]
    about["history"] = [
        {"period": t, **{name: _plain(one[name].values[t]) for name in names}} for t in range(a["periods"] + 1)
    ]
    return about


def _plain(values: Any) -> Any:
    """As JSON can hold it; what is missing is None."""
    if isinstance(values, np.ndarray):
        return [_plain(v) for v in values] if values.ndim else _plain(values.item())
    if isinstance(values, np.generic):
        # A float32 reads as its own shortest form.
        return _plain(float(str(values)) if isinstance(values, np.float32) else values.item())
    return None if values == "" or (isinstance(values, float) and not np.isfinite(values)) else values
