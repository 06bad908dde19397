"""What a run tells before and after: its plan, and the points that stay short of a target."""

from __future__ import annotations

import math
import sys
from pathlib import Path

from sim import plan, precision
from sim.collect import named
from sim.plan import Rates, workers_of
from sim.progress import duration
from sim.sampling import SAMPLED, runs_of
from sim.survey import Survey, gigabytes, shortfalls

#: Points named in a warning.
MOST_NAMED = 5
#: Where blocks run, in words, where the kind does not say it.
_PLACES = {"serial": "core", "slurm": "jobs of SLURM", "pbs": "jobs of PBS", "scheduler": "workers of a Dask scheduler"}


def plan_text(found: Survey, rates: Rates) -> str:
    """The plan: points, alliances, blocks, estimated time and disk."""
    config, simulated = found.config, found.simulated
    workers = workers_of(config)
    where = _PLACES.get(config.compute.kind, config.compute.kind)
    known = config.compute.kind != "scheduler" or config.compute.workers is not None
    kept, solved = len(found.points) - len(found.tasks), len(found.tasks) - len(simulated)
    runs = runs_of(config.design, config.design.points) if config.design.points else len(found.points)
    equal = f" for {runs} runs, equal ones once" * (runs > len(found.points))
    factors = " x ".join(f"{label} ({len({p.labels[label] for p in found.points})})" for label in config.design.factors)
    if config.design.kind in SAMPLED:
        factors = f"{config.design.kind} of {', '.join(config.design.factors)}"
    some = f"{len(found.tasks)} of {len(found.points)}{equal}, {kept} are finished" if kept else f"{len(found.tasks)}{equal}"
    shard = [f"shard      {found.config.shard}: {len(found.points)} of {len(found.everything)} points, or parts of them"]
    lines = [*shard * (found.whole is not None), f"points     {some}" + (f": {factors}" if factors else "")]
    if solved:
        lines.append(f"exact      {solved} of them solved as Markov chains")
    if simulated and config.precision.kind == "target":
        seconds, told = _target_text(found, rates)
        lines += told
    else:
        alliances = sum(t.stop - t.start for t in simulated)
        blocks = sum(1 for _ in plan.pack(simulated, rates, config, found.chunk))
        seconds = plan.seconds_of(simulated, rates) / max(1, min(workers, blocks))
        if simulated:
            lines.append(f"alliances  {alliances:,} in all, {sum(t.work for t in simulated):.4g} partner-updates")
            lines.append(f"blocks     {blocks} on {workers if known else 'the'} {where}")
    time = f"{duration(seconds)}{'' if known else ' as on one (compute.workers: how many there are)'}, " if simulated else ""
    lines.append(f"estimate   {time}{gigabytes(found.size)} on disk")
    lines.append(f"store      {shown(found.path)}" + (" (extended)" if found.extends else ""))
    return "\n".join(lines)


def _target_text(found: Survey, rates: Rates) -> tuple[float, list[str]]:
    """Estimated seconds of a run with a target, and lines on what it will take."""
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
    return sum(each * t.each / rates[t.kind] for t in tasks) / workers_of(config), lines


def tell_short(found: Survey) -> None:
    """Name the points that do not meet the target of a run."""
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


def shown(path: Path) -> str:
    """A path as the user would write it."""
    try:
        return str(path.relative_to(Path.cwd().resolve()))
    except ValueError:
        return str(path)
