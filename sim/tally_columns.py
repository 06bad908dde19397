"""Columns of the tallies as a store keeps them: which there are, and how they lie to those of a layout."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.recording import layout_of, recorded_names
from sim.schema import Config
from sim.variables import BY_NAME


def kind_of(name: str) -> str:
    """Whether a group of tallies is of a ``period`` or of the whole ``run``."""
    return "period" if name == "by_period" else "run"


def column_labels(columns: Sequence[tuple[str, str]], names: Sequence[str]) -> list[str]:
    """Names of the tally columns that the recorded variables need."""
    numbers = {BY_NAME[n].number for n in names}
    return [f"{v}[{label}]" if label else v for v, label in columns if v in names or v in numbers]


def shared(columns: Sequence[tuple[str, str]], labels: Sequence[str]) -> tuple[list[int], list[int]]:
    """Where the columns that a layout and a store share stand in the one and in the other."""
    every = {f"{v}[{label}]" if label else v: k for k, (v, label) in enumerate(columns)}
    both = [(every[label], k) for k, label in enumerate(labels) if label in every]
    return [where for where, _ in both], [here for _, here in both]


def arranged(sums: np.ndarray, columns: Sequence[tuple[str, str]], labels: Sequence[str]) -> np.ndarray:
    """Tallies in the columns of a store, 0 where a layout has none; as they are where all are in the same order."""
    where, here = shared(columns, labels)
    if where == here == list(range(len(columns))) and len(labels) == len(columns):
        return sums
    found = np.zeros((*sums.shape[:-2], len(labels), 2), np.uint64)
    found[..., here, :] = sums[..., where, :]
    return found


def restored(sums: np.ndarray, columns: Sequence[tuple[str, str]], labels: Sequence[str]) -> np.ndarray:
    """Tallies (..., columns of a store, 2) in the columns of a layout, 0 where the store has none."""
    where, here = shared(columns, labels)
    full = np.zeros((*sums.shape[:-2], len(columns), 2), np.uint64)
    full[..., where, :] = sums[..., here, :]
    return full


def columns_of(config: Config) -> dict[str, list[str]]:
    """Names of the tally columns that a run stores, ``by_period`` and ``by_run``."""
    names, layout = recorded_names(config), layout_of(config)
    return {"by_period": column_labels(layout.period, names), "by_run": column_labels(layout.point, names)}
