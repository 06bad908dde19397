"""Row loops of what a pair exchanges with every mechanism on: abilities, race to learn, context (model sections 2, 3, 5).

As in `sim.rows`: one step over `LANES` alliances, and the rows of one call never overlap. "Up" is what the lower-numbered
partner of a pair holds towards the other, "down" the reverse.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim import abilities as ab
from sim import equations as eq
from sim.jit import row_loop
from sim.rows import LANES, ONE, ZERO


@row_loop
def orientation_row(start: Any, period: Any, horizon: Any, window: Any, out: Any) -> None:
    """omega_t of each alliance."""
    for lane in range(LANES):
        out[lane] = eq.orientation_at(start[lane], period, horizon, window)


@row_loop
def spare_row(active_number: Any, slack: Any, out: Any) -> None:
    """Share of full receptivity left for each active counterpart."""
    for lane in range(LANES):
        others = np.uint32(active_number[lane] - ONE) if active_number[lane] > ONE else ONE
        out[lane] = ab.spare(slack, np.float32(others))


@row_loop
def exchange_pair(
    own: Any, other: Any, absorptive_up: Any, absorptive_down: Any, communicative_up: Any, communicative_down: Any,
    prior: Any, trust_up: Any, trust_down: Any, remaining_up: Any, remaining_down: Any, power_up: Any, power_down: Any,
    spare: Any, openness: Any, mutuality: Any, moderate: Any, creation: Any, closeness: Any, novelty: Any,
    trust_cost: Any, trust_optimum: Any, forced_disclosure: Any,
    offer_up: Any, offer_down: Any, transfer_up: Any, transfer_down: Any, created: Any,
) -> None:  # fmt: skip
    """Disclosure X, transfer f and creation g of a pair, from the values at the end of the period before."""
    for lane in range(LANES):
        s, o, p = own[lane], other[lane], prior[lane]
        spare_, open_ = spare[lane], openness[lane]
        ability_up, ability_down = communicative_up[lane], communicative_down[lane]
        can_up, can_down = ab.with_memory(ability_up, p), ab.with_memory(ability_down, p)
        power_up_, power_down_ = power_up[lane], power_down[lane]
        x_up = ab.disclosure(eq.transparency(s, moderate), can_up, open_)
        x_down = ab.disclosure(eq.transparency(o, moderate), can_down, open_)
        forced_up = ab.forced(x_up, power_down_, can_up, open_, forced_disclosure)
        forced_down = ab.forced(x_down, power_up_, can_down, open_, forced_disclosure)
        x_up = forced_up if s != ZERO else x_up
        x_down = forced_down if o != ZERO else x_down
        r_up = eq.receptivity(s, moderate) * ab.absorptive_capacity(absorptive_up[lane], p, closeness, spare_)
        r_down = eq.receptivity(o, moderate) * ab.absorptive_capacity(absorptive_down[lane], p, closeness, spare_)
        f_up = ab.unlearnt_part(eq.transfer(x_down, r_up), remaining_up[lane])
        f_down = ab.unlearnt_part(eq.transfer(x_up, r_down), remaining_down[lane])
        gamma = ab.creation_capacity(
            creation, mutuality[lane], novelty, eq.mean_of_two(trust_up[lane], trust_down[lane]), trust_cost, trust_optimum
        )
        offer_up[lane] = x_up
        offer_down[lane] = x_down
        transfer_up[lane] = f_up
        transfer_down[lane] = f_down
        created[lane] = eq.creation(gamma, f_up, f_down)


@row_loop
def collect(transfer: Any, created: Any, transfers: Any, creations: Any) -> None:
    """Add what a partner received from, and created with, one counterpart."""
    for lane in range(LANES):
        transfers[lane] += transfer[lane]
        creations[lane] += eq.appropriated(created[lane], transfer[lane])


@row_loop
def book_learner(
    transfers: Any, creations: Any, others: Any, transfer_sum: Any, creation_sum: Any, learning_sum: Any, booked: Any,
    learned: Any,
) -> None:  # fmt: skip
    """Close a partner's period, as `sim.rows.book_partner`; keeps its learning."""
    for lane in range(LANES):
        transfer = eq.per_other(transfers[lane], others)
        created = eq.per_other(creations[lane], others)
        learning = transfer + created
        transfer_sum[lane] += transfer
        creation_sum[lane] += created
        learning_sum[lane] += learning
        booked[lane] += eq.fixed_point(learning)
        learned[lane] = learning
        transfers[lane] = eq.ZERO
        creations[lane] = eq.ZERO


