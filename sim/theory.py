"""Response theories as data: the tables by which a partner answers what it sees (model section 4).

A theory is a YAML file: barrier and empowered targets for all 25 cells (own strategy x counterpart's as seen), the
proposition each rests on, the drivers that empower, and the pace of reconsideration. `larsson1998` is the default.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sim.fields import LEAST_WEIGHT, Strategy
from sim.strategies import STRATEGIES

FOLDER = Path(__file__).parent / "theories"
DRIVERS: tuple[str, ...] = ("stakes", "trust", "orientation", "prior")
PROPOSITIONS: tuple[str, ...] = ("P6", "P7", "P8", "P9")
NEVER = -1
NO_PROPOSITION = "none"
#: Size in bytes above which a theory file is not read; larsson1998 has 4 kB.
MAX_BYTES = 256_000
#: Name -> text, while `given_texts` is in effect.
_GIVEN: ContextVar[Mapping[str, str] | None] = ContextVar("_GIVEN", default=None)

Driver = Literal["stakes", "trust", "orientation", "prior"]
Weight = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False, strict=True)]


class TheoryError(ValueError):
    """A theory that cannot be used; the message says where and why."""


@dataclass(frozen=True)
class Theory:
    """A checked response theory. Tables have 25 entries, cell = 5 own + seen.

    Attributes
    ----------
    barrier, empowered : strategy codes; `NEVER` in `empowered`: no empowerment.
    barrier_label, empowered_label : propositions, ``""`` where the paper states none.
    pace : relative speed of reconsideration, in [0, 100].
    weights : driver weights by proposition group, in the order of `PROPOSITIONS` and `DRIVERS`.
    thresholds : by proposition group.  handicap, handicapped : extra threshold, and the cells it applies to.
    initial : code of the partners' first strategy, or None for the population's mix.
    """

    name: str
    barrier: tuple[int, ...]
    empowered: tuple[int, ...]
    barrier_label: tuple[str, ...]
    empowered_label: tuple[str, ...]
    pace: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    thresholds: tuple[float, ...]
    handicap: float
    handicapped: tuple[bool, ...]
    initial: int | None = None

    def group(self, cell: int) -> int:
        """Index into `PROPOSITIONS` of the drivers that empower a cell; 0 where none does."""
        label = self.empowered_label[cell]
        return PROPOSITIONS.index(_group_of(label)) if label else 0

    def label(self, cell: int, branch: int) -> str:
        """Proposition under which a response is counted; `branch` indexes `sim.variables.BRANCHES`."""
        taken = {0: self.empowered_label[cell], 1: self.barrier_label[cell]}.get(branch, "")
        return taken or NO_PROPOSITION


class _Proposition(BaseModel):
    model_config = ConfigDict(extra="forbid")
    drivers: dict[Driver, Weight]
    threshold: Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False, strict=True)]

    @model_validator(mode="after")
    def _some_weight(self) -> _Proposition:
        if not sum(self.drivers.values()) > 0:
            raise ValueError("at least one driver needs a weight above 0")
        if any(0 < weight < LEAST_WEIGHT for weight in self.drivers.values()):
            raise ValueError(f"a weight is 0 or at least {LEAST_WEIGHT:g}")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(pattern=r"^[A-Za-z]\w*$")]
    source: str
    barrier: dict[Strategy, dict[Strategy, str]]
    empowered: dict[Strategy, dict[Strategy, str]]
    propositions: dict[Literal["P6", "P7", "P8", "P9"], _Proposition] = {}
    symmetric_handicap: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False, strict=True)] = 0.0
    handicapped: list[tuple[Strategy, Strategy]] = []
    pace: dict[Strategy, dict[Strategy, Weight]] = {}
    initial: Strategy | None = None


def _group_of(label: str) -> str:
    return "P" + (re.match(r"[0-9]*", label) or [""])[0]


def _short(value: Any) -> str:
    """What a file holds, for a message."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _near(name: str, known: Iterable[str]) -> str:
    match = difflib.get_close_matches(name, list(known), 1)
    return f" Did you mean {match[0]}?" if match else ""


