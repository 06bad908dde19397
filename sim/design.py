"""Designs: factors and levels -> the table of points.

A point is a row of levels, one for each factor, applied to the base config and validated as a whole. Its content, not
its index, says what it is.
"""

from __future__ import annotations

import gc
import hashlib
import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel

from sim import helptext, sampling, table
from sim.factors import Level, level, levels_of, number_of, paths_of, plain
from sim.fields import ConfigError as ConfigError
from sim.helptext import show
from sim.overlay import AMOUNTS as AMOUNTS
from sim.overlay import overlay
from sim.overlay import value_at as value_at
from sim.parameters import POINT_GROUPS, THEORY_MIX, Parameters, Response
from sim.schema import MAX_POINTS, Config
from sim.theory import Theory, load


@dataclass(frozen=True)
class Point:
    """One combination of factor levels.

    Attributes
    ----------
    labels : factor label -> coordinate value (number or string), in the order of the factors.
    parameters : the validated parameters of the point.
    content : key path -> value for every key a factor sets, alliances and periods left out.
    """

    labels: dict[str, float | int | str]
    parameters: Parameters
    content: dict[str, Any]

    @property
    def identity(self) -> str:
        """Canonical form of the labels, by which points of two stores are matched; 1 and 1.0 are the same."""
        return canonical({k: plain(v) for k, v in self.labels.items()})


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces; what digests are taken of."""
    return _CANONICAL.encode(value)


#: One for all, as to make an encoder takes longer than to encode.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True)
class _Rows:
    """Rows of a design: levels of each, what to call one in a message, and which each run has where runs may be equal."""

    levels: Iterable[dict[str, Level]]
    place: Callable[[int], str] = lambda k: ""
    runs: np.ndarray | None = None


def _rows(config: Config) -> _Rows:
    """The rows of a design: one {label: (coordinate, value)} for each point."""
    design = config.design
    if design.kind != "list" and design.rows is not None:
        raise ConfigError(f"design.rows = {show(design.rows)}: rows belong to design=list; design.kind is {design.kind}.")
    sampling.check_size(design)
    if design.kind == "single":
        if design.factors:
            said = f"has no factors, but design.factors names {', '.join(design.factors)}; use design=factorial."
            raise ConfigError(f"design.kind = single: {said}")
        return _Rows([{}])
    if not design.factors:
        raise ConfigError(f"design.kind = {design.kind}: needs design.factors: label -> {{path, levels}}.")
    if design.kind in sampling.SAMPLED:
        rows, runs = sampling.sampled_rows(design)
        return _Rows(rows, runs=runs)
    if design.kind == "factorial":
        lengths = [number_of(label, factor) for label, factor in design.factors.items()]
        if (number := math.prod(lengths)) > MAX_POINTS:
            product = " x ".join(map(str, lengths))
            raise ConfigError(f"design.factors: {product} = {number:,} points; at most {MAX_POINTS:,} are possible.")
        levels = {label: levels_of(label, factor) for label, factor in design.factors.items()}
        return _Rows(dict(zip(levels, each, strict=True)) for each in itertools.product(*levels.values()))
    if isinstance(design.rows, str):
        return _listed(table.read(design.rows, list(design.factors)), design.factors)
    if not design.rows:
        raise ConfigError(f"design.rows = {show(design.rows)}: design=list needs one {{label: value}} for each point.")
    for k, row in enumerate(design.rows):
        if odd := sorted(set(row) ^ set(design.factors)):
            said = f"every row gives each of {', '.join(design.factors)}; check {', '.join(map(show, odd))}."
            raise ConfigError(f"design.rows[{k}] = {show(row)}: {said}")
    return _listed(design.rows, design.factors)


def _listed(given: table.Table | tuple[dict[str, Any], ...], labels: Iterable[str]) -> _Rows:
    """Rows that are written, in the config or a file."""
    rows = given.rows if isinstance(given, table.Table) else given

    def place(k: int) -> str:
        return f"{given.where}, {given.places[k]}" if isinstance(given, table.Table) else f"design.rows[{k}]"

    def beside(k: int) -> str:
        return given.places[k] if isinstance(given, table.Table) else place(k)

    # Equal levels are one object.
    known: dict[tuple[str, str], Level] = {}
    levels: list[dict[str, Level]] = []
    seen: dict[tuple[Any, ...], int] = {}
    names: dict[tuple[str, str], Any] = {}
    for k, row in enumerate(rows):
        pairs = {label: level(f"{place(k)}.{label}", row[label]) for label in labels}
        levels.append({label: known.setdefault((label, repr(pair)), pair) for label, pair in pairs.items()})
        coordinates = {label: coordinate for label, (coordinate, _) in pairs.items()}
        if (first := seen.setdefault(tuple(map(plain, coordinates.values())), k)) != k:
            raise ConfigError(f"{place(k)} = {show(coordinates)}: the same point as {beside(first)}.")
        for label, (coordinate, value) in pairs.items():
            if isinstance(coordinate, str) and names.setdefault((label, coordinate), value) != value:
                raise ConfigError(f"{place(k)}: {label} = {coordinate}: the name stands for another value in another row.")
            other = levels[0][label][0]
            if isinstance(coordinate, str) != isinstance(other, str):
                said = f"{beside(0)} has {show(other)}; the levels of a factor are all numbers or all names"
                raise ConfigError(f"{place(k)}: {label} = {show(coordinate)}: {said}.")
    return _Rows(levels, place)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the search for cycles of garbage: a large design makes many objects, which all stay."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def points(config: Config) -> list[Point]:
    """The table of points of a design.

    Parameters
    ----------
    config : a validated run.

    Returns
    -------
    list of Point : in the order of the design; factorial: the last factor varies fastest; sampled: as they first come.

    Raises
    ------
    ConfigError : a factor that does not fit, a level out of range, two equal points, an unusable theory.
    """
    return design_rows(config)[0]


@_no_collection()
def design_rows(config: Config) -> tuple[list[Point], np.ndarray]:
    """The points of a design, and which of them each of its runs is.

    Runs of a sampled design whose levels are equal are one point, simulated once; an analysis of the sample needs all its
    runs, in order. Of a config that a store kept, these are the runs of that store, its points found by `Point.identity`.

    Parameters
    ----------
    config : a validated run.

    Returns
    -------
    list of Point : as `points` returns them.
    int64 (run) : index of a run's point in that list; of a design that is no sample 0, 1, 2, ...

    Raises
    ------
    ConfigError : as `points`.
    """
    paths = paths_of(config)
    owners = {path: label for label, own in paths.items() for path in own}
    makers = {g: overlay(g, getattr(config, g), [p for p in owners if p.startswith(f"{g}.")]) for g in POINT_GROUPS}
    checked: set[str] = set()
    found: list[Point] = []
    rows = _rows(config)
    for k, row in enumerate(rows.levels):
        levels = {path: row[label] for path, label in owners.items()}
        models: dict[str, BaseModel] = {}
        contents: dict[str, Any] = {}
        try:
            for group, make in makers.items():
                models[group], content = make(levels)
                contents |= content
            parameters = Parameters.model_validate(models)
            if (mix := str(parameters.response.theory_mix)) not in checked:
                for name in sorted(_shares(parameters.response)):
                    _check_theory(name, parameters.response)
                checked.add(mix)
        except ConfigError as error:
            raise _blamed(str(error), row, owners, rows.place(k)) from None
        found.append(Point({label: coordinate for label, (coordinate, _) in row.items()}, parameters, contents))
    return found, np.arange(len(found)) if rows.runs is None else rows.runs


def point_of(config: Config, labels: Mapping[str, float | int | str], values: Mapping[str, Any]) -> Point:
    """One point by what its factors set, for points of a store that today's design may not have.

    Parameters
    ----------
    config : the run.  labels : factor label -> coordinate.  values : key path -> value, of every key a factor sets.

    Raises
    ------
    ConfigError : a value that is not allowed.
    """
    models: dict[str, BaseModel] = {}
    contents: dict[str, Any] = {}
    for group in POINT_GROUPS:
        levels: dict[str, Level] = {path: ("", value) for path, value in values.items() if path.startswith(f"{group}.")}
        models[group], content = overlay(group, getattr(config, group), list(levels))(levels)
        contents |= content
    return Point(dict(labels), Parameters.model_validate(models), contents)


def _shares(response: Response) -> Mapping[str, float]:
    """Theory -> share of the partners that hold it, as written in the config."""
    return {response.theory_mix: 1.0} if isinstance(response.theory_mix, str) else response.theory_mix


def _check_theory(name: str, response: Response) -> None:
    try:
        load(name)
    except ValueError as error:
        text = str(error) if len(_shares(response)) > 1 else str(error).removeprefix(f"{name}: ")
        raise ConfigError(f"{THEORY_MIX} = {show(response.theory_mix)}: {helptext.plain(text)}") from None


def _blamed(text: str, row: Mapping[str, Level], owners: Mapping[str, str], place: str) -> ConfigError:
    """What is wrong with a point, with the row, and the level, or else the levels, it comes from."""
    before = f"{place}: " * bool(place)
    key = re.split(r" = |: |\[", text, maxsplit=1)[0]
    for path, label in owners.items():
        if f"{key}.".startswith(f"{path}.") or path.startswith(f"{key}."):
            return ConfigError(f"{before}level {show(row[label][0])} of factor {label!r}: {text}")
    return ConfigError(f"{before}point {show({k: v for k, (v, _) in row.items()})}: {text}" if row else text)


def theories_of(parameters: Parameters) -> tuple[tuple[str, float, Theory], ...]:
    """(name as written in the config, share, theory) of each theory that partners of a point hold, sorted by name."""
    return tuple((name, share, load(name)) for name, share in sorted(_shares(parameters.response).items()))


def mixes(points: Iterable[Point]) -> Iterator[tuple[tuple[str, float, Theory], ...]]:
    """`theories_of` of some points, once where they share how partners respond."""
    for parameters in {id(p.parameters.response): p.parameters for p in points}.values():
        yield theories_of(parameters)


def theory_of(parameters: Parameters) -> Theory:
    """The one theory that all partners of a point hold.

    Raises
    ------
    ValueError : they hold several.
    """
    (_, _, theory), *others = theories_of(parameters)
    if others:
        raise ValueError(f"{THEORY_MIX} = {show(parameters.response.theory_mix)}: partners hold several theories.")
    return theory


def key_of(point: Point, seed: int, common: bool) -> tuple[int, int]:
    """The 64-bit key of a point's draws as two 32-bit words (model section 9).

    With common random numbers ``(seed, 0)``; else the first 64 bits of the SHA-256 of the canonical JSON of
    ``[seed, content]``.
    """
    if common:
        return seed, 0
    digest = hashlib.sha256(canonical([seed, point.content]).encode()).digest()
    return int.from_bytes(digest[:4], "big"), int.from_bytes(digest[4:8], "big")
