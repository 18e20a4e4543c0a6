"""The lab on Docker Compose: the same system, run as its runbook runs it."""
