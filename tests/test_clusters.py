"""Dask clusters: what is refused, job scripts, workers that differ, die or never come, and the bits of the serial run."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from conftest import base_config
from life import assert_same, fill

from sim import clusters, executor, jobs, opening, place, plan, sameness, solving, theory
from sim.config import compose
from sim.design import ConfigError, points
from sim.labels import proposition_labels
from sim.schema import Config

#: What `distributed` and its threads may leave to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # fmt: skip
PYTHON = Path(sys.executable)


def sweep(**overrides) -> Config:
    factors = {"trust": {"path": "context.trust.mean", "levels": [k / 10 for k in range(10)]}}
    defaults = {"population__alliances": 3000, "population__periods": 20, "compute__block_seconds": 0.05}
    return Config.model_validate(
        base_config(**{"design__kind": "factorial", "design__factors": factors, **defaults, **overrides})
    )


@pytest.fixture(scope="module")
def serial_store(tmp_path_factory):
    path = tmp_path_factory.mktemp("serial") / "serial.zarr"
    fill(sweep(), path)
    return path


@contextlib.contextmanager
def running(module: str, place: Path, *words: str, folder: Path | None = None):
    """A Dask scheduler or worker, as a user starts it in a `place`, with the program of a `folder`."""
    path = {"PYTHONPATH": str(folder)} if folder else {}
    process = subprocess.Popen(
        [PYTHON, "-m", f"distributed.cli.{module}", *words, "--no-dashboard"], cwd=place, env={**os.environ, **path},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def scheduler(file: Path):
    words = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
    with running("dask_scheduler", file.parent, *words) as process:
        while not file.exists():
            time.sleep(0.05)
        yield process


def worker(file: Path, folder: Path | None = None):
    words = ("--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--local-directory", str(file.parent))
    return running("dask_worker", file.parent, "--scheduler-file", str(file), *words, folder=folder)


def on(file: Path, **overrides) -> Config:
    return sweep(compute__kind="scheduler", compute__scheduler_file=str(file), **overrides)


def until_it_fails(action) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        action()


# Configs


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["compute=scheduler"], ["compute.address = null", "scheduler_file"]),
        (["compute=scheduler", "compute.address=tcp://a:1", "compute.scheduler_file=f"], ["compute.address", "one of the two"]),
        (["compute=scheduler", "compute.address=somewhere"], ["compute.address = somewhere", "tcp://host:8786"]),
        (["compute.queue=long"], ["compute.queue = long", "compute=threads", "slurm, pbs"]),
        (["compute=processes", "compute.address=tcp://a:1"], ["compute.address", "it is for scheduler"]),
        (["compute=scheduler", "compute.address=tcp://a:1", "compute.dashboard=true"], ["compute.dashboard = true"]),
        (["compute=slurm", "compute.walltime=1h"], ["compute.walltime = 1h", "HH:MM:SS"]),
        (["compute=slurm", "compute.walltime=00:00:40"], ["compute.walltime = 00:00:40", "10 times compute.block_seconds"]),
        (["compute=pbs", "compute.memory=2"], ["compute.memory = 2", "2GB"]),
        (["compute=pbs", "compute.workers=null"], ["compute.workers = null", "compute=pbs needs it"]),
        (["compute=slurm", "compute.patience=0"], ["compute.patience = 0", "[1, 1e6]"]),
    ],
)  # fmt: skip
def test_config__what_means_nothing_or_is_missing_is_refused(words, parts):
    with pytest.raises(ConfigError) as caught:
        compose(words)
    for part in parts:
        assert part in str(caught.value)


def test_check__names_what_is_missing(monkeypatch):
    config = compose(["compute=slurm"])
    monkeypatch.setattr(jobs.shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match="no sbatch here"):
        clusters.check(config)
    monkeypatch.setattr(clusters.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install dask-jobqueue cryptography"):
        clusters.check(config)
    with pytest.raises(ConfigError, match="pip install bokeh"):
        clusters.check(compose(["compute=processes", "compute.dashboard=true"]))
    clusters.check(compose())


def test_check__a_network_that_is_not_here_is_bad_input(monkeypatch):
    monkeypatch.setattr(jobs.shutil, "which", lambda name: name)
    clusters.check(compose(["compute=slurm", "compute.interface=lo"]))
    with pytest.raises(ConfigError, match=r"compute.interface = ib9: .* \['lo'"):
        clusters.check(compose(["compute=slurm", "compute.interface=ib9"]))


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("slurm", ["#SBATCH -p long", "#SBATCH -A me", "#SBATCH --mem=3G", "#SBATCH -t 02:00:00", "#SBATCH --cpus-per-task=1"]),
        ("pbs", ["#PBS -q long", "#PBS -A me", "select=1:ncpus=1:mem=3072MB", "#PBS -l walltime=02:00:00", 'cd "$PBS_O_WORKDIR"']),
    ],
)  # fmt: skip
def test_jobs__the_script_asks_for_what_the_config_says(tmp_path, monkeypatch, kind, lines):
    monkeypatch.chdir(tmp_path)
    os.mkdir(jobs.JOB_FOLDER)
    words = ["memory=3GiB", "walltime=02:00:00", "queue=long", "account=me", "interface=lo"]
    before = signal.getsignal(signal.SIGINT)
    cluster = jobs.job_cluster(compose([f"compute={kind}", *(f"compute.{w}" for w in words)]).compute, [], "127.0.0.1:0")
    try:
        script = cluster.job_script()
        assert cluster.scheduler_address.startswith("tls://127.0.0.1:")
    finally:
        cluster.close()
    assert signal.getsignal(signal.SIGINT) is before
    for line in [*lines, "--nthreads 1", "--lifetime 6336s", "--lifetime-stagger 504s", "--interface lo", "--tls-key"]:
        assert line in script, script
    assert str(PYTHON) in script
    keys = list((tmp_path / jobs.JOB_FOLDER).iterdir())
    assert len(keys) == 3
    assert not any(key.stat().st_mode & 0o077 for key in keys), "others may read the keys"


# Versions


def test_compare__names_the_worker_and_what_differs():
    here = sameness.versions()
    sameness.compare({"a": here, "b": OSError("left")})
    with pytest.raises(ConnectionError, match=rf"worker b runs numba 0.1 \(here {here['numba']}\)"):
        sameness.compare({"a": here, "b": {**here, "numba": "0.1"}})
    with pytest.raises(ConnectionError, match="worker c cannot import this program"):
        sameness.compare({"c": ModuleNotFoundError("No module named 'sim'")})


@pytest.fixture
def other_program(tmp_path):
    """A folder with this program, one comment longer."""
    shutil.copytree(Path(clusters.__file__).parent, tmp_path / "other" / "sim")
    with (tmp_path / "other" / "sim" / "equations.py").open("a") as file:
        file.write("# another version\n")
    return tmp_path / "other"


def test_scheduler__a_worker_with_other_sources_is_refused_before_work_starts(tmp_path, other_program):
    file = tmp_path / "scheduler.json"
    with (
        scheduler(file),
        worker(file, other_program),
        pytest.raises(ConnectionError, match=r"worker tcp://\S+ runs its sources .* install the same"),
    ):
        fill(on(file), tmp_path / "a.zarr")


def test_scheduler__a_worker_with_other_sources_that_comes_later_computes_nothing(tmp_path, other_program):
    """As if none had been there to be asked at the start."""
    file = tmp_path / "scheduler.json"
    with (
        scheduler(file), worker(file, other_program), mock.patch.object(clusters, "_ready", return_value=True),
        pytest.raises(ConnectionError, match="came later runs its sources"),
    ):  # fmt: skip
        fill(on(file), tmp_path / "a.zarr")


# Runs


def test_scheduler__same_bits_and_a_worker_that_dies_loses_nothing(tmp_path, serial_store):
    file, path = tmp_path / "scheduler.json", tmp_path / "a.zarr"
    with scheduler(file), worker(file) as first, worker(file):
        killer = threading.Timer(0.0, lambda: None)

        def kill_soon(*args, real=clusters._ready):
            nonlocal killer
            killer = threading.Timer(0.1, lambda: os.killpg(first.pid, signal.SIGKILL))
            killer.start()
            return real(*args)

        with mock.patch.object(clusters, "_ready", kill_soon):
            result = fill(on(file), path)
        killer.join()
    assert not result.failures
    assert_same(serial_store, path)


def test_scheduler__that_dies_in_the_midst_ends_the_run_and_serial_goes_on(tmp_path, serial_store):
    file, path = tmp_path / "scheduler.json", tmp_path / "a.zarr"
    with scheduler(file) as process, worker(file):
        asked = []

        def size(crew, real=clusters.Crew.size):
            asked.append(crew)
            if len(asked) == 6:
                os.killpg(process.pid, signal.SIGKILL)
            return real(crew)

        with mock.patch.object(clusters.Crew, "size", size), pytest.raises(ConnectionError, match="scheduler was lost"):
            fill(on(file), path)
    fill(sweep(), path)
    assert_same(serial_store, path)


def test_cluster__knows_how_many_blocks_are_left_once_all_are_given_out(tmp_path):
    """More may come until then, so that no job is let go that would be needed again."""
    said, file = [], tmp_path / "scheduler.json"
    with scheduler(file), worker(file), mock.patch.object(clusters.Crew, "needs", lambda crew, blocks: said.append(blocks)):
        fill(on(file), tmp_path / "a.zarr")
    first = said.index(next(n for n in said if n is not None))
    assert first > 0
    assert None not in said[first:]
    assert said[first:] == sorted(said[first:], reverse=True)
    assert said[-1] <= 1


def test_cluster__that_all_blocks_are_given_out_is_not_forgotten_when_workers_leave():
    """Twelve of fifteen workers leave while blocks wait for them: their jobs are not asked for again."""
    said, given = [], []
    sizes = itertools.chain([15] * 12, itertools.repeat(3))

    class Done:
        status, key = "finished", property(id)

        def add_done_callback(self, tell):
            given.append((self, tell))

        def result(self, timeout):
            return [], 1.0

        def release(self):
            pass

    def needs(blocks):
        said.append(blocks)
        for done, tell in given[:1]:
            tell(done)
        del given[:1]

    client = mock.Mock(submit=lambda *_, **__: Done())
    crew = mock.Mock(client=client, size=lambda: next(sizes), needs=needs)
    with mock.patch.object(clusters, "opened", return_value=contextlib.nullcontext(crew)):
        list(executor.cluster(iter(range(40)), sweep(), threading.Event()))
    first = said.index(next(n for n in said if n is not None))
    assert said[first:] == list(range(29, -1, -1))


@pytest.mark.parametrize("left", [2, 1])
def test_jobs__those_of_idle_workers_end_no_block_is_begun_twice(tmp_path, left):
    """Cancelling takes its time; what comes meanwhile, or has not been fetched, is not with those that are let go."""
    local = pytest.importorskip("dask_jobqueue.local")
    from distributed import Client

    class Slow(local.LocalJob):
        @classmethod
        async def _close_job(cls, job_id, cancel_command):
            await asyncio.sleep(1.5)
            os.kill(int(job_id), signal.SIGKILL)

    def begin(client, name, seconds):
        return client.submit(
            subprocess.check_call, ["sh", "-c", f"echo {name} >> {tmp_path}/begun; sleep {seconds}"], pure=False
        )

    scheduler_options = {"dashboard": False, "dashboard_address": "127.0.0.1:0", "interface": "lo"}
    with (
        local.LocalCluster(job_cls=Slow, cores=1, processes=1, memory="500MB", nanny=False, interface="lo",
                           log_directory=tmp_path, scheduler_options=scheduler_options) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):  # fmt: skip
        cluster.scale(jobs=3)
        client.wait_for_workers(3, timeout=60)
        short, long = begin(client, "short", 0), begin(client, "long", 5)
        deadline = time.monotonic() + 30
        while not short.done() and time.monotonic() < deadline:
            time.sleep(0.1)
        release = asyncio.run_coroutine_threadsafe(jobs._release(cluster, left), cluster.loop.asyncio_loop)
        time.sleep(0.3)
        more = [begin(client, name, 1) for name in ("one", "two")]
        release.result(30)
        # `short` was not fetched: the worker that has it, and the one that is busy, stay.
        assert len(cluster.worker_spec) == 2
        assert [future.result(timeout=40) for future in (short, long, *more)] == [0, 0, 0, 0]
    assert sorted((tmp_path / "begun").read_text().split()) == ["long", "one", "short", "two"]


def test_scheduler__without_workers_the_run_ends_and_says_what_to_do(tmp_path):
    file = tmp_path / "scheduler.json"
    with scheduler(file), pytest.raises(ConnectionError, match=r"no worker for 1 s \(compute.patience\): start workers"):
        fill(on(file, compute__patience=1.0), tmp_path / "a.zarr")


def test_scheduler__none_there(tmp_path):
    with pytest.raises(ConnectionError, match="no such file after 1 s"):
        fill(on(tmp_path / "scheduler.json", compute__patience=1.0), tmp_path / "a.zarr")
    gone = sweep(compute__kind="scheduler", compute__address="tcp://127.0.0.1:1")
    with (
        mock.patch.object(clusters, "ANSWERS", 1.0),
        pytest.raises(ConnectionError, match="no Dask scheduler answers at tcp"),
    ):
        fill(gone, tmp_path / "a.zarr")
    without_keys = sweep(compute__kind="scheduler", compute__address="tls://127.0.0.1:1")
    with pytest.raises(ConnectionError, match=r"no Dask scheduler answers at tls.*needs keys"):
        fill(without_keys, tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("tls://127.0.0.1:1", r"no Dask scheduler answers at tls://127.0.0.1:1 \(TLS needs keys"),
        ("ucx://127.0.0.1:1", "no Dask scheduler answers at ucx://127.0.0.1:1"),
        ("tcp://nowhere.invalid:1", "no Dask scheduler answers at tcp://nowhere.invalid:1"),
        ("{}", "no address of a scheduler in it after 1 s"),
        ("[1]", "no address of a scheduler in it"),
        ('{"address": 5}', "no address of a scheduler in it"),
        ('{"address": "tcp://127.0.0.1:1"', "no address of a scheduler in it"),
        ('{"address": "elsewhere"}', r"no Dask scheduler answers at .*scheduler\.json"),
        ("[" * 100_000, "no address of a scheduler in it"),
        (None, "no address of a scheduler in it"),
    ],
)  # fmt: skip
def test_scheduler__that_cannot_be_reached_is_one_message(tmp_path, monkeypatch, capfd, given, said):
    file = tmp_path / "scheduler.json"
    monkeypatch.setattr(clusters, "ANSWERS", 0.5)
    if given is None:
        file.mkdir()
    elif "://" not in given[:8]:
        file.write_text(given)
    config = on(file) if file.exists() else sweep(compute__kind="scheduler", compute__address=given)
    config = config.model_copy(update={"compute": config.compute.model_copy(update={"patience": 1.0})})
    with pytest.raises(ConnectionError, match=said) as caught, clusters.opened(config, threading.Event()):
        pass
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


NEVER_REACHED = """
import sys
from sim import clusters, run
clusters.ANSWERS = 0.5
sys.argv[1:] = ["compute=scheduler", "compute.address=ucx://127.0.0.1:1", "population.alliances=10", "population.periods=2"]
sys.exit(run.main())
"""


def test_scheduler__that_cannot_be_reached_ends_the_command_without_late_noise(tmp_path):
    """A client that was left half made would time out when the process ends."""
    settings = {**os.environ, "PYTHONPATH": str(Path(clusters.__file__).parent.parent)}
    done = subprocess.run(
        [PYTHON, "-c", NEVER_REACHED], cwd=tmp_path, env=settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("failed: no Dask scheduler answers at ucx://127.0.0.1:1 (")
    assert done.stderr.count("\n") == 1


def test_scheduler__a_file_that_is_being_written_is_waited_for(tmp_path):
    file = tmp_path / "scheduler.json"
    file.write_text('{"address": "tcp://127')
    threading.Timer(0.4, file.write_text, ['{"address": "tcp://127.0.0.1:1"}']).start()
    assert clusters._address(file, 20.0, threading.Event()) == "tcp://127.0.0.1:1"


# What workers do


@pytest.fixture
def batch(tmp_path, monkeypatch):
    """Points that are solved by a theory of the driver's, and what they are there; it is in a folder of its own."""
    (tmp_path / "driver").mkdir()
    monkeypatch.chdir(tmp_path / "driver")
    Path("mine.yaml").write_text(theory.source_of("tit_for_tat"))
    factors = {"trust": {"path": "context.trust.mean", "levels": [0.2, 0.8]},
               "mind": {"path": "response.theory_mix", "levels": ["mine.yaml", "larsson1998"]}}  # fmt: skip
    config = sweep(method="exact", context__kind="static", design__factors=factors)
    wanted = points(config)
    tasks = [plan.Task(k, point, 0, 1, True) for k, point in enumerate(wanted)]
    (found,) = solving.batches(
        tasks, 16, np.arange(0, 21, 5), proposition_labels(wanted), ("larsson1998", "mine.yaml"), config
    )
    return found


