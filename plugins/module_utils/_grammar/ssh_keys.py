# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Public keys of OpenSSH: one line of authorized_keys(5) without options, checked to the last bit.

cryptography reads the keys, and writes them again: only what comes out as it went in has the one
wire format of RFC 4253 (6.6), RFC 5656 (3.1) and RFC 8709 (4). The sk types of OpenSSH's
PROTOCOL.u2f are such a key and the name of an application.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from ansible_collections.puffy.vmm.plugins.module_utils._libraries import (
    UnsupportedAlgorithm,
    serialization,
)
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


# What ssh-keygen(1) -l calls each type, and the bits of its keys; None for those of the modulus.
_KINDS: dict[str, tuple[str, int | None]] = {
    "ssh-ed25519": ("ED25519", 256),
    "ecdsa-sha2-nistp256": ("ECDSA", 256),
    "ecdsa-sha2-nistp384": ("ECDSA", 384),
    "ecdsa-sha2-nistp521": ("ECDSA", 521),
    "ssh-rsa": ("RSA", None),
    "sk-ssh-ed25519@openssh.com": ("ED25519-SK", 256),
    "sk-ecdsa-sha2-nistp256@openssh.com": ("ECDSA-SK", 256),
}

TYPES = tuple(_KINDS)

# What a form can check of a line before it is sent: necessary, not sufficient.
PATTERN = (
    " *(" + "|".join(map(re.escape, TYPES)) + ")"
    r""" +[A-Za-z0-9+/]+={0,2}( [^\n\r]*)?\n?"""
)


@dataclass(frozen=True)
class SshKey:
    """A public key; blob is what the base64 text stands for.

    left_out says why there is no comment, where there was one.
    """

    type: str
    blob: bytes
    comment: str
    left_out: str = ""

    def __str__(self) -> str:
        encoded = base64.b64encode(self.blob).decode("ascii")
        return " ".join(part for part in (self.type, encoded, self.comment) if part)

    @property
    def digest(self) -> str:
        """SHA256: and the digest, as ssh-keygen(1) -l shows it."""
        encoded = base64.b64encode(hashlib.sha256(self.blob).digest())
        return f"SHA256:{encoded.decode('ascii').rstrip('=')}"

    def fingerprint(self, name: str = "") -> str:
        """Return the line that ssh-keygen(1) -l shows, with a name in place of the comment."""
        kind, bits = _KINDS[self.type]
        if bits is None:
            *_type_and_exponent, modulus = _strings(self.blob)
            bits = int.from_bytes(modulus, "big").bit_length()
        return f"{bits} {self.digest} {name or self.comment or 'no comment'} ({kind})"

    def sshfp(self) -> tuple[int, int, str]:
        """Return algorithm, digest type and digest of the key's SSHFP record, with SHA-256.

        Raises Refused for a type that has none.
        """
        algorithm = _SSHFP_ALGORITHMS.get(re.sub("^ecdsa-.*", "ecdsa", self.type))
        if algorithm is None:
            raise Refused(f"there is no SSHFP record for keys of the type {self.type}")
        return algorithm, _SSHFP_SHA256, hashlib.sha256(self.blob).hexdigest()


@lru_cache(maxsize=1024)
def parse_ssh_key(text: str) -> SshKey:
    """Return the key that a line "type base64 [comment]" holds. Raises Refused.

    A line break may end it. A comment has no effect, so one that cannot be kept is left out.
    """
    text = text.removesuffix("\n")
    if "\n" in text or "\r" in text:
        raise Refused("a key is one line; this one has a line break in it")
    if len(text) > _LONGEST_LINE:
        raise Refused(f"is longer than {_LONGEST_LINE} characters, which no key is")
    kind, rest = _first_word(text.strip(" "))
    encoded, comment = _first_word(rest)
    if kind not in _KINDS:
        raise Refused(f"{shown(kind)} {_wrong_type(kind)}; use one of {', '.join(TYPES)}")
    if not encoded:
        raise Refused(f"the key is missing after {kind}; a key is 'type base64 comment'")
    blob = _decode(encoded)
    if reason := _fault(kind, blob):
        raise Refused(
            f"{shown(encoded)} is not a valid {kind} key: {reason}; paste the .pub file's line "
            f"again"
        )
    if _COMMENT.fullmatch(comment):
        return SshKey(kind, blob, comment)
    return SshKey(
        kind,
        blob,
        "",
        f"the comment {shown(comment)} is left out, since not all of it is printable "
        f"ASCII without quotes and backslashes",
    )


def _fault(kind: str, blob: bytes) -> str | None:
    """Return why these bytes are not a key of this type, or None. Raises Refused for its size."""
    parts = list(_strings(blob))
    if _packed(parts) != blob or not parts:
        return "it is cut off"
    inner, *parts = parts
    if inner != kind.encode("ascii"):
        return f"inside it says {ascii(inner[:40])[1:]}"
    bare_kind = kind.removeprefix("sk-").removesuffix("@openssh.com")
    if kind != bare_kind and not (parts and _APPLICATION.fullmatch(parts.pop())):
        return "its application is not text"
    proper = bare_kind.encode("ascii")
    plain = _packed((proper, *parts))
    line = proper + b" " + base64.b64encode(plain)
    try:
        key = serialization.load_ssh_public_key(line)
        again = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    except (ValueError, NotImplementedError, UnsupportedAlgorithm):
        return "its numbers are not those of such a key"
    if again != line:
        return "it is not well-formed"
    if kind == "ssh-rsa":
        bits = int.from_bytes(parts[-1], "big").bit_length()
        if bits not in _RSA_BITS:
            raise Refused(
                f"is an RSA key of {bits} bits; use one of {_RSA_BITS.start} to "
                f"{_RSA_BITS.stop - 1} bits, or better an ed25519 key"
            )
        if not plain[-1] & 1:
            return "its numbers are not those of such a key"
    return None


def _strings(blob: bytes) -> Iterator[bytes]:
    """Yield the strings (RFC 4251, 5) that the bytes begin with."""
    while len(blob) >= 4 and (length := int.from_bytes(blob[:4], "big")) <= len(blob) - 4:
        yield blob[4 : 4 + length]
        blob = blob[4 + length :]


def _packed(strings: Iterable[bytes]) -> bytes:
    return b"".join(len(string).to_bytes(4, "big") + string for string in strings)


def _first_word(text: str) -> tuple[str, str]:
    first, _blank, rest = text.partition(" ")
    return first, rest.lstrip(" ")


def _wrong_type(kind: str) -> str:
    if kind == "ssh-dss":
        return "is a type that OpenSSH no longer accepts"
    if re.search(r'[=,"]', kind):
        return "are options, which are not allowed"
    if kind.startswith("-----BEGIN"):
        return "begins a private key or another format, and must never be sent to anybody"
    return "is not a type of a public key"


def _decode(encoded: str) -> bytes:
    if _BASE64.fullmatch(encoded):
        try:
            blob = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            blob = b""
        # Bits beyond the last byte would let one key have several texts.
        if blob and base64.b64encode(blob).decode("ascii") == encoded:
            return blob
    raise Refused(f"{shown(encoded)} is not base64; paste the .pub file's line again")
