"""The rows that only a systemd host can answer: units, journal, files with their owners and modes."""

from __future__ import annotations

from typing import Any

from drillbook.accepts import files, logs, units
from drillbook.model import Criterion, Severity, Stage
from drillbook.probes.host_files import HostFiles
from drillbook.probes.logs import Logs
from drillbook.probes.units import Units

from .criteria import START_MESSAGES

CONFIG_FILE = "/etc/llm-config/config.yaml"
DEFAULTS_FILE = "/etc/default/llm-config-manager"
UNIT_FILE = "/etc/systemd/system/llm-config-manager.service"
DATA = "/var/lib/llm-config"
USER = "llmconfig"
KEY = "LLM_CONFIG_ENCRYPTION_KEY"
_MAY = (f"-r {CONFIG_FILE}", f"-w {DATA}/data")

_units = Units()
_logs = Logs(seek=START_MESSAGES)
_files = HostFiles(
    paths=(CONFIG_FILE, DEFAULTS_FILE),
    variable=(DEFAULTS_FILE, KEY),
    tree=(DATA, USER, USER),
    access=_MAY,
)
_SYSTEMD = frozenset({"systemd"})

_LOG_ADVICE = "config-manager.troubleshoot.crash-logs-systemd"
_CONFIG_ADVICE = "config-manager.troubleshoot.missing-config-systemd"
_RIGHTS_ADVICE = "config-manager.troubleshoot.permissions-systemd"
_POSTGRES_ADVICE = "config-manager.troubleshoot.postgres-not-ready"
_REDIS_ADVICE = "config-manager.troubleshoot.redis-not-ready"

LOGS = (
    Criterion(
        "config-manager.logs.no-errors-systemd",
        _logs,
        logs.no_errors_in_tail(),
        _LOG_ADVICE,
        severity=Severity.WARNING,
        platforms=_SYSTEMD,
    ),
    Criterion(
        "config-manager.logs.quick-systemd",
        _logs,
        logs.readable(),
        severity=Severity.WARNING,
        platforms=_SYSTEMD,
    ),
)

STARTED = (
    Criterion(
        "config-manager.startup.systemd-postgresql-active",
        _units,
        units.running("postgres"),
        _POSTGRES_ADVICE,
        platforms=_SYSTEMD,
    ),
    Criterion(
        "config-manager.startup.systemd-redis-active",
        _units,
        units.running("redis"),
        _REDIS_ADVICE,
        platforms=_SYSTEMD,
    ),
    Criterion(
        "config-manager.startup.systemd-application-active",
        _units,
        units.running("api"),
        _LOG_ADVICE,
        platforms=_SYSTEMD,
    ),
    Criterion(
        "config-manager.startup.systemd-unit-loaded",
        _units,
        units.loaded("api", path=UNIT_FILE, description="LLM Config Manager"),
        _CONFIG_ADVICE,
        platforms=_SYSTEMD,
    ),
    Criterion(
        "config-manager.startup.systemd-main-process",
        _units,
        units.main_process("api", name="llm-config-server"),
        _LOG_ADVICE,
        platforms=_SYSTEMD,
    ),
    Criterion(
        "config-manager.startup.systemd-status-text",
        _units,
        units.status_text("api", "Server ready"),
        _LOG_ADVICE,
        severity=Severity.WARNING,
        platforms=_SYSTEMD,
    ),
    Criterion(
        "config-manager.startup.systemd-is-enabled",
        _units,
        units.enabled("api"),
        "config-manager.startup.systemd-enable",
        platforms=_SYSTEMD,
    ),
)

FILES: tuple[Criterion[Any], ...] = (
    Criterion(
        "config-manager.security.defaults-file-mode",
        _files,
        files.mode(DEFAULTS_FILE, "600"),
        _RIGHTS_ADVICE,
        platforms=_SYSTEMD,
    ),
    Criterion(
        "config-manager.troubleshoot.fix-data-ownership-systemd",
        _files,
        files.all_owned(DATA, owner=USER, group=USER),
        _RIGHTS_ADVICE,
        platforms=_SYSTEMD,
    ),
    Criterion(
        "config-manager.troubleshoot.fix-config-ownership-systemd",
        _files,
        files.owned(CONFIG_FILE, owner="root", groups=("root", USER)),  # CM-45: root:root 0640 keeps the service out
        _RIGHTS_ADVICE,
        platforms=_SYSTEMD,
    ),
    Criterion(
        "config-manager.troubleshoot.permissions-systemd",
        _files,
        files.accessible(*_MAY),
        "config-manager.troubleshoot.fix-data-ownership-systemd",
        platforms=_SYSTEMD,
    ),
)

PREFLIGHT = (
    Criterion(
        "config-manager.preflight.systemd-config-file",
        _files,
        files.is_file(CONFIG_FILE),
        _CONFIG_ADVICE,
        stage=Stage.PREFLIGHT,
        platforms=_SYSTEMD,
    ),
    Criterion(
        "config-manager.preflight.systemd-defaults-file",
        _files,
        files.is_file(DEFAULTS_FILE),
        _CONFIG_ADVICE,
        stage=Stage.PREFLIGHT,
        platforms=_SYSTEMD,
    ),
    Criterion(
        "config-manager.preflight.encryption-key-systemd",
        _files,
        files.sets(DEFAULTS_FILE, KEY),
        "config-manager.troubleshoot.crash-missing-encryption-key",
        stage=Stage.PREFLIGHT,
        platforms=_SYSTEMD,
    ),
)
