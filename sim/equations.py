"""Every formula of the model, once: small scalar functions in float32, compiled and callable as plain Python.

The kernel, the plain-Python reference and the exact Markov chain all evaluate these same functions. Section numbers
refer to ``docs/model.md``; L98 is Larsson, Bengtsson, Henriksson & Sparks (1998). All arguments are float32 scalars
unless a docstring says otherwise, and so are the results: every constant below is a float32, because numba would
otherwise promote to float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.jit import formula
from sim.strategies import ACCOMMODATION, AVOIDANCE, COLLABORATION, COMPETITION, COMPROMISE

ZERO = np.float32(0.0)
QUARTER = np.float32(0.25)
HALF = np.float32(0.5)
ONE = np.float32(1.0)
TWO = np.float32(2.0)

#: Tallied reals are integers in steps of 2^-20 (section 9).
FIXED_SCALE = np.float32(2.0**20)

# Codes as uint32, the type of a strategy in the kernel.
AV = np.uint32(AVOIDANCE)
AC = np.uint32(ACCOMMODATION)
CM = np.uint32(COMPROMISE)
CP = np.uint32(COMPETITION)
CL = np.uint32(COLLABORATION)


# --- section 1: strategies -------------------------------------------------------------------------------------------


@formula
def receptivity(strategy: Any, moderate: Any) -> Any:
    """rho(s): 0 avoidance and accommodation, `moderate` compromise, 1 competition and collaboration (L98, Fig. 1)."""
    return ONE if strategy >= CP else (moderate if strategy == CM else ZERO)


@formula
def transparency(strategy: Any, moderate: Any) -> Any:
    """chi(s): 0 avoidance and competition, `moderate` compromise, 1 accommodation, collaboration (L98, Fig. 1)."""
    return ONE if (strategy == AC) | (strategy == CL) else (moderate if strategy == CM else ZERO)


# --- section 2: outcomes of a period ---------------------------------------------------------------------------------


@formula
def transfer(disclosure_ji: Any, absorption_ij: Any) -> Any:
    """f_ij = min(X_ji, R_ij): knowledge that moves from j to i in a period (L98, Fig. 2: arrows)."""
    return disclosure_ji if disclosure_ji < absorption_ij else absorption_ij


@formula
def creation(creation_ability: Any, transfer_ij: Any, transfer_ji: Any) -> Any:
    """g_ij = gamma_ij (f_ij + f_ji): knowledge newly created by a pair (L98, Fig. 2: c and C)."""
    return creation_ability * (transfer_ij + transfer_ji)


@formula
def appropriated(creation_ij: Any, transfer_ij: Any) -> Any:
    """g_ij [f_ij > 0]: created knowledge goes to those who absorbed (L98, Fig. 2)."""
    return creation_ij if transfer_ij > ZERO else ZERO


@formula
def per_other(total: Any, others: Any) -> Any:
    """A partner's sum over counterparts / (N - 1), `others` = N - 1."""
    return total / others


@formula
def per_partner(total: Any, partners: Any) -> Any:
    """An alliance's mean over its founders: sum / N."""
    return total / partners


@formula
def most_learning(creation_ability: Any, mutuality: Any) -> Any:
    """1 + 2 creation mu: the largest learning of a partner in a period, both collaborating with full abilities."""
    return ONE + TWO * creation_ability * mutuality


@formula
def efficiency(learning: Any, most: Any) -> Any:
    """Mean learning of an alliance over the largest possible, `most_learning`: the integrative dimension."""
    return learning / most


@formula
def inequity(differences: Any, totals: Any) -> Any:
    """Sum over pairs of |l_ij - l_ji| over sum of (l_ij + l_ji): the distributive dimension; 0 without any learning."""
    return differences / totals if totals > ZERO else ZERO


# --- section 3: context ----------------------------------------------------------------------------------------------


@formula
def exploited(transfer_ij: Any, transfer_ji: Any) -> Any:
    """h_ij = max(0, f_ji - f_ij): how much more i gave than got."""
    excess = transfer_ji - transfer_ij
    return excess if excess > ZERO else ZERO


