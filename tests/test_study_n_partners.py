"""The study of the number of partners: its numbers against made curves, refusals, and that it can say no."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import sim
from analysis.studies import n_partners
from analysis.summaries import AnalysisError, MissingVariable

LEVELS = {"trust": np.linspace(0.0, 1.0, 5), "coupling": ["sampled", "partner_specific"], "partners": [2, 4]}
CONFIG = json.dumps({"ability": {"creation": 0.5}, "phases": {"kind": "none"}, "context": {"orientation": {"mean": 0.8}}})
SE = 0.01


def survival(trust, coupling, partners):
    return 0.2 + 0.6 * trust - (0.05 * (partners - 2) if coupling == "sampled" else 0.0)


def made(value=survival, levels=LEVELS, config=CONFIG):
    rows = [dict(zip(levels, row, strict=True)) for row in itertools.product(*levels.values())]
    end = np.array([value(**row) for row in rows])
    alive = np.stack([np.ones_like(end), end], 1)
    data = {
        "survival": alive,
        "survival_se": np.full_like(alive, SE),
        "learning": 2 * alive,
        "learning_se": np.full_like(alive, 2 * SE),
    }
    coords = {label: ("point", [row[label] for row in rows]) for label in levels}
    attrs = {"factors": json.dumps(list(levels)), "config": config}
    ds = xr.Dataset({k: (("point", "period"), v) for k, v in data.items()}, {**coords, "period": [0, 50]}, attrs)
    return ds.assign(alliances=("point", np.full(len(rows), 1000)))


@pytest.fixture(scope="module")
def found():
    return n_partners.study(made(), Path("nowhere.zarr"))


def row(study, coupling, partners):
    (only,) = (r for r in study.rows if (r["coupling"], r["partners"]) == (coupling, partners))
    return only


def test_rows__known_values(found):
    # half of the largest learning, which is 2, at .2 + .6 trust - .05 (N - 2) = .5
    assert row(found, "sampled", 2)["trust_for_learning"] == pytest.approx(0.5)
    assert row(found, "sampled", 4)["trust_for_learning"] == pytest.approx(0.4 / 0.6)
    assert row(found, "sampled", 4)["trust_for_learning_se"] == pytest.approx(SE / 0.6)
    assert row(found, "partner_specific", 4)["trust_for_survival"] == pytest.approx(0.5)
    assert row(found, "sampled", 4)["at_trust"] == 0.5
    assert row(found, "sampled", 4)["learning"] == pytest.approx(0.4)
    assert row(found, "sampled", 4)["learning_se"] == pytest.approx(SE)


def test_undone__share_and_error_of_repeated_draws():
    assert n_partners.undone((0.6, 0.0), (0.2, 0.0), (0.5, 0.0)) == (pytest.approx(0.75), 0.0)
    assert np.isnan(n_partners.undone((0.6, 0.01), (0.6, 0.01), (0.6, 0.01))[0])
    # The sd of 20,000 ratios is known to half a percent; curvature of the ratio adds about (.01/.4)^2.
    means, errors = np.array([0.6, 0.2, 0.5]), np.array([0.01, 0.012, 0.008])
    drawn = means + errors * np.random.default_rng(5).standard_normal((20000, 3))
    shares = (drawn[:, 2] - drawn[:, 1]) / (drawn[:, 0] - drawn[:, 1])
    found = n_partners.undone(*zip(means, errors, strict=True))
    assert np.std(shares) == pytest.approx(found[1], rel=0.03)


def test_text(found):
    assert "undo 100 (14) % at 4" in found.text  # loss .1; error sqrt(SE^2 + SE^2)/.1 = 14 %
    assert "the couplings are the same model; so are all values, digit for digit" in found.text
    assert max(map(len, found.text.splitlines())) <= 100


def test_can_say_no():
    study = n_partners.study(
        made(lambda trust, partners, coupling: 0.3 * trust + (0.01 if coupling != "sampled" else 0)), Path()
    )
    assert "undo" not in study.text
    assert "never" in study.text
    assert "digit for digit" not in study.text
    study = n_partners.study(made(lambda trust, partners, coupling: 0.2 + 0.6 * trust - 0.05 * (partners - 2)), Path())
    assert "undo 0 (" in study.text


@pytest.mark.parametrize(
    "other",
    [
        made().isel(point=slice(1, None)),
        made().isel(point=slice(0, 0)),
        made(levels={**LEVELS, "trust": [0.0, 1.0]}),
        made(levels={**LEVELS, "partners": [3, 4]}),
        made(levels={**LEVELS, "coupling": ["weakest", "majority"]}),
        made(config=CONFIG.replace("none", "iyer2002")),
        made().assign_coords(stakes=("point", np.arange(20) % 2)),
    ],
)
def test_refuses_other_designs(other):
    with pytest.raises(AnalysisError):
        n_partners.study(other, Path())


def test_names_what_is_missing():
    with pytest.raises(MissingVariable, match="learning"):
        n_partners.study(made().drop_vars(["learning", "learning_se"]), Path())


SMALL = [
    "+experiment=n_partners", "population.alliances=300", "design.factors.trust.levels.n=3",
    "design.factors.partners.levels=[2,6]",
]  # fmt: skip


def test_the_experiment_itself__order_of_the_couplings():
    study = n_partners.study(sim.simulate(SMALL), Path())
    assert "digit for digit" in study.text
    two = row(study, "sampled", 2)
    learned = {c: (row(study, c, 6)["learning"], row(study, c, 6)["learning_se"]) for c in n_partners.WORDS}

    def clearly_less(a, b):
        return b[0] - a[0] > 4 * np.hypot(a[1], b[1])

    assert clearly_less(learned["weakest"], learned["sampled"])
    assert clearly_less(learned["sampled"], (two["learning"], two["learning_se"]))
    assert clearly_less((two["learning"], two["learning_se"]), learned["majority"])
    assert not clearly_less(learned["partner_specific"], (two["learning"], two["learning_se"]))
    assert "partner-specific strategies undo" in study.text


def test_the_experiment_itself__partners_who_never_respond_have_no_dilemma():
    study = n_partners.study(
        sim.simulate([*SMALL, "response.theory_mix=always_collaboration", "response.tremble=0"]), Path()
    )
    assert {r["learning"] for r in study.rows} == {1.0}
    assert "undo" not in study.text
