# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Imports Ansible and the collection, and forks a run for each request: see client.py.

`python -m ansible_forks.server FD` serves a socket, until the other end is closed.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import pkgutil
import socket
import sys
import warnings
from collections.abc import Mapping, Sequence
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess

from ansible.plugins.loader import init_plugin_loader

from ansible_forks import PROGRAMS

COLLECTION = "ansible_collections.puffy.vmm.plugins"
REQUEST_BYTES = 1 << 20
_FORK = multiprocessing.get_context("fork")


def preload() -> None:
    """Import what runs need. On import, nothing of it reads arguments or files of a run."""
    init_plugin_loader()
    for kind in ("module_utils", "plugin_utils", "action", "filter", "inventory"):
        package = importlib.import_module(f"{COLLECTION}.{kind}")
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(found.name)
    for module in PROGRAMS.values():
        importlib.import_module(module)


def run(words: Sequence[str], cwd: str, variables: Mapping[str, str], fds: Sequence[int]) -> None:
    """Be one of Ansible's programs: what its console script does."""
    os.setsid()
    for number, fd in enumerate(fds, 1):
        os.dup2(fd, number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = list(words)
    # Each program calls init_plugin_loader(), which warns when it is called again.
    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")
    importlib.import_module(PROGRAMS[words[0]]).main()


def serve(requests: socket.socket) -> None:
    """Tell each request's own socket the number of the process, and how it ended."""
    running: dict[int, tuple[ForkProcess, socket.socket]] = {}
    while True:
        for ready in wait([requests, *running]):
            if isinstance(ready, int):
                os.close(ready)
                process, answers = running.pop(ready)
                process.join()
                with answers:
                    answers.sendall(f"{process.exitcode}\n".encode())
                continue
            request, fds, _, _ = socket.recv_fds(requests, REQUEST_BYTES, 3)
            if not request:
                for process, _ in running.values():
                    process.terminate()
                return
            answers = socket.socket(fileno=fds[0])
            process = _FORK.Process(target=run, args=(*json.loads(request), fds[1:]))
            process.start()
            for fd in fds[1:]:
                os.close(fd)
            # The process's own sentinel waits for its children, too.
            running[os.pidfd_open(process.ident or 0)] = process, answers
            answers.sendall(f"{process.ident}\n".encode())


if __name__ == "__main__":
    preload()
    serve(socket.socket(fileno=int(sys.argv[1])))
