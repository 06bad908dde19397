"""What the driver of a run takes, without the workers: tallies recorded once come back at once, as from a cluster of any size.

python tests/benchmarks/driver.py FOLDER [--blocks 2000] [--points 100000]

prints tables of blocks a second, bytes, processor time and memory, for the default recording (two partners, 100 periods, all
variables), then the same for a store of many points: its layout, plan, opening, and finding that nothing is to be done.
"""

from __future__ import annotations

import argparse
import gc
import json
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from conftest import base_config  # noqa: E402

from benchmarks.whole import peak_megabytes  # noqa: E402
from sim import chunks, executor, experiment, outlook, survey  # noqa: E402
from sim.blocks import Block, run_segment  # noqa: E402
from sim.config import compose, validate  # noqa: E402
from sim.executor import AHEAD  # noqa: E402
from sim.schema import Config  # noqa: E402
from sim.tallies import Tallies  # noqa: E402

WORKERS = (16, 256, 4096)


def config_of(points: int, alliances: int = 1000, workers: int = 1, **more: Any) -> Config:
    """A sample of trust and orientation with the default recording."""
    factors = {
        label: {"path": f"context.{label}.mean", "levels": {"low": 0.0, "high": 1.0}} for label in ("trust", "orientation")
    }
    design = {"kind": "latin_hypercube", "points": points, "factors": factors}
    compute = {"kind": "processes", "workers": workers}
    return validate(base_config(design=design, population__alliances=alliances, compute=compute, **more))


class Recorded:
    """An executor whose workers answer at once: every segment gets the tallies of the first one of its size."""

    def __init__(self) -> None:
        self.known: dict[int, Tallies] = {}
        self.blocks, self.bytes = 0, 0

    def execute(self, blocks: executor.Blocks, config: Config, stop: threading.Event) -> Iterator[executor.Outcome]:
        """As `sim.executor.execute`, with as many blocks in flight."""
        waiting: deque[Block] = deque()
        while True:
            while len(waiting) < AHEAD * (config.compute.workers or 1) and (block := next(blocks, None)) is not None:
                assert isinstance(block, Block)
                waiting.append(block)
            if not waiting:
                return
            block = waiting.popleft()
            found = [self._tallies(block, k) for k in range(len(block.segments))]
            self.blocks += 1
            self.bytes += sum(t.period.nbytes + t.point.nbytes for t in found)
            yield block, found, 0.0

    def _tallies(self, block: Block, k: int) -> Tallies:
        count = block.segments[k].count
        if count not in self.known:
            self.known[count] = run_segment(block.arguments[k], 0, count)
        same = self.known[count]
        return Tallies(same.period.copy(), same.point.copy(), count)


def driven(folder: Path, points: int, alliances: int, workers: int, rate: float) -> dict[str, float]:
    """One run, the time of the workers left out. `rate` (partner-updates a second) says how large a block is."""
    path = folder / "driver.zarr"
    shutil.rmtree(path, ignore_errors=True)
    config, recorded = config_of(points, alliances, workers), Recorded()
    moment = time.perf_counter()
    found = survey.survey(config, path)
    surveyed = time.perf_counter() - moment
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    with (
        mock.patch.object(executor, "execute", recorded.execute),
        mock.patch("sim.provenance.revision", return_value="none"),
    ):
        result = experiment.perform(found, {t.kind: rate for t in found.tasks}, "driver", "", threading.Event())
    assert experiment.complete(found, result), result.failures
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    size = sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
    return {
        "points": points, "workers": workers, "blocks": recorded.blocks, "blocks_per_second": recorded.blocks / wall,
        "megabytes_per_second": recorded.bytes / 1e6 / wall, "cpu_ms_per_point": 1e3 * cpu / points,
        "cpu_ms_per_block": 1e3 * cpu / recorded.blocks, "survey_seconds": surveyed, "seconds": wall,
        "kilobytes_per_point": size / 1e3 / points, "peak_megabytes": peak_megabytes(),
    }  # fmt: skip


def large(folder: Path, points: int) -> dict[str, float]:
    """A store of many points, marked as finished without any work: what each command takes before and after it."""
    import xarray as xr

    from sim.api import open_results

    path = folder / "large.zarr"
    shutil.rmtree(path, ignore_errors=True)
    took: dict[str, float] = {}

    def timed(name: str, work: Any, *words: Any) -> Any:
        gc.collect()
        began, used = time.perf_counter(), time.process_time()
        found = work(*words)
        took[f"{name}_seconds"] = time.perf_counter() - began
        took[f"{name}_cpu_seconds"] = time.process_time() - used
        return found

    words = ["design=latin_hypercube", f"design.points={points}", f"output.path={path}", "output.report=false"]
    words += [f"design.factors.{k}={{path:context.{k}.mean,levels:{{low:0,high:1}}}}" for k in ("trust", "orientation")]
    config = compose(words)
    found = timed("survey", survey.survey, config, path)
    rates = {found.tasks[0].kind: 1e8}
    timed("plan", outlook.plan_text, found, rates)
    took["plan_peak_megabytes"] = peak_megabytes()
    with mock.patch("sim.provenance.revision", return_value="none"):
        store = timed("layout", experiment._target, found, "large", "")
    took["empty_megabytes"] = sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) / 1e6
    for name, array in store.by_point.items():
        empty = chunks.encoded(array, chunks.empty(array))
        for number in range(-(-points // store.chunk)):
            (path / name / chunks.file_of(array, number)).write_bytes(empty)
    store.arrays["alliances"][:] = config.population.alliances
    store.mark(range(points))
    store.note(**{survey.FINISHED: survey.asked(config)})
    took["files"] = sum(1 for _ in path.rglob("*"))
    del found
    assert timed("same_config", survey.complete, config, path) == points
    assert not timed("another_config", survey.survey, config, path).tasks
    command = [sys.executable, "-m", "sim.run", *words]
    timed("command", lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
    timed("open", open_results, path)
    timed("xarray", xr.open_zarr, path)
    return {"points": points, **took, "peak_megabytes": peak_megabytes()}


def alone(name: str, *words: object) -> dict[str, float]:
    """One measurement in a process of its own, so that peaks of memory are its own."""
    call = [sys.executable, __file__, "--one", name, *map(str, words)]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def shown(rows: list[dict[str, float]]) -> str:
    """Rows as a table."""
    lines = [" | ".join(rows[0]), " | ".join("---" for _ in rows[0])]
    lines += [" | ".join(f"{v:,.3g}" if isinstance(v, float) else f"{v:,}" for v in row.values()) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--blocks", type=int, default=2000)
    parser.add_argument("--points", type=int, default=100_000)
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    where, few = chosen.folder, max(1, chosen.blocks // 100)
    # A block a point, a hundred blocks a point, and eight points a block.
    rows = [alone("driven", where, chosen.blocks, 1152, w, 1152 * 200) for w in WORKERS]
    rows += [alone("driven", where, few, 115_200, w, 1152 * 200) for w in WORKERS]
    rows += [alone("driven", where, chosen.blocks, 1152, w, 8 * 1152 * 200) for w in WORKERS]
    print(shown(rows), flush=True)
    many = [alone("large", where, number) for number in (chosen.points // 10, chosen.points)]
    for name in many[0]:
        print(f"| {name} | {' | '.join(f'{m[name]:,.3g}' for m in many)} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        name, folder, *numbers = sys.argv[2:]
        print(json.dumps({"driven": driven, "large": large}[name](Path(folder), *map(int, numbers))))
    else:
        main()
