"""On a real SLURM, which ``tests/slurm.sh start`` sets up on one machine: the bits of the serial run, whatever dies."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from life import assert_same
from test_command import command, finished, start

from sim import clusters
from sim.config import compose

SWEEP = ["+experiment=sweep", "design.factors.trust.levels=[0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9]",
         "design.factors.orientation.levels=[0.5]", "population.alliances=100000", "output.report=false"]  # fmt: skip
BATCH = Path(__file__).parent.parent / "experiments" / "batch"
#: Two workers; as many blocks as it takes for something to happen in between.
SLURM = [*SWEEP, "compute=slurm", "compute.workers=2", "compute.interface=lo", "compute.block_seconds=0.1", "compute.patience=60"]  # fmt: skip


def answers() -> bool:
    return shutil.which("sinfo") is not None and subprocess.run(["sinfo"], capture_output=True).returncode == 0


pytestmark = [pytest.mark.slurm, pytest.mark.skipif(not answers(), reason="no SLURM answers; tests/slurm.sh start")]


def jobs(folder: Path, *words: str) -> list[str]:
    """Numbers of the jobs that were submitted in a folder."""
    lines = subprocess.run(["squeue", "-h", "-o", "%i %Z", *words], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in lines.splitlines() if line.split()[1] == str(folder)]


def workers_of(job: str) -> list[int]:
    """The processes of a job that compute; their nanny starts another one when they die."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment, words = (process / "environ").read_bytes(), (process / "cmdline").read_bytes()
        except OSError:
            continue
        if f"SLURM_JOB_ID={job}\0".encode() in environment and b"spawn_main" in words:
            found.append(int(process.name))
    return found


