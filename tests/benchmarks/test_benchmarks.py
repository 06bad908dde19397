"""Benchmarks: kernel, draws, lanes, compilation, start-up, store, whole sweeps, memory. Off by default.

    python -m pytest tests/benchmarks --benchmark-enable --full-size --benchmark-json=benchmarks.json
    python tests/benchmarks/table.py benchmarks.json

runs them at full size and shows them; in the tests each body runs once, small. ``extra_info`` holds what a time is to be
compared with: the unit of work (partner-updates a second), the share alive, the time of the kernels.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numba
import numpy as np
import pytest

from benchmarks.workloads import FEW, MECHANISMS, alive, base, living, prepared, scalar_form
from sim import exact, experiment, plan, rng, rows, survey
from sim.api import open_results
from sim.blocks import run_segment
from sim.collect import Collector
from sim.config import compose
from sim.design import points
from sim.labels import proposition_labels, theory_names
from sim.recording import FORMS, partner_updates, period_grid
from sim.schema import Config

SMALLER = ["design.factors.trust.levels.n=3"]
ROOT = Path(__file__).parents[2]
WHOLE = Path(__file__).with_name("whole.py")
#: Rounds of what runs in a process of its own, at full size.
ROUNDS = 3


@pytest.fixture
def size(request):
    return 1.0 if request.config.getoption("--full-size") else 0.01


def timed(benchmark, size, values, alliances=65536, force_full=False):
    """Time the kernel on a point; the rate and the share alive go into the benchmark's extra information."""
    point, arguments = prepared(values, force_full)
    count = max(512, int(alliances * size) // 512 * 512)
    tallies = benchmark.pedantic(run_segment, (arguments, 0, count), rounds=5, warmup_rounds=1)
    assert tallies.alliances == count
    if benchmark.stats:
        rate = count * partner_updates(point) / benchmark.stats.stats.median
        benchmark.extra_info |= {"partner_updates_per_second": rate, "alive_at_the_end": float(alive(values)[-1])}


@pytest.mark.parametrize("variables", ["all", FEW], ids=["all", "few"])
@pytest.mark.parametrize("partners", [2, 3, 5, 8, 16, 32])
def test_benchmark_kernel(benchmark, size, partners, variables):
    timed(benchmark, size, base(partners) | {"output__variables": variables}, 131072 // partners)


@pytest.mark.parametrize("name", ["base", "neutral", *MECHANISMS, "every", "every, partner_specific"])
def test_benchmark_mechanisms(benchmark, size, name):
    """Two partners who all live to the end: the base model, the other form with nothing on, each mechanism, all of them."""
    mechanisms = [*MECHANISMS] if name.startswith("every") else [name] if name in MECHANISMS else []
    coupling = {"population__coupling": "partner_specific"} if "partner_specific" in name else {}
    timed(benchmark, size, living(2, *mechanisms) | coupling, force_full=name != "base")


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1, 0.01, 0.0])
@pytest.mark.parametrize("partners", [2, 5])
def test_benchmark_alive(benchmark, size, partners, share):
    """A population of which a share lives to the end; in the others somebody avoids from the start, and they dissolve.

    Those that have dissolved are taken out, and count as work done: the rate says what they cost.
    """
    everybody = share ** (1 / partners)
    mix = dict.fromkeys(("accommodation", "compromise", "competition"), 0.0)
    mix |= {"avoidance": 1.0 - everybody, "collaboration": everybody}
    values = living(partners) | {"population__initial__strategies": None, "population__initial__mix": mix}
    timed(benchmark, size, values)


@pytest.mark.parametrize("partners", [2, 5])
def test_benchmark_scalar(benchmark, size, partners):
    """The usual scalar form on the same work as ``few``; also a check of the kernel by a third form of the model."""
    point, arguments = prepared(base(partners) | {"output__variables": FEW})
    count = max(512, int(16384 * size))
    out = benchmark.pedantic(scalar_form(point, arguments), (count,), rounds=5, warmup_rounds=1)
    ours = run_segment(arguments, 0, count).period[0]
    np.testing.assert_array_equal(out[:, :5], ours[:, :5, 0])
    if benchmark.stats:
        benchmark.extra_info["partner_updates_per_second"] = count * partner_updates(point) / benchmark.stats.stats.median


