"""A small server: listens, and serves nothing. Its first argument is a folder by which tests find what they have left.

server.py FOLDER PORT [--pid-file FILE] [--workers COUNT] [--deaf] [--after S] [--tell FILE] [--exit CODE]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("port", type=int)
    parser.add_argument("--pid-file", type=Path)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--deaf", action="store_true", help="ignores SIGTERM")
    parser.add_argument("--after", type=float, default=0.0, help="listens only then")
    parser.add_argument("--tell", type=Path, help="where it writes how it was started")
    parser.add_argument("--exit", type=int, help="ends at once with this")
    given = parser.parse_args()
    os.write(1, b"begins\n")
    if given.exit is not None:
        sys.exit(given.exit)
    if given.tell:
        hangup = signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
        found = {
            "cwd": str(Path.cwd()),
            "leads": os.getsid(0) == os.getpid(),
            "hangup": hangup,
            "env": dict(os.environ),
        }
        given.tell.write_text(json.dumps(found))
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # a shell's background job, and all that it starts, ignores it
    signal.signal(signal.SIGTERM, signal.SIG_IGN if given.deaf else lambda *_: os._exit(0))
    time.sleep(given.after)
    listener = socket.create_server(("127.0.0.1", given.port))
    for _ in range(given.workers):
        if os.fork() == 0:
            break
    else:
        if given.pid_file:
            given.pid_file.write_text(f"{os.getpid()}\n")
    while True:
        signal.pause()
        assert listener


if __name__ == "__main__":
    main()
