"""Bad input: what it is made of, and what a command may do with it at most."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import hypothesis.strategies as st

from sim.jit import cache_folder

#: Of processor time; a wait may take longer, as on a busy machine all does.
SECONDS, WAITING = 20, 200
MEGABYTES = 1024
#: Address space that an example may take beyond what the process has; numpy may reserve more than it uses.
SPACE = 6 * 2**30
#: Parts of the standard library that nothing here needs; a module of no use, by any name, is imported by nobody.
CANARIES = ("antigravity", "this", "turtle", "ftplib", "xmlrpc", "canary", "imaplib", "poplib", "wsgiref")
_RUN = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn", "socket.connect", "os.fork")
_CHANGE = {"os.remove": 1, "os.rename": 2, "os.mkdir": 1, "os.rmdir": 1, "shutil.rmtree": 1, "os.truncate": 1, "os.link": 2,
           "os.symlink": 2, "os.chmod": 1}  # fmt: skip
_KERNELS = os.path.realpath(cache_folder())
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Forbidden(BaseException):
    """What no input may bring a command to do; no `except Exception` hides it."""


class TooLong(BaseException):
    """A command took longer than it may."""


@dataclass
class _Watch:
    """What is forbidden while a command runs."""

    folder: str = ""
    broken: list[str] = field(default_factory=list)

    def refuse(self, what: str) -> None:
        self.broken.append(what)
        raise Forbidden(what)

    def outside(self, path: object) -> bool:
        if isinstance(path, int) or path is None:
            return False
        where = os.path.realpath(os.fsdecode(path))
        # Kernels are kept in a folder of their own.
        known = (self.folder + os.sep, "/proc/self/", _KERNELS)
        return not (where == os.devnull or where.startswith(known) or where == self.folder)


_watch: _Watch | None = None


def _hook(event: str, arguments: tuple) -> None:
    watch = _watch
    if watch is None or threading.current_thread().name.startswith("ThreadPoolExecutor-hypothesis"):
        return
    if event == "import" and arguments[0].partition(".")[0] in CANARIES:
        watch.refuse(f"import of {arguments[0]}")
    elif event.startswith(_RUN):
        watch.refuse(f"{event}{arguments!r}")
    elif event == "open" and arguments[2] & _WRITING and watch.outside(arguments[0]):
        watch.refuse(f"open of {arguments[0]!r} for writing")
    elif event in _CHANGE:
        for path in arguments[: _CHANGE[event]]:
            if watch.outside(path):
                watch.refuse(f"{event} of {path!r}")


sys.addaudithook(_hook)


@dataclass(frozen=True)
class End:
    """How a command ended."""

    status: int
    out: str
    err: str


def _late(number: int, frame: object) -> None:
    raise TooLong


def _peak() -> int:
    """Most memory that this process has held, in kB, since it was asked to forget."""
    text = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM"))


def _now() -> int:
    text = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS"))


@contextlib.contextmanager
def watched(folder: Path, megabytes: int = MEGABYTES) -> Iterator[None]:
    """Nothing is imported, started or written outside a folder; not for long, and not with much memory."""
    global _watch
    where, before = os.getcwd(), _now()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    os.chdir(folder)
    watch = _watch = _Watch(str(folder.resolve()))
    alarms = {number: signal.signal(number, _late) for number in (signal.SIGPROF, signal.SIGALRM)}
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + SPACE, hard))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WAITING)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, before_that in alarms.items():
            signal.signal(number, before_that)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        _watch = None
        os.chdir(where)
    assert not watch.broken, watch.broken
    assert (_peak() - before) / 1024 < megabytes, f"{(_peak() - before) / 1024:.0f} MB"


def ended(work: Callable[[], object], folder: Path) -> End:
    """Do what a command does, in a folder, under watch."""
    out, err = io.StringIO(), io.StringIO()
    with (
        watched(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch("sim.provenance.revision", return_value="none"),
        mock.patch("sim.plan.pilot", lambda tasks, config: {t.kind: 1e8 for t in tasks}),
    ):
        try:
            status = work()
        except SystemExit as error:
            status = error.code
    return End(int(status or 0), out.getvalue(), err.getvalue())


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder and what is in it."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"" for p in sorted(folder.rglob("*"))}


def check(end: End, statuses: tuple[int, ...] = (0, 2)) -> None:
    """One message, or none; no traceback."""
    assert end.status in statuses, end
    assert "Traceback" not in end.out + end.err, end
    lines = end.err.splitlines()
    if end.status == 0:
        # Of a run that takes longer than a moment, there is a line on how far it is.
        assert all(line.startswith(("warning: ", "note: ")) or " elapsed, " in line for line in lines), end
    else:
        # Not of `splitlines`, which knows other ends of a line than terminals do.
        assert end.err.endswith("\n"), end
        said = [line for line in end.err[:-1].split("\n") if not line.startswith("warning: ")]
        assert len(said) == 1, end
        assert said[0].startswith(("error: ", "failed: ")), end
        assert len(end.err) < 3000, end


# What bad input is made of

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 40), st.integers(), st.floats(), st.floats(-1, 2), st.text(max_size=8),
    st.sampled_from([10**400, -(10**30), 2**63, 1e300, -0.0, 5e-324, "", " ", "\n", "\0", "\x1b[31m", "é", "٣", "null", "${a}",
                     "${random.seed}", "${oc.env:HOME}", "${linspace:0,1,3}", "${.}", "???", "larsson1998", "context.trust.mean",
                     "beta", "iyer2002", "exact", "2024-01-01", "1e-9", "x" * 5000, "a.b.c", "../x", "/etc/passwd", "canary.x"]),
)  # fmt: skip
NAMES = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["_target_", "_self_", "_args_", "defaults", "hydra", "path", "levels", "low", "high", "n", "scale", "<<",
                     "on", "kind", "1", "a.b", "()", "class", "callbacks", "_recursive_", "_convert_"]),
)  # fmt: skip
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.one_of(NAMES, st.integers(0, 3)), inner, max_size=4),
    max_leaves=8,
)


def spots(tree: object, here: tuple = ()) -> Iterator[tuple]:
    """Every place in nested data."""
    yield here
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inner:
        yield from spots(value, (*here, key))


@st.composite
def mutated(draw, tree: object, changes: int = 3):
    """Data with a few places replaced, removed, renamed or added to."""
    import copy

    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(0, changes))):
        spot = draw(st.sampled_from(list(spots(tree))))
        if not spot:
            continue
        inner = tree
        for key in spot[:-1]:
            inner = inner[key]
        kind = draw(st.sampled_from(["replace", "remove", "rename", "add", "swap"]))
        if kind == "replace":
            inner[spot[-1]] = draw(DATA)
        elif kind == "remove":
            del inner[spot[-1]]
        elif isinstance(inner, dict):
            if kind == "rename":
                inner[draw(st.one_of(NAMES, st.just(str(spot[-1])[:-1])))] = inner.pop(spot[-1])
            elif kind == "add":
                inner[draw(NAMES)] = draw(DATA)
            else:
                other = draw(st.sampled_from(sorted(inner, key=str)))
                inner[other], inner[spot[-1]] = inner[spot[-1]], inner[other]
        else:
            inner.append(draw(DATA))
    return tree


@st.composite
def garbled(draw, text: bytes, snippets: tuple[bytes, ...] = ()):
    """Bytes with pieces cut out, repeated, replaced or put in."""
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        stop = min(len(text), start + draw(st.integers(0, 30)))
        piece = draw(st.one_of(st.binary(max_size=8), st.sampled_from([b"", b"\xff\xfe", b"\0", b"\t", b"\r", *snippets])))
        kind = draw(st.sampled_from(["put", "replace", "cut", "repeat"]))
        if kind == "put":
            text = text[:start] + piece + text[start:]
        elif kind == "replace":
            text = text[:start] + piece + text[stop:]
        elif kind == "cut":
            text = text[:start]
        else:
            text = text[:stop] + text[start:stop] * draw(st.integers(1, 50)) + text[stop:]
    return text


def bomb(levels: int = 9) -> str:
    """YAML whose aliases multiply."""
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, levels)]
    return "\n".join(lines) + "\n"


YAML = (
    b"!!python/object/apply:os.system [touch pwned]", b"!!python/name:canary.x", b"!canary x", b"&a [*a]", b"<<: *b",
    b"_target_: canary.run\n", b"*nothing", b"---\n", b"%YAML 9.9\n", b"# @package hydra\n", b"# @package _global_.x\n",
    b"# @package\n", b"{{{{", b"[" * 3000, b"? [a, b]\n: c\n", b"0x1F", b"1_000", b"!!binary aGk=", b"!!set {a, b}", b"12:30:45",
    b"hydra: {run: {dir: elsewhere}, job_logging: {handlers: {x: {class: logging.FileHandler, filename: written}}}}\n",
    b"hydra: {job_logging: {handlers: {x: {'()': logging.os.system, command: touch pwned}}}}\n",
    b"hydra: {callbacks: {x: {_target_: canary.Callback}}, launcher: {_target_: canary.Launcher}}\n",
    b"hydra: {searchpath: ['pkg://canary']}\n", b"defaults: [mine]\n", b"defaults: [/experiment/mine]\n",
    b"defaults: [sweep, _self_]\n", b"defaults: [{override /compute: serial}]\n", b"defaults: [{/design: nowhere}]\n",
    b"defaults: [{override hydra/launcher: canary}]\n", b"\xef\xbb\xbf", bomb().encode(), b"x: ${x}\n", b"x: '${y}'\n",
)  # fmt: skip
