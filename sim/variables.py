"""Every dimension, coordinate and recorded variable, declared once as data (model section 8).

The kernel's tally columns, the store's template, the attributes of a dataset and the table in the docs all come from
here. A tally column holds two integers, the sum over alliances and the sum of squares; a `Layout` gives their order.
Columns of variables that not every run records, of further theories in a mix, and of batches come after all others.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

from sim.strategies import REGIMES, STRATEGIES

CAUSES = ("avoidance", "exit", "review")
PHASES = ("awareness", "exploration", "expansion", "commitment")
#: Learning from the partner, and with it (Iyer 2002).
KINDS = ("unilateral", "mutual")
DIMENSIONS = ("environment", "task", "process", "skills", "goals")
BINS = 50
BIN_LEFT = tuple(k / BINS for k in range(BINS))
BIN_CENTRE = tuple((k + 0.5) / BINS for k in range(BINS))
BRANCHES = ("empowered", "barrier", "kept")
#: Alliance number k belongs to batch k mod 32, whoever simulates it: batches of two points hold the same alliances.
BATCHES = 32
#: What may be kept by batch.
QUANTITIES = ("survival", "cumulative_learning", "learning", "dissolution_time")

#: Numbers the layout of the draws, which `sim.rng` documents; results change for a seed only when this does.
STREAM_VERSION = 1

#: A real value x of an alliance is tallied as rint(x * FIXED), in steps of about one millionth.
FIXED = 2**20


@dataclass(frozen=True)
class Variable:
    """One recorded variable.

    Attributes
    ----------
    name, dims, units, long_name, description, source : as they appear in the dataset, `dims` without ``point``.
    scale : what one alliance's tallied value is divided by: ``fixed`` (2^20), ``partners`` (N), ``units`` (what holds a
        strategy: N partners, or N (N-1) ordered pairs with partner_specific), ``pairs`` (N (N-1)/2) or ``one``; means of
        batches: by that of the quantity.
    kind : ``state`` (holds from period 0), ``outcome`` (of a period; NaN at period 0) or ``total`` (of a whole run).
    error : whether a standard error ``<name>_se`` goes with it.
    number : name of the variable that counts the contributing alliances, where these are not all.
    when : it is recorded ``always``, where the design has ``race`` or ``phases``, or on ``request``.
    """

    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str
    description: str
    source: str
    scale: str
    kind: str
    error: bool = True
    number: str | None = None
    when: str = "always"


_LEARNING = "knowledge per period"

VARIABLES: tuple[Variable, ...] = (
    Variable("strategy_share", ("period", "strategy"), "1", "share of partners by strategy",
             "Share of partners (partner_specific: of ordered pairs) that hold each strategy at the end of the period.",
             "Larsson et al. 1998, Fig. 1", "units", "state"),
    Variable("regime_share", ("period", "regime"), "1", "share of pairs by regime",
             "Share of the pairs of an alliance in each of the twelve regimes at the end of the period.",
             "Larsson et al. 1998, Figs. 3-4", "pairs", "state"),
    Variable("transfer", ("period",), _LEARNING, "knowledge transferred",
             "Existing knowledge a partner absorbs in the period, mean over its counterparts; 1 is full transfer from one.",
             "Larsson et al. 1998, Fig. 2", "fixed", "outcome"),
    Variable("creation", ("period",), _LEARNING, "knowledge created",
             "New knowledge a partner appropriates in the period, mean over its counterparts.",
             "Larsson et al. 1998, Fig. 2", "fixed", "outcome"),
    Variable("learning", ("period",), _LEARNING, "learning",
             "Transfer plus creation of a partner in the period.",
             "Larsson et al. 1998, Fig. 2", "fixed", "outcome"),
    Variable("efficiency", ("period",), "1", "efficiency (integrative)",
             "Mean learning over the largest possible, among alliances not dissolved at the start of the period.",
             "Larsson et al. 1998, pp. 287-288 (integrative dimension)", "fixed", "outcome", number="efficiency_n"),
    Variable("inequity", ("period",), "1", "inequity (distributive)",
             "Difference in learning within pairs over their total, among alliances with any learning in the period.",
             "Larsson et al. 1998, pp. 287-288 (distributive dimension)", "fixed", "outcome", number="inequity_n"),
    Variable("mean_stakes", ("period",), "1", "learning stakes",
             "Mean learning stakes over ordered pairs at the end of the period, in [0, 1].",
             "Larsson et al. 1998, Propositions 6 and 8", "fixed", "state"),
    Variable("mean_trust", ("period",), "1", "interorganizational trust",
             "Mean trust over ordered pairs at the end of the period, in [0, 1].",
             "Larsson et al. 1998, Propositions 7 to 9", "fixed", "state"),
    Variable("mean_orientation", ("period",), "1", "long-term orientation",
             "Long-term orientation in the period (end-game applied), in [0, 1].",
             "Larsson et al. 1998, Propositions 7 and 9", "fixed", "state"),
    Variable("mean_prior", ("period",), "1", "prior related interaction",
             "Mean prior related interaction over pairs at the end of the period, in [0, 1].",
             "Larsson et al. 1998, Propositions 6 to 8", "fixed", "state"),
    Variable("survival", ("period",), "1", "survival",
             "Share of alliances not dissolved at the end of the period.",
             "Larsson et al. 1998, Proposition 5", "one", "state"),
    Variable("active_share", ("period",), "1", "active partners",
             "Share of partners that have neither left nor seen their alliance dissolve by the end of the period.",
             "model section 6", "partners", "state"),
    Variable("cumulative_learning", (), _LEARNING, "cumulative learning",
             "A partner's learning over the whole run, per period.",
             "Larsson et al. 1998, Fig. 2", "fixed", "total"),
    Variable("cumulative_learning_hist", ("bin",), "1", "distribution of cumulative learning",
             "Share of partners by cumulative learning over its largest possible value, in 50 bins on [0, 1].",
             "model section 8", "partners", "total"),
    Variable("dissolution_time", (), "period", "time of dissolution",
             "Period at whose end an alliance dissolved: 0 at formation, the number of periods if it never did.",
             "Larsson et al. 1998, Proposition 5", "one", "total"),
    Variable("dissolution_cause", ("cause",), "1", "cause of dissolution",
             "Share of alliances dissolved by mutual avoidance, after an exit, or at a review.",
             "model section 6", "one", "total"),
    Variable("response_count", ("proposition",), "responses per alliance", "responses by proposition",
             "Reconsidered responses per alliance, by the proposition that decided them.",
             "Larsson et al. 1998, Propositions 1 to 9", "one", "total", error=False),
    Variable("batch_mean", ("quantity", "batch"), "that of the quantity", "mean of a batch of alliances",
             "Mean over the alliances whose number is the batch modulo 32, of survival and learning at the last period, of "
             "cumulative_learning or dissolution_time: for paired errors of contrasts between points.",
             "Law & Kelton 2000, ch. 11", "that of the quantity", "total", error=False),
    Variable("unlearnt", ("period",), "1", "knowledge left to learn",
             "Mean over ordered pairs of the part of the other's knowledge not yet internalised, at the end of the period.",
             "Hamel, in Larsson et al. 1998, p. 292", "fixed", "state", when="race"),
    Variable("power", ("period",), "1", "power difference",
             "Mean over pairs of the absolute power of one partner over the other, in [0, 1].",
             "Hamel, in Larsson et al. 1998, p. 292", "fixed", "state", when="race"),
    Variable("phase_share", ("period", "phase"), "1", "share of alliances by phase",
             "Share of the alliances not dissolved that are in each phase of alliance evolution at the end of the period.",
             "Iyer 2002, Table 1", "one", "state", number="phase_share_n", when="phases"),
    Variable("dimension_learning", ("period", "kind", "dimension"), _LEARNING, "learning by dimension",
             "Learning of a partner in the period, unilateral (transfer) and mutual (creation), booked to five dimensions.",
             "Iyer 2002, Table 1; Doz 1996", "fixed", "outcome", when="phases"),
    Variable("learning_by_theory", ("period", "theory"), _LEARNING, "learning by theory",
             "Learning of the partners that follow each response theory, among alliances that have such partners.",
             "after Axelrod 1984", "fixed", "outcome", number="learning_by_theory_n", when="request"),
    Variable("learning_by_pair", ("period", "own", "counterpart"), _LEARNING, "learning by pair of strategies",
             "What a partner in the own strategy learned from one in the counterpart strategy, both at the start of the "
             "period, among alliances with such a pair.",
             "Larsson et al. 1998, Fig. 2", "fixed", "outcome", number="learning_by_pair_n", when="request"),
)  # fmt: skip

BY_NAME: dict[str, Variable] = {v.name: v for v in VARIABLES}

#: Integer counts that go with variables whose contributing alliances are not all.
NUMBERS: dict[str, str] = {
    "efficiency_n": "alliances not dissolved at the start of the period",
    "inequity_n": "alliances with any learning in the period",
    "phase_share_n": "alliances not dissolved at the end of the period",
    "learning_by_theory_n": "alliances with a partner that follows the theory",
    "learning_by_pair_n": "alliances with a pair in the two strategies at the start of the period",
}

DIMS: dict[str, str] = {
    "point": "index of a combination of factor levels",
    "period": "period; 0 is the formation of the alliance",
    "strategy": "learning strategy",
    "regime": "regime of a pair of partners",
    "bin": "centre of a bin of relative cumulative learning",
    "cause": "cause of dissolution",
    "proposition": "proposition that decided a response",
    "phase": "phase of alliance evolution",
    "kind": "unilateral learning (transfer) or mutual learning (creation)",
    "dimension": "dimension of learning",
    "theory": "response theory, as named in response.theory_mix",
    "own": "strategy of the partner that learns",
    "counterpart": "strategy of the partner it learns from",
    "quantity": "what the mean of a batch is of",
    "batch": "number of an alliance modulo 32",
}

COORDS: dict[str, tuple[object, ...]] = {
    "strategy": STRATEGIES,
    "regime": REGIMES,
    "cause": CAUSES,
    "bin": BIN_CENTRE,
    "phase": PHASES,
    "kind": KINDS,
    "dimension": DIMENSIONS,
    "own": STRATEGIES,
    "counterpart": STRATEGIES,
    "quantity": QUANTITIES,
    "batch": tuple(range(BATCHES)),
}

#: Names a factor's label may not take.
RESERVED: frozenset[str] = frozenset(
    {*DIMS, *BY_NAME, *NUMBERS, *(f"{v.name}_se" for v in VARIABLES if v.error), "alliances", "done", "bin_left", "tally"}
)


def number_dims(name: str) -> tuple[str, ...]:
    """Dims of a count of contributing alliances, without ``point``; one for all phases of `phase_share`."""
    dims = next(v.dims for v in VARIABLES if v.number == name)
    return ("period",) if name == "phase_share_n" else dims


def _responses(slot: int) -> list[str]:
    """Columns of `response_count` for the theory in a slot of a point's mix."""
    prefix = f"{slot}|" if slot else ""
    return [f"{prefix}{b}|{o}|{s}" for b in BRANCHES for o in STRATEGIES for s in STRATEGIES]


