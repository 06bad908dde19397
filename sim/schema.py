"""The config of a whole run: the parameters of a point, and which points, draws, machines and outputs.

`sim.helptext` puts these keys into words; `sim.config` makes a `Config`, all that layers take.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from sim.fields import Allowed, Group, Whole, form, one_or_several, refuse, sequence
from sim.parameters import POINT_GROUPS as POINT_GROUPS
from sim.parameters import Parameters as Parameters
from sim.shards import MOST, parsed
from sim.variables import BY_NAME, QUANTITIES, VARIABLES

#: Most levels of a factor, values of a list function, and points of a design.
MAX_POINTS = 10**6


def _finite(value: Any) -> Any:
    """A level, or a row's value, holds no infinite number."""
    for part in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
        _finite(part)
    if isinstance(value, float) and not math.isfinite(value):
        raise refuse("must be a finite number")
    return value


def _recorded(value: Any) -> Any:
    return _named(value, ("all", *BY_NAME), "is no variable; {}known are")


def _batched(value: Any) -> Any:
    return _named(value, QUANTITIES, "is not kept by batch; {}these can be:")


def _named(value: Any, known: tuple[str, ...], refusal: str) -> Any:
    """A list of names is of known ones, each once; `refusal` has room for a hint."""
    for k, name in enumerate(value):
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise refuse(f"{name!r} {refusal.format(hint)} {', '.join(known)}")
        if name in value[:k]:
            raise refuse(f"{name!r} appears twice")
    return value


def _once(value: Any) -> Any:
    if len(set(value)) < len(value):
        raise refuse("each once")
    return value


def _dealt(value: Any) -> Any:
    """A share, k/n."""
    try:
        return "{}/{}".format(*parsed(value))
    except ValueError:
        raise refuse(f"must be null or k/n, the k-th of n shares, with whole numbers 1 <= k <= n <= {MOST}") from None


