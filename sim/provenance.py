"""What a store says of its own making: resolved config, seed, versions, revision, machine, times."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sim import sampling, theory
from sim.design import Point, canonical, mixes, value_at
from sim.schema import POINT_GROUPS, Config
from sim.variables import STREAM_VERSION

PROGRAM = "alliance-sim"
STORE_VERSION = 3
_PACKAGES = ("numba", "numpy", "xarray", "zarr", "dask", "distributed", "hydra-core", "pydantic", "scipy", "SALib")


def program_version() -> str:
    """Version of the installed program."""
    try:
        return version(PROGRAM)
    except PackageNotFoundError:
        return "unknown"


def revision() -> str:
    """Git revision of a checkout, ``-dirty`` appended where it has changes; ``not a checkout`` in an installed wheel."""
    folder = Path(__file__).parent.parent
    if not (folder / ".git").exists():
        return "not a checkout"

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True, timeout=10)
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def machine() -> str:
    """Processor, number of cores and system."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def theory_sources(points: list[Point]) -> dict[str, str]:
    """Text of each response theory the points use, by the name the config gives it."""
    return {name: theory.source_of(name) for name in sorted({n for mix in mixes(points) for n, _, _ in mix})}


def identity(config: Config, points: list[Point]) -> dict[str, Any]:
    """Everything that can change a value, and what a sample's points follow from; else not which points there are, nor
    how many alliances each has.

    Returns
    -------
    dict : key path -> value; two stores belong together if and only if these are equal.
    """
    flat: dict[str, Any] = {}
    _flatten(config.model_dump(mode="json", include=set(POINT_GROUPS)), "", flat)
    del flat["population.alliances"]
    for label, paths in zip(config.design.factors, _paths(config), strict=True):
        flat = {k: v for k, v in flat.items() if not any(k == p or k.startswith(f"{p}.") for p in paths)}
        flat[f"design.factors.{label}.path"] = paths
    flat |= sampling.identity(config.design)
    flat["random.seed"] = config.random.seed
    flat["random.common"] = config.random.common
    flat["method"] = config.method
    flat["shard"] = config.shard
    if config.shard is not None:
        # A target takes whole points, a number of alliances is cut.
        flat["precision.kind"] = config.precision.kind
    flat["output.every"] = config.output.every
    recorded = config.output.variables
    flat["output.variables"] = recorded if recorded == "all" else sorted(recorded)
    flat["output.batches"] = sorted(config.output.batches)
    flat["stream_version"] = STREAM_VERSION
    if not any("response.theory_mix" in paths for paths in _paths(config)):
        mix = config.response.theory_mix
        flat |= {f"theory {name}": theory.source_of(name) for name in ([mix] if isinstance(mix, str) else mix)}
    return flat


def named_levels(config: Config, points: list[Point]) -> dict[str, dict[str, Any]]:
    """What the named levels of each factor stand for: label -> name -> {key path: value}; numbers stand for themselves."""
    found: dict[str, dict[str, Any]] = {}
    for label, paths in zip(config.design.factors, _paths(config), strict=True):
        for point in points:
            name = point.labels[label]
            if isinstance(name, str) and name not in found.setdefault(label, {}):
                values = {path: value_at(point.parameters, path) for path in paths if path != "population.alliances"}
                found[label][name] = values
    return found


def _paths(config: Config) -> list[list[str]]:
    """The keys that each factor sets."""
    return [[f.path] if isinstance(f.path, str) else list(f.path) for f in config.design.factors.values()]


def _flatten(tree: Any, prefix: str, flat: dict[str, Any]) -> None:
    for name, value in tree.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict):
            _flatten(value, f"{path}.", flat)
        else:
            flat[path] = value


def attributes(config: Config, points: list[Point], title: str, question: str) -> dict[str, Any]:
    """Attributes of a new store; nested values are JSON text, so that any reader can hold them."""
    return {
        "program": PROGRAM,
        "store_version": STORE_VERSION,
        "stream_version": STREAM_VERSION,
        "title": title,
        "question": question,
        "source": f"{PROGRAM} {program_version()}",
        "model": "Larsson, Bengtsson, Henriksson & Sparks (1998), Organization Science 9(3), 285-305; see docs/model.md",
        "seed": config.random.seed,
        "config": json.dumps(config.model_dump(mode="json"), indent=1),
        "identity": canonical(identity(config, points)),
        "theories": canonical(theory_sources(points)),
        "levels": canonical(named_levels(config, points)),
        "history": canonical([]),
        "versions": canonical({name: version(name) for name in _PACKAGES}),
        "revision": revision(),
        "machine": machine(),
        "created": now(),
        "updated": now(),
        "wall_seconds": 0.0,
        "partner_updates": 0,
    }
