# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""signify(1), as far as it verifies, and a key that stands for that of OpenBSD's releases."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sandbox.target.call import Call, NotModelled, Result
from sandbox.target.options import getopt

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

_ALGORITHM, _NUMBER, _NUMBER_BYTES = b"Ed", b"puffyvmm", 8
_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"puffy.vmm sandbox").digest())
_COMMENT = b"untrusted comment: "


def public_key(version: str) -> str:
    """What /etc/signify has for a release."""
    text = base64.b64encode(_ALGORITHM + _NUMBER + _KEY.public_key().public_bytes_raw()).decode()
    return f"untrusted comment: openbsd {version[:-1]}.{version[-1]} base public key\n{text}\n"


def sign(message: bytes, version: str) -> bytes:
    """A list with its signature before it, as signify -e makes it."""
    signature = base64.b64encode(_ALGORITHM + _NUMBER + _KEY.sign(message))
    comment = f"untrusted comment: verify with openbsd-{version}-base.pub\n"
    return comment.encode() + signature + b"\n" + message


def verify(signed: bytes) -> bytes | None:
    """The list, if the release's key has signed it."""
    try:
        return _verify(signed, public_key("78").encode())
    except ValueError:
        return None


def _verify(signed: bytes, key: bytes) -> bytes:
    """The message; ValueError with signify's words."""
    signature, message = _blob(signed)
    public, _ = _blob(key)
    if signature[:_NUMBER_BYTES] != public[:_NUMBER_BYTES]:
        raise ValueError("verification failed: checked against wrong key")
    try:
        known = Ed25519PublicKey.from_public_bytes(public[_NUMBER_BYTES:])
        known.verify(signature[_NUMBER_BYTES:], message)
    except InvalidSignature:
        raise ValueError("signature verification failed") from None
    return message


def _blob(text: bytes) -> tuple[bytes, bytes]:
    """A key or signature with its number, and what comes after it."""
    comment, _, rest = text.partition(b"\n")
    line, _, behind = rest.partition(b"\n")
    if not comment.startswith(_COMMENT):
        raise ValueError("invalid comment; must start with 'untrusted comment: '")
    try:
        data = base64.b64decode(line, validate=True)
    except ValueError:
        data = b""
    if not data.startswith(_ALGORITHM):
        raise ValueError("unsupported file")
    return data.removeprefix(_ALGORITHM), behind


def signify(machine: Machine, call: Call) -> Result:
    options = getopt(call.argv[1:], "Veqp:x:m:")
    if not (options.has("V") and options.has("e") and options.last("m") == "-"):
        raise NotModelled(" ".join(call.argv[1:]))
    signed, key = (machine.files.read_bytes(options.last(letter) or "") for letter in "xp")
    try:
        message = _verify(signed, key)
    except ValueError as error:
        return Result(1, "", f"signify: {error}\n")
    return Result(0, message.decode("utf-8", "surrogateescape"))
