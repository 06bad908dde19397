"""Replay: histories told again from a store add up to what it holds, agree with the reference, and refuse nonsense."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import reference
import xarray as xr
import zarr

import sim
from sim import experiment, opening, plan, replay, retrace, stored, survey, traces
from sim.config import from_mapping
from sim.design import ConfigError, points
from sim.narrative import story
from sim.provenance import STORE_VERSION
from sim.recording import layout_of, own_periods
from sim.strategies import REGIMES, STRATEGIES
from sim.theory import source_of
from sim.variables import BATCHES, BRANCHES, CAUSES, FIXED, PHASES, STREAM_VERSION

F = np.float32
ALLIANCES, PERIODS = 70, 12
EVEN = {f"population.initial.mix.{name}": 0.2 for name in STRATEGIES}
BUSY = {**EVEN, "response.reconsideration": 0.6, "response.tremble": 0.05, "response.barrier_strength": 0.8}
DRAWN = {
    f"{group}.{name}.{key}": value
    for group, names in (("context", ("stakes", "trust", "prior")), ("ability", ("absorptive", "communicative")))
    for name in names
    for key, value in (("distribution", "beta"), ("level", "pair"), ("concentration", 3.0), ("mean", 0.6))
}
MIX = {"response.theory_mix": {"larsson1998": 0.6, "tit_for_tat": 0.4}}
RACE = {"race.scope": 3.0, "race.renewal": 0.4, "race.power_scale": 0.7, "race.temptation": 0.8,
        "race.forced_disclosure": 0.6, "race.satiation": 0.3}  # fmt: skip
PHASED = {
    "phases": "iyer2002",
    "phases.review_every": 2,
    "phases.advance": 0.4,
    "phases.fail": 0.3,
    "phases.break_rate": 0.3,
}
EVERYTHING = {
    **BUSY, **DRAWN, **MIX, **RACE, **PHASED, "population.exit_rate": 0.2, "response.misperception": 0.2, "response.aware": 0.5,
    "response.instrumentality": 0.4, "context.endgame.horizon": 9.0, "context.calculative_share": 0.4, "ability.distance": 0.3,
}  # fmt: skip
CASES: dict[str, dict[str, Any]] = {
    "base": {},
    "three": {**BUSY, "population.partners": 3, "population.exit_rate": 0.3},
    "weakest": {**BUSY, "population.partners": 4, "population.coupling": "weakest"},
    "majority": {**EVERYTHING, "population.partners": 5, "population.coupling": "majority"},
    "specific": {**EVERYTHING, "population.partners": 3, "population.coupling": "partner_specific"},
    "mix": {**BUSY, **MIX, "population.partners": 3, "output.every": 5},
    "phases": {**BUSY, **PHASED},
    "everything": EVERYTHING,
    "not in common": {**EVERYTHING, "population.partners": 3, "random.common": False},
}


def save(path: Path, differences: dict[str, Any]) -> Path:
    """Run what differs from the defaults into a store, or go on with it."""
    small = {"population.alliances": ALLIANCES, "population.periods": PERIODS, "compute": "serial", "output.report": False}
    found = survey.survey(from_mapping({**small, **differences}), path)
    experiment.perform(found, plan.pilot(found.tasks, found.config), "test", "", threading.Event())
    return path


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Name of a case -> its store, made when first asked for."""
    folder, made = tmp_path_factory.mktemp("stores"), {}

    def get(name: str) -> Path:
        if name not in made:
            made[name] = save(folder / f"{name.replace(' ', '_')}.zarr", CASES[name])
        return made[name]

    return get


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    """Six points: a named factor, and whole numbers; the coordinate of alliances comes to nothing."""
    factors = {
        "design": "factorial",
        "design.factors": {
            "mind": {"path": "response.theory_mix", "levels": ["larsson1998", {"both": MIX["response.theory_mix"]}]},
            "partners": {"path": "population.partners", "levels": [2, 3, 4]},
        },
        "random.common": False,
    }
    return save(tmp_path_factory.mktemp("design") / "design.zarr", {**BUSY, **factors})


# --- the saved sums ------------------------------------------------------------------------------------------------------


