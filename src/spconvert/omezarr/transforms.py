"""RFC-5 coordinate transformations that are matrices: parse, compose, invert, apply.

A transformation maps points of its input system to points of its output system. Displacement and
coordinate fields, and parameters kept in arrays, are not matrices and raise ``Unsupported``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spconvert.errors import FormatError, GeometryError, Unsupported
from spconvert.omezarr.fields import integers, items, members, numbers, place, shown, text, wrong

MAX_DEPTH = 16
"""How deeply transformations may be nested; the specification needs two."""

MAX_DIMENSIONS = 16


@dataclass(frozen=True, slots=True)
class AffineMap:
    """``q = A p + b`` in the order of the axes of the two systems.

    Raises ``FormatError`` if a number is not finite.
    """

    matrix: tuple[tuple[float, ...], ...]
    """One row per output axis: A's row, then b's member."""

    def __post_init__(self) -> None:
        if not np.isfinite(np.array(self.matrix, np.float64)).all():
            raise FormatError(f"transformation {shown(self.matrix)}: finite numbers expected")

    @classmethod
    def of(cls, linear: ArrayLike, offset: ArrayLike | None = None) -> AffineMap:
        """From A, shape ``(outputs, inputs)``, and b, shape ``(outputs,)`` (default 0)."""
        a = np.asarray(linear, np.float64)
        b = np.zeros(len(a)) if offset is None else np.asarray(offset, np.float64)
        rows = np.concatenate([a, b[:, None]], axis=1).tolist()
        return cls(tuple(map(tuple, rows)))

    @property
    def linear(self) -> NDArray[np.float64]:
        """A, shape ``(outputs, inputs)``."""
        return np.array(self.matrix, np.float64)[:, :-1]

    @property
    def offset(self) -> NDArray[np.float64]:
        """b, shape ``(outputs,)``."""
        return np.array(self.matrix, np.float64)[:, -1]

    @property
    def inputs(self) -> int:
        """Number of axes of the input system."""
        return len(self.matrix[0]) - 1

    @property
    def outputs(self) -> int:
        """Number of axes of the output system."""
        return len(self.matrix)

    def apply(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points ``(..., inputs)`` of the input system as points ``(..., outputs)``."""
        return np.asarray(np.asarray(points, np.float64) @ self.linear.T + self.offset, np.float64)

    def then(self, after: AffineMap) -> AffineMap:
        """This transformation followed by ``after``.

        Exact where one of the two is an identity, a permutation or a sign change. Raises
        ``FormatError`` if the numbers of axes do not fit.
        """
        if after.inputs != self.outputs:
            raise FormatError(f"{self.outputs} axes are handed to one that takes {after.inputs}")
        with np.errstate(all="ignore"):  # an overflow is found by the check for finite numbers
            linear = after.linear @ self.linear
            offset = after.linear @ self.offset + after.offset
        return AffineMap.of(linear, offset)

    def inverse(self) -> AffineMap:
        """The way back. Raises ``GeometryError`` if there is none."""
        a = self.linear
        if a.shape[0] != a.shape[1]:
            raise GeometryError(f"{self.inputs} axes to {self.outputs}: this cannot be inverted")
        with np.errstate(all="ignore"):
            try:
                inverse = np.linalg.inv(a)
            except np.linalg.LinAlgError as error:
                raise GeometryError(f"transformation {shown(self.matrix)} is singular") from error
            offset = -(inverse @ self.offset)
        if not (np.isfinite(inverse).all() and np.isfinite(offset).all()):
            raise GeometryError(f"transformation {shown(self.matrix)} is singular")
        return AffineMap.of(inverse, offset)

    def arranged(self, inputs: Sequence[int], outputs: Sequence[int]) -> AffineMap:
        """The same map with its axes in another order: new axis i is old axis ``inputs[i]``."""
        return AffineMap.of(self.linear[np.ix_(outputs, inputs)], self.offset[list(outputs)])


@dataclass(frozen=True, slots=True)
class _Context:
    """Where a transformation stands."""

    inputs: tuple[str, ...]
    """Names of the input axes; their number is what counts, the names serve old spellings."""
    outputs: tuple[str, ...] | None
    """Names of the output axes, where they are known."""
    where: tuple[str | int, ...]
    depth: int = 0

    @property
    def count(self) -> int:
        return len(self.inputs)

    def inner(
        self, inputs: tuple[str, ...], outputs: tuple[str, ...] | None, *where: str | int
    ) -> _Context:
        if self.depth >= MAX_DEPTH:
            raise FormatError(f"{place(self.where)}: transformations nested over {MAX_DEPTH} deep")
        return _Context(inputs, outputs, (*self.where, *where), self.depth + 1)


