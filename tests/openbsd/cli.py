# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""python -m openbsd: see docs/openbsd.md."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from openbsd import firmware, qemu, sets
from openbsd.errors import OpenBSDError
from openbsd.image import Teller, image, limits
from openbsd.servers import Servers
from openbsd.settings import settings

_BETWEEN_LINES = 5.0


def main(arguments: Sequence[str]) -> int:
    """Run the command line; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        run: Callable[[argparse.Namespace], None] = options.run
        run(options)
    except OpenBSDError as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m openbsd", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    build = verbs.add_parser("build", help="install the image unless it is there; print its path")
    build.add_argument("--again", action="store_true", help="install it even if it is there")
    build.set_defaults(run=_build)
    up = verbs.add_parser("up", help="start servers, and wait until ssh answers")
    up.add_argument("directory", type=Path)
    up.add_argument("names", nargs="+", metavar="NAME")
    up.set_defaults(run=_up)
    for name, run, text in (
        ("down", _down, "end all servers, and throw their disks away"),
        ("status", _status, "print which servers run, and where ssh answers"),
        ("ssh-config", _ssh_config, "print the path of the servers' ssh_config(5)"),
    ):
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("directory", type=Path)
        verb.set_defaults(run=run)
    fetch = verbs.add_parser("sets", help="download, verify and put the sets into a directory")
    fetch.add_argument("directory", type=Path)
    fetch.set_defaults(run=_sets)
    reboot = verbs.add_parser("reboot", help="reboot servers, and wait until ssh answers again")
    reboot.add_argument("directory", type=Path)
    reboot.add_argument("names", nargs="+", metavar="NAME")
    reboot.set_defaults(run=_reboot)
    variables = verbs.add_parser("variables", help="print what an inventory must know, as YAML")
    variables.set_defaults(run=_variables)
    return parser


def _build(options: argparse.Namespace) -> None:
    print(image(settings(os.environ), _teller(), again=options.again).disk)


def _up(options: argparse.Namespace) -> None:
    _servers(options).up(options.names, settings(os.environ), _teller())


def _down(options: argparse.Namespace) -> None:
    _servers(options).down()


def _status(options: argparse.Namespace) -> None:
    for guest in _servers(options).all():
        print(f"{guest.name}: {'stopped' if guest.pid is None else f'127.0.0.1 port {guest.port}'}")


def _ssh_config(options: argparse.Namespace) -> None:
    print(_servers(options).config)


def _sets(options: argparse.Namespace) -> None:
    sets.fetch(settings(os.environ), _Progress(), _say).stage(options.directory)


def _reboot(options: argparse.Namespace) -> None:
    _servers(options).reboot(options.names, settings(os.environ))


def _variables(_: argparse.Namespace) -> None:
    chosen = settings(os.environ)
    verify = "signify" if chosen.verify == "signify" else "none"
    allowed = limits(chosen, qemu.machine(chosen))
    print(f"vmm_release: '{chosen.release.name}'\nsets_verify: {verify}")
    print(f"vmd_firmware_url: http://{qemu.SERVED}{firmware.path(chosen)}")
    for name in ("vmd_install_timeout", "vmd_install_total_timeout", "vmd_answer_timeout"):
        print(f"{name}: {allowed.vm:.0f}")


def _servers(options: argparse.Namespace) -> Servers:
    return Servers(options.directory.absolute())


def _teller() -> Teller:
    return Teller(_say, _Progress(), _report)


def _say(text: str) -> None:
    print(f"openbsd: {text}", file=sys.stderr, flush=True)


def _report(seconds: float, line: str) -> None:
    _say(f"{seconds / 60:4.1f} min: {line[:100]}")


class _Progress:
    """Shows a download every few seconds, and when it is done."""

    def __init__(self) -> None:
        self._told = 0.0

    def __call__(self, name: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if done == total or now - self._told > _BETWEEN_LINES:
            self._told = now
            of = "" if total is None else f" of {total / 1e6:.1f}"
            _say(f"{name}: {done / 1e6:.1f}{of} MB")
