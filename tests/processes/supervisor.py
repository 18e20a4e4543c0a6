"""Starts a command again whenever it has ended: supervisor.py FOLDER DELAY_S TIMES COMMAND..."""

from __future__ import annotations

import subprocess
import sys
import time


def main() -> None:
    _, _, delay_s, times, *command = sys.argv
    for _ in range(1 + int(times)):
        subprocess.run(command, check=False)
        time.sleep(float(delay_s))
    time.sleep(600)


if __name__ == "__main__":
    main()
