"""The config keys in words: what each may be, what is wrong with a value, and the page of ``python -m sim.run --help``.

Read off `sim.schema`; defaults, choices and questions come from the files of the config folder.
"""

from __future__ import annotations

import difflib
import functools
import math
import operator
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from sim.fields import Allowed
from sim.parameters import Distribution, Phase
from sim.schema import Config, Factor, Spacing

WIDTH = 118
LONGEST_VALUE = 80
#: Widths of the columns of keys: path, default, allowed, meaning.
_COLUMNS = (36, 11, 21, WIDTH - 76)
_SHORTER = {"a whole number in": "whole,", "a number in ": "", "a number of at least": ">=", "true or false": "true, false"}
#: Kinds of group that occur several times and are listed once; their parent -> the placeholder of their names.
_REPEATED = (Distribution, Phase)
_PLACES = {"context": "<factor>", "ability": "<capacity>", "phases.table": "<phase>"}
_PLAIN = {
    "Input should be": "must be",
    "Field required": "is missing",
    "Extra inputs are not permitted": "there is no such key",
}


def nearest(name: str, known: Iterable[str]) -> str:
    """`` Did you mean x?`` or nothing; among dotted keys, one that ends as `name` does, or nearly so, counts too."""
    names, leaf = list(known), name.rpartition(".")[2]
    ends = [k for k in names if leaf and k.rpartition(".")[2] == leaf]
    leaves = {k.rpartition(".")[2]: k for k in reversed(names)}
    match = (
        difflib.get_close_matches(name, ends, 1, 0)
        or difflib.get_close_matches(name, names, 1, 0.6)
        or [leaves[k] for k in difflib.get_close_matches(leaf, leaves, 1, 0.6)]
    )
    return f" Did you mean {match[0]}?" if match else ""


