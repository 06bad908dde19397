"""Benchmarks: kernel, draws, lanes, compilation, start-up, store, whole sweep, memory. Off by default.

    python -m pytest tests/benchmarks --benchmark-enable --full-size --benchmark-json=benchmarks.json
    python tests/benchmarks/table.py benchmarks.json

runs them at full size and shows them; in the tests each body runs once, small. ``extra_info`` holds the unit of work
(partner-updates a second), the share alive and what else a time is to be compared with.
"""

from __future__ import annotations

import os
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
from sim import experiment, plan, rng, rows
from sim.blocks import run_segment
from sim.collect import Collector
from sim.config import compose
from sim.recording import partner_updates
from sim.schema import Config

SMALLER = ["design.factors.trust.levels.n=3"]


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

    What is skipped are chunks of lanes whose alliances have all dissolved.
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
rows.LANES = {lanes}
from benchmarks.workloads import MECHANISMS, base, living, prepared
from sim.blocks import run_segment
point, arguments = prepared({values!r})
seconds = []
for _ in range(6):
    started = time.perf_counter()
    run_segment(arguments, 0, {count})
    seconds.append(time.perf_counter() - started)
print(seconds[0] - min(seconds), sorted(seconds[1:])[2])
"""


def in_a_process(values, cache: Path | None, lanes: int = rows.LANES, count: int = rows.LANES) -> tuple[float, float]:
    """Seconds of compiling or loading a kernel, and of a later call; `cache`: an empty one, or the usual."""
    paths = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
    code = _IN_A_PROCESS.format(paths=paths, lanes=lanes, values=values, count=count)
    env = {**os.environ, **({"NUMBA_CACHE_DIR": str(cache)} if cache else {})}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    first, later = map(float, done.stdout.split())
    return first, later


@pytest.mark.parametrize("partners", [2, 5])
@pytest.mark.parametrize("lanes", [64, 128, 256, 512, 1024])
def test_benchmark_lanes(benchmark, size, tmp_path, lanes, partners):
    """The kernel with another number of lanes, compiled anew; small, it runs with those it has."""
    count = max(1024, int(131072 / partners * size) // 1024 * 1024)
    full = size == 1.0
    words = (base(partners), tmp_path if full else None, lanes if full else rows.LANES, count)
    _, seconds = benchmark.pedantic(in_a_process, words, rounds=1)
    assert seconds > 0
    benchmark.extra_info["partner_updates_per_second"] = count * partners * 100 / seconds


@pytest.mark.parametrize("form", ["base, two partners", "base, more partners", "every mechanism"])
def test_benchmark_compile(benchmark, size, tmp_path, form):
    """Compiling a kernel into an empty cache, then loading it; small, it is loaded only."""
    values = {"base, two partners": base(2), "base, more partners": base(3), "every mechanism": living(2, *MECHANISMS)}[form]
    cache = tmp_path if size == 1.0 else None
    compiling, _ = benchmark.pedantic(in_a_process, (values, cache), rounds=1)
    assert compiling > 0
    if benchmark.stats:
        benchmark.extra_info |= {"compile_seconds": compiling, "load_seconds": in_a_process(values, cache)[0]}


@pytest.mark.parametrize("cache", ["cold", "warm"])
def test_benchmark_start(benchmark, size, tmp_path, cache):
    """The command up to where the first block of the default sweep would run; cold: nothing is compiled yet."""
    cold = cache == "cold" and size == 1.0

    def command():
        env = {**os.environ, **({"NUMBA_CACHE_DIR": str(tmp_path / "cache")} if cold else {})}
        words = [sys.executable, "-m", "sim.run", "+experiment=sweep", "plan=true"]
        return subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True)

    if not cold:
        command()
    done = benchmark.pedantic(command, rounds=5 if size == 1.0 and not cold else 1)
    assert done.returncode == 0, done.stderr
    assert ("Compiling" in done.stdout) == cold


def sweep_config(size: float, alliances: int = 20000) -> Config:
    """The sweep of conf/experiment, smaller where the benchmarks are."""
    number = max(10, int(alliances * size))
    return compose(["+experiment=sweep", f"population.alliances={number}", *(SMALLER if size < 1 else [])])


def test_benchmark_sweep(benchmark, size, tmp_path):
    """Wall time of a whole sweep over its pure kernel time divided by the cores."""
    config = sweep_config(size)
    found = experiment.survey(config, tmp_path / "a.zarr")
    rates = plan.pilot(found.tasks, config)
    paths = (tmp_path / f"{k}.zarr" for k in range(100))

    def whole():
        again = experiment.survey(config, next(paths))
        return experiment.perform(again, rates, "benchmark", "", threading.Event())

    result = benchmark.pedantic(whole, rounds=3)
    assert experiment.complete(found, result)
    started = time.perf_counter()
    for block in plan.blocks(found.tasks, rates, config, found.grid, found.chunk):
        for segment, arguments in zip(block.segments, block.arguments, strict=True):
            run_segment(arguments, segment.first, segment.count)
    kernel = time.perf_counter() - started
    if benchmark.stats:
        benchmark.extra_info["wall_over_kernel_per_core"] = benchmark.stats.stats.median / (kernel / plan.workers_of(config))


def test_benchmark_store(benchmark, size, tmp_path):
    """Writing the finished points of a sweep, a chunk at a time, without simulating them."""
    config = sweep_config(size)
    paths = (tmp_path / f"{k}.zarr" for k in range(100))
    found = experiment.survey(config, next(paths))
    blocks = list(plan.blocks(found.tasks, plan.pilot(found.tasks, config), config, found.grid, found.chunk))
    known = {s.point: a for block in blocks for s, a in zip(block.segments, block.arguments, strict=True)}
    done = {task.index: replace(run_segment(known[task.index], 0, 512), alliances=task.stop) for task in found.tasks}

    def new_store():
        again = experiment.survey(config, next(paths))
        return (Collector(again.tasks, experiment._target(again, "benchmark", ""), None, config),), {}

    def write(collector):
        for index, tallies in done.items():
            collector.add(index, tallies)
            collector.flush()
        return collector.finished

    assert benchmark.pedantic(write, setup=new_store, rounds=5) == len(found.tasks)
    if benchmark.stats:
        benchmark.extra_info["seconds_per_point"] = benchmark.stats.stats.median / len(found.tasks)


def test_benchmark_resume_of_a_complete_run(benchmark, size, tmp_path):
    """Deciding that there is nothing to do, in process."""
    config = sweep_config(size)
    path = tmp_path / "a.zarr"
    found = experiment.survey(config, path)
    experiment.perform(found, plan.pilot(found.tasks, config), "benchmark", "", threading.Event())
    assert not benchmark.pedantic(experiment.survey, (config, path), rounds=3).tasks


_MEASURE = """
import resource, sys, threading
from pathlib import Path
sys.path[:0] = {paths!r}
from benchmarks.test_benchmarks import sweep_config
from sim import experiment, plan
config = sweep_config({size}, {alliances})
found = experiment.survey(config, Path({store!r}))
experiment.perform(found, plan.pilot(found.tasks, config), "benchmark", "", threading.Event())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.parametrize("alliances", [20_000, 200_000])
def test_benchmark_memory(benchmark, size, tmp_path, alliances):
    """Peak memory of a sweep in a process of its own, in MB; the same for ten times the alliances."""
    paths = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
    code = _MEASURE.format(paths=paths, size=size, alliances=alliances, store=str(tmp_path / "a.zarr"))

    def measure():
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    peak = int(benchmark.pedantic(measure, rounds=1)) / 1024
    assert peak > 0
    benchmark.extra_info["peak_megabytes"] = peak


def test_benchmark_help(benchmark, size, tmp_path):
    """Wall time of the command where it only speaks."""

    def command():
        return subprocess.run([sys.executable, "-m", "sim.run", "--help"], cwd=tmp_path, capture_output=True, text=True)

    command()
    done = benchmark.pedantic(command, rounds=5 if size == 1.0 else 1)
    assert done.returncode == 0
