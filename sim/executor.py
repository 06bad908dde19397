"""Where blocks run: serially, on threads, or on the workers of a Dask cluster. No choice changes a result.

Every executor yields ``(block, tallies or exception, seconds)`` as blocks finish, in any order, keeps only a few blocks in
flight, and, once `stop` is set, starts no more but still yields those that were running; a cluster has `GRACE` seconds for
that. Blocks may depend on what came back: an iterator of blocks gives None where there is none until more has.
"""

from __future__ import annotations

import pickle
import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from typing import Any, TypeAlias

import numpy as np

from sim.blocks import Block, run_block
from sim.plan import cores, workers_of
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
#: Seconds that a cluster has for the blocks at hand once it is to stop, and for handing over a result.
GRACE, GATHER = 2.0, 10.0


def writers_of(config: Config) -> int:
    """Threads that write what the workers of a config find; one keeps up with a dozen workers."""
    return 1 + min(workers_of(config) // WORKERS_PER_WRITER, cores())


def execute(blocks: Blocks, config: Config, stop: threading.Event) -> Iterator[Outcome]:
    """Run blocks on the executor a config names."""
    return {"serial": serial, "threads": threads}.get(config.compute.kind, cluster)(blocks, config, stop)


def serial(blocks: Blocks, config: Config, stop: threading.Event) -> Iterator[Outcome]:
    """One block after the other, here: the definition of what an executor does."""
    while not stop.is_set() and (block := next(blocks, None)) is not None:
        yield block, *_attempt(block)


def threads(blocks: Blocks, config: Config, stop: threading.Event) -> Iterator[Outcome]:
    """On threads of this process; the kernel releases the interpreter lock."""
    workers = workers_of(config)
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


def cluster(blocks: Blocks, config: Config, stop: threading.Event) -> Iterator[Outcome]:
    """On the workers of a Dask cluster, `sim.clusters`; a block whose worker dies is tried again elsewhere.

    Blocks travel as bytes that nobody opens before the worker, and only if it runs what this process runs.
    """
    from sim import clusters, sameness

    with clusters.opened(config, stop) as crew:
        if crew is None:
            return
        running: dict[str, tuple[Any, Block | Batch]] = {}
        finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
        ends, ended = float("inf"), False
        while True:
            most = 0 if stop.is_set() else AHEAD * max(1, crew.size())
            while len(running) < most:
                try:
                    block = next(blocks)
                    ended = False
                except StopIteration:
                    ended = True
                    break
                if block is None:
                    break
                future = crew.client.submit(
                    _answer, pickle.dumps(block, 5), sameness.versions(), pure=False, retries=RETRIES
                )
                running[future.key] = future, block
                future.add_done_callback(finished.put)
            crew.needs(len(running) if ended else None)
            if stop.is_set():
                ends = min(ends, time.monotonic() + GRACE)
            if not running or time.monotonic() > ends:
                return
            try:
                future = finished.get(timeout=0.2)
            except queue.Empty:
                continue
            try:
                if future.status == "cancelled":
                    raise CancelledError
                failed = future.status == "error"
                found = (_as_exception(future.exception()), 0.0) if failed else future.result(timeout=GATHER)
            except CancelledError:
                raise clusters.lost() from None
            except TimeoutError:
                # The worker that held it died; it is on its way again.
                finished.put(future)
                continue
            _, block = running.pop(future.key)
            future.release()
            if isinstance(found, dict):
                sameness.compare({"that came later": found})
            yield block, *found


def _answer(block: bytes, versions: dict[str, str]) -> tuple[Result, float] | dict[str, str]:
    """On a worker: what `_attempt` gives; or the worker's versions where they are not the driver's.

    An exception is an answer, too: it would come again elsewhere, and `RETRIES` are for workers that die.
    """
    from sim import sameness

    if sameness.versions() != versions:
        return sameness.versions()
    result, seconds = _attempt(pickle.loads(block))
    return (_portable(result) if isinstance(result, Exception) else result), seconds


def _attempt(block: Block | Batch) -> tuple[Result, float]:
    """What a block gives, or why there is nothing, and how long that took."""
    started = time.perf_counter()
    try:
        return run_block(block) if isinstance(block, Block) else solve(block), time.perf_counter() - started
    except Exception as error:
        return error, 0.0


def _portable(error: Exception) -> Exception:
    """An exception that another process can read; its frames are left behind, and the memory that they hold."""
    try:
        readable = isinstance(pickle.loads(pickle.dumps(error, 5)), Exception)
    except Exception:
        readable = False
    return error.with_traceback(None) if readable else RuntimeError(repr(error))


def _as_exception(error: BaseException) -> Exception:
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return RuntimeError("the workers that were given it died, one after the other; for want of memory, perhaps")
    return error if isinstance(error, Exception) else RuntimeError(repr(error))
