"""The reference service with its databases as ordinary processes: laid out in a folder, started by nobody.

    python -m tests.processes.reference FOLDER

writes a start command for each process, and the environment file that names them; no keeper has a part in it.
"""

from __future__ import annotations

import asyncio
import pwd
import shlex
import sys
from pathlib import Path
from typing import Any

import tomli_w

from lab.children import Children
from lab.config_manager import processes as config_manager
from lab.directory import Layout
from lab.ports import free_port
from lab.postgres import Postgres
from lab.redis import Redis
from lab.spec import ProcessSpec

NAME = "plain"


async def lay_out(folder: Path) -> None:
    """Prepare the databases and write all files."""
    layout = Layout(folder)
    for part in (layout.logs, layout.secrets, layout.data, layout.postgres, layout.redis):
        part.mkdir()
    children = Children()
    children.watch()
    postgres = Postgres.new(layout.postgres, layout.log("postgres"))
    redis = Redis.new(layout.redis, layout.log("redis"))
    await postgres.prepare(children)
    ports = [free_port() for _ in range(6)]
    shared = config_manager.Shared(
        database_url=layout.keep_secret("database-url", postgres.url(ports[0])),
        cache_url=layout.keep_secret("cache-url", redis.url(ports[1])),
        encryption_key=layout.keep_secret("encryption-key", config_manager.new_encryption_key()),
        version="1.0.0",
    )
    apis = [
        config_manager.instance(
            name, shared, ports=(ports[at], ports[at + 1]), log=layout.log(name), defects=()
        )
        for name, at in (("api-1", 2), ("api-2", 4))
    ]  # fmt: skip
    specs = [postgres.spec(ports[0]), redis.spec(ports[1]), *apis]
    before = {"postgres": f"rm -f {shlex.quote(str(postgres.data / 'postmaster.pid'))}\n"}
    tables = {spec.name: _table(folder, spec, before.get(spec.name, "")) for spec in specs}
    instances = []
    for spec in apis:
        url, metrics = config_manager.addresses(spec.ports)
        instances.append({"name": spec.name, "url": url, "metrics": metrics, "log": str(spec.log)})
    (folder / "marker").write_text(f"{NAME}\n")
    file: dict[str, Any] = {
        "name": NAME,
        "platform": "process",
        "disruption": {"allowed": True, "at_most": {"instances": 4}},
        "systems": {
            "config-manager": {
                "version": "1.0.0",
                "data_dir": str(layout.data),
                "mutations": {"allowed": True},
                "objectives": {"*": {"rto_s": 60, "rpo_s": 0}},
                "components": {
                    "api": {"instances": instances},
                    "postgres": {"kind": "postgres", "url": {"file": str(shared.database_url)}},
                    "redis": {"kind": "redis", "url": {"file": str(shared.cache_url)}},
                },
                "process": {"instances": tables, "marker": "marker"},
            }
        },
    }
    (folder / "environment.toml").write_text(tomli_w.dumps(file))


def _table(folder: Path, spec: ProcessSpec, before: str) -> dict[str, Any]:
    """Write the start command of a process, which brings its own environment; return the process' table."""
    script = folder / f"start-{spec.name}"
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in spec.env.items())
    script.write_text(f"#!/bin/sh\n{exports}{before}exec {shlex.join(spec.argv)}\n")
    script.chmod(0o755)
    user = {} if spec.user is None else {"user": pwd.getpwuid(spec.user[0]).pw_name}
    return {
        "component": spec.component,
        "port": spec.ports[0],
        "start": [str(script)],
        "stop_signal": spec.stop_signal.name.removeprefix("SIG"),
        "log": str(spec.log),
        **user,
    }


if __name__ == "__main__":
    asyncio.run(lay_out(Path(sys.argv[1])))
