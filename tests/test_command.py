"""The command as users run it: exit statuses, one message, signals, kill -9 and resume, multirun, other folders."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xarray as xr

from sim.api import open_results

SMALL = ["population.alliances=300", "population.periods=10"]
#: Twenty-four points of about 0.1 s each, on one core, in several chunks of the store.
LONG = [
    "+experiment=sweep",
    "design.factors.trust.levels=[0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9]",
    "design.factors.orientation.levels=[0.5]",
    "population.alliances=40000",
    "compute=serial",
    "compute.block_seconds=0.05",
    "output.report=false",
]


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sim.run", *words], cwd=folder, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def command(folder: Path, *words: str) -> tuple[int, str, str]:
    process = start(folder, *words)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def labelled(path: Path) -> xr.Dataset:
    return xr.open_zarr(path).load().drop_attrs()


def finished(path: Path) -> int:
    """Finished points as a reader sees them while a run goes on; 0 while there is no store."""
    try:
        return int(xr.open_zarr(path).done.values.sum())
    except (FileNotFoundError, OSError, ValueError, KeyError):
        return 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The undisturbed run."""
    folder = tmp_path_factory.mktemp("whole")
    status, _, err = command(folder, *LONG)
    assert status == 0, err
    return folder / "results" / "sweep.zarr"


def test_command__one_point_of_the_defaults_and_again(tmp_path):
    status, out, err = command(tmp_path, *SMALL)
    assert status == 0, err
    assert "results/single.zarr: complete" in out
    ds = open_results(tmp_path / "results" / "single.zarr")
    assert ds.attrs["title"] == "single"
    assert ds.sizes["point"] == 1
    assert sorted(p.name for p in (tmp_path / "results").iterdir()) == ["single.csv", "single.png", "single.zarr"]
    status, out, err = command(tmp_path, *SMALL)
    assert (status, err) == (0, "")
    assert "nothing to do" in out


def test_command__plan_writes_nothing(tmp_path):
    status, out, err = command(tmp_path, "+experiment=sweep", "plan=true")
    assert status == 0, err
    for word in ("points", "alliances", "blocks", "estimate", "results/sweep.zarr"):
        assert word in out
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["+experiment=sweeep"], ["sweeep", "Did you mean sweep?"]),
        (["populaton.partners=3"], ["populaton.partners", "Did you mean population.partners?"]),
        (["population.partners=33"], ["population.partners = 33", "[2, 32]"]),
        (["response.theory_mix=larson1998"], ["larson1998", "Did you mean larsson1998?"]),
        (
            ["design=factorial", "design.factors.t={path: context.trst.mean, levels: [0]}"],
            ["Did you mean context.trust.mean?"],
        ),
        (["context.trust.mean=nan"], ["context.trust.mean = nan", "[0, 1]"]),
        (["output.path=taken.zarr"], ["taken.zarr", "file"]),
        (["output.path=taken.zarr/below.zarr"], ["taken.zarr", "file"]),
        (["population.alliances=9223372036854775807"], ["2^63"]),
        (["--multirun", "population.partners=2,99"], ["99", "[2, 32]"]),
        (["population.partners="], ["population.partners"]),
        (["compute=quantum"], ["compute = quantum", "threads"]),
    ],
)  # fmt: skip
def test_command__bad_input_is_one_message_status_2_and_nothing_written(tmp_path, words, parts):
    (tmp_path / "taken.zarr").write_text("mine")
    status, out, err = command(tmp_path, *words)
    assert status == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1, err
    assert "Traceback" not in err + out
    for part in parts:
        assert part in err
    assert os.listdir(tmp_path) == ["taken.zarr"]


def test_command__another_config_is_refused_and_overwrite_replaces(tmp_path):
    assert command(tmp_path, *SMALL)[0] == 0
    status, _, err = command(tmp_path, *SMALL, "random.seed=2")
    assert status == 2
    assert "random.seed: 1 in the store, 2 in this run" in err
    assert command(tmp_path, *SMALL, "random.seed=2", "output.overwrite=true")[0] == 0
    assert open_results(tmp_path / "results" / "single.zarr").attrs["seed"] == 2


def test_command__multirun_makes_one_store_a_job(tmp_path):
    status, _, err = command(tmp_path, "-m", "random.seed=1,2", *SMALL, "output.report=false")
    assert status == 0, err
    names = sorted(p.name for p in (tmp_path / "results").iterdir())
    assert len(names) == 2
    assert "random.seed=1" in names[0]
    assert "random.seed=2" in names[1]


def test_command__help_and_config_as_hydra_has_them(tmp_path):
    status, out, _ = command(tmp_path, "--help")
    assert status == 0
    for word in (
        "sweep",
        "Where does trust save an alliance",
        "population.partners",
        "context.trust.mean",
        "[2, 32]",
        "130",
    ):
        assert word in out
    status, out, _ = command(tmp_path, "+experiment=sweep", "--cfg", "job")
    assert status == 0
    assert "path: context.trust.mean" in out
    assert os.listdir(tmp_path) == []