def show(value: Any) -> str:
    """A value as one would write it in YAML, on one line, shortened."""
    if isinstance(value, bool) or value is None:
        return str(value).lower().replace("none", "null")
    if isinstance(value, Mapping):
        text = "{" + ", ".join(f"{show(k)}: {show(v)}" for k, v in list(value.items())[:20]) + "}"
    elif isinstance(value, list | tuple):
        text = "[" + ", ".join(show(v) for v in value[:20]) + "]"
    elif isinstance(value, int) and abs(value) >= 10**LONGEST_VALUE:
        text = f"a number of {int(value.bit_length() * math.log10(2))} digits"
    else:
        text = " ".join(str(value).split()) or repr(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."


def _kinds(annotation: Any, metadata: Iterable[Any] = ()) -> Iterator[tuple[Any, list[Any]]]:
    """(type, constraints) of each alternative of an annotation."""
    found = [n for m in metadata for n in (m.metadata if isinstance(m, FieldInfo) else [m])]
    if get_origin(annotation) is Annotated:
        inner, *own = get_args(annotation)
        yield from _kinds(inner, [*found, *own])
    elif get_origin(annotation) in (Union, UnionType):
        for part in get_args(annotation):
            yield from _kinds(part, found)
    else:
        yield annotation, found


def _interval(constraints: Iterable[Any]) -> str:
    def bound(value: float) -> str:
        power = math.log2(value) if value >= 2**24 else 0.5
        return f"2^{int(power)}" if power.is_integer() else f"{value:g}".replace("e+0", "e").replace("e-0", "e-")

    found = {name: getattr(c, name) for c in constraints for name in ("ge", "gt", "le", "lt") if hasattr(c, name)}
    if "ge" not in found:
        return ""
    high = f"{bound(found['le'])}]" if "le" in found else f"{bound(found['lt'])})" if "lt" in found else ""
    return f" in [{bound(found['ge'])}, {high}" if high else f" of at least {bound(found['ge'])}"


def allowed(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """What a field of `sim.schema` may be, as it ends ``must be ...``: ``a whole number in [2, 32]``."""
    parts: dict[str, None] = {}
    for kind, constraints in _kinds(annotation, metadata):
        if kind is NoneType:
            text = "null"
        elif said := [str(c) for c in constraints if isinstance(c, Allowed)]:
            text = said[0]
        elif get_origin(kind) is Literal:
            text = "one of " * (len(get_args(kind)) > 1) + ", ".join(map(str, get_args(kind)))
        elif get_origin(kind) is tuple:
            text = f"a list, each {allowed(get_args(kind)[0])}"
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            text = f"a group of keys ({', '.join(kind.model_fields)})"
        else:
            words = {bool: "true or false", int: "a whole number", float: "a number"}
            text = words.get(kind, "text") + _interval(constraints)
        parts[text] = None
    return " or ".join(sorted(parts, key=lambda text: text != "null"))


def paths(model: type[BaseModel] = Config, prefix: str = "") -> dict[str, FieldInfo]:
    """Every key path below a group of the schema, groups such as ``population.initial.mix`` among them -> its field."""
    found: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        found[prefix + name] = field
        if inner := group_of(field):
            found |= paths(inner, f"{prefix}{name}.")
    return found


def group_of(field: FieldInfo) -> type[BaseModel] | None:
    """The group that a key stands for; None: the key takes a value."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _down(model: type[BaseModel], loc: Sequence[str | int]) -> tuple[Any, list[Any], type[BaseModel] | None]:
    """What the schema says at a location: annotation, constraints, and the group that the last step is taken in."""
    here: tuple[Any, list[Any]] = (model, [])
    group: type[BaseModel] | None = None
    for step in loc:
        group = None
        found: tuple[Any, list[Any]] = (None, [])
        for kind, _ in _kinds(*here):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                group, field = kind, kind.model_fields.get(str(step))
                found = (field.annotation, field.metadata) if field else found
            elif get_origin(kind) in (tuple, dict):
                found = (get_args(kind)[get_origin(kind) is dict], [])
        here = found
    return *here, group


def written(loc: Iterable[str | int]) -> str:
    """A location as a dotted key: ``population.initial.strategies[1]``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{show(step)}" for step in loc).removeprefix(".")


def _problem(error: Mapping[str, Any], raw: Any, model: type[BaseModel]) -> tuple[str, str]:
    """(key, message) of one error of the schema."""
    context: Mapping[str, Any] = error.get("ctx", {})
    tail = str(context.get("key", "")).split(".") if context.get("key") else []
    loc = [*(step for step in error["loc"] if not str(step).startswith("<")), *tail]
    value = raw
    for k, step in enumerate(loc if error["type"] != "missing" else ()):
        if not isinstance(value, Mapping | list | tuple):
            # One value that stands for a list of one.
            loc = loc[:k]
            break
        value = value[step]
    key, (annotation, constraints, group) = written(loc), _down(model, loc)
    if error["type"] == "missing":
        text = f"{key}: is missing; it must be {allowed(annotation, constraints)}."
        others = [name for name in raw["design"]["factors"] if name != loc[-2]] if group is Factor else []
        return key, text + (nearest(str(loc[-2]), others) if others else "")
    if error["type"] == "extra_forbidden":
        if group is Spacing:
            text = " Levels are a list, or {low, high, n, scale}, not a mix of the two."
        elif key == "experiment":
            text = " The first line of an experiment's file must be: # @package _global_"
        else:
            beside = [written([*loc[:-1], name]) for name in group.model_fields] if group else []
            text = nearest(key, beside if loc[:2] == ["design", "factors"] else paths())
        return key, f"{key} = {show(value)}: there is no such key.{text}"
    if error["type"] == "refused":
        return key, f"{key} = {show(value)}: {context['text']}."
    words = allowed(annotation, constraints)
    if isinstance(value, int | float) and not isinstance(value, bool) and -math.inf < value < math.inf:
        words = words.replace("a number ", "").replace("of at", "at")
    choices = [str(c) for kind, _ in _kinds(annotation, constraints) if get_origin(kind) is Literal for c in get_args(kind)]
    hint = nearest(value, choices) if isinstance(value, str) and len(choices) > 1 else ""
    return key, f"{key} = {show(value)}: must be {words}.{hint}"


def explain(error: ValidationError, raw: Mapping[str, Any], model: type[BaseModel] = Config) -> str:
    """A validation error as one message: the first problem, and how many more keys have one.

    Parameters
    ----------
    raw : what was validated.  model : against which group of the schema.
    """
    found: dict[str, str] = {}
    for each in error.errors(include_url=False):
        found.setdefault(*_problem(each, raw, model))
    first, *more = found.values()
    return first + (f" (and {len(more)} more)" if more else "")


def plain(text: str) -> str:
    """A message about a theory file, without the jargon of the library that checks it."""
    for long, short in _PLAIN.items():
        text = text.replace(long, short)
    return " ".join(text.split())


def conf_folder() -> Path:
    """The folder of the YAML files, absolute: inside the installed package, else beside it in a checkout."""
    inside = Path(__file__).resolve().parent / "conf"
    return inside if inside.is_dir() else inside.parent.parent / "conf"


def remark(file: Path) -> str:
    """First comment of a YAML file that is no directive: a choice in words, an experiment's question."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    return next((line[1:].strip() for line in lines if line.startswith("#") and not line.startswith("# @")), "")


def question_of(experiment: str) -> str:
    """The question that an experiment of the config folder asks; nothing where it states none."""
    return remark(conf_folder() / "experiment" / f"{experiment}.yaml")


def _defaults(folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Default values, nested, and the default choice of each group."""

    def read(name: str) -> Any:
        return yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8"))

    chosen = {
        k: v for entry in read("config")["defaults"] if isinstance(entry, dict) for k, v in entry.items() if "/" not in k
    }
    return read("config") | {group: read(f"{group}/{choice}") for group, choice in chosen.items()}, chosen


def keys(folder: Path | None = None) -> list[tuple[str, str, str, str]]:
    """(path, default, what it may be, meaning) of every key as text, in the order of the schema.

    The keys of a factor are listed once, with a placeholder for its label; so are those of groups that have the same
    keys, after a line that names the groups; their defaults stand in that order where they differ.
    """
    defaults, _ = _defaults(folder or conf_folder())
    found: list[tuple[str, str, str, str]] = []
    place_of = {path: f"{path.rpartition('.')[0]}.{place}" for path, place in _alike().items()}
    for path, field in paths().items():
        parent, _, name = path.rpartition(".")
        same = [other for other, place in place_of.items() if place == place_of.get(path, place_of.get(parent))]
        if path == "design.factors":
            inner = paths(Factor, "design.factors.<label>.") | paths(Spacing, "design.factors.<label>.levels.")
            found += [
                (p, "" if f.is_required() else show(f.default), _brief(f), f.description or "") for p, f in inner.items()
            ]
        elif same and same[0] not in (path, parent):
            continue
        elif path in place_of:
            names = ", ".join(other.rpartition(".")[2] for other in same)
            found.append((place_of[path], "", names, "have the same keys; defaults that differ are in this order"))
        elif parent in place_of:
            values = [_default(defaults, f"{other}.{name}") for other in same]
            text = values[0] if len(set(values)) == 1 else " ".join(values)
            found.append((f"{place_of[parent]}.{name}", text, _brief(field), field.description or ""))
        elif group_of(field) is None:
            found.append((path, _default(defaults, path), _brief(field), field.description or ""))
    return found


def _default(defaults: Mapping[str, Any], path: str) -> str:
    return show(functools.reduce(operator.getitem, path.split("."), defaults))


def _alike() -> dict[str, str]:
    """Groups that have the same keys -> the placeholder of their names."""
    kinds = {path: group_of(field) for path, field in paths().items()}
    return {path: _PLACES[path.rpartition(".")[0]] for path, kind in kinds.items() if kind and issubclass(kind, _REPEATED)}


def _brief(field: FieldInfo) -> str:
    text = allowed(field.annotation, field.metadata).replace("one of ", "")
    for long, short in _SHORTER.items():
        text = text.replace(long, short)
    return text


def _table(rows: Iterable[Sequence[str]], widths: Sequence[int]) -> str:
    """Aligned columns, two spaces apart and before; every cell wraps in its width."""
    lines = []
    for row in rows:
        cells = [textwrap.wrap(cell, width, break_long_words=False) or [""] for cell, width in zip(row, widths, strict=True)]
        for k in range(max(map(len, cells))):
            parts = [f"{(cell[k] if k < len(cell) else ''):<{width}}" for cell, width in zip(cells, widths, strict=True)]
            lines.append("  " + "  ".join(parts).rstrip())
    return "\n".join(lines)


def render(folder: Path | None = None) -> str:
    """The text of ``python -m sim.run --help``, lines of at most `WIDTH` columns.

    Parameters
    ----------
    folder : of the YAML files; the program's own by default.
    """
    folder = folder or conf_folder()
    _, chosen = _defaults(folder)
    files = {g: sorted((folder / g).glob("*.yaml"), key=lambda f: (f.stem != c, f.stem)) for g, c in chosen.items()}
    groups = [
        (group if not k else "", f"{file.stem}{' *' * (file.stem == chosen[group])}", remark(file))
        for group, found in files.items()
        for k, file in enumerate(found)
    ]
    named = {file.stem: file for file in sorted((folder / "experiment").glob("*.yaml"))}
    # The larger variant of an experiment asks the same question.
    larger = {f"{name}_full" for name in named}
    experiments = [(name, remark(file)) for name, file in named.items() if name not in larger]
    every, shown = keys(folder), []
    for top, field in Config.model_fields.items():
        rows = [key for key in every if key[0].partition(".")[0] == top]
        shown.append((f"\n{top}: {group.__doc__}\n" if (group := group_of(field)) else "\n") + _table(rows, _COLUMNS))
    parts = {"experiments": _table(experiments, (20, WIDTH - 24)), "groups": _table(groups, (12, 17, WIDTH - 35))}
    page = (folder / "help.txt").read_text(encoding="utf-8")
    for name, text in (parts | {"keys": "\n".join(shown).lstrip("\n")}).items():
        page = page.replace(f"@{name}", text)
    return page.rstrip()
