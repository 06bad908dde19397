"""Whatever dies, finished work is kept and the answer has the same bits; docs/faults.md has the table."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from conftest import base_config
from life import assert_same, labelled
from life import fill as perform

from sim import (
    blocks,
    chunks,
    creation,
    executor,
    extension,
    info,
    integrity,
    opening,
    place,
    replay,
    run,
    solving,
    store,
    survey,
)
from sim.api import open_results
from sim.design import ConfigError
from sim.schema import Config

FACTORS = {
    "trust": {"path": "context.trust.mean", "levels": [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]},
    "partners": {"path": "population.partners", "levels": [2, 3]},
}
#: Points that share a chunk.
TOGETHER = 4


def sweep(levels: int = 4, **overrides) -> Config:
    factors = {**FACTORS, "trust": {**FACTORS["trust"], "levels": FACTORS["trust"]["levels"][:levels]}}
    defaults = {"population__alliances": 700, "population__periods": 10, "output__report": False}
    return Config.model_validate(base_config(design__kind="factorial", design__factors=factors, **{**defaults, **overrides}))


@pytest.fixture(autouse=True)
def few_points_share_a_chunk(monkeypatch):
    monkeypatch.setattr("sim.plan.points_per_chunk", lambda points, size, config: min(TOGETHER, len(points)))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "whole.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sim.plan.points_per_chunk", lambda points, size, config: TOGETHER)
        perform(sweep(), path)
    return path


@pytest.fixture
def copy(made, tmp_path):
    path = tmp_path / "copy.zarr"
    shutil.copytree(made, path)
    return path


def contents(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def flip(file: Path, bit: int) -> None:
    data = bytearray(file.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    file.write_bytes(data)


# ---------------------------------------------------------------- chunks that are not as they were written


DAMAGES = {
    "missing": lambda file: file.unlink(),
    "empty": lambda file: file.write_bytes(b""),
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "header_cut": lambda file: file.write_bytes(file.read_bytes()[:7]),
    "too_long": lambda file: file.write_bytes(file.read_bytes() + b"x"),
    "zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
}


@pytest.mark.parametrize("array", ["survival", "alliances", "regime_share_se", "tally/by_period", "tally/by_run_high"])
@pytest.mark.parametrize("kind", DAMAGES)
def test_damage__seen_at_the_start_and_only_its_points_computed_again(made, copy, capsys, array, kind):
    file = copy / array / chunks.file_of(opening.read(copy).arrays[array], 1)
    DAMAGES[kind](file)
    before = contents(copy)
    found = survey.survey(sweep(), copy)
    assert [task.index for task in found.tasks] == [4, 5, 6, 7]
    assert all(task.start == 0 for task in found.tasks)
    assert contents(copy) == before, "a survey writes nothing"
    perform(sweep(), copy)
    said = capsys.readouterr().err
    assert said.count("is damaged") == 1
    assert f"{array} chunk 1: " in said
    assert "4 points (4, 5, 6, ...) are to be computed again" in said
    assert_same(made, copy)
    after = contents(copy)
    same = {name for name in before if before[name] == after.get(name)}
    assert {name for name in before if Path(name).name.split(".")[0] == "0" and "done" not in name} <= same
    assert perform(sweep(), copy) is None


def test_damage__any_flipped_bit_is_found_by_whoever_reads(made, tmp_path):
    """The checksum misses a random change with 2^-32; a single flipped bit never."""
    chance = random.Random(1)
    names = [n for n, a in opening.read(made).arrays.items() if a.size]
    original = opening.read(made)
    harmless = 0
    for _ in range(300):
        name = chance.choice(names)
        file = chance.choice([p for p in (made / name).iterdir() if p.name[0].isdigit()])
        number = int(file.name.split(".")[0])
        data = bytearray(file.read_bytes())
        bit = chance.randrange(len(data) * 8)
        data[bit // 8] ^= 1 << bit % 8
        try:
            found = chunks.decoded(original.arrays[name], bytes(data))
        except chunks.UNREADABLE:
            continue
        # In a byte of the header or of padding that decides nothing.
        assert found.tobytes() == chunks.read(made / name, original.arrays[name], number).tobytes()
        harmless += 1
    assert harmless < 100


def test_damage__plain_readers_notice_a_flipped_bit(copy):
    file = copy / "survival" / "1.0"
    flip(file, 8 * (file.stat().st_size - 20))
    with pytest.raises(RuntimeError):
        xr.open_zarr(copy).survival.load()


def test_check__says_what_is_damaged_and_the_next_run_mends_it(made, copy, capsys):
    assert info.main([str(copy), "--check"]) == 0
    assert "is sound" in capsys.readouterr().out
    file = copy / "survival" / "1.0"
    flip(file, 8 * (file.stat().st_size - 20))
    (copy / "learning" / "0.0").unlink()
    for _ in range(2):
        assert info.main([str(copy), "--check"]) == 1
        said = capsys.readouterr().out
        assert "survival chunk 1: " in said
        assert "learning chunk 0: missing" in said
        assert "finished points touched: 0-7;" in said
    assert [task.index for task in survey.survey(sweep(), copy).tasks] == list(range(8))
    perform(sweep(), copy)
    assert_same(made, copy)
    assert info.main([str(copy), "--check"]) == 0
    assert not (copy / integrity.FOUND).exists()


def test_check__an_old_note_harms_nothing(made, copy):
    integrity.note(opening.read(copy), [integrity.Damage("survival", 1, "was so once")])
    assert not survey.survey(sweep(), copy).tasks
    (copy / integrity.FOUND).write_text("{")
    assert not survey.survey(sweep(), copy).tasks


def test_check__other_things_that_are_damaged(copy, capsys):
    (copy / ".zmetadata").write_text('{"metadata": ')
    flip(copy / "trust" / "0", 200)
    assert info.main([str(copy), "--check"]) == 1
    said = capsys.readouterr().out
    assert ".zmetadata: " in said
    assert "trust: " in said


def test_run__a_flipped_bit_met_on_the_way_is_mended(copy, tmp_path, capsys):
    """An extension reads what it copies; the command sees to it and goes on."""
    once = tmp_path / "once.zarr"
    bigger = sweep(levels=6, population__alliances=900)
    flip(copy / "tally" / "by_period" / "1.0.0.0", 8 * 700)
    assert run.run(bigger, copy, "test", "") == run.COMPLETE
    said = capsys.readouterr().err
    assert said.count("is damaged") == 1
    assert "tally/by_period chunk 1" in said
    assert run.run(bigger, once, "test", "") == run.COMPLETE
    xr.testing.assert_identical(open_results(copy).load().drop_attrs(), open_results(once).load().drop_attrs())
    assert sorted(os.listdir(tmp_path)) == ["copy.zarr", "once.zarr"]


def test_run__a_chunk_partly_finished_and_flipped_is_mended(made, tmp_path, capsys):
    path = tmp_path / "part.zarr"
    perform(sweep(compute__block_seconds=0.01), path, stop_after=2)
    done = opening.read(path).done
    assert 0 < done[:TOGETHER].sum() < TOGETHER
    flip(path / "survival" / "0.0", 8 * 60)
    assert run.run(sweep(), path, "test", "") == run.COMPLETE
    assert "survival chunk 0" in capsys.readouterr().err
    assert_same(made, path)


def test_done__a_second_mark_stands_in_for_one_that_cannot_be_read(made, copy):
    for kind in ("missing", "cut", "zeros"):
        DAMAGES[kind](copy / "done" / "0")
        assert opening.read(copy).done.all()
        assert not survey.survey(sweep(), copy).tasks
        opening.read(copy, "r+").mark([0])
        assert_same(made, copy)
    (copy / "tally" / "done" / "0").write_bytes(b"xx")
    assert not survey.survey(sweep(), copy).tasks


def test_done__a_death_between_the_two_marks_leaves_them_the_same_in_the_end(tmp_path, monkeypatch):
    once, path, put, marks = tmp_path / "once.zarr", tmp_path / "s.zarr", chunks.put, []
    config = sweep(levels=TOGETHER // 2)
    perform(config, once)

    def dying(folder, *rest, **more):
        marks.extend([folder] * (folder.name == "done"))
        if len(marks) == 2:
            raise OSError("dead")
        put(folder, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(chunks, "put", dying)
        with pytest.raises(OSError, match="dead"):
            perform(config, path)
    assert perform(config, path).finished == TOGETHER
    assert_same(once, path)


def test_lock__the_file_of_a_dead_run_is_taken_away_also_when_nothing_is_left_to_do(made, tmp_path):
    path, lock = tmp_path / "s.zarr", tmp_path / ".s.zarr.lock"
    shutil.copytree(made, path)
    lock.touch()
    assert run.run(sweep(plan=True), path, "test", "") == run.COMPLETE
    assert lock.exists()
    with place.lock(path):
        assert run.run(sweep(), path, "test", "") == run.COMPLETE
        assert lock.exists()
    lock.touch()
    assert run.run(sweep(), path, "test", "") == run.COMPLETE
    assert not lock.exists()


@pytest.mark.parametrize("name", ["alliances/0", "survival/0.0", "done/0", "trust/0", "period/0", "efficiency_n"])
def test_open__what_is_gone_is_not_served_as_zeros(copy, name):
    shutil.rmtree(copy / name) if (copy / name).is_dir() else (copy / name).unlink()
    with pytest.raises(ConfigError, match="damaged"):
        open_results(copy)
    if name == "done/0":
        assert run.run(sweep(), copy, "test", "") == run.COMPLETE
        assert open_results(copy).done.values.all()


@pytest.mark.parametrize("file", ["survival/.zarray", "tally/by_period/.zarray", ".zmetadata"])
def test_open__another_order_of_bytes_is_refused(copy, file, capsys):
    """One bit of the text, and every number is another."""
    text = (copy / file).read_text()
    (copy / file).write_text(text.replace('"<', '">', 1))
    for work in (lambda: open_results(copy), lambda: run.run(sweep(population__alliances=900), copy, "test", "")):
        with pytest.raises(ConfigError, match="damaged"):
            work()


def test_metadata__what_no_run_can_mend_is_one_message(made, tmp_path, capsys):
    for name in ("trust/0", "survival/.zarray", "tally/.zgroup", ".zattrs", "tally/period/0"):
        path = tmp_path / name.replace("/", "_")
        shutil.copytree(made, path)
        (path / name).write_bytes(b"xx")
        before = contents(path)
        assert run.guarded(lambda path=path: run.run(sweep(), path, "test", "")) == run.BAD_INPUT
        said = capsys.readouterr().err
        assert said.count("\n") == 1, said
        assert contents(path) == before


# ---------------------------------------------------------------- power


def test_sync__a_mark_comes_after_what_it_vouches_for(tmp_path, monkeypatch):
    told: list[tuple[str, bool]] = []
    put, sync = chunks.put, chunks.sync

    def noted(folder, array, number, content, durable=False):
        told.append((folder.name, durable))
        put(folder, array, number, content, durable)

    monkeypatch.setattr(chunks, "put", noted)
    monkeypatch.setattr(chunks, "sync", lambda path: (told.append(("sync", True)), sync(path)))
    perform(sweep(), tmp_path / "s.zarr")
    waiting = 0
    for name, durable in told:
        if name == "sync":
            waiting = 0
        elif name == "done":
            assert waiting == 0
            assert durable
        else:
            waiting += 1
    assert told[-1] == ("sync", True)
    assert [name for name, _ in told].count("done") == 4


def test_sync__marks_that_wait_for_the_disk_are_written_together(copy, monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    calls = []
    monkeypatch.setattr(chunks, "sync", lambda path: (calls.append(1), time.sleep(0.2)))
    opened = opening.read(copy, "r+")
    opened.withdraw(range(8))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda k: opened.mark([k]), range(8)))
    assert opened.done.all()
    assert len(calls) <= 4


def test_sync__a_disk_that_fails_is_an_error(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        chunks.sync(tmp_path / "nowhere")


# ---------------------------------------------------------------- blocks that fail


def failing(real, trust: float, times: list[int]):
    def fails(arguments, *rest):
        if arguments.point["trust"] == np.float32(trust) and arguments.point["partners"] == 3:
            times.append(1)
            raise ZeroDivisionError("on\npurpose")
        return real(arguments, *rest)

    return fails


@pytest.mark.parametrize("kind", ["serial", "threads"])
@pytest.mark.parametrize("precision", ["fixed", "target"])
def test_block__that_raises_takes_no_neighbour_with_it(tmp_path, monkeypatch, capsys, kind, precision):
    config = sweep(
        compute__kind=kind, precision__kind=precision, precision__standard_error=0.05, precision__max_alliances=5000,
        compute__block_seconds=100.0,
    )  # fmt: skip
    path, other = tmp_path / "s.zarr", tmp_path / "other.zarr"
    times: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(blocks, "_summed", failing(blocks._summed, 0.4, times))
        for _ in range(2):
            result = perform(config, path)
            assert len(result.failures) == 1
            text = result.failures[0]
            assert text.startswith("point 5 (trust=0.4, partners=3), seed 1, alliances ")
            assert text.endswith("ZeroDivisionError: on purpose")
            assert opening.read(path).done.tolist() == [1, 1, 1, 1, 1, 0, 1, 1]
        assert [task.index for task in survey.survey(config, path).tasks] == [5]
    perform(config, path)
    perform(config, other)
    assert_same(other, path)


def test_block__exact_points_fail_one_by_one(tmp_path, monkeypatch):
    config = sweep(method="exact", context__kind="static")
    path, other = tmp_path / "s.zarr", tmp_path / "other.zarr"
    real = solving.solve

    def fails(batch):
        if 5 in batch.indices:
            raise ZeroDivisionError("on purpose")
        return real(batch)

    with monkeypatch.context() as patch:
        patch.setattr(executor, "solve", fails)
        result = perform(config, path)
    assert result.failures == ["point 5 (trust=0.4, partners=3), solved exactly: ZeroDivisionError: on purpose"]
    assert opening.read(path).done.tolist() == [1, 1, 1, 1, 1, 0, 1, 1]
    perform(config, path)
    perform(config, other)
    # What is solved together with others may differ from what is solved alone in the last digit.
    xr.testing.assert_allclose(labelled(other), labelled(path), rtol=1e-12)


# ---------------------------------------------------------------- places and formats


def test_place__a_folder_that_vanishes_is_one_message(tmp_path, monkeypatch, capsys):
    path = tmp_path / "folder" / "s.zarr"
    real = store.Store.write

    def vanishes(self, *rest):
        shutil.rmtree(path.parent, ignore_errors=True)
        real(self, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(store.Store, "write", vanishes)
        assert run.guarded(lambda: run.run(sweep(), path, "test", "")) == run.FAILED
    assert capsys.readouterr().err.count("\n") == 1
    assert not path.exists()
    assert run.run(sweep(), path, "test", "") == run.COMPLETE


def test_note__does_not_bring_back_a_store_that_is_gone(copy):
    opened = opening.read(copy, "r+")
    shutil.rmtree(copy)
    with pytest.raises(FileNotFoundError):
        opened.note()
    assert not copy.exists()


def test_disk__a_store_gone_on_with_needs_room_for_the_rest_alone(copy, monkeypatch):
    opening.read(copy, "r+").withdraw([7])
    size = survey.survey(sweep(), copy).size
    free = shutil.disk_usage(copy)._replace(free=size // 2)
    monkeypatch.setattr(shutil, "disk_usage", lambda where: free)
    assert len(survey.survey(sweep(), copy).tasks) == 1


def of_format_2(path: Path, config: Config) -> None:
    """A store as format 2 had it: no checksums, no second mark, no chunk of fill written by the library."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(creation, "_CHECKED", None)
        perform(config, path)
    shutil.rmtree(path / "tally" / "done")
    attrs = json.loads((path / ".zattrs").read_text())
    (path / ".zattrs").write_text(json.dumps({**attrs, "store_version": 2}))
    import zarr

    zarr.consolidate_metadata(str(path), zarr_format=2)