def test_command__info_says_what_a_store_holds(whole):
    done = subprocess.run([sys.executable, "-m", "sim.info", str(whole)], capture_output=True, text=True, check=True)
    for word in (
        "24, all finished",
        "40,000 a point",
        "100, 101 recorded",
        "0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9",
        "numba",
        "sweep",
    ):
        assert word in done.stdout
    nothing = subprocess.run([sys.executable, "-m", "sim.info", str(whole.parent)], capture_output=True, text=True)
    assert nothing.returncode == 2
    assert nothing.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command__a_signal_keeps_finished_points_and_exits_130(tmp_path, whole, number):
    process = start(tmp_path, *LONG)
    path = tmp_path / "results" / "sweep.zarr"
    while finished(path) < 2 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.fail("the run ended before the signal; make it longer")
    assert process.returncode == 130
    assert "Traceback" not in err
    before = labelled(path)
    assert 2 <= before.done.sum() < 24
    status, _, err = command(tmp_path, *LONG)
    assert status == 0, err
    xr.testing.assert_identical(labelled(path), labelled(whole))


@pytest.mark.parametrize("moment", [0, 6])
def test_command__kill_9_and_resume_gives_the_same_bits(tmp_path, whole, moment):
    """Killed once `moment` points are finished, then, resumed, killed again later; the third start completes."""
    path = tmp_path / "results" / "sweep.zarr"
    for more in (moment, moment + 2):
        process = start(tmp_path, *LONG)
        while finished(path) < min(more, 23) and process.poll() is None:
            time.sleep(0.02)
        process.kill()
        process.communicate(timeout=60)
    status, _, err = command(tmp_path, *LONG)
    assert status == 0, err
    xr.testing.assert_identical(labelled(path), labelled(whole))
    assert [p.name for p in path.parent.iterdir()] == ["sweep.zarr"]


def test_command__kill_9_during_an_extension_keeps_the_finished_points(tmp_path, whole):
    path = tmp_path / "results" / "sweep.zarr"
    first = [*LONG, "design.factors.trust.levels=[0.2,0.3]"]
    assert command(tmp_path, *first)[0] == 0
    before = labelled(path)
    process = start(tmp_path, *LONG)
    aside = path.with_name(".sweep.zarr.extending")
    while finished(aside) < 8 and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=60)
    after = labelled(path)
    xr.testing.assert_identical(after.isel(point=slice(0, 6)), before)
    assert command(tmp_path, *LONG)[0] == 0
    xr.testing.assert_identical(open_results(path).load().drop_attrs(), open_results(whole).load().drop_attrs())


def test_import__is_light():
    code = "import sim, sys; print(sorted({'numba', 'numpy', 'xarray', 'zarr', 'dask', 'hydra'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_command__two_runs_on_one_store_at_once_leave_the_right_bits(tmp_path, whole):
    """An extension of a store, twice at once: one of them is refused, or waits its turn by chance; none spoils the other."""
    path = tmp_path / "results" / "sweep.zarr"
    first = [*LONG, "population.alliances=2000"]
    assert command(tmp_path, *first)[0] == 0
    one, two = start(tmp_path, *LONG), start(tmp_path, *LONG)
    said = [process.communicate(timeout=120) for process in (one, two)]
    statuses = sorted([one.returncode, two.returncode])
    assert statuses in ([0, 0], [0, 2]), said
    if statuses == [0, 2]:
        assert any("another run is writing this store" in err for _, err in said)
    xr.testing.assert_identical(labelled(path), labelled(whole))


def test_command__a_link_to_a_store_is_the_store(tmp_path):
    assert command(tmp_path, *SMALL, "output.path=real.zarr", "output.report=false")[0] == 0
    (tmp_path / "link.zarr").symlink_to("real.zarr")
    more = [*SMALL, "population.alliances=500", "output.report=false"]
    assert command(tmp_path, *more, "output.path=link.zarr")[0] == 0
    assert (tmp_path / "link.zarr").is_symlink()
    assert int(labelled(tmp_path / "real.zarr").alliances[0]) == 500


def test_command__multirun_with_plan_writes_nothing(tmp_path):
    status, out, err = command(tmp_path, "-m", "+experiment=sweep", "random.seed=1,2", "plan=true")
    assert status == 0, err
    assert "[2 of 2]" in out
    assert os.listdir(tmp_path) == []


def test_command__a_report_left_out_is_written_later_and_foreign_files_stay(tmp_path):
    assert command(tmp_path, *SMALL, "output.path=data.zarr", "output.report=false")[0] == 0
    status, out, _ = command(tmp_path, *SMALL, "output.path=data.zarr")
    assert status == 0
    assert "wrote data.png" in out
    (tmp_path / "mine.csv").write_text("hello")
    status, out, _ = command(tmp_path, *SMALL, "output.path=mine.zarr")
    assert status == 0
    assert "mine.csv is there already" in out
    assert (tmp_path / "mine.csv").read_text() == "hello"
