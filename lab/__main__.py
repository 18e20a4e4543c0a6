"""``python -m lab``: the practice range on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from . import commands, kubernetes
from .config_manager.processes import SERVICE, SYSTEM
from .errors import LabError
from .options import Options

if TYPE_CHECKING:
    from collections.abc import Callable

EPILOG = """\
A first round:
  drillbook lab up                   start PostgreSQL, Redis and two instances of the service
  pytest -m smoke --env local        check them
  drillbook lab kill api-1           break something
  drillbook lab status               look
  drillbook lab start api-1          mend it
  drillbook lab down                 stop all and remove all

Nothing restarts by itself: what has exited stays exited until it is started.
Exit status: 0 done, 1 failed, 2 wrong usage, 3 no lab is up.
"""
UP = """\
Start a lab in the background: real PostgreSQL, real Redis and the service, as processes on 127.0.0.1 with
free ports. It stays up until `drillbook lab down`. Is one up already, its addresses are shown.
"""
RUN = """\
Hold a lab in the foreground. One JSON line on stdout says that it is ready, or why it is not. It ends on
SIGTERM, SIGINT, on {"do": "down"} at its control socket, and, with --owner-fd, at once when its owner dies.
"""
PLACES = ("process", "systemd")
_NAME = "as `drillbook lab status` shows it, like api-1, postgres or redis"


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    text = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(
        prog="drillbook lab",
        description="The practice range: reference systems on this machine, made to be broken.",
        epilog=EPILOG,
        formatter_class=text,
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="COMMAND")

    up = verbs.add_parser("up", help="start a lab in the background", description=UP, formatter_class=text)
    _add_system(up)
    _add_options(up)
    up.add_argument(
        "--namespace", default=kubernetes.NAMESPACE, help=f"on kubernetes (default: {kubernetes.NAMESPACE})"
    )

    run = verbs.add_parser("run", help="hold a lab in the foreground", description=RUN, formatter_class=text)
    _add_system(run)
    _add_options(run)
    run.add_argument("--owner-fd", type=int, metavar="N", help="inherited read end of a pipe that the owner holds open")
    run.add_argument("--progress", action="store_true", help="write what is waited for to stderr")

    status = verbs.add_parser("status", help="show the processes; exit status 3 if no lab is up")
    _add_system(status)
    _add_on(status)

    logs = verbs.add_parser("logs", help="show the ends of the logs", description="Show the ends of the logs.")
    logs.add_argument("name", nargs="?", metavar="NAME", help=f"{_NAME}, or keeper (default: all)")
    logs.add_argument("--follow", "-f", action="store_true", help="go on showing, until Ctrl-C or the lab's end")
    logs.set_defaults(system=SYSTEM)
    logs.add_argument("-n", type=int, default=20, metavar="N", dest="lines", help="so many lines (default: 20)")
    _add_on(logs)

    down = verbs.add_parser("down", help="stop all, remove all, and wait until it is gone")
    _add_system(down)
    _add_on(down)

    plant = verbs.add_parser("plant", help="on compose: give the copies of the service other defects, or none")
    plant.add_argument("defect", nargs="*", metavar="NAME[=INSTANCE]", help="as in up; none heals")
    _add_on(plant)

    for verb, help_text in (
        ("start", "start a process that has exited, and wait until it is ready"),
        ("stop", "stop a process in good order; kill it when the grace is over"),
        ("kill", "kill a process with SIGKILL"),
    ):
        one = verbs.add_parser(verb, help=help_text, description=help_text.capitalize() + ".")
        one.add_argument("name", metavar="NAME", help=_NAME)
        if verb == "stop":
            one.add_argument("--grace-s", type=float, default=10.0, metavar="S", help="default: 10")

    registered = verbs.add_parser("registered", help="print the record of the lab that is up, as JSON, or exit 3")
    _add_system(registered)
    _add_on(registered)
    return top


def _add_system(to: argparse.ArgumentParser) -> None:
    to.add_argument("system", nargs="?", default=SYSTEM, choices=[SYSTEM], metavar="SYSTEM", help=SYSTEM)


def _add_on(to: argparse.ArgumentParser) -> None:
    to.add_argument(
        "--on",
        default="process",
        choices=["process", "compose", "kubernetes", "systemd"],
        help="where: processes on this machine (default), Docker Compose, the cluster that kubectl would take, a host",
    )


def _add_options(to: argparse.ArgumentParser) -> None:
    _add_on(to)
    to.add_argument("--instances", type=int, metavar="N", help="copies of the service (default: 2; on compose 3)")
    to.add_argument("--version", default="1.0.0", metavar="V", help="what they say they are (default: 1.0.0)")
    to.add_argument(
        "--defect",
        action="append",
        default=[],
        metavar="NAME[=INSTANCE]",
        help="plant a defect into all instances, or into one: --defect frozen-uptime=api-2; may be repeated",
    )
    to.add_argument("--service", default=SERVICE, metavar="MODULE", help="another Python module as the service")


def main() -> int:
    """Run a command and return its exit status."""
    if sys.platform != "linux":
        print("the lab of processes needs Linux; use the lab of containers", file=sys.stderr)
        return 1
    given = parser().parse_args()
    try:
        return _run(given)
    except LabError as error:
        if given.verb == "run":
            print(json.dumps({"ready": False, "error": str(error)}))
            return 1
        print(f"drillbook lab {given.verb}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader has seen enough
        return 0


def _run(given: argparse.Namespace) -> int:
    """Call the command; those about one process know the one system there is."""
    if getattr(given, "on", "process") == "kubernetes":
        return kubernetes.run(given)
    if getattr(given, "on", "process") == "systemd":
        from .systemd import commands as systemd  # noqa: PLC0415 - a place is loaded when it is used

        return systemd.run(given, lambda: _options(given))
    act: dict[str, Callable[[], int]] = {
        "run": lambda: commands.run(_options(given), owner=given.owner_fd, progress=given.progress),
        "up": lambda: commands.up(given.system, _options(given)),
        "status": lambda: commands.status(given.system),
        "logs": lambda: commands.logs(SYSTEM, given.name, lines=given.lines, follow=given.follow),
        "down": lambda: commands.down(given.system),
        "start": lambda: commands.change(SYSTEM, {"do": "start", "name": given.name, "wait_ready": True}),
        "stop": lambda: commands.change(SYSTEM, {"do": "stop", "name": given.name, "grace_s": given.grace_s}),
        "kill": lambda: commands.change(SYSTEM, {"do": "signal", "name": given.name, "signal": "KILL"}),
        "registered": lambda: commands.registered(given.system),
    }
    if getattr(given, "on", "process") == "compose":
        act.update(_on_compose(given))
    if given.verb not in act:
        raise LabError(f"{given.verb} needs --on compose")
    return act[given.verb]()


def _on_compose(given: argparse.Namespace) -> dict[str, Callable[[], int]]:
    """Return the commands as they are for the lab on Docker Compose."""
    from .compose import commands as compose  # noqa: PLC0415 - the lab of processes does without

    return {
        "run": lambda: compose.run(_options(given), system=given.system, owner=given.owner_fd, progress=given.progress),
        "up": lambda: compose.up(given.system, _options(given)),
        "status": lambda: compose.status(given.system),
        "logs": lambda: compose.logs(SYSTEM, given.name, lines=given.lines, follow=given.follow),
        "down": lambda: compose.down(given.system),
        "plant": lambda: compose.plant(SYSTEM, tuple(given.defect)),
        "registered": lambda: compose.registered(given.system),
    }


def _options(given: argparse.Namespace) -> Options:
    copies = {"compose": 3}.get(given.on, 2) if given.instances is None else given.instances
    return Options(copies, given.version, tuple(given.defect), given.service)


if __name__ == "__main__":
    sys.exit(main())
