"""A store: what is in it, how finished points are written and vouched for; `sim.opening` opens one.

One Zarr (format 2) folder, written by the driver alone. The root group is the labelled dataset; the group ``tally``
holds the integer sums it is computed from; ``done`` marks a point and is written after everything it vouches for.
A store is built aside and renamed into place. Chunks are replaced whole.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.core.metadata import ArrayV2Metadata

from sim import chunks
from sim.design import ConfigError, canonical
from sim.provenance import now
from sim.shards import GROUP
from sim.soundness import damaged
from sim.tallies import Sums, Tallies
from sim.tally_columns import arranged, kind_of, restored
from sim.variables import Layout

TALLY = "tally"
TALLIES = {"by_period": ("point", "period", "period_column", "moment"), "by_run": ("point", "run_column", "moment")}
HIGH = "_high"
#: The mark, and the same again for when its file cannot be read.
DONE, DONE_AGAIN = "done", f"{TALLY}/done"


class Damaged(ConfigError):
    """A chunk of an array cannot be read; `array` is its name."""

    def __init__(self, text: str, array: str) -> None:
        super().__init__(text)
        self.array = array


@dataclass(frozen=True)
class Store:
    """An open store.

    Attributes
    ----------
    path : its folder.  group : the Zarr group, opened for reading or writing.
    """

    path: Path
    group: Any
    _marking: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    _written: deque[list[int]] = field(default_factory=deque, repr=False, compare=False)

    @cached_property
    def arrays(self) -> dict[str, Any]:
        """Every array of the root group, and of those of tallies and of a shard's whole as ``tally/<name>``, kept open."""
        return {name: zarr.Array(zarr.AsyncArray(_parsed(*words), self.group.store_path / name))
                for name, words in self.metadata.items()}  # fmt: skip

    @cached_property
    def metadata(self) -> dict[str, tuple[bytes, bytes]]:
        """Of every array in `arrays`: its files ``.zarray`` and ``.zattrs``, as they stand on disk.

        Raises
        ------
        ConfigError : one of them has lost the former.
        """
        found = {}
        for group in ["", f"{TALLY}/", *([f"{GROUP}/"] if "shard" in self.group.attrs else [])]:
            folder = os.path.join(self.path, group)
            for name in os.listdir(folder) if os.path.isdir(folder) else ():
                array, attributes = (os.path.join(folder, name, file) for file in (".zarray", ".zattrs"))
                there = os.path.isfile(attributes)
                if os.path.isfile(array):
                    found[group + name] = Path(array).read_bytes(), Path(attributes).read_bytes() if there else b"{}"
                elif there and name not in (TALLY, GROUP):
                    raise damaged(self.path, f"a part is missing ({group}{name})")
        return dict(sorted(found.items()))

    @property
    def attrs(self) -> dict[str, Any]:
        """Attributes of the store."""
        return dict(self.group.attrs)

    def values(self, name: str, where: Any = slice(None)) -> np.ndarray:
        """Values of an array of `arrays`.

        Raises
        ------
        Damaged : what is on disk cannot be read.
        """
        try:
            array = self.arrays[name]
            if array.chunks == array.shape and isinstance(where, slice) and where == slice(None):
                # A tenth of the time that the library takes.
                try:
                    return chunks.read(self.path / name, array, 0).copy()
                except FileNotFoundError:
                    return chunks.empty(array)
            return np.asarray(array[where])
        except Exception as error:
            raise self._damaged(name, error) from None

    def holds(self, name: str, number: int) -> bool:
        """Whether a chunk is there, or need not be: stores of format 2 leave out those of nothing."""
        array = self.arrays[name]
        unmarked = not array.metadata.filters or not array.size
        return unmarked or (self.path / name / chunks.file_of(array, number)).exists()

    def rows(self, name: str, start: int, stop: int) -> np.ndarray:
        """Rows of an array of `by_point`, exactly as they were written.

        Raises
        ------
        Damaged : a chunk is gone, or cannot be read.
        """
        array = self.arrays[name]
        if not array.size:
            return np.zeros((stop - start, *array.shape[1:]), array.dtype)
        size, parts = array.chunks[0], []
        for number in range(start // size, -(-stop // size)):
            try:
                found = chunks.read(self.path / name, array, number)
            except FileNotFoundError as error:
                if not self.holds(name, number):
                    raise self._damaged(name, error) from None
                found = chunks.empty(array)
            except chunks.UNREADABLE as error:
                raise self._damaged(name, error) from None
            parts.append(found[max(start - number * size, 0) : stop - number * size])
        return np.concatenate(parts)

    def _damaged(self, name: str, error: Exception) -> Damaged:
        said = " ".join(str(error).split())
        how = f"python -m sim.info {self.path} --check says what else is"
        return Damaged(f"{self.path} is damaged: {name} cannot be read ({said}); {how}.", name)

    @property
    def done(self) -> np.ndarray:
        """int8 (point): 1 where a point is finished."""
        try:
            # The library takes a file that is gone for zeros.
            if (self.path / DONE / "0").exists() or DONE_AGAIN not in self.arrays:
                return self.values(DONE)
        except Damaged:
            if DONE_AGAIN not in self.arrays:
                raise
        return self.values(DONE_AGAIN)

    @property
    def agreed(self) -> bool:
        """Whether both marks are there and say the same; a store of format 2 has one."""
        try:
            names = [name for name in (DONE, DONE_AGAIN) if name in self.arrays]
            return all(self.holds(name, 0) and np.array_equal(self.values(name), self.done) for name in names)
        except Damaged:
            return False

    @cached_property
    def by_point(self) -> dict[str, Any]:
        """The arrays whose chunks hold a few points each: values, numbers of alliances, sums."""
        other = {DONE, DONE_AGAIN, *json.loads(self.attrs["factors"])}
        dims = {name: array.attrs.get("_ARRAY_DIMENSIONS", [""]) for name, array in self.arrays.items()}
        return {n: a for n, a in self.arrays.items() if dims[n][0] == "point" and n not in other and a.size}

    @property
    def alliances(self) -> np.ndarray:
        """int64 (point): alliances of each finished point, 0 elsewhere."""
        return np.where(self.done == 1, self.values("alliances"), 0)

    @property
    def chunk(self) -> int:
        """Points per chunk."""
        return int(self.arrays["alliances"].chunks[0])

    @property
    def grid(self) -> np.ndarray:
        """The ``period`` coordinate (every store has one: tallies are by period)."""
        return self.values(f"{TALLY}/period")

    @property
    def propositions(self) -> tuple[str, ...]:
        """The ``proposition`` coordinate of the tallies."""
        return tuple(json.loads(self.attrs["propositions"]))

    @property
    def theories(self) -> tuple[str, ...]:
        """The ``theory`` coordinate: every theory that partners hold at some point."""
        return tuple(json.loads(self.attrs["theory_names"]))

    @property
    def factors(self) -> dict[str, np.ndarray]:
        """Coordinate of each factor on ``point``."""
        return {label: self.values(label) for label in json.loads(self.attrs["factors"])}

    @cached_property
    def index(self) -> dict[str, int]:
        """Identity of a point, as `sim.design.Point.identity` has it, -> its index."""
        return indexed(self.factors, int(self.arrays["done"].shape[0]))

    @cached_property
    def places(self) -> dict[tuple[float | int | str, ...], int]:
        """Levels of a point, in the order of `factors`, -> its index; of many points a tenth of the time of `index`."""
        columns = [values.tolist() for values in self.factors.values()]
        return {levels: k for k, levels in enumerate(zip(*columns, strict=True))} if columns else {(): 0}

    def tallies(self, index: int, layout: Layout) -> Tallies:
        """Tallies of a finished point, in all columns of a layout (those not recorded are 0).

        Raises
        ------
        Damaged : a file of the store that holds them is gone or cannot be read.
        """
        parts = []
        for name in (f"{TALLY}/{name}" for name in TALLIES if self.columns(name)):
            if not (self.path / name / chunks.file_of(self.arrays[name], index // self.chunk)).exists():
                raise self._damaged(name, FileNotFoundError(f"the sums of point {index} are missing"))
        for name, columns in (("by_period", layout.period), ("by_run", layout.point)):
            words = [self.rows(f"{TALLY}/{name}{word}", index, index + 1)[0] for word in ("", HIGH)]
            parts.append(restored(np.stack(words), columns, self.columns(name)))
        return Tallies(parts[0], parts[1], int(self.rows("alliances", index, index + 1)[0]))

    def columns(self, name: str) -> list[str]:
        """Names of the tally columns of ``by_period`` or ``by_run``."""
        return list(self._columns[name])

    @cached_property
    def _columns(self) -> dict[str, list[str]]:
        return {name: [str(label) for label in self.values(f"{TALLY}/{kind_of(name)}_column")] for name in TALLIES}

    @cached_property
    def nothing(self) -> dict[str, bytes]:
        """An encoded chunk of nothing of each array: high words of points of fewer than 2^16 alliances are zeros."""
        by_point = self.by_point.items()
        return {name: chunks.encoded(array, chunks.empty(array)) for name, array in by_point}

    def write(self, indices: Sequence[int], values: Mapping[str, np.ndarray], sums: Sums | None, layout: Layout) -> None:
        """Write finished points: values and tallies first, the mark last. Several threads may write, other chunks each.

        Parameters
        ----------
        indices : points, ascending.  values : as `sim.labels.values_of` returns them, points in that order.
        sums : tallies of the points, in the columns of `layout`; None: points that were not simulated have none.
        """
        tallied = () if sums is None else (("by_period", layout.period, sums.period), ("by_run", layout.point, sums.point))
        given: dict[str, np.ndarray | None] = dict.fromkeys(self.by_point)
        given |= values
        for name, columns, words in tallied:
            low, *high = arranged(words, columns, self._columns[name])
            given |= {f"{TALLY}/{name}": low, f"{TALLY}/{name}{HIGH}": high[0] if high else None}
        for name, data in given.items():
            self.put(name, indices, data)
        self.mark(indices)

    def put(self, name: str, indices: Sequence[int], data: np.ndarray | None) -> None:
        """Write an array at some points, ascending; None: zeros, or what stands for nothing.

        Raises
        ------
        Damaged : the chunk holds other points that are finished, and cannot be read.
        """
        array = self.arrays[name]
        for number, start, stop in chunks.parts(array, indices):
            first = number * array.chunks[0]
            here = min(array.chunks[0], array.shape[0] - first)
            if stop - start == here and data is None:
                content = self.nothing[name]
            elif stop - start == array.chunks[0] and data is not None:
                content = chunks.encoded(array, data[start:stop])
            else:
                whole = chunks.empty(array) if stop - start == here else self._present(name, number)
                where = [i - first for i in indices[start:stop]]
                whole[where] = chunks.empty(array)[where] if data is None else data[start:stop]
                content = chunks.encoded(array, whole)
            chunks.put(self.path / name, array, number, content)

    def _present(self, name: str, number: int) -> np.ndarray:
        """A chunk as it is, or an empty one if there is none, or none that a finished point depends on."""
        array = self.arrays[name]
        try:
            return chunks.read(self.path / name, array, number).copy()
        except FileNotFoundError:
            return chunks.empty(array)
        except chunks.UNREADABLE as error:
            if self.done[number * self.chunk : (number + 1) * self.chunk].any():
                raise self._damaged(name, error) from None
            return chunks.empty(array)

    def mark(self, indices: Sequence[int]) -> None:
        """Vouch for points, once what was written of them is on the disk.

        Threads that come while another waits for the disk are served together by the next.
        """
        self._written.append(list(indices))
        with self._marking:
            found: list[int] = []
            while self._written:
                found += self._written.popleft()
            if found:
                chunks.sync(self.path)
                # A run that dies in between does these points again, so that both marks say the same in the end.
                self._set(found, 1, (DONE_AGAIN, DONE))

    def agree(self) -> None:
        """Write the two marks again where they differ, as after damage to one of them."""
        with self._marking:
            self._set((), 0, (DONE_AGAIN, DONE))

    def withdraw(self, indices: Sequence[int]) -> None:
        """Vouch for points no more."""
        with self._marking:
            self._set(indices, 0, (DONE_AGAIN, DONE))
            chunks.sync(self.path)

    def _set(self, indices: Sequence[int], mark: int, names: Sequence[str]) -> None:
        done = self.done
        done[list(indices)] = mark
        for name in names:
            if name in self.arrays:
                chunks.put(self.path / name, self.arrays[name], 0, chunks.encoded(self.arrays[name], done), durable=True)

    def note(self, **attributes: Any) -> None:
        """Set attributes and publish the metadata; all of it is on the disk then.

        Raises
        ------
        OSError : it cannot be written, or the store is gone.
        """
        if not (self.path / ".zgroup").exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path))
        self.group.update_attributes({**attributes, "updated": now()})
        zarr.consolidate_metadata(str(self.path), zarr_format=2)
        chunks.sync(self.path)


def indexed(factors: Mapping[str, np.ndarray], points: int) -> dict[str, int]:
    """Identity of each point, as `sim.design.Point.identity` has it, -> its index, from the coordinates of the factors."""
    columns = {label: values.tolist() for label, values in factors.items()}
    plain = {label: [float(v) if isinstance(v, int) else v for v in values] for label, values in columns.items()}
    return {canonical({label: values[k] for label, values in plain.items()}): k for k in range(points)}


@lru_cache(maxsize=1024)
def _parsed(array: bytes, attributes: bytes) -> ArrayV2Metadata:
    """Metadata of an array from its files; those of a shard are those of the next one, too."""
    return ArrayV2Metadata.from_dict({**json.loads(array), "attributes": json.loads(attributes)})
