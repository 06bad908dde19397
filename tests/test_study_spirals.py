"""The studies of the downward spiral and of empowerment: moves counted by hand, the chain's rates, and saying no."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.patches import FancyArrowPatch

from analysis import grid, moves
from analysis.moves import AC, AV, CL, CM, CP, FIGURE_3, FIGURE_4, NUMBER, PAIRS, Arrow, Moves
from analysis.studies import downward_spiral, empowerment
from analysis.summaries import AnalysisError, MissingVariable
from sim import experiment, survey
from sim.config import compose

THEORIES = Path(experiment.__file__).parent / "theories"


def stored(path, name, *overrides):
    """A store of a small run of an experiment, and its dataset."""
    small = [f"+experiment={name}", "population.alliances=250", "population.periods=40", "compute=serial"]
    config = compose([*small, *overrides])
    rates = {(2, "sampled", full): 1e6 for full in (False, True)}
    experiment.perform(survey.survey(config, path), rates, name, "a question?", threading.Event())
    return xr.open_zarr(path).load(), path


def altered(path, theory, *changes):
    """A copy of a theory with some of it altered."""
    text = (THEORIES / f"{theory}.yaml").read_text()
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path.write_text(text)
    return path


def row(*pairs):
    return [NUMBER[p] for p in pairs]


# --- counting ----------------------------------------------------------------------------------------------------------


def test_combined__numbers_pairs_whatever_the_order():
    strategies = np.array([[[a, b] for a in range(5) for b in range(5)]], np.int8)
    expected = [NUMBER[a, b] for a in range(5) for b in range(5)]
    np.testing.assert_array_equal(moves.combined(strategies)[0], expected)
    assert sorted(set(expected)) == list(range(15))


def test_counted__moves_stays_and_shares():
    found = moves.counted(
        np.array([row((CL, CL), (CL, CL), (CL, CP), (CP, CP)), row((CL, CL), (CP, CP), (CP, CP), (CP, CP))])
    )
    assert found.at_risk((CL, CL)) == 3
    assert found.share((CL, CL), (CP, CP)) == (pytest.approx(1 / 3), pytest.approx(np.sqrt(2 / 27)))
    assert found.share((CP, CL), (CP, CP))[0] == 1.0
    stay, error = found.stay((CL, CL))
    assert (stay, error) == (pytest.approx(1.5), pytest.approx(np.sqrt(2 / 9 / 3) / (2 / 3) ** 2))
    assert found.stay((CP, CP))[0] == np.inf
    assert np.isnan(found.stay((AC, AC))[0])
    assert set(found.ways((CL, CL))) == {(CL, CP), (CP, CP)}
    assert found.ways((CL, CL), 0.4) == []
    assert (found + found).at_risk((CL, CL)) == 6


def test_counted__no_move_is_lost():
    rng = np.random.default_rng(3)
    pairs = rng.integers(0, 15, (40, 9)).astype(np.int8)
    assert moves.counted(pairs).counts.sum() == 40 * 8


def test_compared__there_missing_and_extra():
    counts = np.zeros((15, 15), np.int64)
    for origin, to, n in (
        ((CL, CL), (CL, CP), 10),
        ((CL, CL), (CL, CL), 989),
        ((CL, CL), (CM, CM), 1),
        ((AC, AC), (CM, CM), 5),
    ):
        counts[NUMBER[origin], NUMBER[to]] = n
    arrows = [Arrow((CL, CL), (CL, CP), "1a"), Arrow((CL, CM), (CL, CP), "1a")]
    there, missing, extra = moves.compared(Moves(counts), arrows, 0.005)
    assert (there, missing) == (arrows[:1], arrows[1:])
    assert [(a.origin, a.to) for a in extra] == [((AC, AC), (CM, CM))]


def test_start_of__refuses_mixed_starts():
    with pytest.raises(AnalysisError, match="begin in one combination"):
        moves.start_of(np.array([[1, 2], [3, 2]]))


def test_climb__by_hand():
    top, mid, low, end = (NUMBER[p] for p in ((CL, CL), (CL, CM), (CM, CM), (AV, AV)))
    found = empowerment.climb(
        np.array([[low, low, mid, top], [low, mid, top, end], [low, low, low, low], [low, top, top, top]])
    )
    assert (found.number, found.ever, found.last, found.after) == (4, 0.75, 0.5, 2.0)
    assert (found.way, found.way_share) == ((low, mid, top), pytest.approx(2 / 3))
    nobody = empowerment.climb(np.full((3, 4), low))
    assert (nobody.ever, nobody.way) == (0.0, ())
    assert np.isnan(nobody.after)


@pytest.mark.parametrize("origin", PAIRS)
def test_route__begins_and_ends_at_the_edges_of_its_boxes(origin):
    for to in PAIRS:
        if to != origin:
            corners, _ = grid.route(origin, to, {})
            for (x, y), (cx, cy) in ((corners[0], origin), (corners[-1], to)):
                off = max(abs(x - cx) / grid.WIDE, abs(y - cy) / grid.HIGH)
                assert off == pytest.approx(1.0), (origin, to)


# --- the downward spiral -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spiral(tmp_path_factory):
    ds, path = stored(tmp_path_factory.mktemp("spiral") / "small.zarr", "downward_spiral")
    return ds, path, downward_spiral.study(ds, path)


def test_spiral__rates_are_those_of_the_barriers(spiral):
    """Chance to reconsider .25; .25^4 kept when exploited, pace 1/2 when accommodating; 5 errors fail once in 10^5 here."""
    share = {(r["origin"], r["to"]): (r["share_per_period"], r["periods_at_risk"]) for r in spiral[2].rows}
    keep = 0.75
    expected = {("CL-CL", "CL-CP"): 2 * keep * 0.25, ("CL-CL", "CP-CP"): 0.25**2, ("CL-CP", "CP-CP"): 1 - keep**4,
                ("CL-AC", "CL-AV"): 1 - keep**0.5, ("CP-AC", "CP-AV"): 0.25, ("CP-AV", "AV-AV"): 0.25}  # fmt: skip
    for key, p in expected.items():
        found, number = share[key]
        assert abs(found - p) < 5 * np.sqrt(p * (1 - p) / number), key
    for lasting in ("CM-CM", "AC-AC", "AV-AV"):
        assert share[lasting, lasting][0] == 1.0


def test_spiral__text(spiral):
    lines = spiral[2].text.split("\n")
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 100
    assert "arrows of Figure 3: 12 of 12 appear" in lines
    assert any(line.startswith("nobody leaves CM-CM, AC-AC, AV-AV;") for line in lines)
    assert any(line.startswith("shortest stay: CL-CP (as p. 292 has it)") for line in lines)
    assert any(line.endswith("CL-CL to CP-CP, CP-CP to AV-AV") for line in lines)


def test_spiral__an_arrow_for_every_kind_of_move(spiral):
    arrows = [p for p in spiral[2].figure.axes[0].patches if isinstance(p, FancyArrowPatch)]
    assert len(arrows) == len(FIGURE_3) + 2


def test_spiral__a_theory_with_other_barriers_is_told_apart(tmp_path):
    """Compromise decays, the exploited forbear, and nobody is in a hurry."""
    theory = altered(
        tmp_path / "other.yaml", "barriers_only",
        ("compromise: compromise 3a", "compromise: competition 3a"),
        ("competition: competition 2a, collaboration: competition 1a}\n  competition:",
         "competition: competition 2a, collaboration: compromise 1a}\n  competition:"),
        ("collaboration: {competition: 4} ", "collaboration: {competition: 0.1} "),
    )  # fmt: skip
    text = downward_spiral.study(*stored(tmp_path / "other.zarr", "downward_spiral", f"response.theory_mix={theory}")).text
    assert "arrows of Figure 3: 11 of 12 appear; missing: CL-CM to CL-CP" in text
    assert "nobody leaves CL-CM, AC-AC, AV-AV;" in text
    assert "(p. 292: CL-CP)" in text


def test_spiral__refuses_other_designs(spiral):
    ds, path, _ = spiral
    with pytest.raises(AnalysisError, match="14 combinations"):
        downward_spiral.study(ds.isel(point=slice(0, 5)), path)
    with pytest.raises(AnalysisError, match="regime_share"):
        downward_spiral.study(ds.drop_vars("regime_share"), path)
    with pytest.raises(AnalysisError, match="finished"):
        downward_spiral.study(ds.assign(done=("point", np.zeros(14, int))), path)
    with pytest.raises(AnalysisError, match="no histories"):
        downward_spiral.study(ds, path.with_name("nowhere.zarr"))


@pytest.mark.parametrize(
    ("overrides", "why"),
    [(["population.partners=3"], "two partners"), (["population.coupling=partner_specific"], "one strategy for each")],
)
def test_courses__refuses_what_forms_no_combination(tmp_path, overrides, why):
    config = compose(["population.alliances=10", "population.periods=2", "compute=serial", *overrides])
    rates = {(n, c, full): 1e6 for n in (2, 3) for c in ("sampled", "partner_specific") for full in (False, True)}
    path = tmp_path / "other.zarr"
    experiment.perform(survey.survey(config, path), rates, "t", "q?", threading.Event())
    with pytest.raises(AnalysisError, match=why):
        list(moves.courses(path, 0, 0, 10))


# --- empowerment -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def climbing(tmp_path_factory):
    ds, path = stored(tmp_path_factory.mktemp("climb") / "small.zarr", "empowerment")
    return ds, path, empowerment.study(ds, path)


def test_empowerment__who_climbs(climbing):
    ever = {(r["start"], r["empowered"]): r["ever"] for r in climbing[2].rows if r["to"] == ""}
    assert len(ever) == 28
    assert all(share == (start == "CL-CL") for (start, level), share in ever.items() if level == "no")
    dead = {start for (start, level), share in ever.items() if level == "yes" and share == 0}
    assert dead == {"CP-AC", "CL-AV", "CP-AV", "CM-AV", "AC-AV"}
    assert ever["CM-CM", "yes"] > ever["CP-CP", "yes"] + 0.1


def test_empowerment__ends_agree_with_the_saved_shares(climbing):
    ds, _, found = climbing
    last = {(r["start"], r["empowered"]): r["at_the_end"] for r in found.rows if r["to"] == ""}
    for k in range(ds.sizes["point"]):
        one = ds.isel(point=k)
        start = moves.short(max(p for p in PAIRS if "_".join(map(moves.SHORT.get, p)) == one["start"].item()))
        level = "no" if one["rules"] == "barriers_only" else "yes"
        assert last[start, level] == pytest.approx(float(one["regime_share"].sel(regime="integration", period=40)))


def test_empowerment__text(climbing):
    text = climbing[2].text
    assert "arrows of Figure 4: 8 of 8" in text
    assert len(text.split("\n")) <= 25
    assert max(map(len, text.split("\n"))) <= 100


def test_empowerment__a_theory_that_does_not_climb_is_told_apart(tmp_path):
    theory = altered(
        tmp_path / "low.yaml", "larsson1998", ("collaboration: collaboration 6a", "collaboration: avoidance 6a")
    )
    ds, path = stored(tmp_path / "low.zarr", "empowerment", f"design.factors.rules.levels=[barriers_only,{theory}]")
    text = empowerment.study(ds, path).text
    assert "arrows of Figure 4: 7 of 8" in text
    assert "(% that get there at all): CL-AC to CL-CL 0" in text


def test_empowerment__refuses_other_designs(climbing, spiral):
    with pytest.raises(AnalysisError, match="rules"):
        empowerment.study(spiral[0], spiral[1])
    with pytest.raises(AnalysisError, match="a start once"):
        empowerment.study(climbing[0].isel(point=slice(0, 6)), climbing[1])
    assert issubclass(MissingVariable, AnalysisError)
    assert len(FIGURE_4) == 8
    assert {a.proposition for a in FIGURE_4} == {"6a", "6b", "7a", "7b", "8"}
