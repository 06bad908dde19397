"""One way down, no way back: a module imports only from the layers below it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SIM = Path(__file__).parent.parent / "sim"

#: Bottom to top; modules of a row may import each other only to the left.
LAYERS = [
    ["strategies", "jit"],
    ["variables", "rng", "equations", "abilities", "review"],
    ["aliases", "fields", "parameters", "shards", "schema", "theory", "theory_tables", "helptext"],
    ["rows", "lookup", "cell_tables", "answer_rows", "class_rows"],
    ["start_rows", "pair_rows", "coupling_rows", "response_rows", "tally_rows", "phase_rows"],
    ["factors", "sampling", "table", "overlay", "design", "tallies", "moments", "recording", "provenance"],
    [
        "kernel_parts",
        "pair_tally",
        "waves",
        "base_state",
        "kernel",
        "pair_kernel",
        "full_rows",
        "full_state",
        "full_steps",
        "full_tallies",
        "full_kernel",
    ],
    ["arguments", "templates", "blocks", "labels", "chunks", "tally_columns"],
    ["warmup"],
    [
        "exact_law",
        "exact_chain",
        "exact_sums",
        "exact_space",
        "exact_batch",
        "exact_values",
        "exact_pairs",
        "exact_pair_values",
        "exact",
    ],
    [
        "long_run",
        "agreement",
        "plan",
        "precision",
        "solving",
        "supply",
        "soundness",
        "store",
        "creation",
        "opening",
        "whole",
        "integrity",
    ],
    [
        "place",
        "extension",
        "sameness",
        "jobs",
        "clusters",
        "executor",
        "progress",
        "stored",
        "traces",
        "retrace",
        "narrative",
    ],
    ["collect", "survey", "outlook", "experiment", "memory"],
    ["sources", "resolvers", "hydra_errors", "config"],
    ["api", "info", "replay", "run", "gather", "parts", "merge", "verify"],
    ["__init__"],
]
ORDER = [name for layer in LAYERS for name in layer]


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "sim":
                found |= {alias.name for alias in node.names if (SIM / f"{alias.name}.py").exists()}
            elif node.module.startswith("sim."):
                found.add(node.module.split(".")[1])
            elif node.module.split(".")[0] in ("analysis", "hydra", "omegaconf"):
                found.add(node.module.split(".")[0])
        if isinstance(node, ast.Import):
            for alias in node.names:
                root, *rest = alias.name.split(".")
                if root == "sim" and rest:
                    found.add(rest[0])
                if root in ("analysis", "hydra", "omegaconf"):
                    found.add(root)
    return found


@pytest.mark.parametrize("path", sorted(SIM.glob("*.py")), ids=lambda p: p.stem)
def test_layering__a_module_imports_only_from_below(path):
    assert path.stem in ORDER, f"{path.stem} has no layer"
    below = set(ORDER[: ORDER.index(path.stem)])
    ours = {name for name in imports_of(path) if name not in ("analysis", "hydra", "omegaconf")}
    assert ours <= below, f"{path.stem} imports {sorted(ours - below)}"


def test_layering__only_what_composes_a_config_and_run_know_hydra():
    knowing = {path.stem for path in SIM.glob("*.py") if imports_of(path) & {"hydra", "omegaconf"}}
    assert knowing <= {"sources", "resolvers", "hydra_errors", "config", "helptext", "run"}


def test_layering__only_commands_import_analysis():
    assert {path.stem for path in SIM.glob("*.py") if "analysis" in imports_of(path)} == {"run", "replay"}


def test_layering__no_module_is_named_like_a_function_of_the_package():
    import sim

    assert not {path.stem for path in SIM.glob("*.py")} & set(sim.__all__)


def test_layering__analysis_reads_datasets_only():
    for path in (SIM.parent / "analysis").rglob("*.py"):
        # `retrace` makes a dataset, of single alliances; `sampling` the runs of a saved design.
        assert imports_of(path) - {"analysis"} <= {"variables", "strategies", "retrace", "sampling"}, path.name


def test_jit__the_cache_is_named_after_every_source_of_the_kernels():
    """Else an edit would go on using stale machine code."""
    from sim.jit import SOURCES

    # `base_state` holds the types of what a kernel takes.
    needed, queue = set(), ["kernel", "pair_kernel", "full_kernel", "base_state", "full_rows", "moments", "exact_sums"]
    while queue:
        name = queue.pop()
        if name not in needed:
            needed.add(name)
            queue += sorted(imports_of(SIM / f"{name}.py"))
    assert set(SOURCES) == needed
