"""A whole run: design -> plan -> blocks -> store; resume, extension, refusal of what does not belong.

`sim.survey` looks and refuses without writing; `perform` does the work. Both know nothing of Hydra.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim import creation, extension, integrity, opening, place, precision, provenance, solving, whole
from sim.collect import Collector, Solved
from sim.labels import coordinates, theory_names
from sim.plan import Rates
from sim.progress import progress
from sim.recording import layout_of
from sim.solving import Batch
from sim.soundness import reading
from sim.store import Store
from sim.survey import FINISHED, Survey, asked
from sim.tallies import Tallies
from sim.tally_columns import columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sim.blocks import Block
    from sim.executor import Blocks, Outcome
    from sim.schema import Config
    from sim.supply import Adaptive, Fixed

#: Failures told of.
MOST_FAILURES = 8
#: Levels of a factor written out in the history.
MOST_SHOWN = 50


@dataclass
class Progress:
    """What a run did.

    Attributes
    ----------
    finished : points.  updates : partner-updates.  seconds : wall time.  busy : seconds that workers spent on blocks.
    failures : which points failed, and why.  interrupted : whether points are left because the run was asked to stop.
    """

    finished: int = 0
    updates: int = 0
    seconds: float = 0.0
    busy: float = 0.0
    failures: list[str] = field(default_factory=list)
    interrupted: bool = False


def perform(found: Survey, rates: Rates, title: str, question: str, stop: threading.Event) -> Progress:
    """Do what a survey found to do. Finished points are kept whatever happens; the same call goes on where this ended.

    Parameters
    ----------
    rates : partner-updates a second by class of points, see `sim.plan.pilot`.
    stop : when set, no more blocks are started, and what is finished is written.

    Raises
    ------
    OSError : the store cannot be written, or the cluster is lost; finished points are kept.
    """
    from sim import executor
    from sim.blocks import Block

    started = time.monotonic()
    result = Progress()
    supply = _supply(found, rates)
    with (
        progress(supply.work, len(found.tasks)) as update,
        ThreadPoolExecutor(executor.writers_of(found.config), thread_name_prefix="writer") as writers,
    ):
        # The first blocks run while the store is laid out.
        laid_out = writers.submit(_target, found, title, question)
        collector: Collector | None = None
        work, failures, lost = _Work(_blocks(found, supply)), dict[int, str](), list[Exception]()
        for block, outcome, seconds in _until(lost, executor.execute(work, found.config, stop)):
            collector = collector or Collector(found.tasks, laid_out.result(), found.config, writers)
            result.busy += seconds
            if isinstance(outcome, Exception) and len(parts := _parts(block)) > 1:
                # One of them fails; the others, or those before it died with the worker, are none the worse.
                work.again.extend(parts)
            elif isinstance(outcome, Exception):
                point, text = _failure(block, outcome, collector, found.config)
                failures.setdefault(point, text)
                if isinstance(block, Block):
                    supply.drop(block)
            elif isinstance(block, Batch):
                assert isinstance(outcome, dict)
                for row, index in enumerate(block.indices):
                    collector.put(index, Solved(outcome, row))
            else:
                assert isinstance(outcome, list)
                for segment, tallies in zip(block.segments, outcome, strict=True):
                    result.updates += segment.count * collector.tasks[segment.point].each
                    whole = supply.take(segment, tallies)
                    if whole is not None:
                        collector.put(segment.point, whole)
            collector.flush()
            result.finished = collector.finished
            update(result.updates, result.finished, supply.work)
        target = laid_out.result()
        if collector is not None:
            collector.flush(everything=True)
            result.finished = collector.finished
    result.failures = list(failures.values())
    result.seconds = time.monotonic() - started
    result.interrupted = stop.is_set() and result.finished < len(found.tasks)
    before = target.attrs
    spent: dict[str, Any] = {
        "wall_seconds": float(before["wall_seconds"]) + result.seconds,
        "partner_updates": int(before["partner_updates"]) + result.updates,
        "history": json.dumps([*json.loads(before["history"]), _line(found, result)]),
    }
    if complete(found, result) and not result.failures:
        spent[FINISHED] = asked(found.config)
    target.note(**spent)
    if lost:
        # What an extension has done stays beside the store; the next run takes it over.
        raise lost[0]
    if found.extends:
        assert found.existing is not None
        extension.settle(found.existing, target)
    return result


def _until(lost: list[Exception], outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """Outcomes as long as there are any; the error that ends them, if one does, waits in `lost` until all is written."""
    try:
        yield from outcomes
    except Exception as error:
        lost.append(error)


def _supply(found: Survey, rates: Rates) -> Fixed | Adaptive:
    """What hands out the alliances of a run."""
    from sim.supply import supply_for

    existing, layout = found.existing, layout_of(found.config)

    def before(index: int) -> Tallies:
        """Tallies of a point that is to be extended, on the period coordinate of the extended store."""
        assert existing is not None
        with reading(existing.path):
            old = existing.tallies(index, layout)
            wide = np.zeros((2, len(found.grid), *old.period.shape[2:]), np.uint64)
            wide[:, np.searchsorted(found.grid, existing.grid)] = old.period
            return replace(old, period=wide)

    return supply_for(found.simulated, rates, found.config, found.grid, found.chunk, before)


class _Work:
    """Blocks, and the parts of those that failed, each on its own."""

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        self.again: deque[Block | Batch] = deque()

    def __iter__(self) -> Blocks:
        return self

    def __next__(self) -> Block | Batch | None:
        return self.again.popleft() if self.again else next(self.blocks)


def _parts(block: Block | Batch) -> list[Block | Batch]:
    """A block for each part of a point in a block."""
    if isinstance(block, Batch):
        return [replace(block, indices=(k,), points=(p,)) for k, p in zip(block.indices, block.points, strict=True)]
    pairs = zip(block.segments, block.arguments, strict=True)
    return [replace(block, segments=(s,), arguments=(a,)) for s, a in pairs]


def _failure(block: Block | Batch, error: Exception, collector: Collector, config: Config) -> tuple[int, str]:
    """The point that failed, of a block of one part; all it takes to do the same again, and why."""
    if isinstance(block, Batch):
        point, how = block.indices[0], "solved exactly"
    else:
        (part,) = block.segments
        point = part.point
        how = f"seed {config.random.seed}, alliances {part.first} to {part.first + part.count - 1}"
    return point, f"{collector.name(point)}, {how}: {type(error).__name__}: {' '.join(str(error).split())}"


def _blocks(found: Survey, supply: Fixed | Adaptive) -> Blocks:
    """All blocks of a run: points that are solved, then those that are simulated."""
    theories = _theories(found)
    solved = [t for t in found.tasks if t.exact]
    batches = solving.batches(solved, found.chunk, found.grid, found.propositions, theories, found.config)
    return itertools.chain(batches, supply)


def _theories(found: Survey) -> tuple[str, ...]:
    """The ``theory`` coordinate of the store."""
    there = found.existing.theories if found.existing is not None else ()
    return tuple(sorted({*there, *theory_names(found.everything)})) if found.extends or not there else there


def _line(found: Survey, result: Progress) -> str:
    """What a run did, for the store's history."""
    amounts = str(sorted({p.parameters.population.alliances for p in found.points}))
    if found.config.precision.kind == "target":
        amounts = f"a {precision.described(found.config)}, at most {found.config.precision.max_alliances}"
    levels = {label: list(dict.fromkeys(p.labels[label] for p in found.points)) for label in found.config.design.factors}
    asked = {label: values if len(values) <= MOST_SHOWN else f"{len(values)} levels" for label, values in levels.items()}
    return f"{provenance.now()}: finished {result.finished} points; asked for {amounts} alliances, {json.dumps(asked)}"


