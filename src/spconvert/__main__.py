"""Entry point of the command ``spconvert`` and of ``python -m spconvert``."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command line; ``--version`` alone is answered without loading anything else."""
    try:
        _open_missing_streams()
        if sys.argv[1:] == ["--version"]:
            return _show_version()
        from spconvert.cli.app import run, say_fault
        from spconvert.cli.interrupts import ignore_signals

        if "--debug" not in sys.argv:
            sys.excepthook = say_fault
        code = run(sys.argv[1:])
        ignore_signals()
        return code
    except KeyboardInterrupt:  # before the command line has set its own handlers, or after
        return 130


def _show_version() -> int:
    from spconvert import __version__
    from spconvert.cli.exit_codes import DONE, OUTPUT, READER_GONE
    from spconvert.cli.messages import say_error, show
    from spconvert.errors import TargetError

    try:
        show(f"spconvert {__version__}")
    except TargetError as error:
        say_error(error)
        return OUTPUT
    except BrokenPipeError:
        return READER_GONE
    return DONE


def _open_missing_streams() -> None:
    """Let standard streams that the caller closed lead nowhere.

    Otherwise Python has no object for them, and the next file that is opened would take their
    number and get whatever a library prints.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


if __name__ == "__main__":
    sys.exit(main())
