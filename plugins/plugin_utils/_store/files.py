# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Reading files that others made, and writing files that are never incomplete."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError

LINK = "is a symbolic link; links are not followed here, put the real one in its place"

# Without O_NONBLOCK, opening a fifo would wait for its other end.
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Unreadable(OperatorError):
    """A file that cannot be used; the message says why, without its name."""


def open_directory(path: Path) -> int:
    """Return a descriptor of a directory that is no link. Raises FileNotFoundError, Unreadable."""
    try:
        return os.open(path, _OPEN | os.O_DIRECTORY)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(LINK if path.is_symlink() else _reason(error)) from error


def read_file(name: str | Path, limit: int, directory: int | None = None) -> bytes:
    """Return the content, at most limit bytes, of a regular file that is not a link.

    directory is the descriptor of the directory that the name is in. Raises Unreadable.
    """
    try:
        descriptor = os.open(name, _OPEN, dir_fd=directory)
    except OSError as error:
        raise Unreadable(_reason(error)) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Unreadable("is not a regular file; only regular files belong here")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise Unreadable(_reason(error)) from error
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise Unreadable(f"is larger than {limit} bytes, which no such file needs")
    return content


def read_text(name: str | Path, limit: int, directory: int | None = None) -> str:
    """Return the content of a file like read_file(), as text. Raises Unreadable."""
    content = read_file(name, limit, directory)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(
            f"is not UTF-8 text: byte {error.start + 1} is {content[error.start]:#04x}"
        ) from error


def write_file(path: Path, content: bytes, mode: int) -> None:
    """Put content at path in one step, durably: fsync(2), then rename(2) within the directory.

    mode holds the permission bits, whatever the umask is. Raises OSError with path as its file
    name; then path is as it was before, and no temporary file stays. Temporary files have hidden
    names, in case the machine stops.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        _fill(descriptor, content, mode)
        os.rename(temporary, path)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, OSError):
            # write(2) and fsync(2) know a descriptor alone.
            error.filename, error.filename2 = str(path), None
        raise
    sync_directory(path.parent)


def create_file(path: Path, content: bytes, mode: int) -> None:
    """Create a file durably in one step, without replacing one; its directory is not a link.

    link(2) gives it its name, unless something has that name, even a link to nowhere. Raises
    FileExistsError, OSError, Unreadable.
    """
    name, folder = path.name, open_directory(path.parent)
    temporary = f".{name}.{os.urandom(8).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(temporary, flags, 0o600, dir_fd=folder)
        try:
            _fill(descriptor, content, mode)
            os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        finally:
            os.unlink(temporary, dir_fd=folder)
        os.fsync(folder)
    finally:
        os.close(folder)


def _fill(descriptor: int, content: bytes, mode: int) -> None:
    """Write all of a new file durably, with these permission bits whatever the umask is."""
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Make durable which names a directory has. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    return LINK if error.errno == errno.ELOOP else f"cannot be read: {error.strerror}"
