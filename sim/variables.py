"""Every dimension, coordinate and recorded variable, declared once as data (model section 8).

The kernel's tally columns, the store's template, the attributes of a dataset and the table in the docs all come from
here. A tally column holds two integers, the sum over alliances and the sum of squares; `PERIOD_COLUMNS` and
`POINT_COLUMNS` give their order.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.strategies import REGIMES, STRATEGIES

CAUSES = ("avoidance", "exit", "review")
BINS = 50
BIN_LEFT = tuple(k / BINS for k in range(BINS))
BIN_CENTRE = tuple((k + 0.5) / BINS for k in range(BINS))
BRANCHES = ("empowered", "barrier", "kept")

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
    scale : what one alliance's tallied value is divided by: ``fixed`` (2^20), ``partners`` (N), ``pairs`` (N (N-1)/2)
        or ``one``.
    kind : ``state`` (holds from period 0), ``outcome`` (of a period; NaN at period 0) or ``total`` (of a whole run).
    error : whether a standard error ``<name>_se`` goes with it.
    number : name of the variable that counts the contributing alliances, where these are not all.
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


_LEARNING = "knowledge per period"

VARIABLES: tuple[Variable, ...] = (
    Variable("strategy_share", ("period", "strategy"), "1", "share of partners by strategy",
             "Share of partners that hold each learning strategy at the end of the period.",
             "Larsson et al. 1998, Fig. 1", "partners", "state"),
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
)  # fmt: skip

BY_NAME: dict[str, Variable] = {v.name: v for v in VARIABLES}

#: Integer counts that go with variables whose contributing alliances are not all.
NUMBERS: dict[str, str] = {
    "efficiency_n": "alliances not dissolved at the start of the period",
    "inequity_n": "alliances with any learning in the period",
}

DIMS: dict[str, str] = {
    "point": "index of a combination of factor levels",
    "period": "period; 0 is the formation of the alliance",
    "strategy": "learning strategy",
    "regime": "regime of a pair of partners",
    "bin": "centre of a bin of relative cumulative learning",
    "cause": "cause of dissolution",
    "proposition": "proposition that decided a response",
}

COORDS: dict[str, tuple[object, ...]] = {
    "strategy": STRATEGIES,
    "regime": REGIMES,
    "cause": CAUSES,
    "bin": BIN_CENTRE,
}

#: Names a factor's label may not take.
RESERVED: frozenset[str] = frozenset(
    {*DIMS, *BY_NAME, *NUMBERS, *(f"{v.name}_se" for v in VARIABLES if v.error), "alliances", "done", "bin_left", "tally"}
)


def _columns(kind: str) -> tuple[tuple[str, str], ...]:
    """(variable, label) of each tally column, in order."""
    columns: list[tuple[str, str]] = []
    for v in VARIABLES:
        if (v.kind == "total") != (kind == "total"):
            continue
        extra = [d for d in v.dims if d != "period"]
        if v.name == "response_count":
            columns += [(v.name, f"{o}|{s}|{b}") for b in BRANCHES for o in STRATEGIES for s in STRATEGIES]
        elif extra:
            columns += [(v.name, str(label)) for label in COORDS[extra[0]]]
        else:
            columns.append((v.name, ""))
    if kind != "total":
        columns += [(name, "") for name in NUMBERS]
    return tuple(columns)


PERIOD_COLUMNS = _columns("period")
POINT_COLUMNS = _columns("total")


def columns_of(name: str) -> tuple[bool, slice]:
    """Whether a variable's tally columns are by period, and which they are.

    Raises
    ------
    KeyError : no such variable.
    """
    for by_period, columns in ((True, PERIOD_COLUMNS), (False, POINT_COLUMNS)):
        where = [k for k, (variable, _) in enumerate(columns) if variable == name]
        if where:
            return by_period, slice(where[0], where[-1] + 1)
    raise KeyError(name)
