"""Extending a store, and putting right what a run that died left behind.

An extended store is built aside (``.<name>.extending``) from the finished points of the old one and changes places with
it when it is done, so a finished point is never rewritten where it stands.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sim import chunks
from sim.design import ConfigError
from sim.opening import read
from sim.place import lock, siblings
from sim.store import Store


def copy_points(source: Store, target: Store, indices: Sequence[int], to: Sequence[int]) -> None:
    """Copy finished points, by label of every dim that may have grown, to other indices of another store; then mark them."""
    grown = {
        "period": (np.searchsorted(target.grid, source.grid), len(target.grid)),
        "proposition": ([target.propositions.index(p) for p in source.propositions], len(target.propositions)),
        "theory": ([target.theories.index(name) for name in source.theories], len(target.theories)),
    }
    for dim, name in (("period_column", "by_period"), ("run_column", "by_run")):
        columns = target.columns(name)
        grown[dim] = ([columns.index(label) for label in source.columns(name)], len(columns))
    size = max(source.chunk, 1)
    for start in range(0, len(indices), size):
        here, there = list(indices[start : start + size]), list(to[start : start + size])
        for name, array in source.by_point.items():
            values = np.concatenate([source.rows(name, first, last) for _, first, last in chunks.runs(here)])
            dims = array.attrs["_ARRAY_DIMENSIONS"]
            for dim, (where, length) in grown.items():
                if dim in dims:
                    axis = dims.index(dim)
                    empty = np.nan if dim in ("period", "theory") and values.dtype.kind == "f" else 0
                    wide = np.full((*values.shape[:axis], length, *values.shape[axis + 1 :]), empty, values.dtype)
                    wide[(slice(None),) * axis + (where,)] = values
                    values = wide
            target.put(name, there, values)
        target.mark(there)


def clear(path: Path) -> None:
    """Remove a folder if it is there; what tells that it is of this program goes last, should this be cut short."""
    if not os.path.lexists(path):
        return
    for each in list(path.iterdir()):
        if each.is_dir():
            shutil.rmtree(each)
    shutil.rmtree(path)


def place(built: Path, path: Path) -> None:
    """Put a store that was built aside where it belongs; what was there is removed after."""
    previous = siblings(path)[2]
    clear(previous)
    if not path.exists():
        os.rename(built, path)
        return
    # What takes the place of finished points is on the disk before, and in its place before the old ones go.
    chunks.sync(built)
    os.rename(path, previous)
    os.rename(built, path)
    chunks.sync(path)
    clear(previous)


def recover(path: Path) -> None:
    """Bring a place back into order after a run died: finish a swap, keep what an extension has done, drop the rest."""
    new, extending, previous = siblings(path)
    clear(new)
    if previous.exists():
        if not path.exists():
            os.rename(previous, path)
        else:
            clear(previous)
    for left in path.rglob("*.partial") if path.exists() else ():
        left.unlink()
    if not extending.exists():
        return
    bigger, old = read(extending, "r+"), read(path)
    if bigger is None or old is None:
        clear(extending)
        return
    for left in extending.rglob("*.partial"):
        left.unlink()
    settle(old, bigger)


def settle(old: Store, bigger: Store) -> None:
    """End an extension, complete or not: take over from the old store what was not redone, then let them change places."""
    done = bigger.done
    kept = [k for k in np.flatnonzero(old.done).tolist() if not done[k]]
    copy_points(old, bigger, kept, kept)
    bigger.note()
    place(bigger.path, old.path)


def agree(path: Path) -> None:
    """Write both marks of a finished store again where one of them is damaged or gone; nothing is done to any other."""
    found = read(path)
    if found is not None and not found.agreed:
        with contextlib.suppress(ConfigError, OSError), lock(path):
            writable = read(path, "r+")
            assert writable is not None
            writable.agree()
