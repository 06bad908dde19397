"""``python -m sim.info STORE``: what a store holds, how complete it is, and which config made it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from sim.design import ConfigError

MAX_LEVELS = 8
#: Lines of a history that are shown.
MAX_LINES = 20


def describe(path: Path, with_config: bool = False) -> str:
    """Text about a store.

    Parameters
    ----------
    path : the store.  with_config : whether to append the whole resolved config.

    Raises
    ------
    ConfigError : the path holds no store of this program.
    """
    from sim.opening import read
    from sim.place import siblings
    from sim.progress import duration
    from sim.survey import gigabytes
    from sim.whole import told

    if not path.is_dir() or (found := read(path)) is None:
        raise ConfigError(f"{str(path)!r} is no store of this program.")
    attrs, done, alliances = found.attrs, found.done, found.alliances
    size = sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
    finished = int(done.sum())
    config = json.loads(attrs["config"])
    counts = np.unique(alliances[done == 1])
    lines = [
        ("store", f"{path} ({gigabytes(size)})"),
        ("title", attrs["title"]),
        ("question", attrs["question"]),
        ("shard", told(found)),
        ("points", f"{len(done)}, {'all finished' if finished == len(done) else f'{finished} finished'}"),
        *[(f"  {label}", _levels(values)) for label, values in found.factors.items()],
        ("alliances", _alliances(counts)),
        ("periods", f"{int(found.grid[-1])}, {len(found.grid)} recorded"),
        ("variables", _variables(found.arrays)),
        ("seed", f"{attrs['seed']}, {'common random numbers' if config['random']['common'] else 'independent points'}"),
        ("work", f"{attrs['partner_updates']:.4g} partner-updates in {duration(attrs['wall_seconds'])}"),
        ("made", f"{attrs['created']}, last changed {attrs['updated']}"),
        ("by", f"{attrs['source']}, revision {attrs['revision']}, store format {attrs['store_version']}, "
               f"draws version {attrs['stream_version']}"),
        ("with", ", ".join(f"{k} {v}" for k, v in json.loads(attrs["versions"]).items())),
        ("on", attrs["machine"]),
    ]  # fmt: skip
    if any(sibling.exists() for sibling in siblings(path)):
        lines.append(("note", "an extension was interrupted; the same run command goes on with it"))
    lines += [("history" if k == 0 else "", line) for k, line in enumerate(_history(json.loads(attrs["history"])))]
    width = max(len(key) for key, _ in lines) + 2
    text = "\n".join(f"{key:<{width}}{value}" for key, value in lines if value)
    return text + ("\n\n" + "\n".join(_flat(config)) if with_config else "")


def _history(lines: list[str]) -> list[str]:
    """The history, the middle of a long one left out: that of many shards."""
    left = len(lines) - MAX_LINES
    return lines if left <= 1 else [*lines[: MAX_LINES // 2], f"... {left} more ...", *lines[-(MAX_LINES // 2) :]]


def _levels(values: np.ndarray) -> str:
    levels = list(dict.fromkeys(values.tolist()))
    shown = [f"{v:g}" if isinstance(v, float) else str(v) for v in levels]
    if len(shown) > MAX_LEVELS:
        return f"{len(levels)} levels, {', '.join(shown[:3])} ... {shown[-1]}"
    return ", ".join(shown)


def _alliances(counts: np.ndarray) -> str:
    """Alliances of finished points; 0 are those of points that were solved."""
    drawn = counts[counts > 0]
    parts = [f"{_span(drawn)} a point"] if drawn.size else []
    if drawn.size < counts.size:
        parts.append("none, solved exactly")
    return "; or ".join(parts) or "none yet"


def _span(counts: np.ndarray) -> str:
    return f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"


def _variables(arrays: dict[str, Any]) -> str:
    from sim.variables import BY_NAME

    names = [name for name in BY_NAME if name in arrays]
    return "all" if len(names) == len(BY_NAME) else ", ".join(names)


def _flat(tree: dict[str, Any], prefix: str = "") -> list[str]:
    lines: list[str] = []
    for name, value in tree.items():
        nested = isinstance(value, dict) and value and prefix != "design."
        lines += _flat(value, f"{prefix}{name}.") if nested else [f"{prefix}{name}: {json.dumps(value)}"]
    return lines


def _check(path: Path) -> int:
    """Check every bit of a store; 0 where it is sound, 1 where it is damaged."""
    from sim import integrity
    from sim.opening import read

    if not path.is_dir() or (found := read(path)) is None:
        raise ConfigError(f"{str(path)!r} is no store of this program.")
    sound, text = integrity.report(found)
    print(text, flush=True)
    return 0 if sound else 1


def main(words: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    from sim.soundness import reading

    parser = argparse.ArgumentParser(prog="python -m sim.info", description="What a store holds and how complete it is.")
    parser.add_argument("store", type=Path, help="path of a store")
    parser.add_argument("--config", action="store_true", help="print the whole resolved config, too")
    parser.add_argument(
        "--check", action="store_true", help="read everything and compare checksums; exit status 1 where it is damaged"
    )
    chosen = parser.parse_args(words)
    try:
        if chosen.check:
            return _check(chosen.store)
        with reading(chosen.store):
            text = describe(chosen.store, chosen.config)
        print(text, flush=True)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; nothing is left to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
