"""The life of a store in tests: runs that are cut into many blocks, stopped, gone on with, and compared to the bit."""

from __future__ import annotations

import threading
from pathlib import Path
from unittest import mock

import xarray as xr

from sim import executor, experiment, extension, place, survey
from sim.schema import Config

#: Slow on purpose, so that there are several blocks.
RATE = 1e6


def fill(config: Config, path: Path, stop_after: int | None = None, rate: float = RATE) -> experiment.Progress | None:
    """Survey and perform; `stop_after` blocks, as an interruption does. None: there was nothing to do."""
    if any(sibling.exists() for sibling in place.siblings(path)):
        extension.recover(path)
    found = survey.survey(config, path)
    if not found.due:
        return None
    stop, real = threading.Event(), executor.execute

    def counted(blocks, config, event):
        for number, outcome in enumerate(real(blocks, config, event), 1):
            yield outcome
            if number == stop_after:
                event.set()

    rates = {(n, "sampled", full): rate for n in range(2, 6) for full in (False, True)}
    with mock.patch.object(executor, "execute", counted):
        return experiment.perform(found, rates, "test", "a question?", stop)


def labelled(path: Path) -> xr.Dataset:
    """The dataset of a store, without attributes."""
    return xr.open_zarr(path).load().drop_attrs()


def tally(path: Path) -> xr.Dataset:
    """The integer sums of a store."""
    return xr.open_zarr(path, group="tally").load()


def assert_same(first: Path, second: Path) -> None:
    """Two stores hold the same bits."""
    xr.testing.assert_identical(labelled(first), labelled(second))
    xr.testing.assert_identical(tally(first), tally(second))
