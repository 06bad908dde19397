"""Rows of a design from a file: a CSV or Parquet table with one column for each factor's label."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from sim.fields import ConfigError
from sim.helptext import nearest, show
from sim.schema import MAX_POINTS

_WHOLE = re.compile(r"[+-]?\d{1,300}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
#: What is written for numbers that are none.
_NO_NUMBERS = ("nan", "inf", "infinity")
#: Bytes that a table of the largest design may have.
_MOST_BYTES = 2**30

Cell: TypeAlias = float | int | str


@dataclass(frozen=True)
class Table:
    """Rows of levels from a file.

    Attributes
    ----------
    rows : label -> level.  places : where in the file each row is, ``line 3``.  where : the key and the file.
    """

    rows: list[dict[str, Cell]]
    places: Sequence[str]
    where: str


def read(path: str, labels: Sequence[str]) -> Table:
    """Rows of a table; a relative path is one from the working directory.

    Parameters
    ----------
    path : of a .csv file (UTF-8, commas, a header) or a .parquet file.  labels : of the factors; the file's columns.

    Raises
    ------
    ConfigError : no such file, not readable, columns that are not the labels, an empty cell, no rows, or too many.
    """
    where = f"design.rows = {' '.join(path.split())}"
    readers = {".csv": _csv, ".parquet": _parquet}
    file = Path(path)
    if file.suffix.lower() not in readers:
        raise ConfigError(f"{where}: must be a list of {{label: value}}, or a file whose name ends in .csv or .parquet.")
    try:
        if file.is_dir():
            raise ConfigError(f"{where}: is a folder, not a file.")
        if file.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"{where}: has {file.stat().st_size / 2**30:.1f} GiB; at most 1 GiB is read.")
        found = readers[file.suffix.lower()](file, where, labels)
    except ConfigError:
        raise
    except FileNotFoundError:
        inside = "" if file.is_absolute() else f" in {Path.cwd()}"
        raise ConfigError(f"{where}: there is no such file{inside}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: cannot be read: it is not UTF-8 text.") from None
    except (OSError, csv.Error, ValueError) as error:
        said = getattr(error, "strerror", None) or " ".join(str(error).split()).rstrip(".")
        raise ConfigError(f"{where}: cannot be read: {said}.") from None
    if not found.rows:
        raise ConfigError(f"{where}: has no rows; each is one point.")
    return found


def _csv(file: Path, where: str, labels: Sequence[str]) -> Table:
    rows: list[dict[str, Cell]] = []
    places: list[str] = []
    # Spreadsheets put a mark before the first letter.
    with file.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, strict=True)
        header = [name.strip() for name in next(reader, [])]
        _check_columns(where, header, labels)
        last = reader.line_num
        for cells in reader:
            place, last = f"line {last + 1}", reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise ConfigError(f"{where}, {place}: has {len(cells)} cells; the header has {len(header)}.")
            _check_number(where, len(rows) + 1)
            rows.append({name: _cell(f"{where}, {place}", name, c) for name, c in zip(header, cells, strict=True)})
            places.append(place)
    return Table(rows, places, where)


def _cell(where: str, name: str, text: str) -> Cell:
    """A number where it is written as one, else a word."""
    text = text.strip()
    if not text:
        raise ConfigError(f"{where}: the cell of {name} is empty; every row gives each factor a level.")
    if _WHOLE.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text) or text.lower().lstrip("+-") in _NO_NUMBERS:
        return _finite(where, name, float(text))
    return text


def _finite(where: str, name: str, value: float) -> float:
    if not math.isfinite(value):
        raise ConfigError(f"{where}: {name} = {value}: must be a finite number.")
    return value


def _parquet(file: Path, where: str, labels: Sequence[str]) -> Table:
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise ConfigError(f"{where}: needs pyarrow; pip install 'alliance-sim[parquet]', or give a .csv file.") from None
    with pq.ParquetFile(file) as opened:
        _check_columns(where, opened.schema_arrow.names, labels)
        _check_number(where, opened.metadata.num_rows)
        columns = {name: opened.read(columns=[name]).column(0).to_pylist() for name in labels}
    places = [f"row {k + 1}" for k in range(opened.metadata.num_rows)]
    for name, values in columns.items():
        for place, value in zip(places, values, strict=True):
            _check_value(f"{where}, {place}", name, value)
    return Table([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)], places, where)


def _check_value(where: str, name: str, value: Any) -> None:
    if value is None or value == "" or value != value:
        raise ConfigError(f"{where}: the cell of {name} is empty; every row gives each factor a level.")
    if isinstance(value, bool) or not isinstance(value, float | int | str):
        raise ConfigError(f"{where}: {name} = {show(value)}: must be a number or a word.")
    if isinstance(value, float):
        _finite(where, name, value)


def _check_columns(where: str, found: Sequence[str], labels: Iterable[str]) -> None:
    """Refuse columns that are not the factors' labels, once each."""
    known = list(labels)
    for k, name in enumerate(found):
        if name not in known:
            said = f"there is no factor for the column {show(name)}; columns are {', '.join(known)}"
            split = ", separated by commas" * (";" in name or "\t" in name)
            raise ConfigError(f"{where}: {said}{split}.{nearest(name, known)}")
        if name in found[:k]:
            raise ConfigError(f"{where}: the column {name} appears twice.")
    if missing := [name for name in known if name not in found]:
        said = "has no header" if not found else f"has no column for {', '.join(missing)}"
        raise ConfigError(f"{where}: {said}; columns are {', '.join(known)}.")


def _check_number(where: str, number: int) -> None:
    if number > MAX_POINTS:
        raise ConfigError(f"{where}: has more than {MAX_POINTS:,} rows; at most so many points are possible.")
