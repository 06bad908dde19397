"""A whole run: design -> plan -> blocks -> store; resume, extension, refusal of what does not belong.

`survey` looks and refuses without writing; `perform` does the work. Both know nothing of Hydra.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sim import extension, place, plan, provenance, store
from sim.collect import Collector
from sim.design import ConfigError, Point, points
from sim.labels import coordinates, proposition_labels, theory_names
from sim.plan import Rates
from sim.progress import progress
from sim.recording import period_grid
from sim.sampling import GROWING, WHY_FIXED
from sim.schema import Config
from sim.store import Store
from sim.theory_tables import ordered

MAX_DIFFERENCES = 8
#: Levels of a factor written out in the history.
MOST_SHOWN = 50


@dataclass(frozen=True)
class Survey:
    """What a run will do, found without writing anything.

    Attributes
    ----------
    config, points, path : the run.  existing : the store that is there already, if any, and stays in use.
    index : index in the store of each point of the run.  total : points of the store.
    tasks : what is still to be simulated.  extends : whether the store is rebuilt larger, aside.
    grid, propositions, chunk : coordinates and layout of the store.
    """

    config: Config
    points: list[Point]
    path: Path
    existing: Store | None
    index: list[int]
    total: int
    tasks: list[plan.Task]
    extends: bool
    grid: np.ndarray
    propositions: tuple[str, ...]
    chunk: int

    @property
    def size(self) -> int:
        """Estimated size of the whole store on disk, in bytes."""
        return int(plan.bytes_per_point(self.grid, len(self.propositions), self.config) * self.total * plan.COMPRESSION)


@dataclass
class Progress:
    """What a run did."""

    finished: int = 0
    updates: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    interrupted: bool = False


def survey(config: Config, path: Path, known: list[Point] | None = None) -> Survey:
    """Work out a run: its points, what the store at `path` has of them, and what is missing.

    Parameters
    ----------
    known : the points of the config, where an earlier survey has found them.

    Raises
    ------
    ConfigError : anything that makes the run impossible; nothing has been written.
    """
    wanted = points(config) if known is None else known
    grid, propositions = period_grid(wanted, config.output.every), proposition_labels(wanted)
    plan.check_size(wanted, grid, config)
    existing = place.inspect(path)
    if existing is not None and config.output.overwrite:
        existing = None
    if existing is None:
        tasks = [plan.Task(k, p, 0, p.parameters.population.alliances) for k, p in enumerate(wanted)]
        size = plan.bytes_per_point(grid, len(propositions), config)
        chunk = plan.points_per_chunk(wanted, size)
        found = Survey(
            config, wanted, path, None, list(range(len(wanted))), len(wanted), tasks, False, grid, propositions, chunk
        )
    else:
        found = _compare(config, wanted, path, existing, grid, propositions)
    if found.tasks:
        _check_disk(found)
    return found


def _compare(
    config: Config, wanted: list[Point], path: Path, existing: Store, grid: np.ndarray, propositions: tuple[str, ...]
) -> Survey:
    _check_identity(config, wanted, path, existing)
    have, done = existing.alliances, existing.done
    total = len(done)
    index: list[int] = []
    for point in wanted:
        index.append(existing.index.get(point.identity, total))
        total += index[-1] == total
    tasks = []
    grows = total > len(done)
    for k, point in zip(index, wanted, strict=True):
        start = int(have[k]) if k < len(done) else 0
        if start < point.parameters.population.alliances:
            grows = grows or start > 0
            tasks.append(plan.Task(k, point, start, point.parameters.population.alliances))
    return Survey(
        config, wanted, path, existing, index, total, tasks, grows,
        np.union1d(existing.grid, grid), ordered({*existing.propositions, *propositions}), existing.chunk,
    )  # fmt: skip


def _check_identity(config: Config, wanted: list[Point], path: Path, existing: Store) -> None:
    """Refuse a store of another config, naming every key that differs, with both values."""
    theirs, ours = json.loads(existing.attrs["identity"]), json.loads(json.dumps(provenance.identity(config, wanted)))
    for name, text in provenance.theory_sources(wanted).items():
        if json.loads(existing.attrs["theories"]).get(name, text) != text:
            theirs[f"content of theory {name}"], ours[f"content of theory {name}"] = "another text", "the present text"
    known = json.loads(existing.attrs["levels"])
    for label, levels in json.loads(json.dumps(provenance.named_levels(config, wanted))).items():
        if label in existing.factors and existing.factors[label].dtype.kind != "U":
            theirs[f"levels of {label}"], ours[f"levels of {label}"] = "numbers", "names"
        for name, values in levels.items():
            key = f"level {name!r} of factor {label!r}"
            theirs[key], ours[key] = known.get(label, {}).get(name, values), values
    for label, values in existing.factors.items():
        if values.dtype.kind == "U" and any(not isinstance(p.labels.get(label), str) for p in wanted if label in p.labels):
            theirs[f"levels of {label}"], ours[f"levels of {label}"] = "names", "numbers"
    if theirs.get("design.kind") != ours.get("design.kind"):
        # Of another sample, or of none, the kind says all.
        kinds = json.loads(existing.attrs["config"])["design"]["kind"], config.design.kind
        theirs, ours = (
            {k: v for k, v in values.items() if not k.startswith("design.") or k.endswith(".path")} | {"design.kind": kind}
            for values, kind in zip((theirs, ours), kinds, strict=True)
        )
    keys = sorted(k for k in {*theirs, *ours} if theirs.get(k) != ours.get(k) and not k.startswith("theory "))
    if not keys:
        return
    if keys == ["design.points"]:
        raise ConfigError(
            f"design.points = {ours[keys[0]]}: {str(path)!r} holds a {config.design.kind} design of {theirs[keys[0]]}, which"
            f" cannot be extended: {WHY_FIXED[config.design.kind]}. design={' and design='.join(GROWING)} can. "
            "Choose another output.path, or output.overwrite=true to replace it."
        )
    shown = [f"{k}: {_shown(theirs, k)} in the store, {_shown(ours, k)} in this run" for k in keys[:MAX_DIFFERENCES]]
    more = f"; and {len(keys) - MAX_DIFFERENCES} more" if len(keys) > MAX_DIFFERENCES else ""
    raise ConfigError(
        f"output.path = {str(path)!r} holds a store of another config ({'; '.join(shown)}{more}). "
        "Choose another output.path, or output.overwrite=true to replace it."
    )


def _shown(values: dict[str, Any], key: str) -> str:
    return json.dumps(values[key]) if key in values else "not set"


def _check_disk(found: Survey) -> None:
    parent = next(p for p in found.path.parents if p.exists())
    free = shutil.disk_usage(parent).free
    if found.size > free:
        raise ConfigError(
            f"output.path = {str(found.path)!r}: the result needs about {gigabytes(found.size)}, but only "
            f"{gigabytes(free)} are free there. Record less often with output.every, fewer output.variables, or "
            "choose another place."
        )


def gigabytes(size: float) -> str:
    """A size in bytes as MB or GB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def perform(found: Survey, rates: Rates, title: str, question: str, stop: threading.Event) -> Progress:
    """Do what a survey found to do. Finished points are kept whatever happens; the same call goes on where this ended.

    Parameters
    ----------
    rates : partner-updates a second by class of points, see `sim.plan.pilot`.
    stop : when set, no more blocks are started, and what is finished is written.

    Raises
    ------
    OSError : the store cannot be written; finished points are kept.
    """
    from sim import executor

    started = time.monotonic()
    result = Progress()
    total = sum(t.work for t in found.tasks)
    with (
        progress(total, len(found.tasks)) as update,
        ThreadPoolExecutor(executor.writers_of(found.config), thread_name_prefix="writer") as writers,
    ):
        # The first blocks run while the store is laid out.
        opening = writers.submit(_target, found, title, question)
        collector: Collector | None = None
        work = plan.blocks(found.tasks, rates, found.config, found.grid, found.chunk)
        for block, outcome in executor.execute(work, found.config, stop):
            collector = collector or Collector(found.tasks, opening.result(), found.existing, found.config, writers)
            if isinstance(outcome, Exception):
                where = ", ".join(sorted({collector.name(s.point) for s in block.segments}))
                result.failures.append(f"{where}: {type(outcome).__name__}: {outcome}")
                continue
            for segment, tallies in zip(block.segments, outcome, strict=True):
                collector.add(segment.point, tallies)
                result.updates += segment.count * collector.tasks[segment.point].each
            collector.flush()
            result.finished = collector.finished
            update(result.updates, result.finished)
        target = opening.result()
        if collector is not None:
            collector.flush(everything=True)
            result.finished = collector.finished
    result.seconds = time.monotonic() - started
    result.interrupted = stop.is_set() and result.finished < len(found.tasks)
    before = target.attrs
    spent = {
        "wall_seconds": float(before["wall_seconds"]) + result.seconds,
        "partner_updates": int(before["partner_updates"]) + result.updates,
        "history": json.dumps([*json.loads(before["history"]), _line(found, result)]),
    }
    target.note(**spent)
    if found.extends:
        assert found.existing is not None
        extension.settle(found.existing, target)
    return result


