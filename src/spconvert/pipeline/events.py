"""What a run tells whoever listens: small frozen values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spconvert.model.finding import Finding
from spconvert.pipeline.plan import PyramidPlan


@dataclass(frozen=True, slots=True)
class Planned:
    """What will be done is known; nothing has been read yet."""

    plan: PyramidPlan


@dataclass(frozen=True, slots=True)
class Started:
    """A phase of the work begins: "read", "write", "spool", "verify"."""

    phase: str
    total_bytes: int
    """Uncompressed bytes of pixels that the phase goes through."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """Some more of the current phase is done."""

    done_bytes: int
    """Uncompressed bytes of pixels so far."""


@dataclass(frozen=True, slots=True)
class Found:
    """Something worth knowing turned up while pixels were read."""

    finding: Finding


Event = Planned | Started | Advanced | Found
Listener = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """Listen to nothing."""