def _target(found: Survey, title: str, question: str) -> Store:
    """The store to write to: the one that is there, an extended one beside it, or a new one."""
    if found.damage:
        integrity.mend(found.path, found.damage)
    if found.existing is not None and not found.extends:
        opened = opening.read(found.path, "r+")
        assert opened is not None
        return opened
    new, extending, _ = place.siblings(found.path)
    attrs = provenance.attributes(found.config, found.everything, title, question) | whole.attributes(found.config)
    theories = _theories(found)
    columns = columns_of(found.config)
    if found.existing is not None:
        for name, labels in columns.items():
            labels += [label for label in found.existing.columns(name) if label not in labels]
    coords = coordinates(found.everything, found.grid, found.propositions, theories, found.config)
    for label in found.config.design.factors:
        coords[label] = (coords[label][0], coords[label][1][found.rows], coords[label][2])
    found.path.parent.mkdir(parents=True, exist_ok=True)
    if found.existing is None:
        extension.clear(new)
        built = creation.create(
            new, coords, found.grid, found.propositions, theories, columns, found.config, attrs, found.total, found.chunk
        )
        if found.whole is not None:
            whole.write(built, found.whole)
        extension.place(new, found.path)
        opened = opening.read(found.path, "r+")
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
    built = creation.create(
        new, coords, found.grid, found.propositions, theories, columns, found.config, attrs, found.total, found.chunk
    )
    if found.whole is not None:
        whole.write(built, found.whole)
    regrown = {t.index for t in found.tasks if t.start > 0}
    kept = [k for k in np.flatnonzero(old.done).tolist() if k not in regrown]
    with reading(old.path):
        extension.copy_points(old, built, kept, kept)
    extension.clear(extending)
    os.rename(new, extending)
    opened = opening.read(extending, "r+")
    assert opened is not None
    return opened


def failed_message(result: Progress, path: Path) -> None:
    """Say on the error stream which points failed, and how to go on."""
    for text in result.failures[:MOST_FAILURES]:
        print(f"failed: {text}", file=sys.stderr)
    number = f"{len(result.failures)} point{'s' * (len(result.failures) > 1)}"
    print(f"{number} failed; finished points are in {path}; the same command tries the rest.", file=sys.stderr)


def complete(found: Survey, result: Progress) -> bool:
    """Whether every point of the run is finished."""
    return result.finished == len(found.tasks)
