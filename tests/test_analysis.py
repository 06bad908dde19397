"""Summaries, figures and files: crossings against closed forms, tables against made datasets, artists against values."""

from __future__ import annotations

import csv
import itertools
import json
import sys
import warnings

import numpy as np
import pytest
import xarray as xr

from analysis import figures, report, summaries
from analysis.summaries import crossing, ends, flat, roles, table, threshold_table
from sim.strategies import STRATEGIES

TRUST = np.linspace(0.0, 1.0, 11)
SLOPE = 0.6


def made(levels, survival, periods=4, se=0.01, **more):
    """A dataset of all combinations of `levels`; survival at the end is ``survival(**levels)``, 1 at the start, and
    learning twice that. `periods` may be a function of the levels, too: NaN beyond a point's own."""
    points = [dict(zip(levels, row, strict=True)) for row in itertools.product(*levels.values())]
    lengths = [periods(**p) if callable(periods) else periods for p in points]
    period = np.arange(max(lengths) + 1)
    values = np.full((len(points), len(period)), np.nan)
    for k, (point, last) in enumerate(zip(points, lengths, strict=True)):
        values[k, : last + 1] = 1.0 + (survival(**point) - 1.0) * period[: last + 1] / last
    learning = 2.0 * values
    learning[:, 0] = np.nan
    shares = np.stack([1.0 - values, *[np.where(np.isnan(values), np.nan, 0.0)] * 3, values], axis=2)
    dims = ("point", "period")
    data = {"survival": (dims, values), "learning": (dims, learning), "strategy_share": ((*dims, "strategy"), shares)}
    data |= {f"{name}_se": (d, np.where(np.isnan(v), np.nan, se)) for name, (d, v) in data.items()}
    data |= {"alliances": ("point", np.full(len(points), 5000)), "dissolution_time": ("point", np.arange(len(points)) + 0.5)}
    coords = {label: ("point", [p[label] for p in points]) for label in levels}
    coords |= {"period": period, "strategy": list(STRATEGIES)}
    return xr.Dataset({**data, **more}, coords=coords, attrs={"factors": json.dumps(list(levels))})


def line(trust, partners=2, orientation=0.0, **_):
    """Reaches one half at trust 0.15 partners - 0.2 orientation."""
    return 0.5 + SLOPE * (trust - 0.15 * partners + 0.2 * orientation)


@pytest.fixture(scope="module")
def sweep():
    """Trust x orientation x partners; half survive at trust .15 N - .2 orientation: N = 8 would need more than 1."""
    ds = made({"trust": TRUST, "orientation": [0.1, 0.5], "partners": [2, 3, 8]}, line)
    ds["trust"].attrs["description"] = "Factor of the design, sets context.trust.mean."
    ds["partners"].attrs["description"] = "Factor of the design, sets population.partners."
    return ds


@pytest.fixture(scope="module")
def picture(sweep):
    return figures.overview(sweep, "Where does trust save an alliance?")


@pytest.fixture
def small():
    """Half survive at trust .15 N."""
    return made({"trust": TRUST[::2], "partners": [2, 3, 8]}, line)


# --- crossing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "estimate", "reason", "times"),
    [
        ([0.0, 0.25, 0.75, 1.0], 1.5, "rises", 1),
        ([0.1, 0.2, 0.3, 0.9], 2.0 + 1.0 / 3.0, "rises", 1),
        ([1.0, 0.75, 0.25, 0.0], 1.5, "falls", 1),
        ([0.0, 0.5, 0.6, 0.7], 1.0, "rises", 1),  # equal is reached
        ([0.0, 1.0, 0.0, 1.0], 2.5, "rises", 3),  # the last, from where on it stays
        ([0.0, 1.0, 1.0, 0.0], 2.5, "falls", 2),
        ([0.0, 0.1, 0.2, 0.49], np.nan, "below", 0),
        ([0.5, 0.9, 0.9, 0.9], np.nan, "above", 0),
        ([0.0, np.nan, np.nan, 1.0], 1.5, "rises", 1),
        ([np.nan, np.nan, np.nan, 1.0], np.nan, "no values", 0),
    ],
)
def test_crossing__closed_forms(y, estimate, reason, times):
    found = crossing(np.arange(4.0), np.array(y), np.full(4, 0.01))
    assert found.estimate == pytest.approx(estimate, nan_ok=True)
    assert (found.reason, found.times) == (reason, times)
    assert np.isnan(found.error) == np.isnan(estimate)


