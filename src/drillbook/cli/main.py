"""The command line: one small function a command, heavy imports inside them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from .. import __version__, carried, stdout
from ..redaction import plain_output, visible

_DESCRIPTION = "Turns runbook sentences into checks and judges live environments by them."
_EPILOG = """\
examples:
  drillbook gate --env staging.toml                 judge a deploy: MET, NOT_MET or UNKNOWN, with the evidence
  drillbook gate --env prod --within 120s           give a fresh deploy two minutes to become healthy
  drillbook chaos --env staging --disrupt staging   inject faults under traffic, undo them, judge what clients saw
  drillbook recover --env staging                   undo what a dead run has left behind
  drillbook clean --env staging                     delete the test keys that such runs have left
  drillbook env check staging.toml                  say whether an environment file is in order; contact nothing
  drillbook faults                                  what harm can be done, where, and what takes it back
  drillbook lab up                                  keep the practice range running on this machine
  drillbook report latest                           show what the newest run found
  drillbook judge latest --json                     judge its saved observations again; nothing is contacted
  drillbook trace                                   which statement is held by which test, and which waits

exit statuses of a gate:
  0 all MET   1 something NOT_MET   10 something UNKNOWN, nothing NOT_MET   11 nothing was judged
  4 bad arguments, or a run that could not begin   3 evidence was lost   2 ended by a signal   5 nothing was collected
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status."""
    plain_output(sys.stdout, sys.stderr)
    stdout.guard()
    return stdout.settled(_run(sys.argv[1:] if arguments is None else arguments))


def _run(given: list[str]) -> int:
    if given[:1] and given[0] in _PYTESTS:
        return _pytest(given[0], given[1:])
    if given[:1] == ["lab"]:
        return _lab(given[1:])
    if not given:
        _parser().print_help()
        return 2
    options = _parser().parse_args(given)
    return int(options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="drillbook",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"drillbook {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    commands.add_parser("gate", help="judge an environment (takes pytest's options too: -k, -n, --junitxml ...)")
    commands.add_parser("chaos", help="inject faults under traffic and judge what clients saw; -m drill for drills")
    commands.add_parser("load", help="send load and judge the objectives under it")
    for name, text in (
        ("recover", "undo what a run that is gone has left behind, prove it, and delete its test keys"),
        ("abort", "have the run that disrupts an environment undo everything now"),
        ("clean", "delete the test keys that runs which are gone have left in the namespace for writes"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--env", required=True, metavar="NAME", help="the environment")
        if name in _TAKE_A_SYSTEM:
            command.add_argument("--system", metavar="NAME", help=_TAKE_A_SYSTEM[name])
        command.set_defaults(run=_undoing, command=name)
    faults = commands.add_parser(
        "faults",
        help="what harm can be done, where, and what takes it back; contacts nothing",
        description=_FAULTS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    faults.add_argument("family", nargs="*", help="families (all)")
    faults.add_argument("--json", action="store_true", help="print them as JSON")
    faults.set_defaults(run=_faults)
    env = commands.add_parser("env", help="environment files: check FILE, schema; contacts nothing")
    what = env.add_subparsers(title="commands", metavar="COMMAND", required=True)
    checked = what.add_parser("check", help="say whether a file is in order, with every problem; contacts nothing")
    checked.add_argument("name", metavar="NAME|FILE", help="the environment, or its file")
    checked.set_defaults(run=_env_check)
    what.add_parser("schema", help="print the JSON Schema of environment files, for editors").set_defaults(
        run=_env_schema
    )
    commands.add_parser("lab", help="the practice range on this machine: up, status, logs, down")
    for name, run, text in (
        ("report", _report, "show a finished run again"),
        ("judge", _judge, "judge a run's saved observations again, contacting nothing"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("name", metavar="RUN", help="a run's id, its directory, or latest")
        command.add_argument("--json", action="store_true", help="print the summary as JSON")
        command.add_argument("--reports", type=Path, default=Path("reports"), help="where runs are (reports/)")
        command.set_defaults(run=run)
    trace = commands.add_parser("trace", help="which test holds which statement of the runbooks")
    trace.add_argument("system", nargs="*", help="systems (all)")
    trace.add_argument("--state", choices=["held", "declared", "waiting", "human"], help="show these alone")
    trace.set_defaults(run=_trace)
    return parser


_TAKE_A_SYSTEM = {
    "recover": "undo what was done to this system alone (default: to all of the environment)",
    "abort": "undo at the place of this system alone, which others may share (default: everywhere)",
}
_PYTESTS = {"gate": "checks", "chaos": "chaos", "load": "load"}
"""Commands that are pytest on a carried folder."""


def _pytest(command: str, arguments: list[str]) -> int:
    """Run pytest on what the wheel carries, from any directory and whatever its conftest defines."""
    import pytest  # noqa: PLC0415 - only these commands need it

    if {"-h", "--help"} & set(arguments):
        print(_GATE_HELP, end="")
        return 0
    named = any(word.startswith("--env=") for word in arguments) or "--env" in arguments[:-1]
    if not named:
        from ..environment import known  # noqa: PLC0415 - only for this message

        print(f"drillbook {command}: say --env NAME or --env FILE; known: {', '.join(known())}", file=sys.stderr)
        return 4
    marks = ["-m", "smoke"] if command == "gate" and "-m" not in arguments else []
    root = carried.root()
    folder = root / _PYTESTS[command]
    return int(
        pytest.main(
            [
                "--config-file",
                str(root / "checks" / "gate.ini"),
                f"--rootdir={root}",
                f"--confcutdir={folder}",
                "-p",
                "drillbook.plugin",
                *_cache(arguments),
                *marks,
                *arguments,
                str(folder),
            ]
        )
    )


def _cache(arguments: list[str]) -> list[str]:
    """Return pytest's options for its cache: kept by those who ask what failed last, beside Drillbook's own state."""
    if not any(word.partition("=")[0] in _ASK_THE_CACHE for word in arguments):
        return ["-p", "no:cacheprovider"]
    from ..state import state_directory  # noqa: PLC0415 - only these options need it

    return ["-o", f"cache_dir={state_directory() / 'pytest-cache'}"]


_ASK_THE_CACHE = frozenset(
    {
        *(
            "--lf",
            "--last-failed",
            "--ff",
            "--failed-first",
            "--nf",
            "--new-first",
            "--lfnf",
            "--last-failed-no-failures",
        ),
        *("--cache-show", "--cache-clear", "--sw", "--stepwise", "--sw-skip", "--stepwise-skip"),
    }
)

_GATE_HELP = """\
usage: drillbook gate  --env NAME|FILE [options] [pytest options]
       drillbook chaos --env NAME|FILE --disrupt NAME [-m drill] [--plan] [options] [pytest options]
       drillbook load  --env NAME|FILE --disrupt NAME [options] [pytest options]