def in_order(values: Any) -> np.ndarray:
    """Sum of float32 arrays, one after the other, as the model adds."""
    total = None
    for v in values:
        total = v if total is None else total + v
    return total


def fixed(values: np.ndarray) -> np.ndarray:
    return np.rint(values.astype(np.float64) * FIXED).astype(np.int64)


def shown(ds: xr.Dataset, p: Any) -> dict[str, np.ndarray]:
    """What histories show, by tallied column: integers of each alliance, (alliance, period) or (alliance,)."""
    n, periods, a = ds.sizes["partner"], ds.sizes["period"] - 1, ds.sizes["alliance"]
    others, pairs = F(n - 1), [(i, j) for i in range(n) for j in range(i + 1, n)]
    own = "counterpart" in ds.strategy.dims
    found: dict[str, np.ndarray] = {}
    strategy = ds.strategy.values.reshape(a, periods + 1, -1)
    for name in STRATEGIES:
        found[f"strategy_share[{name}]"] = (strategy == name).sum(axis=2)
    for name in REGIMES:
        found[f"regime_share[{name}]"] = sum((ds.regime.values[:, :, i, j] == name).astype(int) for i, j in pairs)
    both = [(i, j) for up in pairs for i, j in (up, up[::-1])]
    for column, name, which in (("mean_stakes", "stakes", both), ("mean_trust", "trust", both), ("mean_prior", "prior", pairs),
                                ("unlearnt", "remaining", both), ("power", "power", pairs)):  # fmt: skip
        values = np.abs(ds[name].values) if name == "power" else ds[name].values
        found[column] = fixed(in_order(values[:, :, i, j] for i, j in which) / F(len(which)))
    found["mean_orientation"] = fixed(ds.orientation.values)
    end = ds.dissolved_at.values
    period = ds.period.values
    alive = ~(end[:, None] <= period)
    found["survival"] = alive.astype(int)
    found["active_share"] = ds.active.values.sum(axis=2)
    if "phase" in ds:
        for name in PHASES:
            found[f"phase_share[{name}]"] = ((ds.phase.values == name) & alive).astype(int)
        found["phase_share_n"] = alive.astype(int)
    # Outcomes.
    t, c, learned = (ds[name].values[:, 1:] for name in ("transfer", "creation", "learning"))
    row = {k: [[m[:, :, i, j] for j in range(n) if j != i] for i in range(n)] for k, m in (("t", t), ("c", c))}
    got, made = ([in_order(r) / others for r in row[k]] for k in ("t", "c"))
    each = [x + y for x, y in zip(got, made, strict=True)]
    means = {name: in_order(v) / F(n) for name, v in (("transfer", got), ("creation", made), ("learning", each))}
    phased = p.phases.kind != "none"
    largest = max([1.0, *(getattr(p.phases.table, name).mutuality for name in PHASES)] if phased else [1.0])
    started = ~(end[:, None] < period[1:])
    most = F(1) + F(2) * F(p.ability.creation) * F(largest)
    difference = in_order(np.abs(learned[:, :, i, j] - learned[:, :, j, i]) for i, j in pairs)
    total = in_order(learned[:, :, i, j] + learned[:, :, j, i] for i, j in pairs)
    inequity = np.divide(difference, total, out=np.zeros_like(total), where=total > 0)
    outcomes = {name: fixed(v) for name, v in means.items()}
    outcomes |= {"efficiency": fixed(means["learning"] / most) * started, "efficiency_n": started.astype(int)}
    outcomes |= {"inequity": fixed(inequity), "inequity_n": (total > 0).astype(int)}
    found |= {name: np.concatenate([np.zeros((a, 1), int), v], axis=1) for name, v in outcomes.items()}
    # The whole run.
    run = sum(fixed(v).sum(axis=1) for v in each)
    found["cumulative_learning"] = np.rint(run / (n * periods)).astype(int)
    found["dissolution_time"] = np.where(np.isnan(end), periods, end).astype(int)
    for cause in CAUSES:
        found[f"dissolution_cause[{cause}]"] = (ds.cause.values == cause).astype(int)
    for b, name in itertools.product(range(BATCHES), ("survival", "cumulative_learning", "learning")):
        values = found[name] if found[name].ndim == 1 else found[name][:, -1]
        found[f"batch_mean[{name}|{b}]"] = values * (ds.alliance.values % BATCHES == b)
    names = [name for name, _ in sorted(_shares(p).items())]
    slot = np.array([[names.index(x) for x in r] for r in ds.theory.values])[:, None, :, None]
    shape = (a, periods, n, n) if own else (a, periods, n, 1)
    now, seen, branch = (
        v.reshape(shape) for v in (ds.strategy.values[:, :-1], ds.seen.values[:, 1:], ds.branch.values[:, 1:])
    )
    keys = np.char.add(
        np.char.add(np.char.add(branch.astype(str), "|"), np.char.add(now.astype(str), "|")), seen.astype(str)
    )
    keys = np.where(slot > 0, np.char.add(np.char.add(slot.astype(str), "|"), keys), keys)
    labels, numbers = np.unique(keys[branch != ""], return_counts=True)
    for label, number in zip(labels.tolist(), numbers.tolist(), strict=True):
        found[f"response_count[{label}]"] = np.array([number])
    return found


