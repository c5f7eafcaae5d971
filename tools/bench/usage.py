# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What one command costs, with all processes that it starts.

`python -m bench.usage LOG SECONDS COMMAND ...` runs the command, ends it after so many seconds, and
prints what it took as JSON. A separate process does that for each command: it is the parent of
whatever outlives its own parent (PR_SET_CHILD_SUBREAPER of prctl(2)), so wait4(2) gives it the
resource usage of all these processes, and of nothing else. Servers are started elsewhere.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
# How long processes that nobody waited for may take to end, in seconds.
_GRACE = 20.0


class CommandFailed(RuntimeError):
    """A command that was to be measured failed or took too long."""


@dataclass(frozen=True)
class Usage:
    """wall and cpu in seconds; memory in KiB: the largest resident set that one process had.

    cpu is of the command and all its descendants but for the ssh(1) masters that it leaves in the
    background (ControlPersist): connections has theirs, from when they went there. The key exchange
    comes before that, and is in cpu.
    """

    wall: float
    cpu: float
    connections: float
    memory: int


def measured(
    words: Iterable[str], log: Path, *, limit: float, cwd: Path, environment: Mapping[str, str]
) -> Usage:
    """Run a command with its output in a file. Raises CommandFailed with the end of the output."""
    command = [sys.executable, "-m", "bench.usage", str(log), str(limit), *words]
    with subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            printed, _ = process.communicate()
        finally:
            # Where this run is interrupted; it ends the command then.
            process.terminate()
    if process.returncode:
        said = log.read_text(errors="replace")[-2000:]
        raise CommandFailed(f"{' '.join(command[5:])}: exit status {process.returncode}\n{said}")
    return Usage(**json.loads(printed))


def _run(log: Path, limit: float, words: list[str]) -> tuple[Usage, int]:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    with log.open("wb") as output:
        began = time.monotonic()
        child = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    for number in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os.killpg(child.pid, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, limit)
    _pid, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - began
    signal.setitimer(signal.ITIMER_REAL, 0)
    others, connections, memory = _collect()
    cpu = usage.ru_utime + usage.ru_stime + others
    spent = Usage(wall, cpu, connections, max(usage.ru_maxrss, memory))
    return spent, os.waitstatus_to_exitcode(status)


def _collect() -> tuple[float, float, int]:
    """End what the command left: CPU seconds of ssh masters and of all else, memory in KiB."""
    others = connections = 0.0
    memory = 0
    deadline = time.monotonic() + _GRACE
    while children := _children(os.getpid()):
        for pid, name in children.items():
            late = time.monotonic() > deadline
            if name == "ssh" or late:
                os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
            ended, _status, usage = os.wait4(pid, os.WNOHANG)
            if not ended:
                continue
            memory = max(memory, usage.ru_maxrss)
            if name == "ssh":
                connections += usage.ru_utime + usage.ru_stime
            else:
                others += usage.ru_utime + usage.ru_stime
        time.sleep(0.01)
    return others, connections, memory


def _children(parent: int) -> dict[int, str]:
    """The names of the programs that a process's children run, by process id: proc(5)."""
    names = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            stat = place.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        front, _, rest = stat.rpartition(")")
        number, _, name = front.partition(" (")
        if int(rest.split()[1]) == parent:
            names[int(number)] = name
    return names


def main() -> int:
    log, limit, *words = sys.argv[1:]
    usage, status = _run(Path(log), float(limit), words)
    print(json.dumps(asdict(usage)))
    return status and 1


if __name__ == "__main__":
    sys.exit(main())
