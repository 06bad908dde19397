"""Compile kernels that a run needs and that are not in the cache, at once: one in this process, the others in processes.

    python -m sim.warmup < pickled arguments of a point

numba compiles one function at a time in a process; what another process compiles is found in the cache.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence

from sim.blocks import Arguments, run_segment
from sim.jit import is_compiled
from sim.recording import FORMS


def compile_missing(needed: Sequence[Arguments]) -> None:
    """Compile the kernels that points of different forms need; does nothing where at most one is missing.

    A process that fails is none the worse: its kernel is compiled when it is needed.
    """
    missing = {a.form: a for a in needed if not is_compiled(a.form)}
    # The slowest here: the others have Python to start first.
    first, *others = sorted(missing.values(), key=lambda a: -FORMS[a.form]) or (None,)
    if first is None or not others or (os.cpu_count() or 1) < 2:
        return
    helpers = []
    try:
        for arguments in others:
            helper = subprocess.Popen(
                [sys.executable, "-m", "sim.warmup"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
            helpers.append(helper)
            assert helper.stdin is not None
            with helper.stdin:
                pickle.dump(arguments, helper.stdin)
        run_segment(first, 0, 1)
        for helper in helpers:
            helper.wait()
    except BrokenPipeError:
        pass
    finally:
        for helper in helpers:
            helper.kill()


if __name__ == "__main__":
    run_segment(pickle.load(sys.stdin.buffer), 0, 1)
