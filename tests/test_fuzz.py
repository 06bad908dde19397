"""Any input at all: a command runs, or says in one message what is wrong; it writes, imports and starts nothing else."""

from __future__ import annotations

import csv
import io
import json
import random
import shutil
import sys
from pathlib import Path
from unittest import mock

import hypothesis.strategies as st
import pytest
import yaml
from conftest import base_config
from fuzzing import DATA, NAMES, SCALARS, YAML, bomb, check, contents, ended, garbled, mutated, spots, watched
from hypothesis import HealthCheck, Phase, given, settings

import sim
from sim import helptext, info, replay, run, theory
from sim.aliases import check_aliases
from sim.api import open_results
from sim.config import conf_folder, validate
from sim.design import ConfigError

QUICK = settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
)
LONG = settings(QUICK, max_examples=4000, derandomize=False)
#: Thousands of points take their time, and are no bad input.
LARGE = {"sensitivity", "precision_map", "phase_diagram"}
EVERY = {file.stem for file in (conf_folder() / "experiment").glob("*.yaml")}
EXPERIMENTS = sorted(name for name in EVERY - LARGE if not name.endswith("_full"))
GROUPS = sorted(folder.name for folder in conf_folder().iterdir() if folder.is_dir())
KEYS = list(helptext.paths())
#: What a run that is not only planned is given last.
TINY = [
    "population.alliances=3",
    "population.periods=2",
    "precision.max_alliances=2000",
    "compute=serial",
    "output.path=out.zarr",
    "output.report=false",
    "plan=false",
]


@pytest.fixture(scope="module", autouse=True)
def _loaded(tmp_path_factory):
    """What a run loads on the way is there before anything is watched."""
    folder = tmp_path_factory.mktemp("first")
    kinds = [
        {},
        {"population__partners": 3},
        {"response__misperception": 0.5},
        {"context__kind": "static", "method": "exact"},
    ]
    for k, kind in enumerate(kinds):
        assert of_config(folder / f"{k}.zarr", **kind) == 0
    assert replay.main([str(folder / "0.zarr")]) == 0
    import pyarrow.parquet  # noqa: F401


@pytest.fixture
def folder(tmp_path):
    """A folder that is empty for each example."""

    def empty():
        shutil.rmtree(tmp_path / "here", ignore_errors=True)
        (tmp_path / "here").mkdir()
        return tmp_path / "here"

    return empty


def command(*words):
    with mock.patch.object(sys, "argv", ["sim.run", *words]):
        return run.main()


def nothing_else(before, here, end):
    """What was there is as it was; a refusal leaves nothing new, a run its store."""
    after = contents(here)
    assert {name: after.get(name) for name in before} == before
    new = [name for name in after if name not in before and not (end.status != 2 and name.startswith(("out.", ".out.")))]
    assert not new, (new, end)


# Overrides

