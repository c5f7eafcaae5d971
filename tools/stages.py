# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Run several stages of `./dev test`, two at a time; the output of each is shown when it ends.

Some stages often wait for servers, while others keep a processor busy. After the first failure, no
further stage begins.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / ".dev" / "stages"
AT_ONCE = 2


@dataclass(frozen=True)
class Stage:
    """A running stage."""

    name: str
    process: subprocess.Popen[bytes]
    began: float

    @classmethod
    def start(cls, name: str) -> Stage:
        with (LOGS / f"{name}.log").open("wb") as log:
            # In a separate session, Ctrl-C reaches it only once: from here.
            process = subprocess.Popen(
                [ROOT / "dev", "test", name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(name, process, time.monotonic())

    def ended(self) -> bool:
        return self.process.poll() is not None

    def show(self) -> str:
        """Print its output, and return its name with the seconds that it took."""
        log = LOGS / f"{self.name}.log"
        sys.stdout.write(log.read_text(encoding="utf-8", errors="replace"))
        sys.stdout.flush()
        return f"{self.name} {time.monotonic() - self.began:.0f} s"


def run(names: list[str]) -> int:
    """Run stages in this order. Return the exit status of ./dev."""
    waiting, running = list(names), list[Stage]()
    passed, failed = list[str](), list[str]()
    began = time.monotonic()
    try:
        while running or (waiting and not failed):
            while waiting and not failed and len(running) < AT_ONCE:
                running.append(Stage.start(waiting.pop(0)))
            time.sleep(0.1)
            for stage in [stage for stage in running if stage.ended()]:
                running.remove(stage)
                (failed if stage.process.returncode else passed).append(stage.show())
    finally:
        # Each stage stops its own servers and removes its directories.
        for stage in running:
            stage.process.send_signal(signal.SIGTERM)
        for stage in running:
            stage.process.wait()
    total = f"in {time.monotonic() - began:.0f} s"
    if failed:
        passed_before = f" (passed: {', '.join(passed)})" if passed else ""
        print(f"== failed: {', '.join(failed)}{passed_before}, {total}")
        return 1
    print(f"== all passed: {', '.join(passed)}, {total}")
    return 0


def main() -> int:
    LOGS.mkdir(parents=True, exist_ok=True)
    try:
        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
