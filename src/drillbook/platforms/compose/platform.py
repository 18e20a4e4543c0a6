"""Docker Compose: the containers of one project, found by Compose's own labels through the engine's API.

The instances of the system are reached where the engine publishes their ports, else at the container's own address,
which only the engine's own machine can reach. An instance that is down publishes nothing: it is given an address at
which nobody listens, since that is what its users meet.
"""

from __future__ import annotations

import math
import os
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ...addresses import hostname
from ...model import CannotObserve, Instance
from ...polling import TimedOut, wait_until
from .. import lines
from ..capabilities import (
    EXECUTE_S,
    Balances,
    BearsMarks,
    Declares,
    Discovers,
    Executed,
    Executes,
    InstanceState,
    Kills,
    Lists,
    LogText,
    Missing,
    Pauses,
    PlatformRefused,
    ReadsLogs,
    ReportsUsage,
    Restarts,
    RollsBack,
    RollsOut,
    Scales,
    Starts,
    Stopped,
    Stops,
    TargetGone,
    Usage,
    named,
)
from ..claims import KeepsClaim
from ..limited import limited
from . import program as compose_program
from .claim import EngineClaim
from .entry import Entry, addresses
from .settings import ComposeProject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from docker import DockerClient
    from docker.models.containers import Container, ExecResult

    from ...model import Component, System

C = TypeVar("C")
R = TypeVar("R")
MARKER = "drillbook.marker"
_LABEL = "com.docker.compose"
_ANSWER_S = 3
_ACT_S = 15
"""An engine with much to do may take its time to start or stop a container."""
_DEATH_S = 5.0
_GRACE_S = 10
"""The engine's own, for a container that names none."""
_KILLED = 137
_SIGNALS = range(129, 193)
_LOG_LINES = 20_000
_NOBODY = "127.0.0.1:0"
_ANYWHERE = {"", "0.0.0.0", "::"}  # noqa: S104 - what the engine says, not what we bind
_HINT = "start the engine (docker info must answer), or name it as host under [compose] or in DOCKER_HOST"
_UP = "bring it up: docker compose up -d --wait"
_GIVEN: tuple[Any, ...] = (
    Lists, ReadsLogs, Starts, Stops, Kills, Pauses, Restarts, Executes, ReportsUsage, Discovers, BearsMarks,
)  # fmt: skip
_WHY_NOT: dict[Any, str] = {
    RollsOut: "Docker Compose rolls out what the project's files say: change them and run docker compose up -d --wait",
    RollsBack: "Docker Compose keeps no earlier version: put the files back and run docker compose up -d --wait",
}
_STATES = {"created": "exited", "restarting": "starting", "removing": "stopping", "dead": "exited"}
_local = threading.local()


