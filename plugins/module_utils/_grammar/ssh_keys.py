# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Public keys of OpenSSH: one line of authorized_keys(5) without options, checked to the last bit.

The wire formats are those of RFC 4253 (6.6), RFC 5656 (3.1), RFC 8709 (4) and, for the sk types,
of OpenSSH's PROTOCOL.u2f.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, shown

# sshd_config(5) RequiredRSASize is 1024 by default, but ssh-keygen(1) has made no such keys for
# years; sshkey.h takes no more than 16384.
_RSA_BITS = range(2048, 16384 + 1)

_LONGEST_LINE = 4096

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_COMMENT = re.compile(r"""[^\x00-\x1f\x7f-\U0010ffff"'`\\]*""")
_APPLICATION = re.compile(rb"[\x21-\x7e]{1,255}")

# RFC 4255, RFC 6594 and RFC 7479: the key's algorithm and the digest SHA-256.
_SSHFP_ALGORITHMS = {"ssh-rsa": 1, "ecdsa": 3, "ssh-ed25519": 4}
_SSHFP_SHA256 = 2


class _Malformed(ValueError):
    """The decoded key does not have the form of its type."""


class _Wire:
    """Reads the fields of a key one after the other."""

    def __init__(self, blob: bytes) -> None:
        self._rest = blob

    def string(self) -> bytes:
        length, rest = int.from_bytes(self._rest[:4], "big"), self._rest[4:]
        if len(self._rest) < 4 or length > len(rest):
            raise _Malformed("it is cut off")
        self._rest = rest[length:]
        return rest[:length]

    def positive_number(self) -> int:
        """Read an mpint of RFC 4251 (5): the shortest form, a zero byte first if bit 7 is set."""
        octets = self.string()
        number = int.from_bytes(octets, "big", signed=True)
        if number <= 0 or len(octets) != number.bit_length() // 8 + 1:
            raise _Malformed("one of its numbers is not well-formed")
        return number

    def end(self) -> None:
        if self._rest:
            raise _Malformed(f"{len(self._rest)} bytes too many follow")


def _rsa(wire: _Wire) -> None:
    exponent, modulus = wire.positive_number(), wire.positive_number()
    bits = modulus.bit_length()
    if bits not in _RSA_BITS:
        raise Refused(
            f"is an RSA key of {bits} bits; use one of {_RSA_BITS.start} to {_RSA_BITS.stop - 1} "
            f"bits, or better an ed25519 key"
        )
    if exponent < 3 or exponent % 2 == 0 or modulus % 2 == 0:
        raise _Malformed("its numbers make no RSA key")


def _ed25519(wire: _Wire) -> None:
    if len(wire.string()) != 32:
        raise _Malformed("the key proper is not 32 bytes long")


def _ecdsa(curve: bytes, octets: int) -> Callable[[_Wire], None]:
    def check(wire: _Wire) -> None:
        if wire.string() != curve:
            raise _Malformed("its curve is another one")
        point = wire.string()
        if len(point) != 1 + 2 * octets or point[:1] != b"\x04":
            raise _Malformed("its point is not an uncompressed one of that curve")

    return check


def _application(wire: _Wire) -> None:
    if not _APPLICATION.fullmatch(wire.string()):
        raise _Malformed("its application is no text")


_TYPES: dict[str, tuple[Callable[[_Wire], None], ...]] = {
    "ssh-ed25519": (_ed25519,),
    "ecdsa-sha2-nistp256": (_ecdsa(b"nistp256", 32),),
    "ecdsa-sha2-nistp384": (_ecdsa(b"nistp384", 48),),
    "ecdsa-sha2-nistp521": (_ecdsa(b"nistp521", 66),),
    "ssh-rsa": (_rsa,),
    "sk-ssh-ed25519@openssh.com": (_ed25519, _application),
    "sk-ecdsa-sha2-nistp256@openssh.com": (_ecdsa(b"nistp256", 32), _application),
}

TYPES = tuple(_TYPES)

# What a form can check of a line before it is sent: necessary, not sufficient.
PATTERN = (
    " *(" + "|".join(map(re.escape, TYPES)) + ")"
    r""" +[A-Za-z0-9+/]+={0,2}( [ !#-&(-\[\]-_a-~]*)?"""
)


@dataclass(frozen=True)
class SshKey:
    """A public key; blob is what the base64 text stands for."""

    type: str
    blob: bytes
    comment: str

    def __str__(self) -> str:
        encoded = base64.b64encode(self.blob).decode("ascii")
        return " ".join(part for part in (self.type, encoded, self.comment) if part)

    def sshfp(self) -> tuple[int, int, str]:
        """Return algorithm, digest type and digest of the key's SSHFP record, with SHA-256.

        Raises Refused for a type that has none.
        """
        algorithm = _SSHFP_ALGORITHMS.get(re.sub("^ecdsa-.*", "ecdsa", self.type))
        if algorithm is None:
            raise Refused(f"there is no SSHFP record for keys of the type {self.type}")
        return algorithm, _SSHFP_SHA256, hashlib.sha256(self.blob).hexdigest()


def parse_ssh_key(text: str) -> SshKey:
    """Return the key that a line "type base64 [comment]" holds. Raises Refused."""
    if "\n" in text or "\r" in text:
        raise Refused("a key is one line; this one has a line break in it")
    if len(text) > _LONGEST_LINE:
        raise Refused(f"is longer than {_LONGEST_LINE} characters, which no key is")
    kind, rest = _first_word(text.strip(" "))
    encoded, comment = _first_word(rest)
    if kind not in _TYPES:
        raise Refused(f"{shown(kind)} {_wrong_type(kind)}; use one of {', '.join(TYPES)}")
    if not encoded:
        raise Refused(f"the key is missing after {kind}; a key is 'type base64 comment'")
    blob = _decode(encoded)
    try:
        wire = _Wire(blob)
        inner = wire.string()
        if inner != kind.encode("ascii"):
            raise _Malformed(f"inside it says {ascii(inner[:40])[1:]}")
        for check in _TYPES[kind]:
            check(wire)
        wire.end()
    except _Malformed as reason:
        raise Refused(
            f"{shown(encoded)} is no {kind} key: {reason}; paste the .pub file's line again"
        ) from None
    if not _COMMENT.fullmatch(comment):
        raise Refused(
            f"the comment {shown(comment)} has a character other than printable ASCII without "
            f"quotes and backslashes; take it out, a comment has no effect"
        )
    return SshKey(kind, blob, comment)


def _first_word(text: str) -> tuple[str, str]:
    first, blank, rest = text.partition(" ")
    return first, rest.lstrip(" ")


def _wrong_type(kind: str) -> str:
    if kind == "ssh-dss":
        return "is a type that OpenSSH does not take any more"
    if re.search(r'[=,"]', kind):
        return "are options, which are not allowed"
    if kind.startswith("-----BEGIN"):
        return "begins a private key or another format, and must never be sent to anybody"
    return "is no type of a public key"


def _decode(encoded: str) -> bytes:
    if _BASE64.fullmatch(encoded):
        try:
            blob = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            blob = b""
        # Bits beyond the last byte would let one key have several texts.
        if blob and base64.b64encode(blob).decode("ascii") == encoded:
            return blob
    raise Refused(f"{shown(encoded)} is no base64; paste the .pub file's line again")
