"""Dask clusters: processes of this machine, jobs of SLURM or PBS, or a scheduler that runs already.

`opened` gives a crew once a worker has arrived and runs the same program as the driver; it waits no longer than
`compute.patience`, and leaves no process and no job behind. What goes wrong is one `ConnectionError`, and nothing is lost.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim import jobs
from sim.fields import ConfigError
from sim.plan import workers_of
from sim.sameness import compare, versions
from sim.schema import JOBS, Compute, Config

LOOPBACK = "127.0.0.1"
DASHBOARD = f"{LOOPBACK}:8787"
#: A job whose worker is gone for so long is replaced; that is looked at every so many seconds.
LOST_AFTER, KEEP = "3s", 2.0
#: How often worker processes are tried to start.
STARTS = 3
#: How often processes of this machine look at their own memory and load.
SELDOM = "1s"
#: A wait is told of after so many seconds; a scheduler that runs must answer within `ANSWERS`.
QUIET, ANSWERS = 15.0, 10.0
#: Seconds that a client which came to nothing has to close.
CLOSES = 2.0


@dataclass
class Crew:
    """The workers of a cluster.

    Attributes
    ----------
    client : of `distributed`.  compute : the keys that the cluster was made from.
    refused : what the queueing system said where it refused a job.
    keep : keeps the workers that were asked for, but no more than it is told: lost ones are replaced, idle jobs end.
    most : how many there is work for, as far as known.
    """

    client: Any
    compute: Compute
    refused: list[str] = field(default_factory=list)
    keep: Callable[[int], None] = lambda most: None
    most: int = sys.maxsize
    _size: int = 0
    _arrived: bool = False
    _kept: float = field(default_factory=time.monotonic)
    _counted: float = -1.0
    _seen: float = field(default_factory=time.monotonic)

    def size(self) -> int:
        """Threads of all workers, counted once a second.

        Raises
        ------
        ConnectionError : there has been none for `compute.patience` seconds, or the scheduler is gone.
        """
        now = time.monotonic()
        if now - self._counted < (1.0 if self._size else 0.1):
            return self._size
        if self.client.status != "running":
            raise lost()
        try:
            self._size, self._counted = sum(self.client.nthreads().values()), now
        except OSError:
            raise lost() from None
        if now - self._kept > KEEP:
            self.keep(self.most)
            self._kept = now
        if self._size:
            self._seen, self._arrived = now, True
        elif self.refused and not self._arrived:
            raise jobs.refusal(self.compute, self.refused[0])
        elif now - self._seen > self.compute.patience:
            raise ConnectionError(f"no worker for {self.compute.patience:g} s (compute.patience): {_advice(self.compute)}")
        return self._size

    def needs(self, blocks: int | None) -> None:
        """Say how many blocks are left to be finished, all of them given out; None: more may come."""
        self.most = sys.maxsize if blocks is None else max(1, blocks)


def lost() -> ConnectionError:
    """The error that says that the scheduler is gone."""
    return ConnectionError("the connection to the Dask scheduler was lost")


def _advice(compute: Compute) -> str:
    if compute.kind in JOBS:
        return jobs.advice(compute)
    return "start workers, dask worker ADDRESS --nthreads 1, with this program installed"


def check(config: Config) -> None:
    """Refuse a cluster that cannot be, before anything is written.

    Raises
    ------
    ConfigError : a package, the command of the queueing system, or the network is missing.
    """
    compute = config.compute
    if compute.kind in JOBS:
        jobs.check(compute)
    if compute.dashboard and importlib.util.find_spec("bokeh") is None:
        raise ConfigError("compute.dashboard: needs bokeh; pip install bokeh, or compute.dashboard=false.")
    if compute.interface is not None:
        from distributed.utils import get_ip_interface

        try:
            get_ip_interface(compute.interface)
        except ValueError as error:
            raise ConfigError(f"compute.interface = {compute.interface}: {error}.") from None


@contextlib.contextmanager
def opened(config: Config, stop: threading.Event) -> Iterator[Crew | None]:
    """The crew of the cluster that a config names; None: `stop` was set before there was one.

    Raises
    ------
    ConnectionError : there is no scheduler or no worker, jobs are refused, or a worker runs other versions than this one.
    """
    import dask
    from distributed.utils import silence_logging_cmgr

    settings = {
        "distributed.worker.memory.terminate": False,
        "distributed.admin.low-level-log-length": 0,
        "distributed.deploy.lost-worker-timeout": LOST_AFTER,
        # Looks at what processes are about: together a twentieth of two cores that have blocks to run.
        "distributed.worker.profile.enabled": False,
        "distributed.worker.memory.monitor-interval": SELDOM,
        "distributed.admin.tick.interval": SELDOM,
        "distributed.admin.system-monitor.interval": SELDOM,
    }
    opening = {"processes": _processes, "slurm": _jobs, "pbs": _jobs, "scheduler": _scheduler}[config.compute.kind]
    with dask.config.set(settings), silence_logging_cmgr(logging.CRITICAL), opening(config, stop) as crew:
        yield crew if crew is not None and _ready(crew, stop) else None


def _ready(crew: Crew, stop: threading.Event) -> bool:
    """Wait for a worker and compare versions; whether there is one, and no wish to stop."""
    told = time.monotonic() + QUIET
    while not crew.size():
        if stop.wait(0.05):
            return False
        if time.monotonic() > told:
            most = f"{crew.compute.patience:g} s at most"
            print(f"waiting for workers, {most}: {_advice(crew.compute)}", file=sys.stderr, flush=True)
            told = float("inf")
    theirs: dict[str, Any] = {}
    with contextlib.suppress(OSError):
        # A worker may leave while it is asked; others, and those that come later, are asked with each block.
        theirs = crew.client.run(versions, on_error="return")
    compare(theirs)
    try:
        # It unpickles what is submitted, by the names of our functions.
        crew.client.run_on_scheduler(versions)
    except ImportError as error:
        raise ConnectionError(f"the Dask scheduler cannot import this program ({error}): install it there, too") from None
    return True


@contextlib.contextmanager
def _processes(config: Config, stop: threading.Event) -> Iterator[Crew]:
    """Processes of this machine, reachable from this machine only."""
    from distributed import Client

    with _local_cluster(config) as cluster, Client(cluster, set_as_default=False) as client:
        client.register_plugin(_ignore_interrupts(), name="interrupts")
        _tell_dashboard(config.compute, cluster)
        # One that dies before it has quite started is not started again by itself.
        yield Crew(client, config.compute, keep=lambda most: cluster.scale(workers_of(config)))


def _local_cluster(config: Config) -> Any:
    """Worker processes, started once more where one dies while they start."""
    from distributed import LocalCluster

    for left in reversed(range(STARTS)):
        try:
            return LocalCluster(
                n_workers=workers_of(config),
                threads_per_worker=1,
                host=LOOPBACK,
                dashboard_address=_dashboard(config.compute),
                scheduler_kwargs={"dashboard": bool(config.compute.dashboard)},
                silence_logs=logging.CRITICAL,
            )
        except (RuntimeError, OSError) as error:
            if not left:
                raise ConnectionError(f"worker processes do not start ({error})") from None
    raise AssertionError


def _ignore_interrupts() -> Any:
    """Plugin of the workers: Ctrl-C reaches every process of a terminal, but stopping is for the driver to see to."""
    from distributed import WorkerPlugin

    class Interrupts(WorkerPlugin):  # type: ignore[misc]
        def setup(self, worker: Any) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return Interrupts()


@contextlib.contextmanager
def _jobs(config: Config, stop: threading.Event) -> Iterator[Crew]:
    """Jobs of a queueing system, each with one worker; those that end are replaced as long as the run lasts."""
    from distributed import Client

    compute, refused = config.compute, list[str]()
    with (
        jobs.submitted(compute, workers_of(config), refused, _dashboard(compute)) as (cluster, keep),
        Client(cluster, set_as_default=False) as client,
    ):
        keep(workers_of(config))
        _tell_dashboard(compute, cluster)
        yield Crew(client, compute, refused, keep)


@contextlib.contextmanager
def _scheduler(config: Config, stop: threading.Event) -> Iterator[Crew | None]:
    """A Dask scheduler that runs already; where it is encrypted, the keys are in Dask's own settings."""
    from distributed import Client, Security

    compute = config.compute
    address = _address(Path(compute.scheduler_file), compute.patience, stop) if compute.scheduler_file else compute.address
    if address is None:
        yield None
        return
    if address.startswith("tls://") and Security().get_connection_args("client").get("ssl_context") is None:
        said = "TLS needs keys in Dask's settings, distributed.comm.tls.client"
        raise ConnectionError(f"no Dask scheduler answers at {compute.scheduler_file or address} ({said})")
    begun: list[Client] = []

    class Noted(Client):  # type: ignore[misc]
        """One that can be closed where it does not come to be; else it is when it is collected, late and with noise."""

        def __init__(self) -> None:
            begun.append(self)
            super().__init__(address, timeout=ANSWERS, set_as_default=False)

    try:
        client = Noted()
    except Exception as error:
        # Of whatever kind: an address may ask for packages, or for settings of Dask's, that are not there.
        with contextlib.suppress(Exception):
            begun[0].close(timeout=CLOSES)
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConnectionError(f"no Dask scheduler answers at {compute.scheduler_file or address} ({said})") from None
    with client:
        yield Crew(client, compute)


