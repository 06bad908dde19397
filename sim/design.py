"""Designs: factors and levels -> the table of points.

A point is a row of levels, one for each factor, applied to the base config and validated as a whole. Its content, not
its index, says what it is.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import itertools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import BaseModel, ValidationError

from sim import helptext
from sim.helptext import nearest, show
from sim.parameters import POINT_GROUPS, THEORY_MIX, Parameters, Response
from sim.schema import MAX_POINTS, Config, Factor, Spacing
from sim.theory import Theory, load
from sim.variables import RESERVED

#: Keys that say how much is simulated, not what: they are no part of a point's content.
AMOUNTS = ("population.alliances", "population.periods")
#: Whole numbers up to here are floats, too.
_EXACT = 2**53

#: (coordinate, value) of a level.
Level = tuple[float | int | str, Any]


#: Groups that were validated: where they are in the schema, and the levels set in them -> the group.
_Kept: TypeAlias = dict[tuple[str, ...], BaseModel]


class ConfigError(ValueError):
    """Bad input; the message is complete: key, value, what is allowed, nearest valid name."""


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
        return canonical({k: _plain(v) for k, v in self.labels.items()})


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces; what digests are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    """Numbers that are equal in one form; -0 is 0."""
    return float(value) + 0.0 if isinstance(value, float) or (isinstance(value, int) and abs(value) <= _EXACT) else value


def point_paths() -> dict[str, bool]:
    """Key paths a factor may set -> whether the key is a leaf (a group such as ``population.initial.mix`` is not)."""
    return {path: helptext.group_of(field) is None for path, field in helptext.paths(Parameters).items()}


def spaced(low: float, high: float, n: int, scale: str = "linear") -> list[float]:
    """Evenly (``linear``) or geometrically (``log``) spaced values: `n` (1: `low` alone) from `low` to `high`, kept exactly.

    Values between have 12 significant digits, so that a level reads, and matches, as one writes it: 0.15, not
    0.15000000000000002.
    """
    if n == 1:
        return [low]
    if scale == "log":
        first, last = math.log(low), math.log(high)
        return [low, *(tidy(math.exp(first + (last - first) * k / (n - 1))) for k in range(1, n - 1)), high]
    smallest = 1e-12 * max(abs(low), abs(high))
    return [low, *(tidy(low + (high - low) * k / (n - 1), smallest) for k in range(1, n - 1)), high]


def tidy(value: float, smallest: float = 0.0) -> float:
    """A computed value with 12 significant digits; 0 where it is below `smallest`, so 0 but for rounding."""
    return 0.0 if abs(value) < smallest else float(f"{value:.12g}")


def levels_of(label: str, factor: Factor) -> list[Level]:
    """(coordinate, value) of each level.

    Raises
    ------
    ConfigError : no levels, one twice, or a form that is not understood.
    """
    key = f"design.factors.{label}.levels"
    if not factor.levels:
        raise ConfigError(
            f"{key} = {show(factor.levels)}: design=factorial needs levels: a list, or {{low, high, n, scale}}."
        )
    if isinstance(factor.levels, Spacing):
        s = factor.levels
        if s.scale == "log" and not (s.low > 0 and s.high > 0):
            raise ConfigError(f"{key}: scale log needs low and high above 0, got {s.low:g} and {s.high:g}.")
        if s.n > 1 and s.low == s.high:
            raise ConfigError(f"{key}: low and high are both {s.low:g}; {s.n} levels would be one.")
        pairs: list[Level] = [(v, v) for v in spaced(s.low, s.high, s.n, s.scale)]
    else:
        pairs = [_level(key, level) for level in factor.levels]
    seen: set[Any] = set()
    for coordinate, _ in pairs:
        if _plain(coordinate) in seen:
            raise ConfigError(f"{key}: the level {show(coordinate)} appears twice.")
        seen.add(_plain(coordinate))
    if len({isinstance(coordinate, str) for coordinate, _ in pairs}) > 1:
        raise ConfigError(f"{key} = {show([c for c, _ in pairs])}: the levels mix numbers and names; use one kind.")
    return pairs


def _level(key: str, level: Any) -> Level:
    if isinstance(level, Mapping) and len(level) == 1:
        name, value = next(iter(level.items()))
        return str(name), value
    if isinstance(level, bool) or not isinstance(level, str | int | float):
        raise ConfigError(f"{key}: a level that is no number or word is written {{name: value}}, got {show(level)}.")
    return level, level


def _check_factors(config: Config) -> dict[str, tuple[str, ...]]:
    """Label -> key paths; every path exists and is set by one factor."""
    known = point_paths()
    taken: dict[str, str] = {}
    paths: dict[str, tuple[str, ...]] = {}
    for label, factor in config.design.factors.items():
        key = f"design.factors.{show(label)}"
        if not label.isidentifier() or label.startswith("_"):
            raise ConfigError(f"{key}: a label is a word of letters, digits and underscores that begins with a letter.")
        if label in RESERVED:
            raise ConfigError(f"{key}: {label!r} is the name of a recorded variable or dimension; choose another label.")
        paths[label] = (factor.path,) if isinstance(factor.path, str) else factor.path
        for path in paths[label]:
            if path not in known:
                said = f"there is no such key of {', '.join(POINT_GROUPS)}."
                raise ConfigError(f"{key}.path = {show(path)}: {said}{nearest(path, known)}")
            if path in POINT_GROUPS:
                below = ", ".join(p for p in known if p.startswith(f"{path}.") and p.count(".") == 1)
                raise ConfigError(f"{key}.path = {path}: this is a group of keys; name one of {below}.")
            for other, owner in taken.items():
                if path == other or path.startswith(f"{other}.") or other.startswith(f"{path}."):
                    raise ConfigError(f"{key}.path = {path}: the factor {owner!r} already sets {other}.")
            taken[path] = label
    return paths


def _rows(config: Config) -> Iterator[dict[str, Level]]:
    """One {label: (coordinate, value)} for each point."""
    design = config.design
    if design.kind != "list" and design.rows is not None:
        raise ConfigError(f"design.rows = {show(design.rows)}: rows belong to design=list; design.kind is {design.kind}.")
    if design.kind == "single":
        if design.factors:
            said = f"has no factors, but design.factors names {', '.join(design.factors)}; use design=factorial."
            raise ConfigError(f"design.kind = single: {said}")
        return iter([{}])
    if not design.factors:
        raise ConfigError(f"design.kind = {design.kind}: needs design.factors: label -> {{path, levels}}.")
    if design.kind == "factorial":
        forms = [factor.levels or () for factor in design.factors.values()]
        lengths = [form.n if isinstance(form, Spacing) else len(form) for form in forms]
        if (number := math.prod(lengths)) > MAX_POINTS:
            product = " x ".join(map(str, lengths))
            raise ConfigError(f"design.factors: {product} = {number:,} points; at most {MAX_POINTS:,} are possible.")
        levels = {label: levels_of(label, factor) for label, factor in design.factors.items()}
        return (dict(zip(levels, combination, strict=True)) for combination in itertools.product(*levels.values()))
    if not design.rows:
        raise ConfigError(f"design.rows = {show(design.rows)}: design=list needs one {{label: value}} for each point.")
    for k, row in enumerate(design.rows):
        if odd := sorted(set(row) ^ set(design.factors)):
            said = f"every row gives each of {', '.join(design.factors)}; check {', '.join(map(show, odd))}."
            raise ConfigError(f"design.rows[{k}] = {show(row)}: {said}")
    return (
        {label: _level(f"design.rows[{k}].{label}", row[label]) for label in design.factors}
        for k, row in enumerate(design.rows)
    )


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


@_no_collection()
def points(config: Config) -> list[Point]:
    """The table of points of a design.

    Parameters
    ----------
    config : a validated run.

    Returns
    -------
    list of Point : in the order of the design; factorial: the last factor varies fastest.

    Raises
    ------
    ConfigError : a factor that does not fit, a level out of range, two equal points, an unusable theory.
    """
    paths = _check_factors(config)
    owners = {path: label for label, own in paths.items() for path in own}
    grouped = {group: [p for p in owners if p.startswith(f"{group}.")] for group in POINT_GROUPS}
    # Points share what no factor tells apart: each group is validated once for each combination of the levels set in it.
    parts: dict[tuple[str, ...], tuple[BaseModel, dict[str, Any]]] = {}
    kept: _Kept = {}
    checked: set[int] = set()
    found: list[Point] = []
    seen: dict[tuple[Any, ...], int] = {}
    for k, row in enumerate(_rows(config)):
        models: dict[str, BaseModel] = {}
        contents: dict[str, Any] = {}
        try:
            for group, own in grouped.items():
                mark = (group, *(repr(row[owners[path]]) for path in own))
                if mark not in parts:
                    parts[mark] = _part(group, getattr(config, group), {path: row[owners[path]][1] for path in own}, kept)
                models[group], part = parts[mark]
                contents |= part
            parameters = Parameters.model_validate(models)
            if id(parameters.response) not in checked:
                for name in sorted(_shares(parameters.response)):
                    _check_theory(name, parameters.response)
                checked.add(id(parameters.response))
        except ConfigError as error:
            raise _blamed(str(error), row, owners) from None
        point = Point({label: coordinate for label, (coordinate, _) in row.items()}, parameters, contents)
        content = tuple(map(_plain, point.labels.values()))
        if seen.setdefault(content, k) != k:
            first = seen[content]
            raise ConfigError(f"design.rows[{k}] = {show(point.labels)}: the same point as design.rows[{first}].")
        found.append(point)
    return found


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
        own = {path: value for path, value in values.items() if path.startswith(f"{group}.")}
        models[group], part = _part(group, getattr(config, group), own, {})
        contents |= part
    return Point(dict(labels), Parameters.model_validate(models), contents)


def _laid_over(base: Any, value: Any) -> Any:
    """A mapping over another, key by key at every depth; anything else replaces."""
    if isinstance(base, BaseModel):
        base = base.model_dump()
    if not (isinstance(base, Mapping) and isinstance(value, Mapping)):
        return value
    return {**base, **{k: _laid_over(base.get(k), v) for k, v in value.items()}}


def _part(group: str, base: BaseModel, levels: Mapping[str, Any], kept: _Kept) -> tuple[BaseModel, dict[str, Any]]:
    """One group of a point, validated, and the content that factors give it."""
    try:
        model = _with_levels(f"{group}.", base, levels, kept)
    except ValidationError:
        raise _refusal(group, base, levels) from None
    inside = {path: path.partition(".")[2] for path in levels if path not in AMOUNTS}
    return model, {path: value_at(model, rest) for path, rest in inside.items()}


def _with_levels(prefix: str, base: BaseModel, levels: Mapping[str, Any], kept: _Kept) -> BaseModel:
    """A group with some keys set, validated once for each combination of them; what they leave alone is taken as it is.

    Into a group, a mapping sets the keys it names; a mix of theories is one value.
    """
    if not levels:
        return base
    mark = (prefix, *map(repr, levels.values()))
    if mark not in kept:
        tree = {name: getattr(base, name) for name in type(base).model_fields}
        below: dict[str, dict[str, Any]] = {}
        for path, value in levels.items():
            name, _, inner = path.removeprefix(prefix).partition(".")
            if inner:
                below.setdefault(name, {})[path] = value
            else:
                tree[name] = value if path == THEORY_MIX else _laid_over(tree[name], value)
        for name, own in below.items():
            tree[name] = _with_levels(f"{prefix}{name}.", tree[name], own, kept)
        kept[mark] = type(base).model_validate(tree)
    return kept[mark]


def _refusal(group: str, base: BaseModel, levels: Mapping[str, Any]) -> ConfigError:
    """What is wrong with the levels of a group, from the whole of it as plain data."""
    tree = {group: base.model_dump()}
    for path, value in levels.items():
        *parents, leaf = path.split(".")
        node: dict[str, Any] = functools.reduce(dict.__getitem__, parents, tree)
        node[leaf] = value if path == THEORY_MIX else _laid_over(node[leaf], value)
    try:
        type(base).model_validate(tree[group])
    except ValidationError as error:
        return ConfigError(f"{group}.{helptext.explain(error, tree[group], type(base))}")
    raise AssertionError(f"{group}: {levels} are refused and allowed")


def value_at(model: BaseModel, path: str) -> Any:
    """Value of a key path in a model, a group as plain data."""
    value = functools.reduce(getattr, path.split("."), model)
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def _shares(response: Response) -> Mapping[str, float]:
    """Theory -> share of the partners that hold it, as written in the config."""
    return {response.theory_mix: 1.0} if isinstance(response.theory_mix, str) else response.theory_mix


def _check_theory(name: str, response: Response) -> None:
    try:
        load(name)
    except ValueError as error:
        text = str(error) if len(_shares(response)) > 1 else str(error).removeprefix(f"{name}: ")
        raise ConfigError(f"{THEORY_MIX} = {show(response.theory_mix)}: {helptext.plain(text)}") from None


def _blamed(text: str, row: Mapping[str, Level], owners: Mapping[str, str]) -> ConfigError:
    """What is wrong with a point, with the level, or else the levels, it comes from."""
    key = re.split(r" = |: |\[", text, maxsplit=1)[0]
    for path, label in owners.items():
        if f"{key}.".startswith(f"{path}.") or path.startswith(f"{key}."):
            return ConfigError(f"level {show(row[label][0])} of factor {label!r}: {text}")
    return ConfigError(f"point {show({k: v for k, (v, _) in row.items()})}: {text}" if row else text)


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