def test_format_2__is_read_checked_gone_on_with_and_extended(made, tmp_path, capsys):
    path, once = tmp_path / "old.zarr", tmp_path / "once.zarr"
    of_format_2(path, sweep(compute__block_seconds=0.02))
    xr.testing.assert_identical(labelled(path), labelled(made))
    assert open_results(path).sizes["trust"] == 4
    assert info.main([str(path)]) == 0
    assert "store format 2" in capsys.readouterr().out
    assert info.main([str(path), "--check"]) == 0
    assert replay.main([str(path), "point=3", "alliance=5"]) == 0
    assert perform(sweep(), path) is None
    opening.read(path, "r+").withdraw([1, 2, 5])
    perform(sweep(), path)
    xr.testing.assert_identical(labelled(path), labelled(made))
    assert opening.read(path).attrs["store_version"] == 2
    (path / "survival" / "1.0").write_bytes((path / "survival" / "1.0").read_bytes()[:-3])
    assert [task.index for task in survey.survey(sweep(), path).tasks] == [4, 5, 6, 7]
    perform(sweep(), path)
    xr.testing.assert_identical(labelled(path), labelled(made))
    bigger = sweep(levels=5, population__alliances=900)
    perform(bigger, path)
    perform(bigger, once)
    xr.testing.assert_identical(open_results(path).load().drop_attrs(), open_results(once).load().drop_attrs())
    assert opening.read(path).attrs["store_version"] == 3