def test_crossing__order_of_points_does_not_matter():
    x, y, se = np.array([3.0, 0.0, 2.0, 1.0]), np.array([0.9, 0.1, 0.6, 0.2]), np.array([0.4, 0.1, 0.3, 0.2])
    order = np.argsort(x)
    assert crossing(x, y, se) == crossing(x[order], y[order], se[order])


@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("at", [0.3, 0.5, 0.8])
def test_crossing__error_is_that_of_repeated_curves(correlation, at):
    # The sd of 4,000 estimates is known to 1.1 %; curvature adds (se / rise)^2 = 0.1 %. A bound of 6 % fails by chance
    # once in 10^7 and tells correlation 0 from 1, which differ by 20 % or more here.
    rng = np.random.default_rng(20)
    x, se = np.array([0.0, 0.2, 0.4, 0.6]), np.array([0.01, 0.005, 0.006, 0.01])
    y = 0.5 + 0.2 * (np.arange(4) - 1 - at)
    common, own = rng.standard_normal((4000, 1)), rng.standard_normal((4000, 4))
    curves = y + se * (np.sqrt(correlation) * common + np.sqrt(1.0 - correlation) * own)
    estimates = [crossing(x, curve, se).estimate for curve in curves]
    expected = crossing(x, y, se, correlation=correlation)
    assert np.std(estimates) == pytest.approx(expected.error, rel=0.06)
    assert np.mean(estimates) == pytest.approx(0.2 * (1 + at), abs=5 * expected.error / np.sqrt(4000))


@pytest.mark.parametrize("at", [0.25, 0.5])
def test_crossing__error_of_shares(at):
    # Shares of 2,000 alliances, drawn apart for each point: correlation 0. Tolerance as above.
    rng = np.random.default_rng(21)
    x, y = np.array([0.0, 0.1]), 0.5 + 0.2 * (np.arange(2) - at)
    shares = rng.binomial(2000, y, (4000, 2)) / 2000
    se = np.sqrt(y * (1 - y) / 2000)
    estimates = [crossing(x, share, se).estimate for share in shares]
    assert np.std(estimates) == pytest.approx(crossing(x, y, se, correlation=0.0).error, rel=0.07)


def test_crossing__default_error_bounds_every_correlation():
    x, y, se = np.arange(2.0), np.array([0.2, 0.7]), np.array([0.03, 0.02])
    errors = [crossing(x, y, se, correlation=r).error for r in (0.0, 0.3, 0.9, 1.0)]
    assert errors == sorted(errors)
    assert crossing(x, y, se).error == errors[-1]
    assert errors[-1] <= np.sqrt(2.0) * errors[0] * (1.0 + 1e-12)
    assert errors[-1] == pytest.approx((0.2 * 0.03 + 0.3 * 0.02) / 0.25)


# --- ends, roles, flat -----------------------------------------------------------------------------------------------


def test_ends__each_point_at_its_own_last_period():
    ds = made({"periods": [2, 3, 7]}, lambda periods: 0.1 * periods, periods=lambda periods: periods)
    end = ends(ds)
    assert end["period"].values.tolist() == [2, 3, 7]
    assert end["survival"].values == pytest.approx([0.2, 0.3, 0.7])
    assert end["strategy_share"].sel(strategy="collaboration").values == pytest.approx([0.2, 0.3, 0.7])
    assert "survival" in end
    assert "dissolution_time" not in end


def test_ends__a_gap_of_efficiency_is_not_the_end():
    ds = made({"trust": [0.1, 0.2]}, line)
    gone = np.full(ds["survival"].shape, np.nan)
    gone[:, 1] = 0.7
    dims = ("point", "period")
    ds = ds.assign(efficiency=(dims, gone), efficiency_se=(dims, gone))
    assert ends(ds)["period"].values.tolist() == [4, 4]
    assert np.isnan(ends(ds, ["efficiency"])["efficiency"].values).all()


def test_ends__missing_variable_is_named():
    ds = made({"trust": TRUST}, line).drop_vars(["learning", "learning_se"])
    with pytest.raises(summaries.MissingVariable, match=r"learning is needed.*output\.variables"):
        ends(ds, ["survival", "learning"])


