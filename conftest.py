"""Loads Drillbook's plugin in a checkout; an installed Drillbook loads it with ``drillbook gate``."""

pytest_plugins = ["drillbook.plugin"]
