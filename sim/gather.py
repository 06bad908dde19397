"""From the arrays of shards to those of the whole: rows are copied; sums of points that several shards have are added."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim import chunks, integrity
from sim.design import Point
from sim.labels import values_of
from sim.plan import cores
from sim.recording import layout_of
from sim.schema import Config
from sim.soundness import reading
from sim.store import DONE, DONE_AGAIN, TALLY, Damaged, Store
from sim.stored import Stored
from sim.tallies import Sums, added
from sim.tally_columns import restored
from sim.whole import Whole

#: Memory that rows may take at a time, in all threads together. A chunk whose points are spread over more than fit is
#: decoded again for the next.
MOST_BYTES = 2**30
#: Beyond so many threads each would have too little of that.
MOST_THREADS = 4


@dataclass(frozen=True, eq=False)
class Part:
    """A shard.

    Attributes
    ----------
    stored : its store.  k, n : it is the k-th of n.  whole : what it is a part of, as its store says.
    known : identity of each point of the whole -> its index.  index : int64, those of the shard's points.
    seen : `state` of its store before it was opened.
    """

    stored: Stored
    k: int
    n: int
    whole: Whole
    known: dict[str, int]
    index: np.ndarray
    seen: tuple[object, ...]

    @property
    def store(self) -> Store:
        """Its store."""
        return self.stored.store

    @property
    def path(self) -> Path:
        """Where its store is."""
        return self.stored.store.path

    def __str__(self) -> str:
        return f"shard {self.k}/{self.n} ({str(self.path)!r})"


def state(path: Path) -> tuple[object, ...]:
    """What is another wherever a run has written to a store meanwhile, or put another in its place."""
    found: list[object] = []
    for file in (path, path / ".zattrs", path / DONE / "0"):
        try:
            about = file.stat()
        except OSError:
            found.append(None)
            continue
        # A lock file comes and goes beside a store, other files of readers perhaps inside.
        found.append((about.st_dev, about.st_ino) if file == path else (about.st_ino, about.st_mtime_ns, about.st_size))
    return tuple(found)


def flaws(part: Part) -> tuple[list[integrity.Damage], list[str]]:
    """What of a shard is damaged, as far as can be told without decoding it all: what its run mends, and what not."""
    store = part.store
    gone = [
        name
        for name, array in store.arrays.items()
        if array.size and name not in (*store.by_point, DONE, DONE_AGAIN)
        and not (store.path / name / chunks.file_of(array, 0)).is_file()
    ]  # fmt: skip
    return integrity.known(store), gone


def gather(target: Store, parts: Sequence[Part], config: Config) -> None:
    """Fill an empty store with all that shards hold, and mark it.

    Memory stays bounded by `MOST_BYTES`, shared by a few threads: each has an array, and as many points as it has room for.

    Raises
    ------
    ConfigError : a shard is damaged.  OSError : the store cannot be written.
    """
    owners = sum(np.bincount(part.index, minlength=len(parts[0].whole)) for part in parts)
    alone = np.asarray(owners) == 1
    names = sorted(target.by_point, key=lambda name: -_row(target, name))
    # What threads share is opened before they begin.
    for store in (target, *(part.store for part in parts)):
        _ = store.arrays
    _ = target.nothing
    threads = min(cores(), MOST_THREADS)
    with ThreadPoolExecutor(threads) as pool:
        _finish(pool.map(lambda name: _copy(target, parts, name, alone, MOST_BYTES // threads), names))
        if not alone.all():
            add = _adder(target, parts, config)
            which = np.unique(np.flatnonzero(~alone) // target.chunk).tolist()
            numbers = [np.arange(c * target.chunk, min((c + 1) * target.chunk, len(alone))) for c in which]
            with parts[0].stored.as_saved():
                _finish(pool.map(lambda each: add(each[~alone[each]]), numbers))
    target.mark(range(len(alone)))


def _finish(work: Iterable[None]) -> None:
    for _ in work:
        pass


def _row(store: Store, name: str) -> int:
    """Bytes of one point of an array."""
    array = store.arrays[name]
    return int(np.prod(array.shape[1:], initial=1) * array.dtype.itemsize)


def _copy(target: Store, parts: Sequence[Part], name: str, alone: np.ndarray, most: int) -> None:
    """Copy an array, of points that one shard alone has, so many bytes at a time."""
    array, points = target.arrays[name], len(alone)
    size = max(1, most // _row(target, name) // target.chunk) * target.chunk
    nothing = target.nothing[name] if array.dtype == np.uint64 else None
    for start in range(0, points, size):
        stop = min(start + size, points)
        here = np.zeros((stop - start, *array.shape[1:]), array.dtype)
        for part in parts:
            local = np.flatnonzero((part.index >= start) & (part.index < stop) & alone[part.index])
            _rows(part, name, local, here, part.index[local] - start, nothing)
        for first in range(start, stop, target.chunk):
            last = min(first + target.chunk, stop)
            if alone[first:last].any():
                data = here[first - start : last - start]
                target.put(name, range(first, last), data if data.dtype != np.uint64 or data.any() else None)


def _rows(
    part: Part, name: str, local: np.ndarray, into: np.ndarray, at: np.ndarray, nothing: bytes | None = None
) -> None:  # fmt: skip
    """Read finished points of an array, each chunk of it once, past the library: it takes a millisecond, and zeros for gone.

    Parameters
    ----------
    local, into, at : these points of the shard, to these places of `into`, where zeros are.
    nothing : a chunk of nothing but zeros as it stands on disk, which need not be decoded.

    Raises
    ------
    Damaged : a chunk is gone or cannot be read; every store of a shard is of a format in which each finished point has one.
    """
    store, array = part.store, part.store.arrays[name]
    size = array.chunks[0]
    for chunk in np.unique(local // size).tolist():
        which = local // size == chunk
        try:
            content = (store.path / name / chunks.file_of(array, chunk)).read_bytes()
            found = chunks.decoded(array, content) if content != nothing else None
        except chunks.UNREADABLE as error:
            gone = isinstance(error, FileNotFoundError)
            # What lengths do not tell, a run knows of from a check.
            look = "" if gone else f"python -m sim.info {store.path} --check, and then "
            how = "is missing" if gone else f"cannot be read ({' '.join(str(error).split())})"
            raise Damaged(
                f"{part} is damaged: {name} chunk {chunk} {how}; {look}its own sim.run command mends it.", name
            ) from None
        if found is not None:
            into[_span(at[which])] = found[_span(local[which] - chunk * size)]


def _span(numbers: np.ndarray) -> slice | np.ndarray:
    """Numbers as a slice where they ascend in even steps: rows that a slice takes are copied once instead of twice."""
    step = int(numbers[1] - numbers[0]) if len(numbers) > 1 else 1
    even = step > 0 and (np.diff(numbers) == step).all()
    return slice(int(numbers[0]), int(numbers[-1]) + 1, step) if even else numbers


def _adder(target: Store, parts: Sequence[Part], config: Config) -> Callable[[np.ndarray], None]:
    """What adds up the sums of points, of one chunk, that several shards have, and writes them and their values."""
    layout = layout_of(config)
    places = [{k: n for n, k in enumerate(part.index.tolist())} for part in parts]
    alliances = np.zeros(len(parts[0].whole), np.int64)
    for part in parts:
        alliances[part.index] += _alliances(part)

    def total(name: str, numbers: np.ndarray) -> np.ndarray:
        """Sums of some points, (2, points, ...) in the columns of the stores."""
        shape = (2, len(numbers), *target.arrays[f"{TALLY}/{name}"].shape[1:])
        found = np.zeros(shape, np.uint64)
        for part, place in zip(parts, places, strict=True):
            at = np.array([n for n, k in enumerate(numbers.tolist()) if k in place], np.int64)
            if at.size:
                own = np.zeros(shape, np.uint64)
                local = np.array([place[int(numbers[n])] for n in at])
                for word, suffix in enumerate(("", "_high")):
                    _rows(part, f"{TALLY}/{name}{suffix}", local, own[word], at)
                found = added(found, own)
        return found

    def add(numbers: np.ndarray) -> None:
        sums = [
            restored(total(name, numbers), columns, target.columns(name))
            for name, columns in (("by_period", layout.period), ("by_run", layout.point))
        ]
        points, whole = _points(parts[0], numbers), Sums(sums[0], sums[1], alliances[numbers])
        values = values_of(points, whole, target.grid, target.propositions, target.theories, config)
        target.write(numbers.tolist(), values, whole, layout)

    return add


def _points(part: Part, numbers: np.ndarray) -> list[Point]:
    """Points of the whole, as the theories of a shard's store have them."""
    labels = {label: values[numbers].tolist() for label, values in part.whole.factors.items()}
    return [part.stored.made({label: v[n] for label, v in labels.items()}, 1)[0] for n in range(len(numbers))]