@pytest.mark.parametrize("there", [None, "larsson1998"])
def test_worker__in_another_folder_solves_by_the_theory_of_the_driver(tmp_path, monkeypatch, batch, there):
    here = solving.solve(batch)
    (tmp_path / "worker").mkdir()
    monkeypatch.chdir(tmp_path / "worker")
    if there:
        Path("mine.yaml").write_text(theory.source_of(there))
    result, _ = executor._answer(pickle.dumps(batch, 5), sameness.versions())
    assert set(result) == set(here)
    for name, values in here.items():
        np.testing.assert_array_equal(values, result[name], strict=True)
    assert set(batch.texts) == {"larsson1998", "mine.yaml"}


def test_batches__hold_the_theories_of_their_points_as_they_were_at_first(batch):
    tasks = [plan.Task(k, point, 0, 1, True) for k, point in enumerate(batch.points)]
    found = []
    for each in solving.batches(tasks, 1, batch.grid, batch.propositions, batch.theories, batch.config):
        Path("mine.yaml").write_text("changed")
        found.append(each.texts)
    assert found == [{name: batch.texts[name]} for name in ("mine.yaml", "larsson1998") * 2]


class Local(Exception):
    """No other process knows it."""


Local.__qualname__ = "nowhere"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ZeroDivisionError("on purpose"), ZeroDivisionError),
        (ZeroDivisionError("on purpose", lambda: 0), RuntimeError),
        (Local("on purpose"), RuntimeError),
    ],
    ids=["plain", "holds a function", "of a class of its own"],
)
def test_worker__an_exception_is_an_answer(monkeypatch, batch, error, kind):
    def fails(batch):
        raise error

    monkeypatch.setattr(executor, "solve", fails)
    found, seconds = pickle.loads(pickle.dumps(executor._answer(pickle.dumps(batch, 5), sameness.versions()), 5))
    assert seconds == 0.0
    assert type(found) is kind
    assert "on purpose" in str(found)