def _labels(dims: Iterable[str], slots: int) -> list[str]:
    """Labels of the columns of some dims, the last one fastest."""
    labels = [""]
    for dim in dims:
        if dim != "period":
            own = [str(k) for k in range(slots)] if dim == "theory" else [str(label) for label in COORDS[dim]]
            labels = [f"{before}|{label}".removeprefix("|") for before in labels for label in own]
    return labels


@dataclass(frozen=True)
class Layout:
    """Order of the tally columns.

    Attributes
    ----------
    period, point : (variable, label) of each column by period, and of the whole run.
    slots : theories that a point's mix may hold; a slot is a theory's place in the mix, sorted by name.
    """

    period: tuple[tuple[str, str], ...]
    point: tuple[tuple[str, str], ...]
    slots: int

    def columns_of(self, name: str) -> tuple[bool, slice]:
        """Whether a variable's columns are by period, and which they are.

        Raises
        ------
        KeyError : no such variable in this layout.
        """
        for by_period, columns in ((True, self.period), (False, self.point)):
            where = [k for k, (variable, _) in enumerate(columns) if variable == name]
            if where:
                return by_period, slice(where[0], where[-1] + 1)
        raise KeyError(name)

    @functools.cached_property
    def batches(self) -> tuple[int, ...]:
        """First of the 32 columns of each of `QUANTITIES` by batch, -1 where it is not kept."""
        return tuple(
            next((k for k, column in enumerate(self.point) if column == ("batch_mean", f"{name}|0")), -1)
            for name in QUANTITIES
        )


