"""What the store of a shard says of the whole that it is a part of, and what of a run is a shard's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr

from sim import chunks, plan
from sim.creation import write_whole
from sim.design import ConfigError, Point
from sim.labels import coordinates
from sim.schema import Config
from sim.shards import GROUP, WHOLE, Share, counts, firsts, parsed
from sim.soundness import reading
from sim.store import Store, indexed


@dataclass(frozen=True, eq=False)
class Whole:
    """All points of a batch, of which a shard has a part.

    Attributes
    ----------
    factors : coordinate of each factor.  alliances : int64 (point), as many as were asked for at most; with a target, 0.
    block : int64 (point), see `sim.plan.dealt_block`; 0 where a point is dealt as a whole.
    chunk : points per chunk of the whole store.  goal : what was asked for, if not a number of alliances.
    """

    factors: dict[str, np.ndarray]
    alliances: np.ndarray
    block: np.ndarray
    chunk: int
    goal: str

    def __len__(self) -> int:
        return len(self.alliances)

    def same_points(self, other: Whole) -> bool:
        """Whether both have the same points, in one order."""
        return len(self) == len(other) and all(np.array_equal(v, other.factors[k]) for k, v in self.factors.items())

    def same(self, other: Whole) -> bool:
        """Whether both ask for the same."""
        amounts = np.array_equal(self.alliances, other.alliances) and np.array_equal(self.block, other.block)
        return self.same_points(other) and amounts and self.goal == other.goal

    def held(self, k: int, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Points that shard k of n has alliances of, or has whole: their indices; and how many alliances of each."""
        first = firsts(np.arange(len(self)), self.block, k, n)
        found = counts(self.alliances, self.block, first, n)
        has = np.flatnonzero((found > 0) | ((self.block == 0) & (first == 0)))
        return has, found[has]


@dataclass(frozen=True)
class Portion:
    """What a run is to have: of a shard, or everything.

    Attributes
    ----------
    rows : which of the points of the config.  stops : how many alliances of each; with a target, the most.
    shares : which alliances these are.  whole : of what it is a part, if it is one.
    """

    rows: list[int]
    stops: list[int]
    shares: list[Share]
    whole: Whole | None = None


def portion(config: Config, wanted: Sequence[Point], exact: Sequence[bool], chunk: int, existing: Store | None) -> Portion:
    """What a run of a config has to have of its points.

    Parameters
    ----------
    wanted, exact : points of the config, and which are solved.  chunk : points per chunk of a new store of them all.
    existing : the shard's store, as far as it is there already.
    """
    most = [plan.most_alliances(point, config) for point in wanted]
    if config.shard is None:
        return Portion(list(range(len(wanted))), most, [WHOLE] * len(wanted))
    (k, n), drawn = parsed(config.shard), config.precision.kind == "fixed"
    cut = [drawn and not solved for solved in exact]
    asked = np.array([count if cuts else 0 for count, cuts in zip(most, cut, strict=True)])
    block = np.array([plan.dealt_block(point) if cuts else 0 for point, cuts in zip(wanted, cut, strict=True)])
    whole, index = _joined(config, wanted, asked, block, chunk, read(existing) if existing is not None else None)
    first = firsts(index, block, k, n)
    found = counts(asked, block, first, n)
    rows = np.flatnonzero((found > 0) | ((block == 0) & (first == 0))).tolist()
    shares = [Share(int(first[r]), n, int(block[r])) if cut[r] else WHOLE for r in rows]
    return Portion(rows, [int(found[r]) if cut[r] else most[r] for r in rows], shares, whole)


