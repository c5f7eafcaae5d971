# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""signify(1)'s format, with a key pair made here."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openbsd import verify
from openbsd.errors import OpenBSDError
from openbsd.releases import (
    RELEASES,
    Release,
    release,
)

NUMBER = b"12345678"
TEXT = b"SHA256 (bsd) = " + b"0a" * 32 + b"\nSHA256 (base78.tgz) = " + b"0b" * 32 + b"\n"


class Pair:
    """A key pair as signify(1) writes it."""

    def __init__(self, number: bytes = NUMBER) -> None:
        self._private = Ed25519PrivateKey.generate()
        self._number = number
        public = self._private.public_key().public_bytes_raw()
        self.public = base64.b64encode(b"Ed" + number + public).decode()

    def sign(self, text: bytes) -> bytes:
        line = base64.b64encode(b"Ed" + self._number + self._private.sign(text))
        return b"untrusted comment: verify with test.pub\n" + line + b"\n" + text


def test_a_good_signature_gives_the_message() -> None:
    pair = Pair()
    assert verify.message(pair.sign(TEXT), pair.public) == TEXT


@pytest.mark.parametrize("change", [(b"0a", b"1a"), (b"base78", b"base79"), (b"\n", b"\r\n")])
def test_a_changed_message_is_refused(change: tuple[bytes, bytes]) -> None:
    pair = Pair()
    head, line, text = pair.sign(TEXT).split(b"\n", 2)
    changed = b"\n".join((head, line, text.replace(*change)))
    with pytest.raises(OpenBSDError, match="has been changed since it was signed"):
        verify.message(changed, pair.public)


def test_another_key_is_refused() -> None:
    with pytest.raises(OpenBSDError, match="by another key"):
        verify.message(Pair(b"87654321").sign(TEXT), Pair().public)
    # A forger can choose the number.
    with pytest.raises(OpenBSDError, match="has been changed"):
        verify.message(Pair().sign(TEXT), Pair().public)


@pytest.mark.parametrize(
    "signed",
    [
        b"",
        TEXT,
        b"untrusted comment: x\n",
        b"untrusted comment: x\nnot base64!\n" + TEXT,
        b"untrusted comment: x\n" + base64.b64encode(b"Ed" + NUMBER + bytes(63)) + b"\n" + TEXT,
        b"untrusted comment: x\n" + base64.b64encode(b"Xd" + NUMBER + bytes(64)) + b"\n" + TEXT,
    ],
)
def test_what_is_not_signed_is_refused(signed: bytes) -> None:
    with pytest.raises(OpenBSDError, match="in the way of signify"):
        verify.message(signed, Pair().public)


def test_checksums_are_those_of_whole_lines() -> None:
    wrong = b"SHA256 (bsd.rd) = 0c\nMD5 (x) = " + b"0d" * 32 + b"\n"
    assert verify.checksums(TEXT + wrong) == {"bsd": "0a" * 32, "base78.tgz": "0b" * 32}


def test_a_file_matches_by_its_name_and_content(tmp_path: Path) -> None:
    file = tmp_path / "bsd"
    file.write_bytes(b"kernel")
    digest = hashlib.sha256(b"kernel").hexdigest()
    assert verify.matches(file, {"bsd": digest})
    assert not verify.matches(file, {"bsd": "0a" * 32})
    assert not verify.matches(file, {"bsd.rd": digest})


@pytest.mark.parametrize("release", RELEASES)
def test_the_keys_that_the_collection_ships_are_keys(release: Release) -> None:
    with pytest.raises(OpenBSDError, match="by another key"):
        verify.message(Pair().sign(TEXT), release.signify_key)


def test_an_unknown_release_is_refused_with_those_there_are() -> None:
    assert release("7.8").base_set == "base78.tgz"
    with pytest.raises(ValueError, match=r"'6\.5' is not a supported release.*7\.8, 7\.9"):
        release("6.5")
