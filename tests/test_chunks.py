"""Chunks written past the library: whole or not at all."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from sim import chunks, warmup
from sim.blocks import arguments_of
from sim.design import points
from sim.recording import period_grid

ONE_DIM = SimpleNamespace(ndim=1)


@pytest.fixture
def small_files():
    """Files may not grow beyond 4 kB in this process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_put__what_does_not_fit_is_an_error(tmp_path: Path, small_files: None) -> None:
    chunks.put(tmp_path, ONE_DIM, 0, b"x" * 4096)
    for size in (4097, 10**6):
        with pytest.raises(OSError, match="File too large"):
            chunks.put(tmp_path, ONE_DIM, 1, b"x" * size)
    assert (tmp_path / "0").read_bytes() == b"x" * 4096
    assert not (tmp_path / "1").exists()


CUT = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))
from sim.run import main
sys.exit(main())
"""


def test_run__with_a_limit_on_files_is_never_complete(tmp_path: Path) -> None:
    words = [
        "compute=serial", "population.alliances=600", "population.periods=4000", "output.report=false",
        f"output.path={tmp_path / 's.zarr'}",
    ]  # fmt: skip
    cut = subprocess.run([sys.executable, "-c", CUT, *words], capture_output=True, text=True)
    assert cut.returncode == 1
    assert "Traceback" not in cut.stderr
    again = subprocess.run([sys.executable, "-m", "sim.run", *words], capture_output=True, text=True)
    assert again.returncode == 0
    assert "1 of 1 points" in again.stdout


def test_compile_missing__goes_on_without_its_processes(make_config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmup, "is_compiled", lambda form: False)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    needed = []
    for partners in (2, 3):
        config = make_config(population__partners=partners, population__periods=1)
        (point,) = points(config)
        needed.append(arguments_of(point, config, period_grid([point], 1)))
    ran = []
    monkeypatch.setattr(warmup, "run_segment", lambda arguments, first, count: ran.append(arguments.form))
    warmup.compile_missing(needed, 2)
    assert ran == ["group"]
    warmup.compile_missing(needed, 1)
    assert ran == ["group"]
