# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Images of OpenBSD: installed once, kept by recipe, never changed afterwards."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from openbsd import qemu, sets, ssh
from openbsd.console import Console, tail
from openbsd.errors import OpenBSDError, write_error
from openbsd.guest import Guest
from openbsd.http_server import HttpServer
from openbsd.installer import BOOT_CONF, LIMITS, SLOW, Limits, install
from openbsd.mirror import Progress
from openbsd.recipe import DISK_TEMPLATE, FINISH, recipe, response
from openbsd.settings import Settings

_LOG_LINES = 60
# What an installation of base and its sets take at most, in MiB.
_ROOM = 3 << 10


@dataclass(frozen=True)
class Teller:
    """How to show progress: a line, the state of a download, the state of a console."""

    say: Callable[[str], None]
    progress: Progress
    report: Callable[[float, str], None]


@dataclass(frozen=True)
class Image:
    """A directory that holds disk.qcow2, a key of root's and the host's key."""

    directory: Path

    @property
    def disk(self) -> Path:
        return self.directory / "disk.qcow2"

    @property
    def access(self) -> ssh.Access:
        return ssh.Access(self.directory / "key", self.directory / "known_hosts")


def limits(settings: Settings, machine: qemu.Machine) -> Limits:
    """Return the time limits for this machine."""
    return LIMITS.scaled(settings.patience * (SLOW if machine.slow else 1))


def image(settings: Settings, teller: Teller, *, again: bool = False) -> Image:
    """Return the image, installing it if it is not there. Raises OpenBSDError."""
    machine = qemu.machine(settings)
    ingredients = recipe(settings)
    images = settings.cache / "images"
    result = Image(images / ingredients.name)
    try:
        images.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(images, error) from error
    with _lock(images / f"{ingredients.name}.lock", teller.say):
        if again:
            shutil.rmtree(result.directory, ignore_errors=True)
        if not result.disk.exists():
            _room(images)
            files = sets.fetch(settings, teller.progress, teller.say)
            _build(settings, machine, files, result.directory, teller)
    return result


def _build(
    settings: Settings, machine: qemu.Machine, files: sets.Sets, target: Path, teller: Teller
) -> None:
    logs = settings.cache / "logs" / target.name
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    # Half an image never has the image's name.
    work = Path(tempfile.mkdtemp(prefix=".", dir=target.parent))
    made = Image(work)
    try:
        ssh.make_key(made.access.key)
        subprocess.run(
            qemu.new_disk(made.disk, settings.disk), check=True, stdin=subprocess.DEVNULL
        )
        _install(settings, machine, files, made, logs, teller)
        _first_boot(settings, machine, made, logs, teller)
        made.disk.chmod(0o444)
        shutil.rmtree(target, ignore_errors=True)
        made.directory.rename(target)
    except OSError as error:
        raise write_error(work / "disk.qcow2", error) from error
    except subprocess.CalledProcessError as error:
        raise OpenBSDError(f"{error.cmd[0]} ended with status {error.returncode}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _install(
    settings: Settings,
    machine: qemu.Machine,
    files: sets.Sets,
    made: Image,
    logs: Path,
    teller: Teller,
) -> None:
    tftp = made.directory / "tftp"
    (tftp / "etc").mkdir(parents=True)
    (tftp / "etc/boot.conf").write_text(BOOT_CONF)
    shutil.copyfile(files.directory / sets.LOADER, tftp / qemu.BOOT_FILE)
    shutil.copyfile(files.directory / sets.RAMDISK, tftp / sets.RAMDISK)
    contents = {files.path + name: content for name, content in files.served().items()}
    log = logs / "install.log"
    how = "without KVM, which takes long" if machine.slow else "with KVM"
    teller.say(f"installing OpenBSD {settings.release.name} in QEMU {how}; console: {log}")
    with HttpServer(contents, logs / "http.log") as server:
        address = f"http://{qemu.HOST}:{server.port}"
        key = made.access.key.with_suffix(".pub").read_text().strip()
        answers = response(settings, address, key).render()
        (logs / "install.conf").write_bytes(answers)
        server.contents |= {"/install.conf": answers, "/disklabel": DISK_TEMPLATE.encode()}
        words = qemu.installation(machine, made.disk, tftp)
        with _shown(log), Console(words, log, teller.report) as console:
            install(console, f"{address}/install.conf", limits(settings, machine))
    shutil.rmtree(tftp)


def _first_boot(
    settings: Settings, machine: qemu.Machine, made: Image, logs: Path, teller: Teller
) -> None:
    """Let the new server make its keys and do what it does only once, and shut it down."""
    teller.say("booting the new server for the first time")
    allowed = limits(settings, machine)
    guest = Guest(logs / "first-boot")
    config = logs / "ssh_config"
    with _shown(guest.log):
        try:
            guest.start(machine, made.disk, 255)
            config.write_text(made.access.config({guest.name: guest.port}))
            guest.wait_for_ssh(config, allowed.boot)
            teller.say("finishing the new server")
            ssh.run(config, guest.name, FINISH, allowed.boot)
            with contextlib.suppress(OpenBSDError):
                # The connection may go before the answer comes.
                ssh.run(config, guest.name, "sync; shutdown -p now\n", allowed.shutdown)
            _wait_for_end(guest, allowed.shutdown)
        finally:
            guest.stop()


def _wait_for_end(guest: Guest, seconds: float) -> None:
    """Without ACPI, OpenBSD halts and waits for a key."""
    if not guest.wait_for_end(seconds) and not any("halted" in line for line in tail(guest.log, 5)):
        raise OpenBSDError("the new server does not shut down")


@contextlib.contextmanager
def _shown(log: Path) -> Iterator[None]:
    """Add the end of a console's log to what went wrong."""
    try:
        yield
    except OpenBSDError as error:
        lines = "\n".join(f"| {line}" for line in tail(log, _LOG_LINES))
        raise OpenBSDError(f"{error}\nThe console's last lines (all: {log}):\n{lines}") from error


@contextlib.contextmanager
def _lock(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another process that makes the same image")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _room(directory: Path) -> None:
    free = shutil.disk_usage(directory).free >> 20
    if free < _ROOM:
        raise OpenBSDError(
            f"{directory}: {free} MiB are free, and an image takes up to {_ROOM}; "
            "make room, or let OPENBSD_CACHE name a directory on another disk"
        )