def _shares(p: Any) -> dict[str, float]:
    mix = p.response.theory_mix
    return {mix: 1.0} if isinstance(mix, str) else mix


@pytest.mark.parametrize("case", CASES)
def test_replay__all_alliances_add_up_to_the_saved_sums(stores, case):
    path = stores(case)
    there = stored.opened(path)
    point, config = there.point(0)
    saved, layout = there.store.tallies(0, layout_of(config)), layout_of(config)
    found = shown(sim.histories(path, 0, range(ALLIANCES)), point.parameters)
    recorded = set(there.store.columns("by_period")) | set(there.store.columns("by_run"))
    grid = own_periods(PERIODS, config.output.every)
    checked = set()
    for columns, sums, rows in ((layout.period, saved.period, grid), (layout.point, saved.point, None)):
        for k, (variable, label) in enumerate(columns):
            name = f"{variable}[{label}]" if label else variable
            if name not in recorded or variable in ("cumulative_learning_hist", "dimension_learning"):
                continue
            values = found.get(name, np.zeros(1, int))
            values = values if rows is None else values[:, rows]
            assert (sums[0][..., k, 0].astype(np.int64) == values.sum(axis=0)).all(), name
            if variable not in ("response_count", "batch_mean") and not variable.endswith("_n"):
                assert (sums[0][..., k, 1].astype(np.int64) == (values**2).sum(axis=0)).all(), name
            checked.add(name)
    assert set(found) - checked <= {"power", "unlearnt"}
    if case == "everything":
        assert {"power", "phase_share[exploration]", "dissolution_cause[review]"} <= checked
        assert sum(found[f"response_count[{b}|compromise|compromise]"][0] for b in BRANCHES) > 10
        assert found["dissolution_cause[review]"].sum() > 0
        assert found["dissolution_cause[exit]"].sum() > 0


# --- the reference -------------------------------------------------------------------------------------------------------


DECIDED = {"tremble": "tremble", "satiation": "satiation", "keep": "no reconsideration", "instrumental": "instrumentality"}