def _address(file: Path, patience: float, stop: threading.Event) -> str | None:
    """What a scheduler writes of itself to a file, waited for until it is there and whole; None: `stop` was set before."""
    deadline, told = time.monotonic() + patience, time.monotonic() + QUIET
    while (address := _read(file)) is None:
        if time.monotonic() > deadline:
            lacks = (
                f"no address of a scheduler in it after {patience:g} s"
                if file.exists()
                else f"no such file after {patience:g} s"
            )
            raise ConnectionError(f"{file}: {lacks} (compute.patience); dask scheduler --scheduler-file writes it")
        if stop.wait(0.1):
            return None
        if time.monotonic() > told:
            print(f"waiting for {file}, {patience:g} s at most: dask scheduler --scheduler-file writes it", file=sys.stderr)
            told = float("inf")
    return address


def _read(file: Path) -> str | None:
    """The address that a file of a scheduler holds; None: none, or not yet."""
    try:
        found = json.loads(file.read_bytes()) if file.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None
    address = found.get("address") if isinstance(found, dict) else None
    return address if isinstance(address, str) else None


def _dashboard(compute: Compute) -> str:
    """Where the page of the scheduler listens; without one, a port of this machine that nobody needs to know."""
    return compute.dashboard if isinstance(compute.dashboard, str) else DASHBOARD if compute.dashboard else f"{LOOPBACK}:0"


def _tell_dashboard(compute: Compute, cluster: Any) -> None:
    if compute.dashboard:
        print(f"dashboard  {cluster.dashboard_link}", flush=True)
