"""The command that compares both engines: its verdict, what it leaves out, what it says, and its exit status."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import base_config

from sim import agreement, api, exact, memory, verify
from sim.design import points
from sim.schema import Config

SMALL = ["context=static", "population.alliances=4000", "population.periods=10", "output.every=5"]
FACTOR = "design.factors={dynamics: {path: context.kind, levels: [static, endogenous]}, n: {path: population.partners, levels: [2, 3]}}"


def test_main__engines_agree(capsys):
    """False alarms: 1e-6; the seed is fixed."""
    assert verify.main([*SMALL, "population.partners=3"]) == verify.AGREE == 0
    said = capsys.readouterr().out
    assert said.startswith("1 point compared, 4,000 alliances each\n")
    assert "the engines agree at a false-alarm rate of 1e-06" in said
    found = {line.split()[0]: line.split()[1:] for line in said.splitlines() if re.match(r"[a-z_]+ +[0-9,]+ ", line)}
    assert {"strategy_share", "regime_share", "efficiency_n", "dissolution_time", "response_count"} <= set(found)
    assert found["strategy_share"][0] == "15"
    assert "cumulative_learning_hist" not in said


def test_main__another_model_is_told_apart(capsys, monkeypatch):
    """The chain of a slightly lower rate of reconsideration; missed with probability below 1e-6."""
    right = exact.moments_of

    def wrong(point, *rest):
        less = point.parameters.response.model_copy(update={"reconsideration": 0.22})
        other = type(point)(point.labels, point.parameters.model_copy(update={"response": less}), point.content)
        return right(other, *rest)

    monkeypatch.setattr(exact, "moments_of", wrong)
    assert verify.main([*SMALL, "population.alliances=100000"]) == verify.DISAGREE == 1
    assert "the engines DISAGREE" in capsys.readouterr().out


def test_main__says_what_is_left_out_and_why(capsys):
    """Half of the points of a design; points of two and three partners are compared together."""
    assert verify.main([*SMALL, "design=factorial", FACTOR]) == 0
    said = capsys.readouterr().out
    assert said.startswith("2 points compared")
    assert "left out: context.kind = endogenous: the exact chain needs static" in said
    assert "(2 points)" in said
    assert re.search(r"least likely: \w+\[.*\] at dynamics=static, n=[23],", said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["context=endogenous"], "error: no point of 1 has an exact form: context.kind = endogenous"),
        (["population.partner=3"], "error: population.partner"),
        (["--fast"], "error: --fast: there is no such option"),
    ],
    ids=str,
)
def test_main__bad_input_is_one_message(capsys, words, said):
    assert verify.main(words) == verify.BAD_INPUT == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(said)
    assert shown.err.count("\n") == 1
    assert not shown.out


def test_main__interrupted(capsys, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(memory, "tallied", stop)
    assert verify.main(SMALL) == verify.INTERRUPTED == 130


def test_command__runs_as_a_module(tmp_path):
    words = [sys.executable, "-m", "sim.verify", *SMALL, "population.alliances=100"]
    done = subprocess.run(words, cwd=Path(__file__).parent.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "the engines agree" in done.stdout


def test_compare__counts_every_number_and_serves_points_of_different_length():
    factors = {"t": {"path": "population.periods", "levels": [2, 7]}, "n": {"path": "population.partners", "levels": [2, 4]}}
    values = {"context__kind": "static", "design__kind": "factorial", "design__factors": factors, "output__every": 3}
    config = Config.model_validate(base_config(**values, population__alliances=2000))
    found = verify.compare(config)
    assert found.agree
    # Survival in periods 0, 2 and in 0, 3, 6, 7.
    assert found.rows["survival"].cells == 2 * (2 + 4)
    assert found.rows["strategy_share"].cells == 5 * 2 * (2 + 4)


@pytest.mark.parametrize("cells", [1, 10, 3000])
def test_largest_z__is_a_median(cells):
    from scipy.stats import norm

    assert (2 * norm.cdf(verify.largest_z(cells)) - 1) ** cells == pytest.approx(0.5, rel=1e-9)


def test_cells__a_value_where_there_can_be_none_is_found():
    """And none where there is one: as wrong as can be."""
    config = Config.model_validate(base_config(context__kind="static", population__periods=3, population__alliances=50))
    (point,) = points(config)
    expected = dict(exact.solve(point, config).isel(point=0))
    simulated = dict(api.simulate({"context": "static", "population": {"periods": 3, "alliances": 50}}).isel(point=0))
    assert agreement.verdict(agreement.cells_of(simulated, expected, point.parameters, 50))[0] > agreement.FALSE_ALARM
    lost = {**simulated, "learning": simulated["learning"] * float("nan")}
    assert agreement.verdict(agreement.cells_of(lost, expected, point.parameters, 50))[0] < 1e-100


def test_main__nothing_with_an_exact_value_is_bad_input(capsys):
    words = ["context=static", "population.periods=5", "output.variables=[cumulative_learning_hist]", "compute=serial"]
    assert verify.main(words) == verify.BAD_INPUT
    assert "output.variables: nothing that is recorded has an exact value" in capsys.readouterr().err


def test_main__says_how_many_alliances_were_drawn(capsys):
    words = ["context=static", "population.periods=5", "compute=serial", "precision=target", "precision.standard_error=0.02"]
    assert verify.main(words) == verify.AGREE
    assert "1,000 alliances each" in capsys.readouterr().out
