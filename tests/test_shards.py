"""Batches dealt to shards, and merged: the same bits as of one run, whatever the number, the order and the way there."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from conftest import base_config
from life import assert_same, fill, labelled

from sim import chunks, gather, info, merge, opening, place, plan, replay, run, shards, store, stored, survey, whole
from sim.api import open_results, simulate
from sim.config import compose
from sim.design import ConfigError, points
from sim.schema import Config

TRUST = (0.0, 0.4, 0.7, 1.0)
TRUST_FACTOR = {"path": "context.trust.mean", "levels": [0.2, 0.8]}


def sweep(trust=TRUST, partners=(2, 3), alliances=2000, **overrides) -> Config:
    factors = {
        "trust": {"path": "context.trust.mean", "levels": list(trust)},
        "partners": {"path": "population.partners", "levels": list(partners)},
    }
    defaults = {"population__alliances": alliances, "population__periods": 9}
    return Config.model_validate(base_config(design__kind="factorial", design__factors=factors, **{**defaults, **overrides}))


def target(**overrides) -> Config:
    return sweep(**{"precision__kind": "target", "precision__standard_error": 0.01, **overrides})


def part(config: Config, k: int, n: int) -> Config:
    return config.model_copy(update={"shard": f"{k}/{n}"})


def deal(config: Config, folder: Path, n: int, stop_after: int | None = None) -> list[Path]:
    """Run every shard, or some of each; their stores."""
    paths = [folder / f"a.shard-{k}-of-{n}.zarr" for k in range(1, n + 1)]
    for k, path in enumerate(paths, 1):
        fill(part(config, k, n), path, stop_after=stop_after)
    return paths


def joined(paths: list[Path], out: Path) -> Path:
    merge.merge(merge.parts_of(paths), out)
    return out


@pytest.fixture
def small_blocks(monkeypatch):
    """Points are cut into blocks of 576 alliances, those of three partners of 1152."""
    monkeypatch.setattr(plan, "dealt_block", lambda point: 576 * (point.parameters.population.partners - 1))


# Dealing.


@pytest.mark.parametrize("n", [*range(1, 40), 97, 100, 128, 999])
def test_deal__each_block_belongs_to_one_shard_and_each_round_gives_everyone_one(n):
    points_, blocks = 3 * n, 2 * n
    index = np.arange(points_)
    owner = np.zeros((points_, blocks), int)
    for k in range(1, min(n, 40) + 1):
        first = shards.firsts(index, np.ones(points_, int), k, n)
        assert ((first >= 0) & (first < n)).all()
        for i in range(points_):
            owner[i, first[i] :: n] += 1 if owner[i, first[i]] == 0 else 99
        # One of each round of points, and one of every n blocks of a point.
        assert ((first == 0).reshape(3, n).sum(axis=1) == 1).all()
        whole_points = shards.firsts(index, np.zeros(points_, int), k, n)
        np.testing.assert_array_equal(whole_points == 0, first == 0)
    if n <= 40:
        assert (owner == 1).all()


@pytest.mark.parametrize(("n", "levels"), [(2, 2), (3, 3), (10, 10), (100, 10), (100, 3), (7, 7), (12, 4)])
def test_deal__no_shard_gets_one_level_of_a_factor_only(n, levels):
    """Points of one level are dealt to all, within two of an even share, where a plain round robin gives them to few."""
    rounds = 4 * levels
    index = np.arange(rounds * n)
    for k in range(1, n + 1):
        mine = index[shards.firsts(index, np.zeros(index.size, int), k, n) == 0]
        found = np.bincount(mine % levels, minlength=levels)
        assert found.sum() == rounds
        assert abs(found - rounds / levels).max() <= 2


def test_deal__work_is_even():
    for points_, blocks, n in [(1, 40, 40), (50, 50, 100), (1000, 1, 100), (7, 13, 10), (3, 1000, 64)]:
        index = np.arange(points_)
        loads = []
        for k in range(1, n + 1):
            first = shards.firsts(index, np.ones(points_, int), k, n)
            loads.append(int(shards.counts(np.full(points_, blocks), np.ones(points_, int), first, n).sum()))
        assert sum(loads) == points_ * blocks
        assert max(loads) - min(loads) <= 4


def test_share__counts_its_alliances_in_ascending_order_and_more_only_follow():
    for size, n, total in [(5, 3, 47), (7, 1, 30), (4, 4, 16), (10, 7, 9)]:
        seen = []
        for first in range(n):
            share = shards.Share(first, n, size)
            array = np.array
            held = [int(shards.counts(array([a]), array([size]), array([first]), n)[0]) for a in range(total + 1)]
            own = [share.where(number) for number in range(held[-1])]
            assert own == sorted(own)
            assert held == [sum(a < upto for a in own) for upto in range(total + 1)]
            for number, alliance in enumerate(own[:-1]):
                assert (own[number + 1] == alliance + 1) >= (share.left(number) > 1)
            seen += own
        assert sorted(seen) == list(range(total))


def test_deal__does_not_depend_on_workers_block_seconds_or_rates(small_blocks):
    config = part(sweep(alliances=5000), 2, 3)
    found = []
    for overrides in [{}, {"workers": 7, "kind": "threads"}, {"block_seconds": 0.01}, {"block_seconds": 100.0}]:
        other = config.model_copy(update={"compute": config.compute.model_copy(update=overrides)})
        due = survey.survey(other, Path.cwd() / "nowhere.zarr")
        for rate in (1e4, 1e6, 1e12):
            drawn: dict[int, set[int]] = {}
            for group in plan.pack(due.tasks, {t.kind: rate for t in due.tasks}, other, due.chunk):
                for task, start, count in group:
                    drawn.setdefault(task.index, set()).update(range(start, start + count))
            found.append((due.chunk, [t.point.labels for t in due.tasks], drawn))
    assert all(each == found[0] for each in found)
    assert sum(len(v) for v in found[0][2].values()) == sum(t.stop for t in due.tasks)


def test_dealt_block__is_a_multiple_of_the_lanes_and_of_nominal_figures_alone():
    for partners in (2, 3, 5):
        point = points(sweep(partners=[partners]))[0]
        size = plan.dealt_block(point)
        assert size % plan.SPLIT == 0
        assert plan.NOMINAL_RATE * 0.9 < size * partners * 9 <= plan.NOMINAL_RATE


# Merging.

DESIGNS = {
    "mixed": sweep(),
    "ragged": sweep(alliances=4001),
    "few": sweep(trust=[0.5], partners=[3], alliances=1000),
    "target": target(),
    "auto": sweep(method="auto", context__kind="static", alliances=700, population__periods=6, partners=[2, 3]),
    "half_auto": Config.model_validate(
        base_config(
            design__kind="factorial", method="auto", population__alliances=1500, population__periods=6,
            design__factors={"course": {"path": "context.kind", "levels": ["static", "endogenous"]}, "trust": TRUST_FACTOR},
        )
    ),
    "phases": sweep(phases__kind="iyer2002", trust=[0.3, 0.8], alliances=1300),
    "independent": sweep(random__common=False, trust=[0.3, 0.8], output__every=4),
    "few_variables": sweep(output__variables=["learning", "dissolution_time"], trust=[0.3, 0.8]),
    "single": Config.model_validate(base_config(population__alliances=3000, population__periods=9)),
}  # fmt: skip


#: Designs that are dealt in ways of their own.
TELLING = ("mixed", "ragged", "few", "target", "half_auto")


@pytest.mark.parametrize(
    ("design", "n"),
    [
        pytest.param(design, n, marks=[] if n == 3 and design in TELLING else pytest.mark.slow)
        for design in DESIGNS
        for n in (1, 2, 3, 7)
    ],
)
def test_merge__the_same_bits_as_one_run(tmp_path, small_blocks, design, n):
    config = DESIGNS[design]
    fill(config, tmp_path / "once.zarr")
    paths = deal(config, tmp_path, n)
    for path in paths:
        assert (labelled(path).done == 1).all()
    out = joined(paths[::-1], tmp_path / "out.zarr")
    assert_same(tmp_path / "once.zarr", out)
    assert opening.read(out).chunk == opening.read(tmp_path / "once.zarr").chunk
    mine, theirs = (xr.open_zarr(p).attrs for p in (out, tmp_path / "once.zarr"))
    assert {k: mine[k] for k in ("identity", "levels", "theories", "factors", "title", "question", "config")} == {
        k: theirs[k] for k in ("identity", "levels", "theories", "factors", "title", "question", "config")
    }
    assert mine["partner_updates"] == theirs["partner_updates"]
    assert set(mine) == set(theirs)
    assert {k: v.attrs for k, v in xr.open_zarr(out).variables.items()} == {
        k: v.attrs for k, v in xr.open_zarr(tmp_path / "once.zarr").variables.items()
    }
    assert fill(config, out) is None
    assert not any(p.name.startswith(".") for p in tmp_path.iterdir())


def test_merge__points_cut_and_points_kept_whole_share_a_chunk(tmp_path, small_blocks, monkeypatch):
    monkeypatch.setattr(plan, "points_per_chunk", lambda points, size, config: 3)
    config = sweep(alliances=1000)
    fill(config, tmp_path / "once.zarr")
    paths = deal(config, tmp_path, 2)
    held = [opening.read(path).alliances.tolist() for path in paths]
    assert {576, 424, 1000} == {*held[0], *held[1]}
    assert_same(tmp_path / "once.zarr", joined(paths, tmp_path / "out.zarr"))


def test_merge__memory_windows_change_nothing(tmp_path, small_blocks, monkeypatch):
    config = sweep(alliances=500)
    fill(config, tmp_path / "once.zarr")
    paths = deal(config, tmp_path, 3)
    monkeypatch.setattr(gather, "MOST_BYTES", 1)
    assert_same(tmp_path / "once.zarr", joined(paths, tmp_path / "out.zarr"))


@pytest.mark.parametrize("stops", [1, 2])
def test_shard__interrupted_is_told_of_and_resumed(tmp_path, small_blocks, stops):
    config = sweep(alliances=4001, compute__block_seconds=0.01)
    fill(config, tmp_path / "once.zarr")
    paths = deal(config, tmp_path, 2)
    shutil.rmtree(paths[1])
    fill(part(config, 2, 2), paths[1], stop_after=stops)
    with pytest.raises(ConfigError, match=r"shard 2/2 \(.*\) is unfinished: \d of 8 points, \d+ of 22 blocks are left"):
        joined(paths, tmp_path / "out.zarr")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.shard-1-of-2.zarr", "a.shard-2-of-2.zarr", "once.zarr"]
    fill(part(config, 2, 2), paths[1])
    assert fill(part(config, 2, 2), paths[1]) is None
    assert_same(tmp_path / "once.zarr", joined(paths, tmp_path / "out.zarr"))


@pytest.mark.parametrize("n", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 5))])
def test_shard__extended_then_merged(tmp_path, small_blocks, n):
    """More alliances, then more levels; a shard that begins late only misses steps that leave the points alone."""
    small, more = sweep(alliances=1001), sweep(alliances=4001)
    larger = sweep(trust=[*TRUST, 0.9], alliances=4001)
    for config in (small, more, larger):
        fill(config, tmp_path / "once.zarr")
    late = deal(more, tmp_path, n)[-1]
    shutil.move(late, tmp_path / "late")
    for path in tmp_path.glob("a.*"):
        shutil.rmtree(path)
    deal(small, tmp_path, n)
    paths = deal(more, tmp_path, n)
    shutil.rmtree(paths[-1])
    shutil.move(tmp_path / "late", paths[-1])
    deal(larger, tmp_path, n)
    assert fill(part(sweep(trust=[0.4], alliances=10), 1, n), paths[0]) is None
    assert_same(tmp_path / "once.zarr", joined(paths, tmp_path / "out.zarr"))


def test_shard__extended_with_a_target(tmp_path):
    loose, tight = target(precision__standard_error=0.013), target(precision__standard_error=0.009)
    fill(tight, tmp_path / "once.zarr")
    paths = deal(loose, tmp_path, 2)
    fill(part(tight, 1, 2), paths[0])
    with pytest.raises(ConfigError, match="shard 2/2 has another target of precision than shard 1/2"):
        merge.parts_of(paths)
    fill(part(tight, 2, 2), paths[1], stop_after=1)
    with pytest.raises(ConfigError, match=r"shard 2/2 .* is unfinished"):
        merge.parts_of(paths)
    fill(part(tight, 2, 2), paths[1])
    assert_same(tmp_path / "once.zarr", joined(paths, tmp_path / "out.zarr"))


def test_merge__what_came_out_is_extended_resumed_and_replayed(tmp_path, small_blocks, capsys):
    config, more = sweep(alliances=1001), sweep(trust=[*TRUST, 0.9], alliances=3000)
    out = joined(deal(config, tmp_path, 3), tmp_path / "out.zarr")
    fill(config, tmp_path / "once.zarr")
    texts = []
    for path in (out, tmp_path / "once.zarr"):
        assert replay.main([str(path), "point=3", "alliance=999"]) == 0
        texts.append(capsys.readouterr().out.replace(str(path), "STORE"))
    assert texts[0] == texts[1]
    for path in (out, tmp_path / "once.zarr"):
        fill(more, path)
    assert_same(tmp_path / "once.zarr", out)
    history = json.loads(xr.open_zarr(out).attrs["history"])
    assert [line.split(":")[0] for line in history[:3]] == ["shard 1/3", "shard 2/3", "shard 3/3"]
    assert "merged 3 shards" in history[3]


def test_merge__contrasts_of_batch_means(tmp_path, small_blocks):
    from analysis.contrasts import contrasts

    config = sweep(alliances=1700)
    fill(config, tmp_path / "once.zarr")
    paths = deal(config, tmp_path, 3)
    out = joined(paths, tmp_path / "out.zarr")
    for path in paths:
        ds = labelled(path)
        # Of the alliances that the shard has: their mean is the point's.
        np.testing.assert_allclose(ds.batch_mean.sel(quantity="survival").mean("batch"), ds.survival[:, -1], atol=0.01)
    found = [contrasts(open_results(p).load(), "survival", along="trust") for p in (tmp_path / "once.zarr", out)]
    xr.testing.assert_identical(*[ds.drop_attrs() for ds in found])


# What is refused.


def test_merge__missing_doubled_foreign_and_whole_are_refused(tmp_path, small_blocks):
    config = sweep(alliances=1001)
    paths = deal(config, tmp_path, 5)
    refusals = {
        r"shards 2, 4-5 of 5 are missing\. The same": [paths[2], paths[0]],
        r"shard 3 of 5 is missing": [paths[0], paths[1], paths[3], paths[4]],
        r"shard 2/5 is given twice: .*2-of-5.* and .*copy": [*paths, tmp_path / "copy.zarr"],
        r"of different batches \(random.seed: 1 and 2\)": [*paths[:4], tmp_path / "seed.zarr"],
        r"is one of 5 shards, .* one of 6": [*paths, tmp_path / "six.zarr"],
        r"is no shard; it holds a whole": [*paths, tmp_path / "once.zarr"],
        r"is no store of this program": [*paths, tmp_path],
        r"does not exist": [*paths, tmp_path / "nowhere.zarr"],
        r"shard 5/5 was asked for 8 points, 8,016 alliances in all, shard 1/5 for 8 points, 8,008": [
            *paths[:4],
            tmp_path / "more",
        ],
        r"shard 5/5 was asked for 10 points": [*paths[:4], tmp_path / "longer"],
    }
    shutil.copytree(paths[1], tmp_path / "copy.zarr")
    fill(part(sweep(alliances=1001, random__seed=2), 5, 5), tmp_path / "seed.zarr")
    fill(part(config, 6, 6), tmp_path / "six.zarr")
    fill(config, tmp_path / "once.zarr")
    fill(part(sweep(alliances=1002), 5, 5), tmp_path / "more")
    fill(part(sweep(trust=[*TRUST, 0.9], alliances=1001), 5, 5), tmp_path / "longer")
    before = sorted(tmp_path.iterdir())
    for words, given in refusals.items():
        if "8,016" in words or "10 points" in words:
            words = r"shard \d/5 was asked for 8 points, 8,008 alliances in all, shard 5/5 for (8 points, 8,016|10 points, 10,010)"
        with pytest.raises(ConfigError, match=words):
            joined(given, tmp_path / "out.zarr")
    assert sorted(tmp_path.iterdir()) == before


def test_merge__points_in_another_order_are_refused(tmp_path, small_blocks):
    grown, at_once = sweep(trust=[0.4, 0.0], alliances=600), sweep(trust=[0.0, 0.4], alliances=600)
    paths = deal(grown, tmp_path, 2)
    shutil.rmtree(paths[1])
    fill(part(at_once, 2, 2), paths[1])
    with pytest.raises(ConfigError, match="have other points, or grew by different steps"):
        merge.parts_of(paths)


def test_merge__out_that_is_there_is_refused_an_empty_folder_is_not(tmp_path, small_blocks, capsys):
    config = sweep(alliances=600)
    paths = [str(path) for path in deal(config, tmp_path, 2)]
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").write_text("x")
    for out in ("file", "folder", "a.shard-1-of-2.zarr"):
        assert merge.main([*paths, str(tmp_path / out)]) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: OUT = ")
        assert said.count("\n") == 1
    (tmp_path / "empty").mkdir()
    assert merge.main([*paths, str(tmp_path / "empty"), "--no-report"]) == 0
    fill(config, tmp_path / "once.zarr")
    assert_same(tmp_path / "once.zarr", tmp_path / "empty")
    assert merge.main([*paths, str(tmp_path / "empty")]) == 2


def test_merge__a_death_leaves_nothing_half_written_and_is_repeated(tmp_path, small_blocks, monkeypatch):
    config, out = sweep(alliances=600), tmp_path / "out.zarr"
    paths = deal(config, tmp_path, 2)
    words = [*map(str, paths), str(out), "--no-report"]
    with monkeypatch.context() as patch:
        patch.setattr(store.Store, "mark", lambda *a: (_ for _ in ()).throw(OSError("no space left on device")))
        assert merge.main(words) == 1
        assert not any("out" in p.name for p in tmp_path.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(merge.extension, "place", lambda *a: os._exit(9))
        child = os.fork()
        if child == 0:
            merge.main(words)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 9 << 8
    assert not out.exists()
    assert place.siblings(out)[0].exists()
    assert merge.main(words) == 0
    fill(config, tmp_path / "once.zarr")
    assert_same(tmp_path / "once.zarr", out)
    assert not any(p.name.startswith(".") for p in tmp_path.iterdir())


def test_shard__is_never_taken_for_a_whole_or_another(tmp_path, small_blocks):
    config = sweep(alliances=600)
    fill(config, tmp_path / "once.zarr")
    (path,) = deal(config, tmp_path, 1)
    for given, at, words in [
        (part(config, 1, 1), tmp_path / "once.zarr", 'shard: null in the store, "1/1" in this run'),
        (config, path, 'shard: "1/1" in the store, null in this run'),
        (part(config, 1, 2), path, 'shard: "1/1" in the store, "1/2" in this run'),
        (part(target(population__alliances=600), 1, 1), path, 'precision.kind: "fixed" in the store, "target" in this run'),
    ]:
        with pytest.raises(ConfigError, match=words):
            survey.survey(given, at)
    with pytest.raises(ConfigError, match="is shard 1/1, a part"):
        stored.opened(path)
    with pytest.raises(ConfigError, match=r"shard = 1/2: is for python -m sim.run"):
        simulate(["shard=1/2"])


def test_shard__says_that_it_is_a_part(tmp_path, small_blocks):
    paths = deal(sweep(alliances=1001), tmp_path, 7)
    ds = open_results(paths[1])
    assert ds.attrs["shard"] == "2/7"
    assert ds.attrs["part"].startswith("a part, shard 2 of 7")
    has, asked = whole.read(opening.read(paths[1])).held(2, 7)
    assert ds.sizes["point"] == len(has)
    np.testing.assert_array_equal(ds.alliances.values, asked)
    text = info.describe(paths[1])
    assert f"2 of 7, has {len(has)} of the 8 points" in text
    assert "of the 8,008 alliances" in text
    paths = deal(sweep(trust=[0.5], partners=[2], alliances=100), tmp_path / "few", 3)
    assert [open_results(path).sizes["point"] for path in paths] == [1, 0, 0]
    assert "has 0 of the 1 points" in info.describe(paths[2])
    assert_same(
        joined(paths, tmp_path / "x"),
        joined(deal(sweep(trust=[0.5], partners=[2], alliances=100), tmp_path, 1), tmp_path / "y"),
    )


@pytest.mark.parametrize(
    "value", ["0/3", "4/3", "a/b", "2", "3/", "1/3/4", "-1/3", "1.0/3", "[1,3]", "1/9999999", "'٣/٣'", "'1/٣'"]
)
def test_shard__what_is_no_share_is_refused_in_one_message(value):
    with pytest.raises(ConfigError, match=r"shard = .*: must be null or k/n, the k-th of n shares"):
        compose([f"shard={value}"])


def test_shard__is_written_in_one_way():
    assert compose(["shard=01/03"]).shard == "1/3"
    assert compose([]).shard is None


# Damage.


@pytest.fixture(scope="module")
def dealt(tmp_path_factory):
    """One run, and two shards of it, of which points are cut and kept whole."""
    folder = tmp_path_factory.mktemp("dealt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "dealt_block", lambda point: 576 * (point.parameters.population.partners - 1))
        fill(sweep(alliances=1000), folder / "once.zarr")
        deal(sweep(alliances=1000), folder, 2)
    return folder


@pytest.fixture
def copied(dealt, tmp_path, small_blocks):
    """A copy of `dealt`: the folder, the stores of the shards, and the words of a merge of them."""
    folder = tmp_path / "copied"
    shutil.copytree(dealt, folder)
    paths = [folder / f"a.shard-{k}-of-2.zarr" for k in (1, 2)]
    return folder, paths, [*map(str, paths), str(folder / "out.zarr"), "--no-report"]


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(data)


def in_one_line(capsys, *words: str) -> str:
    """What was said on the error stream: one message."""
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    assert all(word in said for word in words), said
    return said


@pytest.mark.parametrize("name", ["survival", "alliances", "tally/by_period", "tally/by_run_high"])
@pytest.mark.parametrize("kind", ["missing", "cut"])
def test_merge__a_chunk_gone_or_cut_is_refused_and_mended_by_the_run_of_the_shard(copied, capsys, name, kind):
    folder, paths, words = copied
    file = paths[1] / name / chunks.file_of(opening.read(paths[1]).arrays[name], 0)
    if kind == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1])
    before = sorted(folder.iterdir())
    assert merge.main(words) == run.BAD_INPUT
    in_one_line(
        capsys, f"shard 2/2 ({str(paths[1])!r}) is damaged ({name} chunk 0: {kind}", "its own sim.run command mends it"
    )
    assert sorted(folder.iterdir()) == before
    fill(part(sweep(alliances=1000), 2, 2), paths[1])
    capsys.readouterr()
    assert merge.main(words) == 0
    assert_same(folder / "once.zarr", folder / "out.zarr")


@pytest.mark.parametrize("name", ["survival", "alliances", "tally/by_period"])
def test_merge__a_flipped_bit_is_refused_and_mended_after_a_check(copied, capsys, name):
    folder, paths, words = copied
    flip(paths[0] / name / chunks.file_of(opening.read(paths[0]).arrays[name], 0))
    assert merge.main(words) == run.BAD_INPUT
    in_one_line(capsys, "shard 1/2", "is damaged", f"{name} chunk 0", f"python -m sim.info {paths[0]} --check")
    assert info.main([str(paths[0]), "--check"]) == 1
    assert merge.main(words) == run.BAD_INPUT
    fill(part(sweep(alliances=1000), 1, 2), paths[0])
    capsys.readouterr()
    assert merge.main(words) == 0
    assert_same(folder / "once.zarr", folder / "out.zarr")


def test_merge__a_chunk_that_goes_meanwhile_is_no_zeros(copied):
    _, paths, _ = copied
    parts = merge.parts_of(paths)
    (paths[0] / "survival" / "0.0").unlink()
    with pytest.raises(
        store.Damaged, match=r"shard 1/2 .* is damaged: survival chunk 0 is missing; its own sim.run command"
    ):
        merge.merge(parts, paths[0].with_name("out.zarr"))
    assert not any("out" in p.name for p in paths[0].parent.iterdir())


@pytest.mark.parametrize("name", ["tally/period/0", "trust/0", "period/0", "tally/by_run"])
def test_merge__coordinates_that_are_gone_are_no_zeros(copied, capsys, name):
    _, paths, words = copied
    gone = paths[0] / name
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    assert merge.main(words) == run.BAD_INPUT
    in_one_line(capsys, "is damaged", str(paths[0]))


HARM = {
    "flipped": lambda path: flip(path / "whole" / "alliances" / "0"),
    "removed": lambda path: shutil.rmtree(path / "whole"),
    "factor_removed": lambda path: (path / "whole" / "factor_trust" / "0").unlink(),
    "array_removed": lambda path: shutil.rmtree(path / "whole" / "block"),
    "attributes": lambda path: (path / "whole" / ".zattrs").write_text('{"chunk": 0, "goal": ""}'),
    "no_json": lambda path: (path / "whole" / ".zattrs").write_text("{"),
    "metadata": lambda path: (path / "whole" / "block" / ".zarray").write_text("{}"),
}


@pytest.mark.parametrize("kind", HARM)
def test_whole__that_is_damaged_is_one_message_of_whoever_reads_it(copied, capsys, kind):
    _, paths, words = copied
    assert info.main([str(paths[0]), "--check"]) == 0
    HARM[kind](paths[0])
    capsys.readouterr()
    status = info.main([str(paths[0]), "--check"])
    said = capsys.readouterr()
    assert status in (1, 2)
    assert "is damaged" in said.out + said.err
    assert "whole" in said.out + said.err
    config = part(sweep(alliances=1000), 1, 2)
    before = {p: p.read_bytes() for p in paths[0].rglob("*") if p.is_file()}
    for ended in (
        lambda: run.guarded(lambda: run.run(config, paths[0], "test", "")), lambda: merge.main(words),
        lambda: info.main([str(paths[0])]),
    ):  # fmt: skip
        assert ended() == run.BAD_INPUT
        in_one_line(capsys, "is damaged", str(paths[0]), "whole" if kind != "no_json" else "")
    assert {p: p.read_bytes() for p in paths[0].rglob("*") if p.is_file()} == before


def test_whole__an_attribute_that_is_no_shard_is_one_message(copied, capsys):
    _, paths, words = copied
    attrs = json.loads((paths[0] / ".zattrs").read_text())
    (paths[0] / ".zattrs").write_text(json.dumps({**attrs, "shard": "x"}))
    config = part(sweep(alliances=1000), 1, 2)
    for ended in (
        lambda: run.guarded(lambda: run.run(config, paths[0], "test", "")), lambda: merge.main(words),
        lambda: info.main([str(paths[0])]), lambda: info.main([str(paths[0]), "--check"]),
    ):  # fmt: skip
        assert ended() == run.BAD_INPUT
        in_one_line(capsys, "is damaged", "the attribute shard")


def test_whole__other_blocks_are_another_whole(copied):
    about = whole.read(opening.read(copied[1][0]))
    assert about.same(about)
    assert not about.same(whole.Whole(about.factors, about.alliances, about.block * 2, about.chunk, about.goal))


# Runs at work meanwhile.


def test_merge__a_shard_that_is_being_written_is_refused(copied, capsys):
    folder, paths, words = copied
    with place.lock(paths[1]):
        assert merge.main(words) == run.BAD_INPUT
    in_one_line(capsys, f"{str(paths[1])!r}: a run or a merge is at work on this shard; wait for it.")
    assert not any(p.name.startswith(".") or "out" in p.name for p in folder.iterdir())


def test_merge__keeps_runs_away_from_its_shards(copied, monkeypatch):
    folder, paths, words = copied
    real, refused = gather.gather, []

    def tried(*given):
        for path in paths:
            with pytest.raises(ConfigError, match="another run is writing this store"), place.lock(path):
                pass
            refused.append(path)
        real(*given)

    monkeypatch.setattr(gather, "gather", tried)
    assert merge.main(words) == 0
    assert refused == paths
    assert_same(folder / "once.zarr", folder / "out.zarr")
    assert not any(p.name.startswith(".") for p in folder.iterdir())


@pytest.mark.parametrize("changed", [False, True])
def test_merge__without_locks_notices_a_shard_that_was_extended_meanwhile(copied, monkeypatch, capsys, changed):
    folder, paths, words = copied
    real_lock, real, out = place.lock, gather.gather, folder / "out.zarr"

    def read_only(path):
        if path != out:
            raise PermissionError("read-only")
        return real_lock(path)

    def extended(*given):
        if changed:
            fill(part(sweep(alliances=2000), 2, 2), paths[1])
        real(*given)

    monkeypatch.setattr(place, "lock", read_only)
    monkeypatch.setattr(gather, "gather", extended)
    assert merge.main(words) == (run.BAD_INPUT if changed else 0)
    if changed:
        said = capsys.readouterr().err.splitlines()[-1]
        assert f"shard 2/2 ({str(paths[1])!r}) was changed while it was merged" in said
        assert not out.exists()
    else:
        assert_same(folder / "once.zarr", out)


# The commands.


def test_command__a_path_without_a_name_is_one_message(copied, capsys):
    _, paths, _ = copied
    for words in (["/", str(paths[0]), "x"], [str(paths[0]), "/"]):
        assert merge.main(words) == run.BAD_INPUT
        in_one_line(capsys, "'/'")


@pytest.mark.parametrize(("error", "status"), [(OSError("no space"), run.FAILED), (KeyboardInterrupt(), run.INTERRUPTED)])
def test_command__a_report_that_fails_says_that_the_store_is_complete(copied, monkeypatch, capsys, error, status):
    folder, _, words = copied

    def failing(*given):
        raise error

    monkeypatch.setattr(run, "report", failing)
    assert merge.main(words[:-1]) == status
    in_one_line(capsys, "out.zarr is complete, its figure and table are not all there")
    assert_same(folder / "once.zarr", folder / "out.zarr")


def test_command__shards_of_a_multirun_then_merge_and_the_same_command_says_all_is_done(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["+experiment=sweep", "population.alliances=60", "design.factors.orientation.levels=[0.7]", "compute=serial"]
    for k in (1, 2):
        monkeypatch.setattr("sys.argv", ["run", *words, f"shard={k}/2", "plan=true"])
        assert run.main() == 0
    assert not (tmp_path / "results").exists()
    assert "shard      2/2: 32 of 63 points" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["run", "-m", *words, "shard=1/2,2/2"])
    assert run.main() == 0
    found = sorted(p.name for p in (tmp_path / "results").iterdir())
    # The other overrides tell the jobs of a multirun apart, as ever.
    assert [name.partition("]")[2] for name in found] == [".shard-1-of-2.zarr", ".shard-2-of-2.zarr"]
    assert merge.main([*(f"results/{name}" for name in found), "results/sweep.zarr"]) == 0
    assert {"sweep.csv", "sweep.png", "sweep.zarr"} < {p.name for p in (tmp_path / "results").iterdir()}
    capsys.readouterr()
    monkeypatch.setattr("sys.argv", ["run", *words])
    assert run.main() == 0
    assert "63 of 63 points; nothing to do" in capsys.readouterr().out
