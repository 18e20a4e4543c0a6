"""Who holds an environment: on this machine and on its targets, until when, and what must be undone there."""
