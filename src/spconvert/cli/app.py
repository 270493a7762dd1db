"""The root command, the table of subcommands, and how every ending becomes an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Annotated

import typer

from spconvert import __version__
from spconvert.cli import exit_codes
from spconvert.cli.interrupts import Interrupted, interruptible
from spconvert.cli.messages import say, say_error
from spconvert.cli.options import ConvertOptions, takes_options
from spconvert.errors import SpconvertError, UsageError

# typer brings its own copy of click: these two are its ClickException and UsageError.
_ClickUsage: type[Exception] = typer.BadParameter.__mro__[1]
_ClickError: type[Exception] = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="spconvert",
    help="Convert images to OME-Zarr and back, keeping origin, spacing and direction exactly.",
    # Plain help costs 80 ms, rich help 180 ms.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(*, asked: bool) -> None:
    if asked:
        print(f"spconvert {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
@takes_options
def root(
    context: typer.Context,
    inputs: Annotated[
        list[Path] | None, typer.Option("-i", "--input", help="What to read", metavar="FILE")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="What to write", metavar="FILE")
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version",
            is_eager=True,
            callback=lambda value: _print_version(asked=value),
        ),
    ] = False,
    *,
    options: ConvertOptions,
) -> None:
    """Convert images to OME-Zarr and back, keeping origin, spacing and direction exactly.

    The main job: spconvert -i IN -o OUT.
    The format of each follows its suffix, then its content.
    """
    del version
    if context.invoked_subcommand is not None:
        if inputs or output:
            raise UsageError(
                f"-i and -o go before no subcommand, found {context.invoked_subcommand!r}",
                hint=f"spconvert {context.invoked_subcommand} --help",
            )
        return
    if not inputs and output is None:
        print(context.get_help())
        raise typer.Exit(exit_codes.USAGE)
    if not inputs or output is None:
        missing = "-i/--input" if not inputs else "-o/--output"
        raise UsageError(f"{missing} is missing", hint="spconvert -i IN -o OUT")
    _convert(inputs, output, options)


@app.command("convert")
@takes_options
def convert_command(
    paths: Annotated[list[Path], typer.Argument(help="IN OUT", metavar="IN OUT")],
    *,
    options: ConvertOptions,
) -> None:
    """Convert IN to OUT; the same as spconvert -i IN -o OUT."""
    if len(paths) < 2:
        raise UsageError("an input and an output are needed", hint="spconvert convert IN OUT")
    _convert(paths[:-1], paths[-1], options)


@app.command("inspect")
def inspect_command(
    inputs: Annotated[list[Path], typer.Argument(help="Files or stores", metavar="IN...")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON")] = False,
    short: Annotated[bool, typer.Option("--short", help="One line per image")] = False,
    get: Annotated[
        str | None, typer.Option("--get", help="One bare value, e.g. spacing", metavar="KEY")
    ] = None,
    format_name: Annotated[
        str | None, typer.Option("-f", "--format", help="Format of the inputs", metavar="NAME")
    ] = None,
    select: Annotated[
        str | None, typer.Option("--select", help="Which image, if several", metavar="NAME")
    ] = None,
    allow_external_data: Annotated[
        bool,
        typer.Option("--allow-external-data", help="As for a conversion"),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks")] = False,
) -> None:
    """Show what files hold and where they are; only headers are read."""
    del debug
    from spconvert.cli.inspect import chosen_show, inspect_files

    show = chosen_show(as_json=as_json, short=short, get=get)
    inspect_files(inputs, source_options=(format_name, select, allow_external_data), show=show)


def _convert(inputs: list[Path], output: Path, options: ConvertOptions) -> None:
    from spconvert.cli.convert import convert_one

    convert_one(inputs, output, options)


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code; never raises for what a user can cause."""
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of stdout went away: nothing more can be said there, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.READER_GONE
    return code


def _run(arguments: list[str]) -> int:
    debug = "--debug" in arguments
    if not debug:
        sys.excepthook = _say_fault
    try:
        with interruptible():
            code = app(args=arguments, prog_name="spconvert", standalone_mode=False)
    except Interrupted as stop:
        say("interrupted: nothing was published")
        return exit_codes.signal_code(stop.number)
    except SpconvertError as error:
        if debug:
            traceback.print_exc()
        say_error(error)
        return exit_codes.exit_code(error)
    except _ClickError as error:
        return _say_usage(error)
    except MemoryError:
        say("error: out of memory")
        say("hint: allow spconvert less with --memory, or close other programs")
        return exit_codes.LIMIT
    return code if isinstance(code, int) else exit_codes.DONE


def _say_fault(
    kind: type[BaseException], error: BaseException, _trace: TracebackType | None
) -> None:
    """The last resort, instead of a traceback; the interpreter then exits with 1."""
    say(f"error: {kind.__name__}: {error}")
    say("hint: this is a fault in spconvert; run again with --debug and report it")


def _say_usage(error: Exception) -> int:
    """A typo or a missing argument, in two lines."""
    message = getattr(error, "format_message", lambda: str(error))()
    message = " ".join(message.split())
    text, guess = message, ""
    for words in (" Did you mean ", " (Possible options: "):
        if words in message:
            text, _, guess = message.partition(words)
    say(f"error: {text[:1].lower()}{text[1:].rstrip('.')}")
    guess = guess.rstrip("?)")
    say(f"hint: did you mean {guess}?" if guess else "hint: spconvert --help lists all flags")
    return exit_codes.USAGE if isinstance(error, _ClickUsage) else exit_codes.FAILED