gate judges an environment by the runbooks' statements: MET, NOT_MET or UNKNOWN, each with its evidence. It is
read-only unless the environment file allows a system's mutations. chaos injects faults under traffic, and load sends
load; both ask for [disruption] or [load] in the environment file and for its name once more: --disrupt NAME.

  --env NAME|FILE          environments/NAME.toml here, or a path to an environment file
  -m preflight             judge what must hold before the deploy (default: -m smoke, after it)
  --expect-version V       what every instance must run
  --within 120s            time for a fresh deploy to become healthy; every round observes anew
  --good-rounds N          with --within: N good rounds in a row
  --deadline 300s          bound the whole; what is unseen by then is UNKNOWN
  --disrupt NAME           let scenarios and load disrupt the environment of this name
  --plan                   show what the selected scenarios would do; change nothing
  --require ID|all         what must be judged: where it is not, it is UNKNOWN; all: everything that is selected
  --fail-on critical       let broken warnings pass (they are still shown)
  --reports DIR            where the run leaves its journal (reports/)
  -k EXPRESSION, -n 2, -x, --junitxml FILE, --alluredir DIR, --collect-only    as in pytest

exit statuses: 0 all MET   1 something NOT_MET   10 something UNKNOWN   11 nothing was judged
  4 bad arguments, or a run that could not begin   3 evidence was lost   2 ended by a signal   5 nothing was collected
"""


def _env_check(options: argparse.Namespace) -> int:
    from .environments import check  # noqa: PLC0415 - only this command needs it

    return check(options.name)


def _env_schema(_options: argparse.Namespace) -> int:
    from .environments import schema  # noqa: PLC0415 - as above

    return schema()


def _lab(arguments: list[str]) -> int:
    """Hand over to the lab's own program."""
    from .. import carried  # noqa: PLC0415 - only this command needs it

    command, environment = carried.lab_command(*arguments)
    sys.stdout.flush()
    os.execve(command[0], command, environment)  # noqa: S606 - our own interpreter


