"""``python -m sim.merge SHARDS... OUT``: one store of all shards of a batch, the same bits as of one run.

Exit status: 0 the store is complete, 1 it could not be written, 2 the shards do not make a whole, or bad input (nothing
written), 130 interrupted. A merge that died is repeated; what it left behind is no store and is taken away.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim import creation, extension, gather, place, provenance, run, store, stored, survey, whole
from sim.design import ConfigError, canonical
from sim.gather import Part
from sim.outlook import shown
from sim.schema import Config
from sim.shards import parsed

#: Keys named when shards do not belong together, and shards told of one by one.
MOST_KEYS, MOST_TOLD = 8, 8


def parts_of(paths: Sequence[Path]) -> list[Part]:
    """Open shards and check that they make a whole: all of them, once, of one batch, finished. In the order of k.

    Raises
    ------
    ConfigError : they do not; the message says what is missing or does not belong.
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
    if not path.exists() and not any(sibling.exists() for sibling in place.siblings(path)):
        raise ConfigError(f"{str(path)!r} does not exist.")
    if not path.exists() or place.siblings(path)[1].exists():
        raise ConfigError(f"{str(path)!r}: an extension was interrupted; the same sim.run command goes on with it.")
    found = stored.opened(path, shards=True)
    if "shard" not in found.store.attrs:
        raise ConfigError(f"{str(path)!r} is no shard; it holds a whole already.")
    (k, n), about = parsed(found.store.attrs["shard"]), whole.read(found.store)
    same = first is not None and about.same_points(first.whole)
    known = first.known if first is not None and same else store.indexed(about.factors, len(about))
    return Part(found, k, n, about, known, np.array([known[point] for point in found.store.index], np.int64))


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
    return [f"shard{'s' * (len(gone) > 1)} {gather.spans(gone)} of {n} {'are' if len(gone) > 1 else 'is'} missing"] * bool(
        gone
    )


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
            said.append(
                f"shard {part.k}/{part.n} ({_at(part)}) is unfinished: {points} of {of_points} points, "
                f"{blocks} of {of_blocks} blocks are left"
            )
    return said


def merge(parts: Sequence[Part], path: Path) -> store.Store:
    """Build the store of the whole aside, and put it in its place.

    Parameters
    ----------
    parts : as `parts_of` returns them.  path : absolute; nothing, or an empty folder.

    Raises
    ------
    ConfigError : a shard is damaged.  OSError : the store cannot be written. Nothing is left behind.
    """
    first, new = parts[0], place.siblings(path)[0]
    attrs, config = _attributes(parts)
    extension.clear(new)
    try:
        columns = {name: first.store.columns(name) for name in ("by_period", "by_run")}
        built = creation.create(
            new, _coordinates(first), first.store.grid, first.store.propositions, first.store.theories, columns, config,
            attrs, len(first.whole), min(first.whole.chunk, len(first.whole)),
        )  # fmt: skip
        gather.gather(built, parts, config)
        built.note()
        extension.place(new, path)
    except BaseException:
        extension.clear(new)
        raise
    found = store.read(path)
    assert found is not None
    return found


def _coordinates(part: Part) -> dict[str, tuple[str, np.ndarray, dict[str, str]]]:
    """Coordinates of the whole: factors at all its points, all else as in a shard."""
    found: dict[str, tuple[str, np.ndarray, dict[str, str]]] = {}
    # As a run has them: factors first, in their order.
    for name in dict.fromkeys([*part.whole.factors, *part.store.arrays]):
        attrs = dict(part.store.arrays[name].attrs)
        dims = attrs.pop("_ARRAY_DIMENSIONS")
        if name in part.whole.factors:
            found[name] = ("point", part.whole.factors[name], attrs)
        elif len(dims) == 1 and dims[0] != "point" and not name.startswith(f"{store.TALLY}/"):
            found[name] = (dims[0], part.store.values(name), attrs)
    return found


