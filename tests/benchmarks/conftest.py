"""What the JSON of the benchmarks says of machine and run besides what it says by itself."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    machine_info["full_size"] = config.getoption("--full-size")
    machine_info["versions"] = {name: version(name) for name in ("numba", "llvmlite", "numpy", "zarr")}
