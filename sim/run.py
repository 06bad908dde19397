"""The command: ``python -m sim.run [+experiment=NAME] [group=choice] [key=value ...]``.

Exit status: 0 every point complete, 1 a failed run (resumable), 2 bad input (nothing written), 130 interrupted
(resumable).
"""

from __future__ import annotations

import hashlib
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from sim.plan import Rates
    from sim.schema import Config
    from sim.survey import Survey

COMPLETE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
RESULTS = Path("results")
LONGEST_SUFFIX = 120
#: Points named in a warning.
MOST_NAMED = 5


def main() -> int:
    """Run what the command line says; returns the exit status."""
    words = sys.argv[1:]
    if any(word in ("--help", "-h") for word in words):
        from sim.helptext import render

        print(render())
        return COMPLETE
    overrides = [word for word in words if word not in ("-m", "--multirun")]
    if any(word.startswith("-") for word in overrides):
        return guarded(lambda: _by_hydra(words))
    return guarded(lambda: _multirun(overrides) if len(overrides) < len(words) else _directly(overrides))


def guarded(work: Callable[[], int]) -> int:
    """Exit status of some work; what is wrong is said in one message."""
    from sim.design import ConfigError

    try:
        return work()
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted; finished points are kept, the same command goes on.", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        print(f"failed: {error}; finished points are kept, the same command goes on.", file=sys.stderr)
        return FAILED


def _directly(words: Sequence[str], suffix: str = "") -> int:
    """One run of overrides alone, without the rest of Hydra; a `suffix` tells the runs of a multirun apart."""
    from sim.config import compose

    chosen = [word.partition("=")[2] for word in words if word.lstrip("+").startswith("experiment=")]
    name = chosen[-1].strip("'\"") if chosen else ""
    return job(compose(words), name, suffix)


def _multirun(words: Sequence[str]) -> int:
    """One run for each combination of ``key=a,b``, in order; the worst status counts. All are checked before the first."""
    from sim.config import compose, jobs

    runs = list(jobs(words))
    for overrides in runs:
        compose(overrides)
    statuses = []
    for k, overrides in enumerate(runs, 1):
        print(f"{'' if k == 1 else chr(10)}[{k} of {len(runs)}] {' '.join(overrides)}", flush=True)
        statuses.append(guarded(lambda overrides=overrides: _directly(overrides, _suffix(overrides))))  # type: ignore[misc]
        if statuses[-1] == INTERRUPTED:
            break
    return max(statuses)


def _suffix(overrides: Sequence[str]) -> str:
    """What a job of a multirun adds to the name of its store: its overrides, those that change no result left out."""
    words = [word.lstrip("+") for word in overrides]
    kept = [w for w in words if not w.startswith(("experiment=", "output.", "compute", "plan="))]
    text = ",".join(kept).replace("/", "-")
    if len(text) > LONGEST_SUFFIX:
        text = f"{text[:LONGEST_SUFFIX]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return f",{text}" if text else ""


def _by_hydra(words: Sequence[str]) -> int:
    """Other flags of Hydra: ``--cfg``, ``--config-dir`` and the like."""
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from sim.config import conf_folder, explained, prepared, register_resolvers, validate

    # Hydra prints and exits by itself unless told to raise; its errors become one message.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    register_resolvers()
    sys.argv[1:] = prepared(words)
    statuses: list[int] = []

    def work(cfg: DictConfig) -> None:
        settings = HydraConfig.get()
        suffix = _suffix(settings.overrides.task) if settings.mode == RunMode.MULTIRUN else ""
        name = str(settings.runtime.choices.get("experiment") or "")
        statuses.append(guarded(lambda: job(validate(cfg), name, suffix)))

    with explained():
        hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")(work)()
    return max(statuses, default=COMPLETE)


