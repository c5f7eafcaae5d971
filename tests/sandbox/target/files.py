# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The server's files as seen from outside: paths are the server's, links stay in its root.

Owners and device nodes are real only for a process under fakeroot(1), as the machine's own is;
elsewhere (a model's unit test) changes of the owner are left out.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_LINK_LIMIT = 32
_SYSTEM = ("bin", "sbin", "usr")


@dataclass(frozen=True)
class Files:
    """Access to the tree below ``root``; errors are OSError with the server's path.

    ``system`` is where /bin, /sbin and /usr (but not /usr/local) are, which no session can change.
    """

    root: Path
    system: Path | None = None

    @property
    def owned(self) -> bool:
        """Whether this process sees and sets the server's owners."""
        return "FAKEROOTKEY" in os.environ

    def resolve(self, path: str, *, follow: bool = True) -> Path:
        """The host's path of a server's absolute path; ``follow`` is about the last component."""
        done = PurePosixPath("/")
        todo = [part for part in path.split("/") if part not in ("", ".")]
        links = 0
        while todo:
            part = todo.pop(0)
            if part == "..":
                done = done.parent
                continue
            host = self._place(done / part)
            if (follow or todo) and host.is_symlink():
                links += 1
                if links > _LINK_LIMIT:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                target = os.readlink(host)
                if target.startswith("/"):
                    done = PurePosixPath("/")
                todo = [word for word in target.split("/") if word not in ("", ".")] + todo
                continue
            done = done / part
        return self._place(done)

    def _place(self, path: PurePosixPath) -> Path:
        parts = path.parts[1:]
        fixed = self.system is not None and parts[:1] != () and parts[0] in _SYSTEM
        if fixed and self.system is not None and parts[:2] != ("usr", "local"):
            return self.system.joinpath(*parts)
        return self.root.joinpath(*parts)

    def read_bytes(self, path: str) -> bytes:
        with _named(path):
            return self.resolve(path).read_bytes()

    def read_text(self, path: str) -> str:
        """The text; bytes that are no UTF-8 survive a later write_text."""
        return self.read_bytes(path).decode("utf-8", "surrogateescape")

    def write_bytes(
        self,
        path: str,
        content: bytes,
        mode: int | None = None,
        owner: tuple[int, int] | None = None,
    ) -> None:
        """Writes a whole file in place; a new one gets mode 0644 unless it is given."""
        with _named(path):
            host = self.resolve(path)
            new = not host.exists()
            host.write_bytes(content)
            if mode is not None or new:
                os.chmod(host, 0o644 if mode is None else mode)
            if owner is not None or new:
                self._chown(host, owner or (0, 0))

    def write_text(
        self, path: str, text: str, mode: int | None = None, owner: tuple[int, int] | None = None
    ) -> None:
        self.write_bytes(path, text.encode("utf-8", "surrogateescape"), mode, owner)

    def append_text(self, path: str, text: str) -> None:
        """Appends as a daemon does to its log; the file is made if it is missing."""
        with _named(path):
            host = self.resolve(path)
            if not host.exists():
                self.write_text(path, text)
                return
            with host.open("ab") as stream:
                stream.write(text.encode("utf-8", "surrogateescape"))

    def exists(self, path: str) -> bool:
        return os.path.exists(self.resolve(path))

    def is_dir(self, path: str) -> bool:
        return self.resolve(path).is_dir()

    def lstat(self, path: str) -> os.stat_result:
        with _named(path):
            return os.lstat(self.resolve(path, follow=False))

    def stat(self, path: str) -> os.stat_result:
        with _named(path):
            return os.stat(self.resolve(path))

    def owner(self, path: str) -> tuple[int, int]:
        """uid and gid of the file, links followed."""
        status = self.stat(path)
        return status.st_uid, status.st_gid

    def mode(self, path: str) -> int:
        """Permission bits of the file, links followed."""
        return stat.S_IMODE(self.stat(path).st_mode)

    def chmod(self, path: str, mode: int) -> None:
        with _named(path):
            os.chmod(self.resolve(path), mode)

    def chown(self, path: str, uid: int, gid: int) -> None:
        with _named(path):
            self._chown(self.resolve(path), (uid, gid))

    def mkdir(
        self,
        path: str,
        mode: int = 0o755,
        owner: tuple[int, int] = (0, 0),
        *,
        parents: bool = False,
    ) -> None:
        """Makes a directory; with ``parents`` missing ones above too (0755 root:wheel)."""
        with _named(path):
            if parents and (above := str(PurePosixPath(path).parent)) != path:
                if not self.exists(above):
                    self.mkdir(above, parents=True)
                if self.is_dir(path):
                    return
            host = self.resolve(path, follow=False)
            host.mkdir()
            os.chmod(host, mode)
            self._chown(host, owner)

    def symlink(self, target: str, path: str) -> None:
        with _named(path):
            os.symlink(target, self.resolve(path, follow=False))

    def mknod(self, path: str, mode: int, major: int, minor: int) -> None:
        """Makes a character device; outside fakeroot(1) an empty file stands for it."""
        with _named(path):
            host = self.resolve(path, follow=False)
            if self.owned:
                os.mknod(host, stat.S_IFCHR | mode, os.makedev(major, minor))
                os.chmod(host, mode)
            else:
                host.touch(mode)

    def rename(self, old: str, new: str) -> None:
        with _named(old):
            os.replace(self.resolve(old, follow=False), self.resolve(new, follow=False))

    def remove(self, path: str) -> None:
        """Removes a file, a link, or a directory with all that is in it."""
        with _named(path):
            host = self.resolve(path, follow=False)
            if host.is_dir() and not host.is_symlink():
                for name in os.listdir(host):
                    self.remove(f"{path.rstrip('/')}/{name}")
                host.rmdir()
            else:
                host.unlink()

    def listdir(self, path: str) -> list[str]:
        """Names in a directory, sorted by their bytes."""
        with _named(path):
            return sorted(os.listdir(self.resolve(path)), key=os.fsencode)

    def _chown(self, host: Path, owner: tuple[int, int]) -> None:
        if self.owned:
            os.chown(host, *owner, follow_symlinks=False)


class _named:
    """Gives an OSError of the host the server's path, so that a message can show it."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            error.filename = self._path