@row_loop
def compare(transfer_up: Any, transfer_down: Any, created: Any, differences: Any, totals: Any) -> None:
    """Add a pair's learning difference and total, the parts of inequity."""
    for lane in range(LANES):
        mine = transfer_up[lane] + eq.appropriated(created[lane], transfer_up[lane])
        theirs = transfer_down[lane] + eq.appropriated(created[lane], transfer_down[lane])
        differences[lane] += mine - theirs if mine > theirs else theirs - mine
        totals[lane] += mine + theirs


@row_loop
def race(
    transfer_up: Any, transfer_down: Any, created: Any, scope: Any, renewal: Any, power_scale: Any,
    learned_up: Any, learned_down: Any, remaining_up: Any, remaining_down: Any, power_up: Any, power_down: Any,
) -> None:  # fmt: skip
    """Cumulative learning of a pair, what is left to learn, and power from it."""
    for lane in range(LANES):
        f_up, f_down, g = transfer_up[lane], transfer_down[lane], created[lane]
        up = learned_up[lane] + (f_up + eq.appropriated(g, f_up))
        down = learned_down[lane] + (f_down + eq.appropriated(g, f_down))
        learned_up[lane] = up
        learned_down[lane] = down
        remaining_up[lane] = ab.next_remaining(remaining_up[lane], f_up, g, scope, renewal)
        remaining_down[lane] = ab.next_remaining(remaining_down[lane], f_down, g, scope, renewal)
        power_up[lane] = ab.power(up, down, power_scale)
        power_down[lane] = ab.power(down, up, power_scale)


@row_loop
def move_context(
    own: Any, other: Any, own_active: Any, other_active: Any, moderate: Any, openness: Any,
    offer_up: Any, offer_down: Any, transfer_up: Any, transfer_down: Any, start_up: Any, start_down: Any,
    trust_gain: Any, trust_loss: Any, suspicion: Any, prior_gain: Any, prior_loss: Any, stakes_rate: Any,
    trust_up: Any, trust_down: Any, stakes_up: Any, stakes_down: Any, prior: Any,
) -> None:  # fmt: skip
    """Move a pair's trust, stakes and prior interaction by one period; frozen where a partner has left or dissolved."""
    for lane in range(LANES):
        x_up, x_down, f_up, f_down = offer_up[lane], offer_down[lane], transfer_up[lane], transfer_down[lane]
        open_ = openness[lane]
        absorbs, takes = eq.receptivity(own[lane], moderate), eq.receptivity(other[lane], moderate)
        live = (own_active[lane] & other_active[lane]) == ONE
        t, u, p, a, b = trust_up[lane], trust_down[lane], prior[lane], stakes_up[lane], stakes_down[lane]
        decay = eq.trust_decay(eq.exploited(f_up, f_down), eq.withholding(takes, x_down, open_), trust_loss, suspicion)
        t_next = eq.moved_trust(t, eq.trust_growth(x_down, open_, trust_gain), decay)
        decay = eq.trust_decay(eq.exploited(f_down, f_up), eq.withholding(absorbs, x_up, open_), trust_loss, suspicion)
        u_next = eq.moved_trust(u, eq.trust_growth(x_up, open_, trust_gain), decay)
        shared = eq.interaction(x_up, x_down)
        p_next = eq.moved_prior(p, prior_gain * shared, eq.prior_decay(shared, prior_loss))
        a_next = eq.moved_stakes(a, eq.stakes_target(start_up[lane], f_up, f_down), stakes_rate)
        b_next = eq.moved_stakes(b, eq.stakes_target(start_down[lane], f_down, f_up), stakes_rate)
        trust_up[lane] = t_next if live else t
        trust_down[lane] = u_next if live else u
        prior[lane] = p_next if live else p
        stakes_up[lane] = a_next if live else a
        stakes_down[lane] = b_next if live else b
