"""Whole chunks of a Zarr array written past the library: encoded and put in place in one step.

Zarr's own way takes about a millisecond an array and holds the interpreter lock for most of it; a sweep of small points
writes tens of thousands of chunks. What is on disk is the same.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

#: Bytes of an item, as far as the codec can sort them.
LARGEST_ITEM = 255


def number_of(array: Any, start: int, stop: int) -> int | None:
    """The chunk that rows ``start`` to ``stop`` of an array are, or None where they are no whole chunk of whole rows."""
    rows, *rest = array.chunks
    whole = start % rows == 0 and stop - start == rows and tuple(rest) == array.shape[1:]
    return start // rows if whole else None


def encoded(array: Any, data: np.ndarray) -> Any:
    """A chunk as it stands on disk.

    Bytes are sorted by their place in an item before they are compressed; here the innermost dims of the array together
    are one item, since neighbours of a period differ more than periods do. Whoever decodes needs not know.
    """
    data = np.ascontiguousarray(data, array.dtype)
    item = data.itemsize
    for length in reversed(data.shape[2:]):
        if item * length > LARGEST_ITEM:
            break
        item *= length
    return array.metadata.compressor.encode(data.reshape(-1).view(np.dtype((np.void, item))))


def put(folder: Path, array: Any, number: int, content: Any) -> None:
    """Put an encoded chunk in place, whole or not at all, whenever the process dies.

    Parameters
    ----------
    folder : of the array.  number : of the chunk along the first dim.

    Raises
    ------
    OSError : it cannot be written as a whole.
    """
    path = folder / ".".join([str(number), *["0"] * (array.ndim - 1)])
    # Named as those of the library, which `sim.extension.recover` removes.
    partial = path.with_name(f"{path.name}.partial")
    # Buffered: what the disk does not take, or a limit on the size of files cuts, is an error there, not a short write.
    with open(partial, "wb") as file:
        file.write(content)
    os.replace(partial, path)
