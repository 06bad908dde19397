"""Where blocks run: serially, on threads, or in the processes of a local Dask cluster. No choice changes a result.

Every executor yields ``(block, tallies or exception)`` as blocks finish, in any order, keeps only a few blocks in
flight, and, once `stop` is set, starts no more but still yields those that were running.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeAlias

from sim.blocks import Block, run_block
from sim.plan import workers_of
from sim.schema import Config
from sim.tallies import Tallies

Outcome: TypeAlias = tuple[Block, "list[Tallies] | Exception"]
#: How often a block is tried again elsewhere when a worker process dies; a thread does not die alone.
RETRIES = 2
#: Blocks handed out ahead, per worker.
AHEAD = 2
WORKERS_PER_WRITER = 8


def writers_of(config: Config) -> int:
    """Threads that write what the workers of a config find; one keeps up with a dozen workers."""
    return 1 + workers_of(config) // WORKERS_PER_WRITER


def execute(blocks: Iterator[Block], config: Config, stop: threading.Event) -> Iterator[Outcome]:
    """Run blocks on the executor a config names."""
    kinds = {"serial": serial, "threads": threads, "processes": processes}
    return kinds[config.compute.kind](blocks, workers_of(config), stop)


def serial(blocks: Iterator[Block], workers: int, stop: threading.Event) -> Iterator[Outcome]:
    """One block after the other, here: the definition of what an executor does."""
    for block in blocks:
        if stop.is_set():
            return
        yield block, _attempt(block)


def threads(blocks: Iterator[Block], workers: int, stop: threading.Event) -> Iterator[Outcome]:
    """On threads of this process; the kernel releases the interpreter lock."""
    with ThreadPoolExecutor(workers, thread_name_prefix="block") as pool:
        running: dict[Future[list[Tallies] | Exception], Block] = {}
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
                    yield running.pop(future), future.result()
        finally:
            # Where the results are wanted no more, what has not begun need not run.
            for future in running:
                future.cancel()


def processes(blocks: Iterator[Block], workers: int, stop: threading.Event) -> Iterator[Outcome]:
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
        first = [b for b in (next(blocks, None) for _ in range(AHEAD * workers)) if b is not None]
        running = {client.submit(run_block, b, pure=False, retries=RETRIES): b for b in first}
        finished = as_completed(list(running))
        for future in finished:
            block = running.pop(future)
            error = future.exception() if future.status != "cancelled" else RuntimeError("the block was cancelled")
            outcome: list[Tallies] | Exception = future.result() if error is None else _as_exception(error)
            future.release()
            following = None if stop.is_set() else next(blocks, None)
            if following is not None:
                submitted = client.submit(run_block, following, pure=False, retries=RETRIES)
                running[submitted] = following
                finished.add(submitted)
            yield block, outcome
            if stop.is_set():
                return


def _ignore_interrupts() -> Any:
    """Plugin of the workers: Ctrl-C reaches every process of a terminal, but stopping is for the driver to see to."""
    from distributed import WorkerPlugin

    class Interrupts(WorkerPlugin):  # type: ignore[misc]
        def setup(self, worker: Any) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return Interrupts()


def _attempt(block: Block) -> list[Tallies] | Exception:
    try:
        return run_block(block)
    except Exception as error:
        return error


def _as_exception(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else RuntimeError(repr(error))
