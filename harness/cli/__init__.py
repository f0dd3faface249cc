"""The command line. Each command is a small module; this one ties them together and turns errors into exit codes.

Exit codes: 0 done; 2 for a suite that is refused; 1 for anything else.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any

import typer

from harness import __version__
from harness.cli import (
    check,
    compare,
    data,
    doctor,
    gatecheck,
    history,
    listing,
    plan,
    profile,
    report,
    run,
    schema,
    selfcheck,
    tune,
    verify,
)
from harness.cli.console import errors
from harness.errors import HarnessError, SuiteError

# Typer brings click as a dependency or inside itself, depending on its version; its own exceptions lead to the base.
_ClickException: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

app = typer.Typer(
    name="harness",
    help="Benchmark and accuracy harness for quantization: what each scheme costs in accuracy and buys in speed.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("plan")(plan.plan)
app.command("list")(listing.list_)
app.command("report")(report.report)
app.command("compare")(compare.compare)
app.command("check")(check.check)
app.command("history")(history.history)
app.command("schema")(schema.schema)
app.command("doctor")(doctor.doctor)
app.command("verify")(verify.verify)
app.command("selfcheck")(selfcheck.selfcheck)
app.command("gatecheck")(gatecheck.gatecheck)
app.command("tune")(tune.tune)
app.command("profile")(profile.profile)
app.add_typer(data.app, name="data")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"harness {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the ``harness`` command. Always raises SystemExit."""
    signal.signal(signal.SIGTERM, _interrupt)  # a scheduler's stop keeps the finished rows, as Ctrl-C does
    command = typer.main.get_command(app)
    try:
        code = command.main(args=arguments, prog_name="harness", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except SuiteError as error:
        errors.print(f"{error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except HarnessError as error:
        errors.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except _ClickException as error:
        error.show()
        sys.exit(1)
    except (typer.Abort, KeyboardInterrupt):
        errors.print("interrupted")
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader went; nothing is left to say
        sys.exit(1)