@pytest.mark.parametrize("version", [1, 4])
def test_format__others_are_refused_in_one_message_by_everyone(copy, capsys, version):
    attrs = json.loads((copy / ".zattrs").read_text())
    (copy / ".zattrs").write_text(json.dumps({**attrs, "store_version": version}))
    said = f"store format {version}; this version reads formats 2 and 3"
    for command in (info.main, replay.main):
        assert command([str(copy)]) == 2
        assert said in capsys.readouterr().err
    for call in (lambda: open_results(copy), lambda: survey.survey(sweep(), copy)):
        with pytest.raises(ConfigError, match=said):
            call()


# ---------------------------------------------------------------- processes that die

COMMON = ["output.report=false", "output.path=s.zarr"]
SWEEP = [
    "design=factorial",
    "design.factors.trust={path: context.trust.mean, levels: [0.2,0.3,0.4,0.5,0.6,0.7]}",
    "population.alliances=60000",
]
QUICK = {"compute__block_seconds": 0.01, "population__alliances": 20000}
#: What a store holds before, if anything, and the run that is killed: each about a second of work.
KINDS = {
    "run": (None, lambda **more: sweep(levels=8, **QUICK, **more)),
    "extension": (sweep(levels=3, population__alliances=500), lambda **more: sweep(levels=8, **QUICK, **more)),
    "target": (
        None,
        lambda **more: sweep(
            levels=8, precision__kind="target", precision__standard_error=0.002, precision__max_alliances=10**6,
            compute__block_seconds=0.01, **more,
        ),
    ),
    "exact": (
        None,
        lambda **more: sweep(levels=8, method="exact", context__kind="static", population__periods=300, **more),
    ),
}  # fmt: skip


