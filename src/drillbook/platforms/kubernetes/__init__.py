"""Kubernetes: pods, seen and handled through the API with the rights of the kubeconfig at hand."""

from .api import Api, api_of
from .forward import forwarded
from .platform import KubernetesPlatform, is_ready
from .pods import pods_of

__all__ = ["Api", "KubernetesPlatform", "api_of", "forwarded", "is_ready", "pods_of"]
