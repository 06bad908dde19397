"""Rows of a design from a CSV or Parquet file."""

from __future__ import annotations

import builtins
import json
import sys
import threading
from pathlib import Path

import hypothesis.strategies as st
import pytest
from conftest import base_config
from hypothesis import HealthCheck, given, settings

from sim import experiment, survey, table
from sim.config import from_mapping, resolved, validate
from sim.design import ConfigError, points
from sim.schema import Config
from sim.stored import opened

FACTORS = {"trust": "context.trust.mean", "partners": "population.partners", "rule": "response.theory_mix"}
GOOD = "trust,partners,rule\n0.5,2,larsson1998\n1,3,tit_for_tat\n"


def filed(path, **overrides) -> Config:
    factors = {label: {"path": key} for label, key in FACTORS.items()}
    return validate(base_config(design={"kind": "list", "factors": factors, "rows": str(path)}, **overrides))


def written(folder: Path, content: str | bytes, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(path, *parts):
    """The message that refuses a file: one line that holds all `parts`."""
    with pytest.raises(ConfigError) as caught:
        points(filed(path))
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith("design.rows = ")
    for part in parts:
        assert part in text, f"{part!r} is not in: {text}"


def parquet(folder: Path, columns, name: str = "rows.parquet") -> Path:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), folder / name)
    return folder / name


def test_csv__numbers_are_numbers_and_the_rest_words(tmp_path):
    found = points(filed(written(tmp_path, GOOD)))
    assert [p.labels for p in found] == [
        {"trust": 0.5, "partners": 2, "rule": "larsson1998"}, {"trust": 1, "partners": 3, "rule": "tit_for_tat"},
    ]  # fmt: skip
    assert [p.parameters.population.partners for p in found] == [2, 3]
    cells = ["7", "-7", "+7", "007", ".5", "5.", "1e-3", "1E3", "1_000", "0x10", "true", "a b", "٣"]
    rows = table.read(str(written(tmp_path, "a\n" + "\n".join(cells))), ["a"]).rows
    assert [row["a"] for row in rows] == [7, -7, 7, 7, 0.5, 5.0, 0.001, 1000.0, *cells[8:]]
    assert [type(row["a"]) for row in rows[:4]] == [int] * 4


@pytest.mark.parametrize(
    "content",
    [
        "﻿" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.rstrip(),
        GOOD + "\n\n",
        "rule, partners ,trust\nlarsson1998,2, 0.5\n tit_for_tat,3,1\n",
        '"trust","partners","rule"\n"0.5","2","larsson1998"\n1,3,"tit_for_tat"\n',
    ],
    ids=["mark", "windows", "no end", "blank lines", "order and spaces", "quotes"],
)
def test_csv__as_programs_write_it(tmp_path, content):
    assert points(filed(written(tmp_path, content))) == points(filed(written(tmp_path, GOOD, "good.csv")))


def test_csv__is_relative_to_the_working_directory(tmp_path, monkeypatch):
    written(tmp_path, GOOD)
    monkeypatch.chdir(tmp_path)
    assert len(points(filed("rows.csv"))) == 2
    refused("other.csv", "design.rows = other.csv: there is no such file in ", str(tmp_path))


def test_rows__are_those_of_the_config(tmp_path):
    rows = [{"trust": 0.5, "partners": 2, "rule": "larsson1998"}, {"trust": 1, "partners": 3, "rule": "tit_for_tat"}]
    inline = filed("x.csv").model_dump()
    inline["design"]["rows"] = rows
    given_ = parquet(tmp_path, {k: [row[k] for row in rows] for k in FACTORS})
    assert points(validate(inline)) == points(filed(given_)) == points(filed(written(tmp_path, GOOD)))


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0", exclude_categories=["Cs", "Cc", "Z"]), min_size=1)
CELL = st.one_of(
    st.integers(-(10**18), 10**18), st.floats(allow_nan=False, allow_infinity=False), TEXT.map(lambda t: f"w{t}")
)


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=8))
@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_csv__what_is_written_is_read(tmp_path, rows):
    import csv

    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("a", "b"), *rows])
    found = table.read(str(tmp_path / "a.csv"), ["a", "b"]).rows
    assert [(row["a"], row["b"]) for row in found] == rows
    assert [type(row["a"]) for row in found] == [type(a) for a, _ in rows]