def forked(config: Config, path: Path) -> int:
    """The run command in a process of its own, everything loaded and compiled; its number."""
    child = os.fork()
    if child:
        return child
    status = 99
    try:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        status = run.guarded(lambda: run.run(config, path, "test", ""))
    finally:
        os._exit(status)


def ended(child: int, within: float) -> int | None:
    """Exit status of a process that ends in time; negative: the signal it died of."""
    until = time.monotonic() + within
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            return None
        time.sleep(0.002)


def points(path: Path) -> dict[tuple[float, ...], xr.Dataset]:
    """Finished points by their levels."""
    ds = xr.open_zarr(path).load().drop_attrs()
    labels = json.loads(opening.read(path).attrs["factors"])
    here = np.flatnonzero(ds.done.values)
    return {tuple(float(ds[n][k]) for n in labels): ds.isel(point=k) for k in here}


def assert_none_altered(path: Path, *references: dict[tuple[float, ...], xr.Dataset]) -> None:
    """Every finished point has the bits of one of the references."""
    for levels, found in points(path).items():
        known = [r[levels] for r in references if levels in r]
        assert any(found.equals(each) for each in known), f"{levels} was altered"


def there(path: Path) -> bool:
    return path.exists() or any(sibling.exists() for sibling in place.siblings(path))


