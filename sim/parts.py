"""The shards of a merge: opened, kept from runs, and checked that they make a whole."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sim import gather, integrity, place, store, stored, whole
from sim.design import ConfigError
from sim.gather import Part
from sim.shards import parsed
from sim.soundness import reading

#: Keys named when shards do not belong together, and shards told of one by one.
MOST_KEYS, MOST_TOLD = 8, 8
#: Shards that are locked at once; a process may have so many files open, as a rule 1024.
MOST_LOCKED = 400


def parts_of(paths: Sequence[Path]) -> list[Part]:
    """Open shards and check that they make a whole: all of them, once, of one batch, finished. In the order of k.

    Raises
    ------
    ConfigError : they do not, or one is damaged; the message says what is missing or does not belong.
    """
    parts: list[Part] = []
    for path in paths:
        parts.append(_opened(path, parts[0] if parts else None))
    first = parts[0]
    for part in parts[1:]:
        _belongs(part, first)
    by_number: dict[int, Part] = {}
    for part in parts:
        if part.k in by_number:
            raise ConfigError(f"shard {part.k}/{part.n} is given twice: {_at(by_number[part.k])} and {_at(part)}.")
        by_number[part.k] = part
    parts = [by_number[k] for k in sorted(by_number)]
    _check_sound(parts)
    said = [*_absent(by_number, first.n), *_differing(parts), *_unfinished(parts)]
    if said:
        more = f"; and {len(said) - MOST_TOLD} more" if len(said) > MOST_TOLD else ""
        raise ConfigError(
            f"the shards do not make a whole: {'; '.join(said[:MOST_TOLD])}{more}. "
            "The same sim.run command for every shard=k/n does the rest."
        )
    return parts


def _at(part: Part) -> str:
    return repr(str(part.path))


def _opened(path: Path, first: Part | None) -> Part:
    """A shard; of the same whole as the first one, it refers to what that says."""
    if not path.name:
        raise ConfigError(f"{str(path)!r} is no store of this program.")
    seen = gather.state(path)
    if not path.exists() and not any(sibling.exists() for sibling in place.siblings(path)):
        raise ConfigError(f"{str(path)!r} does not exist.")
    if not path.exists() or place.siblings(path)[1].exists():
        raise ConfigError(f"{str(path)!r}: an extension was interrupted; the same sim.run command goes on with it.")
    found = stored.opened(path, shards=True)
    if "shard" not in found.store.attrs:
        raise ConfigError(f"{str(path)!r} is no shard; it holds a whole already.")
    (k, n), about = parsed(found.store.attrs["shard"]), whole.read(found.store)
    with reading(path):
        same = first is not None and about.same_points(first.whole)
        known = first.known if first is not None and same else store.indexed(about.factors, len(about))
        index = np.array([known.get(point, -1) for point in found.store.index], np.int64)
        if (index < 0).any() or len(index) < len(found.store.done):
            raise ValueError("it has points that are none of the whole")
    return Part(found, k, n, about, known, index, seen)


def _check_sound(parts: Sequence[Part]) -> None:
    """Refuse shards of which something is gone or cut; bits are compared when they are read."""
    said = []
    for part in parts:
        mended, lost = gather.flaws(part)
        if lost:
            what = f"{', '.join(lost[: integrity.MOST_NAMED])} missing; remove it, and its own sim.run commands make it anew"
        else:
            what = "; ".join(map(str, mended[: integrity.MOST_NAMED]))
            what += f"; and {len(mended) - integrity.MOST_NAMED} more" if len(mended) > integrity.MOST_NAMED else ""
        if mended or lost:
            said.append(f"{part} is damaged ({what})" + ": its own sim.run command mends it" * (not lost))
    if said:
        more = f"; and {len(said) - MOST_TOLD} more shards" if len(said) > MOST_TOLD else ""
        raise ConfigError(f"{'; '.join(said[:MOST_TOLD])}{more}.")


def _belongs(part: Part, first: Part) -> None:
    """Refuse a shard of another batch, naming what differs, with both values."""
    if part.n != first.n:
        raise ConfigError(f"{_at(first)} is one of {first.n} shards, {_at(part)} one of {part.n}.")
    ours, theirs = (json.loads(each.store.attrs["identity"]) for each in (first, part))
    for attribute, words in (("theories", "content of theory"), ("levels", "levels of factor")):
        one, other = (json.loads(each.store.attrs[attribute]) for each in (first, part))
        for name in {*one, *other}:
            both = one.get(name), other.get(name)
            if isinstance(both[0], dict) and isinstance(both[1], dict):
                both = ({k: both[0][k] for k in both[0] if k in both[1]}, {k: both[1][k] for k in both[1] if k in both[0]})
            if None not in both and both[0] != both[1]:
                ours[f"{words} {name!r}"], theirs[f"{words} {name!r}"] = "this text", "another"
    keys = sorted(k for k in {*ours, *theirs} - {"shard"} if ours.get(k) != theirs.get(k))
    if keys:
        told = [f"{k}: {json.dumps(ours.get(k))} and {json.dumps(theirs.get(k))}" for k in keys[:MOST_KEYS]]
        more = f"; and {len(keys) - MOST_KEYS} more" if len(keys) > MOST_KEYS else ""
        raise ConfigError(f"{_at(first)} and {_at(part)} are of different batches ({'; '.join(told)}{more}).")


def _absent(there: dict[int, Part], n: int) -> list[str]:
    gone = [k for k in range(1, n + 1) if k not in there]
    return [
        f"shard{'s' * (len(gone) > 1)} {integrity.spans(gone)} of {n} {'are' if len(gone) > 1 else 'is'} missing"
    ] * bool(gone)


def _differing(parts: Sequence[Part]) -> list[str]:
    """Shards that were asked for something else than the one that was asked for most."""
    most = max(parts, key=lambda part: (len(part.whole), int(part.whole.alliances.sum())))
    said = []
    for part in parts:
        if part.whole.same(most.whole):
            same = all(
                of(part.store) == of(most.store)
                for of in (lambda s: s.grid.tolist(), lambda s: (s.propositions, s.theories), _columns)
            )
            if not same:
                said.append(f"shard {part.k}/{part.n} and shard {most.k}/{most.n} grew by different steps")
        elif part.whole.goal != most.whole.goal:
            said.append(f"shard {part.k}/{part.n} has another target of precision than shard {most.k}/{most.n}")
        elif (_asked(part)) != _asked(most):
            said.append(f"shard {part.k}/{part.n} was asked for {_asked(part)}, shard {most.k}/{most.n} for {_asked(most)}")
        elif part.whole.same_points(most.whole) and not np.array_equal(part.whole.block, most.whole.block):
            said.append(f"shard {part.k}/{part.n} has points cut into other blocks than shard {most.k}/{most.n}")
        else:
            said.append(
                f"shard {part.k}/{part.n} and shard {most.k}/{most.n} have other points, or grew by different steps: one of "
                "them is to be made anew, by the steps of the other's history"
            )
    return said


def _columns(of: store.Store) -> list[list[str]]:
    return [of.columns("by_period"), of.columns("by_run")]


def _asked(part: Part) -> str:
    total = int(part.whole.alliances.sum())
    return f"{len(part.whole)} points" + f", {total:,} alliances in all" * (total > 0)


def _unfinished(parts: Sequence[Part]) -> list[str]:
    said = []
    for part in parts:
        points, blocks, of_points, of_blocks = gather.missing(part)
        if points:
            said.append(f"{part} is unfinished: {points} of {of_points} points, {blocks} of {of_blocks} blocks are left")
    return said


def check_unchanged(parts: Sequence[Part]) -> None:
    """Refuse shards that a run has written to since they were opened, as one that could not be locked may."""
    for part in parts:
        if gather.state(part.path) != part.seen:
            raise ConfigError(f"{part} was changed while it was merged; merge again when its run has ended.")


@contextlib.contextmanager
def held(paths: Sequence[Path]) -> Iterator[None]:
    """Keep runs away from shards, as far as they can be locked: not where nothing can be written."""
    with contextlib.ExitStack() as locks:
        there = [path for path in sorted(set(paths)) if path.name and (path / ".zgroup").exists()]
        for path in there[:MOST_LOCKED]:
            try:
                locks.enter_context(place.lock(path))
            except ConfigError:
                raise ConfigError(f"{str(path)!r}: a run or a merge is at work on this shard; wait for it.") from None
            except OSError:
                # Others are noticed when they have changed something, see `check_unchanged`.
                continue
        yield
