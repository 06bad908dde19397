"""Where the time of a period goes: every row loop of the base model's kernels, alone, times how often a period calls it.

    python tests/benchmarks/account.py [--cpu 1]

A loop alone works on rows that lie in the first-level cache; what the whole kernel takes beyond the sum of its loops is
calls, rows that come from the second-level cache, formation and totals. The roof is what Philox takes alone, and the
instructions the compiled loop needs for it (x86-64).
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numba
import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from benchmarks.workloads import FEW, core_rule, living, prepared  # noqa: E402
from sim import answer_rows, class_rows, pair_tally, rows  # noqa: E402
from sim import tally_rows as tally  # noqa: E402
from sim.blocks import run_segment  # noqa: E402
from sim.lookup import IDLE, SLOTS, look_up  # noqa: E402
from sim.rows import LANES  # noqa: E402

u, f = np.uint32, np.float32
#: What the calls below name.
NAMES = {
    "answer_rows": answer_rows, "class_rows": class_rows, "pair_tally": pair_tally, "rows": rows, "tally": tally,
    "look_up": look_up, "IDLE": IDLE, "LANES": LANES, "u": u, "f": f,
}  # fmt: skip
CALLS, ROUNDS, PERIODS = 4000, 7, 100
#: Loop -> how it is called; `U`, `F`, `I`: rows of 32-bit numbers, `T`: tables, `C`: response codes, `H`: histograms.
LOOPS = {
    "random words (Philox)": "rows.words(P, u(0), u(t), u(3), u(5), u(7), U[0], U[1], U[2], U[3])",
    "cell of a pair": "rows.pair_cell(U[4], U[5], U[6])",
    "cell, living": "rows.living_cell(U[4], U[5], U[7], IDLE, U[6])",
    "look up learning (2 tables)": "look_up(T[:2], U[6], V)",
    "look up response, static (3)": "look_up(T[:3], U[6], V)",
    "look up context (8)": "look_up(T[:8], U[6], V)",
    "look up response (9)": "look_up(T, U[6], V)",
    "learning to date": "rows.book_pair(V, I[0], I[1])",
    "context": "rows.move_context(F[:8], G[0], G[1], G[2], G[3], G[4])",
    "chance of empowerment": "answer_rows.empower_plainly(F, G[0], G[1], G[2], f(0.5), f(12), G[4])",
    "response": "answer_rows.settle(U[4], U[6], U[7], U[0], U[1], V, F, G[0], f(0.002), f(1), U[2], U[3])",
    "histogram of pairs": "pair_tally.count_pairs(C, U[6], LANES, H)",
    "histogram of responses": "tally.responses(C, LANES, R)",
    "draw counterpart": "rows.draw_other(U[0], u(4), U[1])",
    "meet, with context": "rows.meet_at(U[0], u(1), U[1], G[0], G[1], G[2], U[2], G[3], G[4], G[5])",
    "meet, static": "answer_rows.meet_packed(U[0], u(1), u(5), U[1], U[2], U[3], U[4], U[5])",
    "pack strategies": "answer_rows.pack_strategy(U[4], u(8), U[3])",
    "count strategies": "rows.pack_count(U[4], U[3])",
    "outcomes by strategy": "class_rows.receive(U[3], F, f(4), G)",
    "book outcomes": "class_rows.book(U[4], F, G[0], G[1], G[2], I[0])",
    "inequity": "class_rows.compare(U[3], F, G[0], G[1])",
    "dissolution": "rows.close_pair(U[4], U[5], u(t), U[7], U[0])",
    "tally of a mean": "tally.mean_of_pair(G[0], G[1], LANES, O[0])",
    "tally of a real": "tally.real(G[0], LANES, O[0])",
    "tally of strategies": "tally.strategies(U[3], LANES, O)",
    "tally of regimes": "tally.regimes(U[3], LANES, 5, O)",
    "sum over pairs": "rows.add_row(G[0], G[1])",
}
PAIR = {"random words (Philox)": 1, "cell of a pair": 2, "response": 2, "histogram of pairs": 1, "dissolution": 1}
GROUP = {"random words (Philox)": 5, "cell of a pair": 5, "response": 5, "count strategies": 5, "dissolution": 1}
BOOKS = {"outcomes by strategy": 1, "book outcomes": 5}
#: Kernel -> times that a period calls each loop.
KERNELS: dict[str, dict[str, float]] = {
    "core rule, N = 2": {**PAIR, "look up response, static (3)": 2},
    "base model, N = 2": {
        **PAIR, "look up learning (2 tables)": 1, "learning to date": 1, "look up context (8)": 1, "context": 1,
        "look up response (9)": 2, "chance of empowerment": 2, "tally of a mean": 2, "tally of a real": 1,
    },
    "core rule, N = 5": {
        **GROUP, **BOOKS, "pack strategies": 5, "meet, static": 5, "look up response, static (3)": 5,
        "tally of strategies": 1, "tally of a real": 1,
    },
    "base model, N = 5": {
        **GROUP, **BOOKS, "inequity": 1, "cell, living": 10, "look up context (8)": 10, "context": 10,
        "draw counterpart": 5, "meet, with context": 20, "look up response (9)": 5, "chance of empowerment": 5,
        "histogram of responses": 5, "tally of strategies": 1, "tally of regimes": 1, "tally of a real": 8,
        "sum over pairs": 50,
    },
}  # fmt: skip


def alone(call: str) -> float:
    """Nanoseconds a lane of one row loop."""
    names: dict[str, Any] = dict(NAMES)
    exec(f"def many(n, P, U, V, F, G, I, T, C, H, R, O):\n    for t in range(n):\n        {call}\n", names)
    many = numba.njit(names["many"])
    strategies = np.random.default_rng(0).integers(1, 5, (2, LANES)).astype(u)
    integers = np.zeros((8, LANES), u)
    integers[4:6], integers[6], integers[7] = strategies, strategies[0] * 5 + strategies[1], 1
    arguments: list[Any] = [
        np.arange(LANES, dtype=np.uint64), integers, np.zeros((9, LANES), u), np.ones((9, LANES), f),
        np.full((6, LANES), 0.5, f), np.zeros((2, LANES), np.int32), np.zeros((9, SLOTS), u),
        integers[6] + 32 * (integers[4] % 4), np.zeros((4, 512), u), np.zeros((4, 128), np.int64),
        np.zeros((40, 2), np.int64),
    ]  # fmt: skip
    many(1, *arguments)
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        many(CALLS, *arguments)
        taken.append(time.perf_counter() - started)
    return min(taken) / CALLS / LANES * 1e9


def whole(values: dict[str, Any]) -> float:
    """Nanoseconds that a living alliance takes for a period in the whole kernel."""
    _, arguments = prepared(values)
    count = 32 * LANES
    run_segment(arguments, 0, count)
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        run_segment(arguments, 0, count)
        taken.append(time.perf_counter() - started)
    return min(taken) / count / PERIODS * 1e9


def instructions() -> str:
    """What the compiled loop over random words consists of, for sixteen lanes."""
    words = numba.njit(no_cpython_wrapper=False)(rows.words.py_func)
    integers, product = np.zeros((4, LANES), u), np.zeros(LANES, np.uint64)
    words(product, u(0), u(0), u(0), u(0), u(0), *integers)
    (text,) = words.inspect_asm().values()
    found: list[str] = []
    for piece in re.split(r"^\.LBB\w+:", text, flags=re.MULTILINE):
        names = [line.split()[0] for line in piece.splitlines() if re.match(r"\t[a-z]", line)]
        found = max(found, names, key=lambda n: sum(x.startswith("vpmul") for x in n))
    lanes = {"z": 16, "y": 8}.get(max("zyx", key=lambda width: text.count(f"{width}mm")), 4)
    counted = Counter(found)
    each = ", ".join(f"{number} {name}" for name, number in counted.most_common(3))
    return f"The loop over random words: {len(found)} instructions for {lanes} lanes or a multiple ({each})."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu", type=int, default=max(os.sched_getaffinity(0)), help="core to run on")
    os.sched_setaffinity(0, {parser.parse_args().cpu})
    times = {name: alone(call) for name, call in LOOPS.items()}
    with TemporaryDirectory() as folder:
        everybody = {"response__reconsideration": 0.0, "response__tremble": 0.0}
        works = {
            f"{rule}, N = {n}": whole(values | everybody) if rule == "core rule" else whole(values)
            for n in (2, 5)
            for rule, values in (("core rule", core_rule(n, Path(folder))), ("base model", living(n)))
        }
    print("| loop | ns a lane | " + " | ".join(KERNELS) + " |")
    print("|---" * (len(KERNELS) + 2) + "|")
    for name, each in times.items():
        cells = [f"{each * k[name]:.2f}" if name in k else "" for k in KERNELS.values()]
        print(f"| {name} | {each:.3f} | {' | '.join(cells)} |")
    sums = {name: sum(times[loop] * number for loop, number in k.items()) for name, k in KERNELS.items()}
    print("| sum | | " + " | ".join(f"{x:.1f}" for x in sums.values()) + " |")
    print("| whole kernel | | " + " | ".join(f"{works[name]:.1f}" for name in KERNELS) + " |")
    print(f"\n{instructions()}")
    print(f"Recorded in the core rule: {', '.join(FEW[:2])}; in the base model: all.")


if __name__ == "__main__":
    main()