@formula
def withholding(receptivity_j: Any, disclosure_ji: Any, openness: Any) -> Any:
    """v_ij = max(0, o rho(s_j) - X_ji): j takes without giving; o: openness of the phase, else 1."""
    excess = openness * receptivity_j - disclosure_ji
    return excess if excess > ZERO else ZERO


@formula
def trust_growth(disclosure_ji: Any, openness: Any, gain: Any) -> Any:
    """What j's openness adds to tau_ij, as a share of the trust that is missing; `openness` of the phase, else 1."""
    return gain * disclosure_ji / openness


@formula
def trust_decay(exploited_ij: Any, withholding_ij: Any, loss: Any, suspicion: Any) -> Any:
    """Share of tau_ij that exploitation and withholding take, at most all of it."""
    decay = loss * exploited_ij + suspicion * withholding_ij
    return decay if decay < ONE else ONE


@formula
def moved_trust(trust: Any, growth: Any, decay: Any) -> Any:
    """tau_ij after a period: grows with j's openness, falls with exploitation and withholding."""
    return trust + (growth * (ONE - trust) - decay * trust)


@formula
def interaction(disclosure_ij: Any, disclosure_ji: Any) -> Any:
    """How much a pair interacts in a period: the mean of what the two disclose."""
    return (disclosure_ij + disclosure_ji) * HALF


@formula
def prior_decay(shared: Any, loss: Any) -> Any:
    """Share of pi_ij that a period without any interaction takes."""
    return loss if shared == ZERO else ZERO


@formula
def moved_prior(prior: Any, growth: Any, decay: Any) -> Any:
    """pi_ij after a period: grows by `growth` = gain x `interaction`, decays where there was none."""
    return prior + (growth * (ONE - prior) - decay * prior)


@formula
def stakes_target(start: Any, transfer_ij: Any, transfer_ji: Any) -> Any:
    """Where a period draws lambda_ij: lambda0 + (1 - lambda0) (f_ij + f_ji)/2; a larger joint pie raises stakes."""
    pie = (transfer_ij + transfer_ji) * HALF
    return start + (ONE - start) * pie


@formula
def moved_stakes(stakes: Any, target: Any, rate: Any) -> Any:
    """lambda_ij after a period: towards `stakes_target`."""
    return stakes + rate * (target - stakes)


@formula
def orientation_at(orientation: Any, period: Any, horizon: Any, window: Any) -> Any:
    """omega_t = omega clip((horizon - t)/window, 0, 1): the end-game; `horizon` infinite: omega."""
    remaining = (horizon - period) / window
    remaining = remaining if remaining > ZERO else ZERO
    return orientation * (remaining if remaining < ONE else ONE)


@formula
def at_stake(remaining_: Any, stakes: Any) -> Any:
    """q_ij lambda_ij: the learning stakes that are left."""
    return remaining_ * stakes


@formula
def effective_trust(trust: Any, stakes: Any, orientation: Any, calculative_share: Any) -> Any:
    """tau* = (1 - w) tau + w stakes omega_t: pure and calculative trust (L98, pp. 296-297)."""
    return (ONE - calculative_share) * trust + calculative_share * stakes * orientation


# --- section 4: response ---------------------------------------------------------------------------------------------


@formula
def seen_openness(strategy: Any) -> Any:
    """The strategy seen when openness is missed: competition for collaboration, compromise; avoidance for accommodation."""
    return CP if (strategy == CL) | (strategy == CM) else (AV if strategy == AC else strategy)


@formula
def total_weight(w_stakes: Any, w_trust: Any, w_orientation: Any, w_prior: Any) -> Any:
    """sum_k w_k over the four empowering factors; a weight of 0 leaves a factor out."""
    return w_stakes + w_trust + w_orientation + w_prior


@formula
def drive(
    stakes: Any, trust: Any, orientation: Any, prior: Any, w_stakes: Any, w_trust: Any, w_orientation: Any, w_prior: Any,
    total: Any,
) -> Any:  # fmt: skip
    """sum_k w_k d_k / sum_k w_k over the four empowering factors, `total` as `total_weight` gives it."""
    return (w_stakes * stakes + w_trust * trust + w_orientation * orientation + w_prior * prior) / total


