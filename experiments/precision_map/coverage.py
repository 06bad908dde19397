"""How often intervals hold the truth when a run stops at a target: shares drawn from the binomial law, looks of the program.

Prints the table in docs/designs.md; takes about ten seconds.
"""

from __future__ import annotations

import numpy as np

from sim.precision import RULE_OF_THREE, looks

REPETITIONS = 20_000
MOST = 10**6
#: Share, target, and whether it is a share of the mean.
CASES = (
    (0.5, 0.005, False), (0.1, 0.005, False), (0.05, 0.005, False), (0.035, 0.005, False), (0.03, 0.005, False),
    (0.03, 0.1, True), (0.01, 0.1, True), (0.001, 0.1, True),
)  # fmt: skip


def held(mean: np.ndarray, size: np.ndarray, share: float) -> float:
    """How often an interval of 1.96 standard errors holds the share."""
    error = np.sqrt(mean * (1 - mean) / (size - 1))
    return float((np.abs(mean - share) < 1.959964 * error).mean())


def stopped(share: float, target: float, relative: bool, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Means and sizes at which repeated runs end."""
    count, size = np.zeros(REPETITIONS), np.zeros(REPETITIONS)
    before = 0
    for look in looks(MOST):
        going = size == 0
        if not going.any():
            break
        count[going] += rng.binomial(look - before, share, going.sum())
        mean = count / look
        error = np.maximum(np.sqrt(mean * (1 - mean) / (look - 1)), np.sqrt(RULE_OF_THREE) / look)
        wanted = target * np.maximum(mean, 1e-6) if relative else target
        size[going & ((error < wanted) | (look == MOST))] = look
        before = look
    return count / size, size


def main() -> None:
    """Print the table."""
    rng = np.random.default_rng(1)
    print("| share | target | alliances | intervals hold | with a fixed number of alliances | bias of the mean |")
    print("|---|---|---|---|---|---|")
    for share, target, relative in CASES:
        mean, size = stopped(share, target, relative, rng)
        fixed = round(size.mean())
        alone = held(rng.binomial(fixed, share, REPETITIONS) / fixed, np.full(REPETITIONS, fixed), share)
        what = f"{target:.0%} of the mean" if relative else f"{target:g}"
        figures = f"{fixed:,} | {held(mean, size, share):.1%} | {alone:.1%} | {mean.mean() / share - 1:+.1%}"
        print(f"| {share:g} | {what} | {figures} |")


if __name__ == "__main__":
    main()