@numba.njit
def draw_often(calls, product, w0, w1, w2, w3, total):
    for k in range(calls):
        rows.words(product, rows.ZERO, np.uint32(k), rng.RESPONSE, rows.ONE, rows.TWO, w0, w1, w2, w3)
        rows.add_row(w0, total)


def test_benchmark_random_words(benchmark, size):
    """The random numbers alone: calls of Philox a second, four words each; one call serves two partner-updates."""
    arrays = [np.arange(rows.LANES, dtype=np.uint64), *(np.zeros(rows.LANES, np.uint32) for _ in range(5))]
    calls = int(200_000 * size)
    draw_often(1, *arrays)
    benchmark.pedantic(draw_often, (calls, *arrays), rounds=5)
    assert arrays[-1].any()
    if benchmark.stats:
        benchmark.extra_info["calls_per_second"] = calls * rows.LANES / benchmark.stats.stats.median


_IN_A_PROCESS = """
import sys, time
sys.path[:0] = {paths!r}
from sim import rows
if {lanes}:
    rows.LANES = {lanes}
from benchmarks.workloads import MECHANISMS, base, living, prepared
from sim.blocks import run_segment
point, arguments = prepared({values!r})
seconds = []
for _ in range(6):
    started = time.perf_counter()
    tallies = run_segment(arguments, 0, {count})
    seconds.append(time.perf_counter() - started)
print(seconds[0] - min(seconds), sorted(seconds[1:])[2], int(tallies.period.sum()))
"""


def in_a_process(values, cache: Path | None, lanes: int = 0, count: int = rows.LANES) -> tuple[float, float, int]:
    """Seconds of compiling or loading a kernel and of a later call, and a sum of what it finds.

    cache : an empty one, or the usual.  lanes : 0: as many as there are; others never go into the usual cache.
    """
    code = _IN_A_PROCESS.format(paths=[str(ROOT), str(ROOT / "tests")], lanes=lanes, values=values, count=count)
    done = subprocess.run([sys.executable, "-c", code], env=with_cache(cache), capture_output=True, text=True, check=True)
    first, later, found = done.stdout.split()
    return float(first), float(later), int(found)


def with_cache(cache: Path | None) -> dict[str, str]:
    """The environment of a process whose compiled kernels are kept in `cache`, or in the usual place."""
    return {**os.environ, **({"NUMBA_CACHE_DIR": str(cache)} if cache else {})}


