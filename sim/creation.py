"""An empty store laid out: every array with its chunks, codecs and attributes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr

from sim.labels import attributes_of, dims_of
from sim.provenance import PROGRAM
from sim.recording import recorded_names
from sim.schema import Config
from sim.store import HIGH, TALLIES, TALLY, Store
from sim.tally_columns import kind_of
from sim.variables import BY_NAME

#: Four times as fast as zstd, and a quarter larger: the digits of a mean hardly compress.
_CODEC = numcodecs.Blosc(cname="lz4", clevel=1, shuffle=numcodecs.Blosc.SHUFFLE)
#: For what is nearly always 0.
_SMALL = numcodecs.Blosc(cname="zstd", clevel=1, shuffle=numcodecs.Blosc.SHUFFLE)
#: A checksum of what a chunk holds, compared whenever one is read: that of HDF5, which other readers know best.
_CHECKED = [numcodecs.Fletcher32()]


def create(
    folder: Path, coords: Mapping[str, tuple[Any, np.ndarray, dict[str, str]]], grid: np.ndarray,
    propositions: Sequence[str], theories: Sequence[str], columns: Mapping[str, Sequence[str]],
    config: Config, attrs: Mapping[str, Any], points: int, chunk: int,
) -> Store:  # fmt: skip
    """Lay out an empty store in a new folder.

    Parameters
    ----------
    coords : as `sim.labels.coordinates` returns them.  attrs : attributes of the root.
    columns : names of the tally columns, see `sim.tally_columns.columns_of`.
    points, chunk : number of points, and how many share a chunk.
    """
    group = zarr.open_group(str(folder), mode="w-", zarr_format=2, attributes={"program": PROGRAM})
    names = recorded_names(config)
    labels = {f"{kind_of(name)}_column": found for name, found in columns.items()}
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
            name, shape=shape, chunks=sizes, dtype=dtype, fill_value=fill, filters=_CHECKED, compressors=codec,
            attributes={"_ARRAY_DIMENSIONS": list(dims), **attributes}, config={"write_empty_chunks": True},
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
    again = {**mark, "description": "The same as `done` of the group above, should that be damaged."}
    array(tally, "done", ["point"], np.dtype("i1"), again, whole=True)[:] = np.zeros(points, np.int8)
    array(tally, "period", ["period"], grid.dtype, attributes_of("period"))[:] = grid
    for dim, found in labels.items():
        array(tally, dim, [dim], np.array(found).dtype, {"long_name": "tallied quantity"})[:] = np.array(found)
    array(tally, "moment", ["moment"], np.dtype("<U6"), {"long_name": "sum, or sum of squares"})[:] = ["sum", "square"]
    for name, dims in TALLIES.items():
        for word, text in (("", "low"), (HIGH, "high")):
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


def write_whole(where: Any, name: str, dim: str, values: np.ndarray) -> None:
    """Write an array of one dim into a group, in one chunk with a checksum."""
    where.create_array(
        name, shape=values.shape, chunks=values.shape, dtype=values.dtype, fill_value=None, filters=_CHECKED,
        compressors=_CODEC, attributes={"_ARRAY_DIMENSIONS": [dim]}, config={"write_empty_chunks": True},
    )[:] = values  # fmt: skip