def test_flat__a_cube_is_the_same_and_unfinished_points_are_left_out(sweep):
    cube = sweep.set_index(point=["trust", "orientation", "partners"]).unstack("point")
    assert table(cube) == table(sweep)
    one = made({"trust": TRUST}, line)
    assert table(one.swap_dims(point="trust")) == table(one)
    done = sweep.assign(done=("point", (sweep["trust"].values < 0.95).astype("i1")))
    assert flat(done).sizes["point"] == 60
    assert table(sweep.assign(done=("point", np.zeros(66, "i1")))) == "no point is finished yet"


def test_roles__main_is_the_finest_number_and_partners_the_contrast(sweep):
    assert roles(sweep) == ("trust", ("orientation", "partners"))
    names = made({"rule": ["a", "b", "c", "d"], "trust": TRUST[:3]}, line)
    assert roles(names) == ("trust", ("rule",))
    assert roles(made({"rule": ["a", "b", "c"]}, lambda rule: 0.5)) is None
    assert roles(made({"trust": [0.1, 0.2]}, line)) is None
    assert roles(sweep.isel(point=[0, 7, 20, 33, 50])) is None
    assert roles(sweep.isel(point=slice(0, 60))) == ("trust", ("orientation", "partners"))


# --- threshold_table -------------------------------------------------------------------------------------------------


def test_threshold_table__known_crossings(sweep):
    found = threshold_table(sweep)
    assert found["needed"].dims == ("orientation", "partners")
    needed = 0.15 * found["partners"] - 0.2 * found["orientation"]
    assert found["needed"].sel(partners=[2, 3]).values == pytest.approx(needed.sel(partners=[2, 3]).T.values)
    assert found["reason"].sel(partners=8).values.tolist() == ["below", "below"]
    assert found["needed_se"].sel(partners=[2, 3]).values == pytest.approx(np.full((2, 2), 0.01 / SLOPE))
    assert found["high"].sel(partners=8, orientation=0.1).item() == pytest.approx(line(1.0, 8, 0.1))
    assert found["low"].sel(partners=2, orientation=0.5).item() == pytest.approx(line(0.0, 2, 0.5))
    assert found.attrs == {"factor": "trust", "variable": "survival", "level": 0.5, "lowest": 0.0, "highest": 1.0}


def test_threshold_table__extra_over_the_first_level(sweep):
    found = threshold_table(sweep)
    assert found["extra"].sel(partners=2).values.tolist() == [0.0, 0.0]
    assert found["extra"].sel(partners=3).values == pytest.approx([0.15, 0.15])
    assert found["extra_se"].sel(partners=3).values == pytest.approx(np.full(2, np.sqrt(2.0) * 0.01 / SLOPE))
    assert np.isnan(found["extra"].sel(partners=8)).all()
    assert found["extra_least"].sel(partners=8).values == pytest.approx([1.0 - 0.28, 1.0 - 0.2])


def test_threshold_table__other_factor_variable_and_level(sweep):
    found = threshold_table(sweep, "partners", level=1.0, variable="learning")
    assert found["needed"].dims == ("trust", "orientation")
    at = found.sel(trust=TRUST[5], orientation=0.5)
    assert at["reason"].item() == "falls"
    assert at["needed"].item() == pytest.approx((TRUST[5] + 0.1) / 0.15)


def test_threshold_table__refusals(sweep):
    with pytest.raises(summaries.AnalysisError, match="there are trust, orientation, partners"):
        threshold_table(sweep, "orientation")
    with pytest.raises(summaries.AnalysisError, match="further dims"):
        threshold_table(sweep, variable="strategy_share")
    with pytest.raises(summaries.AnalysisError, match="no curves"):
        threshold_table(sweep.isel(point=[0, 7, 20]))
    with pytest.raises(summaries.MissingVariable, match="survival"):
        threshold_table(sweep.drop_vars("survival"))


# --- table -----------------------------------------------------------------------------------------------------------


