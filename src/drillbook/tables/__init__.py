"""What the tables of an environment file are made of: shapes, references to secrets, logins, errors.

Beneath ``environment``, because platforms and kinds of components read tables of their own.
"""

from .problems import BadEnvironment, nearest
from .resolver import Resolver
from .shapes import (
    AccessTable,
    ComponentTable,
    DatabaseTable,
    Headers,
    Http,
    HttpTable,
    InstanceTable,
    PageTable,
    Port,
    Reference,
    Seconds,
    Strict,
    TlsTable,
)

__all__ = [
    "AccessTable",
    "BadEnvironment",
    "ComponentTable",
    "DatabaseTable",
    "Headers",
    "Http",
    "HttpTable",
    "InstanceTable",
    "PageTable",
    "Port",
    "Reference",
    "Resolver",
    "Seconds",
    "Strict",
    "TlsTable",
    "nearest",
]