def _has_error(value: Any) -> Any:
    for name in value:
        if name not in WITH_ERROR:
            near = difflib.get_close_matches(name, WITH_ERROR, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise refuse(f"{name!r} is no variable that a target can be set for; {hint}known are {', '.join(WITH_ERROR)}")
    if len(set(value)) < len(value):
        raise refuse("each variable once")
    return value


#: Kinds of compute that are jobs of a queueing system, and what each key that does not serve all kinds is for.
JOBS = ("slurm", "pbs")
MEANT_FOR = {
    **dict.fromkeys(("memory", "interface", "walltime", "queue", "account"), JOBS),
    **dict.fromkeys(("address", "scheduler_file"), ("scheduler",)),
    "dashboard": ("processes", *JOBS),
}
#: A job lasts for at least this many blocks, so that little is lost where it ends.
BLOCKS_OF_A_JOB = 10
#: Variables that a precision can be wanted of.
WITH_ERROR = tuple(v.name for v in VARIABLES if v.error and v.when != "request")
Level = Annotated[Any, AfterValidator(_finite)]
Word = Annotated[str, Tag("<word>")]
Words = Annotated[tuple[str, ...], Field(min_length=1), Tag("<list>")]
Paths = Annotated[Word | Words, Discriminator(form), BeforeValidator(sequence), Allowed("a key, or a list of keys")]


Names = Annotated[
    tuple[str, ...],
    Field(min_length=1),
    BeforeValidator(one_or_several),
    AfterValidator(_has_error),
    Allowed("a variable, or a list of variables"),
]
Period = Annotated[Whole, Field(ge=0, le=10**6)]


class Spacing(Group):
    """Levels from a range: spaced in a factorial design, where the sample falls in a sampled one."""

    low: float = Field(description="first level, or least of a sample")
    high: float = Field(description="last level, or greatest of a sample")
    n: Annotated[Whole, Field(ge=1, le=MAX_POINTS)] | None = Field(
        default=None, description="number of levels, for design=factorial alone; null: every whole number of scale integer"
    )
    scale: Literal["linear", "log", "integer"] = Field(default="linear", description="even, geometric, or whole numbers")


class Factor(Group):
    """One factor of a design."""

    path: Paths = Field(description="what takes the level")
    levels: Annotated[
        Annotated[Annotated[tuple[Level, ...], Tag("<list>")] | Annotated[Spacing, Tag("<mapping>")], Discriminator(form)]
        | None,
        BeforeValidator(sequence),
        Allowed("a list of levels, or {low, high, n, scale}"),
    ] = Field(
        default=None,
        description="each level a number, a word or {name: value}, all as likely in a sample; with design=list: none",
    )


class Design(Group):
    """Which points: combinations of factor levels."""

    kind: Literal["single", "factorial", "list", "latin_hypercube", "sobol", "saltelli", "morris"] = Field(
        description="one point, all combinations of levels, rows, or a sample; see the group design"
    )
    factors: Annotated[dict[str, Factor], Allowed("a mapping of labels, each with {path, levels}")]
    rows: Annotated[
        Annotated[Word | Annotated[tuple[dict[str, Level], ...], Tag("<list>")], Discriminator(form)] | None,
        BeforeValidator(sequence),
        Allowed("a list of {label: value}, or a .csv or .parquet file"),
    ] = Field(description="for design=list: one {label: value} for each point, or a table with a column for each label")
    points: Annotated[Whole, Field(ge=1, le=MAX_POINTS)] | None = Field(
        default=None,
        description="latin_hypercube, sobol: points; saltelli: N, which makes N (factors + 2) runs; morris: trajectories r, "
        "which make r (factors + 1) runs; sobol, saltelli: a power of two, which may be doubled in a store",
    )
    seed: Annotated[Whole, Field(ge=0, lt=2**32)] = Field(
        default=1, description="seed of a sampled design's points; random.seed leaves them alone"
    )
    levels: Annotated[Whole, Field(ge=2, le=1000)] | None = Field(
        default=None, description="for design=morris: levels of the grid (even, usually 4)"
    )


class Random(Group):
    """The draws."""

    seed: Annotated[Whole, Field(ge=0, lt=2**32, description="seed of all draws")]
    common: bool = Field(description="points share random numbers, so that contrasts between them are sharper")


class Precision(Group):
    """How exactly each point is to be known."""

    kind: Literal["fixed", "target"] = Field(description="population.alliances at every point, or as many as a target takes")
    variable: Names = Field(description="variables whose standard errors the target is for")
    period: Annotated[
        Annotated[Literal["last", "all"], Tag("<word>")]
        | Annotated[Annotated[tuple[Period, ...], Field(min_length=1), AfterValidator(_once)], Tag("<list>")],
        Discriminator(form),
        BeforeValidator(one_or_several),
        Allowed("last, all, a period, or a list of periods"),
    ] = Field(description="periods that must all meet the target; last: each point's own")
    standard_error: Annotated[float, Field(ge=1e-9, le=1e6)] = Field(description="the target: errors end below it")
    relative: bool = Field(description="the target is a share of the mean")
    floor: Annotated[float, Field(ge=1e-9, le=1e6)] = Field(description="if relative: least mean that the share is taken of")
    max_alliances: Annotated[Whole, Field(ge=2, lt=2**63)] = Field(description="most alliances of a point")


class Compute(Group):
    """Where and how blocks run; no choice changes a result."""

    kind: Literal["serial", "threads", "processes", "slurm", "pbs", "scheduler"] = Field(
        description="where blocks run; see the group compute"
    )
    workers: Annotated[Whole, Field(ge=1, le=4096)] | None = Field(
        description="threads, processes: null: one per core; slurm, pbs: jobs, each with one worker on one core; scheduler: "
        "how many the plan counts with, null: unknown"
    )
    block_seconds: Annotated[float, Field(ge=0.01, le=3600)] = Field(description="aimed-at duration of a block")
    # Stores from before there were clusters say nothing of these.
    memory: Annotated[str, Field(pattern=r"^\d+(\.\d+)? ?[MGT]i?B$"), Allowed("a size, as 2GB")] | None = Field(
        default=None, description="slurm, pbs: memory of a job"
    )
    address: Annotated[str, Field(pattern=r"^(tcp|tls|ucx|ws|wss)://[^\s/]+:\d+$"), Allowed("as tcp://host:8786")] | None = (
        Field(default=None, description="scheduler: where a Dask scheduler listens")
    )
    scheduler_file: Annotated[str, Field(min_length=1), Allowed("a path")] | None = Field(
        default=None, description="scheduler: instead of the address, the file that `dask scheduler --scheduler-file` writes"
    )
    interface: Annotated[str, Field(pattern=r"^[\w.:@-]+$"), Allowed("a network interface, as ib0")] | None = Field(
        default=None, description="slurm, pbs: network that driver and workers share; null: that of the default route"
    )
    walltime: Annotated[str, Field(pattern=r"^\d{1,4}:[0-5]\d:[0-5]\d$"), Allowed("HH:MM:SS")] | None = Field(
        default=None, description="slurm, pbs: limit of a job; its worker leaves before, and another job takes its place"
    )
    queue: Annotated[str, Field(pattern=r"^\S+$"), Allowed("a name")] | None = Field(
        default=None, description="slurm: partition, pbs: queue; null: the cluster's own default"
    )
    account: Annotated[str, Field(pattern=r"^\S+$"), Allowed("a name")] | None = Field(
        default=None, description="slurm, pbs: who is charged; null: the cluster's own default"
    )
    dashboard: Annotated[
        Annotated[bool, Tag("<flag>")] | Annotated[str, Field(pattern=r"^[\w.\[\]:-]*:\d{1,5}$"), Tag("<word>")],
        Discriminator(lambda value: "<word>" if isinstance(value, str) else "<flag>"),
        Allowed("true, false or where it listens, as 127.0.0.1:8787"),
    ] = Field(default=False, description="processes, slurm, pbs: Dask's page of what runs; true: on 127.0.0.1:8787")
    patience: Annotated[float, Field(ge=1, le=10**6)] = Field(
        default=600.0, description="slurm, pbs, scheduler: seconds without any worker after which the run ends"
    )

    @model_validator(mode="after")
    def _belongs(self) -> Compute:
        for key, kinds in MEANT_FOR.items():
            if getattr(self, key) not in (None, False) and self.kind not in kinds:
                raise refuse(f"means nothing for compute={self.kind}; it is for {', '.join(kinds)}", key)
        if self.kind in JOBS:
            for key in ("workers", "memory", "walltime"):
                if getattr(self, key) is None:
                    raise refuse(f"compute={self.kind} needs it", key)
            assert self.walltime is not None
            if BLOCKS_OF_A_JOB * self.block_seconds > seconds_of(self.walltime):
                raise refuse(f"must be at least {BLOCKS_OF_A_JOB} times compute.block_seconds", "walltime")
        if self.kind == "scheduler" and (self.address is None) == (self.scheduler_file is None):
            text = "one of the two at most" if self.address else "compute=scheduler needs it, or compute.scheduler_file"
            raise refuse(f"{text}", "address")
        return self


def seconds_of(walltime: str) -> int:
    """Seconds of a time as HH:MM:SS."""
    hours, minutes, seconds = map(int, walltime.split(":"))
    return 3600 * hours + 60 * minutes + seconds


class Output(Group):
    """The store, and what is recorded."""

    path: Annotated[str, Field(min_length=1), Allowed("a path")] | None = Field(
        description="null: results/<experiment>.zarr"
    )
    overwrite: bool = Field(description="replace a store of this program at the path, from the beginning each time")
    every: Annotated[Whole, Field(ge=1, le=10**6, description="record periods 0, every, 2 every, ... and the last")]
    variables: Annotated[
        Annotated[Literal["all"], Tag("<word>")] | Annotated[Words, AfterValidator(_recorded), Tag("<list>")],
        Discriminator(form),
        BeforeValidator(sequence),
        Allowed("all, or a list of variables"),
    ] = Field(description="what is recorded; [all, learning_by_pair, learning_by_theory] adds what is on request alone")
    batches: Annotated[
        tuple[str, ...],
        Field(min_length=1, description="what is kept by batch, for paired errors of contrasts between points"),
        AfterValidator(_batched),
        BeforeValidator(sequence),
        Allowed(f"a list of {', '.join(QUANTITIES)}"),
    ] = ("survival", "cumulative_learning", "learning")
    report: bool = Field(description="write a figure (PNG) and a table (CSV) beside the store")


class Config(Parameters):
    """A whole run, validated."""

    design: Design
    # Stores from before there was a choice say nothing of these.
    precision: Precision = Precision(
        kind="fixed", variable=("survival",), period="last", standard_error=0.005, relative=False, floor=0.01,
        max_alliances=10**6,
    )  # fmt: skip
    random: Random
    method: Literal["simulate", "exact", "auto"] = Field(
        default="simulate",
        description="draw alliances; solve the Markov chain, without error; or solve the points that have one",
    )
    shard: Annotated[str, Allowed("k/n, k from 1 to n"), BeforeValidator(_dealt)] | None = Field(
        default=None, description="only the k-th of n shares, for job arrays; python -m sim.merge joins the stores"
    )
    compute: Compute
    output: Output
    plan: bool = Field(description="print the plan and end")

    @model_validator(mode="after")
    def _phases_recorded(self) -> Config:
        varied = any("phases.kind" in (factor.path, *factor.path) for factor in self.design.factors.values())
        if self.phases.kind == "none" and not varied:
            asked = [name for name in self.output.variables if name in BY_NAME and BY_NAME[name].when == "phases"]
            if asked:
                raise refuse(f"{asked[0]} needs phases=iyer2002", "output.variables")
        return self
