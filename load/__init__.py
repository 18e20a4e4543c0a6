"""Load profiles: one package a system, judged by the runbook's objectives."""
