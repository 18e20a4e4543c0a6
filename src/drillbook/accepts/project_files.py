"""Judges for the files of a Compose project (the runbook's own commands print and always succeed, CM-03)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import met_if, not_met, rule

if TYPE_CHECKING:
    from ..model import Accepts, Finding
    from ..probes.project_files import Files


def has_compose_file() -> Accepts[Files]:
    """Accept a directory with a file that Compose takes by itself."""
    return rule(
        "a compose file in the project directory",
        lambda files: met_if(bool(files.compose_files), ", ".join(files.compose_files) or f"none in {files.directory}"),
    )


def has_env_file() -> Accepts[Files]:
    """Accept a directory with a .env file."""
    return rule(
        "a .env file in the project directory",
        lambda files: met_if(files.env_file, ".env" if files.env_file else f"none in {files.directory}"),
    )


def sets_key(variable: str) -> Accepts[Files]:
    """Accept a .env that gives this variable a value that is base64 of at least a byte (CM-07)."""

    def check(files: Files) -> Finding:
        if not files.env_file:
            return not_met(f"no .env in {files.directory}")
        length = files.lengths.get(variable)
        if length is None:
            return not_met(f"{variable} is not set")
        size = files.key_bytes.get(variable)
        observed = f"{variable} has {length} characters, " + ("not base64" if size is None else f"{size} bytes")
        return met_if(bool(size), observed)

    return rule(f"{variable} is set in .env, not empty, and decodes", check)