def wait_until(happens, process: subprocess.Popen[str], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def none_left(folder: Path) -> bool:
    deadline = time.monotonic() + 30
    while jobs(folder) and time.monotonic() < deadline:
        time.sleep(0.2)
    return not jobs(folder)


@pytest.fixture(scope="module")
def serial_store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serial")
    status, _, err = command(folder, *SWEEP, "compute=serial")
    assert status == 0, err
    return folder / "results" / "sweep.zarr"


def test_slurm__a_worker_cancelled_and_one_killed_lose_nothing(tmp_path, serial_store):
    path = tmp_path / "results" / "sweep.zarr"
    process = start(tmp_path, *SLURM)
    wait_until(lambda: finished(path) >= 3, process)
    first, second = jobs(tmp_path, "-t", "R")[:2]
    subprocess.run(["scancel", first], check=True)
    for pid in workers_of(second):
        os.kill(pid, signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "24 of 24 points" in out
    assert_same(serial_store, path)
    assert none_left(tmp_path)


def test_slurm__every_job_lost_is_replaced(tmp_path, serial_store):
    path = tmp_path / "results" / "sweep.zarr"
    process = start(tmp_path, *SLURM)
    wait_until(lambda: finished(path) >= 3, process)
    lost = jobs(tmp_path)
    subprocess.run(["scancel", *lost], check=True)
    wait_until(lambda: set(jobs(tmp_path, "-t", "R")) - set(lost), process)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert_same(serial_store, path)


def test_slurm__the_driver_killed_and_the_run_resumed(tmp_path, serial_store):
    path = tmp_path / "results" / "sweep.zarr"
    process = start(tmp_path, *SLURM)
    wait_until(lambda: finished(path) >= 3, process)
    process.kill()
    process.communicate()
    assert 3 <= finished(path) < 24
    # The workers notice that nobody is there any more.
    assert none_left(tmp_path)
    status, out, err = command(tmp_path, *SLURM)
    assert status == 0, err
    assert "are finished" in out
    assert_same(serial_store, path)


def test_slurm__interrupted_it_cancels_its_jobs_and_goes_on(tmp_path, serial_store):
    path = tmp_path / "results" / "sweep.zarr"
    process = start(tmp_path, *SLURM)
    wait_until(lambda: finished(path) >= 3, process)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert time.monotonic() - asked < 20
    assert none_left(tmp_path)
    assert command(tmp_path, *SWEEP, "compute=serial")[0] == 0
    assert_same(serial_store, path)


def test_slurm__jobs_that_reach_their_walltime_are_replaced(tmp_path):
    """Their workers leave after some 6 s of 8, with most of the work undone."""
    path, more = tmp_path / "results" / "sweep.zarr", "population.alliances=400000"
    process = start(tmp_path, *SLURM, "compute.walltime=00:00:08", "compute.block_seconds=0.05", more)
    seen: set[str] = set()
    while process.poll() is None:
        seen |= set(jobs(tmp_path, "-t", "R"))
        time.sleep(0.1)
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert len(seen) > 2
    once = tmp_path / "once.zarr"
    status, _, err = command(tmp_path, *SWEEP, more, "compute=threads", f"output.path={once}")
    assert status == 0, err
    assert_same(once, path)


def test_slurm__the_batch_scripts(tmp_path, serial_store):
    """Both at once; they end with the status of the run."""
    environment = {**os.environ, "PYTHON": sys.executable, "INTERFACE": "lo"}
    submitted = [
        subprocess.Popen(["sbatch", "--wait", "--mem-per-cpu=500M", BATCH / script, *words, f"output.path={script}.zarr"],
                         cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
        for script, words in (("driver.slurm", SLURM), ("allocation.slurm", SWEEP))
    ]  # fmt: skip
    assert [process.wait(timeout=180) for process in submitted] == [0, 0], [f.read_text() for f in tmp_path.glob("*.out")]
    for script in ("driver.slurm", "allocation.slurm"):
        assert_same(serial_store, tmp_path / f"{script}.zarr")
    assert not list(tmp_path.glob("scheduler-*"))


def test_slurm__a_job_that_is_refused_ends_the_run_with_what_was_said(tmp_path):
    status, _, err = command(tmp_path, *SLURM, "compute.queue=nowhere")
    assert status == 1
    assert "sbatch refused a job" in err
    assert "nowhere" in err
    assert "Traceback" not in err


def test_slurm__jobs_that_never_start_end_the_run_after_patience(tmp_path):
    """There is no node with so much memory; whether SLURM says so at once or keeps the job waiting is up to it."""
    status, _, err = command(
        tmp_path, *SLURM, "compute.patience=3", "compute.account=me", "compute.interface=lo", "compute.memory=9TB"
    )
    assert status == 1
    assert "refused a job" in err or "compute.patience" in err
    assert none_left(tmp_path)


def test_slurm__an_idle_job_ends_while_another_is_at_work(tmp_path, monkeypatch):
    """In a process of its own, as dask-jobqueue leaves files open to the garbage collector."""
    monkeypatch.chdir(tmp_path)
    process = multiprocessing.get_context("spawn").Process(target=_one_is_idle, args=(tmp_path,))
    process.start()
    process.join(180)
    assert process.exitcode == 0
    assert none_left(tmp_path)


def _one_is_idle(folder: Path) -> None:
    """A single block is left: one job goes, which must not be the one that has it, and none takes its place."""
    with clusters.opened(compose(SLURM), threading.Event()) as crew:
        deadline = time.monotonic() + 60
        while crew.size() < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(jobs(folder, "-t", "R")) == 2
        # Told of in a file whenever it is begun.
        last = crew.client.submit(subprocess.check_output, ["sh", "-c", f"echo $$ | tee -a {folder}/began; sleep 12"])
        seen = []
        while not last.done():
            crew.needs(1)
            assert crew.size() >= 1
            seen.append(len(jobs(folder, "-t", "R")))
            time.sleep(0.5)
        assert seen[-1] == 1
        assert set(seen) <= {1, 2}
        assert last.result() == (folder / "began").read_bytes()
