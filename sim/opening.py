"""Opening a store: only one that is sound as far as its metadata tell, and of a format that this version reads."""

from __future__ import annotations

import json
from pathlib import Path

import zarr

from sim.fields import ConfigError
from sim.provenance import PROGRAM, STORE_VERSION
from sim.soundness import check_arrays, check_attributes, check_published, damaged, reading
from sim.store import DONE, DONE_AGAIN, HIGH, TALLIES, TALLY, Store
from sim.tally_columns import kind_of

#: Formats that can be read and gone on with: 2 has no checksums and no second mark, and leaves out chunks of fill.
READABLE = (2, STORE_VERSION)


def read(path: Path, mode: str = "r") -> Store | None:
    """Open a store of this program, or None where the folder is something else.

    Raises
    ------
    ConfigError : it is of a format that this version does not read, or what describes its arrays is damaged.
    """
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
    if group.attrs["store_version"] not in READABLE:
        known = " and ".join(map(str, READABLE))
        raise ConfigError(
            f"{path} was written in store format {group.attrs['store_version']}; this version reads formats {known}. "
            "Read it with the version named in its attribute `source`, and write to another output.path."
        )
    found = Store(path, group)
    needed = {DONE, "alliances", f"{TALLY}/period", *(f"{TALLY}/{kind_of(name)}_column" for name in TALLIES)}
    needed |= {f"{TALLY}/{name}{word}" for name in TALLIES for word in ("", HIGH)}
    with reading(path):
        group[TALLY]
        check_attributes(path, found.attrs)
        if missing := sorted({*needed, *json.loads(found.attrs["factors"])} - set(found.arrays)):
            raise damaged(path, f"a part is missing ({', '.join(missing)})")
        check_arrays(path, found.arrays)
        check_published(path, found.attrs, found.metadata)
        # The library takes a chunk that is gone for zeros; of the marks there are two.
        single = [name for name in found.arrays if name not in {*found.by_point, DONE, DONE_AGAIN}]
        if missing := [name for name in single if not found.holds(name, 0)]:
            raise damaged(path, f"a part is missing ({', '.join(missing)})")
    return found


def check_consolidated(path: Path) -> None:
    """Refuse a store whose consolidated metadata, which other readers go by, are none of this program's.

    Raises
    ------
    ConfigError : they are damaged.
    """
    with reading(path):
        check_arrays(path, dict(zarr.open_group(str(path), mode="r", zarr_format=2, use_consolidated=True).arrays()))
