"""Reducers: how a window of voxels becomes one voxel of the next coarser level.

Each works on a block whose first voxel starts a window; at the far end of an axis the last window
may be cut off, and uses the voxels that exist. The result has ``ceil(n / f)`` voxels per axis.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import UsageError
from spconvert.model.geometry import Anchor

Reduce = Callable[[NDArray[Any], Sequence[int]], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Reducer:
    """A way to reduce, and where the samples that it makes lie."""

    name: str
    anchor: Anchor
    """``center``: sample i lies at ``f·i + (f−1)/2`` of the finer level; ``corner``: at ``f·i``."""
    reduce: Reduce
    """(block, window extents per array axis) -> coarser block of the same dtype."""


def mean(block: NDArray[Any], factors: Sequence[int]) -> NDArray[Any]:
    """Block mean.

    Integers and booleans: exact, rounded to nearest, ties towards +infinity, never overflowing.
    Floats: summed in a wider type (float64 in float64); NaN are left out, a window of NaN is NaN.
    Complex values: real and imaginary part apart; one that is NaN in either is left out whole.
    """
    if not block.dtype.isnative:
        block = block.astype(block.dtype.newbyteorder("="))
    shape = tuple(-(-n // f) for n, f in zip(block.shape, factors, strict=True))
    result = np.empty(shape, block.dtype)
    for source, target, window in _uniform_parts(block.shape, factors):
        _mean_into(block[source], window, result[target])
    return result


def nearest(block: NDArray[Any], factors: Sequence[int]) -> NDArray[Any]:
    """Plain striding: the first voxel of each window; never a value that the block has not."""
    return np.ascontiguousarray(block[tuple(slice(None, None, f) for f in factors)])


REDUCERS: dict[str, Reducer] = {
    "mean": Reducer("mean", "center", mean),
    "nearest": Reducer("nearest", "corner", nearest),
}


def reducer(name: str) -> Reducer:
    """The reducer of this name. Raises ``UsageError`` if there is none."""
    if name not in REDUCERS:
        known = ", ".join(REDUCERS)
        raise UsageError(f"method {name!r} is not known", hint=f"methods: {known}")
    return REDUCERS[name]


# -- windows ---------------------------------------------------------------------------------

_Slices = tuple[slice, ...]


def _uniform_parts(
    shape: Sequence[int], factors: Sequence[int]
) -> Iterator[tuple[_Slices, _Slices, tuple[int, ...]]]:
    """Parts of a block in which all windows have one size: (finer slices, coarser slices, size)."""
    per_axis = [list(_axis_parts(n, f)) for n, f in zip(shape, factors, strict=True)]
    for parts in itertools.product(*per_axis):
        yield tuple(p[0] for p in parts), tuple(p[1] for p in parts), tuple(p[2] for p in parts)


def _axis_parts(n: int, factor: int) -> Iterator[tuple[slice, slice, int]]:
    whole, rest = divmod(n, factor)
    if whole:
        yield slice(0, whole * factor), slice(0, whole), factor
    if rest:
        yield slice(whole * factor, n), slice(whole, whole + 1), rest


def _mean_into(part: NDArray[Any], window: Sequence[int], result: NDArray[Any]) -> None:
    """Mean of equal windows, a plane of results at a time so that temporaries stay in cache."""
    kernel = _kernel(part.dtype)
    axis = next((a for a in range(part.ndim - 1) if result.shape[a] > 1), 0)
    step = window[axis]
    before = (slice(None),) * axis
    for i in range(result.shape[axis]):
        plane = part[(*before, slice(i * step, (i + 1) * step))]
        result[(*before, slice(i, i + 1))] = kernel(plane, window)


def _kernel(dtype: np.dtype[Any]) -> Reduce:
    if dtype.kind in "fc":
        return _float_mean
    if dtype.itemsize == 8:
        return _wide_integer_mean
    return _integer_mean


# -- integers --------------------------------------------------------------------------------


def _integer_mean(part: NDArray[Any], window: Sequence[int]) -> NDArray[Any]:
    """Floor of (sum + n/2) / n, the sum taken in an integer type in which it cannot overflow.

    Signed values are biased by half their range first: a mean commutes with adding an integer,
    and unsigned values need no sign extension when they are widened.
    """
    n = prod(window)
    unsigned = np.dtype(f"u{part.dtype.itemsize}")
    sign = unsigned.type(1 << (part.dtype.itemsize * 8 - 1) if part.dtype.kind == "i" else 0)
    values = part.view(unsigned) if sign == 0 else part.view(unsigned) ^ sign
    total = _window_sum(values, window, _accumulator(unsigned, n))
    total += n // 2
    if n & (n - 1) == 0:
        total >>= n.bit_length() - 1
    else:
        total //= n
    result = total.astype(unsigned)
    result ^= sign
    return result.view(part.dtype)


def _accumulator(dtype: np.dtype[Any], n: int) -> np.dtype[Any]:
    """The narrowest integer type, at least twice as wide, that holds n values and n/2."""
    bits = dtype.itemsize * 8
    wide = bits * 2
    while n.bit_length() + bits > wide:
        wide *= 2
    return np.dtype(f"u{wide // 8}")


def _wide_integer_mean(part: NDArray[Any], window: Sequence[int]) -> NDArray[Any]:
    """The same for 64 bits: quotients and remainders are summed apart, so nothing is lost.

    With x = q·n + r the sum of x/n is the sum of q plus the sum of r/n. A sum of q that leaves
    the type wraps around and is brought back by the correction.
    """
    n = prod(window)
    quotient = part // n
    remainder = part - quotient * n
    whole = _window_sum(quotient, window, part.dtype)
    rest = _window_sum(remainder, window, part.dtype)
    whole += (rest + n // 2) // n
    return whole


def _window_sum(
    part: NDArray[Any], window: Sequence[int], accumulator: np.dtype[Any]
) -> NDArray[Any]:
    """Sum over equal windows; the innermost axis first, then whole rows and planes."""
    total = _innermost_sum(part, window[-1], accumulator)
    for axis in range(part.ndim - 2, -1, -1):
        step = window[axis]
        if step > 1:
            before = (slice(None),) * axis
            pieces = [total[(*before, slice(k, None, step))] for k in range(step)]
            total = pieces[0] + pieces[1]
            for piece in pieces[2:]:
                total += piece
    return total


def _innermost_sum(part: NDArray[Any], step: int, accumulator: np.dtype[Any]) -> NDArray[Any]:
    if step == 2 and part.dtype.itemsize * 2 == accumulator.itemsize and _pairs(part):
        # Two neighbours seen as one wide integer: its halves are had by shifts, which run over
        # contiguous memory, where taking every second value would not.
        bits = part.dtype.itemsize * 8
        pair = part.view(accumulator)
        total: NDArray[Any] = pair >> bits
        total += pair & ((1 << bits) - 1)
        return total
    total = part[..., ::step].astype(accumulator)
    for k in range(1, step):
        total += part[..., k::step]
    return total


def _pairs(part: NDArray[Any]) -> bool:
    """Whether neighbours along the innermost axis may be viewed as one wider value."""
    return part.strides[-1] == part.dtype.itemsize and part.dtype.isnative


# -- floats ----------------------------------------------------------------------------------

_WIDER = {"f2": "f4", "f4": "f8", "c8": "c16"}


def _float_mean(part: NDArray[Any], window: Sequence[int]) -> NDArray[Any]:
    code = f"{part.dtype.kind}{part.dtype.itemsize}"
    wide = np.dtype(_WIDER.get(code, part.dtype))
    n = prod(window)
    with np.errstate(invalid="ignore", over="ignore"):
        total = _row_first_sum(part, window, wide)
        total /= n
        if not np.isfinite(total).all():
            total = _careful_mean(part, window, wide)
        return total.astype(part.dtype)


def _row_first_sum(
    part: NDArray[Any], window: Sequence[int], accumulator: np.dtype[Any]
) -> NDArray[Any]:
    """Sum over equal windows: whole planes and rows first, so that little is left to stride."""
    total = part.astype(accumulator)
    for axis, step in enumerate(window):
        if step > 1:
            before = (slice(None),) * axis
            pieces = [total[(*before, slice(k, None, step))] for k in range(step)]
            total = pieces[0] + pieces[1]
            for piece in pieces[2:]:
                total += piece
    return total


def _careful_mean(
    part: NDArray[Any], window: Sequence[int], accumulator: np.dtype[Any]
) -> NDArray[Any]:
    """Mean without NaN, each value divided before it is added: for windows that are not finite."""
    valid = ~np.isnan(part)
    count = _row_first_sum(valid, window, np.dtype(np.float64))
    if accumulator.kind == "f":
        return _mean_of_valid(part, valid, count, window).astype(accumulator)
    # A complex division would turn (inf + 0j) / 8 into inf + nan j.
    result = np.empty(count.shape, accumulator)
    result.real = _mean_of_valid(part.real, valid, count, window)
    result.imag = _mean_of_valid(part.imag, valid, count, window)
    return result


def _mean_of_valid(
    part: NDArray[Any], valid: NDArray[Any], count: NDArray[Any], window: Sequence[int]
) -> NDArray[Any]:
    """Mean, in float64, of the ``valid`` values of each window, of which there are ``count``."""
    per_voxel = count
    for axis, step in enumerate(window):
        per_voxel = np.repeat(per_voxel, step, axis=axis)
    double = np.dtype(np.float64)
    shares = np.where(valid, part.astype(double) / np.maximum(per_voxel, 1), 0)
    total = _row_first_sum(shares, window, double)
    # Shares that were rounded up may add to more than the largest number, which no mean exceeds.
    most = np.finfo(double).max
    infinite = _row_first_sum(valid & np.isinf(part), window, double) > 0
    total = np.where(infinite, total, np.clip(total, -most, most))
    return np.where(count > 0, total, np.nan)
