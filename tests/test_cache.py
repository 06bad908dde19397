"""The cache of compiled kernels: never stale, never in the way, never without bound; and code for a lesser processor."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from sim import jit

ROOT = Path(__file__).parent.parent

#: Runs a small kernel that calls a formula of the model.
SMALL = """
import shutil
import sys
import numpy as np
from sim import equations, jit

@jit.kernel
def create(values):
    for k in range(len(values)):
        values[k] = equations.creation(values[k], values[k], values[k])

if "removed" in sys.argv:
    shutil.rmtree(jit.cache_folder())
if "replaced" in sys.argv:
    shutil.rmtree(jit.cache_folder())
    open(jit.cache_folder(), "w").close()
values = np.full(2, 0.5, np.float32)
create(values)
print(values[0], jit.cache_folder(), "loaded" if sum(create.stats.cache_hits.values()) else "compiled")
"""

#: Prints a digest of a few tallies.
TALLIES = """
import hashlib
import sys
from benchmarks.workloads import MECHANISMS, base, living, prepared
from sim.blocks import run_segment
points = {"base": (base(2), base(5)), "every": (living(2, *MECHANISMS), living(3, *MECHANISMS))}
digest = hashlib.sha256()
for values in points[sys.argv[1]]:
    tallies = run_segment(prepared(values | {"population__periods": 20})[1], 0, 700)
    digest.update(tallies.period.tobytes() + tallies.point.tobytes())