@pytest.mark.parametrize("partners", [2, 5])
@pytest.mark.parametrize("lanes", [128, 256, 576, 1024])
def test_benchmark_lanes(benchmark, size, tmp_path, lanes, partners):
    """The kernel with another number of lanes, compiled anew; it finds the same. Small, it runs with those it has."""
    count = max(1024, int(131072 / partners * size) // 1024 * 1024)
    full = size == 1.0
    words = (base(partners), tmp_path if full else None, lanes if full else 0, count)
    _, seconds, found = benchmark.pedantic(in_a_process, words, rounds=1)
    point, arguments = prepared(base(partners))
    assert found == int(run_segment(arguments, 0, count).period.sum())
    benchmark.extra_info["partner_updates_per_second"] = count * partner_updates(point) / seconds


@pytest.mark.parametrize("form", FORMS)
def test_benchmark_compile(benchmark, size, tmp_path, form):
    """Compiling a kernel into an empty cache, then loading it; small, it is loaded only."""
    values = {"pair": base(2), "group": base(3), "full": living(2, *MECHANISMS)}[form]
    assert prepared(values)[1].form == form
    cache = tmp_path if size == 1.0 else None
    compiling, _, _ = benchmark.pedantic(in_a_process, (values, cache), rounds=1)
    assert compiling > 0
    if benchmark.stats:
        benchmark.extra_info |= {"compile_seconds": compiling, "load_seconds": in_a_process(values, cache)[0]}


def until_the_plan(words: list[str], folder: Path, cache: Path | None) -> tuple[float, list[str]]:
    """Start a sweep; seconds until it has compiled, tried its kernels and says how long it will take, and what it said."""
    command = [sys.executable, "-m", "sim.run", "+experiment=sweep", *words]
    started, said = time.perf_counter(), []
    with subprocess.Popen(
        command, cwd=folder, env=with_cache(cache), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as running:
        assert running.stdout
        while not said or (said[-1] and not said[-1].startswith("estimate")):
            said.append(running.stdout.readline())
        seconds = time.perf_counter() - started
        running.kill()
    assert said[-1], said
    return seconds, said


@pytest.mark.parametrize("cache", ["cold", "warm"])
def test_benchmark_start(benchmark, size, tmp_path, cache):
    """The command up to the first block of the default sweep; cold: nothing is compiled yet, which is said."""
    full, seconds = size == 1.0, []
    cold, words = cache == "cold" and full, [] if full else ["population.alliances=100", *SMALLER]

    def command():
        took, said = until_the_plan(words, tmp_path, tmp_path / "cache" if cold else None)
        seconds.append(took)
        return said

    said = benchmark.pedantic(command, rounds=5 if full and not cold else 1, warmup_rounds=int(full and not cold))
    assert not cold or any(line.startswith("Compiling") for line in said)
    benchmark.extra_info["seconds"] = statistics.median(seconds)


def sweep_config(size: float, alliances: int = 20000) -> Config:
    """The sweep of conf/experiment, smaller where the benchmarks are."""
    number = max(10, int(alliances * size))
    return compose(["+experiment=sweep", f"population.alliances={number}", *(SMALLER if size < 1 else [])])


def whole(path: Path, words: list[str]) -> dict[str, float]:
    """What `benchmarks.whole` measures of a run in a process of its own; its store, which may be large, does not stay."""
    done = subprocess.run([sys.executable, WHOLE, path, *words], capture_output=True, text=True)
    shutil.rmtree(path, ignore_errors=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def square(side: int, alliances: int) -> list[str]:
    """A sweep of two partners over trust and orientation, side x side points, 100 periods each."""
    levels = f"levels: {{low: 0.0, high: 1.0, n: {side}}}"
    factors = f"{{trust: {{path: context.trust.mean, {levels}}}, orientation: {{path: context.orientation.mean, {levels}}}}}"
    return ["design=factorial", f"design.factors={factors}", f"population.alliances={alliances}", "population.periods=100"]


@pytest.mark.parametrize(
    ("side", "alliances"), [(100, 1000), (10, 100_000)], ids=["10,000 x 1,000 x 100", "100 x 100,000 x 100"]
)
def test_benchmark_sweep(benchmark, size, tmp_path, side, alliances):
    """Wall time of a whole sweep on two threads: points x alliances x periods; the time of the kernels is of the same run."""
    full = size == 1.0
    words = [*square(side if full else 3, int(alliances * size)), "compute=threads", "compute.workers=2"]
    if full:
        # What is compiled once is no part of it.
        whole(tmp_path / "first.zarr", square(3, 1000))
    runs = []
    benchmark.pedantic(lambda: runs.append(whole(tmp_path / f"{len(runs)}.zarr", words)), rounds=ROUNDS if full else 1)
    assert runs[0]["store_files"] > 0
    benchmark.extra_info |= {key: statistics.median(run[key] for run in runs) for key in runs[0]}


@pytest.mark.parametrize(("side", "partners"), [(100, 2), (1, 8)], ids=["10,000 x 2", "1 x 8"])
def test_benchmark_exact(benchmark, size, side, partners):
    """Expected values of a static sweep, everything recorded, in place of a simulation; compiled before."""
    side = side if size == 1.0 else min(side, 3)
    words = square(side, 1) if side > 1 else ["population.periods=100"]
    config = compose([*words, "context=static", f"population.partners={partners}"])
    design = points(config)
    where = period_grid(design, config.output.every), proposition_labels(design), theory_names(design)
    found = benchmark.pedantic(exact.values, (design, *where, config), rounds=ROUNDS, warmup_rounds=1)
    np.testing.assert_allclose(found["strategy_share"].sum(axis=2), 1, rtol=0, atol=1e-12)


def test_benchmark_target(benchmark, size, tmp_path):
    """A phase diagram to a target on two threads: alliances over those of an oracle that knew each variance, time busy."""
    full = size == 1.0
    error = 0.0025 if full else 0.02
    words = [f"design.factors.{label}.levels.n={21 if full else 3}" for label in ("trust", "orientation")]
    config = compose(["+experiment=precision_map", f"precision.standard_error={error}", "compute.workers=2", *words])
    paths = (tmp_path / f"{k}.zarr" for k in range(100))
    rates = plan.pilot(survey.survey(config, tmp_path / "none.zarr").tasks, config)
    runs = []

    def to_the_target():
        found = survey.survey(config, next(paths))
        result = experiment.perform(found, rates, "benchmark", "", threading.Event())
        assert experiment.complete(found, result)
        runs.append((found.path, result))

    benchmark.pedantic(to_the_target, rounds=ROUNDS if full else 1)
    path, result = runs[-1]
    ds = open_results(path)
    share, alliances = ds["survival"].isel(period=-1).values, ds["alliances"].values
    oracle = share * (1 - share) / error**2
    large = oracle > 10_000
    assert large.any() or not full
    if full:
        benchmark.extra_info["alliances_over_oracle"] = float(alliances[large].sum() / oracle[large].sum())
    benchmark.extra_info["busy"] = result.busy / (2 * result.seconds)
    benchmark.extra_info["rate"] = result.updates / result.seconds


def test_benchmark_store(benchmark, size, tmp_path):
    """Writing the finished points of a sweep, a chunk at a time, without simulating them."""
    config = sweep_config(size)
    paths = (tmp_path / f"{k}.zarr" for k in range(100))
    found = survey.survey(config, next(paths))
    blocks = list(plan.blocks(found.tasks, plan.pilot(found.tasks, config), config, found.grid, found.chunk))
    known = {s.point: a for block in blocks for s, a in zip(block.segments, block.arguments, strict=True)}
    done = {task.index: replace(run_segment(known[task.index], 0, 512), alliances=task.stop) for task in found.tasks}

    def new_store():
        again = survey.survey(config, next(paths))
        return (Collector(again.tasks, experiment._target(again, "benchmark", ""), config),), {}

    def write(collector):
        for index, tallies in done.items():
            collector.put(index, tallies)
            collector.flush()
        return collector.finished

    assert benchmark.pedantic(write, setup=new_store, rounds=5) == len(found.tasks)
    if benchmark.stats:
        benchmark.extra_info["seconds_per_point"] = benchmark.stats.stats.median / len(found.tasks)


def test_benchmark_resume_of_a_complete_run(benchmark, size, tmp_path):
    """Deciding that there is nothing to do, in process."""
    config = sweep_config(size)
    path = tmp_path / "a.zarr"
    found = survey.survey(config, path)
    experiment.perform(found, plan.pilot(found.tasks, config), "benchmark", "", threading.Event())
    assert not benchmark.pedantic(survey.survey, (config, path), rounds=3).tasks


@pytest.mark.parametrize("alliances", [10**5, 10**6, 10**7, 10**8], ids="{:,}".format)
def test_benchmark_memory(benchmark, size, tmp_path, alliances):
    """Peak memory of one point of two partners and ten periods: the same however many alliances."""
    words = [f"population.alliances={int(alliances * size**2)}", "population.periods=10", "compute.workers=2"]
    found = benchmark.pedantic(whole, (tmp_path / "a.zarr", words), rounds=1)
    assert found["peak_megabytes"] > 0
    benchmark.extra_info |= found


def test_benchmark_help(benchmark, size, tmp_path):
    """Wall time of the command where it only speaks."""

    def command():
        return subprocess.run([sys.executable, "-m", "sim.run", "--help"], cwd=tmp_path, capture_output=True, text=True)

    command()
    done = benchmark.pedantic(command, rounds=5 if size == 1.0 else 1)
    assert done.returncode == 0
