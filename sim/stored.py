"""Points of a saved store, made again from the store alone: its config, levels and texts of theories."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from sim import theory
from sim.design import ConfigError, Point, point_of
from sim.helptext import explain, nearest, show
from sim.opening import read
from sim.provenance import PROGRAM, program_version
from sim.schema import POINT_GROUPS, Config
from sim.soundness import reading
from sim.store import Store
from sim.theory import TheoryError
from sim.variables import STREAM_VERSION

#: Levels written out in a message.
MOST_LEVELS = 12
ALLIANCES = "population.alliances"


@dataclass(frozen=True)
class Stored:
    """A store whose points can be simulated again.

    Attributes
    ----------
    store : opened for reading.  config : the whole config, as the last run that laid the store out had it.
    levels : factor label -> name -> {key path: value}.  theories : name -> text.
    """

    store: Store
    config: Config
    levels: dict[str, dict[str, dict[str, Any]]]
    theories: dict[str, str]

    def __len__(self) -> int:
        return len(self.store.done)

    def labels(self, index: int) -> dict[str, float | int | str]:
        """Level of each factor at a point."""
        return {label: values[index].item() for label, values in self.store.factors.items()}

    def alliances(self, index: int) -> int:
        """Alliances of a finished point.

        Raises
        ------
        ConfigError : there is no such point, or it is not finished.
        """
        number = len(self)
        if isinstance(index, bool) or not isinstance(index, int | np.integer) or not 0 <= index < number:
            which = "point 0 alone" if number == 1 else f"points 0 to {number - 1}"
            raise ConfigError(f"point = {show(index)}: {str(self.store.path)!r} holds {which}.")
        if not self.store.done[index]:
            raise ConfigError(f"point = {index}: not finished yet; the same run command goes on with it.")
        if not (number := int(self.store.alliances[index])):
            raise ConfigError(f"point = {index}: was solved exactly, so that it has no alliances to tell of.")
        return number

    def point(self, index: int) -> tuple[Point, Config]:
        """A finished point, and the run as if it were of this point alone.

        Raises
        ------
        ConfigError : as `alliances` and `made`.
        """
        return self.made(self.labels(index), self.alliances(index))

    def made(self, labels: Mapping[str, float | int | str], alliances: int) -> tuple[Point, Config]:
        """A point of these levels and so many alliances, and the run as if it were of this point alone.

        Raises
        ------
        ConfigError : the store says too little of the point.
        """
        with reading(self.store.path):
            return self._made(labels, alliances)

    def _made(self, labels: Mapping[str, float | int | str], alliances: int) -> tuple[Point, Config]:
        values: dict[str, Any] = {}
        for label, level in labels.items():
            factor = self.config.design.factors[label]
            paths = (factor.path,) if isinstance(factor.path, str) else factor.path
            named = self.levels.get(label, {})
            if isinstance(level, str) and level not in named:
                raise ConfigError(f"{str(self.store.path)!r} does not say what level {level!r} of factor {label!r} is.")
            values |= named[level] if isinstance(level, str) else dict.fromkeys(paths, level)
        values[ALLIANCES] = alliances
        found = point_of(self.config, dict(labels), values)
        mix = found.parameters.response.theory_mix
        for name in [mix] if isinstance(mix, str) else mix:
            if name not in self.theories:
                raise ConfigError(f"{str(self.store.path)!r} does not hold the text of theory {name!r}.")
        # What a run records, and so the columns of its tallies, must have room for this point's mix of theories.
        return found, self.config.model_copy(update={name: getattr(found.parameters, name) for name in POINT_GROUPS})

    @property
    def made_by_another(self) -> str:
        """What to say of a store that another version of the program made; nothing of one of this version."""
        source, own = self.store.attrs.get("source", "an unknown version"), f"{PROGRAM} {program_version()}"
        if source == own:
            return ""
        return f"made by {source}, told again by {own}: the draws are the same, equations may not be."

    @contextlib.contextmanager
    def as_saved(self) -> Iterator[None]:
        """While in effect, theories are those of the store, not today's files of the same names."""
        try:
            with theory.given_texts(self.theories):
                yield
        except TheoryError as error:
            raise ConfigError(f"{str(self.store.path)!r}: a theory of the store cannot be used: {error}") from None

    def index_of(self, levels: Mapping[str, Any]) -> int:
        """The one point at which factors have these levels, numbers or names, or text that stands for them.

        Raises
        ------
        ConfigError : an unknown factor or level; or not just one point.
        """
        factors = self.store.factors
        fits = np.ones(len(self), bool)
        for label, level in levels.items():
            if label not in factors:
                known = f"factors are {', '.join(factors)}" if factors else "this store has no factors"
                raise ConfigError(f"{label} = {show(level)}: there is no such factor; {known}.{nearest(label, factors)}")
            fits &= _equal(label, level, factors[label])
        found = np.flatnonzero(fits)
        said = ", ".join(f"{label}={show(level)}" for label, level in levels.items())
        if len(found) == 0:
            raise ConfigError(f"{said}: no point of the store has these levels together.")
        if len(found) > 1:
            open_ = [label for label, v in factors.items() if label not in levels and len(np.unique(v[found])) > 1]
            more = f"; add {', '.join(open_)}, or point=INDEX" if open_ else ""
            said = f"{said}: {len(found)} points have these levels" if said else f"the store has {len(found)} points"
            raise ConfigError(f"{said}{more}.")
        return int(found[0])


def _equal(label: str, level: Any, values: np.ndarray) -> np.ndarray:
    """Where a factor has a level: bool (point)."""
    names = list(dict.fromkeys(values.tolist()))
    wanted: Any = level
    if values.dtype.kind != "U":
        try:
            wanted = float(level)
        except (TypeError, ValueError):
            wanted = None
    elif not isinstance(level, str):
        wanted = str(level)
    if wanted not in names:
        shown = ", ".join(show(v) for v in names[:MOST_LEVELS]) + (", ..." if len(names) > MOST_LEVELS else "")
        hint = nearest(str(level), map(str, names))
        if wanted is not None and values.dtype.kind != "U":
            hint = f" The nearest is {show(min(names, key=lambda v: abs(v - wanted)))}."
        raise ConfigError(f"{label} = {show(level)}: there is no such level; levels are {shown}.{hint}")
    return np.asarray(values == wanted)


def opened(path: str | Path, shards: bool = False) -> Stored:
    """Open a store to simulate its points again; a shard's, which has not all alliances of a point, if `shards`.

    Raises
    ------
    ConfigError : no store of this program, or one of another format or of other draws.
    """
    path = Path(path)
    if not path.is_dir() or (store := read(path)) is None:
        raise ConfigError(f"{str(path)!r} is no store of this program.")
    attrs = store.attrs
    if "shard" in attrs and not shards:
        raise ConfigError(f"{str(path)!r} is shard {attrs['shard']}, a part; python -m sim.merge joins it with the others.")
    drawn = attrs.get("stream_version")
    if drawn != STREAM_VERSION:
        raise ConfigError(
            f"{str(path)!r} was drawn with draws version {drawn}; this program has version {STREAM_VERSION}, which "
            f"would tell other histories. Use the program that its attribute `source` names: {attrs.get('source', '?')}."
        )
    try:
        config = Config.model_validate(json.loads(attrs["config"]))
    except ValidationError as error:
        with reading(path):
            said = explain(error, json.loads(attrs["config"]))
        raise ConfigError(f"{str(path)!r} holds a config of another version of the program: {said}") from None
    return Stored(store, config, json.loads(attrs["levels"]), json.loads(attrs["theories"]))
