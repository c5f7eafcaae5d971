# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import re
import string

import bcrypt
import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._formats.passwords import (
    bcrypt_hash,
    password,
)


def test_by_default_24_letters_and_digits() -> None:
    assert re.fullmatch("[A-Za-z0-9]{24}", password())


def test_no_two_are_the_same() -> None:
    assert len({password() for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("length", "alphabet", "characters"),
    [
        (20, "seed", "".join(chr(code) for code in range(33, 127))),
        (24, "letters+digits", string.ascii_letters + string.digits),
        (64, "01", "01"),
        (72, "abcdef", "abcdef"),
    ],
)
def test_every_character_of_the_alphabet_and_no_other(
    length: int, alphabet: str, characters: str
) -> None:
    passwords = [password(length, alphabet) for _ in range(200)]
    assert {len(each) for each in passwords} == {length}
    assert set("".join(passwords)) == set(characters)


@pytest.mark.parametrize(
    ("length", "alphabet", "reason"),
    [
        (
            10,
            "letters+digits",
            "a password of 10 characters out of 62 is too easy to guess: 60 bits,"
            " where 64 are needed; make it longer, or use more different characters",
        ),
        (63, "01", "a password of 63 characters out of 2 is too easy to guess: 63 bits"),
        (0, "seed", "a password of 0 characters out of 94 is too easy to guess: 0 bits"),
        (-1, "seed", "a password of -1 characters out of 94 is too easy to guess: 0 bits"),
        (72, "a", "a password of 72 characters out of 1 is too easy to guess: 0 bits"),
        (24, "", "a password of 24 characters out of 0 is too easy to guess: 0 bits"),
        (73, "seed", "a password of 73 characters is too long: bcrypt looks at the first 72"),
        (24, "abcabc", "an alphabet for passwords may have each character only once"),
        (
            24,
            "abc def",
            "an alphabet for passwords may have printable ASCII characters, but no blank",
        ),
        (
            24,
            "abc\xfc",
            "an alphabet for passwords may have printable ASCII characters, but no blank",
        ),
    ],
)
def test_passwords_that_are_refused(length: int, alphabet: str, reason: str) -> None:
    with pytest.raises(ValueError) as refused:
        password(length, alphabet)
    assert str(refused.value).startswith(reason)


@pytest.mark.parametrize("secret", ["correct horse", "p\xe4ss", 72 * "x", "$2b$10$"])
def test_a_hash_fits_its_password_alone(secret: str) -> None:
    hashed = bcrypt_hash(secret, 4)
    assert re.fullmatch(r"\$2b\$04\$[./A-Za-z0-9]{53}", hashed)
    assert bcrypt.checkpw(secret.encode(), hashed.encode())
    assert not bcrypt.checkpw(secret.encode()[:-1], hashed.encode())


def test_the_salt_is_new_each_time_and_the_cost_ten_by_default() -> None:
    hashes = {bcrypt_hash("x"), bcrypt_hash("x")}
    assert len(hashes) == 2
    assert all(hash_.startswith("$2b$10$") for hash_ in hashes)


@pytest.mark.parametrize(
    ("secret", "cost", "reason"),
    [
        ("", 10, "an empty password cannot be hashed"),
        (
            73 * "x",
            10,
            "a password of 73 bytes cannot be hashed: bcrypt looks at the first 72, so "
            "that others would be as good",
        ),
        (37 * "\xfc", 10, "a password of 74 bytes cannot be hashed"),
        ("a\0b", 10, "a password with a NUL byte cannot be hashed: it would end there"),
        ("x", 3, "a cost of 3 is not possible; use one from 4 to 16"),
        ("x", 17, "a cost of 17 is not possible; use one from 4 to 16"),
    ],
)
def test_what_is_not_hashed(secret: str, cost: int, reason: str) -> None:
    with pytest.raises(ValueError) as refused:
        bcrypt_hash(secret, cost)
    assert str(refused.value).startswith(reason)
