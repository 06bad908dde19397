"""Compile kernels that a run needs and that are not in the cache, at once: one in this process, the others in processes.

    python -m sim.warmup < pickled arguments of a point

numba compiles one function at a time in a process; what another process compiles is found in the cache.
"""

from __future__ import annotations

import contextlib
import pickle
import subprocess
import sys
from collections.abc import Sequence

from sim.blocks import Arguments, run_segment
from sim.jit import is_compiled
from sim.recording import FORMS


def compile_missing(needed: Sequence[Arguments], cores: int) -> None:
    """Compile the kernels that points of different forms need, on several cores.

    Where at most one is missing, or a process fails, nothing is lost: a kernel is compiled when it is needed.

    Parameters
    ----------
    needed : arguments of a point of each form, of as few periods as can be: one alliance is simulated.
    """
    missing = {a.form: a for a in needed if not is_compiled(a.form)}
    # The slowest here: the others have Python to start first.
    first, *others = sorted(missing.values(), key=lambda a: -FORMS[a.form]) or (None,)
    if first is None or not others or cores < 2:
        return
    helpers: list[subprocess.Popen[bytes]] = []
    try:
        for arguments in others:
            with contextlib.suppress(OSError):
                helpers.append(_compiling(arguments))
        run_segment(first, 0, 1)
        for helper in helpers:
            helper.wait()
    finally:
        for helper in helpers:
            helper.kill()


def _compiling(arguments: Arguments) -> subprocess.Popen[bytes]:
    """A process that compiles what a point needs."""
    quiet = subprocess.DEVNULL
    helper = subprocess.Popen([sys.executable, "-m", "sim.warmup"], stdin=subprocess.PIPE, stdout=quiet, stderr=quiet)
    assert helper.stdin is not None
    with helper.stdin:
        pickle.dump(arguments, helper.stdin)
    return helper


if __name__ == "__main__":
    run_segment(pickle.load(sys.stdin.buffer), 0, 1)
