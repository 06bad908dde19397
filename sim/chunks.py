"""Chunks of a Zarr array written past the library: encoded and put in place in one step, with a checksum inside.

Zarr's own way takes about a millisecond an array and holds the interpreter lock for most of it; a sweep of small points
writes tens of thousands of chunks. Whoever reads them needs not know: ``.zarray`` says how they are encoded.
"""

from __future__ import annotations

import bisect
import ctypes
import math
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numcodecs import blosc

#: Bytes of an item, as far as the codec can sort them.
LARGEST_ITEM = 255
#: Whether what a mark vouches for is on the disk before the mark is; without, a store outlives processes but not power.
SYNC = True
#: The header of a chunk: its size decoded, a field of the codec, its size on disk.
_HEADER = struct.Struct("<4xIII")
#: Bytes that a checksum adds.
_CHECKSUM = 4
#: What a chunk that is not as it was written may end in; a length that is wrong can ask for any amount of memory.
UNREADABLE = (OSError, ValueError, RuntimeError, MemoryError)


def file_of(array: Any, number: int) -> str:
    """Name of the file of a chunk, from its number along the first dim; the other dims are whole."""
    return ".".join([str(number), *["0"] * (array.ndim - 1)])


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
    codec, filters = array.metadata.compressor, array.metadata.filters
    if not filters:
        # As stores of format 2 are.
        return codec.encode(data.reshape(-1).view(np.dtype((np.void, item))))
    content = data.reshape(-1).view(np.uint8)
    for each in filters:
        content = each.encode(content)
    return blosc.compress(content, codec.cname.encode(), codec.clevel, codec.shuffle, codec.blocksize, item)


def decoded(array: Any, content: bytes) -> np.ndarray:
    """What `encoded` made a chunk of; not to be written to.

    Raises
    ------
    ValueError, RuntimeError : a bit is not as it was written.
    """
    if said := flaw(plain_size(array), content[: _HEADER.size], len(content)):
        raise ValueError(said)
    # Into an array of numpy's: memory for a large one comes much faster than for the bytes that the codec would make.
    data = array.metadata.compressor.decode(content, np.empty(plain_size(array), np.uint8))
    for each in reversed(array.metadata.filters or ()):
        data = each.decode(data)
    return np.frombuffer(data, array.dtype).reshape(array.chunks)


def read(folder: Path, array: Any, number: int) -> np.ndarray:
    """A chunk of an array in a folder.

    Raises
    ------
    One of `UNREADABLE`.
    """
    return decoded(array, (folder / file_of(array, number)).read_bytes())


def empty(array: Any) -> np.ndarray:
    """A chunk of nothing: NaN, or zeros."""
    return np.full(array.chunks, np.nan, array.dtype) if array.dtype.kind == "f" else np.zeros(array.chunks, array.dtype)


def parts(array: Any, indices: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Points by the chunk they are in: (number of the chunk, start and stop in `indices`); none of an array of no size.

    Parameters
    ----------
    indices : ascending; in any other order what comes out is wrong.
    """
    size, start, stop = array.chunks[0], 0, len(indices) if array.size else 0
    while start < stop:
        number = indices[start] // size
        end = bisect.bisect_left(indices, (number + 1) * size, start)
        yield number, start, end
        start = end


def runs(indices: Sequence[int]) -> list[tuple[int, int, int]]:
    """Runs of consecutive indices: (position in `indices`, start, stop)."""
    runs: list[tuple[int, int, int]] = []
    for at, index in enumerate(indices):
        if runs and runs[-1][2] == index:
            runs[-1] = (runs[-1][0], runs[-1][1], index + 1)
        else:
            runs.append((at, index, index + 1))
    return runs


def plain_size(array: Any) -> int:
    """Bytes of a chunk of an array before it is compressed."""
    checksum = _CHECKSUM if array.metadata.filters else 0
    return int(math.prod(array.chunks) * array.dtype.itemsize) + checksum


def flaw(wanted: int, header: bytes, size: int) -> str:
    """What can be said against a chunk without decoding it, from its header and its size on disk; nothing if it is whole.

    Parameters
    ----------
    wanted : `plain_size` of its array.
    """
    if len(header) < _HEADER.size:
        return "cut short"
    plain, _, packed = _HEADER.unpack(header)
    if size != packed:
        return f"{'cut short' if size < packed else 'too long'}: {size} of {packed} bytes"
    return "" if plain == wanted else f"of {plain} bytes instead of {wanted}"


def header_of(name: str, folder: int) -> tuple[bytes, int]:
    """Header and size of a file in an open folder.

    Raises
    ------
    OSError : it is not there, or cannot be read.
    """
    handle = os.open(name, os.O_RDONLY, dir_fd=folder)
    try:
        return os.read(handle, _HEADER.size), os.fstat(handle).st_size
    finally:
        os.close(handle)


def put(folder: Path, array: Any, number: int, content: Any, durable: bool = False) -> None:
    """Put an encoded chunk in place, whole or not at all, whenever the process dies.

    Parameters
    ----------
    folder : of the array.  number : of the chunk along the first dim.
    durable : whether the chunk is on the disk before it takes the place of another, so that power may fail, too.

    Raises
    ------
    OSError : it cannot be written as a whole.
    """
    path = folder / file_of(array, number)
    # Named as those of the library, which `sim.extension.recover` removes.
    partial = path.with_name(f"{path.name}.partial")
    try:
        # Buffered: what the disk does not take, or a limit on the size of files cuts, is an error there, not a short write.
        with open(partial, "wb") as file:
            file.write(content)
            if durable and SYNC:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        # On a full disk it would take the room that others need.
        partial.unlink(missing_ok=True)
        raise


def sync(path: Path) -> None:
    """Wait until everything written so far to the file system of a folder is on the disk, names included.

    One call for all chunks of a flush: a dozen milliseconds, where `fsync` of each takes hundreds.

    Raises
    ------
    OSError : the disk did not take it.
    """
    if not SYNC:
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        call = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if call is None:
            os.sync()
        elif call(handle):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(handle)
