"""The only undoer: a process of its own beside the runner (``python -m drillbook.faults.watchdog``)."""
