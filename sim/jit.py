"""How the compute layer is compiled: every numba option of the program stands here.

No fastmath and no contraction: the equations are evaluated in IEEE float32 as written, so that the same draws give the
same bits on every machine. Compiled kernels are cached on disk in a folder named after a digest of the compute sources,
their place, numba's version and the processor: numba itself would reuse a stale kernel after an edit in a file it calls
(numba #1833), and processes on different processors that race on one cache could load each other's code. The `KEPT`
folders used last stay.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.codegen import get_host_cpu_features, ll
from numba.core.compiler import Compiler
from numba.core.registry import CPUDispatcher

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": False, "boundscheck": False}
#: Of what only kernels call: no counting of references to rows, and no form that Python could call, which takes a fifth of
#: the time to compile.
_INNER: dict[str, Any] = {"_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
SOURCES = (
    "jit", "strategies", "variables", "rng", "equations", "abilities", "review", "rows", "lookup", "answer_rows",
    "cell_tables", "class_rows", "pair_tally", "start_rows", "pair_rows", "coupling_rows", "response_rows",
    "tally_rows", "phase_rows", "kernel_parts", "base_state", "waves", "kernel", "pair_kernel", "full_rows", "full_state",
    "full_steps", "full_tallies", "full_kernel", "moments", "exact_law", "exact_chain", "exact_sums",
)  # fmt: skip
#: Folders of compiled kernels (2 MB each) that stay in the cache, besides those used within the last hour.
KEPT = 16
RECENT = 3600.0
_FOLDER = re.compile("[0-9a-f]{16}")


class _DistinctRows(Compiler):  # type: ignore[misc]
    """Compile under the promise that no two array arguments overlap; without it LLVM gives up on wide row loops."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.state.flags.noalias = True


def cache_folder() -> str:
    """Folder of the compiled kernels: per user, or a temporary one where home is not writable.

    Sources are looked at for each kernel when it is imported, so that an edit in between does not go by unnoticed.
    """
    place = Path(__file__).resolve().parent
    asked = numba.config.CPU_NAME, numba.config.CPU_FEATURES
    made_for = numba.__version__, sys.version, str(place), ll.get_host_cpu_name(), get_host_cpu_features(), asked
    digest = hashlib.sha256(repr(made_for).encode())
    for name in SOURCES:
        digest.update((place / f"{name}.py").read_bytes())
    return _folder(digest.hexdigest()[:16])


@functools.cache
def _folder(name: str) -> str:
    for base in (_user_base, _temporary_base):
        with contextlib.suppress(OSError, RuntimeError):
            return str(_opened(base() / name))
    folder = tempfile.mkdtemp(prefix="alliance-sim-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _user_base() -> Path:
    given = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    return Path(given or Path.home() / ".cache") / "alliance-sim"


def _temporary_base() -> Path:
    """A folder that only this user can write to: what is loaded from a cache is run."""
    base = Path(tempfile.gettempdir()) / f"alliance-sim-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    found = base.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise OSError(f"{base} may be written to by others")
    return base


def _opened(folder: Path) -> Path:
    """Make sure that a folder can be written to, and note that it is used; a new one takes the place of old ones."""
    new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        os.utime(folder)
    if new:
        prune(folder.parent)
    return folder


def prune(base: Path) -> None:
    """Remove all but the `KEPT` folders used last, and none used within `RECENT` seconds.

    A process that still works from a removed folder is not harmed: it has loaded its kernels, or compiles them again.
    """
    used = []
    for folder in base.iterdir():
        with contextlib.suppress(OSError):
            if _FOLDER.fullmatch(folder.name) and folder.is_dir():
                used.append((folder.stat().st_mtime, folder))
    for when, folder in sorted(used, reverse=True)[KEPT:]:
        if time.time() - when > RECENT:
            shutil.rmtree(folder, ignore_errors=True)


def formula(function: Callable[..., Any]) -> Any:
    """Compile one small scalar function, to be inlined where it is used; its plain form is ``.py_func``."""
    return numba.njit(**_OPTIONS, forceinline=True)(function)


class _Inner(CPUDispatcher):  # type: ignore[misc]
    """A compiled function that only compiled functions can call."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{self.py_func.__name__} has no form that Python could call; see `from_python`.")


def _for_kernels(compiled: Any) -> Any:
    compiled.__class__ = _Inner
    return compiled


@functools.cache
def from_python(inner: Any) -> Any:
    """A `step` or `row_loop` so that Python can call it, for tests."""
    return numba.njit(lambda *args: inner(*args))


def step(function: Callable[..., Any]) -> Any:
    """Compile a part of the kernel that calls row loops, and allocates nothing.

    Without numba's counting of references: an atomic addition for each row that is handed on took a seventh of the time.
    """
    return _for_kernels(numba.njit(**_OPTIONS, **_INNER)(function))


def written_in(function: Callable[..., Any]) -> Any:
    """A part of a kernel that stands in for itself where it is called; it may return rows.

    LLVM optimizes what a function calls once for each level of calls above it: the fewer levels, the sooner it is compiled.
    """
    return numba.njit(inline="always")(function)


def row_loop(function: Callable[..., Any]) -> Any:
    """Compile a loop over lanes whose array arguments never overlap."""
    return _for_kernels(numba.njit(**_OPTIONS, **_INNER, pipeline_class=_DistinctRows)(function))


def kernel(function: Callable[..., Any]) -> Any:
    """Compile an entry point called from Python, cached on disk across processes; arrays are allocated by its caller."""
    return _cached(function, counts=False)


def summary(function: Callable[..., Any]) -> Any:
    """Compile a function called from Python that allocates arrays, cached on disk across processes."""
    return _cached(function, counts=True)


def _cached(function: Callable[..., Any], counts: bool) -> Any:
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = cache_folder()
    try:
        compiled = numba.njit(**_OPTIONS, _nrt=counts, cache=True)(function)
    finally:
        numba.config.CACHE_DIR = before
    # A full disk, or a cache that vanishes, costs a compilation, not the run; numba lets it pass on Windows only.
    compiled._cache._guard_against_spurious_io_errors = lambda: contextlib.suppress(OSError)
    return compiled


def is_compiled(form: str) -> bool:
    """Whether a kernel (one of `sim.recording.FORMS`) is in the cache, so that it loads instead of compiling."""
    names = {"pair": "pair_kernel.simulate_pairs", "group": "kernel.simulate", "full": "full_kernel.simulate_full"}
    return any(Path(cache_folder()).rglob(f"{names[form]}-*.nbc"))
