"""The root command, the table of subcommands, and how every ending becomes an exit code."""

from __future__ import annotations

import traceback
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Annotated

import typer
from typer.main import get_command

from spconvert import __version__
from spconvert.cli import exit_codes
from spconvert.cli.help import GroupedCommand, GroupedCommands
from spconvert.cli.interrupts import Interrupted, interruptible
from spconvert.cli.messages import say, say_error, show
from spconvert.cli.options import ConvertOptions, ReadFlags, takes_options
from spconvert.errors import SpconvertError, UsageError

# typer brings its own copy of click: these two are its ClickException and UsageError.
_ClickUsage: type[Exception] = typer.BadParameter.__mro__[1]
_ClickError: type[Exception] = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="spconvert",
    cls=GroupedCommands,
    # Plain help costs 80 ms, rich help 180 ms.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(*, asked: bool) -> None:
    if asked:
        show(f"spconvert {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
@takes_options(ConvertOptions)
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

    The main job: spconvert -i IN -o OUT. The format of each follows its suffix, then its content.

    The geometry flags assign, they never resample: no voxel changes. The order of vectors is
    always x,y,z; coordinates of patients are LPS, in the unit of the image.
    """
    del version
    if context.invoked_subcommand is not None:
        if inputs or output or replace(options, debug=False) != ConvertOptions():
            raise UsageError(
                f"flags before {context.invoked_subcommand!r} would not be seen by it",
                hint=f"write them behind it: spconvert {context.invoked_subcommand} ... FLAGS",
            )
        return
    if not inputs and output is None:
        typer.echo(context.get_help())
        raise typer.Exit(exit_codes.USAGE)
    if not inputs or output is None:
        missing = "-i/--input" if not inputs else "-o/--output"
        raise UsageError(f"{missing} is missing", hint="spconvert -i IN -o OUT")
    _convert(inputs, output, options)


@app.command("convert", cls=GroupedCommand)
@takes_options(ConvertOptions)
def convert_command(
    paths: Annotated[list[Path], typer.Argument(help="IN... OUT", metavar="IN... OUT")],
    *,
    options: ConvertOptions,
) -> None:
    """Convert IN to OUT; the same as spconvert -i IN -o OUT. Several IN are slices of one volume.

    The geometry flags assign, they never resample: no voxel changes. The order of vectors is
    always x,y,z; coordinates of patients are LPS, in the unit of the image.
    """
    if len(paths) < 2:
        raise UsageError("an input and an output are needed", hint="spconvert convert IN OUT")
    _convert(paths[:-1], paths[-1], options)


@app.command("inspect", cls=GroupedCommand)
@takes_options(ReadFlags)
def inspect_command(
    inputs: Annotated[list[Path], typer.Argument(help="Files or stores", metavar="IN...")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON")] = False,
    short: Annotated[bool, typer.Option("--short", help="One line per image")] = False,
    get: Annotated[
        str | None, typer.Option("--get", help="One bare value, e.g. spacing", metavar="KEY")
    ] = None,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Without header fields and findings")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Header fields in full length")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks")] = False,
    options: ReadFlags,
) -> None:
    """Show what files hold and where they are; only headers are read.

    Spacing, origin and direction are in x, y, z order; coordinates of a patient are LPS.
    """
    del debug
    from spconvert.cli.inspect import chosen_view, inspect_files

    view = chosen_view(as_json=as_json, short=short, get=get, quiet=quiet, verbose=verbose)
    failed = inspect_files(inputs, options, view)
    if failed:
        raise typer.Exit(exit_codes.SOME_FAILED)


@app.command("formats", cls=GroupedCommand)
def formats_command(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks")] = False,
) -> None:
    """List the formats that can be read and written, and what each keeps."""
    del debug
    from spconvert.cli.formats import list_formats

    list_formats(as_json=as_json)


def _convert(inputs: list[Path], output: Path, options: ConvertOptions) -> None:
    from spconvert.cli.convert import convert_one

    convert_one(inputs, output, options)


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code; never raises for what a user can cause."""
    with interruptible():
        try:
            return _answer(arguments)
        except Interrupted as stop:
            say("interrupted: nothing half-written was left behind")
            return exit_codes.signal_code(stop.number)


def _answer(arguments: list[str]) -> int:
    """Run the command line; every failure becomes two lines at most, and an exit code."""
    debug = "--debug" in arguments
    try:
        code = get_command(app).main(arguments, "spconvert", standalone_mode=False)
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
    except SystemExit as stop:
        # click ends so when the reader of stdout went away, and after shell completion.
        gone = isinstance(stop.__context__, BrokenPipeError)
        return exit_codes.READER_GONE if gone else int(stop.code or 0)
    return code if isinstance(code, int) else exit_codes.DONE


def say_fault(
    kind: type[BaseException], error: BaseException, _trace: TracebackType | None
) -> None:
    """The last resort, instead of a traceback; the interpreter then exits with 1."""
    say(f"error: {kind.__name__}: {error}")
    say("hint: this is a fault in spconvert; run again with --debug and report it")


def _say_usage(error: Exception) -> int:
    """A typo or a missing argument, in two lines."""
    message = getattr(error, "format_message", lambda: str(error))()
    text = " ".join(message.split())
    hint = "spconvert --help lists all flags"
    for words in (" Did you mean ", " (Possible options: "):
        if words in text:
            text, _, guess = text.partition(words)
            hint = f"did you mean {guess.rstrip('?)').replace(', ', ' or ')}?"
            break
    else:
        if text.startswith("No such command"):
            hint = "to convert: spconvert -i IN -o OUT, or spconvert convert IN OUT"
    say(f"error: {text[:1].lower()}{text[1:].rstrip('.')}")
    say(f"hint: {hint}")
    return exit_codes.USAGE if isinstance(error, _ClickUsage) else exit_codes.FAILED