@functools.cache
def layout(extras: frozenset[str] = frozenset(), slots: int = 1, batched: tuple[str, ...] = ()) -> Layout:
    """The layout of a run.

    Parameters
    ----------
    extras : recorded variables that are not recorded always.  slots : most theories in the mix of a point.
    batched : those of `QUANTITIES` that are kept by batch.
    """
    period: list[tuple[str, str]] = []
    point: list[tuple[str, str]] = []
    usual = [v for v in VARIABLES if v.when == "always" and v.name != "batch_mean"]
    for v in usual:
        target = point if v.kind == "total" else period
        target += [(v.name, label) for label in (_responses(0) if v.name == "response_count" else _labels(v.dims, 1))]
    period += [(v.number, "") for v in usual if v.number]
    for v in VARIABLES:
        if v.name in extras and v.when != "always":
            period += [(v.name, label) for label in _labels(v.dims, slots)]
            if v.number:
                period += [(v.number, label) for label in _labels(number_dims(v.number), slots)]
    point += [("response_count", label) for slot in range(1, slots) for label in _responses(slot)]
    point += [("batch_mean", f"{name}|{batch}") for name in batched for batch in range(BATCHES)]
    return Layout(tuple(period), tuple(point), slots)


#: Columns of a run that records nothing but what is recorded always, and nothing by batch.
PERIOD_COLUMNS = layout().period
POINT_COLUMNS = layout().point


def columns_of(name: str) -> tuple[bool, slice]:
    """`Layout.columns_of` of the usual columns."""
    return layout().columns_of(name)
