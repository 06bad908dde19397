"""Jobs of SLURM or PBS that are Dask workers: what they need, how they are made, kept and ended, why they are refused."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sim.fields import ConfigError
from sim.schema import Compute, seconds_of

#: Folder of the jobs' logs and of the certificates of a run, below the one the command was given in.
JOB_FOLDER = "dask-jobs"
#: Share of the walltime after which a worker leaves, and by how much that varies, so that not all leave at once.
LIFETIME, STAGGER = 0.88, 0.07
#: Nobody needs to know where the page of a worker listens.
_NOWHERE = "127.0.0.1:0"
#: How jobs are submitted, and shown, by kind.
_SUBMIT = {"slurm": "sbatch", "pbs": "qsub"}
_QUEUE = {"slurm": "squeue --me", "pbs": "qstat -u $USER"}


def check(compute: Compute) -> None:
    """Refuse jobs that cannot be.

    Raises
    ------
    ConfigError : a package, or the command of the queueing system, is missing.
    """
    needed = {"dask_jobqueue": "dask-jobqueue", "cryptography": "cryptography"}
    if missing := [name for module, name in needed.items() if importlib.util.find_spec(module) is None]:
        raise ConfigError(
            f"compute = {compute.kind}: needs {' and '.join(missing)}; pip install {' '.join(needed.values())}, "
            'or, in a copy of the program, pip install -e ".[cluster]".'
        )
    if shutil.which(_SUBMIT[compute.kind]) is None:
        raise ConfigError(
            f"compute = {compute.kind}: there is no {_SUBMIT[compute.kind]} here; run this where jobs are submitted."
        )


def refusal(compute: Compute, said: str) -> ConnectionError:
    """The error for a job that the queueing system refuses, with what it said."""
    return ConnectionError(f"{_SUBMIT[compute.kind]} refused a job: {said}")


def advice(compute: Compute) -> str:
    """What to look at while no job runs."""
    return (
        f"{_QUEUE[compute.kind]} shows the jobs; see compute.queue, account, walltime and memory if they wait, "
        f"compute.interface and the logs in {JOB_FOLDER} if they run"
    )


@contextlib.contextmanager
def submitted(compute: Compute, number: int, refused: list[str], page: str) -> Iterator[tuple[Any, Callable[[int], None]]]:
    """A cluster of so many jobs, and what keeps as many of them as there is work for; in the end all are cancelled.

    Parameters
    ----------
    refused, page : as `job_cluster` takes them.
    """
    from distributed import Status

    Path(JOB_FOLDER).mkdir(exist_ok=True)
    cluster = job_cluster(compute, refused, page)

    def keep(most: int) -> None:
        # Unlike `adapt`, this also tries again what the queueing system refused for the moment.
        for name in [name for name, job in list(cluster.workers.items()) if job.status == Status.failed]:
            cluster.workers.pop(name, None)
        if len(cluster.worker_spec) <= most:
            cluster.scale(jobs=min(number, most))
        else:
            asyncio.run_coroutine_threadsafe(_release(cluster, most), cluster.loop.asyncio_loop)

    try:
        yield cluster, keep
    finally:
        # It fails over jobs that never were; those that are have been cancelled by then.
        with contextlib.suppress(RuntimeError, AssertionError, OSError):
            cluster.close()


async def _release(cluster: Any, most: int) -> None:
    """End jobs until so many are left: first those that wait in the queue, then those of idle workers, and no others.

    An idle worker has nothing to do, and nothing that the driver has still to fetch.
    """
    workers = cluster.scheduler.workers.values()
    waiting = set(cluster.worker_spec) - {worker.name for worker in workers}
    idle = [w.name for w in workers if w.name in cluster.worker_spec and not w.processing and not w.has_what]
    chosen = [*sorted(waiting), *idle][: max(0, len(cluster.worker_spec) - most)]
    # A job lives on for seconds after it has been ended; `scale_down` leaves its worker open to new blocks meanwhile.
    await cluster.scheduler.retire_workers(names=chosen)
    await cluster.scale_down(chosen)


def job_cluster(compute: Compute, refused: list[str], page: str) -> Any:
    """A cluster of `dask_jobqueue`, without jobs yet; the traffic is encrypted, by keys made for this run.

    Parameters
    ----------
    refused : takes what the queueing system says where it refuses a job.  page : where the scheduler's listens.
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
            "--no-dashboard", "--dashboard-address", _NOWHERE,
            "--lifetime", f"{lifetime * LIFETIME:.0f}s", "--lifetime-stagger", f"{lifetime * STAGGER:.0f}s",
        ],
        scheduler_options={"dashboard_address": page, "dashboard": bool(compute.dashboard)},
        silence_logs=logging.CRITICAL,
    )  # fmt: skip