@pytest.mark.parametrize("case", CASES)
def test_replay__histories_are_those_of_the_reference(stores, case):
    config = from_mapping({"population.alliances": ALLIANCES, "population.periods": PERIODS, **CASES[case]})
    point, which = points(config)[0], range(40, 44)
    ds = sim.histories(stores(case), 0, which)
    n = ds.sizes["partner"]
    for k, number in enumerate(which):
        h, one = reference.history(point, config, number), ds.isel(alliance=k)
        assert int(one.alliance) == number
        assert (None if np.isnan(one.dissolved_at) else int(one.dissolved_at)) == h.dissolved_at
        assert one.cause.item() == (h.cause or "")
        assert one.aware.values.tolist() == list(h.aware)
        names = sorted(_shares(point.parameters))
        assert one.theory.values.tolist() == [names[slot] for slot in h.slots]
        for t in range(PERIODS + 1):
            for i in range(n):
                for j in range(n):
                    if i == j:
                        continue
                    at = (t, i, j) if "counterpart" in one.strategy.dims else (t, i)
                    assert one.strategy.values[at] == STRATEGIES[h.facing[t][i][j]]
                    for name in ("trust", "stakes", "prior", "remaining"):
                        assert one[name].values[t, i, j] == getattr(h, name)[t][i, j], (name, t)
                    if "race.scope" in CASES[case]:
                        assert one.power.values[t, i, j] == h.power[t][i, j]
                    if t:
                        assert one.transfer.values[t, i, j] == h.outcomes[t].exchange[i][j]
                        assert one.learning.values[t, i, j] == h.outcomes[t].learnt[i][j]
                        assert one.disclosure.values[t, i, j] == h.outcomes[t].disclosure[i][j]
            assert one.active.values[t].tolist() == list(h.active[t])
            assert one.orientation.values[t] == h.orientation[t]
            if "phase" in one:
                assert one.phase.values[t] == PHASES[h.phase[t]]
            unanswered = np.ones(one.decision.values[t].shape, bool)
            for r in h.answers[t]:
                at = (r.partner, r.counterpart) if unanswered.ndim == 2 else (r.partner,)
                unanswered[at] = False
                assert one.decision.values[(t, *at)] == DECIDED.get(r.decided, r.proposition)
                branch = "" if r.decided in ("tremble", "satiation", "keep") else r.branch
                assert one.branch.values[(t, *at)] == branch
                assert one.met.values[(t, *at)] == (-1 if r.counterpart is None else r.counterpart + 1)
                assert one.seen.values[(t, *at)] == STRATEGIES[r.seen]
                assert one.chosen.values[(t, *at)] == STRATEGIES[r.target]
            assert set(one.decision.values[t][unanswered].tolist()) <= {"", "left", "dissolved"}
            assert set(one.seen.values[t][unanswered].tolist()) <= {""}


# --- points made again ---------------------------------------------------------------------------------------------------


def strategies(path: Path, point: Any, alliances: Any = range(20)) -> np.ndarray:
    return sim.histories(path, point, alliances).strategy.values


def test_replay__every_point_of_a_design_is_what_was_simulated(design):
    there = stored.opened(design)
    config = there.config
    for k, wanted in enumerate(points(config)):
        point, _ = there.point(k)
        assert point.content == wanted.content
        assert point.labels == wanted.labels
        assert point.parameters == wanted.parameters
        share = sim.histories(design, k, range(ALLIANCES)).strategy.values == "competition"
        saved = xr.open_zarr(design).strategy_share.sel(strategy="competition").isel(point=k).values
        np.testing.assert_allclose(share.mean(axis=(0, 2)), saved, rtol=1e-12)


def test_replay__levels_single_out_a_point(design):
    ds = sim.histories(design, {"partners": 3, "mind": "both"}, 2)
    assert (ds.attrs["point"], float(ds.factor_partners), ds.factor_mind.item()) == (4, 3, "both")
    assert ds.sizes["partner"] == 3


def test_replay__an_extended_store_with_levels_the_last_config_lacks(tmp_path):
    def factor(levels: list[Any], alliances: int) -> dict[str, Any]:
        held = {"mind": {"path": "response.theory_mix", "levels": levels}}
        more = {"population.alliances": alliances, "random.common": False}
        return {**BUSY, "design": "factorial", "design.factors": held, **more}

    path = save(tmp_path / "grown.zarr", factor([{"both": MIX["response.theory_mix"]}, "tit_for_tat"], 30))
    before = strategies(path, 0, range(30))
    save(path, factor(["barriers_only"], 20))
    save(path, factor(["tit_for_tat"], 60))
    assert list(xr.open_zarr(path).alliances.values) == [30, 60, 20]
    assert (strategies(path, 0, range(30)) == before).all()
    there = stored.opened(path)
    for k, number in enumerate([30, 60, 20]):
        saved = xr.open_zarr(path).strategy_share.isel(point=k).values
        mine = strategies(path, k, range(number))
        np.testing.assert_allclose(np.stack([(mine == s).mean(axis=(0, 2)) for s in STRATEGIES], axis=1), saved, rtol=1e-12)
        assert there.alliances(k) == number
    with pytest.raises(ConfigError, match=r"alliance = 30: the point has alliances 0 to 29\."):
        sim.histories(path, 0, 30)


