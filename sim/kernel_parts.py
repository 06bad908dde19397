"""What the kernels share: the parameters of a point, what is recorded, draws for all partners, tallies of a period."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import equations as eq
from sim import rng, rows
from sim import tally_rows as tally
from sim.jit import step

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


@step
def partner_words(low: Any, high: Any, period: Any, purpose: Any, point: Any, draws: Any) -> None:
    """One word for every partner and lane, word i mod 4 of call i div 4; rows of `draws` are padded to a multiple of 4."""
    for i in range(0, point.partners, FOUR):
        slot = rng.slot_of(purpose, i // FOUR)
        rows.words(low, high, period, slot, point.key_0, point.key_1, draws[i], draws[i + 1], draws[i + 2], draws[i + 3])


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
def tally_states(
    want: Any, n: Any, trust_up: Any, trust_down: Any, stakes_up: Any, stakes_down: Any, prior: Any, living: Any,
    active_number: Any, lanes: Any, scratch: Any, out: Any,
) -> None:  # fmt: skip
    """Tally context, survival and active partners at the end of a period."""
    if want[W_STAKES]:
        tally_context(stakes_up, stakes_down, n, True, scratch, lanes, out[tally.MEAN_STAKES])
    if want[W_TRUST]:
        tally_context(trust_up, trust_down, n, True, scratch, lanes, out[tally.MEAN_TRUST])
    if want[W_PRIOR]:
        tally_context(prior, prior, n, False, scratch, lanes, out[tally.MEAN_PRIOR])
    if want[W_SURVIVAL]:
        out[tally.SURVIVAL, tally.SUM] = living
        out[tally.SURVIVAL, tally.SQUARE] = living
    if want[W_ACTIVE]:
        tally.count(active_number, lanes, out[tally.ACTIVE_SHARE])
