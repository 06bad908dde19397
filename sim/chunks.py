"""Whole chunks of a Zarr array written past the library: encoded and put in place in one step.

Zarr's own way takes about a millisecond an array and holds the interpreter lock for most of it; a sweep of small points
writes tens of thousands of chunks. What is on disk is the same.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np


def number_of(array: Any, start: int, stop: int) -> int | None:
    """The chunk that rows ``start`` to ``stop`` of an array are, or None where they are no whole chunk of whole rows."""
    rows, *rest = array.chunks
    whole = start % rows == 0 and stop - start == rows and tuple(rest) == array.shape[1:]
    return start // rows if whole else None


def encoded(array: Any, data: np.ndarray) -> Any:
    """A chunk as it stands on disk."""
    return array.metadata.compressor.encode(np.ascontiguousarray(data, array.dtype))


def put(folder: Path, array: Any, number: int, content: Any) -> None:
    """Put an encoded chunk in place, whole or not at all, whenever the process dies.

    Parameters
    ----------
    folder : of the array.  number : of the chunk along the first dim.
    """
    path = folder / ".".join([str(number), *["0"] * (array.ndim - 1)])
    # Named as those of the library, which `sim.extension.recover` removes.
    partial = path.with_name(f"{path.name}.partial")
    with open(partial, "wb", buffering=0) as file:
        file.write(content)
    os.replace(partial, path)
