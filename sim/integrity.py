"""Whether what a store vouches for is there: lengths at every start, every bit when asked; and what to do if not.

Points that are damaged are vouched for no more, and so computed again, to the same bits, by the command that made them.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sim import chunks, whole
from sim.design import ConfigError
from sim.opening import read
from sim.shards import GROUP
from sim.store import DONE, DONE_AGAIN, Damaged, Store

#: What the last check of every bit found, for the run that mends it; in the folder of an array, where no reader looks.
FOUND = f"{DONE}/.damaged"
#: Damages named in a message.
MOST_NAMED = 3
#: Chunks that are read at once.
_READERS = 4


@dataclass(frozen=True)
class Damage:
    """Something that is not as it was written.

    Attributes
    ----------
    array : its name in `Store.arrays`, or a file of metadata.  chunk : number along ``point``; None where it is no chunk
        of points.  what : what is wrong with it.
    """

    array: str
    chunk: int | None
    what: str

    def __str__(self) -> str:
        return f"{self.array}{'' if self.chunk is None else f' chunk {self.chunk}'}: {self.what}"


def lengths(store: Store) -> list[Damage]:
    """Chunks of finished points that are gone or not of the length that they say of themselves; nothing is decoded.

    A store of format 2 leaves out chunks that hold nothing, so there one that is gone is not noticed.
    """
    numbers = np.unique(np.flatnonzero(store.done) // store.chunk).tolist()
    return list(_lengths(store, numbers)) if numbers else []


def _lengths(store: Store, numbers: Sequence[int]) -> Iterator[Damage]:
    for name, array in store.by_point.items():
        try:
            folder = os.open(store.path / name, os.O_RDONLY)
        except OSError as error:
            raise ConfigError(f"{store.path} is damaged: {name} cannot be read ({error}).") from None
        try:
            rest, wanted, marked = chunks.file_of(array, 0)[1:], chunks.plain_size(array), bool(array.metadata.filters)
            for number in numbers:
                try:
                    header, size = chunks.header_of(f"{number}{rest}", folder)
                except FileNotFoundError:
                    if marked:
                        yield Damage(name, number, "missing")
                    continue
                except OSError as error:
                    yield Damage(name, number, error.strerror or str(error))
                    continue
                if said := chunks.flaw(wanted, header, size):
                    yield Damage(name, number, said)
        finally:
            os.close(folder)


def bits(store: Store) -> list[Damage]:
    """Everything that cannot be read as it was written: each chunk is decoded and its checksum compared."""
    found = [damage for damage in lengths(store) if damage.what == "missing"]
    work = []
    for name, array in store.arrays.items():
        files = sorted(p.name for p in (store.path / name).iterdir() if p.name[0].isdigit() and p.suffix != ".partial")
        if array.metadata.filters and not files and name not in store.by_point and array.size:
            found.append(Damage(name, None, "missing"))
        work += [(name, file) for file in files]

    def look(item: tuple[str, str]) -> Damage | None:
        name, file = item
        number = int(file.partition(".")[0]) if name in store.by_point else None
        try:
            chunks.decoded(store.arrays[name], (store.path / name / file).read_bytes())
        except FileNotFoundError:
            # A run replaced it, or removed it, meanwhile.
            return None
        except chunks.UNREADABLE as error:
            return Damage(name, number, " ".join(str(error).split()))
        return None

    with ThreadPoolExecutor(_READERS) as pool:
        found += [damage for damage in pool.map(look, work) if damage is not None]
    return found + list(_part(store, found)) + list(_metadata(store))


def _part(store: Store, found: Sequence[Damage]) -> Iterator[Damage]:
    """Whether the store of a shard says of what it is a part, where nothing has been found in that yet."""
    if "shard" in store.attrs and not any(damage.array.startswith(f"{GROUP}/") for damage in found):
        try:
            whole.read(store)
        except ConfigError as error:
            yield Damage(GROUP, None, str(error).partition(" is damaged: ")[2].partition(";")[0])


def _metadata(store: Store) -> Iterator[Damage]:
    """Whether the metadata that readers take at once are those of the arrays."""
    try:
        published = json.loads((store.path / ".zmetadata").read_bytes())["metadata"]
        for name, content in published.items():
            if name.endswith(".zarray") and json.loads((store.path / name).read_bytes()) != content:
                yield Damage(name, None, "not what .zmetadata says")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        yield Damage(".zmetadata", None, " ".join(str(error).split()))


def points_of(store: Store, damages: Sequence[Damage]) -> list[int]:
    """Points, finished or not, that damages touch."""
    touched = np.zeros(len(store.done), bool)
    for damage in damages:
        if damage.chunk is not None:
            touched[damage.chunk * store.chunk : (damage.chunk + 1) * store.chunk] = True
    return [int(k) for k in np.flatnonzero(touched)]


def note(store: Store, damages: Sequence[Damage]) -> None:
    """Leave in a store, where it can be written, what a check found, so that the next run mends it."""
    file = store.path / FOUND
    try:
        if damages:
            file.write_text(json.dumps([asdict(damage) for damage in damages]), encoding="utf-8")
        else:
            file.unlink(missing_ok=True)
    except OSError:
        pass


def known(store: Store) -> list[Damage]:
    """Damage of finished points: what lengths tell, and what the last check found and is still so."""
    found = lengths(store)
    try:
        left = [Damage(**each) for each in json.loads((store.path / FOUND).read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return found
    done = store.done
    for damage in left:
        if damage.chunk is None or damage.array not in store.by_point or damage in found:
            continue
        where = slice(damage.chunk * store.chunk, (damage.chunk + 1) * store.chunk)
        if done[where].any() and _unreadable(store, damage.array, damage.chunk):
            found.append(damage)
    return found


def _unreadable(store: Store, name: str, number: int) -> bool:
    try:
        chunks.read(store.path / name, store.arrays[name], number)
    except chunks.UNREADABLE:
        return True
    return False


def mend(path: Path, damages: Sequence[Damage]) -> None:
    """Withdraw the marks of damaged points, say so in one line, and take away what cannot be read.

    Raises
    ------
    OSError : the store cannot be written.
    """
    store = read(path, "r+")
    assert store is not None
    points = [k for k in points_of(store, damages) if store.done[k]]
    what = _told(damages)
    print(f"warning: {path} is damaged ({what}): {named(points)} to be computed again.", file=sys.stderr, flush=True)
    store.withdraw(points)
    for damage in damages:
        if damage.chunk is not None:
            array = store.arrays[damage.array]
            file = path / damage.array / chunks.file_of(array, damage.chunk)
            if file.is_dir():
                shutil.rmtree(file)
            else:
                file.unlink(missing_ok=True)
    (path / FOUND).unlink(missing_ok=True)


def complain(store: Store) -> None:
    """Refuse a store of which chunks of finished points are gone or cut.

    Raises
    ------
    Damaged : there are; the message names them.
    """
    found = lengths(store)
    if not store.holds(DONE, 0):
        found.append(Damage(DONE, None, "missing"))
    if found:
        raise Damaged(f"{store.path} is damaged ({_told(found)}); the same run command mends it.", found[0].array)


def _told(damages: Sequence[Damage]) -> str:
    more = f"; and {len(damages) - MOST_NAMED} more" if len(damages) > MOST_NAMED else ""
    return "; ".join(map(str, damages[:MOST_NAMED])) + more


def mend_all(path: Path, reason: Damaged) -> None:
    """Look at every bit, after a chunk could not be read, and mend what can be.

    Raises
    ------
    Damaged : what was found is no chunk of points; only a copy of the store helps.
    """
    store = read(path, "r+")
    if store is None:
        raise reason
    found = bits(store)
    if reason.array in (DONE, DONE_AGAIN) or not any(damage.chunk is not None for damage in found):
        raise reason
    mend(path, [damage for damage in found if damage.chunk is not None])


def named(points: Sequence[int]) -> str:
    """Points as a message has them."""
    if len(points) == 1:
        return f"point {points[0]} is"
    shown = ", ".join(map(str, points[:MOST_NAMED])) + (", ..." if len(points) > MOST_NAMED else "")
    return f"{len(points)} points ({shown}) are" if points else "no point is"


def report(store: Store) -> tuple[bool, str]:
    """Check every bit of a store; whether it is sound, and what to say."""
    found = bits(store)
    note(store, found)
    size = sum(1 for array in store.by_point for _ in (store.path / array).glob("[0-9]*"))
    if not found:
        return True, f"{store.path} is sound: {size} chunks of {len(store.by_point)} arrays read, every checksum holds."
    points = points_of(store, found)
    finished = [k for k in points if store.done[k]]
    lines = [f"{store.path} is damaged:", *[f"  {damage}" for damage in found]]
    if finished:
        verb = (
            "the same run command computes it again." if len(finished) == 1 else "the same run command computes them again."
        )
        lines.append(f"  finished points touched: {spans(finished)}; {verb}")
    if any(damage.chunk is None for damage in found):
        lines.append("  what is no chunk of points cannot be computed again.")
    return False, "\n".join(lines)


def spans(points: Sequence[int]) -> str:
    """Points as ranges.

    Examples
    --------
    >>> spans([0, 1, 2, 5])
    '0-2, 5'
    """
    return ", ".join(f"{a}-{b - 1}" if b - a > 1 else f"{a}" for _, a, b in chunks.runs(points))
