"""Expected values of an alliance in a static, homogeneous context, without simulation: an engine beside the kernels.

Where trust, stakes, orientation, prior interaction and abilities are the same for all pairs and do not react, the
partners' strategies are a Markov chain (model section 10): its states are those of `sim.exact_space`, what happens in
them is `sim.exact_law` and `sim.exact_chain`. Dissolved alliances are absorbing states. With coupling `partner_specific`
each pair has two strategies of its own, `sim.exact_pairs`. `refusal` says what keeps a point from having such a form.

`values` gives many points as a simulation would label them, without its error; `solve` one point, with the standard
deviations of one alliance's values. Source: Larsson, Bengtsson, Henriksson & Sparks 1998, Propositions 1 to 9; the chain
is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sim import exact_pair_values, exact_values
from sim.design import Point, theory_of
from sim.exact_batch import Batch, batches, mix_of
from sim.exact_space import Space, check, refusal, space_of
from sim.exact_values import Expected, transition
from sim.labels import attributes_of, coordinates, dims_of, responses_of, shaped, theory_names
from sim.recording import batched, own_periods, recorded_names
from sim.schema import Config
from sim.theory import Theory
from sim.theory_tables import labels, response_labels
from sim.variables import BY_NAME, COORDS, number_dims

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["OMITTED", "Chain", "chain_of", "check", "moments_of", "refusal", "solve", "values"]
#: Recorded by the simulator, but no function of the chain: distributions of one partner's whole history, and power,
#: which follows from it. NaN in `values`.
OMITTED = ("cumulative_learning_hist", "power")


@dataclass(frozen=True)
class Chain:
    """The chain of a point.

    Attributes
    ----------
    space : its states.  start : float64 (states,), law at formation.
    matrix : float64 (states, states), P(s, s'); the dissolved stay as they are.
    """

    space: Space
    start: np.ndarray
    matrix: np.ndarray


def values(
    points: Sequence[Point], grid: np.ndarray, propositions: Sequence[str], theories: Sequence[str], config: Config
) -> dict[str, np.ndarray]:
    """Expected values of some points, labelled as `sim.labels.values_of` labels simulated ones.

    Parameters
    ----------
    points : of a design, each with an exact form.
    grid, propositions, theories : the ``period``, ``proposition`` and ``theory`` coordinates.

    Returns
    -------
    dict : name -> float64 or int64 array with the dims of `sim.variables`, ``point`` first. ``<name>_se`` is 0 where there
        is a mean; counts of alliances are 0, as none is simulated; `batch_mean` is that mean for every batch; `OMITTED`,
        and what belongs to phases, is NaN.

    Raises
    ------
    ValueError : a point has no exact form; the message says what keeps it.

    Notes
    -----
    Recorded reals are rounded to steps of 2^-20 as in the tallies; a simulated alliance's may be one step off, as its
    float32 sums depend on the order of its partners. A mean over contributing alliances is E[value; contributes] /
    P(contributes), what the simulation's tends to.
    """
    for point in points:
        check(point.parameters)
    sizes = {dim: len(labels_) for dim, labels_ in COORDS.items()}
    sizes |= {"point": len(points), "period": len(grid), "proposition": len(propositions), "theory": len(theories)}
    found = {"alliances": np.zeros(len(points), np.int64)}
    kept, names = batched(config), recorded_names(config)
    sizes["quantity"] = len(kept)
    for name in names:
        v = BY_NAME[name]
        found[name] = np.full([sizes[d] for d in dims_of(name)], np.nan)
        if v.error:
            found[f"{name}_se"] = np.full(found[name].shape, np.nan)
        if v.number is not None:
            found[v.number] = np.zeros([sizes["point"], *(sizes[d] for d in number_dims(v.number))], np.int64)
    for batch in batches(points, config):
        own, rows = [points[k] for k in batch.where], np.searchsorted(grid, batch.periods)
        means = labelled(_expected(batch, [*{*names, *kept} - {"batch_mean"}]), own, propositions, theories)
        for q, name in enumerate(kept):
            # What all batches would tend to; of what is by period, at the last.
            last = means[name][:, -1] if "period" in BY_NAME[name].dims else means[name]
            found["batch_mean"][batch.where, q] = last[:, None]
        for name, mean in means.items():
            if name not in names:
                continue
            place: Any = np.ix_(batch.where, rows) if "period" in BY_NAME[name].dims else batch.where
            found[name][place] = mean
            if BY_NAME[name].error:
                found[f"{name}_se"][place] = mean * 0.0
    return found


def _expected(batch: Batch, names: Sequence[str], groups: np.ndarray | None = None) -> Expected:
    specific = batch.structure.coupling == "partner_specific"
    return (exact_pair_values.expected if specific else exact_values.expected)(batch, names, groups)


def labelled(
    found: Expected, points: Sequence[Point], propositions: Sequence[str], theories: Sequence[str]
) -> dict[str, np.ndarray]:
    """Means of some points with the dims of their variables, ``point`` first."""
    means = {}
    for name, mean in found.mean.items():
        if name == "response_count":
            means[name] = responses_of(points, mean[None, ..., None], np.ones(len(points)), propositions)
        else:
            means[name] = shaped(mean, BY_NAME[name].dims, points, theories)
    return means


def moments_of(
    point: Point, config: Config, propositions: Sequence[str], theories: Sequence[str], theory: Theory | None = None,
    ordered: bool = False,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Means, standard deviations of one contributing alliance's value, and expected counts of these, of a point.

    Parameters
    ----------
    propositions, theories : the ``proposition`` and ``theory`` coordinates.  theory, ordered : see `solve`.

    Returns
    -------
    dict : ``<name>``, ``<name>_sd`` and ``<name>_n`` -> float64 array with the dims of `sim.variables`, on the point's own
        periods; without what has no value in the chain.
    """
    p = point.parameters
    check(p)
    if theory is not None:
        theory_of(p)
    (batch,) = batches([point], config, theory, ordered)
    columns = np.array([propositions.index(label) for _, _, t in mix_of(p, theory) for label in response_labels(t)])
    found, moments = _expected(batch, recorded_names(config), columns), {}
    for name, mean in found.mean.items():
        v = BY_NAME[name]
        if name == "response_count":
            moments[name], spread = np.zeros(len(propositions)), found.deviation[name][0]
            np.add.at(moments[name], columns, mean[0])
            moments[f"{name}_sd"] = np.append(spread, np.zeros(len(propositions) - len(spread)))
        else:
            moments[name] = shaped(mean, v.dims, [point], theories)[0]
            moments[f"{name}_sd"] = shaped(found.deviation[name], v.dims, [point], theories)[0]
        if v.number is not None:
            share = found.share[v.number] * p.population.alliances
            moments[v.number] = shaped(share, number_dims(v.number), [point], theories)[0]
    return moments


def chain_of(point: Point, config: Config, period: int = 1, ordered: bool = False) -> Chain:
    """The chain itself, in a period; raises as `values` does, and where behaviour is partner-specific.

    Parameters
    ----------
    period : 1 or later; without a horizon all are alike.  ordered : see `solve`.
    """
    check(point.parameters)
    (batch,) = batches([point], config, ordered=ordered)
    if batch.structure.coupling == "partner_specific":
        raise ValueError("population.coupling = partner_specific: its transition matrix is too large; another is needed.")
    return Chain(space_of(batch.structure), *transition(batch, period))


def solve(point: Point, config: Config, theory: Theory | None = None, ordered: bool = False) -> xr.Dataset:
    """Expected values of a point and how much one alliance's values vary; raises as `values` does.

    Parameters
    ----------
    point : a point of the design.  config : its run; says which periods and variables are wanted.
    theory : stands in for the one response theory of the point's partners.
    ordered : tell partners apart even where they are exchangeable: more states, the same values.

    Returns
    -------
    Dataset : as of a simulation of the point, but without `OMITTED` and ``alliances``. ``<name>_se`` is 0, ``<name>_sd``
        the standard deviation of one contributing alliance's value; ``efficiency_n`` and the like are expected numbers.

    Notes
    -----
    See `values`. Standard deviations of sums over periods are good to 1e-8 of the mean; those of responses and cumulative
    learning are NaN where behaviour is partner-specific.
    """
    import xarray as xr

    p = point.parameters
    grid, propositions = own_periods(p.population.periods, config.output.every), labels(t for _, _, t in mix_of(p, theory))
    data = {}
    for name, array in moments_of(point, config, propositions, theory_names([point]), theory, ordered).items():
        if name.endswith("_sd"):
            v, about = BY_NAME[name[:-3]], attributes_of(name[:-3])
            text = {"long_name": f"standard deviation of {v.long_name}", "description": "Of one alliance's value."}
            data[name] = (dims_of(v.name), array[None], {**about, **text})
        else:
            data[name] = (dims_of(name), array[None], attributes_of(name))
            if name in BY_NAME and BY_NAME[name].error:
                data[f"{name}_se"] = (dims_of(name), 0.0 * array[None], attributes_of(f"{name}_se"))
    ds = xr.Dataset(data, coords=coordinates([point], grid, propositions, theory_names([point]), config))
    return ds.drop_dims(["bin", "phase", "kind", "dimension", "quantity", "batch"], errors="ignore")
