"""Library use: run in memory, open a store. For notebooks."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

    from sim.schema import Config


def simulate(config: Mapping[str, Any] | Sequence[str] | str | None = None) -> xr.Dataset:
    """Run an experiment in memory.

    Parameters
    ----------
    config : what differs from the defaults: a nested or dotted mapping (``{"population.partners": 3}``), or one or a
        list of overrides as on the command line (``["+experiment=sweep", "population.alliances=1000"]``).

    Returns
    -------
    xarray.Dataset : what `open_results` would return of a store of the same config, with the same bits.

    Raises
    ------
    sim.ConfigError : a key or value that is not allowed; the message says what is.
    RuntimeError : a block of the simulation failed.

    Examples
    --------
    >>> ds = simulate({"population": {"alliances": 1000, "periods": 10}, "context.trust.mean": 0.8})
    >>> float(ds.survival[0, 0])
    1.0
    """
    from sim import provenance
    from sim.design import points
    from sim.labels import labelled, proposition_labels, theory_names
    from sim.memory import valued
    from sim.recording import period_grid

    resolved = _resolved(config)
    design = points(resolved)
    grid = period_grid(design, resolved.output.every)
    values = valued(design, resolved)
    found = labelled(design, values, grid, proposition_labels(design), theory_names(design), resolved)
    attrs = provenance.attributes(resolved, design, "in memory", "")
    return cube(found.assign_attrs({**attrs, "factors": json.dumps(list(resolved.design.factors))}))


def _resolved(config: Mapping[str, Any] | Sequence[str] | str | None) -> Config:
    from sim.config import compose, from_mapping
    from sim.design import ConfigError

    if isinstance(config, str):
        config = [config]
    found = from_mapping(config or {}) if config is None or isinstance(config, Mapping) else compose(list(config))
    if found.shard is not None:
        raise ConfigError(f"shard = {found.shard}: is for python -m sim.run, which writes a store; must be null here.")
    return found


def long_runs(config: Mapping[str, Any] | Sequence[str] | str | None = None) -> xr.Dataset:
    """What becomes of alliances in the end, exactly: what no simulation of finite length can tell.

    Parameters
    ----------
    config : as of `simulate`. Every point must have an exact form, see `sim.exact`: static context, no race, no phases.

    Returns
    -------
    xarray.Dataset : chances to dissolve by cause, expected time of dissolution, the mix of strategies and regimes among
        the alliances that have lasted for long, their rate of dissolution, and more; see `sim.long_run.long_run`. Dims
        ``point`` or one per factor first.

    Raises
    ------
    sim.ConfigError : a key or value that is not allowed, or a point that has no exact form.

    Examples
    --------
    >>> ds = long_runs({"context": "static", "context.trust.mean": 0.8})
    >>> float(ds.never_dissolved[0])
    0.0
    """
    import xarray as xr

    from sim import long_run
    from sim.design import ConfigError, points

    resolved = _resolved(config)
    design = points(resolved)
    found = []
    for point in design:
        try:
            found.append(long_run.long_run(point, resolved))
        except ValueError as error:
            where = ", ".join(f"{label}={level}" for label, level in point.labels.items())
            raise ConfigError(f"{where}: {error}" if where else str(error)) from None
    labels = list(resolved.design.factors)
    ds = xr.concat(found, "point", data_vars="all", coords="minimal", compat="override", join="override")
    ds = ds.assign_coords({label: ("point", [point.labels[label] for point in design]) for label in labels})
    return cube(ds.assign_attrs(factors=json.dumps(labels)))


def open_results(path: str | os.PathLike[str]) -> xr.Dataset:
    """Open a store, lazily; a factorial design becomes a cube with one dimension per factor.

    Parameters
    ----------
    path : a store that ``python -m sim.run`` wrote. Points not finished yet are NaN, with ``done`` 0. A shard's store has
        a part of the points and of their alliances, which its attributes ``shard`` and ``part`` say; it is no cube.

    Returns
    -------
    xarray.Dataset : variables and dims of `sim.variables`; dims ``point`` or one per factor first.

    Raises
    ------
    FileNotFoundError : there is no store of this program at the path.
    sim.ConfigError : the store is damaged.
    """
    import xarray as xr

    from sim import integrity
    from sim.opening import check_consolidated, read
    from sim.soundness import reading

    found = read(Path(path))
    if found is None:
        raise FileNotFoundError(f"{os.fspath(path)!r} is no store of this program.")
    check_consolidated(Path(path))
    integrity.complain(found)
    with reading(Path(path)):
        ds = xr.open_zarr(path, consolidated=True)
        return ds if "shard" in ds.attrs else cube(ds)


def cube(ds: xr.Dataset) -> xr.Dataset:
    """One dimension per factor where the points are all combinations of the factors' levels; else unchanged.

    Parameters
    ----------
    ds : dataset with dim ``point`` and the labels of its factors in the attribute ``factors`` (JSON).
    """
    factors = json.loads(ds.attrs["factors"])
    levels = [len(set(ds[label].values.tolist())) for label in factors]
    if not factors or math.prod(levels) != ds.sizes["point"]:
        return ds
    if len(factors) == 1:
        return ds.swap_dims(point=factors[0]).sortby(factors[0])
    attributes = {label: ds[label].attrs for label in factors}
    wide = ds.set_index(point=factors).unstack("point")
    for label, attrs in attributes.items():
        wide[label].attrs = attrs
    return wide.transpose(*factors, ...)