_Parser = Callable[[Mapping[str, Any], _Context], AffineMap]


def parse(
    document: object,
    inputs: Sequence[str],
    outputs: Sequence[str] | None = None,
    where: tuple[str | int, ...] = (),
) -> AffineMap:
    """The matrix of a transformation document.

    ``inputs`` and ``outputs`` are the names of the axes of the two systems, in their order;
    ``where`` is the document's place, for messages. Reads the spellings of 0.6 and of its drafts.
    Raises ``FormatError`` if the document is malformed, ``Unsupported`` if it is no matrix.
    """
    known = None if outputs is None else tuple(outputs)
    result = _parse(document, _Context(tuple(inputs), known, where))
    if known is not None and result.outputs != len(known):
        raise FormatError(f"{place(where)}: gives {result.outputs} axes, {len(known)} expected")
    return result


def _parse(document: object, context: _Context) -> AffineMap:
    entry = members(document, *context.where)
    kind = text(entry.get("type"), *context.where, "type")
    parser = _PARSERS.get(kind)
    if parser is None:
        raise Unsupported(f"{place(context.where)}: a transformation of type {kind!r} is no matrix")
    if kind not in entry and "path" in entry:
        raise Unsupported(f"{place(context.where)}: the parameters are kept in an array")
    return parser(entry, context)


def _identity(_entry: Mapping[str, Any], context: _Context) -> AffineMap:
    return AffineMap.of(np.eye(context.count))


def _scale(entry: Mapping[str, Any], context: _Context) -> AffineMap:
    values = numbers(entry.get("scale"), context.count, *context.where, "scale")
    return AffineMap.of(np.diag(values))


def _translation(entry: Mapping[str, Any], context: _Context) -> AffineMap:
    where = (*context.where, "translation")
    values = numbers(entry.get("translation"), context.count, *where)
    return AffineMap.of(np.eye(context.count), values)


def _rotation(entry: Mapping[str, Any], context: _Context) -> AffineMap:
    return AffineMap.of(_matrix(entry.get("rotation"), context.count, context, "rotation"))


def _affine(entry: Mapping[str, Any], context: _Context) -> AffineMap:
    n = context.count
    value = entry.get("affine")
    rows = items(value, *context.where, "affine")
    if rows and not isinstance(rows[0], list):  # drafts: all numbers in one list, row by row
        flat = numbers(value, len(rows), *context.where, "affine")
        rows = [list(flat[i : i + n + 1]) for i in range(0, len(flat), n + 1)]
    matrix = _matrix(rows, n + 1, context, "affine", rows=None)
    expected = n if context.outputs is None else len(context.outputs)
    homogeneous = (*(0.0,) * n, 1.0)
    if len(matrix) == expected + 1 and matrix[-1] == homogeneous:
        matrix = matrix[:-1]
    if len(matrix) == 0 or len(matrix) > MAX_DIMENSIONS:
        raise wrong(value, f"{expected} rows of {n + 1} numbers", *context.where, "affine")
    return AffineMap(matrix)


def _matrix(
    value: object, columns: int, context: _Context, key: str, rows: int | None = -1
) -> tuple[tuple[float, ...], ...]:
    """Rows of ``columns`` numbers; as many rows as columns unless ``rows`` is ``None``."""
    found = items(value, *context.where, key)
    if rows is not None and len(found) != columns:
        raise wrong(value, f"{columns} rows of {columns} numbers", *context.where, key)
    return tuple(numbers(row, columns, *context.where, key, i) for i, row in enumerate(found))


def _sequence(entry: Mapping[str, Any], context: _Context) -> AffineMap:
    names = context.inputs
    result = AffineMap.of(np.eye(context.count))
    steps = items(entry.get("transformations"), *context.where, "transformations")
    for i, step in enumerate(steps):
        last = i == len(steps) - 1
        inner = context.inner(names, context.outputs if last else None, "transformations", i)
        result = result.then(_parse(step, inner))
        if result.outputs != len(names):
            names = ("",) * result.outputs
    return result


