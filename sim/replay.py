"""``python -m sim.replay STORE [point=K | level=value ...] [alliance=A]``: an alliance's history, period by period.

Exit status: 0 done, 1 a file that cannot be written, 2 bad input (nothing written), 130 interrupted.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.design import ConfigError
from sim.helptext import nearest, show
from sim.retrace import checked, histories, panel, show_range

if TYPE_CHECKING:
    from sim.stored import Stored

_EPILOG = """
examples:
  python -m sim.replay results/sweep.zarr trust=0.5 orientation=0.7 partners=2 alliance=7
  python -m sim.replay results/sweep.zarr point=3 alliance=7 --figure story.png
  python -m sim.replay results/sweep.zarr point=3 alliance=0:20000 --parquet panel.parquet
"""


def main(words: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m sim.replay", description="One alliance's history, and what decided each move.", epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("store", type=Path, help="path of a store")
    said = "point=K, or levels of factors that single out a point; alliance=A (0), or A:B for tables"
    parser.add_argument("which", nargs="*", metavar="key=value", help=said)
    parser.add_argument("--unfold", action="store_true", help="show periods without any move, too")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--figure", type=Path, metavar="FILE.png", help="draw the history of one alliance")
    parser.add_argument("--csv", type=Path, metavar="FILE.csv", help="write a row per ordered pair and period")
    parser.add_argument("--parquet", type=Path, metavar="FILE.parquet", help="the same, as Parquet")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    chosen = parser.parse_intermixed_args(words)
    try:
        return _work(chosen)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; no file was left half written.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read has had enough; nothing is left to be flushed to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1


def _work(chosen: argparse.Namespace) -> int:
    from sim.stored import opened

    stored = opened(chosen.store)
    if stored.made_by_another:
        print(f"note: {chosen.store} was {stored.made_by_another}", file=sys.stderr)
    point, alliances = _read(chosen.which, stored)
    files = {name: path for name in ("figure", "csv", "parquet") if (path := getattr(chosen, name)) is not None}
    for name, path in files.items():
        _check(name, path, chosen.overwrite)
    tables = {name: path for name, path in files.items() if name != "figure"}
    if len(alliances) > 1 and (chosen.json or "figure" in files or not tables):
        what = "--json" if chosen.json else "--figure" if "figure" in files else "the printed history"
        raise ConfigError(
            f"alliance = {show_range(alliances)}: {what} is of one alliance; several go to --csv or --parquet."
        )
    if tables:
        _write_tables(tables, chosen.store, point, alliances)
    if len(alliances) == 1:
        ds = histories(chosen.store, point, alliances)
        if "figure" in files:
            from analysis.story import draw

            target = io.BytesIO()
            draw(ds).savefig(target, format="png")
            with Aside(files["figure"]) as aside:
                aside.write_bytes(target.getvalue())
        from sim.narrative import plain, story

        if chosen.json:
            print(json.dumps(plain(ds), allow_nan=False))
        elif not files:
            print(story(ds, fold=not chosen.unfold))
    for path in files.values():
        print(f"wrote {path}", file=sys.stderr if chosen.json else sys.stdout)
    return 0


def _read(words: Sequence[str], stored: Stored) -> tuple[int, range]:
    """The point and the alliances that words ask for."""
    given: dict[str, str] = {}
    known = ["point", "alliance", *stored.store.factors]
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not value:
            raise ConfigError(
                f"{show(word)}: cannot be read as key=value; keys are {', '.join(known)}.{nearest(key, known)}"
            )
        if key in given:
            raise ConfigError(f"{key} = {show(value)}: {key} is given twice.")
        if key not in known:
            raise ConfigError(
                f"{key} = {show(value)}: there is no such key; keys are {', '.join(known)}.{nearest(key, known)}"
            )
        given[key] = value
    text, alliance = given.pop("point", None), given.pop("alliance", "0")
    if text is not None and given:
        raise ConfigError(
            f"point = {text}: a point is given by its index or by levels, not by both; leave {next(iter(given))}."
        )
    if text is None:
        point = stored.index_of(given)
    elif re.fullmatch(r"-?[0-9]{1,18}", text):
        point = int(text)
    else:
        raise ConfigError(f"point = {show(text)}: must be a whole number, 0 to {len(stored) - 1}.")
    number = stored.alliances(point)
    match = re.fullmatch(r"(-?[0-9]{1,19})(?::(-?[0-9]{1,19}))?", alliance)
    if match is None:
        said = f"must be a whole number A, or A:B from A up to B, left out; the point has alliances 0 to {number - 1}."
        raise ConfigError(f"alliance = {show(alliance)}: {said}")
    first = int(match[1])
    return point, checked(range(first, int(match[2])) if match[2] is not None else first, number)


def _check(name: str, path: Path, overwrite: bool) -> None:
    """Refuse a file that cannot be, before any work."""
    endings = {"figure": ".png", "csv": ".csv", "parquet": ".parquet"}
    if path.suffix.lower() != endings[name]:
        raise ConfigError(f"--{name} {path}: the name must end in {endings[name]}.")
    if path.is_dir() or (path.exists() and not overwrite):
        said = "is a folder" if path.is_dir() else "is there already; --overwrite replaces it"
        raise ConfigError(f"--{name} {path}: {said}.")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"--{name} {path}: there is no folder {path.parent}.")
    if name == "parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise ConfigError(
                f"--parquet {path}: needs pyarrow; pip install 'alliance-sim[parquet]', or use --csv."
            ) from None


class Aside:
    """A file written aside, and renamed into place when all of it is there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.aside = path.with_name(f".{path.name}.{os.getpid()}.partial")

    def __enter__(self) -> Path:
        return self.aside

    def __exit__(self, kind: object, *rest: object) -> None:
        try:
            if kind is None:
                os.replace(self.aside, self.path)
        finally:
            self.aside.unlink(missing_ok=True)


def _write_tables(tables: dict[str, Path], store: Path, point: int, alliances: range) -> None:
    """Write histories as tables, a piece at a time; each file is complete or not there."""
    import contextlib

    with contextlib.ExitStack() as stack:
        sinks: list[Any] = []
        for name, path in tables.items():
            aside = stack.enter_context(Aside(path))
            if name == "csv":
                sinks.append(_Csv(stack.enter_context(open(aside, "w", encoding="utf-8", newline=""))))
            else:
                sinks.append(_Parquet(aside))
                stack.callback(sinks[-1].close)
        for frame in panel(store, point, alliances):
            for sink in sinks:
                sink.add(frame)


class _Csv:
    def __init__(self, file: Any) -> None:
        self.file, self.begun = file, False

    def add(self, frame: Any) -> None:
        frame.to_csv(self.file, index=False, header=not self.begun, lineterminator="\n")
        self.begun = True


class _Parquet:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer: Any = None

    def add(self, frame: Any) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pandas(frame, preserve_index=False)
        if self.writer is None:
            self.writer = pq.ParquetWriter(self.path, table.schema, compression="zstd")
        self.writer.write_table(table)

    def close(self) -> None:
        """Write the end of the file."""
        if self.writer is not None:
            self.writer.close()


if __name__ == "__main__":
    sys.exit(main())
