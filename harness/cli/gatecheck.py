"""``harness gatecheck``."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.console import errors, output, table
from harness.cli.format import ABSENT
from harness.errors import HarnessError
from harness.gatecheck.options import SLOWDOWNS, TARGET_FALSE, TARGET_FLOOR, TARGET_FOUND, GatecheckOptions

if TYPE_CHECKING:
    from harness.gatecheck.rates import GateRates

_DEFAULT = GatecheckOptions()


def gatecheck(
    cases: Annotated[int, typer.Option(min=10, help="Cases of a suite.")] = _DEFAULT.cases,
    slowed: Annotated[int, typer.Option(min=1, help="Of these, how many are slowed.")] = _DEFAULT.slowed,
    repeats: Annotated[int, typer.Option(min=1, help="Suites.")] = _DEFAULT.repeats,
    nights: Annotated[int, typer.Option(min=8, help="Runs of the history.")] = _DEFAULT.nights,
    rounds: Annotated[int, typer.Option(min=10, help="Rounds of a record.")] = _DEFAULT.rounds,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulation.")] = _DEFAULT.seed,
    samples: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Results whose recorded samples make the noise; repeatable. See below."),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every count as JSON.")] = False,
) -> None:
    """Check the gates: slow some cases of simulated suites by 1, 2, 3, 5 and 10 %, and count what is found and what is not there.

    The noise is made (heavy tails, drift, steps of the clock, slow nights, a floor a case), the judging is that of `compare` and
    `check`. With `--samples`, cases and noise come from recorded runs, whose samples are resampled; where these are twelve runs or
    more of the same cases, the nights as they were are asked too. Exit code 0 where the gates reach their targets, 2 where one does not. `harness selfcheck` asks a real machine.

    **Examples**

    - `harness gatecheck`

    - `harness gatecheck --repeats 10 --markdown`

    - `harness gatecheck --samples results/reference`
    """
    from harness.compare.export import markdown_table
    from harness.gatecheck.rates import measure_rates
    from harness.gatecheck.recorded import RecordedSuite, read_recorded
    from harness.gatecheck.reruns import rerun_rates

    if slowed >= cases:
        raise HarnessError(f"--slowed: must be less than --cases (got {slowed} of {cases}); some must stay as they are")
    if markdown and as_json:
        raise HarnessError("--markdown, --json: choose one (got both); run the command twice for both")
    options = GatecheckOptions(cases, slowed, repeats, nights, rounds, seed)
    if samples:
        recorded = read_recorded(samples, rounds)
        _say(
            f"{len(recorded.rounds)} records of {len(recorded.records)} cases; {recorded.passed_over} have fewer rounds"
        )
        resampled = measure_rates(options, _say, functools.partial(RecordedSuite.drawn, recorded))
        found = (*resampled, *rerun_rates(samples, seed, _say))
    else:
        found = measure_rates(options, _say)
    columns = ("gate", "false at A/A", *(f"+{each:.0%}" for each in SLOWDOWNS if each), "false, with +5 %")
    rows = [_row(each) for each in found]
    if as_json:
        print(json.dumps({"options": asdict(options), "gates": [gate_json(each) for each in found]}, indent=2))
    elif markdown:
        print("\n".join(markdown_table(columns, rows)))
    else:
        made = table("found, of slowed cases with a floor under 2 % (of all)", *columns, right=columns[1:])
        for row in rows:
            made.add_row(*row)
        output.print(made)
    missed = [each.gate for each in found if each.targeted and not each.reaches_targets]
    words = f"missed by {', '.join(missed)}" if missed else "reached"
    errors.print(
        f"targets {words}: at most {TARGET_FALSE:.1%} false at A/A, at least {TARGET_FOUND:.0%} of +5 % found where the floor "
        f"is under {TARGET_FLOOR:.0%}",
        markup=False,
        soft_wrap=True,
    )
    if missed:
        raise typer.Exit(2)


def _say(message: str) -> None:
    errors.print(message, markup=False, soft_wrap=True)


def _row(gate: GateRates) -> tuple[str, ...]:
    found = [f"{_share(each.quiet_rate)} ({_share(each.found_rate)})" for each in gate.rates if each.slowdown]
    with_five = next(each for each in gate.rates if each.slowdown == 0.05)
    return gate.gate, f"{gate.rates[0].false_rate:.2%}", *found, f"{with_five.false_rate:.2%}"


def _share(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.1%}"


def gate_json(gate: GateRates) -> dict[str, object]:
    """What ``--json`` prints of a gate."""
    return {
        "gate": gate.gate,
        "targeted": gate.targeted,
        "reaches_targets": gate.reaches_targets,
        "rates": [
            {**asdict(each), "false_rate": each.false_rate, "found_rate": each.found_rate} for each in gate.rates
        ],
    }