BAD = [
    ("", "has no header; columns are trust, partners, rule."),
    ("trust,partners,rule\n", "has no rows; each is one point."),
    ("trust,partner,rule\n0.5,2,x\n", "there is no factor for the column partner; columns are trust, partners, rule.",
     "Did you mean partners?"),
    ("trust;partners;rule\n0.5;2;x\n", "columns are trust, partners, rule, separated by commas."),
    ("trust,rule\n0.5,x\n", "has no column for partners; columns are trust, partners, rule."),
    ("trust,partners,rule,trust\n0,2,x,0\n", "the column trust appears twice."),
    (GOOD + "0.5,2\n", "rows.csv, line 4: has 2 cells; the header has 3."),
    (GOOD + "0.5,,larsson1998\n", "rows.csv, line 4: the cell of partners is empty; every row gives each factor a level."),
    (GOOD + "0.5, ,larsson1998\n", "line 4: the cell of partners is empty"),
    (GOOD + "\n1.0,3,tit_for_tat\n", "rows.csv, line 5 = {trust: 1.0, partners: 3, rule: tit_for_tat}: the same point as line 3."),
    ('trust,partners,rule\n0.5,2,"lars\nson"\n0.5,99,tit_for_tat\n', "rows.csv, line 2: level lars son of factor 'rule'"),
    ('trust,partners,rule\n0.5,2,larsson1998\n0.5,99,"tit_for_tat"\n', "line 3: level 99 of factor 'partners': population.partn",
     "must be a whole number in [2, 32]."),
    (GOOD + "1e999,2,tit_for_tat\n", "line 4: trust = inf: must be a finite number."),
    (GOOD + "high,2,tit_for_tat\n", "line 4: trust = high: ", "line 2 has 0.5; the levels of a factor are all numbers or all na"),
    (GOOD + '0.1,2,"tit\n', "cannot be read: "),
    (GOOD.encode() + b"\xff\xfe,2,x\n", "cannot be read: it is not UTF-8 text."),
]  # fmt: skip


@pytest.mark.parametrize(("content", "parts"), [(each[0], each[1:]) for each in BAD], ids=[each[1][:40] for each in BAD])
def test_csv__refused(tmp_path, content, parts):
    refused(written(tmp_path, content), *parts)


def test_file__refused(tmp_path, monkeypatch):
    refused(tmp_path / "none.csv", "none.csv: there is no such file.")
    (tmp_path / "folder.csv").mkdir()
    refused(tmp_path / "folder.csv", "folder.csv: is a folder, not a file.")
    refused(
        written(tmp_path, GOOD, "rows.xlsx"),
        "must be a list of {label: value}, or a file whose name ends in .csv or .parquet",
    )
    monkeypatch.setattr(table, "MAX_POINTS", 1)
    refused(written(tmp_path, GOOD), "rows.csv: has more than 1 rows; at most so many points are possible.")
    monkeypatch.setattr(table, "_MOST_BYTES", 4)
    refused(written(tmp_path, GOOD), "rows.csv: has 0.0 GiB; at most 1 GiB is read.")

    monkeypatch.undo()
    real = Path.open

    def denied(self, *words, **more):
        if self.name == "rows.csv":
            raise PermissionError(13, "Permission denied")
        return real(self, *words, **more)

    monkeypatch.setattr(Path, "open", denied)
    refused(tmp_path / "rows.csv", "rows.csv: cannot be read: Permission denied.")
    monkeypatch.undo()
    refused("a" * 5000 + ".csv", ".csv: cannot be read: File name too long.")
    refused("a\0.csv", ".csv: cannot be read: ")


