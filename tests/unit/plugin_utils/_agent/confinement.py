# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What pledge(2) and unveil(2) of OpenBSD 7.8 would say to a program that strace(1) watched here.

The program runs with stand-ins for OpenBSD::Pledge and OpenBSD::Unveil that leave a mark among its
system calls (``marks`` writes them). From then on each call must be one that its promises allow,
and each path one that it has unveiled, as sys/kern/kern_pledge.c, kern_unveil.c and
vfs_syscalls.c have it. What a child runs after execve(2) is free again, as it is there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

STRACE = "strace -ff -qq -y -s 4096 -e signal=none".split()

_MARK = "/.confinement/"
_PLEDGE = """package OpenBSD::Pledge; use v5.36;
sub pledge (@promises) { lstat "MARKpledge/" . join q{ }, 'stdio', @promises; return 1 }
1;
"""
_UNVEIL = """package OpenBSD::Unveil; use v5.36;
sub unveil (@what) { lstat "MARKunveil/" . join q{ }, reverse @what; return 1 }
1;
"""

# Calls by the promise that allows them; those of the first line take no path.
_STDIO = """
    alarm brk clock_gettime clock_nanosleep close dup dup2 dup3 exit exit_group fcntl fstat fsync
    ftruncate futex getegid geteuid getgid getgroups getpid getpgid getpgrp getppid getrandom
    getresgid getresuid gettimeofday getuid ioctl lseek madvise mmap mprotect mremap munmap
    nanosleep pipe pipe2 poll
    pread64 pselect6 pwrite64 read readv rt_sigaction rt_sigprocmask rt_sigreturn select
    set_robust_list set_tid_address time times umask wait4 waitid write writev
"""
_PROC = "clone clone3 fork vfork setpgid setsid kill"
_ID = "setuid setgid seteuid setegid setreuid setregid setresuid setresgid setgroups"
_RPATH = "getdents64 getcwd fchdir"
_PROMISES = {
    **dict.fromkeys(_STDIO.split(), "stdio"),
    **dict.fromkeys(_PROC.split(), "proc"),
    **dict.fromkeys(_ID.split(), "id"),
    **dict.fromkeys(_RPATH.split(), "rpath"),
    "flock": "flock",
    "fchmod": "fattr",
    "fchown": "chown",
}

# Calls that take paths: for each path its promises and the permissions that it must have.
_READ = ("rpath", "r")
_CREATE = ("cpath", "c")
_PATHS: dict[str, tuple[tuple[str, str], ...]] = {
    **dict.fromkeys("stat lstat access readlink chdir statfs".split(), (_READ,)),
    **dict.fromkeys("mkdir rmdir unlink symlink".split(), (_CREATE,)),
    "rename": (("rpath cpath", "rc"), _CREATE),
    "link": (_READ, _CREATE),
    "chmod": (("fattr rpath", "w"),),
    "chown": (("chown rpath", "w"),),
    "lchown": (("chown rpath", "w"),),
    "utimes": (("fattr rpath", "w"),),
    "execve": (("exec", "x"),),
}
_NOFOLLOW = frozenset("lstat rename link unlink mkdir rmdir lchown readlink".split())
# Linux has its *at calls; all are used with AT_FDCWD and absolute paths.
_NAMES = {
    "newfstatat": "stat",
    "faccessat": "access",
    "faccessat2": "access",
    "fchmodat": "chmod",
    "fchownat": "chown",
    "linkat": "link",
    "mkdirat": "mkdir",
    "readlinkat": "readlink",
    "renameat": "rename",
    "renameat2": "rename",
    "statx": "stat",
    "symlinkat": "symlink",
    "unlinkat": "unlink",
    "utimensat": "utimes",
}

# dofchmodat() and others of vfs_syscalls.c mask a mode under pledge(2) and say nothing.
_MASKED = re.compile(r"[, ]0[1-7][0-7]{3}\b")

# With getpw, OpenBSD lets libc read its own files; these are what Linux does in their place.
_GETPW_FILES = re.compile(r"/etc/(passwd|shadow|group|nsswitch\.conf)$")
_GETPW_CALLS = re.compile(r'AF_UNIX, SOCK_STREAM|/run/nscd/socket|^AT_FDCWD(<[^>]*>)?, "/", ')
# The last is kern.ngroups, a sysctl(2) there.
_ALWAYS = re.compile(
    r"/dev/null$|/etc/localtime$|/usr/share/zoneinfo/|/proc/sys/kernel/ngroups_max$"
)

_LINE = re.compile(r"(?P<name>\w+)\((?P<args>.*)\)\s+= (?P<result>-?\d+|\?|0x[0-9a-f]+)")
_FORK = re.compile(r"(?:clone3?|v?fork)\(.*\)\s+= (?P<child>[1-9]\d*)")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


def marks(directory: Path) -> Path:
    """Writes the stand-ins for OpenBSD's modules: a directory for PERL5LIB."""
    for name, text in (("Pledge", _PLEDGE), ("Unveil", _UNVEIL)):
        path = directory / "OpenBSD" / f"{name}.pm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("MARK", _MARK))
    return directory


