# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Runs in a separate network namespace: ISC dhcpd on one end of a cable, a client on the other.

Standard input has JSON: the directory to work in, the server's address, the MAC addresses that ask.
Standard output has what each was told, by its MAC address, or null for those who got no answer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

_SCRIPT = '#!/bin/sh\n[ "$1" != bound ] || env >"$ANSWER"\n'
# What udhcpc's script finds in its environment.
_TOLD = ("ip", "mask", "siaddr", "boot_file", "hostname", "domain", "router", "dns")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def start(directory: Path, address: str) -> subprocess.Popen[bytes]:
    """dhcpd, once it serves."""
    ip("link", "add", "vm", "type", "veth", "peer", "name", "server")
    ip("address", "add", address, "dev", "server")
    for name in ("lo", "server", "vm"):
        ip("link", "set", name, "up")
    (directory / "leases").touch()
    log = directory / "dhcpd.log"
    words = [str(directory / "dhcpd"), "-4", "-f", "-d", "-cf", str(directory / "dhcpd.conf")]
    words += ["-lf", str(directory / "leases"), "-pf", str(directory / "pid"), "server"]
    with log.open("wb") as output:
        process = subprocess.Popen(words, stdout=output, stderr=output)
    end = time.monotonic() + 20
    while "Server starting service" not in log.read_text():
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"dhcpd does not start:\n{log.read_text()}")
        time.sleep(0.05)
    return process


def ask(directory: Path, mac: str) -> dict[str, str] | None:
    """Return the answer to a machine with this MAC address, or None."""
    answer = directory / "answer"
    answer.unlink(missing_ok=True)
    ip("link", "set", "vm", "address", mac)
    words = ["udhcpc", "-f", "-n", "-q", "-t", "3", "-T", "1", "-i", "vm", "-s"]
    environment = {**os.environ, "ANSWER": str(answer)}
    done = subprocess.run(
        [*words, str(directory / "script")], env=environment, capture_output=True, check=False
    )
    if done.returncode != 0:
        return None
    told = dict(line.split("=", 1) for line in answer.read_text().splitlines() if "=" in line)
    return {name: told[name] for name in _TOLD if name in told}


def main() -> None:
    request = json.load(sys.stdin)
    directory = Path(request["directory"])
    (directory / "script").write_text(_SCRIPT)
    (directory / "script").chmod(0o755)
    process = start(directory, request["address"])
    try:
        json.dump({mac: ask(directory, mac) for mac in request["macs"]}, sys.stdout)
    finally:
        process.terminate()
        process.wait(20)


if __name__ == "__main__":
    main()
