# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A server's own process: holds the machine, answers its stubs and sessions, accepts connections.

It runs in the outer namespace (see namespace.py), under fakeroot(1), so that it sees and sets the
same owners as the programs inside.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import base, control, owners, sshd
from .full_disk import FullDisks
from .machine import Machine
from .namespace import owner_filter
from .sessions import Sessions
from .stubs import Stubs

_PR_CAP_AMBIENT, _CLEAR_ALL = 47, 4


class Process:
    """All that runs for one server; ``directory`` is the server's own on the host."""

    def __init__(self, directory: Path, settings: dict[str, Any]) -> None:
        self.directory = directory
        self.root = directory / "root"
        state_file = directory / "state.json"
        state = json.loads(state_file.read_text()) if state_file.exists() else settings["state"]
        system = Path(settings["base"])
        model = importlib.import_module(settings["model"])
        self.machine: Machine = model.Machine(self.root, settings["hostname"], state, system=system)
        self.base = base.prepare(system, model, tuple(self.machine.COMMANDS))
        self.ended = threading.Event()
        if not self.root.exists():
            self.root.mkdir()
            model.plant(self.machine, settings["key"])
        else:
            owners.restore(self.machine.files, directory / "owners.json")
        base.put_stubs(self.machine.files, self.machine.COMMANDS)
        base.put_links(self.machine.files, system)
        (directory / "filter").write_bytes(owner_filter())
        self.sessions = Sessions(self.machine, directory, self.base)
        self.machine.on_cut, self.machine.on_end = self.sessions.cut, self.ended.set
        self.full_disks = FullDisks(self.machine)
        self.stubs = Stubs(self.machine, self.sessions)
        self.control = control.Control(self.machine, self.sessions, self.ended.set)

    def run(self, port: int) -> None:
        """Serves until it is asked to end, then saves everything."""
        self.machine.start()
        self.full_disks.start()
        self.sessions.write_accounts()
        Path("/run/speed").write_text(f"{self.machine.clock.speed}\n")
        self._listen("/run/machine.sock", self.stubs.serve)
        self._listen("/run/control.sock", self._local)
        listener = socket.create_server(("127.0.0.1", port))
        self._accept(listener, self._remote)
        print(listener.getsockname()[1], flush=True)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: self.ended.set())
        self.ended.wait()
        listener.close()
        with self.machine.lock:
            self.machine.stop()
            self.full_disks.stop()
            owners.save(self.machine.files, self.directory / "owners.json")
            text = json.dumps(self.machine.state, indent=1, sort_keys=True)
            (self.directory / "state.json").write_text(text + "\n")

    def _local(self, peer: socket.socket) -> None:
        if peer.recv(1, socket.MSG_PEEK) == b"H":
            self.sessions.serve(peer)
        else:
            self.control.serve(peer)

    def _remote(self, connection: socket.socket) -> None:
        with self.machine.lock:
            sshd.write_config(self.directory, self.machine.sshd_blocks())
            self.sessions.write_accounts()
        with connection:
            daemon = sshd.serve(self.directory, connection)
        daemon.wait()

    def _listen(self, path: str, serve: Callable[[socket.socket], None]) -> None:
        Path(path).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(128)
        self._accept(listener, serve)

    def _accept(self, listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
        def run() -> None:
            while not self.ended.is_set():
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(peer,), daemon=True).start()

        threading.Thread(target=run, daemon=True).start()


def main() -> None:
    """``python -m sandbox.target.process DIRECTORY PORT``; settings are JSON in a variable."""
    # Capabilities stay here, for mount(2): bubblewrap refuses to start with any.
    ctypes.CDLL(None).prctl(_PR_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0)
    os.umask(0o022)
    settings = json.loads(os.environ["SANDBOX_SETTINGS"])
    Process(Path(sys.argv[1]), settings).run(int(sys.argv[2]))
    os._exit(0)


if __name__ == "__main__":
    main()
