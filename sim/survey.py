"""What a run has to do: its points, what the store at its path has of them already, and what is missing.

Looks and refuses; nothing is written. Knows nothing of Hydra.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim import integrity, place, plan, precision, provenance, solving, theory, whole
from sim.collect import named
from sim.design import ConfigError, Point, canonical, points
from sim.factors import number_of
from sim.labels import proposition_labels
from sim.opening import read
from sim.recording import period_grid
from sim.sampling import GROWING, SAMPLED, WHY_FIXED, runs_of
from sim.schema import Config, Design
from sim.soundness import reading
from sim.store import Store
from sim.theory_tables import ordered
from sim.variables import STREAM_VERSION
from sim.whole import Portion, Whole

#: Keys named when a store is refused.
MAX_DIFFERENCES = 8


@dataclass(frozen=True)
class Survey:
    """What a run will do, found without writing anything.

    Attributes
    ----------
    config, points, path : the run; of a shard, the points that it has a part of.
    existing : the store that is there already, if any, and stays in use.
    index : index in the store of each point of the run.  total : points of the store.
    tasks : what is still to be simulated.  extends : whether the store is rebuilt larger, aside.
    grid, propositions, chunk : coordinates and layout of the store.
    everything, rows : all points of the config, and which of them `points` are.  whole : of what a shard is a part.
    damage : what of the existing store is not as it was written; the points it touches count as not finished.
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
    everything: list[Point]
    rows: list[int]
    whole: Whole | None
    damage: tuple[integrity.Damage, ...] = ()

    @property
    def due(self) -> bool:
        """Whether anything is to be written: a shard may have to tell of more points without having a part of them."""
        return bool(self.tasks) or self.extends or self.existing is None

    @property
    def simulated(self) -> list[plan.Task]:
        """Tasks that are simulated; the others are solved exactly."""
        return [t for t in self.tasks if not t.exact]

    @property
    def size(self) -> int:
        """Estimated size of the whole store on disk, in bytes."""
        return int(plan.bytes_per_point(self.grid, len(self.propositions), self.config) * self.total * plan.COMPRESSION)


#: Attribute of a store: what was asked for by the run that last finished all it had to do.
FINISHED = "finished"
#: Keys in which a config may differ from another that asks for the same.
_FREE = {"compute", "plan", "output.path", "output.overwrite", "output.report"}


def complete(config: Config, path: Path) -> int | None:
    """Number of points of a store that a run of this very config has finished; None: a survey has to say what is left.

    A config gives the same points each time, so they need not be made only to find that all are there.

    Raises
    ------
    ConfigError : the path is none for a store, or its store is damaged.
    """
    design = config.design
    from_file = isinstance(design.rows, str)
    if config.output.overwrite or config.precision.kind == "target" or config.shard is not None or from_file:
        return None
    existing = place.inspect(path)
    if existing is None or any(sibling.exists() for sibling in place.siblings(path)):
        return None
    with reading(path):
        same = existing.attrs["stream_version"] == STREAM_VERSION and existing.attrs.get(FINISHED) == asked(config)
        same = same and all(_is_text(*theory) for theory in json.loads(existing.attrs["theories"]).items())
        same = same and bool(existing.done.all()) and not integrity.known(existing)
    # Levels and periods are read, too, as whoever reads the store will.
    return len(existing.done) if same and len(existing.places) == _number(design) and existing.grid.size else None


def asked(config: Config) -> str:
    """A digest of what a config asks for, wherever it is computed and kept."""
    tree = config.model_dump(mode="json")
    flat = {k: v for k, v in tree.items() if k != "output"} | {f"output.{k}": v for k, v in tree["output"].items()}
    return hashlib.sha256(canonical({k: v for k, v in flat.items() if k not in _FREE}).encode()).hexdigest()


def _is_text(name: str, text: str) -> bool:
    """Whether a theory still reads as it did."""
    try:
        return theory.source_of(name) == text
    except ValueError:
        return False


def _number(design: Design) -> int:
    """Points of a design, where no two of its runs are equal."""
    if design.kind in SAMPLED:
        return runs_of(design, design.points or 0)
    return len(design.rows) if design.rows else math.prod(number_of(*factor) for factor in design.factors.items())


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
    if config.precision.kind == "target":
        precision.check(config, wanted)
    exact = solving.solved(wanted, config)
    existing = place.inspect(path)
    if existing is not None and config.output.overwrite:
        existing = None
    if existing is not None:
        with reading(path):
            _check_identity(config, wanted, path, existing)
    size = plan.bytes_per_point(grid, len(propositions), config)
    chunk = plan.points_per_chunk(wanted, size, config)
    part = whole.portion(config, wanted, exact, chunk, existing)
    if existing is None:
        tasks = [
            plan.Task(k, wanted[row], 0, stop, exact[row], share)
            for k, (row, stop, share) in enumerate(zip(part.rows, part.stops, part.shares, strict=True))
        ]
        found = Survey(
            config, [t.point for t in tasks], path, None, list(range(len(tasks))), len(tasks), tasks, False, grid,
            propositions, chunk, wanted, part.rows, part.whole,
        )  # fmt: skip
    else:
        with reading(path):
            found = _compare(config, wanted, exact, part, path, existing, grid, propositions)
    if found.tasks:
        _check_disk(found)
    return found


