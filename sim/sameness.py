"""Whether another process runs the same program, so that it computes the same bits."""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sim.provenance import program_version

_PACKAGES = ("numba", "llvmlite", "numpy", "scipy", "distributed")


@functools.cache
def versions() -> dict[str, str]:
    """What must be the same for driver and workers: Python, packages, and the sources of this program."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted([*folder.glob("*.py"), *folder.glob("theories/*.yaml")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    found = {"alliance-sim": program_version(), "its sources": digest.hexdigest()[:12]}
    found["Python"] = f"{sys.version_info.major}.{sys.version_info.minor}"
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def compare(workers: Mapping[str, Any]) -> None:
    """Refuse workers that run anything else than this process.

    Parameters
    ----------
    workers : name or address of a worker -> its `versions`, or the error it gave instead.

    Raises
    ------
    ConnectionError : names the worker and what differs.
    """
    for address, theirs in workers.items():
        if isinstance(theirs, OSError):
            continue
        if isinstance(theirs, BaseException):
            raise ConnectionError(f"worker {address} cannot import this program ({theirs}): install the same version there")
        here = versions()
        if differ := [f"{k} {theirs.get(k)} (here {here[k]})" for k in here if theirs.get(k) != here[k]]:
            raise ConnectionError(f"worker {address} runs {', '.join(differ)}: results could differ; install the same there")
