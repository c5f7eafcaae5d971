# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Which files of a mirror are taken, from a mirror that is a directory here."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openbsd import sets
from openbsd.errors import OpenBSDError
from openbsd.mirror import NotThere, quiet
from openbsd.releases import Release
from openbsd.settings import Settings

NUMBER = b"87654321"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = base64.b64encode(b"Ed" + NUMBER + PRIVATE.public_key().public_bytes_raw()).decode()
# The files on a small private mirror.
FILES = ("pxeboot", "bsd.rd", "bsd", "base78.tgz", "INSTALL.amd64")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class Local:
    """A mirror at ``url``, below ``place``."""

    def __init__(self, root: Path) -> None:
        self.place = root / "7.8/amd64"
        self.place.mkdir(parents=True)
        for name in FILES:
            (self.place / name).write_text(f"this is {name}")
        self.sign()
        handler = partial(_Quiet, directory=str(root))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def sign(self) -> None:
        lines = []
        for file in sorted(self.place.iterdir()):
            if not file.name.startswith("SHA256"):
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
                lines.append(f"SHA256 ({file.name}) = {digest}\n")
        text = "".join(lines).encode()
        (self.place / "SHA256").write_bytes(text)
        line = base64.b64encode(b"Ed" + NUMBER + PRIVATE.sign(text))
        (self.place / "SHA256.sig").write_bytes(b"untrusted comment: x\n" + line + b"\n" + text)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Local]:
    local = Local(tmp_path / "mirror")
    yield local
    local.stop()


@pytest.fixture
def options(plain: Settings, mirror: Local) -> Settings:
    return replace(plain, mirror=mirror.url, release=Release("7.8", KEY))


def fetch(options: Settings, said: list[str]) -> sets.Sets:
    return sets.fetch(options, quiet, said.append)


@pytest.mark.parametrize("verify", ["none", "sha256"])
def test_a_small_mirror_is_enough(options: Settings, said: list[str], verify: str) -> None:
    fetched = fetch(replace(options, verify=verify), said)
    assert fetched.names == ("bsd", "bsd.rd", "base78.tgz")
    assert fetched.path == "/pub/OpenBSD/7.8/amd64/"
    assert not said
    served = fetched.served()
    assert sorted(served) == ["base78.tgz", "bsd", "bsd.rd", "index.txt"]
    index = served["index.txt"]
    assert isinstance(index, bytes)
    names = [line.rsplit(" ", 1)[1] for line in index.decode().splitlines()]
    assert names == ["bsd", "bsd.rd", "base78.tgz", "INSTALL.amd64"]
    for name in fetched.names:
        assert (fetched.directory / name).read_text() == f"this is {name}"
    assert (fetched.directory / sets.LOADER).read_text() == "this is pxeboot"


def test_a_server_gets_what_its_vms_are_installed_from(
    options: Settings, said: list[str], tmp_path: Path
) -> None:
    for _ in range(2):
        fetch(options, said).stage(tmp_path / "stage")
    # The role autoinstall writes index.txt.
    staged = sorted((tmp_path / "stage").iterdir())
    assert [path.name for path in staged] == ["base78.tgz", "bsd", "bsd.rd"]
    assert staged[1].read_text() == "this is bsd"


def test_a_signed_release_is_verified_and_served_with_its_signature(
    options: Settings, mirror: Local, said: list[str]
) -> None:
    (mirror.place / "BUILDINFO").write_text("build date")
    mirror.sign()
    fetched = fetch(replace(options, verify="signify"), said)
    assert fetched.signed
    served = fetched.served()
    # The installer asks for these two as soon as the signature is good.
    assert served["SHA256.sig"] == fetched.directory / "SHA256.sig"
    assert served["BUILDINFO"] == fetched.directory / "BUILDINFO"


def test_a_file_that_was_exchanged_is_refused(
    options: Settings, mirror: Local, said: list[str]
) -> None:
    (mirror.place / "base78.tgz").write_text("evil")
    with pytest.raises(OpenBSDError, match="base78.tgz has not the checksum that the mirror"):
        fetch(replace(options, verify="sha256"), said)
    fetch(options, said)
    assert said == [
        "base78.tgz does not match the mirror's checksum; it is used anyway",
    ]


def test_a_list_that_was_exchanged_is_refused(
    options: Settings, mirror: Local, said: list[str]
) -> None:
    signed = mirror.place / "SHA256.sig"
    signed.write_bytes(signed.read_bytes().replace(b"(bsd)", b"(bsD)"))
    with pytest.raises(OpenBSDError, match="SHA256.sig has been changed.*OPENBSD_VERIFY=sha256"):
        fetch(replace(options, verify="signify"), said)
    other = Release("7.8", base64.b64encode(b"Ed" + bytes(8) + bytes(32)).decode())
    with pytest.raises(OpenBSDError, match="is signed by another key"):
        fetch(replace(options, verify="signify", release=other), said)


def test_a_file_that_the_list_does_not_have_is_refused(
    options: Settings, mirror: Local, said: list[str]
) -> None:
    (mirror.place / "pxeboot").unlink()
    mirror.sign()
    with pytest.raises(OpenBSDError, match="list of checksums has no pxeboot"):
        fetch(replace(options, verify="sha256"), said)


def test_without_a_list_nothing_is_verified_and_that_is_said(
    options: Settings, mirror: Local, said: list[str]
) -> None:
    (mirror.place / "SHA256").unlink()
    fetch(options, said)
    assert said == [
        f"{mirror.url}/7.8/amd64/SHA256: the mirror has no such file; nothing is verified"
    ]
    with pytest.raises(NotThere):
        fetch(replace(options, verify="sha256"), said)


def test_what_is_there_is_not_downloaded_again(
    options: Settings, mirror: Local, said: list[str]
) -> None:
    fetched = fetch(options, said)
    times = {name: (fetched.directory / name).stat().st_mtime_ns for name in fetched.names}
    assert fetch(options, said) == fetched
    assert times == {name: (fetched.directory / name).stat().st_mtime_ns for name in fetched.names}
    (mirror.place / "bsd").write_text("a newer kernel")
    mirror.sign()
    assert (fetch(options, said).directory / "bsd").read_text() == "a newer kernel"


def test_several_cores_need_another_kernel(
    options: Settings, mirror: Local, said: list[str]
) -> None:
    several = replace(options, cores=2)
    with pytest.raises(OpenBSDError, match="bsd.mp.*OPENBSD_CORES must be 1"):
        fetch(several, said)
    (mirror.place / "bsd.mp").write_text("this is bsd.mp")
    assert fetch(several, said).names == ("bsd", "bsd.mp", "bsd.rd", "base78.tgz")