_FAULTS_HELP = """\
A fault is a harm that can be undone. Its undo is written down before the harm is done, a watchdog carries it out
whatever becomes of the run, and it counts as over only when that is proved. A family is one kind of fault.

  call        how a scenario asks for it: a function under chaos/ returns such faults, and pytest chaos injects them
  on          the platforms where it is done so. Whether your account may do it is asked when the scenario runs:
              pytest chaos --env NAME --disrupt NAME --plan says so and changes nothing
  needs       what the platform must be able to do, for the harm and for its undo; without one of these the fault is
              refused, with the reason, before anything is done
  undo        the word by which the record on disk names what takes the harm back, and what that does

Where a platform starts again what has ended, that is the undo; where it replaces what has ended, the undo is to wait
for the replacement. A scenario does not choose: the platform of its system does.

examples:
  drillbook faults                    all families
  drillbook faults pause --json       one of them, for a program
"""


def _faults(options: argparse.Namespace) -> int:
    from . import faults  # noqa: PLC0415 - see the module

    return faults.show(options.family, as_json=options.json)


def _undoing(options: argparse.Namespace) -> int:
    """Run ``recover``, ``abort`` or ``clean``."""
    from . import undoing  # noqa: PLC0415 - see the module

    if options.command == "clean":
        return undoing.clean(options.env)
    command = undoing.recover if options.command == "recover" else undoing.abort
    return command(options.env, options.system)


def _report(options: argparse.Namespace) -> int:
    from ..journal import NoSuchRun, find_run  # noqa: PLC0415 - see the module
    from ..report import summary, text  # noqa: PLC0415 - see the module

    try:
        run = summary.from_journal(find_run(options.reports, options.name))
    except NoSuchRun as error:
        print(f"drillbook report: {error}", file=sys.stderr)
        return 4
    print(json.dumps(summary.as_json(run), indent=2) if options.json else "\n".join(text.whole(run)))
    return 0


def _judge(options: argparse.Namespace) -> int:
    from dataclasses import asdict  # noqa: PLC0415 - see the module

    from ..journal import NoSuchRun, find_run  # noqa: PLC0415 - see the module
    from ..model import id_of  # noqa: PLC0415 - see the module
    from ..rejudge import CannotRejudge, rejudge  # noqa: PLC0415 - see the module

    try:
        directory = find_run(options.reports, options.name)
        again = rejudge(directory)
    except (NoSuchRun, CannotRejudge) as error:
        print(f"drillbook judge: {error}", file=sys.stderr)
        return 4
    if options.json:
        rows = [{"system": one.system, **asdict(one.verdict), "as_then": one.as_then} for one in again.verdicts]
        print(json.dumps(rows, indent=2))
    else:
        for one in again.verdicts:
            as_then = f"   (as judged then: {one.as_then})" if one.as_then else ""
            name = id_of(one.verdict.id, one.system)
            print(visible(f"{one.verdict.outcome:7} {name}   {one.verdict.observed}{as_then}"))
    outcomes = {str(one.verdict.outcome) for one in again.verdicts}
    if outcomes == {"MET"} and again.exit_status_then:
        print(
            f"drillbook judge: all is MET by these judges, but the run ended with exit {again.exit_status_then}: "
            f"drillbook report {directory.name} says why",
            file=sys.stderr,
        )
        return 10
    return 1 if "NOT_MET" in outcomes else 10 if "UNKNOWN" in outcomes else 0


def _trace(options: argparse.Namespace) -> int:
    from .. import catalogue, control_runs, trace  # noqa: PLC0415 - see the module

    unknown = [name for name in options.system if name not in catalogue.SYSTEMS]
    if unknown:
        print(
            f"drillbook trace: unknown system {unknown[0]}; known: {', '.join(catalogue.SYSTEMS)}",
            file=sys.stderr,
        )
        return 4
    total = trace.Counts()
    try:
        runs = control_runs.read()
    except ValueError as error:
        print(f"drillbook trace: {error}", file=sys.stderr)
        return 4
    for system in options.system or catalogue.SYSTEMS:
        traced = trace.trace(system, runs)
        for one in traced:
            if options.state in {None, one.state}:
                print(_traced_line(one))
        total += trace.count(traced)
        print(f"{system}: {trace.count(traced)}\n")
    print(total)
    return 0


def _traced_line(one: object) -> str:
    from ..trace import Traced  # noqa: PLC0415 - see the module

    assert isinstance(one, Traced)
    if one.state == "held":
        where = f"by {one.test} on {', '.join(one.platforms)}; flipped by {', '.join(one.proofs)}"
        return f"held     {one.entry.id}   {where}"
    if one.state == "declared":
        names = ", ".join(one.proofs)
        return f"declared {one.entry.id}   by {one.test}; no control run on record has it flipped by {names}"
    if one.state == "human":
        return f"human    {one.entry.id}   {one.entry.heading}"
    why = f"judged by {one.test}, no planted defect flips it yet" if one.test else f"for a {one.entry.use}"
    return f"waiting  {one.entry.id}   {why}"
