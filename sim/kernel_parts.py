"""What the kernels share: the parameters of a point, what is recorded, draws for all partners, tallies of a period."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import answer_rows, cell_tables, rng, rows
from sim import equations as eq
from sim import tally_rows as tally
from sim.jit import step
from sim.variables import BATCHES

#: At most this many alliances in a call, so that sums of squares stay within 64 bits.
MAX_ALLIANCES = 2**16

#: The parameters of a point as the kernel takes them; floats are rounded to float32 once, by `sim.blocks`.
POINT = np.dtype(
    [
        ("key_0", "u4"), ("key_1", "u4"), ("partners", "i8"), ("periods", "i8"), ("dynamic", "i8"),
        ("stakes", "f4"), ("trust", "f4"), ("orientation", "f4"), ("prior", "f4"), ("calculative_share", "f4"),
        ("horizon", "f4"), ("window", "f4"), ("trust_gain", "f4"), ("trust_loss", "f4"), ("suspicion", "f4"),
        ("prior_gain", "f4"), ("prior_loss", "f4"), ("stakes_rate", "f4"), ("sensitivity", "f4"),
        ("barrier_strength", "f4"), ("tremble", "f4"), ("misperception", "f4"), ("aware", "f4"), ("awareness_bonus", "f4"),
        ("exit_rate", "f4"), ("moderate", "f4"), ("creation", "f4"), ("mutuality", "f4"), ("handicap", "f4"),
        # What only the form with every mechanism reads: `sim.full_kernel`.
        ("coupling", "i8"), ("racing", "i8"), ("phased", "i8"), ("review_every", "i8"),
        ("connections", "f4"), ("relatedness", "f4"), ("alignment", "f4"), ("closeness", "f4"), ("novelty", "f4"),
        ("slack", "f4"), ("trust_cost", "f4"), ("trust_optimum", "f4"), ("instrumentality", "f4"),
        ("scope", "f4"), ("renewal", "f4"), ("power_scale", "f4"), ("temptation", "f4"), ("forced_disclosure", "f4"),
        ("satiation", "f4"), ("advance", "f4"), ("fail", "f4"), ("break_rate", "f4"), ("readjustment", "f4"),
    ]
)  # fmt: skip

#: What can be left out of the recording, in the order of the kernel's `want`.
WANTED = (
    "strategy_share", "regime_share", "transfer", "creation", "learning", "efficiency", "inequity", "mean_stakes",
    "mean_trust", "mean_orientation", "mean_prior", "survival", "active_share", "cumulative_learning",
    "cumulative_learning_hist", "response_count",
)  # fmt: skip
(W_STRATEGY, W_REGIME, W_TRANSFER, W_CREATION, W_LEARNING, W_EFFICIENCY, W_INEQUITY, W_STAKES, W_TRUST, W_ORIENTATION,
 W_PRIOR, W_SURVIVAL, W_ACTIVE, W_CUMULATIVE, W_HISTOGRAM, W_RESPONSE) = range(len(WANTED))  # fmt: skip

FOUR = 4
WORDS = 2**32
#: Learning to date is kept in 32 bits for so many periods: at most 3 x 2^20 a period.
SHORT = 512
#: The same with abilities and phases, which take learning to at most 9 x 2^20 a period.
SHORTER = 128
#: Numbers that numba shall not take for literals, of which it compiles every one anew.
NO, YES, LESS = (np.int64(k) for k in (0, 1, -1))
#: Periods between two looks at whether living alliances fit into fewer chunks.
STRIDE = 8


@step
def lanes_of_chunk(first: Any, start: Any, count: Any) -> Any:
    """How many alliances the next chunk takes: a row of lanes, but their numbers agree in the high word."""
    low = np.int64((np.uint64(first) + np.uint64(start)) & rng.WORD_MASK)
    return min(rows.LANES, count - start, WORDS - low)


@step
def partner_words(product: Any, high: Any, period: Any, purpose: Any, point: Any, draws: Any) -> None:
    """One word for every partner and lane, word i mod 4 of call i div 4; rows of `draws` are padded to a multiple of 4."""
    for i in range(0, point.partners, FOUR):
        slot = rng.slot_of(purpose, i // FOUR)
        rows.words(product, high, period, slot, point.key_0, point.key_1, draws[i], draws[i + 1], draws[i + 2], draws[i + 3])


@step
def tally_context(up: Any, down: Any, partners: Any, both: Any, scratch: Any, lanes: Any, out: Any) -> None:
    """Tally an alliance's mean of a factor over its pairs; sums run over i < j in index order, i's value before j's."""
    if partners == 2:
        if both:
            tally.mean_of_pair(up[1], down[1], lanes, out)
        else:
            tally.real(up[1], lanes, out)
        return
    rows.fill(scratch, eq.ZERO)
    for i in range(partners):
        for j in range(i + 1, partners):
            rows.add_row(up[i * partners + j], scratch)
            if both:
                rows.add_row(down[i * partners + j], scratch)
    pairs = partners * (partners - 1) // 2
    rows.divide_row(scratch, np.float32(2 * pairs if both else pairs))
    tally.real(scratch, lanes, out)


@step
def take(first: Any, start: Any, count: Any, lanes: Any, living: Any) -> Any:
    """Fill a wave's chunks with the alliances from `start` on, as long as their numbers agree in the high word.

    Returns
    -------
    The first alliance that is left, and the number of chunks.
    """
    chunks = 0
    while chunks < lanes.size and start < count:
        if chunks > 0 and np.uint32(np.uint64(first) + np.uint64(start)) == rows.ZERO:
            break
        lanes[chunks] = lanes_of_chunk(first, start, count)
        living[chunks] = lanes[chunks]
        start += lanes[chunks]
        chunks += 1
    return start, chunks


