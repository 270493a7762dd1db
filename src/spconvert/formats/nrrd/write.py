"""Write an NRRD: the header as text, the samples in slabs through an encoder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from spconvert.errors import TargetError, Unsupported
from spconvert.formats.nrrd.axes import FileAxes
from spconvert.formats.nrrd.encoders import Coding, coding_named, encoder
from spconvert.formats.nrrd.extra import GEOMETRIC, Original, original_of
from spconvert.formats.nrrd.header import escaped
from spconvert.formats.nrrd.kinds import Role, default_kind
from spconvert.formats.plugin import Target, WriteOptions
from spconvert.model.geometry import to_lps
from spconvert.model.image import SpatialImage
from spconvert.pixels.ordered import check_order, in_file_order

_TYPE_NAMES = {
    "b1": "unsigned char",
    "i1": "signed char",
    "u1": "unsigned char",
    "i2": "short",
    "u2": "unsigned short",
    "i4": "int",
    "u4": "unsigned int",
    "i8": "long long int",
    "u8": "unsigned long long int",
    "f4": "float",
    "f8": "double",
    "c8": "float",
    "c16": "double",
}
_ROLES: dict[str, Role] = {"c": "component", "t": "time"}
_SHORT_UNITS = {
    "millimeter": "mm",
    "micrometer": "um",
    "nanometer": "nm",
    "centimeter": "cm",
    "meter": "m",
    "second": "s",
    "millisecond": "ms",
    "microsecond": "us",
}
_PER_AXIS_KEPT = ("thicknesses", "labels")
_BASIC_KEPT = ("content", "old min", "old max", "sample units")


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is written: axes in file order, and where the image's axes go."""

    image: SpatialImage
    original: Original
    axes: FileAxes
    is_complex: bool

    @property
    def order(self) -> tuple[int, ...]:
        """The image's axes from slowest to fastest in the file."""
        return self.axes.storage_order


