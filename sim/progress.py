"""Progress of long work: a bar with time left on a terminal, plain lines at growing intervals in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FIRST_LINE = 2.0
LONGEST_GAP = 300.0
GROWTH = 1.6


def duration(seconds: float) -> str:
    """Seconds as people say them.

    Examples
    --------
    >>> duration(3), duration(125), duration(7300)
    ('3 s', '2 min 05 s', '2 h 02 min')
    """
    s = round(seconds)
    if s < 100:
        return f"{seconds:.1f} s" if seconds < 2.95 else f"{s} s"
    if s < 6000:
        return f"{s // 60} min {s % 60:02d} s"
    return f"{s // 3600} h {s % 3600 // 60:02d} min"


@contextmanager
def progress(total_work: int, total_points: int) -> Iterator[Callable[[int, int, int], None]]:
    """Show progress; call what is yielded with the work and the points done so far, and the work there is in all."""
    with _bar(total_work, total_points) if sys.stderr.isatty() else _lines(total_points) as update:
        yield update


@contextmanager
def _bar(total_work: int, total_points: int) -> Iterator[Callable[[int, int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("simulating"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[points]}"),
        TimeElapsedColumn(), TextColumn("elapsed,"), TimeRemainingColumn(), TextColumn("left"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total_work, points=f"0 of {total_points} points")

        def update(work: int, points: int, total: int) -> None:
            bar.update(task, completed=work, total=max(total, work), points=f"{points} of {total_points} points")

        yield update


@contextmanager
def _lines(total_points: int) -> Iterator[Callable[[int, int, int], None]]:
    started = time.monotonic()
    due = [FIRST_LINE, FIRST_LINE]

    def update(work: int, points: int, total: int) -> None:
        elapsed = time.monotonic() - started
        # Points that are solved are no work of the kernel's.
        share = work / max(total, work) if work else points / total_points
        if elapsed < due[0] or not share:
            return
        times = f"{duration(elapsed)} elapsed, {duration(elapsed / share - elapsed)} left"
        print(f"  {share:4.0%}  {points} of {total_points} points, {times}", file=sys.stderr, flush=True)
        due[1] = min(due[1] * GROWTH, LONGEST_GAP)
        due[0] = elapsed + due[1]

    yield update
