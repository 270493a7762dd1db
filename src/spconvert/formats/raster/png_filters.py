"""Rows of a PNG, filtered: differences to the left, above, or both, whichever are smallest.

Rules: PNG Specification, Third Edition, section 9. The choice per row is that of section 12.7: the
filter with the smallest sum of absolute differences, taken as signed bytes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

_NONE, _SUB, _UP, _PAETH = 0, 1, 2, 4


def filtered(rows: Bytes, above: Bytes, pixel_bytes: int) -> Bytes:
    """Rows of bytes, shape ``(n, m)``, as filtered rows ``(n, m + 1)``, the filter's number first.

    ``above`` is the row before the first one, zeros at the top of the picture.
    """
    up = np.concatenate((above[None], rows[:-1]))
    left = np.zeros_like(rows)
    left[:, pixel_bytes:] = rows[:, :-pixel_bytes]
    corner = np.zeros_like(rows)
    corner[:, pixel_bytes:] = up[:, :-pixel_bytes]
    out = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    out[:, 0], out[:, 1:] = _NONE, rows
    best = _cost(rows)
    for number, predicted in ((_SUB, left), (_UP, up), (_PAETH, _paeth(left, up, corner))):
        found = rows - predicted  # modulo 256
        cost = _cost(found)
        better = cost < best
        out[better, 0] = number
        out[better, 1:] = found[better]
        best = np.minimum(cost, best)
    return out


def _cost(rows: Bytes) -> NDArray[np.int64]:
    signed = rows.view(np.int8)
    # |−128| is −128 in int8: seen as unsigned it is 128 again.
    return np.asarray(np.abs(signed).view(np.uint8).sum(axis=1, dtype=np.int64))


def _paeth(left: Bytes, up: Bytes, corner: Bytes) -> Bytes:
    """Of left, above and corner the one nearest to left + above − corner, in this order."""
    a, b, c = (part.astype(np.int16) for part in (left, up, corner))
    to_left, to_up = np.abs(b - c), np.abs(a - c)
    to_corner = np.abs(a + b - 2 * c)
    nearest = np.where(to_up <= to_corner, up, corner)
    chosen = (to_left <= to_up) & (to_left <= to_corner)
    return np.asarray(np.where(chosen, left, nearest), np.uint8)
