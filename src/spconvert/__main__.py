"""Entry point of the command ``spconvert`` and of ``python -m spconvert``."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; ``--version`` alone is answered without loading anything else."""
    if sys.argv[1:] == ["--version"]:
        from spconvert import __version__

        print(f"spconvert {__version__}")  # noqa: T201
        return 0
    from spconvert.cli.app import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