class Project:
    """The containers of one Compose project: lists, starts, stops, kills and pauses them.

    Args:
        project: which, and on which engine.
    """

    def __init__(self, project: ComposeProject) -> None:
        self.project = project

    def list_instances(self) -> tuple[InstanceState, ...]:
        """Return every container of the project, by name. Raises CannotObserve."""
        containers = _seen(lambda: list(self._containers()))
        idle = {
            component: Entry(address, containers).kept_from_work()
            for component, address in self.project.balancers.items()
        }
        found = [self._state(one, idle.get(self._component(one), frozenset())) for one in containers]
        return tuple(sorted(found, key=lambda state: state.name))

    def declared(self) -> tuple[str, ...]:
        """Return the components that the project's files declare. Raises CannotObserve."""
        return tuple(self.project.component_of(service) for service in compose_program.services(self.project))

    def discover(self, component: Component) -> tuple[Instance, ...]:
        """Return the containers of a component's service. Raises CannotObserve, also when there is none."""
        service = self.project.service_of(component.name)
        found = _seen(lambda: [self._locate(one, component) for one in self._containers() if _service(one) == service])
        if not found:
            raise CannotObserve(f"project {self.project.name} has no container of service {service}", hint=_UP)
        return tuple(sorted(found, key=lambda instance: instance.name))

    @property
    def marker(self) -> str:
        """Where the mark is, in words."""
        return f"the label {MARKER} of every container of project {self.project.name}"

    def marks(self) -> frozenset[str]:
        """Return the names in the label ``drillbook.marker`` that every container bears. Raises CannotObserve."""
        found = _seen(lambda: [one.labels.get(MARKER, "").split() for one in self._containers()])
        return frozenset.intersection(*map(frozenset, found)) if found else frozenset()

    def read_log(self, instance: Instance, *, limit_bytes: int, since_s: float | None = None) -> LogText:
        """Return the last lines that the container wrote, with the engine's own times. Raises CannotObserve."""
        text = _seen(lambda: self._container(instance.name).logs(tail=_LOG_LINES, since=since_s, timestamps=True))
        stamped = lines.split(text.decode("utf-8", errors="replace"))
        found, times = lines.stamped(stamped)
        return lines.last(found, limit_bytes, whole=len(stamped) < _LOG_LINES, written_s=times)

    def search_log(self, instance: Instance, texts: tuple[str, ...], *, since_s: float) -> LogText:
        """Search all that the container wrote since a moment. Raises CannotObserve."""

        def search() -> LogText:
            parts = self._container(instance.name).logs(since=since_s, timestamps=True, stream=True, follow=False)
            return lines.holding_stamped(lines.parted(parts), texts, since_s)

        return _seen(search)

    def start(self, name: str) -> None:
        """Start it, put it back into the balancer, and return at once: the list says when it is healthy.

        Raises PlatformRefused; then it may well run, without work.
        """
        _done(f"start {name}", lambda: self._acted(name).start())
        self.put_back(name, gone=False)

    @property
    def shows_stopping(self) -> bool:
        """The engine calls a container running up to its end."""
        return False

    def stop(self, name: str, *, grace_s: float) -> Stopped:
        """Take it out of the balancer, send its stop signal, kill it when the grace is over, return when it is gone.

        Its last requests through the balancer and its own end share the grace. The engine counts in whole seconds: a
        fraction is rounded up, and there is one second left at least.

        Raises:
            PlatformRefused: the balancer does not answer, and nothing was done; or the engine refused.
        """
        what, began = f"stop {name}", time.monotonic()
        container, entry = _done(what, lambda: self._behind(name))
        if entry is not None:
            entry.take_out(container, limit_s=grace_s)
        grace = max(1, math.ceil(grace_s - (time.monotonic() - began)))

        def stop() -> int:
            container.stop(timeout=grace)
            container.reload()
            return int(container.attrs["State"]["ExitCode"])

        asked = time.monotonic()
        try:
            code = _done(what, stop)
            ended = time.monotonic()
        finally:
            if entry is not None:
                entry.put_back(container, gone=True)
        return Stopped(_exit_code(code), killed=code == _KILLED and ended - asked >= grace, took_s=ended - began)

    def take_out(self, name: str, *, limit_s: float) -> None:
        """Have the balancer give it no more work, and wait until it has none left. Raises PlatformRefused."""
        container, entry = _done(f"take out {name}", lambda: self._behind(name))
        if entry is not None:
            entry.take_out(container, limit_s=limit_s)

    def put_back(self, name: str, *, gone: bool) -> None:
        """Have the balancer give it work again. Raises PlatformRefused."""
        container, entry = _done(f"put back {name}", lambda: self._behind(name))
        if entry is not None:
            entry.put_back(container, gone=gone)

    def kill(self, name: str) -> None:
        """Kill it and return when it is proven dead. Raises PlatformRefused, CannotObserve."""
        before = _done(f"kill {name}", lambda: self._killed(name))
        try:
            wait_until(lambda: self._pid(name) != before, what=f"the death of {name}", timeout_s=_DEATH_S)
        except TimedOut as error:
            raise PlatformRefused(f"kill {name}: {error}", hint="look at the container") from None

    def pause(self, name: str) -> None:
        """Freeze it with all its children. Raises PlatformRefused."""
        _done(f"pause {name}", lambda: self._acted(name).pause())

    def resume(self, name: str) -> None:
        """Let it go on. Raises PlatformRefused."""
        _done(f"unpause {name}", lambda: self._acted(name).unpause())

    def restart(self, name: str) -> None:
        """Restart a container, or all of a service in turn, each with its own grace and out of the balancer first.

        Raises:
            PlatformRefused: one could not be restarted.
            CannotObserve: the engine does not answer.
        """
        for one in named(self.list_instances(), name):
            _done(f"restart {one.name}", partial(self._restart, one.name))

    def usage(self, name: str) -> Usage:
        """Return what the engine counts for a container, without what the page cache could give back.

        Raises CannotObserve.
        """

        def look() -> dict[str, Any]:
            container = self._container(name)
            assert container.client is not None
            return cast("dict[str, Any]", container.client.api.stats(str(container.id), stream=False, one_shot=True))

        found = _seen(look)
        memory = found.get("memory_stats") or {}
        if "usage" not in memory:
            raise CannotObserve(f"{name} does not run: the engine counts nothing for it", hint="docker ps -a")
        details = memory.get("stats") or {}
        cache = details.get("total_inactive_file", details.get("inactive_file", 0))
        return Usage(memory["usage"] - cache, cpu_s=found["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9)

    def execute(self, name: str, command: tuple[str, ...], *, limit_s: float = EXECUTE_S) -> Executed:
        """Run a command in the container. Raises PlatformRefused; what takes too long may go on in there."""
        what = f"execute in {name}"

        def run() -> ExecResult:
            return _done(what, lambda: self._acted(name).exec_run(list(command)))

        try:
            result = limited(run, what=what, limit_s=limit_s)
        except TimedOut as error:
            raise PlatformRefused(str(error), hint="look at the container: docker top") from None
        assert isinstance(result.output, bytes)
        return Executed(result.exit_code or 0, result.output.decode("utf-8", errors="replace"))

    def look(self, read: Callable[[DockerClient], R]) -> R:
        """Read something else of the engine. Raises CannotObserve."""
        return _seen(lambda: read(_client(self.project.host, _ANSWER_S)))

    def act(self, what: str, do: Callable[[DockerClient], R]) -> R:
        """Do something else on the engine. Raises PlatformRefused."""
        return _done(what, lambda: do(_client(self.project.host, _ACT_S)))

    def some_image(self, client: DockerClient) -> str | None:
        """Return an image that the engine has because the project runs it; None without containers."""
        labels = [f"{_LABEL}.project={self.project.name}"]
        found = client.containers.list(all=True, filters={"label": labels}, limit=1)
        return str(found[0].attrs["Image"]) if found else None

    def replicas(self, component: str) -> int:
        """Return how many containers a service has. Raises CannotObserve; TargetGone when it has none."""
        found = sum(one.component == component for one in self.list_instances())
        if not found:
            raise TargetGone(f"project {self.project.name} has no container of {component} any more", hint=_UP)
        return found

    def scale(self, component: str, replicas: int) -> int:
        """Let Compose have so many containers of a service; return how many there were.

        Raises PlatformRefused, CannotObserve.
        """
        before = len([one for one in named(self.list_instances(), component) if one.component == component])
        compose_program.up(self.project, self.project.service_of(component), replicas=replicas)
        return before

    def _containers(self, limit_s: int = _ANSWER_S) -> Iterator[Container]:
        """Return what Compose made, without ``compose run``'s passing containers."""
        labels = [f"{_LABEL}.project={self.project.name}", f"{_LABEL}.oneoff=False"]
        client = _client(self.project.host, limit_s)
        yield from client.containers.list(all=True, filters={"label": labels}, ignore_removed=True)

    def _container(self, name: str, among: Iterable[Container] | None = None) -> Container:
        """Return one by its name without the project's. Raises CannotObserve, and what the engine raises."""
        found = {self._name(one): one for one in (self._containers() if among is None else among)}
        if name not in found:
            listed = ", ".join(sorted(found)) or "none"
            raise CannotObserve(f"project {self.project.name} has no container {name}", hint=f"there are {listed}")
        return found[name]

    def _restart(self, name: str) -> None:
        """Restart a container with its own grace; the SDK would take ten seconds for all."""
        container, entry = self._behind(name)
        grace_s = container.attrs["Config"].get("StopTimeout") or _GRACE_S
        if entry is None or container.status != "running":
            container.restart(timeout=grace_s)
        else:
            self.stop(name, grace_s=grace_s)
            self.start(name)

    def _acted(self, name: str) -> Container:
        """Return a container to act on: the engine may take longer for that. Raises as ``_container``."""
        return self._container(name, self._containers(_ACT_S))

    def _behind(self, name: str) -> tuple[Container, Entry | None]:
        """Return a container, and the balancer before its component where there is one."""
        containers = list(self._containers(_ACT_S))
        container = self._container(name, containers)
        address = self.project.balancers.get(self._component(container))
        return container, None if address is None else Entry(address, containers)

    def _killed(self, name: str) -> int | None:
        container = self._acted(name)
        pid = container.attrs["State"]["Pid"]
        container.kill("SIGKILL")
        return pid or None

    def _pid(self, name: str) -> int | None:
        state = next((one for one in self.list_instances() if one.name == name), None)
        return None if state is None else state.pid

    def _name(self, container: Container) -> str:
        return str(container.name).removeprefix(f"{self.project.name}-")

    def _component(self, container: Container) -> str:
        return self.project.component_of(_service(container))

    def _state(self, container: Container, idle: frozenset[str] | None) -> InstanceState:
        """Return a container as an instance; one that the balancer keeps from work is idle."""
        found = container.attrs["State"]
        state = _STATES.get(found["Status"], found["Status"])
        health = found.get("Health", {}).get("Status")
        if state == "running" and health in ("starting", "unhealthy"):
            state = health
        if state == "running":
            state = "unknown" if idle is None else "idle" if idle & addresses(container) else state
        return InstanceState(
            name=self._name(container),
            component=self._component(container),
            state=state,
            exit_code=_exit_code(found["ExitCode"]) if state == "exited" else None,
            started_at=_time(found["StartedAt"]),
            pid=found["Pid"] or None,
        )

    def _locate(self, container: Container, component: Component) -> Instance:
        ports = _Ports(container, hostname(self.project.host) or "127.0.0.1")
        metrics = component.ports.get("metrics")
        return Instance(
            self._name(container),
            url=f"http://{ports.of(component.ports['http'])}",
            metrics_url=None if metrics is None else f"http://{ports.of(metrics)}/metrics",
        )


def _service(container: Container) -> str:
    return str(container.labels.get(f"{_LABEL}.service", ""))


class _Ports:
    """Where a container's ports are reached, by way of an engine at this address."""

    def __init__(self, container: Container, engine: str) -> None:
        self._attributes, self._engine = container.attrs, engine

    def of(self, port: int) -> str:
        if not self._attributes["State"]["Running"]:
            return _NOBODY
        settings = self._attributes["NetworkSettings"]
        for binding in settings["Ports"].get(f"{port}/tcp") or ():
            host = binding["HostIp"]
            return f"{self._engine if host in _ANYWHERE else host}:{binding['HostPort']}"
        addresses = [network["IPAddress"] for network in settings["Networks"].values() if network["IPAddress"]]
        return f"{addresses[0]}:{port}" if addresses else _NOBODY


class ComposePlatform:
    """One Compose project on one engine."""

    OFFERS = frozenset({*_GIVEN, Scales, Declares, Balances, KeepsClaim})

    def __init__(self, system: System) -> None:
        self._name = system.name
        where = system.place.held_as(ComposeProject)
        self._project = None if where is None else Project(where)

    def place(self, of: str | None = None) -> str:  # noqa: ARG002 - all services of a project are at one place
        """Return where the system is, in words: a project of one engine is one place."""
        if self._project is None:
            return f"the unnamed project of {self._name}"
        found = self._project.project
        return f"project {found.name} of {found.host or os.environ.get('DOCKER_HOST') or 'the usual engine'}"

    def components(self) -> tuple[str, ...]:
        """Return nothing: all components of a system are at one place."""
        return ()

    def can(self, capability: type[C], of: str | None = None) -> C | Missing:
        """Return the capability, or Missing with the reason."""
        if self._project is None:
            return Missing(f"{self._name}: the environment names no project; set project under [compose]")
        if capability in (Scales, Declares):
            reason = compose_program.why_not(self._project.project)
            return cast("C", self._project) if reason is None else Missing(reason)
        if capability in _GIVEN:
            return cast("C", self._project)
        if capability is KeepsClaim:
            return cast("C", EngineClaim(self._project))
        if capability is Balances:
            named = of in self._project.project.balancers
            return cast("C", self._project) if named else Missing(f"the environment names no balancer before {of}")
        return Missing(_WHY_NOT.get(capability, f"Docker Compose has no {capability.__name__}"))


def _client(host: str | None, limit_s: int) -> DockerClient:
    """Return this thread's client of an engine: the SDK's sessions are not to be shared. Raises CannotObserve."""
    clients: dict[tuple[str | None, int], DockerClient] = _local.__dict__.setdefault("clients", {})
    key = (host, limit_s)
    if key not in clients:
        try:
            import docker  # noqa: PLC0415 - a third of a second that only this platform pays
        except ImportError:
            raise CannotObserve("the Docker SDK is not installed", hint="pip install 'drillbook[compose]'") from None
        if host is None:
            clients[key] = docker.from_env(timeout=limit_s)
        else:
            clients[key] = docker.DockerClient(base_url=host, timeout=limit_s)
    return clients[key]


def _seen(look: Callable[[], R]) -> R:
    """Look. Raises CannotObserve for whatever the engine, the way to it or the SDK says."""
    try:
        return look()
    except CannotObserve:
        raise
    except Exception as error:
        if not _is_the_engines(error):
            raise
        reason, hint = _why(error, _ANSWER_S)
        raise CannotObserve(reason, hint=hint) from None


def _done(what: str, act: Callable[[], R]) -> R:
    """Act. Raises PlatformRefused for whatever the engine, the way to it or the SDK says."""
    try:
        return act()
    except CannotObserve as error:
        raise PlatformRefused(f"{what}: {error.reason}", hint=error.hint) from None
    except Exception as error:
        if not _is_the_engines(error):
            raise
        reason, hint = _why(error, _ACT_S)
        raise PlatformRefused(f"{what}: {reason}", hint=hint) from None


def _is_the_engines(error: Exception) -> bool:
    """Say whether the engine, the way to it or the SDK is to blame, without importing what nobody has loaded."""
    return isinstance(error, OSError) or type(error).__module__.split(".")[0] in ("docker", "requests", "urllib3")


def _why(error: Exception, limit_s: int) -> tuple[str, str]:
    """Return the reason in a few words, and the hint."""
    explanation = getattr(error, "explanation", None)
    if explanation:
        return f"the Docker engine says: {lines.split(str(explanation))[0]}", "docker ps -a shows what there is"
    root = next((found for found in _chain(error) if isinstance(found, OSError) and found.strerror), None)
    if isinstance(root, PermissionError):
        return "no right to speak to the Docker engine", "run as root or as a member of the group docker"
    if root is not None:
        return f"no Docker engine answers: {root.strerror}", _HINT
    if any("Timeout" in type(found).__name__ for found in _chain(error)):
        return f"the Docker engine gives no answer within {limit_s} s", _HINT
    return f"no Docker engine answers: {type(error).__name__}", _HINT


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Return an error, all that it was raised from, and the errors within its arguments."""
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        found = todo.pop(0)
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        todo += [found.__cause__, found.__context__, getattr(found, "reason", None)]
        todo += [arg for arg in found.args if isinstance(arg, BaseException)]
        todo[:] = [one for one in todo if isinstance(one, BaseException)]


def _exit_code(code: int) -> int:
    """Return the engine's 128 + n as what the house calls it: minus the number of the signal."""
    return 128 - code if code in _SIGNALS else code


def _time(text: str) -> str | None:
    """Return an RFC 3339 time in microseconds; the engine gives nanoseconds, and the year 1 for never."""
    if text.startswith("0001-"):
        return None
    whole, _, fraction = text.rstrip("Z").partition(".")
    return f"{whole}.{fraction[:6]:0<6}Z"


PLATFORM = ComposePlatform