@formula
def empowerment_score(
    drive_: Any,
    aware: Any,
    awareness_bonus: Any,
    threshold: Any,
    handicap: Any,
    power_: Any,
    temptation: Any,
    sensitivity: Any,
) -> Any:
    """z = sensitivity (drive + bonus aware - threshold - handicap - temptation max(0, P_ij)), `aware` 0 or 1."""
    advantage = power_ if power_ > ZERO else ZERO
    return sensitivity * (drive_ + awareness_bonus * aware - threshold - handicap - temptation * advantage)


LOGISTIC_END = np.float32(17.0)
LOGISTIC_STEPS = np.float32(2.0**18)
LOGISTIC_STEP = np.float32(2.0**-18)
LOG2_E = np.float32(1.4426950408889634)
# ln 2 in two parts: the first has 15 significant bits, so that k * LN2_HIGH is exact for the k <= 25 that occur.
LN2_HIGH = np.float32(0.693145751953125)
LN2_LOW = np.float32(1.42860677e-06)
ROUND_HALF = np.float32(0.5)
EXP_2 = np.float32(1 / 2)
EXP_3 = np.float32(1 / 6)
EXP_4 = np.float32(1 / 24)
EXP_5 = np.float32(1 / 120)
EXP_6 = np.float32(1 / 720)
BIAS = np.int32(127)
MANTISSA_BITS = np.int32(23)


@formula
def logistic(z: Any) -> Any:
    """1 / (1 + exp(-z)): absolute error below 1e-6, monotone, exactly 0 for z <= -17 and 1 for z >= 17.

    z is first rounded to steps of 2^-18. One step moves the result by at least 16 times the rounding error of the
    formula after it, and the upper half is one minus the lower, so the function is monotone whatever the rounding.
    exp(-x) = 2^-k exp(-r) with k = round(x / ln 2), |r| <= ln(2)/2, a Taylor polynomial (error below 2^-26) and
    an exponent put together from its bits.
    """
    magnitude = z if z > ZERO else -z
    x = magnitude if magnitude < LOGISTIC_END else LOGISTIC_END
    x = np.float32(np.rint(x * LOGISTIC_STEPS)) * LOGISTIC_STEP
    k = np.int32(x * LOG2_E + ROUND_HALF)
    whole = np.float32(k)
    r = -((x - whole * LN2_HIGH) - whole * LN2_LOW)
    poly = ONE + r * (ONE + r * (EXP_2 + r * (EXP_3 + r * (EXP_4 + r * (EXP_5 + r * EXP_6)))))
    power = np.int32((BIAS - k) << MANTISSA_BITS).view(np.float32)
    tail = poly * power
    lower = tail / (ONE + tail)
    lower = ZERO if magnitude >= LOGISTIC_END else lower
    return ONE - lower if z > ZERO else lower


@formula
def keep_threshold(tremble: Any, keep: Any) -> Any:
    """First draw below this (and not below tremble): the old strategy is kept; `keep` = (1 - reconsideration)^pace."""
    return tremble + (ONE - tremble) * keep


@formula
def barrier_threshold(empowered: Any, strength: Any) -> Any:
    """Second draw below this (and not below `empowered` = E): the barrier's target."""
    return empowered + (ONE - empowered) * strength


@formula
def satiety(satiation: Any, remaining_: Any) -> Any:
    """Probability that a partner has had enough: satiation (1 - mean_j q_ij) (L98, p. 292: competitors leave "after")."""
    return satiation * (ONE - remaining_)


@formula
def mean_of(total: Any, number: Any) -> Any:
    """Mean of a sum over `number` counterparts."""
    return total / number


# --- section 3: start values -----------------------------------------------------------------------------------------


@formula
def between(low: Any, high: Any, fraction: Any) -> Any:
    """low + fraction (high - low): the quantile function of the uniform, and a step within a table of quantiles."""
    return low + fraction * (high - low)


@formula
def mean_of_two(a: Any, b: Any) -> Any:
    """(a + b)/2: mean trust of a pair; prior interaction of a pair from its partners' draws."""
    return (a + b) * HALF


@formula
def fixed_point(x: Any) -> Any:
    """rint(x 2^20) as int32: the form in which a real value of an alliance is tallied (section 9)."""
    return np.int32(np.rint(x * FIXED_SCALE))
