"""XML without surprises: no document type, no entities, nothing fetched, bounded depth and size."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from xml.parsers import expat

from spconvert.errors import FormatError

MAX_DEPTH = 200
MAX_ELEMENTS = 5_000_000


def parse_xml(data: bytes) -> ET.Element:
    """The root element; names keep their namespace in braces, as in ``xml.etree``.

    A document type is refused, since it is what defines entities. Raises ``FormatError``.
    """
    parser = expat.ParserCreate(namespace_separator="}")
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.buffer_text = True
    build = _Builder()
    parser.StartElementHandler = build.start
    parser.EndElementHandler = build.end
    parser.CharacterDataHandler = build.builder.data
    parser.StartDoctypeDeclHandler = build.refuse
    parser.EntityDeclHandler = build.refuse
    try:
        parser.Parse(data, True)
        return build.builder.close()
    except (expat.ExpatError, ValueError, AssertionError) as error:
        raise FormatError(f"{error}"[:200]) from error


class _Builder:
    """Feeds a tree and counts."""

    def __init__(self) -> None:
        self.builder = ET.TreeBuilder()
        self._depth = 0
        self._count = 0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        self._count += 1
        if self._depth > MAX_DEPTH or self._count > MAX_ELEMENTS:
            raise FormatError(f"more than {MAX_DEPTH} levels or {MAX_ELEMENTS} elements")
        self.builder.start(_braced(name), {_braced(k): v for k, v in attributes.items()})

    def end(self, name: str) -> None:
        self._depth -= 1
        self.builder.end(_braced(name))

    def refuse(self, *_: object) -> None:
        raise FormatError("it has a document type or entities")


def _braced(name: str) -> str:
    return "{" + name if "}" in name else name


def local(element: ET.Element) -> str:
    """The element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def children(element: ET.Element, name: str) -> list[ET.Element]:
    """Direct children of this local name, whatever the version of the schema."""
    return [child for child in element if local(child) == name]
