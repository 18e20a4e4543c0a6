"""The nouns: frozen, without I/O. Everything else in the house speaks in these terms."""

from .access import Access, Tls
from .criterion import Accepts, Criterion, Finding, Probe, Severity, Stage
from .observation import AsRead, CannotObserve, Json, Observation
from .secret import Secret
from .sharing import Shared
from .system import Component, Facts, Instance, Objective, Place, Preflight, System, Target, Way
from .verdict import Outcome, Verdict, id_of, judge

__all__ = [
    "Accepts",
    "Access",
    "AsRead",
    "CannotObserve",
    "Component",
    "Criterion",
    "Facts",
    "Finding",
    "Instance",
    "Json",
    "Objective",
    "Observation",
    "Outcome",
    "Place",
    "Preflight",
    "Probe",
    "Secret",
    "Severity",
    "Shared",
    "Stage",
    "System",
    "Target",
    "Tls",
    "Verdict",
    "Way",
    "id_of",
    "judge",
]
