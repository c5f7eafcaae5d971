# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Verification of a release's files, as signify(1) does it with SHA256.sig.

The public key's line is base64 of: "Ed", an 8-byte number of the key, and the Ed25519 key. A signed
file has an untrusted comment, such a line with the signature instead of the key, and the message.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from openbsd.errors import OpenBSDError

_HEAD = 2 + 8
_CHECKSUM = re.compile(r"SHA256 \(([A-Za-z0-9._-]+)\) = ([0-9a-f]{64})")


def message(signed: bytes, key: str) -> bytes:
    """Return what is signed in ``signed``, by the key of that base64 line. Raises OpenBSDError."""
    comment, _, rest = signed.partition(b"\n")
    line, separator, text = rest.partition(b"\n")
    if not comment.startswith(b"untrusted comment: ") or not separator:
        raise OpenBSDError("is not signed in the way of signify(1)")
    number, signature = _decode(line, 64, "signature")
    key_number, public = _decode(key.encode(), 32, "public key")
    if number != key_number:
        raise OpenBSDError("is signed by another key than that of the release")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except InvalidSignature as error:
        raise OpenBSDError("has been changed since it was signed") from error
    return text


def checksums(text: bytes) -> dict[str, str]:
    """Return the SHA-256 of each file in hexadecimal, from sha256(1)'s output."""
    lines = text.decode("utf-8", "replace").splitlines()
    matches = (_CHECKSUM.fullmatch(line) for line in lines)
    return {match[1]: match[2] for match in matches if match}


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def matches(path: Path, known: Mapping[str, str]) -> bool:
    """Whether a file has the checksum that its name has in ``known``."""
    return known.get(path.name) == sha256(path)


def _decode(line: bytes, length: int, what: str) -> tuple[bytes, bytes]:
    try:
        raw = base64.b64decode(line, validate=True)
    except binascii.Error as error:
        raise OpenBSDError(f"has no {what} in the way of signify(1)") from error
    if len(raw) != _HEAD + length or raw[:2] != b"Ed":
        raise OpenBSDError(f"has no {what} in the way of signify(1)")
    return raw[2:_HEAD], raw[_HEAD:]
