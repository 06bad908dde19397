"""The performance table, as Markdown, from the JSON of the benchmarks.

python -m pytest tests/benchmarks --benchmark-enable --full-size --benchmark-json=benchmarks.json
python tests/benchmarks/table.py benchmarks.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Test -> what its table is called, and its columns: heading, key of ``extra_info`` (or of ``stats``), factor, digits.
MILLION = ("million partner-updates/s", "partner_updates_per_second", 1e-6, 0)
ALIVE = ("alive at the end", "alive_at_the_end", 1, 2)
SECONDS = ("s", "median", 1, 2)
TABLES: dict[str, tuple[str, tuple[tuple[str, str, float, int], ...]]] = {
    "test_benchmark_kernel": ("Base model, one core: recording, partners", (MILLION, ALIVE)),
    "test_benchmark_mechanisms": ("Two partners, one core: mechanisms", (MILLION, ALIVE)),
    "test_benchmark_alive": ("Base model, one core: partners, share alive from the start", (MILLION, ALIVE)),
    "test_benchmark_lanes": ("Base model, one core: lanes, partners", (MILLION,)),
    "test_benchmark_scalar": ("Scalar form, one core: partners", (MILLION,)),
    "test_benchmark_random_words": ("Random numbers alone, one core", (("million calls/s", "calls_per_second", 1e-6, 0),)),
    "test_benchmark_compile": (
        "Kernels: compiling once, loading later",
        (("s to compile", "compile_seconds", 1, 1), ("s to load", "load_seconds", 1, 2)),
    ),
    "test_benchmark_start": ("Default sweep, command to first block", (SECONDS,)),
    "test_benchmark_help": ("The command with --help", (SECONDS,)),
    "test_benchmark_store": ("Writing the store", (("ms a point", "seconds_per_point", 1e3, 2),)),
    "test_benchmark_sweep": ("Whole sweep", (SECONDS, ("wall over kernel / cores", "wall_over_kernel_per_core", 1, 3))),
    "test_benchmark_resume_of_a_complete_run": ("Finding that nothing is to be done", (SECONDS,)),
    "test_benchmark_memory": ("Whole sweep, peak memory: alliances a point", (("MB", "peak_megabytes", 1, 0),)),
}


def machine(data: dict[str, Any]) -> str:
    """The machine that the figures are from, in a line."""
    info = data["machine_info"]
    cpu = info.get("cpu", {})
    flags = cpu.get("flags", [])
    width = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no wide vectors known"
    parts = [cpu.get("brand_raw", info["machine"]), width, f"{cpu.get('count', '?')} cores", info["system"]]
    return ", ".join([*parts, f"Python {info['python_version']}", data["datetime"][:10]])


def cell(benchmark: dict[str, Any], key: str, factor: float, digits: int) -> str:
    value = benchmark["extra_info"].get(key, benchmark["stats"].get(key))
    return "-" if value is None else f"{value * factor:,.{digits}f}"


def lines(data: dict[str, Any]) -> Iterator[str]:
    """One table for each kind of benchmark, in the order of `TABLES`."""
    yield machine(data)
    for test, (title, columns) in TABLES.items():
        found = [b for b in data["benchmarks"] if b["name"].partition("[")[0] == test]
        if not found:
            continue
        yield from ("", f"| {title} | " + " | ".join(heading for heading, *_ in columns) + " |")
        yield "|---" * (len(columns) + 1) + "|"
        for b in found:
            what = b["name"].partition("[")[2].removesuffix("]").replace("-", ", ")
            yield f"| {what} | " + " | ".join(cell(b, *column) for _, *column in columns) + " |"


if __name__ == "__main__":
    print("\n".join(lines(json.loads(Path(sys.argv[1]).read_text()))))
