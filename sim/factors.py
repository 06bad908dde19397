"""Factors of a design: the keys that each sets, and its levels: listed, spaced, or where a sample falls."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeAlias

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError

from sim import helptext
from sim.fields import SMALLEST_PROBABILITY, ConfigError
from sim.helptext import allowed, nearest, show
from sim.parameters import POINT_GROUPS, Parameters
from sim.schema import Config, Factor, Spacing
from sim.variables import RESERVED

#: (coordinate, value) of a level.
Level: TypeAlias = tuple[float | int | str, Any]

#: Whole numbers up to here are floats, too.
_EXACT = 2**53
#: What rounding may take from a position times a number of levels: on a grid it should be whole.
_ROUNDING = 1e-12


def plain(value: Any) -> Any:
    """Numbers that are equal in one form; -0 is 0."""
    return float(value) + 0.0 if isinstance(value, float) or (isinstance(value, int) and abs(value) <= _EXACT) else value


def point_paths() -> dict[str, bool]:
    """Key paths a factor may set -> whether the key is a leaf (a group such as ``population.initial.mix`` is not)."""
    return {path: helptext.group_of(field) is None for path, field in helptext.paths(Parameters).items()}


def paths_of(config: Config) -> dict[str, tuple[str, ...]]:
    """Label -> key paths of each factor; every path exists and is set by one factor.

    Raises
    ------
    ConfigError : a label that cannot be one, an unknown path, or one set twice.
    """
    known = point_paths()
    taken: dict[str, str] = {}
    paths: dict[str, tuple[str, ...]] = {}
    for label, factor in config.design.factors.items():
        key = f"design.factors.{show(label)}"
        if not label.isidentifier() or label.startswith("_"):
            raise ConfigError(f"{key}: a label is a word of letters, digits and underscores that begins with a letter.")
        if label in RESERVED:
            raise ConfigError(f"{key}: {label!r} is the name of a recorded variable or dimension; choose another label.")
        paths[label] = _paths(factor)
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


def _paths(factor: Factor) -> tuple[str, ...]:
    return (factor.path,) if isinstance(factor.path, str) else factor.path


# Levels of a factorial design


def spaced(low: float, high: float, n: int, scale: str = "linear") -> list[float]:
    """Evenly (``linear``) or geometrically (``log``) spaced values: `n` (1: `low` alone) from `low` to `high`, kept exactly.

    Values between have 12 significant digits, so that a level reads, and matches, as one writes it: 0.15, not
    0.15000000000000002. ``integer``: whole numbers, as evenly spaced as they can be.
    """
    if n == 1:
        return [low]
    if scale == "integer":
        return [round(low + (high - low) * k / (n - 1)) for k in range(n)]
    if scale == "log":
        first, last = math.log(low), math.log(high)
        return [low, *(tidy(math.exp(first + (last - first) * k / (n - 1))) for k in range(1, n - 1)), high]
    smallest = 1e-12 * max(abs(low), abs(high))
    return [low, *(tidy(low + (high - low) * k / (n - 1), smallest) for k in range(1, n - 1)), high]


def tidy(value: float, smallest: float = 0.0) -> float:
    """A computed value with 12 significant digits; 0 where it is below `smallest`, so 0 but for rounding."""
    return 0.0 if abs(value) < smallest else float(f"{value:.12g}")


def number_of(label: str, factor: Factor) -> int:
    """How many levels a factor has in a factorial design.

    Raises
    ------
    ConfigError : none, or a range that has no such number of levels.
    """
    key, levels = f"design.factors.{label}.levels", factor.levels
    if not levels:
        raise ConfigError(f"{key} = {show(levels)}: design=factorial needs levels: a list, or {{low, high, n, scale}}.")
    if not isinstance(levels, Spacing):
        return len(levels)
    _check_scale(key, levels)
    whole = int(abs(levels.high - levels.low)) + 1 if levels.scale == "integer" else 0
    if levels.n is None and not whole:
        raise ConfigError(f"{key}.n = null: design=factorial needs the number of levels (scale integer: all, without it).")
    number = levels.n or whole
    if number > 1 and levels.low == levels.high:
        raise ConfigError(f"{key}: low and high are both {levels.low:g}; {number} levels would be one.")
    if whole and number > whole:
        said = f"there are {whole} whole numbers from {levels.low:g} to {levels.high:g}, not {number}; leave n out for all."
        raise ConfigError(f"{key}.n = {number}: {said}")
    return number


def levels_of(label: str, factor: Factor) -> list[Level]:
    """(coordinate, value) of each level in a factorial design.

    Raises
    ------
    ConfigError : no levels, one twice, or a form that is not understood.
    """
    number, levels = number_of(label, factor), factor.levels
    if not isinstance(levels, Spacing):
        return _listed(label, levels or ())
    low, high = (int(end) if levels.scale == "integer" else end for end in (levels.low, levels.high))
    return _distinct(f"design.factors.{label}.levels", [(v, v) for v in spaced(low, high, number, levels.scale)])


def level(key: str, given: Any) -> Level:
    """(coordinate, value) of a level as written: a number, a word, or ``{name: value}``.

    Raises
    ------
    ConfigError : anything else; `key` says where.
    """
    if isinstance(given, Mapping) and len(given) == 1:
        name, value = next(iter(given.items()))
        return str(name), value
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ConfigError(f"{key}: a level that is no number or word is written {{name: value}}, got {show(given)}.")
    return given, given


def _listed(label: str, levels: tuple[Any, ...]) -> list[Level]:
    key = f"design.factors.{label}.levels"
    pairs = _distinct(key, [level(key, each) for each in levels])
    if len({isinstance(coordinate, str) for coordinate, _ in pairs}) > 1:
        raise ConfigError(f"{key} = {show([c for c, _ in pairs])}: the levels mix numbers and names; use one kind.")
    return pairs


def _distinct(key: str, pairs: list[Level]) -> list[Level]:
    seen: set[Any] = set()
    for coordinate, _ in pairs:
        if plain(coordinate) in seen:
            raise ConfigError(f"{key}: the level {show(coordinate)} appears twice.")
        seen.add(plain(coordinate))
    return pairs


def _check_scale(key: str, s: Spacing) -> None:
    """Refuse ends that the scale does not have."""
    if s.scale == "log" and not (s.low > 0 and s.high > 0):
        raise ConfigError(f"{key}: scale log needs low and high above 0, got {s.low:g} and {s.high:g}.")
    if s.scale == "integer" and not all(end.is_integer() and abs(end) <= _EXACT for end in (s.low, s.high)):
        raise ConfigError(f"{key}: scale integer needs whole low and high, got {s.low:.12g} and {s.high:.12g}.")


# Levels of a sampled design


def quantiles(label: str, factor: Factor, kind: str, grid: int | None = None) -> Callable[[np.ndarray], list[Level]]:
    """What takes positions in [0, 1], one for each row of a sample, to levels of a factor.

    Position u is ``low + u (high - low)`` on a linear scale, the same between logarithms on a log scale, both with 12
    significant digits; ``low + floor(u (high - low + 1))`` among whole numbers; level ``floor(u n)`` of a list of n.
    On a grid, both ends of which are positions, whole numbers are the nearest to ``low + u (high - low)``, and each level
    of a list takes as many positions as any other.

    Parameters
    ----------
    label, factor : of the design.  kind : of the design, for messages.
    grid : positions are 0, 1/(grid - 1), ..., 1, those of a Morris design.

    Raises
    ------
    ConfigError : no levels or just one, a range that the factor's keys do not allow, a form that is not understood.
    """
    key, levels = f"design.factors.{label}.levels", factor.levels
    if not levels:
        raise ConfigError(f"{key} = {show(levels)}: design={kind} needs levels: a list, or {{low, high, scale}}.")
    if not isinstance(levels, Spacing):
        pairs = _listed(label, levels)
        if len(pairs) == 1:
            instead = f"set {', '.join(_paths(factor))} itself and leave the factor out"
            raise ConfigError(
                f"{key} = {show(levels)}: one level does not vary; design={kind} needs two or more, or {instead}."
            )
        if grid:
            # The middles of as many equal parts: each level has as many positions as any other, see `sim.sampling`.
            return lambda u: [pairs[k] for k in _cells((np.rint(u * (grid - 1)) + 0.5) / grid, len(pairs))]
        return lambda u: [pairs[k] for k in _cells(u, len(pairs))]
    s = levels
    _check_scale(key, s)
    if tidy(s.low) >= tidy(s.high):
        raise ConfigError(f"{key}: design={kind} needs low below high, got {s.low:.12g} and {s.high:.12g}.")
    for path in _paths(factor):
        _check_range(label, path, s)
    if s.scale == "integer":
        first, number = int(s.low), int(s.high) - int(s.low) + 1
        if grid:
            return lambda u: [(first + k, first + k) for k in np.rint(u * (number - 1)).astype(np.int64).tolist()]

        def whole(u: np.ndarray) -> list[Level]:
            cells = _cells(u, number)
            pairs = {k: (first + k, first + k) for k in set(cells)}
            return [pairs[k] for k in cells]

        return whole
    # A probability below the step of the draws acts as 0, and is refused unless it is written so.
    steps = s.low == 0 and any(_refusal(path, SMALLEST_PROBABILITY / 2) for path in _paths(factor))

    def between(u: np.ndarray) -> list[Level]:
        # Equal positions are one level, so that what they make is made once.
        distinct, which = np.unique(u, return_inverse=True)
        if s.scale == "log":
            values = np.exp(math.log(s.low) + distinct * (math.log(s.high) - math.log(s.low)))
        else:
            values = s.low * (1.0 - distinct) + s.high * distinct
            values[steps & (values < SMALLEST_PROBABILITY)] = 0.0
        # Rounding leaves neither the range nor its ends.
        pairs = [(v, v) for v in (min(max(tidy(value), s.low), s.high) for value in values.tolist())]
        return [pairs[k] for k in which.tolist()]

    return between


def _cells(u: np.ndarray, number: int) -> list[int]:
    """Which of `number` equal parts of [0, 1] positions are in."""
    found: list[int] = np.minimum(np.floor(u * number + _ROUNDING), number - 1).astype(np.int64).tolist()
    return found


def _check_range(label: str, path: str, s: Spacing) -> None:
    """Refuse a range that a key does not allow: its ends, or what lies between."""
    inner = s.low + (s.high - s.low) / math.e
    for value in (s.low, s.high, inner):
        if said := _refusal(path, int(value) if s.scale == "integer" else value):
            hint = " Use scale: integer." if value is inner and "whole number" in said else ""
            given = show({"low": s.low, "high": s.high, "scale": s.scale})
            raise ConfigError(f"design.factors.{label}.levels = {given}: {path} = {value:.6g}: {said}.{hint}")


def _refusal(path: str, value: float) -> str:
    """What a key must be, where a number is none of it; what other keys ask of it aside."""
    try:
        _adapter(path).validate_python(value)
    except ValidationError as error:
        field = helptext.paths(Parameters)[path]
        said = error.errors()[0].get("ctx", {}).get("text")
        return str(said or f"must be {allowed(field.annotation, field.metadata)}")
    return ""


@functools.cache
def _adapter(path: str) -> TypeAdapter[Any]:
    """What checks a value of a key alone."""
    field = helptext.paths(Parameters)[path]
    kind: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    return TypeAdapter(kind, config=None if helptext.group_of(field) else ConfigDict(strict=True, allow_inf_nan=False))