def job(config: Config, experiment: str, suffix: str) -> int:
    """One run of an experiment (its name, or nothing) into a store."""
    from sim.helptext import question_of

    path = Path(config.output.path) if config.output.path else RESULTS / f"{experiment or 'single'}{suffix}.zarr"
    return run(config, path.resolve(), experiment or "single", question_of(experiment) if experiment else "")


def run(config: Config, path: Path, name: str, question: str) -> int:
    """Survey, plan, perform, report. Returns the exit status."""
    from sim import extension, place, survey

    found = survey.survey(config, path)
    left = any(sibling.exists() for sibling in place.siblings(path))
    if question:
        print(question)
    if config.plan or not (found.tasks or left):
        return _plan(found) if found.tasks else _nothing_to_do(found, question)
    with place.lock(path):
        if left:
            extension.recover(path)
        # Once more, with nobody else at work here.
        found = survey.survey(config, path, found.points)
        return _perform(found, name, question) if found.tasks else _nothing_to_do(found, question)


def _nothing_to_do(found: Survey, question: str) -> int:
    print(f"{shown(found.path)} is complete, {len(found.points)} of {len(found.points)} points; nothing to do.")
    _tell_short(found)
    stem = found.path.name.removesuffix(".zarr")
    if found.config.output.report and not found.path.with_name(f"{stem}.csv").exists():
        _report(found.path, question)
    return COMPLETE


def _plan(found: Survey) -> int:
    print(plan_text(found, _pilot(found)))
    return COMPLETE


def _pilot(found: Survey) -> Rates:
    from sim.jit import is_compiled
    from sim.plan import cores, pilot
    from sim.recording import FORMS, form_of

    forms = {form_of(task.point.parameters, found.config) for task in found.simulated}
    missing = [FORMS[form] for form in forms if not is_compiled(form)]
    # On more than one core they compile at once.
    if seconds := sum(missing) if cores() < 2 else max(missing, default=0):
        print(f"Compiling the kernel, once (about {seconds} s)...", flush=True)
    return pilot(found.simulated, found.config)


def _perform(found: Survey, name: str, question: str) -> int:
    from sim import experiment
    from sim.plan import workers_of
    from sim.survey import gigabytes

    rates = _pilot(found)
    print(plan_text(found, rates), flush=True)
    stop = threading.Event()
    with _stopping(stop):
        result = experiment.perform(found, rates, name, question, stop)
    workers = workers_of(found.config)
    rate = result.updates / max(result.seconds, 1e-9) / 1e6
    print(
        f"{result.finished} of {len(found.tasks)} points, {result.updates:.4g} partner-updates in {result.seconds:.1f} s: "
        f"{rate:.0f} million a second on {workers} workers, {result.busy / max(result.seconds * workers, 1e-9):.0%} busy"
    )
    if result.failures:
        experiment.failed_message(result, found.path)
        return FAILED
    if not experiment.complete(found, result):
        print(f"interrupted: finished points are kept in {shown(found.path)}; the same command goes on.", file=sys.stderr)
        return INTERRUPTED
    size = sum(f.stat().st_size for f in found.path.rglob("*") if f.is_file())
    print(f"{shown(found.path)}: complete, {gigabytes(size)}")
    _tell_short(found)
    if found.config.output.report:
        _report(found.path, question)
    return COMPLETE


def _tell_short(found: Survey) -> None:
    """Name the points that do not meet the target of a run."""
    from sim.survey import shortfalls

    if found.config.precision.kind != "target" or not (short := shortfalls(found)):
        return
    worst = sorted(short, key=lambda each: -each[1])
    target = found.config.precision
    named = ", ".join(f"{name}: {_times(ratio)}" for name, ratio in worst[:MOST_NAMED])
    more = f", and {len(short) - MOST_NAMED} more" if len(short) > MOST_NAMED else ""
    print(
        f"warning: {len(short)} of {len(found.points)} points stay above the target within "
        f"{target.max_alliances:,} alliances (precision.max_alliances): {named}{more}.",
        file=sys.stderr,
    )