@step
def form(
    point: Any, alliance: Any, high: Any, mix: Any, draws: Any, product: Any, alive: Any, ended: Any, strategy: Any,
    aware: Any, learned: Any, cumulated: Any, context: Any,
) -> None:  # fmt: skip
    """Formation of a chunk whose first alliance is given; `context`: float32[5, pairs, LANES]."""
    rows.number(np.uint32(alliance & rng.WORD_MASK), product)
    partner_words(product, high, rows.ZERO, rng.INITIAL_STRATEGY, point, draws)
    for i in range(point.partners):
        rows.draw_initial(draws[i], mix[i], strategy[i])
        rows.fill(aware[i], eq.ZERO)
        rows.fill(learned[i], 0)
        rows.fill(cumulated[i], 0)
    if point.aware > eq.ZERO:
        partner_words(product, high, rows.ZERO, rng.AWARENESS, point, draws)
        for i in range(point.partners):
            rows.draw_event(draws[i], point.aware, aware[i])
    for factor in range(5):
        value = point.trust if factor < 2 else (point.stakes if factor < 4 else point.prior)
        for p in range(context.shape[1]):
            rows.fill(context[factor, p], value)
    rows.fill(alive, rows.ONE)
    rows.fill(ended, np.uint32(point.periods))


@step
def fill_tables(point: Any, cells: Any, reals: Any, tables: Any) -> None:
    """Fill `sim.base_state.Tables` for a point and its theory."""
    cell_tables.fill_outcomes(point.moderate, point.creation, tables.outcomes)
    cell_tables.fill_learned(tables.outcomes, eq.ONE, tables.learned)
    cell_tables.fill_moves(point, tables.moves)
    answer_rows.fill_answers(cells, reals, tables.answer_bits, tables.answers)


@step
def tally_orientation(point: Any, want: Any, recorded: Any, count: Any, by_period: Any) -> None:
    """Tally long-term orientation where it is the same in all alliances."""
    for t in range(recorded.size):
        if want[W_ORIENTATION] and recorded[t] >= 0:
            k = np.int64(eq.fixed_point(eq.orientation_at(point.orientation, np.float32(t), point.horizon, point.window)))
            by_period[recorded[t], tally.MEAN_ORIENTATION, tally.SUM] += count * k
            by_period[recorded[t], tally.MEAN_ORIENTATION, tally.SQUARE] += count * k * k


@step
def tally_last(batches: Any, product: Any, learning_mean: Any, lanes: Any, by_point: Any) -> None:
    """Tally by batch what the last period brought."""
    first = batches[tally.B_LEARNING]
    if first >= 0:
        tally.batch_real(product, learning_mean, lanes, by_point[first : first + BATCHES])


@step
def tally_outcomes(
    want: Any, transfer_mean: Any, creation_mean: Any, learning_mean: Any, most: Any, living: Any, lanes: Any, scratch: Any,
    out: Any,
) -> None:  # fmt: skip
    """Tally what a period brought; `out` is the period's row."""
    if want[W_TRANSFER]:
        tally.real(transfer_mean, lanes, out[tally.TRANSFER])
    if want[W_CREATION]:
        tally.real(creation_mean, lanes, out[tally.CREATION])
    if want[W_LEARNING]:
        tally.real(learning_mean, lanes, out[tally.LEARNING])
    if want[W_EFFICIENCY]:
        tally.efficiency_row(learning_mean, most, scratch)
        tally.real(scratch, lanes, out[tally.EFFICIENCY])
        out[tally.EFFICIENCY_N, tally.SUM] += living


@step
def tally_living(want: Any, living: Any, active_number: Any, lanes: Any, out: Any) -> None:
    """Add survival and active partners at the end of a period."""
    if want[W_SURVIVAL]:
        out[tally.SURVIVAL, tally.SUM] += living
        out[tally.SURVIVAL, tally.SQUARE] += living
    if want[W_ACTIVE]:
        tally.count(active_number, lanes, out[tally.ACTIVE_SHARE])


@step
def tally_bound(want: Any, n: Any, living: Any, out: Any) -> None:
    """`tally_living` where all partners are active in whatever lives."""
    if want[W_SURVIVAL]:
        out[tally.SURVIVAL, tally.SUM] += living
        out[tally.SURVIVAL, tally.SQUARE] += living
    if want[W_ACTIVE]:
        out[tally.ACTIVE_SHARE, tally.SUM] += n * living
        out[tally.ACTIVE_SHARE, tally.SQUARE] += n * n * living


@step
def tally_means(
    want: Any, n: Any, trust_up: Any, trust_down: Any, stakes_up: Any, stakes_down: Any, prior: Any, lanes: Any,
    scratch: Any, out: Any,
) -> None:  # fmt: skip
    """Tally context at the end of a period."""
    if want[W_STAKES]:
        tally_context(stakes_up, stakes_down, n, True, scratch, lanes, out[tally.MEAN_STAKES])
    if want[W_TRUST]:
        tally_context(trust_up, trust_down, n, True, scratch, lanes, out[tally.MEAN_TRUST])
    if want[W_PRIOR]:
        tally_context(prior, prior, n, False, scratch, lanes, out[tally.MEAN_PRIOR])
