"""Points as the exact chain takes them: those of like structure together, parameters rounded as for the kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from sim.arguments import theories_taken
from sim.design import Point, theories_of
from sim.exact_law import event
from sim.exact_space import CODES, MAX_STATES, Structure, chances_of, structure_of
from sim.kernel_parts import POINT
from sim.parameters import Parameters
from sim.recording import own_periods
from sim.schema import Config
from sim.strategies import STRATEGIES
from sim.templates import Templates
from sim.theory import Theory

#: Bytes that are worked on at a time.
BYTES = 32 * 2**20

_SHARED = ("structure", "periods", "recorded")

#: (name, share, theory) of each theory of a mix, sorted by name, as `sim.design.theories_of` gives it.
Mix = Sequence[tuple[str, float, Theory]]


@dataclass(frozen=True)
class Batch:
    """Points that share their states and their periods.

    Attributes
    ----------
    structure : of their states.  where : int64 (points,), place of each in the list they come from.
    periods : int64, recorded ones.  recorded : int64 (T + 1,), row of each period among them or -1.
    records : (points,) of `sim.kernel_parts.POINT`.  drawn : float64 (points, N, types), chance of each partner's type.
    cells, reals : uint32 (points, theories, 25), float32 (points, theories, 7, 25), see `sim.full_state.Theories`.
    absorptive, communicative : float32 (points,).
    """

    structure: Structure
    where: np.ndarray
    periods: np.ndarray
    recorded: np.ndarray
    records: np.ndarray
    drawn: np.ndarray
    cells: np.ndarray
    reals: np.ndarray
    absorptive: np.ndarray
    communicative: np.ndarray

    def at(self, p: int) -> Batch:
        """One point of the batch."""
        arrays = {f.name: getattr(self, f.name)[p : p + 1] for f in fields(self) if f.name not in _SHARED}
        return replace(self, **arrays)

    @property
    def weakest(self) -> bool:
        """Whether partners meet the one that gains most over them."""
        return self.structure.coupling == "weakest"


def batches(points: Sequence[Point], config: Config, theory: Theory | None = None, ordered: bool = False) -> Iterator[Batch]:
    """Points in groups of like structure, cut so that what is worked on takes some `BYTES`.

    Parameters
    ----------
    points : with an exact form.  theory : stands in for the points' own.  ordered : see `structure_of`.
    """
    # Points of a sweep mostly share who they are and how they respond.
    structures: dict[tuple[int, int], Structure] = {}
    groups: dict[tuple[Structure, int, int], list[int]] = {}
    for k, p in enumerate(point.parameters for point in points):
        mark = id(p.population), id(p.response)
        if mark not in structures:
            structures[mark] = structure_of(p, ordered)
        mix = 1 if isinstance(p.response.theory_mix, str) else len(p.response.theory_mix)
        groups.setdefault((structures[mark], p.population.periods, mix), []).append(k)
    for (structure, periods, _), where in groups.items():
        rows = own_periods(periods, config.output.every)
        # Of each state two laws by recorded period, and some tables by pair of strategies.
        size = min(structure.states(structure.partners), MAX_STATES) * (16 * len(rows) + 10 * 8 * CODES**2)
        most = max(1, BYTES // size)
        templates = Templates(config, rows)
        for start in range(0, len(where), most):
            yield _batch(points, where[start : start + most], structure, rows, templates, theory)


def _batch(
    points: Sequence[Point], where: Sequence[int], structure: Structure, rows: np.ndarray, templates: Templates,
    theory: Theory | None,
) -> Batch:  # fmt: skip
    arguments = [templates.arguments(points[k]) for k in where]
    records, drawn = np.empty(len(where), POINT), []
    cells, reals, starts = [], [], {}
    for k, a in enumerate(arguments):
        p = points[where[k]].parameters
        records[k] = a.point
        if theory is None and a.tables is not None:
            cells.append(a.tables.cells[None])
            reals.append(a.tables.reals[None])
        else:
            taken = theories_taken(p, mix_of(p, theory))
            cells.append(taken.cells)
            reals.append(taken.reals)
        mark = id(p.population), id(p.response)
        if mark not in starts:
            starts[mark] = start_of(p, structure, mix_of(p, theory))
        drawn.append(starts[mark])
    abilities = [points[k].parameters.ability for k in where]
    return Batch(
        structure, np.array(where), rows, arguments[0].recorded, records, np.array(drawn), np.array(cells), np.array(reals),
        np.array([a.absorptive.mean for a in abilities], np.float32),
        np.array([a.communicative.mean for a in abilities], np.float32),
    )  # fmt: skip


def mix_of(parameters: Parameters, theory: Theory | None) -> Mix:
    """The theories of a point's partners, or the one that stands in for them."""
    return theories_of(parameters) if theory is None else (("", 1.0, theory),)


def start_of(parameters: Parameters, structure: Structure, mix: Mix) -> np.ndarray:
    """Chance of each type by partner at formation: float64 (N, types)."""
    initial, aware = parameters.population.initial, event.py_func(np.float32(parameters.response.aware))
    own = [float(getattr(initial.mix, name)) for name in STRATEGIES]
    shares = chances_of([share for _, share, _ in mix])
    drawn = np.zeros((structure.partners, structure.types))
    for k, (slot, kind) in enumerate(structure.kinds):
        theory = mix[slot][2]
        for i in range(structure.partners):
            first = own if theory.initial is None else [float(code == theory.initial) for code in range(CODES)]
            if initial.strategies is not None:
                first = [float(name == initial.strategies[i]) for name in STRATEGIES]
            chance = shares[slot] * (aware if kind else 1.0 - aware)
            drawn[i, CODES * k : CODES * (k + 1)] = chance * chances_of(first)
    return drawn
