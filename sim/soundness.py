"""Whether what is in the folder of a store can be a store of this program, told before anything large is read or made."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numcodecs import Blosc, Fletcher32
from zarr.errors import ZarrUserWarning

from sim.fields import ConfigError
from sim.shards import parsed

#: Attributes of a store that hold JSON, and what it is.
_JSON: dict[str, type] = {
    "config": dict, "identity": dict, "theories": dict, "levels": dict, "versions": dict, "history": list, "factors": list,
    "propositions": list, "theory_names": list,
}  # fmt: skip
#: Attributes of the store that never change; they are in .zmetadata, too.
_LASTING = ("program", "store_version", "stream_version", "config", "identity", "theories", "levels", "seed", "factors")
#: Types of arrays, to the byte order; those of texts differ in length.
_TYPES = ("<f8", "<i8", "<u8", "|i1")
#: Beyond any time or number of updates.
_LARGEST = 1e300
_TEXTS = ("title", "question", "source", "created", "updated", "revision", "machine")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """While in effect, whatever goes wrong is taken for damage of a store, and said so.

    Raises
    ------
    ConfigError : the store is damaged; or another of what is done here.
    """
    try:
        with warnings.catch_warnings():
            # A folder of somebody else's in the store is left alone.
            warnings.simplefilter("ignore", ZarrUserWarning)
            yield
    except ConfigError:
        raise
    except Exception as error:
        raise damaged(path, f"{type(error).__name__}, {error}") from None


def damaged(path: Path, what: str) -> ConfigError:
    """The error that says what of a store is damaged."""
    text = " ".join(what.split()).rstrip(".")
    text = text if len(text) <= 300 else text[:297] + "..."
    return ConfigError(f"{path} is damaged: {text}; choose another output.path, or remove the folder.")


def check_attributes(path: Path, attrs: Mapping[str, Any]) -> None:
    """Refuse attributes that do not say what those of a store do.

    Raises
    ------
    ConfigError : one is missing, or of another kind.
    """
    for name, kind in _JSON.items():
        try:
            found = json.loads(attrs[name])
        except (KeyError, TypeError, ValueError, RecursionError):
            found = None
        words = not isinstance(found, list) or all(isinstance(each, str) for each in found)
        if not isinstance(found, kind) or not words:
            raise damaged(path, f"the attribute {name} cannot be read")
    for name in _TEXTS:
        if not isinstance(attrs.get(name), str):
            raise damaged(path, f"the attribute {name} cannot be read")
    for name in ("wall_seconds", "partner_updates", "seed"):
        number = attrs.get(name)
        if isinstance(number, bool) or not isinstance(number, int | float) or not -_LARGEST < number < _LARGEST:
            raise damaged(path, f"the attribute {name} cannot be read")
    if "shard" in attrs:
        try:
            parsed(attrs["shard"])
        except ValueError:
            raise damaged(path, "the attribute shard cannot be read") from None


def check_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Refuse arrays whose dims differ in length, or that are not stored as those of this program are.

    A codec of another kind could run what is in a file, and sizes that are wrong fill the memory.

    Raises
    ------
    ConfigError : an array is none of this program's.
    """
    lengths: dict[str, tuple[int, str]] = {}
    for name, array in arrays.items():
        dims, meta = array.attrs.get("_ARRAY_DIMENSIONS"), array.metadata
        if not isinstance(dims, list) or len(dims) != array.ndim or not all(isinstance(dim, str) for dim in dims):
            raise damaged(path, f"{name} does not say which dims it has")
        filters = all(isinstance(each, Fletcher32) for each in meta.filters or ())
        codec = filters and isinstance(meta.compressor, Blosc)
        known_type = array.dtype.str in _TYPES or array.dtype.str.startswith("<U")
        if not codec or not known_type or meta.order != "C" or meta.dimension_separator != ".":
            raise damaged(path, f"{name} is not stored as this program stores it")
        for dim, length, size in zip(dims, array.shape, array.chunks, strict=True):
            known, other = lengths.setdefault(dim, (length, name))
            if length != known:
                raise damaged(path, f"{other} has {known} entries of {dim}, {name} {length}")
            if not 1 <= size <= max(1, length):
                raise damaged(path, f"{name} has chunks of {size} of {length} entries of {dim}")


def check_published(path: Path, attrs: Mapping[str, Any], arrays: Mapping[str, tuple[bytes, bytes]]) -> None:
    """Refuse a store whose metadata are not the same in their two places, of each array and in ``.zmetadata``.

    Where that file cannot be read, it is left to those who go by it, and to the next run, which writes it again.

    Parameters
    ----------
    attrs : of the store.  arrays : ``.zarray`` and ``.zattrs`` of each, as they stand on disk.

    Raises
    ------
    ConfigError : an array is missing, or something is not as it was written.
    """
    try:
        published = json.loads((path / ".zmetadata").read_bytes())["metadata"]
        lasting = published[".zattrs"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return
    there = {name.removesuffix("/.zarray") for name in published if name.endswith("/.zarray")}
    if gone := sorted(name for name in there - set(arrays) if name.count("/") == name.startswith("tally/")):
        raise damaged(path, f"a part is missing ({', '.join(gone)})")
    for name, words in arrays.items():
        for file, said in zip((f"{name}/.zarray", f"{name}/.zattrs"), words, strict=True):
            if json.loads(said) != published.get(file):
                raise damaged(path, f"{file} is not what .zmetadata says")
    for file in (".zgroup", "tally/.zgroup"):
        if json.loads((path / file).read_bytes()) != {"zarr_format": 2}:
            raise damaged(path, f"{file} is not as it was written")
    if other := [key for key in _LASTING if attrs.get(key) != lasting.get(key)]:
        raise damaged(path, f"the attribute {other[0]} is not what .zmetadata says")
