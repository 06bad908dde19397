"""Benchmarks: kernel, draws, store, whole sweep, memory, start-up. Off by default; each body runs once in the tests.

    python -m pytest tests/benchmarks --benchmark-enable --full-size

runs them at full size; ``extra_info`` holds the unit of work (partner-updates a second) and the share alive.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import base_config

from benchmarks import scalar
from sim import equations as eq
from sim import experiment, plan
from sim.blocks import arguments_of, run_segment
from sim.config import compose
from sim.design import points, theory_of
from sim.recording import partner_updates, period_grid
from sim.schema import Config
from sim.theory import NEVER, keep_probability

SMALLER = ["design.factors.trust.levels.n=3"]
FEW = ["strategy_share", "learning", "mean_trust"]


@pytest.fixture
def size(request):
    return 1.0 if request.config.getoption("--full-size") else 0.01


PAIRS = {"distribution": "beta", "level": "pair"}
#: Every mechanism of the model, with values that let alliances live: an alliance that has dissolved costs nothing.
MECHANISMS = {
    "distributions": {"context": {"trust": PAIRS, "stakes": PAIRS, "prior": PAIRS}},
    "abilities": {"ability": {"absorptive": {**PAIRS, "mean": 0.8}, "distance": 0.4, "slack": 3.0, "trust_cost": 0.3}},
    "race": {"race": {"scope": 50.0, "renewal": 0.5, "temptation": 0.2, "forced_disclosure": 0.3, "satiation": 0.001}},
    "theories": {"response": {"theory_mix": {"larsson1998": 0.5, "tit_for_tat": 0.3, "always_collaboration": 0.2}}},
    "noise": {"response": {"misperception": 0.01, "aware": 0.3, "instrumentality": 0.1}, "population": {"exit_rate": 0.01}},
    "phases": {"phases": {"kind": "iyer2002", "break_rate": 0.0}},
}


def prepared(partners: int, variables="all", trust=0.8, **overrides):
    config = Config.model_validate(
        base_config(
            population__partners=partners,
            output__variables=variables,
            context__trust__mean=trust,
            context__orientation__mean=trust,
            **overrides,
        )
    )
    (point,) = points(config)
    grid = period_grid([point], 1)
    return point, arguments_of(point, config, grid)


@pytest.mark.parametrize("variables", ["all", FEW], ids=["all", "few"])
@pytest.mark.parametrize("partners", [2, 3, 5, 8, 16, 32])
def test_benchmark_kernel(benchmark, size, partners, variables):
    point, arguments = prepared(partners, variables)
    count = max(512, int(65536 * 2 / partners * size) // 512 * 512)
    tallies = benchmark.pedantic(run_segment, (arguments, 0, count), rounds=5, warmup_rounds=1)
    assert tallies.alliances == count
    if benchmark.stats:
        work = count * partner_updates(point)
        benchmark.extra_info["partner_updates_per_second"] = work / benchmark.stats.stats.median


@pytest.mark.parametrize("name", ["base", "neutral", *MECHANISMS, "every", "every, partner_specific"])
def test_benchmark_mechanisms(benchmark, size, name):
    """Two partners who all live to the end: the base model, the other form with nothing on, each mechanism, all of them."""
    chosen = {**MECHANISMS} if name.startswith("every") else {k: v for k, v in MECHANISMS.items() if k == name}
    overrides: dict[str, object] = {"response__threshold": dict.fromkeys(("P6", "P7", "P8", "P9"), -1.0)}
    overrides["population__initial__strategies"] = ["collaboration"] * 2
    for groups in chosen.values():
        for group, keys in groups.items():
            overrides |= {f"{group}__{key}": value for key, value in keys.items()}
    if "partner_specific" in name:
        overrides["population__coupling"] = "partner_specific"
    config = Config.model_validate(base_config(**overrides))
    (point,) = points(config)
    arguments = arguments_of(point, config, period_grid([point], 1), force_full=name != "base")
    count = max(512, int(65536 * size) // 512 * 512)
    tallies = benchmark.pedantic(run_segment, (arguments, 0, count), rounds=5, warmup_rounds=1)
    by_period, where = arguments.layout.columns_of("survival")
    assert by_period
    if benchmark.stats:
        benchmark.extra_info["partner_updates_per_second"] = count * partner_updates(point) / benchmark.stats.stats.median
        benchmark.extra_info["alive_at_the_end"] = float(tallies.period[0, -1, where, 0][0]) / count


@pytest.mark.parametrize("partners", [2, 5])
def test_benchmark_scalar(benchmark, size, partners):
    """The usual scalar form on the same work as ``few``; also a check of the kernel by a third form of the model."""
    point, arguments = prepared(partners, FEW)
    theory, response = theory_of(point.parameters), point.parameters.response
    f = np.float32
    keeps = [
        eq.keep_threshold.py_func(f(response.tremble), f(keep_probability(response.reconsideration, p))) for p in theory.pace
    ]
    group = np.array([theory.group(c) for c in range(25)])
    handicap = np.array([theory.handicap * h for h in theory.handicapped], f)
    count = max(512, int(16384 * size))
    out = np.zeros((101, 7))

    def run():
        out[:] = 0
        a = arguments
        scalar.simulate(
            a.point[()], 0, count, a.mix, np.array(theory.barrier), np.array(theory.empowered), group, a.tables.weights,
            a.tables.thresholds, handicap, np.array(keeps, f), out,
        )  # fmt: skip

    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
    assert NEVER in theory.empowered
    ours = run_segment(arguments, 0, count).period[0]
    np.testing.assert_array_equal(out[:, :5], ours[:, :5, 0])
    if benchmark.stats:
        benchmark.extra_info["partner_updates_per_second"] = count * partner_updates(point) / benchmark.stats.stats.median


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


@pytest.mark.parametrize("words", [["--help"], ["plan=true"]], ids=["help", "plan"])
def test_benchmark_command(benchmark, size, tmp_path, words):
    """Wall time of the command where it simulates nothing."""

    def command():
        return subprocess.run([sys.executable, "-m", "sim.run", *words], cwd=tmp_path, capture_output=True, text=True)

    command()
    done = benchmark.pedantic(command, rounds=5 if size == 1.0 else 1)
    assert done.returncode == 0
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 0
