"""The command: ``python -m sim.run [+experiment=NAME] [group=choice] [key=value ...]``.

Exit status: 0 every point complete, 1 a failed run (resumable), 2 bad input (nothing written), 130 interrupted
(resumable).
"""

from __future__ import annotations

import functools
import hashlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.plan import Rates
    from sim.schema import Config
    from sim.survey import Survey

COMPLETE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
RESULTS = Path("results")
LONGEST_SUFFIX = 120


def main() -> int:
    """Run what the command line says; returns the exit status."""
    words = sys.argv[1:]
    if any(word in ("--help", "-h") for word in words):
        from sim.helptext import render

        print(render())
        return COMPLETE
    return guarded(lambda: _flagged(words) if any(word.startswith("-") for word in words) else _directly(words))


#: What becomes of a run that does not end well.
KEPT = "finished points are kept, the same command goes on."


def guarded(work: Callable[[], int], interrupted: str = KEPT, failed: str = KEPT) -> int:
    """Exit status of some work; what is wrong is said in one message.

    Parameters
    ----------
    interrupted, failed : what becomes of it then.
    """
    from sim.design import ConfigError

    try:
        return work()
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print(f"interrupted; {interrupted}", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        print(f"failed: {error}; {failed}", file=sys.stderr)
        return FAILED


def _flagged(words: Sequence[str]) -> int:
    """Runs of a command line with flags: they print, name a folder of experiments, or ask for several runs."""
    from sim.config import asked

    found = asked(words)
    if found is None:
        return _by_hydra(words)
    overrides, more, several = found
    return _multirun(overrides, more) if several else _directly(overrides, more)


def _directly(words: Sequence[str], more: Sequence[str] = (), suffix: str = "") -> int:
    """One run of overrides alone, without the rest of Hydra; a `suffix` tells the runs of a multirun apart."""
    from sim.config import compose

    chosen = [word.partition("=")[2] for word in words if word.lstrip("+").startswith("experiment=")]
    name = chosen[-1].strip("'\"") if chosen else ""
    return job(compose([*words, *more]), name, suffix)


def _multirun(words: Sequence[str], more: Sequence[str]) -> int:
    """One run for each combination of ``key=a,b``, in order; the worst status counts. All are checked before the first."""
    from sim.config import compose, jobs

    runs = list(jobs(words))
    for overrides in runs:
        compose([*overrides, *more])
    statuses = []
    for k, overrides in enumerate(runs, 1):
        print(f"{'' if k == 1 else chr(10)}[{k} of {len(runs)}] {' '.join(overrides)}", flush=True)
        work = functools.partial(_directly, overrides, more, _suffix(overrides))
        statuses.append(guarded(work))
        if statuses[-1] == INTERRUPTED:
            break
    return max(statuses)


def _suffix(overrides: Sequence[str]) -> str:
    """What a job of a multirun adds to the name of its store: its overrides, those that change no result left out."""
    words = [word.lstrip("+") for word in overrides]
    kept = [w for w in words if not w.startswith(("experiment=", "output.", "compute", "plan=", "shard="))]
    text = ",".join(kept).replace("/", "-")
    if len(text) > LONGEST_SUFFIX:
        text = f"{text[:LONGEST_SUFFIX]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return f",{text}" if text else ""


def _by_hydra(words: Sequence[str]) -> int:
    """Flags of Hydra that print: ``--cfg``, ``--info`` and the like."""
    import hydra

    from sim.config import conf_folder, prepared
    from sim.hydra_errors import explained
    from sim.resolvers import register_resolvers
    from sim.sources import plain_sources

    # Hydra prints and exits by itself unless told to raise; its errors become one message.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    register_resolvers()
    sys.argv[1:] = prepared(words)
    with explained(), plain_sources():
        hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")(lambda _: None)()
    return COMPLETE


def job(config: Config, experiment: str, suffix: str) -> int:
    """One run of an experiment (its name, or nothing) into a store."""
    from sim.helptext import question_of

    stem = f"{experiment or 'single'}{suffix}"
    if config.shard is not None:
        stem += ".shard-{}-of-{}".format(*config.shard.split("/"))
    path = Path(config.output.path) if config.output.path else RESULTS / f"{stem}.zarr"
    return run(config, path.resolve(), experiment or "single", question_of(experiment) if experiment else "")


def run(config: Config, path: Path, name: str, question: str) -> int:
    """Survey, plan, perform, report. Returns the exit status."""
    from sim import clusters, integrity, place
    from sim.store import Damaged

    clusters.check(config)
    while True:
        try:
            return _run(config, path, name, question)
        except Damaged as found:
            # Each round withdraws the mark of a point, or ends.
            with place.lock(path):
                integrity.mend_all(path, found)


def _run(config: Config, path: Path, name: str, question: str) -> int:
    from sim import extension, outlook, place, survey

    number = survey.complete(config, path)
    if number is not None:
        _ask(question)
        return _nothing_to_do(config, path, number, question)
    found = survey.survey(config, path)
    _ask(question)
    if config.plan and found.due:
        return _plan(found)
    if not config.plan and (found.due or any(sibling.exists() for sibling in place.siblings(path))):
        with place.lock(path):
            extension.recover(path)
            # Once more, with nobody else at work here.
            found = survey.survey(config, path, found.everything)
            if found.due:
                return _perform(found, name, question)
    status = _nothing_to_do(config, path, len(found.points), question)
    outlook.tell_short(found)
    return status


def _ask(question: str) -> None:
    if question:
        print(question)


def _nothing_to_do(config: Config, path: Path, number: int, question: str) -> int:
    from sim import extension, outlook, place

    if not config.plan:
        place.tidy(path)
        extension.agree(path)
    print(f"{outlook.shown(path)} is complete, {number} of {number} points; nothing to do.")
    if reported(config) and not path.with_name(f"{path.name.removesuffix('.zarr')}.csv").exists():
        report(path, question)
    return COMPLETE


def _plan(found: Survey) -> int:
    from sim import outlook

    print(outlook.plan_text(found, _pilot(found)))
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
    from sim import experiment, outlook
    from sim.plan import workers_of
    from sim.survey import gigabytes

    rates = _pilot(found)
    print(outlook.plan_text(found, rates), flush=True)
    stop = threading.Event()
    with _stopping(stop):
        result = experiment.perform(found, rates, name, question, stop)
    workers = workers_of(found.config)
    at_work = f"{workers} worker{'s' * (workers > 1)}, {result.busy / max(result.seconds * workers, 1e-9):.0%} busy"
    if found.config.compute.kind == "scheduler":
        at_work = f"a cluster, {result.busy / max(result.seconds, 1e-9):.1f} workers busy on average"
    rate = result.updates / max(result.seconds, 1e-9) / 1e6
    work = f", {result.updates:.4g} partner-updates" if result.updates else ""
    print(
        f"{result.finished} of {len(found.tasks)} points{work} in {result.seconds:.1f} s"
        + (f": {rate:.0f} million a second" if result.updates else "")
        + f" on {at_work}"
    )
    if result.failures:
        experiment.failed_message(result, found.path)
        return FAILED
    if not experiment.complete(found, result):
        print(
            f"interrupted: finished points are kept in {outlook.shown(found.path)}; the same command goes on.",
            file=sys.stderr,
        )
        return INTERRUPTED
    size = sum(f.stat().st_size for f in found.path.rglob("*") if f.is_file())
    print(f"{outlook.shown(found.path)}: complete, {gigabytes(size)}")
    outlook.tell_short(found)
    if reported(found.config):
        report(found.path, question)
    return COMPLETE


def reported(config: Config) -> bool:
    """Whether a complete store gets a figure and a table; a shard's, being a part, does not."""
    return config.output.report and config.shard is None


def report(path: Path, question: str) -> None:
    """Figure and table of a complete store, beside it, and the answer in words."""
    from analysis import report
    from sim import integrity
    from sim.opening import read
    from sim.store import Damaged

    said, found = report.publish(path, question), read(path)
    if said.startswith(report.NONE) and found is not None and (damages := integrity.bits(found)):
        raise Damaged(f"{path} is damaged ({damages[0]}).", damages[0].array)
    print(f"\n{said}")


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
