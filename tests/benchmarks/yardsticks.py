"""The kernel beside what one would use instead, on the same work in the same run, as one table.

    python tests/benchmarks/yardsticks.py FOLDER [--rounds 5] [--seconds 0.5] [--cpu 1] [--peers PYTHON] [--json FILE]

FOLDER holds programs that are no part of the project: `core_avx512.c`, `base_c.c`, and `worker.py` with its peers. All
run pinned to one core, in turn, round after round, so that a noisy machine is noisy for all; a figure is the median of
the rounds. What cannot run is said in its row.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numba
import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from benchmarks import bars  # noqa: E402
from benchmarks.workloads import FEW, MECHANISMS, Values, alive, base, core_rule, living, prepared, scalar_form  # noqa: E402
from sim.blocks import run_segment  # noqa: E402

PERIODS = 100
SIZES = (2, 5)
#: Alliances come in multiples of this; the smallest number that is timed.
STEP = 512
LARGEST = 10**8
#: A rule that is followed like any other, but by which nobody dissolves.
NOBODY_CHANGES = {"response__reconsideration": 0.0, "response__tremble": 0.0}
FLAGS = ["-O3", "-march=native", "-ffast-math", "-mprefer-vector-width=512"]


class CannotRun(Exception):
    """Why something is not in the table."""


@dataclass
class Runner:
    """Something that is timed: ``go(alliances)`` returns seconds; an alliance is `work` units of work."""

    go: Callable[[int], float]
    work: float
    alive: float = float("nan")
    alliances: int = STEP
    rates: list[float] = field(default_factory=list)
    missing: str = ""

    def prepare(self, seconds: float) -> None:
        """Warm up, and choose how many alliances take about `seconds`."""
        try:
            self.go(self.alliances)
            while (took := self.go(self.alliances)) < seconds / 10 and self.alliances < LARGEST:
                self.alliances *= 4
        except CannotRun as error:
            self.missing = str(error)
            return
        self.alliances = max(1, int(self.alliances * seconds / took) // STEP) * STEP

    def time(self) -> None:
        if not self.missing:
            self.rates.append(self.work * self.alliances / self.go(self.alliances))

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)


@dataclass(frozen=True)
class Row:
    """A line of the table: of `theirs` the fastest counts; `least` and `aim` are ratios of our rate to theirs."""

    work: str
    partners: int
    against: str
    ours: str
    theirs: tuple[str, ...]
    least: float | None
    aim: float | None


def ours(values: Values, per_pair: bool = False, living_only: bool = False) -> Runner:
    """The kernel alone on a point; `living_only`: counting as work only what was done in alliances that live."""
    point, arguments = prepared(values)
    n = point.parameters.population.partners
    living = float(np.mean(alive(values)[:-1]))

    def go(count: int) -> float:
        started = time.perf_counter()
        run_segment(arguments, 0, count)
        return time.perf_counter() - started

    return Runner(go, PERIODS * n * (n - 1 if per_pair else 1) * (living if living_only else 1.0), living)


def scalar(values: Values) -> Runner:
    """The scalar form of the kernel."""
    point, arguments = prepared(values)
    run = scalar_form(point, arguments)

    def go(count: int) -> float:
        started = time.perf_counter()
        run(count)
        return time.perf_counter() - started

    return Runner(go, PERIODS * point.parameters.population.partners)


def compiled(source: Path, compiler: str, partners: int, folder: Path, *words: str) -> Runner:
    """A program in C; it prints its own time."""
    program = folder / f"{source.stem}-{compiler}-{partners}"

    def go(count: int) -> float:
        if not program.exists():
            if not source.exists():
                raise CannotRun(f"no {source.name}")
            if shutil.which(compiler) is None:
                raise CannotRun(f"no {compiler}")
            made = [compiler, *FLAGS, f"-DNP={partners}", str(source), "-lm", "-o", str(program)]
            if subprocess.run(made, capture_output=True).returncode:
                raise CannotRun(f"{compiler} cannot compile it for this processor")
        done = subprocess.run([program, str(count), str(PERIODS), *words], capture_output=True, text=True, check=True)
        found = re.search(r"([\d.]+) ([GM]) partner-updates/s", done.stdout)
        assert found, done.stdout
        return count * partners * PERIODS / (float(found[1]) * {"G": 1e9, "M": 1e6}[found[2]])

    return Runner(go, partners * PERIODS)


def peer(python: str, folder: Path, function: str, needs: str, partners: int) -> Runner:
    """A function of a Python peer in a process of its own, which times it without start and imports."""

    def go(count: int) -> float:
        if subprocess.run([python, "-c", f"import {needs}"], capture_output=True).returncode:
            raise CannotRun(f"no {needs}")
        if not (folder / "worker.py").exists():
            raise CannotRun("no worker.py")
        words = [python, "-W", "ignore", "worker.py", "core", function, partners, count, PERIODS, 1]
        one = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        env = {**os.environ, **one, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([str(w) for w in words], cwd=folder, env=env, capture_output=True, text=True)
        if done.returncode:
            raise CannotRun(f"it fails: {done.stderr.strip().splitlines()[-1]}")
        return float(json.loads(done.stdout.splitlines()[-1])["wall"])

    return Runner(go, partners * PERIODS)


def build(folder: Path, python: str, temporary: Path) -> tuple[dict[str, Runner], list[Row]]:
    """Everything that is timed, in order, and the table made of it."""
    runners: dict[str, Runner] = {}
    rows: list[Row] = []
    for n in SIZES:
        of_c = {"context__stakes__mean": 0.6, "context__prior__mean": 0.5}
        runners |= {
            f"core {n}": ours(core_rule(n, temporary)),
            f"core, living {n}": ours(core_rule(n, temporary), living_only=True),
            f"core, all alive {n}": ours(core_rule(n, temporary) | NOBODY_CHANGES),
            f"avx512 gcc {n}": compiled(folder / "core_avx512.c", "gcc", n, temporary),
            f"avx512 clang {n}": compiled(folder / "core_avx512.c", "clang", n, temporary),
            f"numpy {n}": peer(python, folder, "numpy_peer:run", "numpy", n),
            f"mesa {n}": peer(python, folder, "mesa_peer:run", "mesa", n),
            f"few {n}": ours(base(n) | of_c | {"output__variables": FEW}),
            f"C gcc {n}": compiled(folder / "base_c.c", "gcc", n, temporary, "0.8"),
            f"C clang {n}": compiled(folder / "base_c.c", "clang", n, temporary, "0.8"),
            f"all {n}": ours(base(n) | of_c),
            f"scalar {n}": scalar(base(n) | of_c | {"output__variables": FEW}),
            f"few, living {n}": ours(living(n) | {"output__variables": FEW}),
            f"scalar, living {n}": scalar(living(n) | {"output__variables": FEW}),
            f"every {n}": ours(living(n, *MECHANISMS)),
            f"living {n}": ours(living(n)),
            f"dissolved {n}": ours(living(n) | {"population__initial__strategies": ["avoidance"] * n}),
            f"dissolving {n}": ours(base(n, 0.2)),
        }
        avx512, c = (f"avx512 gcc {n}", f"avx512 clang {n}"), (f"C gcc {n}", f"C clang {n}")
        rows += [
            Row("core rule", n, "AVX-512 by hand", f"core {n}", avx512, 0.2, 0.4),
            Row("core rule, work in living alliances only", n, "AVX-512 by hand", f"core, living {n}", avx512, None, None),
            Row("core rule, nobody changes, all alive", n, "AVX-512 by hand", f"core, all alive {n}", avx512, None, None),
            Row("core rule", n, "NumPy", f"core {n}", (f"numpy {n}",), 20, 45),
            Row("core rule", n, "Mesa", f"core {n}", (f"mesa {n}",), 1000, 2000),
            Row("base model, recording strategies, learning, trust", n, "C, -ffast-math", f"few {n}", c, 0.55, 0.9),
            Row("base model, recording all", n, "the same", f"all {n}", c, 0.5, 0.85),
            Row(
                "base model, recording strategies, learning, trust",
                n,
                "scalar numba",
                f"few {n}",
                (f"scalar {n}",),
                *bars.SCALAR,
            ),
            Row("the same, all alive", n, "scalar numba", f"few, living {n}", (f"scalar, living {n}",), *bars.SCALAR),
            Row(
                "every mechanism on, all alive",
                n,
                "base model, all alive",
                f"every {n}",
                (f"living {n}",),
                *bars.MECHANISMS,
            ),
            Row("dissolved from the start", n, "all alive", f"dissolved {n}", (f"living {n}",), *bars.DISSOLVED),
            Row(
                "trust and orientation .2, which few survive",
                n,
                "all alive",
                f"dissolving {n}",
                (f"living {n}",),
                None,
                None,
            ),
        ]
    sizes = (2, 3, 5, 8, 16, 32)
    runners |= {f"pairs {n}": ours(living(n), per_pair=True) for n in sizes}
    rows += [
        Row("base model, all alive, per pair-update", n, "N = 2", f"pairs {n}", ("pairs 2",), *bars.PAIRS)
        for n in sizes[1:]
    ]  # fmt: skip
    order = list(dict.fromkeys((row.work, row.against) for row in rows))
    return runners, sorted(rows, key=lambda row: order.index((row.work, row.against)))


def machine(cpu: int) -> str:
    """The machine and what compiles on it, in a line."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    name = re.search(r"model name\s*:\s*(.*)", info)
    versions = [
        subprocess.run([c, "--version"], capture_output=True, text=True).stdout.splitlines()[0]
        for c in ("gcc", "clang")
        if shutil.which(c)
    ]
    width = "AVX-512" if "avx512f" in info else "AVX2" if "avx2" in info else "neither AVX-512 nor AVX2"
    parts = [name[1].strip() if name else platform.machine(), width, f"one core (number {cpu}) of {os.cpu_count()}"]
    return ", ".join([*parts, f"Python {platform.python_version()}", f"numba {numba.__version__}", *versions])


