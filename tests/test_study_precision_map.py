"""The study of a map known to the same error everywhere: its numbers against a made map, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import sim
from analysis.studies import precision_map, study_of
from analysis.summaries import AnalysisError

GRID = np.linspace(0.0, 1.0, 11)
TARGET = {"kind": "target", "variable": ["survival"], "relative": False, "standard_error": 0.005}


def made(target=TARGET, slope=0.4):
    """Half survive at orientation .8 - slope trust; each point has p (1 - p) / .005^2 alliances, 1,000 at least."""
    orientation, trust = (axis.ravel() for axis in np.meshgrid(GRID, GRID, indexing="ij"))
    end = np.clip(0.5 + orientation - 0.8 + slope * trust, 0.02, 0.98)
    number = np.maximum(1000, end * (1 - end) / 0.005**2).round().astype(int)
    error = np.sqrt(end * (1 - end) / number)
    data = {
        "survival": (("point", "period"), np.stack([np.ones_like(end), end], 1)),
        "survival_se": (("point", "period"), np.stack([np.zeros_like(end), error], 1)),
        "alliances": ("point", number),
    }
    coords = {"orientation": ("point", orientation), "trust": ("point", trust), "period": [0, 100]}
    attrs = {"factors": json.dumps(["orientation", "trust"]), "config": json.dumps({"precision": target})}
    return xr.Dataset(data, coords, attrs)


@pytest.fixture(scope="module")
def found():
    return precision_map.study(made(), Path("nowhere.zarr"))


@pytest.mark.parametrize("trust", GRID.tolist())
def test_boundary__known_crossings(found, trust):
    needed = {r["orientation_needed"] for r in found.rows if r["trust"] == trust}
    assert needed.pop() == pytest.approx(0.8 - 0.4 * trust)
    assert not needed


def test_rows__one_a_point_with_its_alliances(found):
    ds = made()
    assert len(found.rows) == 121
    by_point = {(r["orientation"], r["trust"]): r for r in found.rows}
    for k in range(121):
        row = by_point[float(ds.orientation[k]), float(ds.trust[k])]
        assert row["alliances"] == int(ds.alliances[k])
        assert row["survival"] == float(ds.survival[k, 1])


def test_text__says_what_it_took(found):
    ds = made()
    end, number = ds.survival.values[:, 1], ds.alliances.values
    inside = (end > 0.25) & (end < 0.75)
    assert f"{number.sum():,} in all, 1,000 to 10,000 a point" in found.text
    assert f"{inside.mean():.0%} of the points" in found.text
    assert f"take {number[inside].sum() / number.sum():.0%} of them" in found.text
    assert f"{10_000 * 121 / number.sum():.1f} times as many" in found.text
    assert "1.00 times p (1 - p)" in found.text


def test_text__never_where_half_never_survive():
    flat = precision_map.study(made(slope=-0.5), Path("nowhere.zarr"))
    assert "never" in flat.text


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "fixed"},
        {"variable": ["survival", "learning"]},
        {"relative": True},
    ],
)
def test_refuses__another_target(change):
    with pytest.raises(AnalysisError, match="needs precision=target"):
        precision_map.study(made({**TARGET, **change}), Path("nowhere.zarr"))


def test_refuses__points_that_are_no_grid():
    with pytest.raises(AnalysisError, match="every combination"):
        precision_map.study(made().isel(point=slice(0, 100)), Path("nowhere.zarr"))
    with pytest.raises(AnalysisError, match="needs the factors orientation, trust"):
        precision_map.study(made().isel(point=slice(0, 11)).drop_vars("trust"), Path("nowhere.zarr"))


def test_the_program_runs_it_on_a_small_design(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ds = sim.simulate(["+experiment=precision_map", "precision.standard_error=0.02", "population.periods=20",
                       "output.every=20", "design.factors.trust.levels.n=4", "design.factors.orientation.levels.n=5",
                       "compute=serial"])  # fmt: skip
    study = study_of("precision_map")(ds, Path("nowhere.zarr"))
    assert len(study.rows) == 20
    assert float(ds.survival_se.isel(period=-1).max()) < 0.02
    study.figure.savefig(tmp_path / "a.png")
