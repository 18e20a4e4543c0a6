"""The nouns: frozen, without I/O. Everything else in the house speaks in these terms."""

from .access import Access, Tls
from .criterion import Accepts, Criterion, Finding, Probe, Severity, Stage
from .observation import AsRead, CannotObserve, Json, Observation
from .secret import Secret
from .sharing import Shared
from .system import Cluster, ComposeProject, Facts, Instance, Preflight, System, Target, Way
from .systemd_host import SystemdHost
from .verdict import Outcome, Verdict, id_of, judge

__all__ = [
    "Accepts",
    "Access",
    "AsRead",
    "CannotObserve",
    "Cluster",
    "ComposeProject",
    "Criterion",
    "Facts",
    "Finding",
    "Instance",
    "Json",
    "Observation",
    "Outcome",
    "Preflight",
    "Probe",
    "Secret",
    "Severity",
    "Shared",
    "Stage",
    "System",
    "SystemdHost",
    "Target",
    "Tls",
    "Verdict",
    "Way",
    "id_of",
    "judge",
]
