"""What a finished run leaves beside its store: a figure, a CSV, and a few lines for the terminal."""

from __future__ import annotations

import csv
import io
import itertools
import os
from pathlib import Path

import numpy as np
import xarray as xr

from analysis.studies import Study, study_of
from analysis.summaries import AnalysisError, by_period, ends, factors, flat, roles, table, threshold_table
from sim.variables import BY_NAME

MARK = "alliance-sim"
#: What stands before the reason where there is no summary.
NONE = "no summary"
THRESHOLDS = ("needed", "needed_se", "reason", "extra", "extra_se", "extra_least")


def publish(store_path: str | os.PathLike[str], question: str = "") -> str:
    """Open a store, write its figure and CSV beside it and return what to print.

    Parameters
    ----------
    store_path : a finished store.  question : the title of the figure; may be empty.

    Returns
    -------
    str : the table, then the files, then why something is missing. Nothing is raised: the run itself is complete.
    """
    try:
        with xr.open_zarr(store_path) as ds:
            own, why_not = _study(ds, Path(store_path))
            text = own.text if own else table(ds)
            paths, reason = write(store_path, ds, question, own)
            reason = "; ".join(part for part in (why_not, reason) if part)
    except Exception as error:  # a finished run must not fail for its summary
        return f"{NONE}: {_said(error)}"
    return "\n".join([text, *(f"wrote {_shown(path)}" for path in paths), *([reason] if reason else [])])


def _study(ds: xr.Dataset, store: Path) -> tuple[Study | None, str]:
    """What the experiment's own module makes of a dataset; else why it makes nothing of it."""
    make = study_of(str(ds.attrs.get("title", "")))
    if make is None:
        return None, ""
    try:
        return make(ds, store), ""
    except AnalysisError as error:
        return None, f"general summary, as the experiment's own needs another design: {_said(error)}"


def write(
    store_path: str | os.PathLike[str], ds: xr.Dataset, question: str = "", study: Study | None = None
) -> tuple[list[Path], str]:
    """Write ``<stem>.png`` and ``<stem>.csv`` beside a store; each is complete or not there.

    Parameters
    ----------
    store_path : where the store is, ``<stem>.zarr``; it need not exist.
    ds : its dataset.  question : the title of the figure; may be empty.
    study : what its experiment shows, in place of the general figure and table.

    Returns
    -------
    paths : what was written.  reason : one line for what could not be, else empty. Nothing is raised for a dataset that
        cannot be drawn, nor for a folder that cannot be written to.
    """
    store = Path(store_path)
    stem = store.name.removesuffix(".zarr")
    paths, reasons = [], []
    for ending, what, make in ((".png", "figure", picture), (".csv", "table", sheet)):
        path = store.with_name(f"{stem}{ending}")
        try:
            if path.exists() and not _ours(path):
                raise FileExistsError(f"{path.name} is there already and not of this program; it stays as it is")
            _replace(path, make(ds, question, study))
        except Exception as error:  # a finished run must not fail for its picture
            reasons.append(f"no {what}: {_said(error)}")
        else:
            paths.append(path)
    return paths, "; ".join(reasons)


def picture(ds: xr.Dataset, question: str = "", study: Study | None = None) -> bytes:
    """The study's figure, or the overview, as PNG; errors as `analysis.figures.overview`."""
    from analysis.figures import overview

    target = io.BytesIO()
    (study.figure if study else overview(ds, question)).savefig(
        target, format="png", metadata={"Software": MARK, "Title": question or "overview"}
    )
    return target.getvalue()


def sheet(ds: xr.Dataset, question: str = "", study: Study | None = None) -> bytes:
    """The study's rows, or `rows`, as CSV (UTF-8, commas, a header, ``alliances`` first); empty where there is no value."""
    most = int(ds["alliances"].max()) if study else 0
    found = [{"alliances": most, **row} for row in study.rows] if study else rows(ds)
    target = io.StringIO(newline="")
    writer = csv.DictWriter(target, list(found[0]) if found else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: "" if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()} for row in found)
    return target.getvalue().encode()


def rows(ds: xr.Dataset) -> list[dict[str, object]]:
    """The ends of all points, one row each, with what is needed of the main factor where there is one.

    Parameters
    ----------
    ds : dataset of a run.

    Returns
    -------
    list of dict : the factors, ``alliances``, ``period`` (the last), every variable at the end (shares by strategy as
        ``strategy_share_<name>``) and of the whole run, each with ``_se``. For a factorial design
        `analysis.summaries.threshold_table` as ``<factor>_needed``, ``<factor>_extra`` and so on, repeated in all rows
        that differ in nothing but the factor. Values keep all digits and the units of the dataset.
    """
    ds = flat(ds)
    end = ends(ds) if by_period(ds) else ds[[]]
    columns: dict[str, list[object]] = {label: ds[label].values.tolist() for label in factors(ds)}
    columns |= {n: source[n].values.tolist() for n, source in (("alliances", ds), ("period", end)) if n in source.variables}
    for base, tail in itertools.product(BY_NAME, ("", "_se")):
        source = end if base + tail in end else ds
        array = source.get(base + tail)
        if array is not None and array.dims == ("point",):
            columns[base + tail] = array.values.tolist()
        elif array is not None and array.dims == ("point", "strategy"):
            each = zip(array["strategy"].values, array.values.T.tolist(), strict=True)
            columns |= {f"{base}_{strategy}{tail}": values for strategy, values in each}
    if "survival" in end and roles(end) is not None:
        found = threshold_table(ds)
        where = {d: xr.DataArray(end[d].values, dims="point") for d in found["needed"].dims}
        for name in (n for n in THRESHOLDS if n in found):
            each_point = found[name].sel(where).broadcast_like(end["survival"])
            columns[f"{found.attrs['factor']}_{name}"] = each_point.values.tolist()
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _ours(path: Path) -> bool:
    """Whether a figure or table was written by this program."""
    start = path.read_bytes()[:4096]
    return MARK.encode() in start if path.suffix == ".png" else b"alliances," in start.split(b"\n")[0]


def _replace(path: Path, content: bytes) -> None:
    """Write a file aside and rename it into place."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        aside.write_bytes(content)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _said(error: Exception) -> str:
    """An error in one line."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.strerror}: {Path(error.filename).parent}"
    return " ".join(str(error).split()) or type(error).__name__


def _shown(path: Path) -> str:
    """A path as the user would write it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