def write_image(image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
    """Write the files of one image; see ``NrrdFormat.write``."""
    coding = coding_named(options.codec)
    code = f"{image.dtype.kind}{image.dtype.itemsize}"
    if code not in _TYPE_NAMES:
        raise Unsupported(
            f"NRRD has no type for {image.dtype.name}",
            hint="--dtype float32 converts" if image.dtype.kind == "f" else "--dtype converts",
        )
    plan = _plan(image)
    check_order(image.pixels, plan.order, "NRRD")
    main = target.folder / target.path.name
    detached = target.path.suffix.lower() == ".nhdr"
    data = main.with_name(main.name[: -len(".nhdr")] + coding.suffix) if detached else main
    lines = _header(plan, _TYPE_NAMES[code], coding)
    if detached:
        lines.extend(_data_file(data.name))
    text = "\n".join(lines) + "\n"
    try:
        if detached:
            main.write_bytes(text.encode("utf-8", "replace"))
        with data.open("wb") as file:
            if not detached:
                file.write((text + "\n").encode("utf-8", "replace"))
            encode = encoder(coding, file, plan.image.dtype)
            done = 0
            for values in in_file_order(image.pixels, plan.order, options.budget, options.finding):
                encode.write(values)
                done += values.nbytes
                options.report(done)
            encode.close()
    except OSError as error:
        raise TargetError(f"{data}: {error.strerror}") from error
    return [main, data] if detached else [main]


def _plan(image: SpatialImage) -> _Plan:
    original = original_of(image)
    is_complex = image.dtype.kind == "c"
    axes = original.axes
    moved_slice = axes is not None and axes.slice_in_volume and not original.same_place
    if axes is None or is_complex or moved_slice:  # a slice cannot say how thick it is
        axes = _default_axes(image)
    return _Plan(image, original, axes, is_complex)


def _default_axes(image: SpatialImage) -> FileAxes:
    """Components fastest, as ITK expects them, unless they are many; time slowest."""
    extents = dict(zip(image.axis_names, image.shape, strict=True))
    names = [name for name in "xyz" if name in extents]
    kinds = ["domain"] * len(names)
    if "c" in extents:
        kind = default_kind(image.channels, extents["c"])
        at = len(names) if kind == "list" else 0
        names.insert(at, "c")
        kinds.insert(at, kind)
    if "t" in extents:
        names.append("t")
        kinds.append("time")
    roles = tuple(_ROLES.get(name, "space") for name in names)
    return FileAxes(roles, tuple(kinds), tuple(extents[name] for name in names))


# -- the header ----------------------------------------------------------------------------------


def _header(plan: _Plan, type_name: str, coding: Coding) -> list[str]:
    texts, axes = plan.original.texts, plan.axes
    sizes, kinds = list(axes.sizes), list(axes.kinds)
    if plan.is_complex:
        sizes, kinds = [2, *sizes], ["complex", *kinds]
    lines = [
        "NRRD0005" if "measurement frame" in texts else "NRRD0004",
        *(f"# {comment}" for comment in plan.original.comments),
        f"type: {type_name}",
        f"dimension: {len(sizes)}",
    ]
    lines += _first(_placement(plan), "space")
    lines.append("sizes: " + " ".join(map(str, sizes)))
    lines += _rest(_placement(plan), "space")
    if plan.original.axes is None or "kinds" in texts or not plan.original.same_place:
        lines.append("kinds: " + " ".join(kinds))
    if plan.image.dtype.itemsize > 1 and coding.name != "ascii":
        lines.append("endian: little")
    lines.append(f"encoding: {coding.name}")
    kept = list(_BASIC_KEPT)
    if plan.original.axes is plan.axes:
        kept += _PER_AXIS_KEPT
    if plan.original.world is not None:  # the frame is one of this space
        kept.append("measurement frame")
    lines += [f"{name}: {texts[name]}" for name in kept if name in texts]
    pairs = plan.original.key_values.items()
    return lines + [f"{escaped(key)}:={escaped(value)}" for key, value in pairs]


def _first(fields: dict[str, str], word: str) -> list[str]:
    """``space`` and ``space dimension`` come before any vector."""
    return [f"{k}: {v}" for k, v in fields.items() if k in (word, f"{word} dimension")]


def _rest(fields: dict[str, str], word: str) -> list[str]:
    return [f"{k}: {v}" for k, v in fields.items() if k not in (word, f"{word} dimension")]


def _placement(plan: _Plan) -> dict[str, str]:
    """The fields of space and time: the original ones if they still say the same."""
    if plan.original.same_place and plan.original.axes is plan.axes:
        texts = plan.original.texts
        return {name: texts[name] for name in GEOMETRIC if name in texts}
    return _new_placement(plan)


def _new_placement(plan: _Plan) -> dict[str, str]:
    """D · S per axis. Time is a coordinate of its own, as ITK reads it."""
    image, time = plan.image, plan.image.time
    geometry = image.geometry
    positive = _frame(plan)
    coordinates = geometry.ndim + (time is not None)
    columns = [
        [geometry.direction[i][j] * geometry.spacing[j] for i in range(geometry.ndim)]
        for j in range(geometry.ndim)
    ]
    origin: list[float] = list(geometry.origin)
    if positive is not None:
        columns = [list(to_lps(column, positive)) for column in columns]
        origin = list(to_lps(origin, positive))
    steps = iter(columns)
    vectors = ["none"] if plan.is_complex else []
    for role in plan.axes.roles:
        if role == "component":
            vectors.append("none")
        elif role == "space":
            vectors.append(_vector([*next(steps), *([0.0] if time else [])]))
        else:
            assert time is not None
            vectors.append(_vector([*([0.0] * geometry.ndim), time.step]))
    fields = {"space": f"{_SPACE_NAMES[positive]}{'-time' if time else ''}"} if positive else {}
    if not fields:
        fields = {"space dimension": str(coordinates)}
    fields["space directions"] = " ".join(vectors)
    fields["space origin"] = _vector([*origin, *([time.start] if time else [])])
    units = [_unit(image.axes[i].unit) for i in reversed(image.space_axes)]
    units += [_unit(time.unit)] if time else []
    if any(units):
        fields["space units"] = " ".join(f'"{unit}"' for unit in units)
    return fields


_SPACE_NAMES = {
    "RAS": "right-anterior-superior",
    "LAS": "left-anterior-superior",
    "LPS": "left-posterior-superior",
}


def _frame(plan: _Plan) -> str | None:
    """Where x, y, z of the written vectors point.

    The frame of the original is kept, so that its measurement frame stays true.
    """
    if plan.image.geometry.space != "LPS" or plan.image.geometry.ndim != 3:
        return None
    world = plan.original.world
    return (world.positive if world else None) or "LPS"


def _vector(values: Iterable[float]) -> str:
    """``repr`` gives the shortest digits that read back as the same float64."""
    words = (repr(float(value)) for value in values)
    return "(" + ",".join(word.removesuffix(".0") for word in words) + ")"


def _unit(unit: str | None) -> str:
    return _SHORT_UNITS.get(unit or "", unit or "")


def _data_file(name: str) -> list[str]:
    """A plain name, or a list of one where the name would be taken for a pattern."""
    if "\n" in name or name != name.strip():
        raise Unsupported(f"an NRRD header cannot name the file {name!r}")
    if "%" in name or re.match(r"LIST(\s|$)", name):
        return ["data file: LIST", name]
    return [f"data file: {name}"]
