"""Which axis of a file is which axis of the image: letters of the dialect, or the user's --dims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import Unsupported, UsageError
from spconvert.formats.tiff.pages import Page
from spconvert.formats.tiff.stack import ORDER, RawBlock, Stack
from spconvert.model.finding import Finding, warning

_KNOWN = {"T": "t", "C": "c", "Z": "z"}


@dataclass(frozen=True, slots=True)
class Outer:
    """The pages of an image in the order of the file."""

    letters: str
    """One per axis: T, C, Z, or another letter for an axis without a meaning."""
    index: NDArray[np.int64]
    """Page per place, one axis per letter."""


def stacked(
    pages: Sequence[Page], outer: Outer, dims: str | None
) -> tuple[Stack, tuple[Finding, ...]]:
    """Arrange pages of one layout as t, c, z.

    ``dims`` names the axes of the file, page axes included, and overrides the letters. Pages
    without a meaning are depths. Raises ``UsageError`` for names that do not fit, ``Unsupported``
    for more axes than there are names.
    """
    first = pages[0]
    inner = first.layout.names.replace("s", "c")
    kept = [i for i, n in enumerate(outer.index.shape) if n > 1]
    letters = "".join(outer.letters[i] for i in kept)
    index = outer.index.reshape([outer.index.shape[i] for i in kept])
    wanted = None
    findings: tuple[Finding, ...] = ()
    if dims is not None:
        wanted = _checked_dims(dims, letters + inner.upper(), index.shape, first)[: len(letters)]
    if wanted is None:
        wanted, findings = assigned(letters, inner, first)
    full = [wanted.find(name) for name in "tcz"]
    grid = index.transpose([i for i in full if i >= 0]).reshape(
        [index.shape[i] if i >= 0 else 1 for i in full]
    )
    names = "".join(name for name in ORDER if name in wanted or name in inner)
    return Stack(tuple(pages), np.ascontiguousarray(grid), names), findings


def renamed(block: RawBlock, letters: str, dims: str | None) -> RawBlock:
    """Name the axes of a run of values. ``letters`` are in file order, S for samples.

    Raises as ``stacked`` does.
    """
    kept = [i for i, n in enumerate(block.sizes) if n > 1 or letters[i] in "YX"]
    letters = "".join(letters[i] for i in kept)
    sizes = tuple(block.sizes[i] for i in kept)
    at = [i for i, letter in enumerate(letters) if letter in "YXS"]
    inner = "".join(letters[i] for i in at).lower().replace("s", "c")
    outer = "".join(letter for i, letter in enumerate(letters) if i not in at)
    if dims is not None:
        _check_letters(dims, len(letters), block.path.name)
        names = dims
    else:
        words = iter(assigned(outer, inner, block)[0])
        names = "".join(
            letter.lower().replace("s", "c") if letter in "YXS" else next(words)
            for letter in letters
        )
    if len(set(names)) != len(names) or not {"y", "x"} <= set(names):
        raise Unsupported(f"{block.path}: axes {letters} of sizes {sizes} cannot be read")
    return RawBlock(block.path, block.offset, block.dtype, names, sizes)


def assigned(letters: str, inner: str, where: Any) -> tuple[str, tuple[Finding, ...]]:
    """Names for the axes before the page's own: as said, else z, then t, then c.

    A page of several samples may lie on a c axis of pages. Raises ``Unsupported``.
    """
    said = [_KNOWN.get(letter) for letter in letters]
    free = [name for name in "ztc" if name not in said and name not in inner]
    names = []
    guessed = []
    for letter, name in zip(letters, said, strict=True):
        if name is not None and name not in names:
            names.append(name)
        elif free:
            names.append(free.pop(0))
            guessed.append(f"{letter} as {names[-1]}")
        else:
            raise Unsupported(
                f"{where.path}: axes {letters} before {inner}: more than t, c and z",
                hint="name the axes with --dims",
            )
    if len(guessed) < 2 and not set(letters) - set("TCZIQ"):
        return "".join(names), ()
    text = f"{where.path.name}: axes without a meaning are taken {', '.join(guessed)}"
    return "".join(names), (warning("axes-assumed", text),)


def _checked_dims(dims: str, letters: str, outer: Sequence[int], page: Page) -> str:
    _check_letters(dims, len(letters), page.path.name)
    inner = letters[len(outer) :].lower()
    if dims[len(outer) :] != inner:
        raise UsageError(
            f"--dims {dims}: a page of {page.path.name} has the axes {inner}",
            hint=f"name the axes in the order of the file, {inner} last",
        )
    return dims


def _check_letters(dims: str, count: int, name: str) -> None:
    if len(dims) != count or len(set(dims)) != count or set(dims) - set(ORDER):
        raise UsageError(
            f"--dims {dims}: {name} has {count} axes longer than 1: one letter of tczyx each",
            hint="see 'spconvert inspect' for the axes of the file",
        )