@dataclass
class _Process:
    """A process of the traced program; ``promises`` is None until it pledges."""

    promises: frozenset[str] | None = None
    unveiled: dict[str, str] = field(default_factory=dict)
    locked: bool = False

    def copy(self) -> _Process:
        return _Process(self.promises, dict(self.unveiled), self.locked)


def violations(prefix: Path) -> tuple[list[str], bool]:
    """What OpenBSD would have refused, in strace's words, and whether the program was confined.

    ``prefix`` is strace's -o with -ff: one file a process.
    """
    traces = {
        int(path.suffix[1:]): path.read_text(errors="replace").splitlines()
        for path in prefix.parent.glob(f"{prefix.name}.*")
    }
    # The system's numbers begin again at times, so the first process need not have the lowest.
    children = {int(child) for lines in traces.values() for child in map(_child, lines) if child}
    todo: dict[int, _Process] = {min(set(traces) - children): _Process()}
    found: list[str] = []
    confined = False
    while todo:
        pid, process = todo.popitem()
        for line in traces[pid]:
            call = _LINE.match(line)
            if not call:
                continue
            name = _NAMES.get(call["name"], call["name"])
            paths = [_unescaped(text) for text in _STRING.findall(call["args"])]
            if paths and paths[0].startswith(_MARK):
                _note(process, paths[0].removeprefix(_MARK))
                confined = confined or process.promises is not None
                continue
            if child := _child(line):
                todo[child] = process.copy()
            if process.promises is not None or process.locked:
                found += [f"{why}: {line}" for why in _refused(process, name, call["args"], paths)]
            if name == "execve" and call["result"] == "0":
                process = _Process()
                if confined:
                    break
    return found, confined


def _child(line: str) -> int | None:
    """The process that a call has made."""
    made = _FORK.match(line)
    return int(made["child"]) if made else None


def _note(process: _Process, mark: str) -> None:
    kind, _slash, rest = mark.partition("/")
    words = rest.split(" ")
    if kind == "pledge":
        process.promises = frozenset(words)
    elif not rest:
        process.locked = True
    else:
        permissions, path = rest.split(" ", 1)
        process.unveiled[_real(path)] = permissions


def _refused(process: _Process, name: str, args: str, paths: list[str]) -> Iterator[str]:
    held = process.promises
    libc = held is not None and "getpw" in held
    if libc and _GETPW_CALLS.search(args):
        return
    for promise in dict.fromkeys(_promises(name, args)):
        if held is not None and promise not in held:
            yield f'pledge "{promise}"'
    if held is not None and name in ("chmod", "fchmod") and _MASKED.search(args):
        yield "pledge masks the mode"
    for path, permissions in _wanted(name, args, paths):
        place = _real(path, follow=name not in _NOFOLLOW and "NOFOLLOW" not in args)
        if _ALWAYS.search(path) or (libc and _GETPW_FILES.search(path)):
            continue
        if process.locked and not set(permissions) <= set(_unveiled(process, place)):
            yield f"unveil {place} lacks {permissions}"


def _promises(name: str, args: str) -> Iterator[str]:
    if name in ("open", "openat"):
        yield from _open(args)[0].split()
    elif name == "stat" and "AT_EMPTY_PATH" in args:
        yield "stdio"
    elif name in _PATHS:
        for promises, _permissions in _PATHS[name]:
            yield from promises.split()
    elif "PROT_EXEC" in args:
        yield "prot_exec"
    else:
        yield _PROMISES.get(name, f"unknown call {name}")


def _wanted(name: str, args: str, paths: list[str]) -> Iterator[tuple[str, str]]:
    if name in ("open", "openat"):
        yield paths[0], _open(args)[1]
    elif name in _PATHS and "AT_EMPTY_PATH" not in args:
        for path, (_promises, permissions) in zip(paths, _PATHS[name], strict=False):
            yield path, permissions


def _open(args: str) -> tuple[str, str]:
    """Promises and permissions that open(2) needs, by its flags."""
    reads = "O_WRONLY" not in args
    writes = "O_WRONLY" in args or "O_RDWR" in args or "O_TRUNC" in args
    creates = "O_CREAT" in args
    words = (("rpath", "r", reads), ("wpath", "w", writes), ("cpath", "c", creates))
    promises = [promise for promise, _permission, needed in words if needed]
    return " ".join(promises), "".join(one for _promise, one, needed in words if needed)


def _unveiled(process: _Process, path: str) -> str:
    """The permissions of a path: its own, else those of the nearest directory above it."""
    for place in (PurePosixPath(path), *PurePosixPath(path).parents):
        if str(place) in process.unveiled:
            return process.unveiled[str(place)]
    return ""


def _real(path: str, *, follow: bool = True) -> str:
    """The path without links on the way: of the host, since the tests' own places have none."""
    if follow:
        return os.path.realpath(path)
    place = PurePosixPath(path)
    return str(PurePosixPath(os.path.realpath(place.parent)) / place.name)


def _unescaped(text: str) -> str:
    return text.encode("latin-1", "replace").decode("unicode_escape")
