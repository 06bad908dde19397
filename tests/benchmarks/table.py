"""The performance table, as Markdown, from the JSON of the benchmarks.

python -m pytest tests/benchmarks --benchmark-enable --full-size --benchmark-json=benchmarks.json
python tests/benchmarks/table.py benchmarks.json [--readme]

``--readme``: the few lines of it that the README shows.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import bars
from benchmarks.bars import Bar

Benchmark = dict[str, Any]


class Figure(NamedTuple):
    """A figure of a benchmark: a key of its ``extra_info`` or ``stats``, times a factor."""

    key: str
    unit: str
    factor: float = 1.0
    digits: int = 0

    def shown(self, benchmark: Benchmark) -> str:
        value = value_of(benchmark, self.key)
        return "-" if value is None else f"{value * self.factor:,.{self.digits}f} {self.unit}"


class Group(NamedTuple):
    """Rows of a test: what they are called, their figures, and what the first of them is held to, by the test's parameters."""

    test: str
    title: str
    figures: tuple[Figure, ...]
    bars: dict[str, Bar] = {}  # noqa: RUF012


class Versus(NamedTuple):
    """A row that divides the rate of one benchmark by that of another."""

    what: str
    ours: str
    theirs: str
    bar: Bar
    factor: float = 1.0


RATE = Figure("partner_updates_per_second", "million partner-updates/s", 1e-6)
ALIVE = Figure("alive_at_the_end", "alive at the end", 1, 2)
SECONDS = Figure("median", "s", 1, 2)
SWEPT = Figure("seconds", "s", 1, 1)
PEAK = Figure("peak_megabytes", "MB at most")
GROUPS = (
    Group("kernel", "base model, one core: partners, recorded", (RATE, ALIVE)),
    Group("mechanisms", "two partners, one core: mechanisms", (RATE, ALIVE)),
    Group("alive", "base model, one core: partners, share alive from the start", (RATE, ALIVE)),
    Group("lanes", "base model, one core: lanes, partners", (RATE,)),
    Group("scalar", "scalar form, one core: partners", (RATE,)),
    Group("random_words", "random numbers alone, one core", (Figure("calls_per_second", "million calls/s", 1e-6),)),
    Group(
        "compile",
        "kernel, compiled once: form",
        (Figure("compile_seconds", "s to compile", 1, 1), Figure("load_seconds", "s to load", 1, 2)),
    ),
    Group(
        "start",
        "default sweep, command to first block: cache",
        (Figure("seconds", "s", 1, 2),),
        {"cold": bars.COLD, "warm": bars.WARM},
    ),
    Group("help", "the command with --help", (SECONDS,)),
    Group(
        "sweep",
        "whole sweep, two threads: points x alliances x periods",
        (Figure("wall_over_kernel", "x kernel time / workers", 1, 3), Figure("seconds", "s", 1, 1)),
        {"10,000 x 1,000 x 100": bars.SMALL_POINTS, "100 x 100,000 x 100": bars.LARGE_POINTS},
    ),
    Group(
        "sweep",
        "the same, processor time",
        (Figure("kernel_cpu_seconds", "s in kernels", 1, 2), Figure("other_cpu_seconds", "s outside", 1, 2)),
    ),
    Group("sweep", "the same, space", (PEAK, Figure("store_megabytes", "MB stored"))),
    Group(
        "exact",
        "exact engine, one core: points x partners, 100 periods",
        (SECONDS,),
        {"10,000 x 2": bars.EXACT_SWEEP, "1 x 8": bars.EXACT_EIGHT},
    ),
    Group(
        "target",
        "phase diagram to a target, two threads",
        (
            Figure("alliances_over_oracle", "x the alliances of an oracle", 1, 3),
            Figure("busy", "% busy", 100),
            Figure("rate", "million partner-updates/s", 1e-6),
        ),
        {"": bars.TARGET},
    ),
    Group("store", "writing the store", (Figure("seconds_per_point", "ms a point", 1e3, 2),)),
    Group("resume_of_a_complete_run", "finding that nothing is to be done", (SECONDS,)),
    Group("memory", "one point, ten periods: alliances", (PEAK, Figure("seconds", "s", 1, 1))),
)
RATIOS = (
    *(
        Versus(f"few recorded over scalar form, {n} partners", f"kernel[{n}-few]", f"scalar[{n}]", bars.SCALAR.bar)
        for n in (2, 5)
    ),
    Versus("every mechanism over base model, all alive", "mechanisms[every]", "mechanisms[base]", bars.MECHANISMS.bar),
    *(
        Versus(f"dissolved over all alive, {n} partners", f"alive[{n}-0.0]", f"alive[{n}-1.0]", bars.DISSOLVED.bar)
        for n in (2, 5)
    ),
    # A partner-update of five partners is four pair-updates.
    Versus("five partners over two, all alive, per pair-update", "alive[5-1.0]", "alive[2-1.0]", bars.PAIRS.bar, 4.0),
)


