"""What each experiment that comes with the program shows: one module an experiment, named like it, with `study`.

An experiment without a module here, or a dataset that its module cannot read (another design, variables left out), gets
the general summary and figure of `analysis.report`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

#: Ending of an experiment's larger variant, which shows the same.
FULL = "_full"


@dataclass(frozen=True)
class Study:
    """What an experiment shows.

    Attributes
    ----------
    text : the answer for the terminal, at most about 25 lines of 100 columns.
    rows : the same numbers with all digits, one dict a line of the CSV; ``NaN`` is written empty.
    figure : the picture.
    """

    text: str
    rows: Sequence[dict[str, object]]
    figure: Figure


def study_of(title: str) -> Callable[[xr.Dataset, Path], Study] | None:
    """The function that makes the `Study` of an experiment from its dataset and the path of its store, or None.

    Parameters
    ----------
    title : name of the experiment; its full variant shows the same.
    """
    name = f"{__name__}.{title.removesuffix(FULL)}"
    if not title.isidentifier() or importlib.util.find_spec(name) is None:
        return None
    found: Callable[[xr.Dataset, Path], Study] = importlib.import_module(name).study
    return found
