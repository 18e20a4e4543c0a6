"""A host on which systemd runs the system, reached over SSH or as this machine."""