def test_table__thresholds(sweep):
    lines = table(sweep).splitlines()
    assert lines[0] == "trust at which half of the alliances survive 4 periods (standard error)"
    assert " ".join(lines[1].split()) == "orientation partners trust needed survival at trust 0 at trust 1 extra"
    assert " ".join(lines[2].split()) == "0.1 2 0.280 (0.017) 0.332 (0.010) 0.932 (0.010)"
    assert " ".join(lines[3].split()) == "0.1 3 0.430 (0.017) 0.242 (0.010) 0.842 (0.010) 0.150 (0.024)"
    assert " ".join(lines[4].split()) == "0.1 8 always below -0.208 (0.010) 0.392 (0.010) > 0.720"
    assert len(lines) == 9
    assert "trust needed over partners = 2" in lines[-1]


def test_table__falling_and_repeated_crossings():
    ds = made({"tremble": [0.1, 0.2, 0.3, 0.4]}, lambda tremble: {0.1: 0.9, 0.2: 0.4, 0.3: 0.6, 0.4: 0.1}[tremble])
    lines = table(ds).splitlines()
    assert lines[2].split()[:4] == ["0.3200", "(0.0020)", "falls", "*"]
    assert lines[3] == "falls: half survive below it, not above; *: crosses more than once, the last is given"


def test_table__points_where_there_are_no_curves():
    ds = made({"rule": ["larsson1998", "barriers_only"], "trust": [0.2, 0.8]}, lambda rule, trust: trust / 2)
    lines = table(ds).splitlines()
    assert " ".join(lines[1].split()) == "rule trust survival learning commonest strategy"
    assert " ".join(lines[2].split()) == "larsson1998 0.2 0.100 (0.010) 0.200 (0.010) avoidance 0.900 (0.010)"
    assert len(lines) == 6


def test_table__is_short_and_narrow():
    long = made({"a_long_label_of_a_factor": ["x" * 40, "y" * 40], "trust": np.linspace(0, 1, 40)[:2]}, line)
    many = made({"rule": [f"theory{k}" for k in range(50)]}, lambda rule: 0.5)
    wide = made({"trust": np.linspace(0, 1, 31), "orientation": np.arange(30) / 30}, line)
    for ds in (long, many, wide):
        lines = table(ds).splitlines()
        assert len(lines) <= 23
        assert max(map(len, lines)) <= 100
    assert "... and 30 more in the CSV" in table(many)
    assert "... and 15 more in the CSV" in table(wide)


def test_table__one_point_and_missing_variables():
    one = made({}, lambda: 0.25)
    assert table(one).splitlines()[2].split()[:4] == ["0.250", "(0.010)", "0.500", "(0.010)"]
    bare = one.drop_vars([name for name in one.data_vars if name not in ("dissolution_time", "alliances")])
    assert table(bare) == "1 points; survival, learning and strategy_share are not in the dataset"
    assert "learning" in table(made({"trust": TRUST}, line).drop_vars(["survival", "survival_se"]))


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [(0.12345, 0.0123, "0.123 (0.012)"), (12.345, 0.26, "12.35 (0.26)"), (0.5, 0.0, "0.5"), (0.25, np.nan, "0.25"),
     (np.nan, np.nan, ""), (1234.5, 120.0, "1234 (120)"), (1e-7, 1e-8, "0.00000 (0.00000)")],
)  # fmt: skip
def test_with_error__two_digits_of_the_error(value, error, text):
    assert summaries.with_error(value, error) == text


# --- figures ---------------------------------------------------------------------------------------------------------


def lines_of(axes):
    """Solid data lines: those with a legend label."""
    return [drawn for drawn in axes.get_lines() if not drawn.get_label().startswith("_")]


def test_overview__lines_are_the_values(picture):
    axes = picture.axes
    assert [a.get_title() for a in axes[:3]] == ["N = 2 partners", "N = 3 partners", "N = 8 partners"]
    assert axes[3].get_xlabel() == "interorganizational trust at start"
    for row, name in enumerate(("survival", "learning")):
        for column, partners in enumerate((2, 3, 8)):
            drawn = lines_of(axes[3 * row + column])
            assert [d.get_label() for d in drawn] == ["0.1", "0.5"]
            for d, orientation in zip(drawn, (0.1, 0.5), strict=True):
                expected = line(TRUST, partners, orientation) * (1 + row)
                assert d.get_xdata() == pytest.approx(TRUST)
                assert d.get_ydata() == pytest.approx(expected), name
    dots = [tuple(np.ravel(d.get_data())) for d in axes[1].get_lines() if d.get_marker() == "o"]
    assert dots == [pytest.approx((0.35, 0.5)), pytest.approx((0.43, 0.5))]
    assert {t.get_text() for t in axes[1].texts} == {".43", ".35"}
    caption = picture.get_supxlabel()
    assert "5,000 alliances per point, 4 periods" in caption
    assert "1.96 Monte Carlo standard errors" in caption
    assert picture.get_suptitle() == "Where does trust save an alliance?"