def prepared(folder: Path, kind: str, **more) -> tuple[Config, Path, float, list[dict[tuple[float, ...], xr.Dataset]]]:
    """The run to be killed, the store it begins with, if any, how long it takes, and what may be in a store."""
    before, config = KINDS[kind][0], KINDS[kind][1](**more)
    base, once = folder / "base.zarr", folder / "once.zarr"
    for _ in range(2):
        shutil.rmtree(once, ignore_errors=True)
        began = time.monotonic()
        perform(config, once, rate=1e8)
        took = time.monotonic() - began
    references = [points(once)]
    if before is not None:
        perform(before, base)
        references.append(points(base))
    return config, base, took, references


def kill_and_go_on(folder: Path, kind: str, kills: int, **more) -> None:
    """Runs killed at random moments, gone on with until they end, and begun again, for so many kills."""
    chance = random.Random(kind)
    config, base, took, references = prepared(folder, kind, **more)
    once = folder / "once.zarr"
    done = again = 0
    while done < kills:
        again += 1
        here = folder / f"try{again}"
        here.mkdir()
        path = here / "s.zarr"
        held: set[tuple[float, ...]] = set()
        if base.exists():
            shutil.copytree(base, path)
            held = set(references[-1])
        status = None
        while status is None and done < kills:
            child = forked(config, path)
            status = ended(child, chance.uniform(0.0, 0.9) * took)
            if status is not None:
                break
            os.kill(child, signal.SIGKILL)
            status = ended(child, 60)
            if status == 0:
                # It was done before the signal came.
                break
            assert status == -signal.SIGKILL
            status = None
            done += 1
            if path.exists():
                assert_none_altered(path, *references)
                assert held <= set(points(path)), "a finished point was lost"
                held = set(points(path))
        assert run.run(config, path, "test", "") == run.COMPLETE
        found, wanted = open_results(path).load().drop_attrs(), open_results(once).load().drop_attrs()
        xr.testing.assert_identical(found, wanted)
        if not base.exists():
            assert_same(path, once)
        assert info.main([str(path), "--check"]) == 0
        assert os.listdir(here) == ["s.zarr"]
        shutil.rmtree(here)