class _Loader(yaml.SafeLoader):
    """A safe loader for plain data: a key given twice is refused, and so are anchors, aliases and tags.

    A few nested aliases stand for more data than fits in memory; a tag may give a value the wrong form.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if getattr(event, "anchor", None) is not None:
            raise yaml.YAMLError(f"anchors and aliases (& and *) are not supported, line {line}; write each cell out")
        if getattr(event, "tag", None) is not None:
            raise yaml.YAMLError(f"tags ({event.tag}) are not supported, line {line}")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key in (key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key in seen:
                raise yaml.YAMLError(f"{key} is given twice, line {node.start_mark.line + 1}")
            seen.add(key)
        return super().construct_mapping(node, deep)


def _wrong(error: ValidationError) -> str:
    """The first thing wrong with a file: key, value, what is allowed, the nearest name."""
    first = error.errors()[0]
    name = str(first["loc"][-1]) if first["loc"] else ""
    key = ".".join(_short(part).strip("'") for part in first["loc"] if part != "[key]")
    if first["type"] == "missing":
        return f"{key} is missing."
    if first["type"] == "extra_forbidden":
        known = list(_File.model_fields if len(first["loc"]) == 1 else _Proposition.model_fields)
        return f"{key} = {_short(first['input'])}: there is no such key; known are {', '.join(known)}." + _near(name, known)
    if first["type"] == "literal_error":
        known = re.findall(r"'(\w+)'", first["ctx"]["expected"])
        given = "" if "[key]" in first["loc"] else f" = {_short(first['input'])}"
        return f"{key}{given}: must be one of {', '.join(known)}." + _near(str(first["input"]), known)
    said = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{key} = {_short(first['input'])}: {said}."


def _table(rows: dict[Strategy, dict[Strategy, str]], table: str, where: str) -> tuple[list[int], list[str]]:
    targets: list[int] = []
    labels: list[str] = []
    allowed = [*STRATEGIES, "never"] if table == "empowered" else list(STRATEGIES)
    for own in STRATEGIES:
        for seen in STRATEGIES:
            text = rows.get(own, {}).get(seen)  # type: ignore[call-overload]
            if text is None:
                raise TheoryError(f"{where}: {table}.{own}.{seen} is missing; all 25 cells are needed.")
            target, _, label = str(text).strip().partition(" ")
            if target not in allowed:
                raise TheoryError(
                    f"{where}: {table}.{own}.{seen} = {_short(text)}: {_short(target)} is none of {', '.join(allowed)}."
                    + _near(target, allowed)
                )
            targets.append(NEVER if target == "never" else STRATEGIES.index(target))
            labels.append(label.strip())
            if label.strip() == NO_PROPOSITION:
                raise TheoryError(f"{where}: {table}.{own}.{seen}: a proposition may not be called {NO_PROPOSITION!r}.")
    return targets, labels


@functools.lru_cache(maxsize=64)
def parse(text: str, where: str) -> Theory:
    """Read and check a theory; the same text is read once.

    Parameters
    ----------
    text : YAML.  where : what messages call it.

    Raises
    ------
    TheoryError : a missing cell, an unknown strategy, driver or key, a weight or pace out of range.
    """
    try:
        # A safe loader that also refuses a key given twice.
        data = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise TheoryError(f"{where}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise TheoryError(
            f"{where}: the file holds {_short(data)}; a theory is a mapping of {', '.join(_File.model_fields)}."
        )
    try:
        file = _File.model_validate(data)
    except ValidationError as error:
        raise TheoryError(f"{where}: {_wrong(error)}") from None
    barrier, barrier_label = _table(file.barrier, "barrier", where)
    empowered, empowered_label = _table(file.empowered, "empowered", where)
    for cell, (target, label) in enumerate(zip(empowered, empowered_label, strict=True)):
        name = f"empowered.{STRATEGIES[cell // 5]}.{STRATEGIES[cell % 5]}"
        if target == NEVER and label:
            raise TheoryError(f"{where}: {name}: never takes no proposition, got {_short(label)}.")
        if target != NEVER and _group_of(label) not in file.propositions:
            known = ", ".join(file.propositions) or "none"
            said = f"rests on proposition {_short(label)}, whose drivers are not given ({known} are)."
            raise TheoryError(f"{where}: {name} {said}")
    pace = [float(file.pace.get(o, {}).get(s, 1.0)) for o in STRATEGIES for s in STRATEGIES]  # type: ignore[call-overload]
    given = [file.propositions.get(p) for p in PROPOSITIONS]  # type: ignore[call-overload]
    return Theory(
        name=file.name,
        barrier=tuple(barrier),
        empowered=tuple(empowered),
        barrier_label=tuple(barrier_label),
        empowered_label=tuple(empowered_label),
        pace=tuple(pace),
        # A group without drivers is never used; a weight keeps its mean finite.
        weights=tuple(tuple(float(p.drivers.get(d, 0.0)) if p else 1.0 for d in DRIVERS) for p in given),
        thresholds=tuple(p.threshold if p else 0.0 for p in given),
        handicap=file.symmetric_handicap,
        handicapped=tuple((o, s) in file.handicapped for o in STRATEGIES for s in STRATEGIES),
        initial=None if file.initial is None else STRATEGIES.index(file.initial),
    )


@functools.cache
def names() -> tuple[str, ...]:
    """Names of the theories that come with the program."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@functools.cache
def _shipped(name: str) -> str:
    return _text(FOLDER / f"{name}.yaml", name)


def _text(path: Path, name: str) -> str:
    try:
        # A pipe would be waited for, a device may never end.
        if path.exists() and not path.is_file():
            raise OSError("it is a folder or a device")
        if (size := path.stat().st_size) > MAX_BYTES:
            raise OSError(f"it has {size:,} bytes, at most {MAX_BYTES:,} are allowed")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        reason = f"it is no text in UTF-8, from byte {error.start} on"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    raise TheoryError(f"theory file {name!r} cannot be read: {reason}.")


@contextlib.contextmanager
def given_texts(texts: Mapping[str, str]) -> Iterator[None]:
    """While in effect, theories of these names have these texts, whatever the files of the same names hold.

    Parameters
    ----------
    texts : name as the config gives it -> text of the theory, as a store keeps them.
    """
    token = _GIVEN.set(texts)
    try:
        yield
    finally:
        _GIVEN.reset(token)


def source_of(name: str) -> str:
    """Text of a theory: one that comes with the program, by name, or a YAML file, by path; or as `given_texts` has it.

    Raises
    ------
    TheoryError : there is no such theory, or no text file of at most `MAX_BYTES`.
    """
    given = _GIVEN.get() or {}
    if name in given:
        return given[name]
    if name.endswith((".yaml", ".yml")):
        return _text(Path(name), name)
    if name in names():
        return _shipped(name)
    known = f"known are {', '.join(names())}, or a path to a .yaml file."
    raise TheoryError(f"{name!r} is no known theory; {known}" + _near(name, names()))


def load(name: str) -> Theory:
    """A theory by name or path, checked.

    Examples
    --------
    >>> load("larsson1998").label(5 * 4 + 3, 1)  # collaboration facing competition, barrier
    '2a'
    """
    return parse(source_of(name), name)