def _line(found: Survey, result: Progress) -> str:
    """What a run did, for the store's history."""
    amounts = sorted({p.parameters.population.alliances for p in found.points})
    levels = {label: list(dict.fromkeys(p.labels[label] for p in found.points)) for label in found.config.design.factors}
    asked = {label: values if len(values) <= MOST_SHOWN else f"{len(values)} levels" for label, values in levels.items()}
    return f"{provenance.now()}: finished {result.finished} points; asked for {amounts} alliances, {json.dumps(asked)}"


def _target(found: Survey, title: str, question: str) -> Store:
    """The store to write to: the one that is there, an extended one beside it, or a new one."""
    if found.existing is not None and not found.extends:
        opened = store.read(found.path, "r+")
        assert opened is not None
        return opened
    new, extending, _ = place.siblings(found.path)
    attrs = provenance.attributes(found.config, found.points, title, question)
    theories = theory_names(found.points)
    columns = store.columns_of(found.config)
    if found.existing is not None:
        theories = tuple(sorted({*found.existing.theories, *theories}))
        for name, labels in columns.items():
            labels += [label for label in found.existing.columns(name) if label not in labels]
    coords = coordinates(found.points, found.grid, found.propositions, theories, found.config)
    found.path.parent.mkdir(parents=True, exist_ok=True)
    if found.existing is None:
        extension.clear(new)
        store.create(
            new, coords, found.grid, found.propositions, theories, columns, found.config, attrs, found.total, found.chunk
        )
        extension.place(new, found.path)
        opened = store.read(found.path, "r+")
        assert opened is not None
        return opened
    old = found.existing
    added = [p for p, k in zip(found.points, found.index, strict=True) if k >= len(old.done)]
    for label, values in old.factors.items():
        extra = np.array([p.labels[label] for p in added])
        coords[label] = (coords[label][0], np.concatenate([values, extra]) if len(added) else values, coords[label][2])
    for key in ("created", "wall_seconds", "partner_updates", "history"):
        attrs[key] = old.attrs[key]
    levels = json.loads(old.attrs["levels"])
    for label, named in json.loads(attrs["levels"]).items():
        levels[label] = {**levels.get(label, {}), **named}
    attrs["levels"] = json.dumps(levels)
    attrs["theories"] = json.dumps({**json.loads(old.attrs["theories"]), **json.loads(attrs["theories"])})
    extension.clear(new)
    built = store.create(
        new, coords, found.grid, found.propositions, theories, columns, found.config, attrs, found.total, found.chunk
    )
    regrown = {t.index for t in found.tasks if t.start > 0}
    kept = [k for k in np.flatnonzero(old.done).tolist() if k not in regrown]
    extension.copy_points(old, built, kept, kept)
    extension.clear(extending)
    os.rename(new, extending)
    opened = store.read(extending, "r+")
    assert opened is not None
    return opened


def failed_message(result: Progress, path: Path) -> None:
    """Say on the error stream which points failed, and how to go on."""
    for text in result.failures[:MAX_DIFFERENCES]:
        print(f"failed: {text}", file=sys.stderr)
    print(
        f"{len(result.failures)} blocks failed; finished points are in {path}; the same command tries the rest.",
        file=sys.stderr,
    )


def complete(found: Survey, result: Progress) -> bool:
    """Whether every point of the run is finished."""
    return result.finished == len(found.tasks)