def _compare(
    config: Config, everything: list[Point], exact: list[bool], part: Portion, path: Path, existing: Store,
    grid: np.ndarray, propositions: tuple[str, ...],
) -> Survey:  # fmt: skip
    wanted = [everything[row] for row in part.rows]
    damage = tuple(integrity.known(existing))
    done = existing.done
    done[integrity.points_of(existing, damage)] = 0
    total = len(done)
    known, labels = existing.places, list(existing.factors)
    index: list[int] = []
    for point in wanted:
        index.append(known.get(tuple([point.labels[label] for label in labels]), total))
        total += index[-1] == total
    # Not read before what is damaged has been taken out, as a chunk of it may be.
    have = _alliances(existing, done)
    tasks = []
    told = part.whole is None or part.whole.same(whole.read(existing))
    grows = total > len(done) or not told
    finished = [k < len(done) and bool(done[k]) for k in index]
    met = _met(config, wanted, index, finished, existing)
    for n, (k, point) in enumerate(zip(index, wanted, strict=True)):
        start, stop = int(have[k]) if finished[n] else 0, part.stops[n]
        solved = exact[part.rows[n]]
        if finished[n] and (solved or met[n] or start >= stop):
            continue
        grows = grows or start > 0
        tasks.append(plan.Task(k, point, start, stop, solved, part.shares[n]))
    return Survey(
        config, wanted, path, existing, index, total, tasks, grows,
        np.union1d(existing.grid, grid), ordered({*existing.propositions, *propositions}),
        part.whole.chunk if part.whole is not None and grows else existing.chunk, everything, part.rows, part.whole, damage,
    )  # fmt: skip


def _alliances(existing: Store, done: np.ndarray) -> np.ndarray:
    """int64 (point): alliances of points that are finished and whole, 0 elsewhere."""
    have = np.zeros(len(done), np.int64)
    for number in np.unique(np.flatnonzero(done) // existing.chunk).tolist():
        where = slice(number * existing.chunk, (number + 1) * existing.chunk)
        have[where] = existing.values("alliances", where)
    return np.where(done == 1, have, 0)


def _met(config: Config, points: list[Point], index: list[int], finished: list[bool], existing: Store) -> list[bool]:
    """Whether what a store has of each point meets the target of a run, if it has one."""
    if config.precision.kind != "target":
        return [False] * len(points)
    have = [n for n in range(len(points)) if finished[n]]
    found = precision.shortfalls([points[n] for n in have], [index[n] for n in have], existing.values, existing.grid, config)
    met = dict(zip(have, found, strict=True))
    return [met.get(n, np.inf) < 1.0 for n in range(len(points))]


def _check_identity(config: Config, wanted: list[Point], path: Path, existing: Store) -> None:
    """Refuse a store of another config, naming every key that differs, with both values."""
    theirs, ours = json.loads(existing.attrs["identity"]), json.loads(json.dumps(provenance.identity(config, wanted)))
    theirs = {"method": "simulate", "shard": None, **theirs}  # stores from before there was a choice
    if None in (theirs["shard"], ours["shard"]):
        for values in (theirs, ours):
            values.pop("precision.kind", None)
    for name, text in provenance.theory_sources(wanted).items():
        if json.loads(existing.attrs["theories"]).get(name, text) != text:
            theirs[f"content of theory {name}"], ours[f"content of theory {name}"] = "another text", "the present text"
    known, factors = json.loads(existing.attrs["levels"]), existing.factors
    for label, levels in json.loads(json.dumps(provenance.named_levels(config, wanted))).items():
        if label in factors and factors[label].dtype.kind != "U":
            theirs[f"levels of {label}"], ours[f"levels of {label}"] = "numbers", "names"
        for name, values in levels.items():
            key = f"level {name!r} of factor {label!r}"
            theirs[key], ours[key] = known.get(label, {}).get(name, values), values
    for label, values in factors.items():
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
    # A store that is gone on with, where it stands, takes room for the rest.
    size = found.size if found.existing is None or found.extends else found.size * len(found.tasks) / found.total
    if size > free:
        raise ConfigError(
            f"output.path = {str(found.path)!r}: the result needs about {gigabytes(size)}, but only "
            f"{gigabytes(free)} are free there. Record less often with output.every, fewer output.variables, or "
            "choose another place."
        )


def gigabytes(size: float) -> str:
    """A size in bytes as MB or GB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def shortfalls(found: Survey) -> list[tuple[str, float]]:
    """Finished points that do not meet the target of a run: what a message calls each, and its error over the target."""
    stored = read(found.path)
    assert stored is not None
    known, labels = stored.places, list(stored.factors)
    done = [(p, known[tuple([p.labels[label] for label in labels])]) for p in found.points]
    ratios = precision.shortfalls([p for p, _ in done], [k for _, k in done], stored.values, stored.grid, found.config)
    return [(named(k, p), ratio) for (p, k), ratio in zip(done, ratios, strict=True) if ratio >= 1.0]