def shown(rate: float) -> str:
    return f"{rate / 1e6:.0f}" if rate >= 1e7 else f"{rate / 1e6:.2f}"


def bar(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:,.3g}" if ratio < 1000 else f"{ratio:,.0f}"


def lines(runners: dict[str, Runner], rows: list[Row]) -> Iterator[str]:
    """The table; rates in millions of partner-updates (pair-updates) a second."""
    yield "| work | N | against | ours | theirs | ratio | at least | aim | met | alive on average |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for row in rows:
        us, there = runners[row.ours], [runners[key] for key in row.theirs if not runners[key].missing]
        what = f"| {row.work} | {row.partners} | {row.against} | {shown(us.rate)} |"
        end = f"{bar(row.least)} | {bar(row.aim)} |"
        if not there:
            reason = ", ".join(dict.fromkeys(runners[key].missing for key in row.theirs))
            yield f"{what} not run: {reason} | - | {end} - | {us.alive:.2f} |"
            continue
        rate = max(r.rate for r in there)
        ratio = us.rate / rate
        met = "-" if row.least is None else "no" if ratio < row.least else "yes"
        met += ", and the aim" if met == "yes" and row.aim is not None and ratio >= row.aim else ""
        yield f"{what} {shown(rate)} | {bar(ratio)} | {end} {met} | {us.alive:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the programs to compare with are")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of one timed run")
    parser.add_argument("--cpu", type=int, default=max(os.sched_getaffinity(0)), help="core to run on")
    parser.add_argument("--peers", default=sys.executable, help="the Python that has NumPy and Mesa")
    parser.add_argument("--json", type=Path, help="write every round to this file")
    given = parser.parse_args()
    os.sched_setaffinity(0, {given.cpu})
    with tempfile.TemporaryDirectory() as temporary:
        runners, rows = build(given.folder.resolve(), given.peers, Path(temporary))
        for name, runner in runners.items():
            runner.prepare(given.seconds)
            print(f"{name}: {runner.missing or runner.alliances}", file=sys.stderr)
        for number in range(given.rounds):
            for runner in runners.values():
                runner.time()
            print(f"round {number + 1} of {given.rounds}", file=sys.stderr)
    print(machine(given.cpu) + f"; medians of {given.rounds} rounds, millions of updates a second\n")
    print("\n".join(lines(runners, rows)))
    if given.json:
        rounds = {name: {"alive": r.alive, "missing": r.missing, "rates": r.rates} for name, r in runners.items()}
        given.json.write_text(json.dumps({"machine": machine(given.cpu), "rounds": rounds}, indent=1))


if __name__ == "__main__":
    main()