def test_overview__band_is_two_standard_errors(picture):
    band = picture.axes[0].collections[0].get_paths()[0].vertices
    low = band[:, 1][band[:, 0] == TRUST[5]]
    assert np.ptp(low) == pytest.approx(2 * 1.96 * 0.01)


def test_overview__what_is_needed(picture):
    needed = picture.axes[6]
    assert needed.get_title() == "needed for half to survive"
    drawn = [container.lines[0].get_ydata() for container in needed.containers]
    assert drawn[0] == pytest.approx([0.28, 0.2])
    assert drawn[1] == pytest.approx([0.43, 0.35])
    assert np.isnan(drawn[2]).all()
    hollow = [d for d in needed.get_lines() if d.get_markerfacecolor() == "white" and len(d.get_xdata())]
    assert [len(d.get_xdata()) for d in hollow] == [2]
    assert "open: no level is enough" in {t.get_text() for t in needed.texts}


def test_overview__one_point_over_its_periods():
    ds = made({}, lambda: 0.2, periods=5)
    left, right = figures.overview(ds).axes
    drawn = {d.get_label(): d for d in lines_of(left)}
    assert set(drawn) == {"survival", *STRATEGIES}
    assert drawn["survival"].get_ydata() == pytest.approx(ds["survival"].values[0])
    assert drawn["avoidance"].get_ydata() == pytest.approx(1 - ds["survival"].values[0])
    assert lines_of(right)[0].get_xdata().tolist() == [1, 2, 3, 4, 5]


def test_overview__any_other_design_as_dots():
    ds = made({"rule": ["larsson1998", "barriers_only", "tit_for_tat"], "aware": [0.0, 0.5]}, lambda rule, aware: aware)
    left, right = figures.overview(ds).axes
    assert left.containers[0].lines[0].get_xdata() == pytest.approx([0.0, 0.5] * 3)
    assert right.containers[0].lines[0].get_xdata() == pytest.approx([0.0, 1.0] * 3)
    assert left.get_yticklabels()[1].get_text() == "rule larsson1998, aware 0.5"
    big = made({"rule": [f"t{k}" for k in range(60)]}, lambda rule: 0.5)
    assert figures.overview(big).axes[0].get_ylabel() == "index of the point"


@pytest.mark.parametrize(
    "levels",
    [
        {"trust": TRUST},
        {"trust": TRUST, "rule": ["larsson1998", "barriers_only"]},
        {"trust": TRUST, "partners": [2, 3, 4, 5, 6]},
        {"trust": TRUST, "orientation": [0.1, 0.2, 0.3], "partners": [2, 3, 4, 5, 6, 7]},
        {"trust": TRUST, "orientation": [0.5]},
        {"trust": TRUST[:3], "orientation": [0.1, 0.2], "partners": [2, 3], "prior": [0.1, 0.9]},
        {"exit_rate": [0.001, 0.01, 0.1, 1.0], "trust": [0.1, 0.9]},
        {"partners": [2, 3, 4]},
        {"trust": [0.5]},
    ],
    ids=lambda levels: "-".join(f"{label}{len(v)}" for label, v in levels.items()),
)
def test_overview__draws_every_kind_of_design(levels):
    def survival(**point):
        return line(**{"trust": 0.4, **point})

    ds = made(levels, survival, periods=lambda **point: 3 + (point.get("trust", 0) > 0.5))
    assert figures.overview(ds, "A question").axes


def test_overview__without_errors_there_are_no_bands(small):
    ds = small.assign({name: small[name] * np.nan for name in ("survival_se", "learning_se")})
    figure = figures.overview(ds)
    figure.draw_without_rendering()
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    assert np.ptp(band[:, 1][band[:, 0] == TRUST[4]]) == 0.0