forks = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


def test_recover__a_chunk_gone_while_an_extension_lies_interrupted_is_not_taken_for_zeros(made, copy, monkeypatch, capsys):
    larger = sweep(population__alliances=900, compute__block_seconds=0.01)

    def dead(*stores):
        raise OSError("dead")

    with monkeypatch.context() as patched:
        patched.setattr(extension, "settle", dead)
        with pytest.raises(OSError, match="dead"):
            perform(larger, copy, stop_after=1)
    assert place.siblings(copy)[1].exists()
    for name in ("survival/0.0", "tally/by_period/0.0.0.0"):
        (copy / name).unlink()
    assert run.run(sweep(), copy, "test", "") == run.COMPLETE
    assert "are to be computed again" in capsys.readouterr().err
    assert not integrity.bits(opening.read(copy))
    assert run.run(larger, copy, "test", "") == run.COMPLETE
    whole = copy.with_name("whole.zarr")
    perform(larger, whole)
    assert_same(whole, copy)


@forks
@pytest.mark.parametrize("kind", KINDS)
def test_kill__of_the_driver_at_random_moments(tmp_path, kind):
    kill_and_go_on(tmp_path, kind, 2)


@forks
@pytest.mark.slow
@pytest.mark.parametrize("compute", ["serial", "threads"])
@pytest.mark.parametrize("kind", KINDS)
def test_kill__of_the_driver_at_random_moments_many_times(tmp_path, kind, compute):
    """8 x 25 kills."""
    kill_and_go_on(tmp_path, kind, 25, compute__kind=compute)


