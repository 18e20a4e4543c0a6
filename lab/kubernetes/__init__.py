"""LLM Config Manager in a Kubernetes namespace, brought up, shown and removed with kubectl."""

from .commands import NAMESPACE, run

__all__ = ["NAMESPACE", "run"]