def test_cluster__a_block_that_fails_is_not_tried_again(tmp_path, monkeypatch, batch):
    """Its exception comes back as an answer; none is what Dask gives after it has tried again."""
    file = tmp_path / "scheduler.json"
    monkeypatch.setattr(executor, "_as_exception", None)
    bad = dataclasses.replace(batch, texts={**batch.texts, "mine.yaml": "no theory"})
    with scheduler(file), worker(file):
        ((block, found, _),) = executor.cluster(iter([bad]), on(file), threading.Event())
    assert block is bad
    assert isinstance(found, theory.TheoryError)
    assert "mine.yaml: the file holds" in str(found)


# A cluster that is lost


def losing(blocks: int, error: Exception):
    """An executor that is lost after some blocks."""
    real = executor.execute

    def execute(work, config, stop):
        yield from itertools.islice(real(work, config, stop), blocks)
        raise error

    return mock.patch.object(executor, "execute", execute)


@pytest.mark.parametrize(("before", "blocks"), [(0, 25), (1000, 12)])
def test_lost__what_is_finished_is_kept(tmp_path, serial_store, before, blocks):
    path = tmp_path / "a.zarr"
    if before:
        fill(sweep(population__alliances=before), path)
    with losing(blocks, clusters.lost()), pytest.raises(ConnectionError, match="scheduler was lost"):
        fill(sweep(), path)
    written = opening.read(place.siblings(path)[1] if before else path)
    number = int(written.done.sum())
    assert 0 < number < 10
    assert f"finished {number} points; asked for [3000]" in json.loads(written.attrs["history"])[-1]
    if before:
        assert int(opening.read(path).done.sum()) == 10
    assert fill(sweep(), path).finished == 10 - number
    assert_same(serial_store, path)


