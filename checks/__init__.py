"""The runbooks' statements as checks: one folder a system."""
