"""The study of trust, orientation and stakes: its numbers against made curves, refusals, and that it can say no."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import sim
from analysis.studies import phase_diagram, study_of
from analysis.summaries import AnalysisError, MissingVariable

GRID = np.linspace(0.0, 1.0, 6)
LEVELS = {"start": ["collaboration", "compromise"], "stakes": [0.1, 0.5, 0.9], "orientation": GRID, "trust": GRID}
SE = 0.004


def survival(start, stakes, orientation, trust):
    """Half survive at orientation .8 - .4 trust; from compromise high stakes help above trust .5 and hurt below."""
    tilt = 0.2 * (stakes - 0.5) * (trust - 0.5) if start == "compromise" else 0.0
    return 0.5 + 0.6 * (orientation - 0.8 + 0.4 * trust) + tilt


def made(value=survival, levels=LEVELS):
    rows = [dict(zip(levels, row, strict=True)) for row in itertools.product(*levels.values())]
    end = np.array([value(**row) for row in rows])
    alive = np.stack([np.ones_like(end), end], 1)
    shares = np.stack([alive - 0.1, np.zeros_like(alive)], 2)
    data = {"survival": (("point", "period"), alive), "regime_share": (("point", "period", "regime"), shares)}
    data |= {f"{name}_se": (dims, np.full_like(values, SE)) for name, (dims, values) in data.items()}
    data["alliances"] = ("point", np.full(len(rows), 1000))
    coords = {label: ("point", [row[label] for row in rows]) for label in levels}
    coords |= {"period": [0, 100], "regime": ["integration", "withdrawal"]}
    return xr.Dataset(data, coords, {"factors": json.dumps(list(levels))})


@pytest.fixture(scope="module")
def found():
    return phase_diagram.study(made(), Path("nowhere.zarr"))


def row(study, **wanted):
    (only,) = (r for r in study.rows if all(r[k] == v for k, v in wanted.items()))
    return only


@pytest.mark.parametrize("trust", GRID.tolist())
def test_boundary__known_crossings(found, trust):
    at = {"start": "collaboration", "stakes": 0.9, "trust": trust}
    assert row(found, half="survival", **at)["orientation_needed"] == pytest.approx(0.8 - 0.4 * trust)
    # integration is survival less .1: half of it needs 1/6 more orientation
    needed = 0.8 - 0.4 * trust + 0.1 / 0.6
    assert row(found, half="integration", **at)["orientation_needed"] == pytest.approx(needed)
    assert row(found, half="survival", **at)["orientation_needed_se"] == pytest.approx(SE / 0.6)


def test_boundary__stakes_tilt_it(found):
    for stakes in (0.1, 0.9):
        needed = row(found, start="compromise", half="survival", stakes=stakes, trust=0.0)["orientation_needed"]
        assert needed == pytest.approx(0.8 + 0.1 * (stakes - 0.5) / 0.6)


def test_turning__trust_at_which_stakes_stop_to_hurt():
    cube = phase_diagram._cube(made())
    turns = phase_diagram.turning(cube, 1)
    assert [t.estimate for t in turns] == pytest.approx([0.5] * 6)
    # the difference rises by .16 over a unit of trust; both values have the error SE
    assert turns[0].error == pytest.approx(np.sqrt(2.0) * SE / 0.16)
    assert {t.reason for t in phase_diagram.turning(cube, 0)} == {"not clear"}


def test_text_and_figure(found):
    assert "from compromise, higher stakes endanger alliances below this trust" in found.text
    assert "from collaboration, higher stakes" not in found.text
    assert "0.800 (0.007)" in found.text
    assert max(map(len, found.text.splitlines())) <= 100
    assert len(found.text.splitlines()) <= 25
    titles = [axes.get_title(loc="left") for axes in found.figure.axes[:2]]
    assert titles == ["survival, from collaboration", "survival, from compromise"]


def test_never_and_always():
    study = phase_diagram.study(made(lambda start, **_: 0.05 if start == "compromise" else 0.9), Path())
    assert row(study, start="compromise", half="survival", stakes=0.1, trust=0.0)["reason"] == "below"
    assert "never" in study.text
    assert "always" in study.text
    assert "endanger" not in study.text


@pytest.mark.parametrize(
    "other",
    [
        made().isel(point=slice(0, -1)),
        made().isel(point=slice(0, 0)),
        made(levels={**LEVELS, "trust": [0.0, 1.0]}),
        made(levels={**LEVELS, "stakes": [0.5]}),
        made().drop_vars("stakes"),
        made().assign_coords(partners=("point", np.arange(216) % 2 + 2)),
    ],
)
def test_refuses_other_designs(other):
    with pytest.raises(AnalysisError):
        phase_diagram.study(other, Path())


def test_names_what_is_missing():
    with pytest.raises(MissingVariable, match="regime_share"):
        phase_diagram.study(made().drop_vars(["regime_share", "regime_share_se"]), Path())


SMALL = [
    "+experiment=phase_diagram", "population.alliances=400", "design.factors.trust.levels.n=3",
    "design.factors.orientation.levels.n=5", "design.factors.stakes.levels=[0.1,0.9]",
]  # fmt: skip


def test_the_experiment_itself__stakes_matter_from_compromise_alone():
    assert study_of("phase_diagram_full") is phase_diagram.study
    cube = phase_diagram._cube(sim.simulate(SMALL))
    starts = cube.levels["start"].tolist()
    gain, error = phase_diagram.difference(cube, starts.index("compromise"))
    assert gain.min() < -4 * error[np.unravel_index(gain.argmin(), gain.shape)]
    gain, error = phase_diagram.difference(cube, starts.index("collaboration"))
    assert np.all(np.abs(gain) <= 4 * error + 1e-12)


def test_the_experiment_itself__without_empowerment_nothing_is_needed_or_enough():
    study = phase_diagram.study(sim.simulate([*SMALL, "response.theory_mix=barriers_only", "response.tremble=0"]), Path())
    reasons = {(r["start"], r["reason"]) for r in study.rows if r["half"] == "survival"}
    assert reasons == {("collaboration", "below"), ("compromise", "above")}
    assert "endanger" not in study.text
