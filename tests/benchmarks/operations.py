"""What the compiled loops of the kernel consist of: instructions for each partner-update, by kind. On x86-64 only.

    python tests/benchmarks/operations.py

Compiles the kernel into a temporary cache and counts the instructions of the vectorized part of each row loop that the
time goes to. See docs/performance.md for what they allow.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

KINDS = {
    "multiply integers": r"vpmul",
    "float arithmetic": r"v(add|sub|mul|div|min|max|rndscale|fn?m)\w*p[sd]",
    "of these, divide": r"vdivp",
    "choose and compare": r"v\w*(blend|cmp|ptestn?m)|k[a-z]+",
    "integer and bits": r"vp(add|sub|and|or|xor|tern|srl|sll|sra|min|max|rol|ror)\w*",
    "convert and permute": r"v(cvt|pmov[sz]|pmovqd|perm|pshuf|insert|extract|pbroadcast|broadcast|punpck|unpck|shuf)\w*",
    "load and store": r"v?mov\w*",
}


def loop_of(assembly: str) -> list[str]:
    """Mnemonics of the loop with the most vector instructions: from its label to the jump back to it."""
    pieces = re.split(r"^(\.LBB\w+):", assembly, flags=re.MULTILINE)
    found: list[str] = []
    for label, body in zip(pieces[1::2], pieces[2::2], strict=True):
        inside, jump, _ = body.partition(f"\t{label}\n")
        words = [line.split()[0] for line in inside.splitlines() if re.match(r"\t[a-z]", line)]
        if jump and sum(w.startswith("v") for w in words) > sum(w.startswith("v") for w in found):
            found = words
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NUMBA_CACHE_DIR"] = folder
        from benchmarks.workloads import base, core_rule, prepared
        from sim import answer_rows, rows
        from sim.blocks import run_segment

        for values in (base(2), core_rule(2, Path(folder))):
            run_segment(prepared(values)[1], 0, 512)
        loops = {
            "random words": (rows.words, 2),
            "response": (answer_rows.respond, 1),
            "response, static context": (answer_rows.respond_alike, 1),
            "context of a pair": (rows.update_context, 2),
        }
        counted = {}
        for name, (function, updates) in loops.items():
            (assembly,) = function.inspect_asm().values()
            counted[name] = Counter(loop_of(assembly)), updates
    # Each of the ten rounds of Philox multiplies two words of every lane, and an instruction multiplies half as many
    # lanes as fit: 40 of them in a loop over one vector of lanes.
    wide = 16 if "zmm" in assembly else 8 if "ymm" in assembly else 4
    print(f"{wide} lanes to a vector; instructions for each partner-update\n")
    print("| loop | all | " + " | ".join(KINDS) + " |")
    print("|---" * (len(KINDS) + 2) + "|")
    for name, (counts, updates) in counted.items():
        lanes = wide * sum(n for word, n in counts.items() if word == "vpmuludq") / 40
        each = [sum(n for word, n in counts.items() if re.fullmatch(rf"(?:{kind})\w*", word)) for kind in KINDS.values()]
        figures = " | ".join(f"{n / (lanes * updates):.2f}" for n in (sum(counts.values()), *each))
        print(f"| {name} | {figures} |")


if __name__ == "__main__":
    main()
