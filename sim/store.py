"""The life of a store: create from a template, write regions, say what is missing, open.

One Zarr (format 2) folder, written by the driver alone. The root group is the labelled dataset; the group ``tally``
holds the integer sums it is computed from; ``done`` marks a point and is written after everything it vouches for.
A store is built aside and renamed into place. Chunks are replaced whole.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr

from sim import chunks
from sim.design import ConfigError, canonical
from sim.labels import attributes_of, dims_of
from sim.provenance import PROGRAM, STORE_VERSION, now
from sim.recording import layout_of, recorded_names
from sim.schema import Config
from sim.soundness import check_arrays, check_attributes, damaged, reading
from sim.tallies import Sums, Tallies
from sim.variables import BY_NAME, Layout

TALLY = "tally"
_TALLIES = {"by_period": ("point", "period", "period_column", "moment"), "by_run": ("point", "run_column", "moment")}
_HIGH = "_high"
#: Four times as fast as zstd, and a quarter larger: the digits of a mean hardly compress.
_CODEC = numcodecs.Blosc(cname="lz4", clevel=1, shuffle=numcodecs.Blosc.SHUFFLE)
#: For what is nearly always 0.
_SMALL = numcodecs.Blosc(cname="zstd", clevel=1, shuffle=numcodecs.Blosc.SHUFFLE)


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

    @cached_property
    def arrays(self) -> dict[str, Any]:
        """Every array of the root group, and those of the tallies as ``tally/<name>``, kept open."""
        # One by one: of several that are damaged, all but the first would be told of by the library.
        folders = [*self.path.iterdir(), *(self.path / TALLY).iterdir()]
        names = sorted(str(f.relative_to(self.path)) for f in folders if (f / ".zarray").is_file())
        return {name: self.group[name] for name in names}

    @property
    def attrs(self) -> dict[str, Any]:
        """Attributes of the store."""
        return dict(self.group.attrs)

    def values(self, name: str, where: Any = slice(None)) -> np.ndarray:
        """Values of an array of `arrays`.

        Raises
        ------
        ConfigError : what is on disk cannot be read.
        """
        try:
            return np.asarray(self.arrays[name][where])
        except Exception as error:
            raise damaged(self.path, f"{name} cannot be read ({error})") from None

    @property
    def done(self) -> np.ndarray:
        """int8 (point): 1 where a point is finished."""
        return self.values("done")

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
        ConfigError : a file of the store that holds them is gone.
        """
        parts = []
        for name, dims in _TALLIES.items():
            if (
                self.columns(name)
                and not (self.path / TALLY / name / ".".join([str(index // self.chunk), *["0"] * (len(dims) - 1)])).exists()
            ):
                raise ConfigError(f"{self.path} is damaged: the sums of point {index} are missing; remove the folder.")
        for name, columns in (("by_period", layout.period), ("by_run", layout.point)):
            words = [self.values(f"{TALLY}/{name}{word}", index) for word in ("", _HIGH)]
            parts.append(restored(np.stack(words), columns, self.columns(name)))
        return Tallies(parts[0], parts[1], int(self.values("alliances", index)))

    def columns(self, name: str) -> list[str]:
        """Names of the tally columns of ``by_period`` or ``by_run``."""
        return list(self._columns[name])

    @cached_property
    def _columns(self) -> dict[str, list[str]]:
        return {name: [str(label) for label in self.values(f"{TALLY}/{_kind(name)}_column")] for name in _TALLIES}

    @cached_property
    def _zeros(self) -> dict[str, Any]:
        """An encoded chunk of zeros of each array of tallies: high words of points of fewer than 2^16 alliances are."""
        arrays = {name: self.arrays[name] for name in (f"{TALLY}/{each}{word}" for each in _TALLIES for word in ("", _HIGH))}
        return {name: chunks.encoded(array, np.zeros(array.chunks, array.dtype)) for name, array in arrays.items()}

    def write(self, indices: Sequence[int], values: Mapping[str, np.ndarray], sums: Sums | None, layout: Layout) -> None:
        """Write finished points: values and tallies first, the mark last. Several threads may write, other chunks each.

        Parameters
        ----------
        indices : points, ascending.  values : as `sim.labels.values_of` returns them, points in that order.
        sums : tallies of the points, in the columns of `layout`; None: points that were not simulated have none.
        """
        for name, array in values.items():
            self.put(name, indices, array)
        for name in _TALLIES if sums is None else ():
            for word in ("", _HIGH):
                self.put(f"{TALLY}/{name}{word}", indices, None)
        tallied = () if sums is None else (("by_period", layout.period, sums.period), ("by_run", layout.point, sums.point))
        for name, columns, given in tallied:
            arranged = _arranged(given, columns, self._columns[name])
            self.put(f"{TALLY}/{name}", indices, arranged[0])
            self.put(f"{TALLY}/{name}{_HIGH}", indices, arranged[1] if len(arranged) > 1 else None)
        self.mark(indices)

    def put(self, name: str, indices: Sequence[int], data: np.ndarray | None) -> None:
        """Write an array at some points; None: zeros."""
        array = self.arrays[name]
        for at, start, stop in runs(indices):
            number = chunks.number_of(array, start, stop)
            if number is None:
                array[start:stop] = 0 if data is None else data[at : at + stop - start]
            else:
                content = self._zeros[name] if data is None else chunks.encoded(array, data[at : at + stop - start])
                chunks.put(self.path / name, array, number, content)

    def mark(self, indices: Sequence[int]) -> None:
        """Vouch for points."""
        with self._marking:
            done = self.done
            done[list(indices)] = 1
            self.arrays["done"][:] = done

    def note(self, **attributes: Any) -> None:
        """Set attributes and publish the metadata."""
        self.group.update_attributes({**attributes, "updated": now()})
        zarr.consolidate_metadata(str(self.path), zarr_format=2)


def indexed(factors: Mapping[str, np.ndarray], points: int) -> dict[str, int]:
    """Identity of each point, as `sim.design.Point.identity` has it, -> its index, from the coordinates of the factors."""
    columns = {label: values.tolist() for label, values in factors.items()}
    plain = {label: [float(v) if isinstance(v, int) else v for v in values] for label, values in columns.items()}
    return {canonical({label: values[k] for label, values in plain.items()}): k for k in range(points)}


def _kind(name: str) -> str:
    return "period" if name == "by_period" else "run"


def column_labels(columns: Sequence[tuple[str, str]], names: Sequence[str]) -> list[str]:
    """Names of the tally columns that the recorded variables need."""
    numbers = {BY_NAME[n].number for n in names}
    return [f"{v}[{label}]" if label else v for v, label in columns if v in names or v in numbers]


def _shared(columns: Sequence[tuple[str, str]], labels: Sequence[str]) -> tuple[list[int], list[int]]:
    """Where the columns that a layout and a store share stand in the one and in the other."""
    every = {f"{v}[{label}]" if label else v: k for k, (v, label) in enumerate(columns)}
    both = [(every[label], k) for k, label in enumerate(labels) if label in every]
    return [where for where, _ in both], [here for _, here in both]


def _arranged(sums: np.ndarray, columns: Sequence[tuple[str, str]], labels: Sequence[str]) -> np.ndarray:
    """Tallies in the columns of a store, 0 where a layout has none; as they are where all are in the same order."""
    where, here = _shared(columns, labels)
    if where == here == list(range(len(columns))) and len(labels) == len(columns):
        return sums
    arranged = np.zeros((*sums.shape[:-2], len(labels), 2), np.uint64)
    arranged[..., here, :] = sums[..., where, :]
    return arranged


def restored(sums: np.ndarray, columns: Sequence[tuple[str, str]], labels: Sequence[str]) -> np.ndarray:
    """Tallies (..., columns of a store, 2) in the columns of a layout, 0 where the store has none."""
    where, here = _shared(columns, labels)
    full = np.zeros((*sums.shape[:-2], len(columns), 2), np.uint64)
    full[..., where, :] = sums[..., here, :]
    return full


def columns_of(config: Config) -> dict[str, list[str]]:
    """Names of the tally columns that a run stores, ``by_period`` and ``by_run``."""
    names, layout = recorded_names(config), layout_of(config)
    return {"by_period": column_labels(layout.period, names), "by_run": column_labels(layout.point, names)}


def runs(indices: Sequence[int]) -> list[tuple[int, int, int]]:
    """Runs of consecutive indices: (position in `indices`, start, stop)."""
    runs: list[tuple[int, int, int]] = []
    for at, index in enumerate(indices):
        if runs and runs[-1][2] == index:
            runs[-1] = (runs[-1][0], runs[-1][1], index + 1)
        else:
            runs.append((at, index, index + 1))
    return runs


def create(
    folder: Path, coords: Mapping[str, tuple[Any, np.ndarray, dict[str, str]]], grid: np.ndarray,
    propositions: Sequence[str], theories: Sequence[str], columns: Mapping[str, Sequence[str]],
    config: Config, attrs: Mapping[str, Any], points: int, chunk: int,
) -> Store:  # fmt: skip
    """Lay out an empty store in a new folder.

    Parameters
    ----------
    coords : as `sim.labels.coordinates` returns them.  attrs : attributes of the root.
    columns : names of the tally columns, see `columns_of`.  points, chunk : number of points, and how many share a chunk.
    """
    group = zarr.open_group(str(folder), mode="w-", zarr_format=2, attributes={"program": PROGRAM})
    names = recorded_names(config)
    labels = {f"{_kind(name)}_column": found for name, found in columns.items()}
    lengths = {"point": points, "period": len(grid), "moment": 2} | {dim: len(found) for dim, found in labels.items()}
    lengths |= {name: len(values) for name, (dims, values, _) in coords.items() if name == dims}

    def array(
        where: Any, name: str, dims: Sequence[str], dtype: Any, attributes: Mapping[str, str], whole: bool = False,
        codec: Any = _CODEC,
    ) -> Any:  # fmt: skip
        shape = tuple(lengths[d] for d in dims)
        sizes = tuple(max(1, min(chunk, n) if d == "point" and not whole else n) for d, n in zip(dims, shape, strict=True))
        # Integers carry no fill value: readers would take it for "missing".
        fill = np.nan if np.issubdtype(dtype, np.floating) else None
        return where.create_array(
            name, shape=shape, chunks=sizes, dtype=dtype, fill_value=fill, compressors=codec,
            attributes={"_ARRAY_DIMENSIONS": list(dims), **attributes},
        )  # fmt: skip

    for name, (dims, values, attributes) in coords.items():
        array(group, name, [dims], values.dtype, attributes, whole=True)[:] = values
    for name in names:
        v = BY_NAME[name]
        for key in [name, *([f"{name}_se"] if v.error else []), *([v.number] if v.number else [])]:
            kind = "i8" if key == v.number else "f8"
            array(group, key, dims_of(key), np.dtype(kind), attributes_of(key))
    counted = array(group, "alliances", ["point"], np.dtype("i8"), attributes_of("alliances"))
    counted[:] = np.zeros(points, np.int64)
    mark = {"units": "1", "long_name": "finished", "description": "1 where a point is finished; its values are complete."}
    array(group, "done", ["point"], np.dtype("i1"), mark, whole=True)[:] = np.zeros(points, np.int8)
    tally = group.create_group(TALLY)
    array(tally, "period", ["period"], grid.dtype, attributes_of("period"))[:] = grid
    for dim, found in labels.items():
        array(tally, dim, [dim], np.array(found).dtype, {"long_name": "tallied quantity"})[:] = np.array(found)
    array(tally, "moment", ["moment"], np.dtype("<U6"), {"long_name": "sum, or sum of squares"})[:] = ["sum", "square"]
    for name, dims in _TALLIES.items():
        for word, text in (("", "low"), (_HIGH, "high")):
            about = {"long_name": f"{text} 64 bits of the integer sums over alliances; reals in steps of 2^-20"}
            array(tally, f"{name}{word}", dims, np.dtype("u8"), about, codec=_SMALL if word else _CODEC)
    extra = [name for name, (dims, _, _) in coords.items() if name != dims]
    factors = [name for name in extra if name != "bin_left"]
    kept = {
        "factors": json.dumps(factors),
        "propositions": json.dumps(list(propositions)),
        "theory_names": json.dumps(list(theories)),
    }
    group.update_attributes({**attrs, **kept, **({"coordinates": " ".join(extra)} if extra else {})})
    zarr.consolidate_metadata(str(folder), zarr_format=2)
    return Store(folder, group)


def read(path: Path, mode: str = "r") -> Store | None:
    """Open a store of this program, or None where the folder is something else."""
    try:
        group = zarr.open_group(str(path), mode=mode, zarr_format=2, use_consolidated=False)
        ours = group.attrs.get("program") == PROGRAM
    except Exception:
        # Whatever the library makes of a file that is none of its own.
        return None
    if not ours:
        return None
    if "store_version" not in group.attrs:
        return None
    if group.attrs["store_version"] != STORE_VERSION:
        raise ConfigError(
            f"{path} was written in store format {group.attrs['store_version']}; this version reads format {STORE_VERSION}. "
            "Read it with the version named in its attribute `source`, and write to another output.path."
        )
    found = Store(path, group)
    needed = {"done", "alliances", *(f"{TALLY}/{name}{word}" for name in _TALLIES for word in ("", _HIGH))}
    with reading(path):
        if TALLY not in group or not needed <= set(found.arrays):
            raise damaged(path, "a part is missing")
        check_attributes(path, found.attrs)
        check_arrays(path, found.arrays)
    return found


def check_consolidated(path: Path) -> None:
    """Refuse a store whose consolidated metadata, which other readers go by, are none of this program's.

    Raises
    ------
    ConfigError : they are damaged.
    """
    with reading(path):
        check_arrays(path, dict(zarr.open_group(str(path), mode="r", zarr_format=2, use_consolidated=True).arrays()))
