"""The lab on a systemd host: a Debian machine in a container, systemd as its PID 1, reached over SSH."""
