# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The part of a server that no session can change: /bin, /sbin and /usr, of the host's programs.

It is made once for a directory of servers. Programs of the host that are safe to use lie below
/usr/libexec/sandbox/host, out of the PATH; what stands in the PATH is the model's.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from .files import Files

HERE = Path(__file__).parent
LIBEXEC = "usr/libexec/sandbox"
_LIBRARY = re.compile(r"(?:(\S+) => )?(/\S+) \(0x")


class Missing(RuntimeError):
    """The host lacks a program that the sandbox needs."""


@dataclass(frozen=True)
class Base:
    """``binds``: directories of the host that a session sees read-only, and where."""

    path: Path
    binds: tuple[tuple[str, str], ...]


class Model(Protocol):
    """What the base takes from a model's package.

    ``PROGRAMS``: programs of the host, by the name they have below /usr/libexec/sandbox/host;
    ``furnish`` puts its own programs and modules into the base.
    """

    PROGRAMS: tuple[str, ...]

    def furnish(self, path: Path) -> None: ...


def prepare(path: Path, model: Model, commands: tuple[str, ...]) -> Base:
    """Makes the directory unless it is there; ``commands`` are the paths of modelled commands."""
    stamp = path / LIBEXEC / "made"
    perl = _perl_directories()
    with locked(path.with_name(f"{path.name}.lock")):
        if not stamp.exists() or stamp.read_text() != _fingerprint(commands):
            shutil.rmtree(path, ignore_errors=True)
            _make(path, model, perl, commands)
            stamp.write_text(_fingerprint(commands))
    return Base(path, tuple((directory, directory) for directory in perl))


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock, as servers of one directory may start at the same time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def host_program(name: str) -> str:
    """The path of a host's program; Missing with the name of what is not there."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin:/bin")
    if path is None:
        raise Missing(f"{name} is not installed on this machine")
    return path


def real_environment() -> dict[str, str]:
    """The environment for a program of the host that must not take itself for root."""
    hidden = ("LD_PRELOAD", "FAKEROOT")
    return {name: value for name, value in os.environ.items() if not name.startswith(hidden)}


def fakeroot_library() -> str:
    """libfakeroot for message queues, which a separate namespace keeps apart."""
    places = ("*/libfakeroot", "libfakeroot", "*")
    paths = [
        path for place in places for path in Path("/usr/lib").glob(f"{place}/libfakeroot-sysv.so")
    ]
    if not paths:
        raise Missing("libfakeroot-sysv.so is not installed on this machine (package fakeroot)")
    return str(paths[0])


def _make(path: Path, model: Model, perl: list[str], commands: tuple[str, ...]) -> None:
    own = [f"{LIBEXEC}/{name}" for name in ("host", "proc", "record")]
    for name in ("bin", "sbin", "usr/bin", "usr/sbin", *own):
        (path / name).mkdir(parents=True)
    for name in ("socket", "speed"):
        (path / LIBEXEC / name).touch()
    for directory in (*perl, "/usr/local", "/usr/share"):
        (path / directory.lstrip("/")).mkdir(parents=True, exist_ok=True)
    (path / "usr/libdata/perl5").mkdir(parents=True)
    for directory in _vendor_directories():
        place = path / directory.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.symlink_to("/usr/libdata/perl5")
    shutil.copy(fakeroot_library(), path / LIBEXEC / "libfakeroot.so")
    programs = {name: path / f"{LIBEXEC}/host/{name}" for name in model.PROGRAMS}
    programs |= {"perl": path / LIBEXEC / "perl", "mksh": path / "bin/ksh"}
    for name, place in programs.items():
        shutil.copy(host_program(name), place)
    os.link(path / "bin/ksh", path / "bin/sh")
    os.link(path / LIBEXEC / "perl", path / "usr/bin/perl")
    modules = [str(at) for path in perl for at in Path(path).glob("auto/Compress/Raw/*/Zlib.so")]
    _copy_libraries(path, [*map(host_program, programs), fakeroot_library(), *modules])
    model.furnish(path)
    stub = (HERE / "inside/stub.pl").read_text()
    for command in commands:
        fixed = PurePosixPath(command).parts[1] in ("bin", "sbin", "usr")
        place = path if fixed else path / LIBEXEC / "stubs"
        _write_program(place / command.lstrip("/"), stub)


def put_stubs(files: Files, commands: Iterable[str]) -> None:
    """Writes the commands that lie in a directory that sessions change; they call their stubs."""
    for path in commands:
        if PurePosixPath(path).parts[1] not in ("bin", "sbin", "usr"):
            files.write_text(path, f'#!/bin/sh\nexec /{LIBEXEC}/stubs{path} "$@"\n', 0o555)


def put_links(files: Files, system: Path) -> None:
    """Links where the loader of the programs in ``system`` looks for what is below its /usr."""
    for name in ("lib", "lib64"):
        place = files.root / name
        if (system / "usr" / name).is_dir() and not os.path.lexists(place):
            place.symlink_to(f"usr/{name}")


def _write_program(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    place.chmod(0o755)


def _copy_libraries(path: Path, programs: list[str]) -> None:
    """The shared libraries of the programs, at the host's places; /lib becomes /usr/lib."""
    loader = next(
        match[2] for match in _LIBRARY.finditer(_output("ldd", programs[0])) if not match[1]
    )
    # One shell for all, as ldd(1) itself starts several programs for each.
    loop = 'loader=$1; shift; for program; do "$loader" --list "$program"; done'
    listing = _output("sh", "-c", loop, "sh", loader, *programs)
    for library in {match[2] for match in _LIBRARY.finditer(listing)} | {loader}:
        place = path / "usr" / library.lstrip("/").removeprefix("usr/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            shutil.copy(library, place)


def _output(*words: str) -> str:
    """Standard output of a program that runs without fakeroot(1), which the loader would list."""
    plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    return subprocess.run(words, capture_output=True, text=True, check=True, env=plain).stdout


def _perl_directories() -> list[str]:
    """Where the host's perl has the modules that come with perl itself."""
    script = 'use Config; print join "\\n", grep { -d } @Config{qw(archlibexp privlibexp)}, @INC'
    paths = _output(host_program("perl"), "-e", script).split()
    core = [path for path in paths if re.search(r"/perl-base$|/perl/\d", path)]
    return sorted({path for path in core if not path.startswith("/usr/local")})


def _vendor_directories() -> list[str]:
    """Where the host's perl looks for modules that did not come with it."""
    directories = _output(host_program("perl"), "-e", r'print join "\n", @INC').split()
    return [path for path in directories if path.startswith("/usr/share/perl5")]


def _fingerprint(commands: tuple[str, ...]) -> str:
    above = HERE.parent
    sources = [HERE / "base.py", *above.glob("**/inside/**/*"), *above.glob("**/tools.py")]
    newest = max(source.stat().st_mtime_ns for source in sources)
    return f"{newest} {' '.join(sorted(commands))}\n"
