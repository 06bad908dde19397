"""Tables of 32 entries, read by lane: the one place where the compiler is told what it does not find by itself.

What a response theory says, and much of what a period brings, follows from a pair's *cell*, ``5 own + other``. A loop that
reads ``table[index[lane]]`` is not vectorized. Written for sixteen lanes at a time, as picking entries of a vector by the
entries of another, LLVM knows it for what it is: two permutations and a selection for sixteen lanes where the processor
has them (x86-64 with AVX-512), plain loads elsewhere, with the same result. `plain` is what it stands for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from sim.jit import row_loop
from sim.rows import LANES

#: Entries of a table; those from `IDLE` on belong to no cell.
SLOTS = 32
#: Index of a pair that does not interact, since one of the two has left or the alliance is dissolved.
IDLE = np.uint32(25)
WIDTH = 16
_I32, _I64 = ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(_I32, WIDTH)


def plain(tables: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Definition of `look_up`: entry ``index[lane]`` of every table; (tables, 32), (lanes,) -> (tables, lanes)."""
    return np.asarray(tables[:, index])


def _at(builder: Any, array: Any, offset: Any) -> Any:
    """Address of sixteen entries of an array from a position on."""
    return builder.bitcast(builder.gep(array.data, [offset]), _VECTOR.as_pointer())


def _permuted(builder: Any, table: Any, index: Any) -> Any:
    """Entries of a vector by those of another, all below sixteen."""
    picked = ir.Constant(_VECTOR, ir.Undefined)
    for k in range(WIDTH):
        lane = ir.Constant(_I32, k)
        entry = builder.extract_element(table, builder.extract_element(index, lane))
        picked = builder.insert_element(picked, entry, lane)
    return picked


def _looked_up(context: Any, builder: Any, table: Any, number: Any, index: Any, lane: Any) -> Any:
    """Sixteen entries of table `number`, by the index of sixteen lanes."""
    first = builder.mul(number, ir.Constant(_I64, SLOTS))
    low = builder.load(_at(builder, table, first), align=4)
    high = builder.load(_at(builder, table, builder.add(first, ir.Constant(_I64, WIDTH))), align=4)
    entries = builder.load(_at(builder, index, lane), align=4)
    last = ir.Constant(_VECTOR, [WIDTH - 1] * WIDTH)
    within = builder.and_(entries, last)
    upper = builder.icmp_unsigned(">", entries, last)
    return builder.select(upper, _permuted(builder, high, within), _permuted(builder, low, within))


def _place(builder: Any, out: Any, number: Any, lane: Any) -> Any:
    return _at(builder, out, builder.add(builder.mul(number, ir.Constant(_I64, LANES)), lane))


@intrinsic  # type: ignore[untyped-decorator]
def _take(typing: Any, tables: Any, number: Any, index: Any, lane: Any, out: Any) -> Any:
    """``out[number, lane : lane + 16] = tables[number, index[lane : lane + 16]]``; all arrays uint32, contiguous."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        table, rows, to = (context.make_array(signature.args[k])(context, builder, arguments[k]) for k in (0, 2, 4))
        found = _looked_up(context, builder, table, arguments[1], rows, arguments[3])
        builder.store(found, _place(builder, to, arguments[1], arguments[3]), align=4)
        return context.get_dummy_value()

    return types.void(tables, types.intp, index, types.intp, out), generate


@intrinsic  # type: ignore[untyped-decorator]
def _take_where(typing: Any, tables: Any, number: Any, index: Any, lane: Any, kind: Any, wanted: Any, out: Any) -> Any:
    """`_take` in the lanes where ``kind == wanted`` (uint32)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        table, rows, kinds, to = (
            context.make_array(signature.args[k])(context, builder, arguments[k]) for k in (0, 2, 4, 6)
        )  # fmt: skip
        number_, lane_, wanted_ = arguments[1], arguments[3], arguments[5]
        found = _looked_up(context, builder, table, number_, rows, lane_)
        place = _place(builder, to, number_, lane_)
        repeated = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), wanted_, ir.Constant(_I32, 0))
        repeated = builder.shuffle_vector(repeated, ir.Constant(_VECTOR, ir.Undefined), ir.Constant(_VECTOR, [0] * WIDTH))
        same = builder.icmp_unsigned("==", builder.load(_at(builder, kinds, lane_), align=4), repeated)
        builder.store(builder.select(same, found, builder.load(place, align=4)), place, align=4)
        return context.get_dummy_value()

    return types.void(tables, types.intp, index, types.intp, kind, types.uint32, out), generate


@row_loop
def look_up(tables: Any, index: Any, out: Any) -> None:
    """Entry of every table for every lane.

    Parameters
    ----------
    tables : uint32[tables, SLOTS], bits of whatever they hold.  index : uint32[LANES], below `SLOTS`.
    out : uint32[tables, LANES], written to.
    """
    for number in range(tables.shape[0]):
        for lane in range(0, LANES, WIDTH):
            _take(tables, number, index, lane, out)


@row_loop
def look_up_where(tables: Any, index: Any, kind: Any, wanted: Any, out: Any) -> None:
    """`look_up` for the lanes whose `kind` (uint32[LANES]) is `wanted`; the others stay as they are."""
    for number in range(tables.shape[0]):
        for lane in range(0, LANES, WIDTH):
            _take_where(tables, number, index, lane, kind, wanted, out)