def test_replay__a_theory_file_that_changed_after_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = Path("mine.yaml")
    mine.write_text(source_of("larsson1998").replace("name: larsson1998", "name: mine"))
    path = save(tmp_path / "mine.zarr", {**BUSY, "response.theory_mix": "mine.yaml"})
    before = sim.histories(path, 0, range(20))
    mine.write_text(source_of("tit_for_tat").replace("name: tit_for_tat", "name: mine"))
    xr.testing.assert_identical(sim.histories(path, 0, range(20)), before)
    mine.unlink()
    xr.testing.assert_identical(sim.histories(path, 0, range(20)), before)
    assert set(before.theory.values.ravel()) == {"mine.yaml"}
    with pytest.raises(ValueError, match=r"mine\.yaml"):
        source_of("mine.yaml")


def test_replay__long_histories_come_in_pieces_with_the_same_bits(stores, monkeypatch):
    path = stores("specific")
    whole = sim.histories(path, 0, range(5, 25))
    table = pd.concat(sim.panel(path, 0, range(5, 25)), ignore_index=True)
    monkeypatch.setattr(traces, "TRACE_BYTES", 1500)
    monkeypatch.setattr(retrace, "MAX_ROWS", 7)
    xr.testing.assert_identical(sim.histories(path, 0, range(5, 25)), whole)
    pieces = list(sim.panel(path, 0, range(5, 25)))
    assert max(map(len, pieces)) <= 7
    pd.testing.assert_frame_equal(pd.concat(pieces, ignore_index=True), table)


# --- tables --------------------------------------------------------------------------------------------------------------


