"""Dask clusters: processes of this machine, jobs of SLURM or PBS, or a scheduler that runs already.

`opened` gives a crew once a worker has arrived and runs the same program as the driver; it waits no longer than
`compute.patience`, and leaves no process and no job behind. What goes wrong is one `ConnectionError`, and nothing is lost.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import re
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.fields import ConfigError
from sim.plan import workers_of
from sim.sameness import compare, versions
from sim.schema import JOBS, Compute, Config, seconds_of

LOOPBACK = "127.0.0.1"
DASHBOARD = f"{LOOPBACK}:8787"
#: Folder of the jobs' logs and of the certificates of a run, below the one the command was given in.
JOB_FOLDER = "dask-jobs"
#: Share of the walltime after which a worker leaves, and by how much that varies, so that not all leave at once.
LIFETIME, STAGGER = 0.88, 0.07
#: A job whose worker is gone for so long is replaced; that is looked at every so many seconds.
LOST_AFTER, KEEP = "3s", 2.0
#: How often worker processes are tried to start.
STARTS = 3
#: How often processes of this machine look at their own memory and load.
SELDOM = "1s"
#: A wait is told of after so many seconds; a scheduler that runs must answer within `ANSWERS`.
QUIET, ANSWERS = 15.0, 10.0
#: How jobs are submitted, and shown, by kind.
_SUBMIT = {"slurm": "sbatch", "pbs": "qsub"}
_QUEUE = {"slurm": "squeue --me", "pbs": "qstat -u $USER"}


@dataclass
class Crew:
    """The workers of a cluster.

    Attributes
    ----------
    client : of `distributed`.  compute : the keys that the cluster was made from.
    refused : what the queueing system said where it refused a job.  keep : sees to it that lost jobs are replaced.
    """

    client: Any
    compute: Compute
    refused: list[str] = field(default_factory=list)
    keep: Callable[[], None] = lambda: None
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
            self.keep()
            self._kept = now
        if self._size:
            self._seen, self._arrived = now, True
        elif self.refused and not self._arrived:
            raise ConnectionError(f"{_SUBMIT[self.compute.kind]} refused a job: {self.refused[0]}")
        elif now - self._seen > self.compute.patience:
            raise ConnectionError(f"no worker for {self.compute.patience:g} s (compute.patience): {_advice(self.compute)}")
        return self._size


def lost() -> ConnectionError:
    """The error that says that the scheduler is gone."""
    return ConnectionError("the connection to the Dask scheduler was lost")


def _advice(compute: Compute) -> str:
    if compute.kind in JOBS:
        return (
            f"{_QUEUE[compute.kind]} shows the jobs; see compute.queue, account, walltime and memory if they wait, "
            f"compute.interface and the logs in {JOB_FOLDER} if they run"
        )
    return "start workers, dask worker ADDRESS --nthreads 1, with this program installed"


def check(config: Config) -> None:
    """Refuse a cluster that cannot be, before anything is written.

    Raises
    ------
    ConfigError : a package, the command of the queueing system, or the network is missing.
    """
    compute = config.compute
    needed = {"dask_jobqueue": "dask-jobqueue", "cryptography": "cryptography"} if compute.kind in JOBS else {}
    if missing := [name for module, name in needed.items() if importlib.util.find_spec(module) is None]:
        raise ConfigError(
            f"compute = {compute.kind}: needs {' and '.join(missing)}; pip install {' '.join(needed.values())}, "
            'or, in a copy of the program, pip install -e ".[cluster]".'
        )
    if compute.kind in JOBS and shutil.which(_SUBMIT[compute.kind]) is None:
        raise ConfigError(
            f"compute = {compute.kind}: there is no {_SUBMIT[compute.kind]} here; run this where jobs are submitted."
        )
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
        yield Crew(client, config.compute, keep=lambda: cluster.scale(workers_of(config)))


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
    from distributed import Client, Status

    refused: list[str] = []
    Path(JOB_FOLDER).mkdir(exist_ok=True)
    cluster = job_cluster(config.compute, refused)

    def keep() -> None:
        # Unlike `adapt`, this also tries again what the queueing system refused for the moment.
        for name in [name for name, job in list(cluster.workers.items()) if job.status == Status.failed]:
            cluster.workers.pop(name, None)
        cluster.scale(jobs=workers_of(config))

    try:
        with Client(cluster, set_as_default=False) as client:
            keep()
            _tell_dashboard(config.compute, cluster)
            yield Crew(client, config.compute, refused, keep)
    finally:
        # It fails over jobs that never were; those that are have been cancelled by then.
        with contextlib.suppress(RuntimeError, AssertionError, OSError):
            cluster.close()


def job_cluster(compute: Compute, refused: list[str]) -> Any:
    """A cluster of `dask_jobqueue`, without jobs yet; the traffic is encrypted, by keys made for this run.

    Parameters
    ----------
    refused : takes what the queueing system says where it refuses a job.
    """
    before = signal.getsignal(signal.SIGINT)
    import dask_jobqueue
    from distributed import Status

    # dask_jobqueue takes Ctrl-C for itself when it is imported.
    signal.signal(signal.SIGINT, before)
    assert compute.walltime is not None
    cluster, job = {
        "slurm": (dask_jobqueue.SLURMCluster, dask_jobqueue.slurm.SLURMJob),
        "pbs": (dask_jobqueue.PBSCluster, dask_jobqueue.pbs.PBSJob),
    }[compute.kind]

    class Telling(job):  # type: ignore[misc, valid-type]
        async def _submit_job(self, script_filename: str) -> Any:
            try:
                return await super()._submit_job(script_filename)
            except (RuntimeError, OSError) as error:
                said = re.search(r"stderr:\n(.*)", str(error))
                refused.append(said[1] if said else str(error))
                self.status = Status.failed
                raise

    lifetime = seconds_of(compute.walltime)
    return cluster(
        job_cls=Telling,
        job_name="alliance-sim",
        cores=1,
        processes=1,
        memory=compute.memory,
        walltime=compute.walltime,
        queue=compute.queue,
        account=compute.account,
        interface=compute.interface,
        python=shlex.quote(sys.executable),
        log_directory=JOB_FOLDER,
        shared_temp_directory=JOB_FOLDER,
        security=True,
        # PBS starts a job in the home folder.
        job_script_prologue=['cd "$PBS_O_WORKDIR"'] if compute.kind == "pbs" else [],
        worker_extra_args=[
            "--no-dashboard", "--dashboard-address", f"{LOOPBACK}:0",
            "--lifetime", f"{lifetime * LIFETIME:.0f}s", "--lifetime-stagger", f"{lifetime * STAGGER:.0f}s",
        ],
        scheduler_options={"dashboard_address": _dashboard(compute), "dashboard": bool(compute.dashboard)},
        silence_logs=logging.CRITICAL,
    )  # fmt: skip


@contextlib.contextmanager
def _scheduler(config: Config, stop: threading.Event) -> Iterator[Crew | None]:
    """A Dask scheduler that runs already; where it is encrypted, the keys are in Dask's own settings."""
    from distributed import Client, Security

    compute = config.compute
    if compute.scheduler_file and not _appears(Path(compute.scheduler_file), compute.patience, stop):
        yield None
        return
    given = {"scheduler_file": compute.scheduler_file} if compute.scheduler_file else {"address": compute.address}
    try:
        address = compute.address or json.loads(Path(compute.scheduler_file or "").read_text())["address"]
        if address.startswith("tls://") and Security().get_connection_args("client").get("ssl_context") is None:
            raise ValueError("TLS needs keys in Dask's settings, distributed.comm.tls.client")
        client = Client(**given, timeout=ANSWERS, set_as_default=False)
    except (OSError, ValueError, KeyError) as error:
        where = compute.scheduler_file or compute.address
        raise ConnectionError(f"no Dask scheduler answers at {where} ({type(error).__name__}: {error})") from None
    with client:
        yield Crew(client, compute)


def _appears(file: Path, patience: float, stop: threading.Event) -> bool:
    """Wait for a file that a scheduler is about to write; False: `stop` was set before."""
    deadline = time.monotonic() + patience
    while not file.exists():
        if time.monotonic() > deadline:
            raise ConnectionError(
                f"{file}: no such file after {patience:g} s (compute.patience); dask scheduler --scheduler-file writes it"
            )
        if stop.wait(0.1):
            return False
    return True


def _dashboard(compute: Compute) -> str:
    """Where the page of the scheduler listens; without one, a port of this machine that nobody needs to know."""
    return compute.dashboard if isinstance(compute.dashboard, str) else DASHBOARD if compute.dashboard else f"{LOOPBACK}:0"


def _tell_dashboard(compute: Compute, cluster: Any) -> None:
    if compute.dashboard:
        print(f"dashboard  {cluster.dashboard_link}", flush=True)