def _alliances(part: Part) -> np.ndarray:
    """int64 (point of the shard): alliances of each finished point, 0 elsewhere."""
    finished = np.flatnonzero(part.store.done)
    found = np.zeros(len(part.index), np.int64)
    _rows(part, "alliances", finished, found, finished)
    return found


def missing(part: Part) -> tuple[int, int, int, int]:
    """What of a shard is not finished: points and blocks, and how many it is to have of each.

    Raises
    ------
    ConfigError : it is damaged.
    """
    with reading(part.path):
        return _missing(part)


def _missing(part: Part) -> tuple[int, int, int, int]:
    from sim import precision

    store, whole = part.store, part.whole
    has, asked = whole.held(part.k, part.n)
    have = np.full(len(whole), -1)
    alliances = _alliances(part)
    have[part.index] = np.where(store.done == 1, alliances, -1)
    left = (have[has] < asked) | (have[has] < 0)
    if whole.goal and not left.any():
        config = part.stored.config
        with part.stored.as_saved():
            points = _points(part, part.index)
            far = precision.shortfalls(points, range(len(points)), store.values, store.grid, config)
        short = (np.array(far) >= 1.0) & (alliances < config.precision.max_alliances)
        left = np.isin(has, part.index[short])
    size = np.maximum(whole.block[has], 1)
    cut = whole.block[has] > 0
    blocks = np.where(cut, -(-asked // size), 1)
    blocks_left = np.where(cut, blocks - np.maximum(have[has], 0) // size, 1)
    return int(left.sum()), int(blocks_left[left].sum()), len(has), int(blocks.sum())
