"""Finds an environment file by name or path, checks all of it, and turns it into nouns."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from .. import carried, catalogue, outbound
from ..model import Access, Cluster, ComposeProject, Facts, Instance, Preflight, Secret, System, SystemdHost
from ..platforms import discovered
from .access import access, tls_above, unused_tls
from .apart import not_apart
from .databases import unusable_postgres, unusable_redis
from .problems import BadEnvironment, from_validation, nearest
from .secrets import Resolver
from .settings import DisruptionSettings, EnvironmentFile, KubernetesSettings, SystemSettings

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

    from ..redaction import Redactor
    from .settings import LoadSettings, ObjectiveSettings, SystemdSettings


_FROM_LABS = ("systems", "disruption", "compose", "kubernetes")
"""The tables that the file of a running lab may fill in."""


@dataclass(frozen=True, slots=True)
class Waiver:
    """A criterion of one system that may fail until a day, and who answers for it."""

    system: str
    id: str
    reason: str
    owner: str
    expires: dt.date


@dataclass(frozen=True, slots=True)
class Environment:
    """A named place to verify."""

    name: str
    path: Path
    platform: str
    systems: dict[str, System]
    facts: dict[str, Facts]
    """What judging may know, by system."""
    lab_systems: tuple[str, ...]
    waivers: tuple[Waiver, ...]
    disruption: DisruptionSettings
    objectives: ObjectiveSettings
    load: LoadSettings | None
    mutations_namespace: str | None
    redactor: Redactor


def known() -> dict[str, Path]:
    """Return the environments that a name can mean: ``environments/`` here, then those that Drillbook carries."""
    found: dict[str, Path] = {}
    for folder in (Path.cwd() / "environments", carried.root() / "environments"):
        for path in sorted(folder.glob("*.toml")):
            if not path.name.endswith(".example.toml"):
                found.setdefault(path.stem, path)
    return found


def locate(name: str) -> Path:
    """Return the file for ``--env NAME`` or ``--env path/to/file.toml``. Raises BadEnvironment listing the known."""
    if name.endswith(".toml") or "/" in name:
        path = Path(name).expanduser()
        if not path.is_file():
            raise BadEnvironment(name, ["no such file"])
        return path.resolve()
    names = known()
    if name not in names and Path(name).is_file():
        raise BadEnvironment(f"--env {name}", ["expected a TOML file, whose name ends with .toml; rename it"])
    if name not in names:
        listed = ", ".join(names) or "none"
        raise BadEnvironment(f"--env {name}", [f"unknown environment{nearest(name, names)}; known: {listed}"])
    return names[name]


def load(
    path: Path,
    *,
    lab_environments: Iterable[Path] = (),
    expect_version: str | None = None,
) -> Environment:
    """Read and check an environment file.

    Args:
        path: the TOML file.
        lab_environments: the files of running labs, whose systems and markers fill in what this file leaves out.
        expect_version: overrides the version of every system (``--expect-version``).

    Raises:
        BadEnvironment: with every problem found, before anything is contacted.
    """
    raw = _read(path)
    for table, below in _labs_below(raw, [_read(one) for one in lab_environments], path).items():
        raw = {**raw, table: _merged(below, raw.get(table, {}))}
    try:
        file = EnvironmentFile.model_validate(raw)
    except ValidationError as error:
        raise BadEnvironment(path, from_validation(error, EnvironmentFile)) from None
    resolver = Resolver(path.parent)
    for proxy in outbound.proxies():
        for text in (proxy.password, *proxy.headers.values()):
            resolver.hide(text.removeprefix("Basic "), "proxy")
    problems = _unknown_names(file) + _unused_tls(file) + not_apart(file)
    waivers = _waivers(file, problems)
    namespace = file.mutations.namespace if file.mutations.allowed else None
    systems = {name: _system(name, settings, file, resolver, path) for name, settings in file.systems.items()}
    facts = {
        name: Facts(
            platform=file.platform,
            expected_version=expect_version or resolver.plain(settings.version, f"systems.{name}.version"),
            clock_skew_s=file.clock_skew_s,
            rto_objective_s=file.objectives.rto_s,
            rpo_objective_s=file.objectives.rpo_s,
        )
        for name, settings in file.systems.items()
    }
    if problems or resolver.problems:
        raise BadEnvironment(path, problems + resolver.problems)
    return Environment(
        name=file.name,
        path=path,
        platform=file.platform,
        systems=systems,
        facts=facts,
        lab_systems=tuple(dict.fromkeys(file.lab.systems)) if file.lab else (),
        waivers=waivers,
        disruption=file.disruption,
        objectives=file.objectives,
        load=file.load,
        mutations_namespace=namespace,
        redactor=resolver.redactor(),
    )


def located(environment: Environment) -> Environment:
    """Ask the platforms where the instances are now, for systems whose table names none."""
    systems = {name: discovered(system) for name, system in environment.systems.items()}
    return replace(environment, systems=systems)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BadEnvironment(path, [f"not TOML: {error}"]) from None
    except UnicodeDecodeError:
        raise BadEnvironment(path, ["not UTF-8 text"]) from None
    except OSError as error:
        raise BadEnvironment(path, [f"cannot be read: {error.strerror}"]) from None


def _labs_below(raw: dict[str, Any], labs: Iterable[dict[str, Any]], path: Path) -> dict[str, dict[str, Any]]:
    """Return the tables that running labs bring to a file. The marker of a lab is that of its own systems.

    Args:
        raw: the file, which stands above them.
        labs: the labs' own files.
        path: names the file in an error.

    Raises:
        BadEnvironment: two labs bring different values for a key that is one for all systems.
    """
    found: dict[str, dict[str, Any]] = {}
    for lab in labs:
        tables = {table: dict(lab[table]) for table in _FROM_LABS if table in lab}
        marker = tables.get("disruption", {}).pop("marker", None)
        if marker is not None and "marker" not in raw.get("disruption", {}):
            tables["systems"] = {name: {"marker": marker, **one} for name, one in tables.get("systems", {}).items()}
        for table, values in tables.items():
            before = found.setdefault(table, {})
            if table != "systems":
                _must_agree(table, before, values, raw.get(table, {}), path)
            before.update(values)
    return found


def _must_agree(table: str, one: dict[str, Any], other: dict[str, Any], above: dict[str, Any], path: Path) -> None:
    differ = [key for key in one if key in other and one[key] != other[key] and key not in above]
    if differ:
        key = differ[0]
        said = f"expected one value for all systems, found {one[key]} and {other[key]} by their labs"
        raise BadEnvironment(path, [f"{table}.{key}: {said}; give each system a file of its own"])


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Merge two tables; where both have a key, tables merge and anything else is taken from above."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _unknown_names(file: EnvironmentFile) -> list[str]:
    """Name systems and waived ids that no runbook knows."""
    problems = [
        f"{where}: unknown system{nearest(name, catalogue.SYSTEMS)}; known: {', '.join(catalogue.SYSTEMS)}"
        for where, name in [(f"systems.{name}", name) for name in file.systems]
        + [("lab.systems", name) for name in (file.lab.systems if file.lab else ())]
        if name not in catalogue.SYSTEMS
    ]
    labs = [name for name in catalogue.SYSTEMS if carried.has_lab(name)]
    for index, name in enumerate(file.lab.systems if file.lab else ()):
        if name in catalogue.SYSTEMS and name not in labs:
            problems.append(
                f'lab.systems.{index}: expected a system that has a lab ({", ".join(labs)}), found "{name}"'
            )
    for index, waiver in enumerate(file.waivers):
        try:
            catalogue.entry(waiver.id)
        except catalogue.UnknownId:
            ids = [found.id for system in catalogue.SYSTEMS for found in catalogue.entries(system)]
            problems.append(f'waivers.{index}.id: no statement has the id "{waiver.id}"{nearest(waiver.id, ids)}')
    return problems


def _waivers(file: EnvironmentFile, problems: list[str]) -> tuple[Waiver, ...]:
    """Return the waivers, each with its system; one that could be meant for several systems is a problem."""
    here = sorted({*file.systems, *(file.lab.systems if file.lab else ())})
    found: list[Waiver] = []
    for index, row in enumerate(file.waivers):
        system = here[0] if row.system is None and len(here) == 1 else row.system
        if system in here:
            found.append(Waiver(system, row.id, row.reason, row.owner, row.expires))
            continue
        named = "none" if system is None else f'"{system}"{nearest(system, here)}'
        expected = f"one of this file's systems: {', '.join(here)}" if here else "a system, and this file has none"
        problems.append(f"waivers.{index}.system: expected {expected}; found {named}")
    return tuple(found)


def _unused_tls(file: EnvironmentFile) -> list[str]:
    """Name TLS settings that no address uses."""
    problems: list[str] = []
    for name, system in file.systems.items():
        key, api = f"systems.{name}", system.api
        pages = [api.metrics, *(one.metrics for one in api.instances)]
        if not _is_discovered(system, file):
            problems += unused_tls(api.tls, [api.url, *(one.url for one in api.instances), *pages], f"{key}.api")
            problems += unused_tls(system.metrics.tls if system.metrics else None, pages, f"{key}.metrics")
        for one in api.instances:
            problems += unused_tls(one.tls, [one.url, one.metrics], f"{key}.api.instances.{one.name}")
        if system.prometheus is not None:
            problems += unused_tls(system.prometheus.tls, [system.prometheus.url], f"{key}.prometheus")
    return problems


def _system(name: str, settings: SystemSettings, file: EnvironmentFile, resolver: Resolver, path: Path) -> System:
    key = f"systems.{name}"
    namespace = file.mutations.namespace if file.mutations.allowed else None
    watcher = settings.prometheus
    api = access(settings.api, resolver, f"{key}.api")
    metrics = access(settings.metrics, resolver, f"{key}.metrics") if settings.metrics else None
    entry, instances = _instances(settings, api, metrics, resolver, f"{key}.api")
    compose = _compose(file, path, api.headers)
    cluster = _cluster(file, resolver) if file.platform == "kubernetes" else None
    asks = compose is not None or cluster is not None  # the platform says where the instances are
    parts = {"postgres": settings.postgres, "redis": settings.redis, "prometheus": settings.prometheus}
    return System(
        name=name,
        platform=file.platform,
        cluster=cluster,
        discovered=_is_discovered(settings, file),
        headers=api.headers,
        tls=api.tls,
        metrics_access=metrics,
        forwarded=frozenset(part for part, one in parts.items() if one is not None and one.through == "platform"),
        instances=instances or ((entry,) if entry and not asks else ()),
        entry=entry,
        postgres_url=resolver.database(settings.postgres, f"{key}.postgres.url", unusable_postgres),
        redis_url=resolver.database(settings.redis, f"{key}.redis.url", unusable_redis),
        control=settings.control,
        processes=settings.process.settings() if settings.process else None,
        marker=settings.marker,
        systemd=_systemd(settings.systemd, resolver.base),
        data_dir=settings.data_dir,
        preflight=Preflight(
            ports=settings.preflight.ports,
            resolve=settings.preflight.resolve,
            external_url=settings.preflight.external_url,
        ),
        scratch_namespace=namespace,
        max_rps=settings.api.max_rps,
        load_max_rps=min(file.load.max_rps, settings.api.max_rps or file.load.max_rps) if file.load else None,
        prometheus_url=watcher.url if watcher else None,
        prometheus_access=access(watcher, resolver, f"{key}.prometheus") if watcher else Access(),
        compose=compose,
    )


def _instances(
    settings: SystemSettings, api: Access, metrics: Access | None, resolver: Resolver, key: str
) -> tuple[Instance | None, tuple[Instance, ...]]:
    """Return where users come in, and the instances that are named."""
    found = settings.api
    entry = None
    if found.url is not None:
        entry = Instance("api", found.url, found.metrics, found.log, api.headers, tls=api.tls, metrics_access=metrics)
    named: list[Instance] = []
    for one in found.instances:
        tls, page = api.tls, metrics
        if one.tls is not None:
            where = f"{key}.instances.{one.name}.tls"
            tls = tls_above(one.tls, found.tls, resolver, where)
            if settings.metrics is not None and metrics is not None:
                page = replace(metrics, tls=tls_above(one.tls, settings.metrics.tls, resolver, where))
        named.append(Instance(one.name, one.url, one.metrics, one.log, api.headers, tls=tls, metrics_access=page))
    return entry, tuple(named)


def _is_discovered(settings: SystemSettings, file: EnvironmentFile) -> bool:
    """Say whether the instances come from the platform, because the file names none."""
    by_compose = file.platform == "compose" and file.compose is not None
    return not settings.api.instances and (by_compose or file.platform == "kubernetes")


def _compose(file: EnvironmentFile, path: Path, headers: Mapping[str, str | Secret]) -> ComposeProject | None:
    """Return the project; its directory is meant from where the environment file is."""
    found = file.compose
    if found is None or file.platform != "compose":
        return None
    directory = None if found.directory is None else path.parent / found.directory
    return ComposeProject(
        found.project,
        directory,
        found.host,
        found.service,
        found.port,
        found.metrics_port,
        headers,
        found.balancer,
    )


def _cluster(file: EnvironmentFile, resolver: Resolver) -> Cluster:
    """Return where the pods are; without a [kubernetes] table, where kubectl would look, in the runbook's namespace."""
    settings = file.kubernetes or KubernetesSettings()
    return Cluster(
        namespace=settings.namespace,
        kubeconfig=resolver.path(settings.kubeconfig, "kubernetes.kubeconfig"),
        acts_with=resolver.path(settings.acts_with, "kubernetes.acts_with"),
        context=settings.context,
        components=settings.components,
        reach=settings.reach,
        api_port=settings.api_port,
        metrics_port=settings.metrics_port,
    )


def _systemd(settings: SystemdSettings | None, base: Path) -> SystemdHost | None:
    """Return the host; its files are meant relative to the environment file."""
    if settings is None:
        return None
    files = (settings.ssh_config, settings.identity, settings.known_hosts)
    return SystemdHost(settings.host, dict(settings.units), *(path and base / path.expanduser() for path in files))