def test_lost__before_anything_came_back(tmp_path, serial_store):
    path = tmp_path / "a.zarr"
    with losing(0, clusters.lost()), pytest.raises(ConnectionError, match="scheduler was lost"):
        fill(sweep(), path)
    assert not opening.read(path).done.any()
    fill(sweep(), path)
    assert_same(serial_store, path)


def test_scheduler__that_dies_ends_the_run_and_a_stop_needs_no_workers(tmp_path, serial_store):
    file, path = tmp_path / "scheduler.json", tmp_path / "a.zarr"
    config = on(file, population__alliances=10**6)
    with scheduler(file) as process, worker(file), clusters.opened(config, threading.Event()) as crew:
        assert crew.size() == 1
        assert crew.client.submit(pow, 2, 3, pure=False).result(timeout=30) == 8
        os.killpg(process.pid, signal.SIGKILL)
        with pytest.raises(ConnectionError, match="the connection to the Dask scheduler was lost"):
            until_it_fails(crew.size)
    file.unlink()
    stop = threading.Event()
    stop.set()
    with clusters.opened(config, stop) as crew:
        assert crew is None
    assert not path.exists()


def test_allocation__asked_to_stop_stops_the_run_and_leaves_nothing_behind(tmp_path):
    """As SLURM does a minute before the limit; `srun` starts one task, here."""
    (tmp_path / "srun").write_text('#!/bin/sh\nexec "$@"\n')
    (tmp_path / "srun").chmod(0o755)
    root = Path(clusters.__file__).parent.parent
    settings = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHON": str(PYTHON), "SLURM_JOB_ID": "7", "SLURM_NTASKS": "1",
                "PYTHONPATH": str(root)}  # fmt: skip
    words = ["population.alliances=1000000000", "compute.block_seconds=0.1", "output.path=a.zarr"]
    with (tmp_path / "out").open("w") as out:
        process = subprocess.Popen(
            ["bash", root / "experiments/batch/allocation.slurm", *words], cwd=tmp_path, env={**os.environ, **settings},
            stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while not (tmp_path / "a.zarr").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        process.terminate()
        assert process.wait(timeout=60) == 130, (tmp_path / "out").read_text()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert "interrupted: finished points are kept in a.zarr" in (tmp_path / "out").read_text()
    assert "127.0.0.1" in (tmp_path / "scheduler-7.json.log").read_text()
    assert not (tmp_path / "scheduler-7.json").exists()
