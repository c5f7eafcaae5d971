# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Answers HTTP requests on standard input, as inetd(8) starts a server: python inetd.py DIRECTORY.

QEMU runs it for each connection of a guest that may reach nothing else. It has no package around
it, so that it starts in any directory.
"""

from __future__ import annotations

import os
import socket
import sys
from http.server import SimpleHTTPRequestHandler


class Handler(SimpleHTTPRequestHandler):
    """Serves the files of a directory."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nowhere: standard error is the guest's as well."""


def serve(connection: socket.socket, directory: str) -> None:
    """Answer one connection."""
    # The address of the guest and the server are for logs alone.
    Handler(connection, ("", 0), None, directory=directory)  # type: ignore[arg-type]


if __name__ == "__main__":
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with socket.socket(fileno=os.dup(0)) as guest:
        serve(guest, sys.argv[1])