def start(folder: Path, *words: str, code: str = "", **environment: str) -> subprocess.Popen[str]:
    how = ["-c", code] if code else ["-m", "sim.run"]
    return subprocess.Popen(
        [sys.executable, *how, *COMMON, *words], cwd=folder, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **environment},
    )  # fmt: skip


def command(folder: Path, *words: str) -> tuple[int, str, str]:
    process = start(folder, *words)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Worker processes of a driver: its children that run code of their own."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            line = (folder / "cmdline").read_text()
        except (OSError, IndexError):
            continue
        if parent == process.pid and "spawn_main" in line:
            found.append(int(folder.name))
    return found


@pytest.mark.slow
def test_kill__of_worker_processes_is_nothing_to_the_run(tmp_path):
    words = [*SWEEP, "population.alliances=200000", "compute=processes", "compute.workers=2", "compute.block_seconds=0.05"]
    (tmp_path / "once").mkdir()
    assert command(tmp_path / "once", *words)[0] == 0
    kills = 0
    for k in range(3):
        here = tmp_path / f"try{k}"
        here.mkdir()
        process = start(here, *words)
        while not (here / "s.zarr").exists() and process.poll() is None:
            time.sleep(0.05)
        for _ in range(2):
            time.sleep(0.3 * k)
            for worker in workers_of(process)[:1]:
                os.kill(worker, signal.SIGKILL)
                kills += 1
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert_same(here / "s.zarr", tmp_path / "once" / "s.zarr")
    assert kills >= 3


DEADLY = """
import os, signal
import numpy as np
from sim import blocks
# Workers load this twice.
real = blocks._real = getattr(blocks, "_real", blocks._summed)
def dies(arguments, *rest):
    if arguments.point["trust"] == np.float32(0.4):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(arguments, *rest)
blocks._summed = dies
"""


@pytest.mark.slow
def test_kill__a_point_that_always_kills_its_worker_is_reported_and_the_rest_goes_on(tmp_path):
    """As one does that needs more memory than there is."""
    (tmp_path / "deadly.py").write_text(DEADLY)
    words = [
        *SWEEP, "compute=processes", "compute.workers=2", "population.alliances=5000",
    ]  # fmt: skip
    preload = {"DASK_DISTRIBUTED__WORKER__PRELOAD": str(tmp_path / "deadly.py")}
    process = start(tmp_path, *words, **preload)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert (
        "failed: point 2 (trust=0.4), seed 1, alliances 0 to 4999: RuntimeError: the workers that were given it died" in err
    )
    assert err.count("failed: point") == 1
    assert opening.read(tmp_path / "s.zarr").done.tolist() == [1, 1, 0, 1, 1, 1]
    status, out, err = command(tmp_path, *words)
    assert status == 0, err
    assert "1 of 1 points" in out


def test_kill__leaves_no_lock_behind(tmp_path):
    words = [*SWEEP, "population.alliances=500000"]
    process = start(tmp_path, *words)
    while not (tmp_path / ".s.zarr.lock").exists() and process.poll() is None:
        time.sleep(0.02)
    status, _, err = command(tmp_path, *words)
    assert status == 2
    assert "another run is writing this store" in err
    process.kill()
    process.communicate(timeout=60)
    status, _, err = command(tmp_path, *words)
    assert status == 0, err