def _joined(
    config: Config, wanted: Sequence[Point], asked: np.ndarray, block: np.ndarray, chunk: int, old: Whole | None
) -> tuple[Whole, np.ndarray]:
    """The whole with what is wanted in it, and the index in it of each wanted point; what was there keeps its index."""
    given = coordinates(wanted, np.zeros(1), (), (), config)
    factors = {label: given[label][1] for label in config.design.factors}
    goal = json.dumps(config.precision.model_dump(mode="json")) if config.precision.kind == "target" else ""
    if old is None:
        return Whole(factors, asked, block, chunk, goal), np.arange(len(wanted))
    known, total, places = indexed(old.factors, len(old)), len(old), []
    for point in wanted:
        places.append(known.get(point.identity, total))
        total += places[-1] == total
    index = np.array(places)
    new = index >= len(old)
    alliances = np.concatenate([old.alliances, asked[new]])
    alliances[index] = np.maximum(alliances[index], asked)
    grown = {label: np.concatenate([v, factors[label][new]]) if new.any() else v for label, v in old.factors.items()}
    return Whole(grown, alliances, np.concatenate([old.block, block[new]]), old.chunk, goal), index


def write(target: Store, whole: Whole) -> None:
    """Put down in the store of a shard of what it is a part."""
    group = target.group.create_group(GROUP, overwrite=True)
    for name, values in {**{f"factor_{k}": v for k, v in whole.factors.items()}, "alliances": whole.alliances,
                         "block": whole.block}.items():  # fmt: skip
        write_whole(group, name, "whole_point", values)
    group.update_attributes({"chunk": whole.chunk, "goal": whole.goal})
    zarr.consolidate_metadata(str(target.path), zarr_format=2)


def read(store: Store) -> Whole:
    """Of what the store of a shard is a part.

    Raises
    ------
    ConfigError : that is damaged, and cannot be made out from the rest.
    """
    with reading(store.path):
        attrs = store.group[GROUP].attrs if (store.path / GROUP / ".zgroup").is_file() else {}
        chunk, goal = attrs.get("chunk"), attrs.get("goal")
        if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1 or not isinstance(goal, str):
            raise _damaged(store, "the attributes of the group cannot be read")
        factors = {label: _values(store, f"factor_{label}") for label in json.loads(store.attrs["factors"])}
        alliances, block = _values(store, "alliances"), _values(store, "block")
        if any(v.dtype != np.int64 or (v < 0).any() for v in (alliances, block)):
            raise _damaged(store, "alliances or block are no numbers of alliances")
        return Whole(factors, alliances, block, chunk, goal)


def _values(store: Store, name: str) -> np.ndarray:
    """An array of the group, past the library, which takes a file that is gone for zeros."""
    name = f"{GROUP}/{name}"
    array = store.arrays.get(name)
    if array is None or array.chunks != array.shape:
        raise _damaged(store, f"{name} is {'missing' if array is None else 'in pieces'}")
    try:
        return chunks.read(store.path / name, array, 0)
    except FileNotFoundError:
        raise _damaged(store, f"{name} is missing") from None
    except chunks.UNREADABLE as error:
        raise _damaged(store, f"{name} cannot be read ({' '.join(str(error).split())})") from None


def _damaged(store: Store, what: str) -> ConfigError:
    return ConfigError(
        f"{store.path} is damaged: {what}; of what shard {store.attrs['shard']} is a part cannot be made out from the rest: "
        "remove the folder, and the same sim.run commands make it anew."
    )


def attributes(config: Config) -> dict[str, Any]:
    """Attributes by which the store of a shard says that it is a part."""
    if config.shard is None:
        return {}
    k, n = parsed(config.shard)
    text = (
        f"a part, shard {k} of {n}: some of the points, and of large ones some of the alliances, which the values are of; "
        "python -m sim.merge makes one store of all shards"
    )
    return {"shard": config.shard, "part": text}


def told(store: Store) -> str:
    """What a shard's store holds of the whole, in words; nothing of a store that is no shard."""
    if "shard" not in store.attrs:
        return ""
    whole, (k, n) = read(store), parsed(store.attrs["shard"])
    has, asked = whole.held(k, n)
    done, alliances = store.done, store.alliances
    parts = [f"{k} of {n}, has {len(has)} of the {len(whole)} points"]
    if whole.alliances.any():
        cut = int((asked < whole.alliances[has]).sum())
        parts.append(f"{cut} of them in part" if cut else "each as a whole")
        parts.append(f"{int(asked.sum()):,} of the {int(whole.alliances.sum()):,} alliances ({alliances.sum():,} finished)")
    else:
        parts.append(f"each as a whole ({int(done.sum())} finished)")
    return ", ".join(parts)