def test_overview__a_variable_less_is_said(sweep):
    figure = figures.overview(sweep.drop_vars(["survival", "survival_se"]))
    assert "survival is not in the dataset" in figure.get_supxlabel()
    assert len(lines_of(figure.axes[0])) == 2
    assert "learning is not in" in figures.overview(sweep[["survival", "survival_se"]]).get_supxlabel()
    with pytest.raises(summaries.MissingVariable, match="survival or learning is needed"):
        figures.overview(sweep[["strategy_share", "strategy_share_se"]])
    with pytest.raises(summaries.AnalysisError, match="no point is finished"):
        figures.overview(sweep.isel(point=[]))


def test_overview__leaves_pyplot_alone(picture):
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


# --- report ----------------------------------------------------------------------------------------------------------


def test_write__files_beside_the_store(small, tmp_path):
    paths, reason = report.write(tmp_path / "sweep,population.alliances=5.zarr", small, "A question")
    assert [p.name for p in paths] == ["sweep,population.alliances=5.png", "sweep,population.alliances=5.csv"]
    assert reason == ""
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in paths)
    assert report.write(tmp_path / "sweep,population.alliances=5.zarr", small)[1] == ""  # and again


def test_write__csv_holds_the_ends_and_what_is_needed(small, tmp_path):
    (_, path), _ = report.write(tmp_path / "a.zarr", small)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18
    row = next(r for r in rows if (r["trust"], r["partners"]) == ("0.4", "3"))
    assert float(row["survival"]) == pytest.approx(line(0.4, 3))
    assert float(row["survival_se"]) == 0.01
    assert float(row["strategy_share_collaboration"]) == pytest.approx(line(0.4, 3))
    assert row["period"] == "4"
    assert row["alliances"] == "5000"
    assert float(row["dissolution_time"]) == rows.index(row) + 0.5
    assert float(row["trust_needed"]) == pytest.approx(0.45)
    assert row["trust_reason"] == "rises"
    assert float(row["trust_extra"]) == pytest.approx(0.15)
    assert next(r for r in rows if r["partners"] == "8")["trust_needed"] == ""


def test_write__says_what_it_could_not(small, tmp_path):
    bare = small[["strategy_share", "strategy_share_se"]]
    paths, reason = report.write(tmp_path / "a.zarr", bare)
    assert [p.suffix for p in paths] == [".csv"]
    assert reason.startswith("no figure: survival or learning is needed")
    assert "\n" not in reason
    paths, reason = report.write(tmp_path / "no" / "a.zarr", small)
    assert paths == []
    assert reason.count("No such file or directory") == 2
    assert "no figure: " in report.write(tmp_path / "b.zarr", xr.Dataset())[1]


def test_write__an_old_file_survives_a_failure(small, tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"old")

    def refuse(*_):
        raise OSError(28, "No space left on device", str(tmp_path / "a"))

    monkeypatch.setattr(report.os, "replace", refuse)
    paths, reason = report.write(tmp_path / "a.zarr", small)
    assert paths == []
    assert "No space left" in reason
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"old"


def test_publish__a_store_on_disk(small, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zarr, on writing; reading is not excused
        small.assign(done=("point", np.ones(18, "i1"))).to_zarr(tmp_path / "a.zarr", zarr_format=2, consolidated=True)
    text = report.publish(tmp_path / "a.zarr", "A question")
    assert text.startswith(table(small))
    assert text.splitlines()[-2:] == [f"wrote {tmp_path / 'a.png'}", f"wrote {tmp_path / 'a.csv'}"]
    assert report.publish(tmp_path / "none.zarr").startswith("no summary: ")


def test_report__a_simulated_dataset():
    from sim import simulate

    factors = {
        "trust": {"path": "context.trust.mean", "levels": [0.0, 0.5, 1.0]},
        "partners": {"path": "population.partners", "levels": [2, 3]},
    }
    ds = simulate({"population": {"alliances": 200, "periods": 20}, "design": {"kind": "factorial", "factors": factors}})
    found = threshold_table(ds)
    assert found["needed"].dims == ("partners",)
    assert found["high"].values == pytest.approx(ds["survival"].sel(trust=1.0, period=20).values)
    assert table(ds).splitlines()[1].startswith("partners  trust needed")
    assert [row["partners"] for row in report.rows(ds)] == [2, 3] * 3
    assert figures.overview(ds).axes[0].get_ylabel().startswith("share of alliances")
