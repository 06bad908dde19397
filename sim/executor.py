"""Where blocks run: serially, on threads, or in the processes of a local Dask cluster. No choice changes a result.

Every executor yields ``(block, tallies or exception, seconds)`` as blocks finish, in any order, keeps only a few blocks in
flight, and, once `stop` is set, starts no more but still yields those that were running. Blocks may depend on what came
back: an iterator of blocks gives None where there is none until more has.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeAlias

import numpy as np

from sim.blocks import Block, run_block
from sim.plan import workers_of
from sim.schema import Config
from sim.solving import Batch, solve
from sim.tallies import Tallies

#: What a block of alliances gives, or one of points that are solved exactly; or why there is nothing.
Result: TypeAlias = "list[Tallies] | dict[str, np.ndarray] | Exception"
Outcome: TypeAlias = tuple["Block | Batch", Result, float]
Blocks: TypeAlias = Iterator["Block | Batch | None"]
#: How often a block is tried again elsewhere when a worker process dies; a thread does not die alone.
RETRIES = 2
#: Blocks handed out ahead, per worker.
AHEAD = 2
WORKERS_PER_WRITER = 8


def writers_of(config: Config) -> int:
    """Threads that write what the workers of a config find; one keeps up with a dozen workers."""
    return 1 + workers_of(config) // WORKERS_PER_WRITER


def execute(blocks: Blocks, config: Config, stop: threading.Event) -> Iterator[Outcome]:
    """Run blocks on the executor a config names."""
    kinds = {"serial": serial, "threads": threads, "processes": processes}
    return kinds[config.compute.kind](blocks, workers_of(config), stop)


def serial(blocks: Blocks, workers: int, stop: threading.Event) -> Iterator[Outcome]:
    """One block after the other, here: the definition of what an executor does."""
    while not stop.is_set() and (block := next(blocks, None)) is not None:
        yield block, *_attempt(block)


def threads(blocks: Blocks, workers: int, stop: threading.Event) -> Iterator[Outcome]:
    """On threads of this process; the kernel releases the interpreter lock."""
    with ThreadPoolExecutor(workers, thread_name_prefix="block") as pool:
        running: dict[Future[tuple[Result, float]], Block | Batch] = {}
        try:
            while True:
                while not stop.is_set() and len(running) < AHEAD * workers:
                    block = next(blocks, None)
                    if block is None:
                        break
                    running[pool.submit(_attempt, block)] = block
                if stop.is_set():
                    for future in [f for f in running if f.cancel()]:
                        del running[future]
                if not running:
                    return
                # A short wait, so that a signal is noticed while blocks run.
                for future in wait(running, timeout=0.2, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), *future.result()
        finally:
            # Where the results are wanted no more, what has not begun need not run.
            for future in running:
                future.cancel()


def processes(blocks: Blocks, workers: int, stop: threading.Event) -> Iterator[Outcome]:
    """In processes of a `dask.distributed` cluster on this machine, reachable from this machine only."""
    import dask
    from distributed import Client, LocalCluster, as_completed

    quiet = {"distributed.worker.memory.terminate": False, "distributed.admin.low-level-log-length": 0}
    with (
        dask.config.set(quiet),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=50,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(_ignore_interrupts(), name="interrupts")
        running: dict[Any, Block | Batch] = {}
        finished = as_completed()
        while True:
            while not stop.is_set() and len(running) < AHEAD * workers:
                block = next(blocks, None)
                if block is None:
                    break
                submitted = client.submit(_timed, block, pure=False, retries=RETRIES)
                running[submitted] = block
                finished.add(submitted)
            if not running:
                return
            future = next(finished)
            block = running.pop(future)
            error = future.exception() if future.status != "cancelled" else RuntimeError("the block was cancelled")
            result, seconds = future.result() if error is None else (_as_exception(error), 0.0)
            future.release()
            yield block, result, seconds
            if stop.is_set():
                return


def _ignore_interrupts() -> Any:
    """Plugin of the workers: Ctrl-C reaches every process of a terminal, but stopping is for the driver to see to."""
    from distributed import WorkerPlugin

    class Interrupts(WorkerPlugin):  # type: ignore[misc]
        def setup(self, worker: Any) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return Interrupts()


def _timed(block: Block | Batch) -> tuple[Result, float]:
    """What a block gives, and how long that took."""
    started = time.perf_counter()
    result: Result = run_block(block) if isinstance(block, Block) else solve(block)
    return result, time.perf_counter() - started


def _attempt(block: Block | Batch) -> tuple[Result, float]:
    try:
        return _timed(block)
    except Exception as error:
        return error, 0.0


def _as_exception(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else RuntimeError(repr(error))