def _map_axis(entry: Mapping[str, Any], context: _Context) -> AffineMap:
    """Output axis i takes input axis ``mapAxis[i]``; drafts map output names to input names."""
    where = (*context.where, "mapAxis")
    value = entry.get("mapAxis")
    if isinstance(value, Mapping):
        names = context.outputs or context.inputs
        value = [value.get(name) for name in names]
    chosen = _axes(value, context.inputs, where)
    if sorted(chosen) != list(range(context.count)):
        raise wrong(value, f"each of {context.count} axes once", *where)
    return AffineMap.of(np.eye(context.count)[list(chosen)])


def _project_axis(entry: Mapping[str, Any], context: _Context) -> AffineMap:
    """Drops input axes, then inserts output axes that are 0."""
    if "droppedInputs" not in entry and "createdOutputs" not in entry:
        raise wrong(dict(entry), "droppedInputs or createdOutputs", *context.where)
    dropped = _axes(entry.get("droppedInputs", []), context.inputs, (*context.where, "dropped"))
    kept = np.delete(np.eye(context.count), dropped, axis=0)
    created = items(entry.get("createdOutputs", []), *context.where, "createdOutputs")
    total = len(kept) + len(created)
    new = integers(created, len(created), *context.where, "createdOutputs")
    if len(set(new)) != len(new) or any(not 0 <= i < total for i in new):
        raise wrong(created, f"different axes below {total}", *context.where, "createdOutputs")
    if not 0 < total <= MAX_DIMENSIONS:
        raise wrong(total, f"1 to {MAX_DIMENSIONS} axes", *context.where)
    linear = np.zeros((total, context.count))
    linear[[i for i in range(total) if i not in new]] = kept
    return AffineMap.of(linear)


def _bijection(entry: Mapping[str, Any], context: _Context) -> AffineMap:
    inner = context.inner(context.inputs, context.outputs, "forward")
    forward = _parse(entry.get("forward"), inner)
    members(entry.get("inverse"), *context.where, "inverse")
    return forward


def _by_dimension(entry: Mapping[str, Any], context: _Context) -> AffineMap:
    """Each part maps some input axes to some output axes; an output of no part passes through."""
    outputs = context.outputs or context.inputs
    linear = np.eye(len(outputs), context.count)
    offset = np.zeros(len(outputs))
    given: set[int] = set()
    parts = items(entry.get("transformations"), *context.where, "transformations")
    for i, part in enumerate(parts):
        where = (*context.where, "transformations", i)
        fields = members(part, *where)
        sources = _axes(_either(fields, "inputAxes", "input_axes"), context.inputs, where)
        targets = _axes(_either(fields, "outputAxes", "output_axes"), outputs, where)
        if given & set(targets):
            raise wrong(list(targets), "each output axis once", *where)
        given |= set(targets)
        inner = context.inner(tuple(context.inputs[a] for a in sources), None, "transformations", i)
        own = _parse(fields.get("transformation", part), inner)
        if own.outputs != len(targets):
            raise wrong(list(targets), f"{own.outputs} output axes", *where)
        linear[list(targets)] = 0
        linear[np.ix_(targets, sources)] = own.linear
        offset[list(targets)] = own.offset
    return AffineMap.of(linear, offset)


def _either(fields: Mapping[str, Any], key: str, draft_key: str) -> object:
    return fields.get(key, fields.get(draft_key))


def _axes(value: object, names: tuple[str, ...], where: tuple[str | int, ...]) -> tuple[int, ...]:
    """Different axes, by index or (drafts) by name."""
    found = [
        names.index(v) if isinstance(v, str) and v in names else v for v in items(value, *where)
    ]
    axes = integers(found, len(found), *where)
    if len(set(axes)) != len(axes) or any(not 0 <= a < len(names) for a in axes):
        raise wrong(value, f"different axes below {len(names)}", *where)
    return axes


_PARSERS: dict[str, _Parser] = {
    "identity": _identity,
    "scale": _scale,
    "translation": _translation,
    "rotation": _rotation,
    "affine": _affine,
    "sequence": _sequence,
    "mapAxis": _map_axis,
    "projectAxis": _project_axis,
    "bijection": _bijection,
    "byDimension": _by_dimension,
}
