"""The keeper: holds a lab's processes from their start to the end of the last one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from typing import TYPE_CHECKING

from . import clock, environment
from .children import Children
from .config_manager import processes as config_manager
from .control import ControlServer
from .directory import remove
from .errors import LabError
from .ports import free_port
from .postgres import Postgres
from .process import Process
from .redis import Redis
from .spec import TIERS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .directory import Layout
    from .options import Options
    from .spec import ProcessSpec

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
TEARDOWN_GRACE_S = 3.0
PORT_TRIES = 5
_PORT_TAKEN = "address already in use"


class Keeper:
    """One lab.

    Args:
        layout: its directory.
        options: its make-up.
        say: takes one line about what is being waited for.
    """

    def __init__(self, layout: Layout, options: Options, *, say: Callable[[str], None]) -> None:
        self._layout = layout
        self._options = options
        self._say = say
        self._children = Children()
        self._processes: dict[str, Process] = {}
        self._stop = asyncio.Event()
        self._down = asyncio.Event()
        self._control = ControlServer(self._processes, children=self._children, down=self._tear_down_for)

    async def run(self, owner: int | None) -> int:
        """Start the lab, announce it, hold it until the end is asked for, and tear it down.

        Args:
            owner: the read end of a pipe; its end-of-file means that the owner has died.

        Returns:
            The exit status.
        """
        error: str | None = None
        try:
            self._listen_for_the_end(owner)
            error = await self._boot_or_stop()
            if error is None and _announce(self._ready_line()):
                await self._stop.wait()
        except LabError as failure:
            error = str(failure)
        except Exception as failure:  # noqa: BLE001 - becomes the one line that the starter waits for
            error = f"{type(failure).__name__}: {failure}"
        finally:
            await self._tear_down()
        if error is not None:
            _announce({"ready": False, "error": error})
        return 0 if error is None else 1

    def _listen_for_the_end(self, owner: int | None) -> None:
        loop = asyncio.get_running_loop()
        self._children.watch()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._stop.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        if owner is not None:
            try:
                loop.add_reader(owner, self._hear, owner)
            except OSError as error:
                raise LabError(f"expected --owner-fd {owner} to be an open pipe: {error.strerror}") from None

    def _hear(self, owner: int) -> None:
        if os.read(owner, 1024) == b"":
            asyncio.get_running_loop().remove_reader(owner)
            self._note("the owner has died")
            self._stop.set()

    async def _boot_or_stop(self) -> str | None:
        boot = asyncio.create_task(self._boot())
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait({boot, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not boot.done():
            boot.cancel()
            await asyncio.wait({boot})
            return "was told to stop before the lab was ready"
        stop.cancel()
        await boot
        return None

    async def _boot(self) -> None:
        """Start everything in the runbook's order: the databases, then the instances."""
        layout, options = self._layout, self._options
        await self._control.listen(layout.control)
        postgres = Postgres.new(layout.postgres, layout.log("postgres"))
        redis = Redis.new(layout.redis, layout.log("redis"))
        self._say("PostgreSQL and Redis")
        ports = await _all(self._boot_postgres(postgres), self._bring_up(lambda: _redis(redis)))
        shared = config_manager.Shared(
            database_url=layout.keep_secret("database-url", postgres.url(ports[0][0])),
            cache_url=layout.keep_secret("cache-url", redis.url(ports[1][0])),
            encryption_key=layout.keep_secret("encryption-key", config_manager.new_encryption_key()),
            version=options.version,
            service=options.service,
        )
        layout.keep_secret("database-admin-url", postgres.admin_url(ports[0][0]))
        self._say(", ".join(options.names))
        await _all(*(self._boot_instance(name, shared) for name in options.names))
        environment.write(
            layout,
            system=config_manager.SYSTEM,
            version=options.version,
            instances=tuple(self._addresses(name) for name in options.names),
            database_url=shared.database_url,
            cache_url=shared.cache_url,
        )

    async def _boot_postgres(self, postgres: Postgres) -> tuple[int, ...]:
        await postgres.prepare(self._children)
        return await self._bring_up(lambda: postgres.spec(free_port()))

    async def _boot_instance(self, name: str, shared: config_manager.Shared) -> tuple[int, ...]:
        return await self._bring_up(lambda: self._instance(name, shared))

    def _instance(self, name: str, shared: config_manager.Shared) -> ProcessSpec:
        return config_manager.instance(
            name,
            shared,
            ports=(free_port(), free_port()),
            log=self._layout.log(name),
            defects=self._options.defects_of(name),
        )

    def _addresses(self, name: str) -> environment.Instance:
        spec = self._processes[name].spec
        url, metrics = config_manager.addresses(spec.ports)
        return environment.Instance(name=name, url=url, metrics=metrics, log=spec.log)

    async def _bring_up(self, make: Callable[[], ProcessSpec]) -> tuple[int, ...]:
        """Start a process and wait until it is ready; another port when it lost the race to its own."""
        for tries_left in reversed(range(PORT_TRIES)):
            spec = make()
            process = Process(spec, children=self._children, home=self._layout.root, note=self._note)
            self._processes[spec.name] = process
            await process.start()
            try:
                await process.wait_ready(spec.ready_within_s)
            except LabError:
                if not tries_left or _PORT_TAKEN not in process.log_tail().lower():
                    raise
                await process.end(0)
            else:
                return spec.ports
        raise AssertionError(PORT_TRIES)

    def _ready_line(self) -> dict[str, object]:
        layout = self._layout
        return {
            "ready": True,
            "dir": str(layout.root),
            "environment": str(layout.environment),
            "control": str(layout.control),
            "pid": os.getpid(),
        }

    async def _tear_down_for(self) -> None:
        """End the lab for a client that waits for it."""
        self._stop.set()
        await self._down.wait()

    async def _tear_down(self) -> None:
        """End all processes, the last started first, and remove the directory."""
        self._control.refuse()
        for component in reversed(TIERS):
            tier = [one for one in self._processes.values() if one.spec.component == component]
            await asyncio.gather(*(process.end(TEARDOWN_GRACE_S) for process in tier))
        await self._children.clear()
        remove(self._layout.root)
        self._down.set()
        await self._control.close()

    def _note(self, line: str) -> None:
        with contextlib.suppress(OSError), self._layout.log("keeper").open("a", encoding="utf-8") as file:
            file.write(f"{clock.now()} {line}\n")


async def _all(*boots: Coroutine[None, None, tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Run them side by side; the first failure ends the others and is raised."""
    tasks = [asyncio.create_task(boot) for boot in boots]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        return [task.result() for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _redis(redis: Redis) -> ProcessSpec:
    return redis.spec(free_port())


def _announce(line: dict[str, object]) -> bool:
    """Print the one line that a starter waits for; return whether there was somebody to read it."""
    try:
        os.write(sys.stdout.fileno(), json.dumps(line).encode() + b"\n")
    except BrokenPipeError:
        return False
    return True