def _attributes(parts: Sequence[Part]) -> tuple[dict[str, Any], Config]:
    """Attributes of the whole, as of one run that took the time of all, and its config."""
    every = [part.store.attrs for part in parts]
    last = max(parts, key=lambda part: str(part.store.attrs["updated"])).stored.config
    config = last.model_copy(update={"shard": None, "output": last.output.model_copy(update={"path": None})})
    identity = json.loads(every[0]["identity"])
    del identity["precision.kind"]

    def joined(key: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for attrs in every:
            for name, value in json.loads(attrs[key]).items():
                found[name] = {**found.get(name, {}), **value} if isinstance(value, dict) else value
        return found

    def told(key: str) -> str:
        return "; ".join(dict.fromkeys(str(attrs[key]) for attrs in every))

    lines = [
        f"shard {p.k}/{p.n}: {line}" for p, attrs in zip(parts, every, strict=True) for line in json.loads(attrs["history"])
    ]
    kept = {k: v for k, v in every[0].items() if k not in ("shard", "part", "coordinates")}
    return kept | {
        "config": json.dumps(config.model_dump(mode="json"), indent=1),
        "identity": canonical({**identity, "shard": None}),
        "theories": canonical(joined("theories")),
        "levels": canonical(joined("levels")),
        "history": json.dumps([*lines, f"{provenance.now()}: merged {len(parts)} shards"]),
        **{key: told(key) for key in ("source", "revision", "machine")},
        "created": min(str(attrs["created"]) for attrs in every),
        "wall_seconds": sum(float(attrs["wall_seconds"]) for attrs in every),
        "partner_updates": sum(int(attrs["partner_updates"]) for attrs in every),
    }, config


def _free(path: Path) -> None:
    """Refuse a place where something is, or nothing can be."""
    try:
        there = place.inspect(path) is not None
    except ConfigError as error:
        raise ConfigError(str(error).replace("output.path = ", "OUT = ", 1).replace("output.path", "OUT")) from None
    if there:
        raise ConfigError(f"OUT = {str(path)!r} is there already; remove it, or choose another place.")


def _command(paths: Sequence[Path], out: Path, report: bool) -> int:
    _free(out)
    parts = parts_of([path.resolve() for path in paths])
    points, started = len(parts[0].whole), time.monotonic()
    print(f"merging {len(parts)} shards of {points} points", flush=True)
    with place.lock(out):
        if any(sibling.exists() for sibling in place.siblings(out)):
            extension.recover(out)
        _free(out)
        merge(parts, out)
    seconds = time.monotonic() - started
    size = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
    print(
        f"{shown(out)}: complete, {points} points, {survey.gigabytes(size)} in {seconds:.1f} s "
        f"({size / 1e6 / max(seconds, 1e-9):.0f} MB/s)"
    )
    if report and parts[0].stored.config.output.report:
        run.report(out, str(parts[0].store.attrs["question"]))
    return run.COMPLETE


def guarded(work: Callable[[], int]) -> int:
    """Exit status of a merge; what is wrong is said in one message."""
    try:
        return work()
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return run.BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted; nothing was written, the shards are as they were.", file=sys.stderr)
        return run.INTERRUPTED
    except OSError as error:
        print(f"failed: {error}; the shards are as they were, the same command tries again.", file=sys.stderr)
        return run.FAILED


def main(words: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m sim.merge", description="One store of all shards of a batch.")
    parser.add_argument("shards", nargs="+", type=Path, metavar="SHARD", help="stores of runs with shard=k/n, in any order")
    parser.add_argument("out", type=Path, metavar="OUT", help="path of the store to make: nothing, or an empty folder")
    parser.add_argument("--no-report", action="store_true", help="no figure and no table beside it")
    chosen = parser.parse_args(words)
    return guarded(lambda: _command(chosen.shards, chosen.out.resolve(), not chosen.no_report))


if __name__ == "__main__":
    sys.exit(main())
