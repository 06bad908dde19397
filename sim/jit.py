"""How the compute layer is compiled: every numba option of the program stands here.

No fastmath and no contraction: the equations are evaluated in IEEE float32 as written, so that the same draws give the
same bits on every machine. Compiled kernels are cached on disk in a folder named after a digest of the compute sources
and numba's version, because numba itself would reuse a stale kernel after an edit in a file it calls (numba #1833).
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.compiler import Compiler

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": False, "boundscheck": False}
SOURCES = (
    "jit", "strategies", "variables", "rng", "equations", "abilities", "review", "rows", "start_rows", "pair_rows",
    "coupling_rows", "response_rows", "tally_rows", "phase_rows", "kernel", "full_state", "full_steps", "full_tallies",
    "full_kernel", "moments",
)  # fmt: skip


class _DistinctRows(Compiler):  # type: ignore[misc]
    """Compile under the promise that no two array arguments overlap; without it LLVM gives up on wide row loops."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.state.flags.noalias = True


@functools.cache
def cache_folder() -> str:
    """Folder of the compiled kernels: per user, or a temporary one where home is not writable."""
    digest = hashlib.sha256(f"{numba.__version__} {sys.version}".encode())
    for name in SOURCES:
        digest.update((Path(__file__).parent / f"{name}.py").read_bytes())
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "alliance-sim" / digest.hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return str(folder)
    except OSError:
        return tempfile.mkdtemp(prefix="alliance-sim-")


def formula(function: Callable[..., Any]) -> Any:
    """Compile one small scalar function, to be inlined where it is used; its plain form is ``.py_func``."""
    return numba.njit(**_OPTIONS, forceinline=True)(function)


def step(function: Callable[..., Any]) -> Any:
    """Compile a part of the kernel that calls row loops."""
    return numba.njit(**_OPTIONS)(function)


def row_loop(function: Callable[..., Any]) -> Any:
    """Compile a loop over lanes whose array arguments never overlap."""
    return numba.njit(**_OPTIONS, pipeline_class=_DistinctRows)(function)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile an entry point called from Python, cached on disk across processes."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = cache_folder()
    try:
        return numba.njit(**_OPTIONS, cache=True)(function)
    finally:
        numba.config.CACHE_DIR = before


def is_compiled(full: bool = False) -> bool:
    """Whether the base model's kernel, or the one with every mechanism, is in the cache, so that it loads."""
    return any(Path(cache_folder()).rglob("full_kernel.simulate_full-*.nbc" if full else "kernel.simulate-*.nbc"))