def compare(frame: pd.DataFrame, ds: xr.Dataset) -> None:
    """Rows of a table against the dataset, one by one."""
    n, periods = ds.sizes["partner"], ds.sizes["period"] - 1
    assert len(frame) == ds.sizes["alliance"] * periods * n * (n - 1)
    own = "counterpart" in ds.strategy.dims
    k, t = frame.alliance.to_numpy() - int(ds.alliance[0]), frame.period.to_numpy().astype(int)
    i, j = frame.partner.to_numpy().astype(int) - 1, frame.counterpart.to_numpy().astype(int) - 1
    assert (k * periods + t == np.repeat(np.arange(ds.sizes["alliance"] * periods), n * (n - 1)) // 1 + 1).all()

    def words(name: str) -> list[str]:
        return frame[name].astype(object).where(frame[name].notna(), "").tolist()

    def decided(name: str, when: np.ndarray, a: np.ndarray, b: np.ndarray) -> list[Any]:
        return ds[name].values[(k, when, a, b) if own else (k, when, a)].tolist()

    for name in ("trust", "stakes", "prior", "remaining", "power"):
        assert (frame[name].to_numpy(F) == ds[name].values[k, t - 1, i, j]).all(), name
    for name in ("disclosure", "transfer", "creation", "learning"):
        assert (frame[name].to_numpy(F) == ds[name].values[k, t, i, j]).all(), name
    assert (frame.orientation.to_numpy(F) == ds.orientation.values[k, t]).all()
    assert words("strategy") == decided("strategy", t - 1, i, j)
    assert words("counterpart_strategy") == decided("strategy", t - 1, j, i)
    assert words("next_strategy") == decided("strategy", t, i, j)
    for name in ("decision", "branch", "seen", "chosen"):
        assert words(name) == decided(name, t, i, j)
    assert frame.met.tolist() == decided("met", t, i, j)
    assert words("regime") == ds.regime.values[k, t - 1, i, j].tolist()
    assert words("theory") == ds.theory.values[k, i].tolist()
    assert words("counterpart_theory") == ds.theory.values[k, j].tolist()
    assert (frame.active.to_numpy() == ds.active.values[k, t - 1, i]).all()
    assert (frame.counterpart_active.to_numpy() == ds.active.values[k, t - 1, j]).all()
    end = ds.dissolved_at.values[k]
    assert (frame.dissolved.to_numpy() == (end == t)).all()
    assert (frame.alive.to_numpy() == ~(end < t)).all()
    assert words("cause") == np.where(end == t, ds.cause.values[k], "").tolist()
    if "phase" in ds:
        assert words("phase") == ds.phase.values[k, t - 1].tolist()


@pytest.mark.parametrize("case", ["base", "specific", "majority"])
def test_replay__tables_agree_with_histories(stores, tmp_path, capsys, case):
    path, files = stores(case), [tmp_path / "t.csv", tmp_path / "t.parquet"]
    words = [str(path), "alliance=3:13", "--csv", str(files[0]), "--parquet", str(files[1])]
    assert replay.main(words) == 0
    assert capsys.readouterr().out == f"wrote {files[0]}\nwrote {files[1]}\n"
    ds = sim.histories(path, 0, range(3, 13))
    for frame in (pd.concat(sim.panel(path, 0, range(3, 13))), pd.read_csv(files[0]), pd.read_parquet(files[1])):
        compare(frame, ds)
    assert sorted(tmp_path.iterdir()) == sorted(files)
    before = files[0].read_bytes()
    assert replay.main([*words[:1], "alliance=0:2", *words[2:]]) == 2
    assert re.search(r"t\.csv: is there already; --overwrite replaces it\.", capsys.readouterr().err)
    assert files[0].read_bytes() == before
    assert replay.main([*words[:1], "alliance=0:2", *words[2:], "--overwrite"]) == 0
    assert len(pd.read_csv(files[0])) < len(frame)


def test_replay__factors_are_columns(design):
    frame = next(sim.panel(design, 4, range(2)))
    assert list(frame.columns[:7]) == [
        "point",
        "alliance",
        "period",
        "partner",
        "counterpart",
        "factor_mind",
        "factor_partners",
    ]
    assert set(zip(frame.point, frame.factor_mind, frame.factor_partners, strict=True)) == {(4, "both", 3)}


def test_replay__a_failure_leaves_no_file(stores, tmp_path, monkeypatch, capsys):
    def broken(*words: Any) -> Any:
        yield next(sim.panel(stores("base"), 0, 0))
        raise OSError("the disk is full")

    monkeypatch.setattr(replay, "panel", broken)
    for name in ("csv", "parquet"):
        assert replay.main([str(stores("base")), f"--{name}", str(tmp_path / f"t.{name}")]) == 1
        assert capsys.readouterr().err == "failed: the disk is full\n"
    assert list(tmp_path.iterdir()) == []


def test_replay__without_pyarrow_it_says_how_to_get_it(stores, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    assert replay.main([str(stores("base")), "--parquet", str(tmp_path / "t.parquet")]) == 2
    assert "pip install 'alliance-sim[parquet]'" in capsys.readouterr().err


# --- what is printed -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_replay__what_is_printed_shows_every_move_and_fits(stores, capsys, case):
    path = stores(case)
    for number in range(0, 24, 3):
        assert replay.main([str(path), "point=0", f"alliance={number}"]) == 0
        text = capsys.readouterr().out
        assert max(map(len, text.splitlines())) <= 118
        ds = sim.histories(path, 0, number).isel(alliance=0)
        before, chosen = ds.strategy.values[:-1], ds.chosen.values[1:]
        moves = (chosen != "") & (before != chosen)
        for decision, a, b in zip(ds.decision.values[1:][moves], before[moves], chosen[moves], strict=True):
            label = f"P{decision}" if decision[0].isdigit() else decision.replace("instrumentality", "instrum")
            assert re.search(rf"{label}\S*: {a} -> {b[:6]}", text), (decision, a, b)
        assert ("The alliance lasted" in text) == bool(np.isnan(ds.dissolved_at))
        assert f"Partner {ds.sizes['partner']} learned" in text


def test_replay__stretches_without_a_move_are_folded(stores, capsys):
    path = stores("base")
    number = int(np.flatnonzero(np.isnan(sim.histories(path, 0, range(ALLIANCES)).dissolved_at.values))[0])
    lines = []
    for more in ([], ["--unfold"]):
        assert replay.main([str(path), f"alliance={number}", *more]) == 0
        lines.append(capsys.readouterr().out)
    assert "no change" in lines[0]
    assert "no change" not in lines[1]
    for t in range(PERIODS + 1):
        assert re.search(rf"^ +{t}  1 ", lines[1], re.MULTILINE)


def test_replay__json_is_everything_and_valid(stores, capsys):
    for case in ("base", "specific", "majority"):
        path = stores(case)
        assert replay.main([str(path), "alliance=5", "--json"]) == 0

        def refuse(constant: str) -> None:
            raise AssertionError(constant)

        found = json.loads(capsys.readouterr().out, parse_constant=refuse)
        ds = sim.histories(path, 0, 5).isel(alliance=0)
        assert len(found["history"]) == PERIODS + 1
        assert set(found["history"][0]) == {"period", *ds.data_vars} - set(retrace.FIXED)
        assert found["history"][3]["trust"][0][1] == pytest.approx(float(ds.trust.values[3, 0, 1]), rel=1e-6)
        assert found["history"][0]["transfer"][0][1] is None
        assert found["history"][4]["decision"] == [
            (x or None) if isinstance(x, str) else [y or None for y in x] for x in ds.decision.values[4].tolist()
        ]


def test_replay__a_story_on_a_page(stores, design, tmp_path, capsys):
    for k, (path, words) in enumerate(
        [(stores("majority"), []), (stores("specific"), []), (design, ["partners=4", "mind=both"])]
    ):
        target = tmp_path / f"{k}.png"
        assert replay.main([str(path), *words, "alliance=7", "--figure", str(target)]) == 0
        assert target.read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().err == ""


def test_replay__an_alliance_dissolved_at_formation(tmp_path):
    from analysis.story import draw

    path = save(tmp_path / "none.zarr", {**PHASED, "population.initial.strategies": ["avoidance", "avoidance"]})
    ds = sim.histories(path, 0, 0)
    assert ds.dissolved_at.item() == 0
    assert set(ds.decision.values[:, 1:].ravel()) == {"dissolved"}
    assert "dissolved at formation: avoidance" in story(ds)
    assert next(sim.panel(path, 0, 0)).alive.sum() == 0
    draw(ds)


# --- what is refused -----------------------------------------------------------------------------------------------------


def refused(capsys: Any, *words: Any) -> str:
    assert replay.main([str(word) for word in words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def test_replay__bad_input_is_one_message_and_status_2(design, stores, tmp_path, capsys):
    base = stores("base")
    taken = tmp_path / "taken.png"
    taken.write_text("mine")
    for words, parts in (
        ([tmp_path / "no.zarr"], ["no.zarr", "no store of this program"]),
        ([tmp_path], ["no store of this program"]),
        ([taken], ["no store of this program"]),
        ([design], ["the store has 6 points", "add mind, partners, or point=INDEX"]),
        ([design, "partners=3"], ["partners=3: 2 points have these levels; add mind"]),
        ([design, "point=6"], ["point = 6", "points 0 to 5"]),
        ([design, "point=-1"], ["point = -1", "points 0 to 5"]),
        ([base, "point=1"], ["point = 1", "point 0 alone"]),
        ([design, "point=one"], ["point = one", "must be a whole number"]),
        ([design, "point=1", "partners=3"], ["by its index or by levels, not by both"]),
        ([design, "partners=7", "mind=both"], ["partners = 7", "levels are 2, 3, 4", "The nearest is 4."]),
        ([design, "partners=two"], ["partners = two", "levels are 2, 3, 4"]),
        ([design, "mind=larson1998"], ["mind = larson1998", "levels are larsson1998, both", "Did you mean larsson1998?"]),
        ([design, "partner=3"], ["partner = 3: there is no such key", "Did you mean partners?"]),
        ([design, "point=0", "aliance=3"], ["aliance = 3", "Did you mean alliance?"]),
        ([base, "alliance"], ["alliance: cannot be read as key=value"]),
        ([base, "alliance="], ["cannot be read as key=value"]),
        ([base, "alliance=1", "alliance=2"], ["alliance is given twice"]),
        ([base, f"alliance={ALLIANCES}"], [f"alliance = {ALLIANCES}", f"0 to {ALLIANCES - 1}"]),
        ([base, "alliance=-1"], ["alliance = -1"]),
        ([base, "alliance=60:71", "--csv", tmp_path / "x.csv"], ["alliance = 60:71", "0 to 69"]),
        ([base, "alliance=5:5"], ["alliance = 5:5: it is empty"]),
        ([base, "alliance=5:3"], ["alliance = 5:3: it ends before it begins"]),
        ([base, "alliance=all"], ["alliance = all", "a whole number A, or A:B"]),
        ([base, "alliance=1.5"], ["alliance = 1.5"]),
        ([base, "alliance=0:3"], ["alliance = 0:3: the printed history is of one alliance"]),
        ([base, "alliance=0:3", "--json"], ["--json is of one alliance"]),
        ([base, "alliance=0:3", "--figure", tmp_path / "x.png"], ["--figure is of one alliance"]),
        ([base, "--figure", taken], ["taken.png: is there already; --overwrite replaces it"]),
        ([base, "--figure", tmp_path / "x.pdf"], ["must end in .png"]),
        ([base, "--csv", tmp_path / "no" / "x.csv"], ["there is no folder"]),
    ):  # fmt: skip
        text = refused(capsys, *words)
        for part in parts:
            assert part in text, (words, text)
    assert [p.name for p in tmp_path.iterdir()] == ["taken.png"]
    assert taken.read_text() == "mine"


def test_replay__nonsense_options_end_with_status_2(stores):
    with pytest.raises(SystemExit, match="2"):
        replay.main([str(stores("base")), "--jsn"])


def test_replay__stores_of_other_versions_and_unfinished_points(stores, tmp_path, capsys):
    for name, key, value, parts in (
        ("stream", "stream_version", 99, ["draws version 99", f"version {STREAM_VERSION}", "alliance-sim"]),
        ("format", "store_version", 99, ["store format 99", f"formats 2 and {STORE_VERSION}"]),
        ("config", "config", "{}", ["config of another version", "population: is missing"]),
    ):
        path = tmp_path / f"{name}.zarr"
        shutil.copytree(stores("base"), path)
        zarr.open_group(str(path), mode="r+", zarr_format=2, use_consolidated=False).attrs[key] = value
        zarr.consolidate_metadata(str(path), zarr_format=2)
        text = refused(capsys, path)
        for part in parts:
            assert part in text, text
    path = tmp_path / "unfinished.zarr"
    shutil.copytree(stores("base"), path)
    opening.read(path, "r+").withdraw([0])
    assert "point = 0: not finished yet" in refused(capsys, path)


def test_replay__a_store_from_before_some_keys(stores, tmp_path):
    path = tmp_path / "older.zarr"
    shutil.copytree(stores("base"), path)
    attrs = zarr.open_group(str(path), mode="r+", zarr_format=2, use_consolidated=False).attrs
    config = json.loads(attrs["config"])
    del config["precision"], config["method"], config["output"]["batches"]
    for key in ("points", "seed", "levels"):
        del config["design"][key]
    attrs["config"] = json.dumps(config)
    zarr.consolidate_metadata(str(path), zarr_format=2)
    xr.testing.assert_identical(
        sim.histories(path, 0, range(3)).drop_attrs(), sim.histories(stores("base"), 0, range(3)).drop_attrs()
    )


def test_replay__the_library_refuses_the_same(stores):
    for alliances in (range(3, 1), range(2, 2), range(0, 8, 2), 70, -1, "3", True):
        with pytest.raises(ConfigError, match="alliance = "):
            sim.histories(stores("base"), 0, alliances)
    with pytest.raises(ConfigError, match="point = "):
        sim.histories(stores("base"), "0")
    with pytest.raises(ConfigError, match="no such factor"):
        next(sim.panel(stores("base"), {"trust": 0.5}))


def test_replay__more_than_memory_holds_is_refused(stores, monkeypatch):
    monkeypatch.setattr(retrace, "MAX_BYTES", 10_000)
    with pytest.raises(ConfigError, match=r"sim\.panel"):
        sim.histories(stores("base"), 0, range(50))
