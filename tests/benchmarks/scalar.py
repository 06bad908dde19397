"""The base model as one usually writes it in numba: one alliance at a time, tables by index. For comparison only.

Same equations and draws as the kernel, constant start values, no exits or misperception; records strategy counts,
learning and trust by period.
"""

from __future__ import annotations

import numba
import numpy as np

from sim import equations as eq
from sim import rng

ONE = np.uint32(1)


@numba.njit(nogil=True, error_model="numpy", cache=True)
def simulate(point, first, count, mix, barrier, empowered, group, weights, thresholds, handicap, keeps, out):
    """Add strategy counts (5), learning and trust of `count` alliances to ``out[periods + 1, 7]``."""
    n = point.partners
    s, chosen = np.zeros(n, np.uint32), np.zeros(n, np.uint32)
    trust, stakes, prior = np.zeros((n, n), np.float32), np.zeros((n, n), np.float32), np.zeros((n, n), np.float32)
    m, gamma = point.moderate, point.creation
    for alliance in range(first, first + count):
        low, high = np.uint32(alliance & 0xFFFFFFFF), np.uint32(alliance >> 32)
        for i in range(n):
            w = rng.philox(low, high, np.uint32(0), rng.slot_of(rng.INITIAL_STRATEGY, i // 4), point.key_0, point.key_1)
            u = rng.uniform(w[0] if i % 4 == 0 else (w[1] if i % 4 == 1 else (w[2] if i % 4 == 2 else w[3])))
            s[i] = np.uint32(0)
            for k in range(4):
                if u >= mix[i, k]:
                    s[i] = np.uint32(k + 1)
            for j in range(n):
                trust[i, j], stakes[i, j], prior[i, j] = point.trust, point.stakes, point.prior
        alive = s.max() > 0
        for t in range(point.periods + 1):
            if t > 0 and alive:
                learning = np.float32(0)
                for i in range(n):
                    for j in range(n):
                        if i != j:
                            f = eq.transfer(eq.transparency(s[j], m), eq.receptivity(s[i], m))
                            back = eq.transfer(eq.transparency(s[i], m), eq.receptivity(s[j], m))
                            learning += f + eq.appropriated(eq.creation(gamma, f, back), f)
                out[t, 5] += learning / (n * (n - 1))
                for i in range(n):
                    for j in range(n):
                        if i == j:
                            continue
                        offered, takes = eq.transparency(s[j], m), eq.receptivity(s[j], m)
                        shown, absorbs = eq.transparency(s[i], m), eq.receptivity(s[i], m)
                        f, back = eq.transfer(offered, absorbs), eq.transfer(shown, takes)
                        h, v = eq.exploited(f, back), eq.withholding(takes, offered, eq.ONE)
                        growth = eq.trust_growth(offered, eq.ONE, point.trust_gain)
                        trust[i, j] = eq.moved_trust(
                            trust[i, j], growth, eq.trust_decay(h, v, point.trust_loss, point.suspicion)
                        )
                        shared = eq.interaction(shown, offered)
                        prior[i, j] = eq.moved_prior(
                            prior[i, j], point.prior_gain * shared, eq.prior_decay(shared, point.prior_loss)
                        )
                        target = eq.stakes_target(point.stakes, f, back)
                        stakes[i, j] = eq.moved_stakes(stakes[i, j], target, point.stakes_rate)
                for i in range(n):
                    j = 1 - i
                    if n > 2:
                        c = rng.philox(
                            low, high, np.uint32(t), rng.slot_of(rng.COUNTERPART, i // 4), point.key_0, point.key_1
                        )
                        word = c[0] if i % 4 == 0 else (c[1] if i % 4 == 1 else (c[2] if i % 4 == 2 else c[3]))
                        j = (i + 1 + np.int64(rng.one_of(word, np.uint32(n - 1)))) % n
                    w = rng.philox(low, high, np.uint32(t), rng.slot_of(rng.RESPONSE, i // 2), point.key_0, point.key_1)
                    first_word, second_word = (w[0], w[1]) if i % 2 == 0 else (w[2], w[3])
                    u1, u2 = rng.uniform(first_word), rng.uniform(second_word)
                    cell = np.int64(s[i]) * 5 + np.int64(s[j])
                    chosen[i] = s[i]
                    if u1 < point.tremble:
                        chosen[i] = rng.one_of(second_word, np.uint32(5))
                    elif u1 >= keeps[cell]:
                        chance = eq.ZERO
                        if empowered[cell] >= 0:
                            g = group[cell]
                            w_stakes, w_trust, w_orientation, w_prior = (
                                weights[g, 0],
                                weights[g, 1],
                                weights[g, 2],
                                weights[g, 3],
                            )
                            total = eq.total_weight(w_stakes, w_trust, w_orientation, w_prior)
                            drive = eq.drive(
                                stakes[i, j], trust[i, j], point.orientation, prior[i, j], w_stakes, w_trust,
                                w_orientation, w_prior, total,
                            )  # fmt: skip
                            chance = eq.logistic(
                                eq.empowerment_score(
                                    drive,
                                    eq.ZERO,
                                    point.awareness_bonus,
                                    thresholds[g],
                                    handicap[cell],
                                    eq.ZERO,
                                    eq.ZERO,
                                    point.sensitivity,
                                )
                            )
                        if u2 < chance:
                            chosen[i] = np.uint32(empowered[cell])
                        elif u2 < eq.barrier_threshold(chance, point.barrier_strength):
                            chosen[i] = np.uint32(barrier[cell])
                for i in range(n):
                    s[i] = chosen[i]
                alive = s.max() > 0
            mean_trust = np.float32(0)
            for i in range(n):
                out[t, s[i]] += 1
                for j in range(n):
                    if i != j:
                        mean_trust += trust[i, j]
            out[t, 6] += mean_trust / (n * (n - 1))
