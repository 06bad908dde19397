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
    from sim.config import compose, from_mapping
    from sim.design import points
    from sim.labels import labelled, proposition_labels, theory_names
    from sim.memory import valued
    from sim.recording import period_grid

    if isinstance(config, str):
        config = [config]
    resolved = from_mapping(config or {}) if config is None or isinstance(config, Mapping) else compose(list(config))
    design = points(resolved)
    grid = period_grid(design, resolved.output.every)
    values = valued(design, resolved)
    found = labelled(design, values, grid, proposition_labels(design), theory_names(design), resolved)
    attrs = provenance.attributes(resolved, design, "in memory", "")
    return cube(found.assign_attrs({**attrs, "factors": json.dumps(list(resolved.design.factors))}))


def open_results(path: str | os.PathLike[str]) -> xr.Dataset:
    """Open a store, lazily; a factorial design becomes a cube with one dimension per factor.

    Parameters
    ----------
    path : a store that ``python -m sim.run`` wrote. Points not finished yet are NaN, with ``done`` 0.

    Returns
    -------
    xarray.Dataset : variables and dims of `sim.variables`; dims ``point`` or one per factor first.

    Raises
    ------
    FileNotFoundError : there is no store of this program at the path.
    """
    import xarray as xr

    from sim.store import read

    if read(Path(path)) is None:
        raise FileNotFoundError(f"{os.fspath(path)!r} is no store of this program.")
    return cube(xr.open_zarr(path, consolidated=True))


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
