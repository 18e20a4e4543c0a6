"""Runs the service: python -m lab.config_manager.service."""

import os
import signal
import sys

EXIT_CONFIGURATION = 78


def main() -> int:
    """Run until told to stop; returns the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # nothing is at stake before the loop takes over
    from .logs import configure, log, secrets_of  # noqa: PLC0415 - after the handler, as loading takes a while
    from .settings import SettingsError, load  # noqa: PLC0415

    configure(os.environ.get("LLM_CONFIG_INSTANCE") or "llm-config-manager")
    try:
        settings = load(os.environ)
    except SettingsError as error:
        for problem in error.problems:
            log.error("Configuration error: %s", problem)
        return EXIT_CONFIGURATION
    urls = (settings.database_url.get_secret_value(), settings.cache_url.get_secret_value())
    configure(settings.instance, secrets_of(*urls))
    from .wiring import run  # noqa: PLC0415

    return run(settings)


if __name__ == "__main__":
    sys.exit(main())