print(digest.hexdigest())
"""


@dataclass(frozen=True)
class Done:
    value: float
    folder: Path
    how: str


@pytest.fixture
def package(tmp_path):
    """A copy of the package, to be edited, and the small kernel beside it."""
    shutil.copytree(ROOT / "sim", tmp_path / "copy" / "sim", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "copy" / "small.py").write_text(SMALL)
    return tmp_path / "copy"


def environment(**more: Path | str) -> dict[str, str]:
    """That of a user who has set nothing about caches, and `more`."""
    usual = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "XDG_"))}
    return usual | {k: str(v) for k, v in more.items()}


def start(package: Path, *words: str, **more: Path | str) -> subprocess.Popen:
    command = [sys.executable, "small.py", *words]
    return subprocess.Popen(command, cwd=package, env=environment(**more), stdout=-1, stderr=-1, text=True)


def finish(process: subprocess.Popen) -> Done:
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert not errors
    value, folder, how = out.split()
    return Done(float(value), Path(folder), how)


def test_cache__an_edit_is_never_stale(package, tmp_path):
    first, second = (finish(start(package, NUMBA_CACHE_DIR=tmp_path)) for _ in range(2))
    assert (first.value, first.how, second.value, second.how) == (0.5, "compiled", 0.5, "loaded")
    source = package / "sim" / "equations.py"
    text = source.read_text()
    edited = text.replace("return creation_ability * (transfer_ij + transfer_ji)", "return creation_ability + transfer_ij")
    assert edited != text
    source.write_text(edited)
    third = finish(start(package, NUMBA_CACHE_DIR=tmp_path))
    assert (third.value, third.how) == (1.0, "compiled")
    source.write_text(text)
    fourth = finish(start(package, NUMBA_CACHE_DIR=tmp_path))
    assert (fourth.value, fourth.how) == (0.5, "loaded")
    assert first.folder == second.folder == fourth.folder != third.folder


def test_cache__every_source_names_the_folder(package, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    spec = importlib.util.spec_from_file_location("jit_of_the_copy", package / "sim" / "jit.py")
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    folders = {copy.cache_folder()}
    for name in copy.SOURCES:
        with (package / "sim" / f"{name}.py").open("a") as file:
            file.write("# edited\n")
        folders.add(copy.cache_folder())
    assert len(folders) == len(copy.SOURCES) + 1
    assert jit.cache_folder() not in folders


def test_cache__cold_processes_at_once(package, tmp_path):
    processes = [start(package, NUMBA_CACHE_DIR=tmp_path) for _ in range(4)]
    done = [finish(process) for process in processes]
    assert {d.value for d in done} == {0.5}
    assert len({d.folder for d in done}) == 1
    assert finish(start(package, NUMBA_CACHE_DIR=tmp_path)).how == "loaded"
    assert not list(tmp_path.rglob("*.tmp.*"))


def test_cache__a_home_that_cannot_be_written(package, tmp_path):
    (tmp_path / "file").touch()
    places = {"HOME": tmp_path / "file" / "home", "TMPDIR": tmp_path}
    first, second = (finish(start(package, **places)) for _ in range(2))
    assert (first.value, first.how, second.how) == (0.5, "compiled", "loaded")
    assert first.folder.parent == tmp_path / f"alliance-sim-{os.getuid()}"


def test_cache__a_temporary_folder_that_others_can_write_to_is_not_trusted(package, tmp_path):
    shared = tmp_path / f"alliance-sim-{os.getuid()}"
    shared.mkdir()
    shared.chmod(0o777)
    (tmp_path / "file").touch()
    done = finish(start(package, NUMBA_CACHE_DIR=tmp_path / "file" / "cache", TMPDIR=tmp_path))
    assert (done.value, done.how) == (0.5, "compiled")
    assert done.folder.parent == tmp_path
    assert not done.folder.exists()
    assert not list(shared.iterdir())


@pytest.mark.parametrize("what", ["removed", "replaced"])
def test_cache__a_folder_that_vanishes_under_a_running_process(package, tmp_path, what):
    done = finish(start(package, what, NUMBA_CACHE_DIR=tmp_path))
    assert (done.value, done.how) == (0.5, "compiled")


def folders(base: Path, ages: list[float]) -> list[Path]:
    made = [base / f"{k:016x}" for k in range(len(ages))]
    for folder, age in zip(made, ages, strict=True):
        (folder / "sim_0").mkdir(parents=True)
        os.utime(folder, (time.time() - age,) * 2)
    return made


def test_prune__keeps_the_last_used(tmp_path):
    made = folders(tmp_path, [jit.RECENT + 60 * (k + 1) for k in range(jit.KEPT + 3)])
    (tmp_path / "notes").mkdir()
    os.utime(tmp_path / "notes", (0, 0))
    jit.prune(tmp_path)
    assert [folder.exists() for folder in made] == [True] * jit.KEPT + [False] * 3
    assert (tmp_path / "notes").exists()


def test_prune__leaves_what_is_in_use(tmp_path):
    made = folders(tmp_path, [60.0 * k for k in range(jit.KEPT + 3)])
    jit.prune(tmp_path)
    assert all(folder.exists() for folder in made)


def test_cache__a_new_folder_takes_the_place_of_an_old_one(package, tmp_path):
    made = folders(tmp_path / "alliance-sim", [jit.RECENT + 60 * (k + 1) for k in range(jit.KEPT)])
    finish(start(package, NUMBA_CACHE_DIR=tmp_path))
    assert [folder.exists() for folder in made] == [True] * (jit.KEPT - 1) + [False]
    os.utime(made[-2], (0, 0))
    finish(start(package, NUMBA_CACHE_DIR=tmp_path))
    assert made[-2].exists()


@pytest.mark.parametrize("form", ["base", pytest.param("every", marks=pytest.mark.slow)])
def test_plain_processor__the_same_bits(tmp_path, form):
    """Code for any x86-64, or any ARM, without wide vectors and fused arithmetic, gives the integers of this processor."""
    plain = "x86-64" if platform.machine() == "x86_64" else "generic"
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])

    def digest(**more: Path | str) -> str:
        command = [sys.executable, "-c", TALLIES, form]
        return subprocess.run(
            command, env={**os.environ, "PYTHONPATH": paths, **{k: str(v) for k, v in more.items()}},
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    assert digest() == digest(NUMBA_CPU_NAME=plain, NUMBA_CPU_FEATURES="", NUMBA_CACHE_DIR=tmp_path)
    assert list(tmp_path.rglob("*.nbc"))
