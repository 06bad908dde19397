"""A whole run in a process of its own: how long it takes, what of that the kernels take, how much memory and disk.

python tests/benchmarks/whole.py STORE [+experiment=NAME] [group=choice] [key=value ...]

prints it as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[2]))

from sim import blocks, experiment, plan, survey
from sim.config import compose

KERNELS = ("simulate_pairs", "simulate", "simulate_full")


class Clock:
    """Seconds, of the wall and of the processor, that calls of the kernels take on all threads."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, float]] = []

    def around(self, kernel: Callable[..., None]) -> Callable[..., None]:
        def timed(*arguments: Any) -> None:
            wall, cpu = time.perf_counter(), time.thread_time()
            kernel(*arguments)
            self.calls.append((time.perf_counter() - wall, time.thread_time() - cpu))

        return timed

    def seconds(self) -> tuple[float, float]:
        return sum(wall for wall, _ in self.calls), sum(cpu for _, cpu in self.calls)


def peak_megabytes() -> float:
    """Peak memory of this process; ``ru_maxrss`` is also that of the process which started it."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 1024)


def measured(path: Path, words: Sequence[str]) -> dict[str, float]:
    """Run a config into a new store. The pilot, which loads the kernels, counts as start and not as the run.

    `kernel_wall_over_cpu` is 1 where no thread waits: for a core, or for the interpreter when a kernel returns.
    """
    config, clock = compose(words), Clock()
    moments = [(time.perf_counter(), time.process_time())]
    found = survey.survey(config, path)
    moments.append((time.perf_counter(), time.process_time()))
    rates = plan.pilot(found.tasks, config)
    moments.append((time.perf_counter(), time.process_time()))
    with mock.patch.multiple(blocks, **{name: clock.around(getattr(blocks, name)) for name in KERNELS}):
        result = experiment.perform(found, rates, "benchmark", "", threading.Event())
    moments.append((time.perf_counter(), time.process_time()))
    assert experiment.complete(found, result), result.failures
    (start, start_cpu), (surveyed, surveyed_cpu), (ready, ready_cpu), (end, end_cpu) = moments
    wall, cpu = end - ready + surveyed - start, end_cpu - ready_cpu + surveyed_cpu - start_cpu
    kernel_wall, kernel_cpu = clock.seconds()
    files = [f.stat().st_size for f in path.rglob("*") if f.is_file()]
    return {
        "seconds": wall,
        "pilot_seconds": ready - surveyed,
        "kernel_cpu_seconds": kernel_cpu,
        "other_cpu_seconds": cpu - kernel_cpu,
        "wall_over_kernel": wall / (kernel_cpu / plan.workers_of(config)),
        "kernel_wall_over_cpu": kernel_wall / kernel_cpu,
        "partner_updates_per_second": result.updates / wall,
        "store_megabytes": sum(files) / 1e6,
        "store_files": len(files),
        "peak_megabytes": peak_megabytes(),
    }


if __name__ == "__main__":
    print(json.dumps(measured(Path(sys.argv[1]), sys.argv[2:])))