@forks
@pytest.mark.parametrize(
    ("number", "kind"),
    [(signal.SIGINT, "run"), (signal.SIGTERM, "run"), (signal.SIGINT, "target"), (signal.SIGTERM, "exact")],
)
def test_signal__the_block_at_hand_is_finished_and_the_rest_is_for_later(tmp_path, kind, number):
    config, _, _, references = prepared(tmp_path, kind)
    path = tmp_path / "s.zarr"
    child = forked(config, path)
    while not path.exists():
        time.sleep(0.002)
    os.kill(child, number)
    status = ended(child, 20)
    assert status in (0, 130), "within seconds"
    assert_none_altered(path, *references)
    assert run.run(config, path, "test", "") == run.COMPLETE
    assert_same(path, tmp_path / "once.zarr")


# ---------------------------------------------------------------- disks, for those who may mount


def mounted(*words: str) -> bool:
    return subprocess.run(["mount", *words], capture_output=True).returncode == 0


def test_disk__full_and_then_with_room_again(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or not mounted("-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(folder)):
        pytest.skip("mounting a small disk needs root")
    try:
        words = [
            *SWEEP,
            "population.alliances=20000",
            "design.factors.partners={path: population.partners, levels: [2,3,4,5]}",
        ]
        other = tmp_path / "other"
        other.mkdir()
        assert command(other, *words)[0] == 0
        # The estimate of what is needed is not to be what stops it.
        (folder / "filler").write_bytes(bytes(200_000))
        code = (
            "import sys; from sim import survey; survey._check_disk = lambda found: None;"
            "from sim.run import main; sys.exit(main())"
        )
        process = start(folder, *words, code=code)
        _, err = process.communicate(timeout=300)
        assert process.returncode == 1, err
        said = [line for line in err.splitlines() if not line.startswith("  ")]
        assert len(said) == 1
        assert "No space left on device" in said[0]
        if (folder / "s.zarr").exists():
            assert_none_altered(folder / "s.zarr", points(other / "s.zarr"))
            assert not list((folder / "s.zarr").rglob("*.partial"))
        assert mounted("-o", "remount,size=50m", str(folder))
        status, _, err = command(folder, *words)
        assert status == 0, err
        assert_same(folder / "s.zarr", other / "s.zarr")
        assert mounted("-o", "remount,ro", str(folder))
        status, _, err = command(folder, *words, "population.alliances=30000")
        assert status == 2
        assert "not writable" in err
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@forks
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["run", "extension"])
def test_power__cut_at_random_moments(tmp_path, kind):
    """A disk in a file is copied as it is, while the run goes on: what a machine finds that lost power just then."""
    image, folder, after = tmp_path / "disk", tmp_path / "mounted", tmp_path / "after"
    with open(image, "wb") as file:
        file.truncate(64 * 2**20)
    folder.mkdir()
    after.mkdir()
    made = subprocess.run(["mkfs.ext4", "-q", str(image)], capture_output=True).returncode == 0
    if os.geteuid() != 0 or not made or not mounted("-o", "loop", str(image), str(folder)):
        pytest.skip("mounting a disk needs root")
    chance = random.Random(kind)
    config, base, took, references = prepared(tmp_path, kind)
    path, found, seen = folder / "s.zarr", after / "s.zarr", 0
    try:
        for k in range(40):
            if k >= 8 and seen:
                break
            if base.exists():
                shutil.copytree(base, path)
                chunks.sync(folder)
            child = forked(config, path)
            status = ended(child, chance.uniform(0.2, 1.1) * took)
            cut = tmp_path / f"cut{k}"
            shutil.copyfile(image, cut)
            if status is None:
                os.kill(child, signal.SIGKILL)
                ended(child, 60)
            assert mounted("-o", "loop", str(cut), str(after))
            try:
                if there(found):
                    extension.recover(found)
                assert found.exists() or not base.exists()
                if found.exists():
                    assert not integrity.bits(opening.read(found))
                    assert_none_altered(found, *references)
                    assert not base.exists() or set(references[-1]) <= set(points(found))
                    seen += len(points(found))
            finally:
                subprocess.run(["umount", str(after)], check=True)
            cut.unlink()
            for left in folder.glob("*s.zarr*"):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            for left in folder.glob(".s.zarr*"):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        assert seen, "no run got far enough"
    finally:
        subprocess.run(["umount", str(folder)], check=True)