def _times(ratio: float) -> str:
    return f"{ratio:.2f} times the target" if ratio < math.inf else "too few alliances have a value"


def _report(path: Path, question: str) -> None:
    from analysis import report

    print()
    print(report.publish(path, question))


def plan_text(found: Survey, rates: Rates) -> str:
    """The plan: points, alliances, blocks, estimated time and disk."""
    from sim import plan
    from sim.plan import workers_of
    from sim.progress import duration
    from sim.survey import gigabytes

    config, simulated = found.config, found.simulated
    workers, where = workers_of(config), config.compute.kind if config.compute.kind != "serial" else "core"
    kept, solved = len(found.points) - len(found.tasks), len(found.tasks) - len(simulated)
    factors = " x ".join(f"{label} ({len({p.labels[label] for p in found.points})})" for label in config.design.factors)
    lines = [
        f"points     {len(found.tasks)}" + (f" of {len(found.points)}, {kept} are finished" if kept else "")
        + (f": {factors}" if factors else "")
    ]  # fmt: skip
    if solved:
        lines.append(f"exact      {solved} points are solved as Markov chains")
    if simulated and config.precision.kind == "target":
        seconds, told = _target_text(found, rates)
        lines += told
    else:
        alliances = sum(t.stop - t.start for t in simulated)
        blocks = sum(1 for _ in plan.pack(simulated, rates, config, found.chunk))
        seconds = plan.seconds_of(simulated, rates) / max(1, min(workers, blocks))
        if simulated:
            lines.append(f"alliances  {alliances:,} in all, {sum(t.work for t in simulated):.4g} partner-updates")
            lines.append(f"blocks     {blocks} on {workers} {where}")
    time = f"{duration(seconds)}, " if simulated else ""
    lines.append(f"estimate   {time}{gigabytes(found.size)} on disk")
    lines.append(f"store      {shown(found.path)}" + (" (extended)" if found.extends else ""))
    return "\n".join(lines)


def _target_text(found: Survey, rates: Rates) -> tuple[float, list[str]]:
    """Estimated seconds of a run with a target, and lines on what it will take."""
    from sim import plan, precision
    from sim.collect import named
    from sim.supply import forecast

    config, tasks = found.config, found.simulated
    tried = forecast(tasks, config, found.grid)
    most = config.precision.max_alliances
    ends = [min(max(precision.look_for(needed, config), task.start), most) for task, needed in tried]
    each = sum(end - task.start for (task, _), end in zip(tried, ends, strict=True)) / len(tried)
    work = each * sum(t.each for t in tasks)
    lines = [
        f"target     {precision.described(config)}, at most {most:,} alliances a point",
        f"alliances  about {each * len(tasks):,.0f} in all, {min(ends):,} to {max(ends):,} a point (a trial of {len(tried)} "
        f"points); about {work:.2g} partner-updates",
    ]
    if short := [(task, needed) for task, needed in tried if needed > most]:
        task, needed = max(short, key=lambda each: each[1])
        number = f"{len(short)} of the {len(tried)} tried"
        takes = f"about {needed:,.0f} alliances" if needed < math.inf else "more alliances that have a value"
        lines.append(f"warning    {number} would need more than that; {named(task.index, task.point)} {takes}")
    return sum(each * t.each / rates[t.kind] for t in tasks) / plan.workers_of(config), lines


def shown(path: Path) -> str:
    """A path as the user would write it."""
    try:
        return str(path.relative_to(Path.cwd().resolve()))
    except ValueError:
        return str(path)


class _stopping:
    """While in effect, SIGINT and SIGTERM ask the run to stop after the blocks at hand; a second one ends it at once."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self.before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self.before[number] = signal.signal(number, self._notice)

    def __exit__(self, *error: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _notice(self, number: int, frame: FrameType | None) -> None:
        if self.stop.is_set():
            raise KeyboardInterrupt
        self.stop.set()
        print("\nstopping after the blocks at hand (once more: at once)...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
