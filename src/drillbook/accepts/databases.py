"""Judges for PostgreSQL and Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import met_if, not_met, rule

if TYPE_CHECKING:
    from ..model import Accepts, Finding
    from ..probes.postgres import PostgresState
    from ..probes.redis import RedisState


def accepting_connections() -> Accepts[PostgresState]:
    """Accept a server that let the application's role in and ran a query."""
    return rule(
        "the application's role logs in and runs a query",
        lambda state: met_if(state.accepting, state.failure or "accepting connections"),
    )


def application_backends() -> Accepts[PostgresState]:
    """Accept at least one connection of the application, our own not counted, below the server's limit (CM-21)."""

    def check(state: PostgresState) -> Finding:
        if not state.accepting:
            return not_met(state.failure or "not accepting connections")
        count = state.application_backends()
        observed = f"{count} of {state.max_connections} allowed, without our own"
        return met_if(1 <= count < state.max_connections, observed)

    return rule("at least one connection of the application, below the server's limit", check)


def pong() -> Accepts[RedisState]:
    """Accept a server that answers PING."""
    return rule("PONG", lambda state: met_if(state.pong, "PONG" if state.pong else str(state.failure)))


def application_clients() -> Accepts[RedisState]:
    """Accept at least one connection of the application, our own not counted (CM-21)."""

    def check(state: RedisState) -> Finding:
        if not state.pong:
            return not_met(state.failure or "no PONG")
        return met_if(state.application_clients() >= 1, f"{state.application_clients()} without our own")

    return rule("at least one client connection of the application", check)
