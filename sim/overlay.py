"""Levels laid over the base config: the groups of a point, each validated once for each combination of levels in it."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from pydantic import BaseModel, ValidationError

from sim import helptext
from sim.factors import Level
from sim.fields import ConfigError
from sim.parameters import THEORY_MIX

#: Keys that say how much is simulated, not what: they are no part of a point's content.
AMOUNTS = ("population.alliances", "population.periods")

#: Key path -> level.
Levels: TypeAlias = Mapping[str, Level]


def overlay(group: str, base: BaseModel, paths: Sequence[str]) -> Callable[[Levels], tuple[BaseModel, dict[str, Any]]]:
    """What makes one group of a point: takes levels to the group, validated, and the content they give it.

    Levels that are one object are taken to be the same for as long as it is in use, so that groups are made once.

    Parameters
    ----------
    group : its name.  base : the group of the config.  paths : the keys in it that factors set.

    Raises
    ------
    ConfigError : when called, a value that is not allowed.
    """
    make = _maker(f"{group}.", base, paths)
    contents = {path: operator.attrgetter(path.partition(".")[2]) for path in paths if path not in AMOUNTS}

    @_once(paths)
    def part(levels: Levels) -> tuple[BaseModel, dict[str, Any]]:
        try:
            model = make(levels)
        except ValidationError:
            raise _refusal(group, base, {path: levels[path][1] for path in paths}) from None
        return model, {path: _plain_data(get(model)) for path, get in contents.items()}

    return part


def _once(paths: Sequence[str]) -> Callable[[Callable[[Levels], Any]], Callable[[Levels], Any]]:
    """Remember what a function returns for each combination of levels, by which objects they are."""

    def remembering(function: Callable[[Levels], Any]) -> Callable[[Levels], Any]:
        kept: dict[tuple[int, ...], Any] = {}

        def remembered(levels: Levels) -> Any:
            mark = tuple([id(levels[path]) for path in paths])
            found = kept.get(mark)
            if found is None:
                found = kept[mark] = function(levels)
            return found

        return remembered

    return remembering


def _maker(prefix: str, base: BaseModel, paths: Sequence[str]) -> Callable[[Levels], Any]:
    """What sets keys of a group, those of groups in it included; what they leave alone is taken as it is.

    Into a group, a mapping sets the keys it names; a mix of theories is one value.
    """
    if not paths:
        return lambda levels: base
    fields, validate, given = dict(base), type(base).model_validate, set(type(base).model_fields)
    direct: dict[str, str] = {}
    below: dict[str, list[str]] = {}
    for path in paths:
        name, dot, _ = path.removeprefix(prefix).partition(".")
        if dot:
            below.setdefault(name, []).append(path)
        else:
            direct[name] = path
    inner = {name: _once(own)(_maker(f"{prefix}{name}.", fields[name], own)) for name, own in below.items()}

    def make(levels: Levels) -> BaseModel:
        tree = fields.copy()
        for name, path in direct.items():
            tree[name] = _set(path, fields[name], levels[path][1])
        for name, group in inner.items():
            tree[name] = group(levels)
        made = validate(tree)
        # Every key was given, as ever; a set of names for each of a million groups would take more than the groups.
        object.__setattr__(made, "__pydantic_fields_set__", given)
        return made

    return make


def _set(path: str, base: Any, value: Any) -> Any:
    return _laid_over(base, value) if isinstance(value, dict) and path != THEORY_MIX else value


def _laid_over(base: Any, value: Any) -> Any:
    """A mapping over another, key by key at every depth; anything else replaces."""
    if isinstance(base, BaseModel):
        base = base.model_dump()
    if not (isinstance(base, Mapping) and isinstance(value, Mapping)):
        return value
    return {**base, **{k: _laid_over(base.get(k), v) for k, v in value.items()}}


def _refusal(group: str, base: BaseModel, levels: Mapping[str, Any]) -> ConfigError:
    """What is wrong with the levels of a group, from the whole of it as plain data."""
    tree = {group: base.model_dump()}
    for path, value in levels.items():
        *parents, leaf = path.split(".")
        node: dict[str, Any] = functools.reduce(dict.__getitem__, parents, tree)
        node[leaf] = _set(path, node[leaf], value)
    try:
        type(base).model_validate(tree[group])
    except ValidationError as error:
        return ConfigError(f"{group}.{helptext.explain(error, tree[group], type(base))}")
    raise AssertionError(f"{group}: {levels} are refused and allowed")


def value_at(model: BaseModel, path: str) -> Any:
    """Value of a key path in a model, a group as plain data."""
    return _plain_data(operator.attrgetter(path)(model))


def _plain_data(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value