def test_parquet__refused(tmp_path, monkeypatch):
    good = {"trust": [0.5, 0.6], "partners": [2, 3], "rule": ["larsson1998", "tit_for_tat"]}
    for changed, part in (
        ({"trust": [0.5, None]}, "rows.parquet, row 2: the cell of trust is empty"),
        ({"trust": [0.5, float("nan")]}, "rows.parquet, row 2: the cell of trust is empty"),
        ({"trust": [0.5, float("inf")]}, "row 2: trust = inf: must be a finite number."),
        ({"rule": [True, False]}, "row 1: rule = true: must be a number or a word."),
        ({"trust": [1.5, 0.5]}, "row 1: level 1.5 of factor 'trust': context.trust.mean = 1.5: must be in [0, 1]."),
        ({"more": [1, 2]}, "there is no factor for the column more"),
    ):
        refused(parquet(tmp_path, {**good, **changed}), part)
    refused(parquet(tmp_path, {k: v[:0] for k, v in good.items()}), "has no rows")
    refused(parquet(tmp_path, {"trust": [0.5]}), "has no column for partners, rule")
    refused(written(tmp_path, "PAR1", "broken.parquet"), "broken.parquet: cannot be read: ")
    path = parquet(tmp_path, good)
    monkeypatch.setattr(table, "MAX_POINTS", 1)
    refused(path, "has more than 1 rows")
    monkeypatch.undo()
    real = builtins.__import__

    def without(name, *more):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *more)

    for name in [name for name in sys.modules if name.startswith("pyarrow")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    refused(path, "needs pyarrow; pip install 'alliance-sim[parquet]', or give a .csv file.")


def test_config__keeps_the_path(tmp_path):
    config = filed(written(tmp_path, GOOD))
    assert resolved(config)["design.rows"] == str(tmp_path / "rows.csv")
    assert from_mapping(resolved(config)) == config


def test_store__needs_the_file_no_more(tmp_path):
    """A finished store is told again from its own coordinates; more rows are added to it."""
    small = {"population__alliances": 50, "population__periods": 4, "output__variables": ["learning"]}
    path, file = tmp_path / "a.zarr", written(tmp_path, GOOD)
    rates = {(n, "sampled", full): 1e7 for n in (2, 3) for full in (False, True)}

    def run():
        found = survey.survey(filed(file, **small), path)
        return experiment.perform(found, rates, "test", "", threading.Event()).finished if found.tasks else 0

    assert [run(), run()] == [2, 0]
    written(tmp_path, "rule,partners,trust\nbarriers_only,2,0.25\n" + "\n".join(
        ",".join(reversed(line.split(","))) for line in GOOD.splitlines()[1:]
    ))  # fmt: skip
    assert run() == 1
    file.unlink()
    stored = opened(path)
    found = [stored.point(k)[0] for k in range(3)]
    assert [p.labels["rule"] for p in found] == ["larsson1998", "tit_for_tat", "barriers_only"]
    assert [p.parameters.context.trust.mean for p in found] == [0.5, 1, 0.25]
    assert json.loads(stored.store.attrs["config"])["design"]["rows"] == str(file)


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-Infinity"])
def test_csv__what_is_no_number_is_blamed_where_it_stands(tmp_path, text):
    file = tmp_path / "a.csv"
    file.write_text(f"trust,k\n0.1,{text}\n0.2,0.3\n")
    with pytest.raises(ConfigError, match=r"line 2: k = .*must be a finite number"):
        table.read(str(file), ["trust", "k"])


def test_csv__lines_of_blanks_are_no_rows(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("trust\n0.1\n  \n\n0.2\n")
    assert [row["trust"] for row in table.read(str(file), ["trust"]).rows] == [0.1, 0.2]
