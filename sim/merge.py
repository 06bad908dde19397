"""``python -m sim.merge SHARDS... OUT``: one store of all shards of a batch, the same bits as of one run.

Exit status: 0 the store is complete, 1 it could not be written, 2 the shards do not make a whole, or bad input (nothing
written), 130 interrupted. A merge that died is repeated; what it left behind is no store and is taken away.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim import creation, extension, gather, opening, place, provenance, run, store, survey
from sim.design import ConfigError, canonical
from sim.gather import Part
from sim.outlook import shown
from sim.parts import check_unchanged, held, parts_of
from sim.schema import Config
from sim.shards import GROUP
from sim.soundness import reading


def merge(parts: Sequence[Part], path: Path) -> store.Store:
    """Build the store of the whole aside, and put it in its place.

    Parameters
    ----------
    parts : as `parts_of` returns them.  path : absolute; nothing, or an empty folder.

    Raises
    ------
    ConfigError : a shard is damaged, or changed meanwhile.  OSError : the store cannot be written. Nothing is left behind.
    """
    first, new = parts[0], place.siblings(path)[0]
    with reading(first.path):
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
        check_unchanged(parts)
        extension.place(new, path)
    except BaseException as error:
        extension.clear(new)
        if isinstance(error, ConfigError | OSError):
            # What was read of a shard that changed may look like damage.
            check_unchanged(parts)
        raise
    found = opening.read(path)
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
        elif len(dims) == 1 and dims[0] != "point" and not name.startswith((f"{store.TALLY}/", f"{GROUP}/")):
            found[name] = (dims[0], part.store.values(name), attrs)
    return found


def _attributes(parts: Sequence[Part]) -> tuple[dict[str, Any], Config]:
    """Attributes of the whole, as of one run that took the time of all, and its config."""
    every = [part.store.attrs for part in parts]
    last = max(parts, key=lambda part: str(part.store.attrs["updated"])).stored.config
    config = last.model_copy(update={"shard": None, "output": last.output.model_copy(update={"path": None})})
    identity = json.loads(every[0]["identity"])
    identity.pop("precision.kind", None)

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
    given = [path.resolve() for path in paths]
    with held(given):
        parts = parts_of(given)
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
    if not report or not parts[0].stored.config.output.report:
        return run.COMPLETE
    text = f"{shown(out)} is complete, its figure and table are not all there."
    return run.guarded(lambda: _report(out, str(parts[0].store.attrs["question"])), text, text)


def _report(out: Path, question: str) -> int:
    run.report(out, question)
    return run.COMPLETE


def main(words: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m sim.merge", description="One store of all shards of a batch.")
    parser.add_argument("shards", nargs="+", type=Path, metavar="SHARD", help="stores of runs with shard=k/n, in any order")
    parser.add_argument("out", type=Path, metavar="OUT", help="path of the store to make: nothing, or an empty folder")
    parser.add_argument("--no-report", action="store_true", help="no figure and no table beside it")
    chosen = parser.parse_args(words)
    return run.guarded(
        lambda: _command(chosen.shards, chosen.out.resolve(), not chosen.no_report),
        "nothing was written, the shards are as they were.", "the shards are as they were, the same command tries again.",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
