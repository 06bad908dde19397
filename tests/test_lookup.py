"""Tables of 32 entries read by lane: what is found is what plain indexing finds, on this processor and on lesser ones."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.codegen import get_host_cpu_features

from sim import lookup
from sim.cell_tables import CELLS
from sim.jit import from_python
from sim.lookup import IDLE, SLOTS, WIDTH, plain
from sim.rows import LANES

look_up, look_up_where = from_python(lookup.look_up), from_python(lookup.look_up_where)

ROOT = Path(__file__).parent.parent
NUMBERS = (1, 2, 3, 6, 8, 10)
GUARD = np.uint32(0xDEADBEEF)


def generator(number: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([17, number]))


def random_tables(number: int) -> np.ndarray:
    """Any bits: as reals, also infinities, subnormal numbers and no numbers at all."""
    tables = generator(number).integers(0, 2**32, (number, SLOTS), dtype=np.uint32)
    tables[:, ::5] = np.array([0x7F800001, 0xFFC12345, 1, 0x80000000, 0xFFFFFFFF, 0x7F800000, 0], np.uint32)
    return tables


def indices() -> dict[str, np.ndarray]:
    """Every entry in every lane of a group of sixteen, and others."""
    lanes = np.arange(LANES, dtype=np.uint32)
    found = {f"all {k}": np.full(LANES, k, np.uint32) for k in range(SLOTS)}
    found |= {f"ascending from {k}": (lanes + k) % SLOTS for k in range(SLOTS)}
    found |= {"descending": SLOTS - 1 - lanes % SLOTS, "lower half": lanes % WIDTH, "upper half": WIDTH + lanes % WIDTH}
    found |= {f"random {k}": generator(k).integers(0, SLOTS, LANES, dtype=np.uint32) for k in range(5)}
    return found


INDICES = indices()


def check_look_up(number: int, index: np.ndarray, shift: int = 0) -> np.ndarray:
    """Look up, next to rows that have to stay as they are; `shift`: words by which all arrays miss a multiple of 64 bytes."""
    tables = shifted(random_tables(number), shift)
    index = shifted(index, shift)
    out = shifted(np.full((number + 1, LANES), GUARD, np.uint32), shift)
    look_up(tables, index, out[:number])
    assert (out[:number] == plain(tables, index)).all()
    assert (out[number] == GUARD).all()
    return out[:number]


def shifted(array: np.ndarray, words: int) -> np.ndarray:
    """A copy that begins `words` words past a multiple of 64 bytes."""
    memory = np.empty(array.size + 32, np.uint32)
    first = -(memory.ctypes.data // 4) % 16 + words
    copy = memory[first : first + array.size].reshape(array.shape)
    assert copy.ctypes.data % 64 == 4 * words
    copy[...] = array
    return copy


def check_look_up_where(number: int, index: np.ndarray, shift: int = 0) -> np.ndarray:
    """Look up in the lanes of one kind after the other, and see after each that the others are as they were."""
    tables, kind = random_tables(number), generator(99).integers(0, 4, LANES, dtype=np.uint32)
    kind[:WIDTH], kind[-WIDTH:] = 1, np.arange(WIDTH) % 2 + 2
    out = shifted(np.full((number + 1, LANES), GUARD, np.uint32), shift)
    seen = np.zeros(LANES, bool)
    for wanted in (2, 0, 3, 2**32 - 1, 1):
        before = out.copy()
        here = kind == wanted
        look_up_where(
            tables ^ np.uint32(wanted), shifted(index, shift), shifted(kind, shift), np.uint32(wanted), out[:number]
        )
        assert (out[:number, here] == plain(tables ^ np.uint32(wanted), index)[:, here]).all()
        assert (out[:, ~here] == before[:, ~here]).all()
        seen |= here
    assert seen.all()
    assert (out[number] == GUARD).all()
    return out[:number]


def digest() -> str:
    """Check all indices with all numbers of tables; a digest of what was found."""
    found = hashlib.sha256()
    for number in NUMBERS:
        for index in INDICES.values():
            found.update(check_look_up(number, index).tobytes())
            found.update(check_look_up_where(number, index).tobytes())
    return found.hexdigest()


def test_plain__is_indexing() -> None:
    tables, index = random_tables(3), INDICES["random 0"]
    assert [[int(tables[t, index[k]]) for k in range(LANES)] for t in range(3)] == plain(tables, index).tolist()


def test_indices__every_entry_in_every_lane() -> None:
    together = np.stack(list(INDICES.values()))
    assert all(len(set(together[:, lane])) == SLOTS for lane in range(LANES))


def test_lanes__are_whole_groups() -> None:
    assert LANES % WIDTH == 0
    assert SLOTS == 2 * WIDTH
    assert CELLS == IDLE < SLOTS


@pytest.mark.parametrize("number", NUMBERS)
def test_look_up__equals_plain(number: int) -> None:
    for index in INDICES.values():
        check_look_up(number, index)


@pytest.mark.parametrize("number", NUMBERS)
def test_look_up_where__equals_plain_in_the_lanes_of_a_kind(number: int) -> None:
    for index in INDICES.values():
        check_look_up_where(number, index)


@pytest.mark.parametrize("shift", [1, 3, 8, 15])
def test_look_up__wherever_the_arrays_begin(shift: int) -> None:
    check_look_up(3, INDICES["random 1"], shift)
    check_look_up_where(3, INDICES["random 1"], shift)


def test_look_up__some_of_the_tables() -> None:
    """As the kernel does that needs the first rows only, by one row of several."""
    tables, index = random_tables(10), np.stack([INDICES["random 2"], INDICES["random 3"]])
    out = np.full((10, LANES), GUARD, np.uint32)
    look_up(tables[:3], index[1], out)
    assert (out[:3] == plain(tables[:3], index[1])).all()
    assert (out[3:] == GUARD).all()


@functools.cache
def here() -> str:
    return digest()


def lesser_processors() -> list[tuple[str, str]]:
    if platform.machine() != "x86_64":
        return [("generic", "")]
    able = get_host_cpu_features()
    found = [("x86-64", "")]
    for name, needed in (("x86-64-v2", "ssse3"), ("x86-64-v3", "avx2")):
        if f"+{needed}" in able:
            found.append((name, ""))
    return found


@pytest.mark.parametrize(("name", "features"), lesser_processors())
def test_look_up__the_same_on_a_lesser_processor(name: str, features: str, tmp_path: Path) -> None:
    """Vectors of 16, 16 with a permutation of bytes, and 32 bytes, instead of 64."""
    more = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features, "NUMBA_CACHE_DIR": str(tmp_path)}
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", "import test_lookup; print(test_lookup.digest())"],
        env={**os.environ, "PYTHONPATH": paths, **more}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == here()