OVERRIDE_KEYS = st.one_of(
    st.sampled_from(KEYS),
    st.sampled_from(KEYS).flatmap(lambda k: st.integers(0, len(k)).map(lambda n: k[:n] + k[n + 1 :])),
    st.sampled_from(GROUPS),
    st.sampled_from(["experiment", "+experiment", "hydra.searchpath", "hydra.run.dir", "hydra.job.chdir", "hydra/launcher", "hydra",
                     "hydra.job_logging", "hydra.sweeper._target_", "hydra.callbacks.x._target_", "hydra.mode", "_target_", "defaults",
                     "design.factors", "design.factors.a", "design.factors.a.path", "design.factors.a.levels", "design.factors.é",
                     "response.theory_mix.larsson1998", "response.theory_mix.a.yaml", "package@group", "population@x", "", ".", "a..b"]),
    st.text(max_size=8),
)  # fmt: skip
OVERRIDE_VALUES = st.one_of(
    SCALARS.map(str),
    DATA.map(lambda d: json.dumps(d, default=str)),
    st.text("[]{}(),:$'\"\\=.~+-09aeinfltr _", max_size=16),
    st.sampled_from([*EXPERIMENTS, "static", "factorial", "sobol", "morris", "list", "target", "iyer2002", "serial", "nowhere",
                     "[pkg://canary]", "[file:///nowhere]", "pkg://canary", "[structured://canary]", "canary.Run", "elsewhere", "true",
                     "1,2", "a,b", "range(0,3)", "choice(1,2)", "interval(0,1)", "glob(*)", "sort(3,1)", "${hydra:run.dir}", "${now:%Y}",
                     "${oc.decode:1}", "${oc.create:{_target_:canary.x}}", "${oc.deprecated:population.partners}", "${population}",
                     "${oc.select:canary}", "${oc.dict.keys:population}", "${linspace:0,1,10000000}", "${linspace:0,1}",
                     "${arange:0,1,1e-9}", "${logspace:0,1,5}", "${linspace:0,1,2000}", "[" * 40 + "]" * 40, "{a: " * 20 + "}" * 20,
                     "1" * 400, "1e400", "{path: context.trust.mean, levels: {low: 0, high: 1, n: 4}}", "canary/../x.yaml",
                     "{path: [population.partners, context.trust.mean], levels: [1]}", "[{a: 1}, {a: 2}]", "rows.csv", "/dev/zero",
                     "/dev/stdin", ".", "..", "/", "~", "x\\", "'", '"', "\\'", "'a", "!!python/name:canary.x", "&a", "*a"]),
)  # fmt: skip
OVERRIDES = st.lists(
    st.one_of(
        st.builds("{}{}={}".format, st.sampled_from(["", "", "", "+", "++", "~", "+++"]), OVERRIDE_KEYS, OVERRIDE_VALUES),
        st.builds("~{}".format, OVERRIDE_KEYS),
        st.sampled_from(EXPERIMENTS).map("+experiment={}".format),
        st.sampled_from(GROUPS).flatmap(
            lambda g: st.sampled_from(sorted(f.stem for f in (conf_folder() / g).glob("*.yaml"))).map(f"{g}={{}}".format)
        ),
        st.text(min_size=1, max_size=10).filter(lambda t: not t.startswith("-")),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


def overrides(folder, words, tiny):
    here = folder()
    last = TINY if tiny else ["plan=true"]
    end = ended(lambda: command(*[w for w in words if not w.startswith("-")], *last), here)
    check(end)
    nothing_else({}, here, end)


@given(OVERRIDES, st.booleans())
@QUICK
def test_overrides__run_or_are_refused(folder, words, tiny):
    overrides(folder, words, tiny)


@pytest.mark.slow
@given(OVERRIDES, st.booleans())
@LONG
def test_overrides__thousands(folder, words, tiny):
    overrides(folder, words, tiny)


# Files of experiments

TREES = {name: yaml.safe_load((conf_folder() / "experiment" / f"{name}.yaml").read_text()) for name in EXPERIMENTS}
HEADS = ["# @package _global_\n"] * 6 + [
    "",
    "# @package experiment\n",
    "# @package _group_\n",
    "#@package _global_\n",
    "# @package a b\n",
]


@st.composite
def experiment_files(draw):
    tree = draw(mutated(TREES[draw(st.sampled_from(EXPERIMENTS))]))
    head = draw(st.sampled_from(HEADS))
    text = head + yaml.safe_dump(tree, allow_unicode=True, sort_keys=False)
    return draw(garbled(text.encode("utf-8", "surrogatepass"), YAML))


def experiment_file(folder, content):
    here = folder()
    (here / "own" / "experiment").mkdir(parents=True)
    (here / "own" / "experiment" / "mine.yaml").write_bytes(content)
    before = contents(here)
    end = ended(lambda: command("--config-dir", "own", "+experiment=mine", "plan=true"), here)
    check(end)
    nothing_else(before, here, end)


@given(experiment_files())
@QUICK
def test_experiment__file_runs_or_is_refused(folder, content):
    experiment_file(folder, content)


@pytest.mark.slow
@given(experiment_files())
@LONG
def test_experiment__thousands_of_files(folder, content):
    experiment_file(folder, content)


# Files of theories

THEORIES = {file.stem: file.read_bytes() for file in theory.FOLDER.glob("*.yaml")}


@st.composite
def theory_files(draw):
    text = THEORIES[draw(st.sampled_from(sorted(THEORIES)))]
    if draw(st.booleans()):
        tree = draw(mutated(yaml.safe_load(text)))
        text = yaml.safe_dump(tree, allow_unicode=True, sort_keys=False).encode("utf-8", "surrogatepass")
    return draw(garbled(text, YAML))


def of_config(path="out.zarr", **more):
    """A tiny run of a config that is given as data."""

    def work():
        tiny = {"population__alliances": 3, "population__periods": 2, "output__report": False}
        config = validate(base_config(**tiny | more))
        return run.run(config, Path(path).resolve(), "", "")

    return run.guarded(work)


def theory_file(folder, content):
    here = folder()
    (here / "mine.yaml").write_bytes(content)
    before = contents(here)
    end = ended(lambda: of_config(response__theory_mix="mine.yaml"), here)
    check(end)
    nothing_else(before, here, end)


@given(theory_files())
@QUICK
def test_theory__file_runs_or_is_refused(folder, content):
    theory_file(folder, content)


@pytest.mark.slow
@given(theory_files())
@LONG
def test_theory__thousands_of_files(folder, content):
    theory_file(folder, content)


# Tables of designs

FACTORS = {"trust": "context.trust.mean", "partners": "population.partners", "rule": "response.theory_mix"}
CELLS = st.one_of(
    SCALARS.map(str), st.floats(0, 1).map(str), st.integers(2, 9).map(str), st.sampled_from(["larsson1998", "tit_for_tat"])
)


@st.composite
def csv_files(draw):
    header = draw(st.one_of(st.just(list(FACTORS)), st.permutations(list(FACTORS)), st.lists(NAMES, max_size=4)))
    good = st.tuples(st.floats(0, 1).map(str), st.integers(2, 6).map(str), st.sampled_from(sorted(theory.names())))
    bad = st.one_of(good, st.lists(CELLS, min_size=3, max_size=3), st.lists(CELLS, max_size=5))
    # Every third is good, so that all of the way is gone.
    rows = draw(st.lists(good if (sound := draw(st.integers(0, 2)) == 0) else bad, max_size=6))
    header = list(FACTORS) if sound else header
    text = io.StringIO()
    csv.writer(text, lineterminator=draw(st.sampled_from(["\n", "\r\n"]))).writerows([header, *rows])
    content = text.getvalue().encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"])), "surrogatepass")
    if sound:
        return ".csv", text.getvalue().encode()
    return ".csv", draw(garbled(content, (b'"', b",", b";", b"\n", b"nan", b"1e999", b"9" * 400, b"x" * 200_000)))


@st.composite
def parquet_files(draw):
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = draw(st.integers(0, 4))
    kinds = st.sampled_from([st.floats(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=4), st.booleans(), st.binary(max_size=3),
                             st.floats(0, 1), st.integers(2, 6), st.sampled_from(sorted(theory.names())), st.dates(), st.datetimes(),
                             st.lists(st.integers(0, 3), max_size=2), st.decimals(allow_nan=False, places=2, min_value=-9, max_value=9)])  # fmt: skip
    names = draw(st.one_of(st.just(list(FACTORS)), st.lists(st.text(max_size=4), unique=True, max_size=4)))
    columns = {n: draw(st.lists(st.none() | draw(kinds), min_size=number, max_size=number)) for n in names}
    target = io.BytesIO()
    try:
        table = pa.table(columns)
        pq.write_table(table, target)
    except (pa.ArrowException, UnicodeEncodeError):
        return ".parquet", draw(st.binary(max_size=40))
    return ".parquet", draw(garbled(target.getvalue(), (b"PAR1",)))


def design_file(folder, kind, content):
    here = folder()
    (here / f"rows{kind}").write_bytes(content)
    before = contents(here)
    design = {"kind": "list", "factors": {k: {"path": v} for k, v in FACTORS.items()}, "rows": f"rows{kind}"}
    end = ended(lambda: of_config(design=design), here)
    check(end)
    nothing_else(before, here, end)


@given(csv_files() | parquet_files())
@QUICK
def test_design__file_runs_or_is_refused(folder, file):
    design_file(folder, *file)


@pytest.mark.slow
@given(csv_files() | parquet_files())
@LONG
def test_design__thousands_of_files(folder, file):
    design_file(folder, *file)


# Stores

LEVELS = {"kind": "factorial", "factors": {"trust": {"path": "context.trust.mean", "levels": [0.2, 0.8]},
                                           "rule": {"path": "response.theory_mix", "levels": ["larsson1998", "tit_for_tat"]}}}  # fmt: skip
STORED = {"output__variables": ["survival", "learning"], "design": LEVELS}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A small finished store."""
    path = tmp_path_factory.mktemp("stored") / "out.zarr"
    assert of_config(path, **STORED) == 0
    return path


#: Which file, what is done to it, a seed of where in it, and what is put there.
DAMAGES = st.lists(
    st.tuples(
        st.integers(0, 10**6),
        st.sampled_from(["json", "json", "json", "json", "bytes", "remove", "empty", "folder", "cut", "swap"]),
        st.integers(0, 10**9),
        DATA,
        st.binary(max_size=40),
    ),
    min_size=1, max_size=2,
)  # fmt: skip


def inflict(path, damages):
    """Damage files of a store."""
    files = sorted(p for p in path.rglob("*") if p.is_file())
    texts = [p for p in files if p.name.startswith(".z")]
    for number, kind, seed, data, raw in damages:
        file = (texts if kind == "json" else files)[number % len(texts if kind == "json" else files)]
        if not file.is_file():
            continue
        content, draws = file.read_bytes(), random.Random(seed)
        at = draws.randrange(len(content) + 1)
        if kind == "json":
            try:
                tree = {"": json.loads(content or "{}")}
            except ValueError:
                # An earlier one of the damages did that.
                continue
            change(tree, draws, data)
            file.write_text(json.dumps(tree[""], default=str), encoding="utf-8", errors="surrogatepass")
        elif kind == "bytes":
            file.write_bytes(content[:at] + raw + content[at + len(raw) :])
        elif kind == "cut":
            file.write_bytes(content[:at])
        elif kind == "empty":
            file.write_bytes(b"")
        elif kind == "swap":
            other = draws.choice(files)
            file.write_bytes(other.read_bytes() if other.is_file() else b"")
        else:
            file.unlink()
            if kind == "folder":
                file.mkdir()


def change(tree, draws, data):
    """Change something in nested data, and in JSON text within it."""
    *above, last = draws.choice([spot for spot in spots(tree) if spot])
    for key in above:
        tree = tree[key]
    old = tree[last]
    if isinstance(old, str) and old[:1] in ("[", "{") and draws.random() < 0.8:
        inner = {"": json.loads(old)}
        change(inner, draws, data)
        tree[last] = json.dumps(inner[""], default=str)
    elif above and draws.random() < 0.2:
        del tree[last]
    elif isinstance(old, int) and draws.random() < 0.5:
        tree[last] = draws.choice([0, 1, -1, old + 1, 2**31, 2**62, 10**12, 10**400])
    else:
        tree[last] = data


def damaged(folder, store, damages):
    here = folder()
    path = here / "out.zarr"
    for name, work in {
        "info": lambda: info.main([str(path), "--config"]),
        "replay": lambda: replay.main([str(path), "point=1", "alliance=2"]),
        "open": lambda: run.guarded(lambda: opened(path)),
        "run": lambda: of_config(path, **STORED),
        "extend": lambda: of_config(path, **STORED, population__alliances=5),
    }.items():
        if name in ("info", "run", "extend"):
            shutil.rmtree(path, ignore_errors=True)
            shutil.copytree(store, path)
            inflict(path, damages)
        check(ended(work, here), (0, 1, 2))


def opened(path):
    try:
        open_results(path)
    except FileNotFoundError as error:
        raise ConfigError(error) from None
    return 0


@given(DAMAGES)
@settings(QUICK, max_examples=25)
def test_store__damaged_is_said_so(folder, store, damages):
    damaged(folder, store, damages)


@pytest.mark.slow
@given(DAMAGES)
@LONG
def test_store__thousands_of_damages(folder, store, damages):
    damaged(folder, store, damages)


# What was found


def written(here, text, name="mine"):
    (here / "own" / "experiment").mkdir(parents=True, exist_ok=True)
    (here / "own" / "experiment" / f"{name}.yaml").write_text(text)
    return "--config-dir", "own", f"+experiment={name}", "plan=true"


def refused(end, *parts):
    check(end, (2,))
    for part in parts:
        assert part in end.err, end


LOGGING = "# @package _global_\nhydra: {run: {dir: elsewhere}, job_logging: {version: 1, handlers: {x: %s}, root: {handlers: [x]}}}\n"


@pytest.mark.parametrize(
    "handler",
    ["{class: logging.FileHandler, filename: written}", "{'()': logging.os.system, command: touch written}",
     "{class: logging.StreamHandler, stream: 'ext://canary.x'}"],
)  # fmt: skip
def test_experiment__sets_up_no_logging(folder, handler):
    """Hydra would open files and call what an experiment's file names."""
    for flags in ([], ["--multirun"], ["--cfg", "job"], ["--info", "config"]):
        here = folder()
        words = written(here, LOGGING % handler)
        before = contents(here)
        refused(ended(lambda words=words, flags=flags: command(*words, *flags), here), "there is no such key.")
        assert contents(here) == before


def test_experiment__a_name_of_any_length_makes_a_message_that_can_be_read(folder):
    here = folder()
    words = written(here, f"# @package _global_\ndefaults:\n- override /design: factorial\n- {'o' * 9000}\n")
    refused(ended(lambda: command(*words), here), "is defined before", "...")


def test_config_dir__runs_and_stays_in_place(folder):
    here = folder()
    words = written(here, "# @package _global_\npopulation: {partners: 2}\nhydra: {run: {dir: elsewhere}}\n")
    end = ended(lambda: command(*words, *TINY), here)
    assert end.status == 0, end
    assert sorted(p.name for p in here.iterdir()) == ["out.zarr", "own"]


def test_config_dir__by_any_name(folder):
    here = folder()
    written(here, "# @package _global_\npopulation: {partners: 3}\n")
    (here / "own").rename(here / "a b,'[x\\")
    end = ended(lambda: command("--config-dir", "a b,'[x\\", "+experiment=mine", "plan=true"), here)
    assert end.status == 0, end
    refused(
        ended(lambda: command("--config-dir", "none", "plan=true"), here), "--config-dir = none: there is no such folder."
    )


@pytest.mark.parametrize("flag", ["--config-path", "--config-name", "--experimental-rerun"])
def test_flag__that_would_read_another_program_s_config(folder, flag):
    refused(ended(lambda: command(flag, "x", "plan=true"), folder()), f"{flag} = x: there is no such flag here")


@pytest.mark.parametrize("place", ["pkg://canary", "structured://canary", "structured://canary.conf"])
@pytest.mark.parametrize("words", [["plan=true"], ["--cfg", "job"], ["-m", "random.seed=1,2"]], ids=" ".join)
def test_searchpath__imports_no_program(folder, monkeypatch, place, words):
    here = folder()
    (here / "canary.py").write_text("open('written', 'w').close()")
    monkeypatch.syspath_prepend(str(here))
    searched = f"hydra.searchpath=[{place}]"
    refused(ended(lambda: command(searched, *words), here), f"hydra.searchpath = {place}: must be a folder, file:///path.")
    with watched(here), pytest.raises(ConfigError, match="must be a folder"):
        sim.simulate([searched])
    assert sorted(contents(here)) == ["canary.py"]


def test_aliases__that_multiply(folder):
    here = folder()
    refused(ended(lambda: command(*written(here, bomb())), here), "mine.yaml: stands for more than 100,000 values")
    (here / "mine.yaml").write_text(bomb())
    refused(ended(lambda: of_config(response__theory_mix="mine.yaml"), here), "anchors and aliases")
    check_aliases("a: &a {b: 1}\nc: {<<: *a}\nd: [*a, *a]\n")
    with pytest.raises(ValueError, match="an alias within what it stands for"):
        check_aliases("&a [*a]")


def harmed(folder, store, name, harm):
    here = folder()
    shutil.copytree(store, here / "out.zarr")
    file = here / "out.zarr" / name
    text = file.read_bytes()
    file.write_bytes(harm(text))
    return here


def told(here):
    path = here / "out.zarr"
    for work in (lambda: info.main([str(path)]), lambda: replay.main([str(path), "point=1"]),
                 lambda: run.guarded(lambda: opened(path)), lambda: of_config(path, **STORED)):  # fmt: skip
        yield ended(work, here)


def with_(**changes):
    return lambda text: json.dumps({**json.loads(text), **changes}).encode()


@pytest.mark.parametrize(
    ("name", "harm", "part"),
    [
        ("learning/.zarray", lambda text: text[:40], "JSONDecodeError"),
        ("learning/.zarray", lambda text: b"", "JSONDecodeError"),
        ("learning/.zarray", lambda text: b"[]", "is damaged"),
        ("learning/.zarray", with_(shape=[10**12, 3]), "entries of point"),
        ("learning/.zarray", with_(chunks=[2**40, 3]), "has chunks of"),
        ("learning/.zarray", with_(filters=[{"id": "pickle"}]), "is damaged"),
        ("learning/.zattrs", lambda text: b"{}", "does not say which dims it has"),
        (".zattrs", with_(history="[1]"), "the attribute history cannot be read"),
        (".zattrs", with_(wall_seconds="long"), "the attribute wall_seconds cannot be read"),
        (".zattrs", with_(wall_seconds=10**400), "the attribute wall_seconds cannot be read"),
        (".zattrs", with_(config="{}"), "the attribute config is not what .zmetadata says"),
    ],
)
def test_store__whose_metadata_are_damaged(folder, store, name, harm, part):
    ends = list(told(harmed(folder, store, name, harm)))
    for end in ends:
        check(end, (0, 1, 2))
    assert any(part in end.err for end in ends), ends


@pytest.mark.parametrize("name", ["tally/period", "tally/run_column", "trust", "done", "survival"])
def test_store__without_an_array_and_without_what_tells_of_it(folder, store, name):
    here = harmed(folder, store, ".zattrs", lambda text: text)
    (here / "out.zarr" / ".zmetadata").unlink()
    (here / "out.zarr" / name / ".zarray").unlink()
    for end in told(here):
        refused(end, f"a part is missing ({name})")


def test_store__consolidated_metadata_run_nothing(folder, store):
    def harm(text):
        tree = json.loads(text)
        tree["metadata"]["learning/.zarray"]["filters"] = [{"id": "pickle"}]
        return json.dumps(tree).encode()

    here = harmed(folder, store, ".zmetadata", harm)
    refused(ended(lambda: run.guarded(lambda: opened(here / "out.zarr")), here), "is damaged")


def test_store__a_folder_of_somebody_else_is_left_alone(folder, store):
    here = harmed(folder, store, ".zattrs", lambda text: text)
    (here / "out.zarr" / "notes").mkdir()
    for end in told(here):
        check(end, (0,))
