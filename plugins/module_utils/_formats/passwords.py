# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Passwords and their hashes, as OpenBSD's installer and login_passwd(8) take them."""

from __future__ import annotations

import math
import secrets
import string

from ansible_collections.puffy.vmm.plugins.module_utils._libraries import bcrypt

DEFAULT_LENGTH = 24
DEFAULT_COST = 10

# crypt_checkpass(3) and bcrypt itself look at no more.
LONGEST = 72

# Too many to guess at a login prompt, and to find with the hash at hand, save with great effort.
_FEWEST_BITS = 64

ALPHABETS = {
    "letters+digits": string.ascii_letters + string.digits,
    # jot -rcs '' 20 33 126
    "seed": "".join(map(chr, range(33, 127))),
}
DEFAULT_ALPHABET = "letters+digits"

# crypt_newhash(3) takes no less; the highest takes some seconds on today's servers.
_LOWEST_COST = 4
_HIGHEST_COST = 16


def password(length: int = DEFAULT_LENGTH, alphabet: str = DEFAULT_ALPHABET) -> str:
    """Return a new password of random characters.

    alphabet is the name of one of ALPHABETS, or the characters themselves. Raises ValueError for
    what would be too easy to guess, too long, or not safe to type and to store.
    """
    characters = ALPHABETS.get(alphabet, alphabet)
    if any(not "!" <= character <= "~" for character in characters):
        raise ValueError(
            "an alphabet for passwords may have printable ASCII characters, but no blank"
        )
    if len(set(characters)) < len(characters):
        raise ValueError("an alphabet for passwords may have each character only once")
    if length > LONGEST:
        raise ValueError(
            f"a password of {length} characters is too long: bcrypt looks at the first {LONGEST}"
        )
    bits = length * math.log2(len(characters)) if characters and length > 0 else 0
    if bits < _FEWEST_BITS:
        raise ValueError(
            f"a password of {length} characters out of {len(characters)} is too easy to guess: "
            f"{bits:.0f} bits, where {_FEWEST_BITS} are needed; make it longer, or use more "
            f"different characters"
        )
    return "".join(secrets.choice(characters) for _position in range(length))


def bcrypt_hash(password: str, cost: int = DEFAULT_COST) -> str:
    """Return a hash of the password that begins with $2b$, with a new salt.

    cost is the binary logarithm of the number of rounds. Raises ValueError for a password that
    bcrypt would cut off or not take, and for a cost that is too low or takes minutes.
    """
    octets = password.encode("utf-8", "surrogatepass")
    if not octets:
        raise ValueError("an empty password cannot be hashed")
    if len(octets) > LONGEST:
        raise ValueError(
            f"a password of {len(octets)} bytes cannot be hashed: bcrypt looks at the first "
            f"{LONGEST}, so that others would be as good"
        )
    if b"\0" in octets:
        raise ValueError("a password with a NUL byte cannot be hashed: it would end there")
    if not _LOWEST_COST <= cost <= _HIGHEST_COST:
        raise ValueError(
            f"a cost of {cost} is not possible; use one from {_LOWEST_COST} to {_HIGHEST_COST}"
        )
    return bcrypt.hashpw(octets, bcrypt.gensalt(cost, b"2b")).decode("ascii")