#: Rows of the README: benchmark, what it is called there, its figures.
README = (
    ("kernel[2-all]", "base model, 2 partners, trust .8, everything recorded, one core", (RATE,)),
    ("kernel[5-all]", "the same, 5 partners", (RATE,)),
    ("mechanisms[every]", "every mechanism, 2 partners, all alive, one core", (RATE,)),
    ("sweep[100 x 100,000 x 100]", "100 points x 100,000 alliances x 100 periods, 2 cores", (SWEPT, PEAK)),
    ("sweep[10,000 x 1,000 x 100]", "10,000 points x 1,000 alliances x 100 periods, 2 cores", (SWEPT, PEAK)),
    ("memory[100,000,000]", "one point of 100 million alliances, 10 periods, one core", (SWEPT, PEAK)),
    ("start[cold]", "first run ever, until the first block runs (compilation)", (SWEPT,)),
    ("start[warm]", "any later run", (SWEPT,)),
)


def value_of(benchmark: Benchmark, key: str) -> float | None:
    return benchmark["extra_info"].get(key, (benchmark["stats"] or {}).get(key))


def machine(data: dict[str, Any]) -> str:
    """The machine that the figures are from, the versions, the size and the date, in a line."""
    info = data["machine_info"]
    cpu, commit = info.get("cpu", {}), data.get("commit_info", {})
    flags = cpu.get("flags", [])
    width = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no wide vectors known"
    versions = [f"{name} {version}" for name, version in info.get("versions", {}).items()]
    parts = [cpu.get("brand_raw", info["machine"]), width, f"{cpu.get('count', '?')} cores", info["system"]]
    made = f"commit {commit.get('id', '?')[:11]}" + (" and changes" if commit.get("dirty") else "")
    size = "full size" if info.get("full_size") else "small: to try the benchmarks, not to be read"
    return ", ".join([*parts, f"Python {info['python_version']}", *versions, made, size, data["datetime"][:10]])


def line(title: str, what: str, figures: str, bar: Bar | None = None, value: float | None = None) -> str:
    met = "" if bar is None or value is None else "yes" if bar.met(value) else "no"
    return f"| {title} | {what} | {figures} | {bar or ''} | {met} |"


def group_lines(group: Group, found: list[Benchmark]) -> Iterator[str]:
    """The rows of a group; only the first says its title."""
    for k, benchmark in enumerate(found):
        case = benchmark["name"].partition("[")[2].removesuffix("]")
        shown = ", ".join(figure.shown(benchmark) for figure in group.figures)
        value = value_of(benchmark, group.figures[0].key)
        yield line("" if k else group.title, case.replace("-", ", "), shown, group.bars.get(case), value)


def ratio_lines(rate: dict[str, float | None]) -> Iterator[str]:
    """The rows of `RATIOS` of which both benchmarks ran."""
    title = "rate over rate"
    for versus in RATIOS:
        ours, theirs = rate.get(versus.ours), rate.get(versus.theirs)
        if ours and theirs:
            ratio = versus.factor * ours / theirs
            yield line(title, versus.what, f"{ratio:,.3g}", versus.bar, ratio)
            title = ""


def lines(data: dict[str, Any]) -> Iterator[str]:
    """The table, in the order of `GROUPS`."""
    by_name = {b["name"].removeprefix("test_benchmark_"): b for b in data["benchmarks"]}
    rate = {name: value_of(b, RATE.key) for name, b in by_name.items()}
    yield from (machine(data), "", "| group | what | figure | bar | met |", "|---|---|---|---|---|")
    for group in GROUPS:
        yield from group_lines(group, [b for name, b in by_name.items() if name.partition("[")[0] == group.test])
    yield from ratio_lines(rate)


def readme_lines(data: dict[str, Any]) -> Iterator[str]:
    """The rows of `README`."""
    by_name = {b["name"].removeprefix("test_benchmark_"): b for b in data["benchmarks"]}
    yield from (f"| {machine(data).split(', commit')[0]} | |", "|---|---|")
    for name, what, figures in README:
        yield f"| {what} | {', '.join(figure.shown(by_name[name]) for figure in figures)} |"


if __name__ == "__main__":
    shown = readme_lines if "--readme" in sys.argv else lines
    print("\n".join(shown(json.loads(Path(sys.argv[1]).read_text()))))
