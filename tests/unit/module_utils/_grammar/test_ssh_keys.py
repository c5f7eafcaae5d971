# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import base64
import subprocess

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.ssh_keys import (
    SshKey,
    parse_ssh_key,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused
from hypothesis import given
from hypothesis import strategies as st
from unit.fleets import KEY, OTHER_KEY, wire

# Made with ssh-keygen(1).
ECDSA_256 = (
    "ecdsa-sha2-nistp256 "
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBF6LbYoGhykM3pvqjZmtiwg"
    "rod94F9iLMX1IVHH4ctHvmzDedezq7q8imWhZ59cO4pMjwtebYcmiJAk96QpmrH8= puffy@example.org"
)
ECDSA_521 = (
    "ecdsa-sha2-nistp521 "
    "AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAFtC3Y/oRuOdvc2/Xc+OdL"
    "0BIEbszhfoQu0bqdHElgrjTPo50qcKaUY8W46nDp58ifVP6FhOVDpGlNSrrJQJZ2QoAClG8VmU/vcleeySxGX8SD6uJaeFl"
    "wWOnDcfYeGOCnYFw1NAE+yuQBLbnR4Q5LLZzJIVhWtiH8Xf1vHG8Z19dCyig== puffy@example.org"
)
RSA_2048 = (
    "ssh-rsa "
    "AAAAB3NzaC1yc2EAAAADAQABAAABAQCh67LBiYfihDrZAGWDsEXAYLD6Ta9SfUaW2uQyg7G77P3UfFdPnY+TEQez"
    "1/s5aI1omAYsiI+iQWxkoeMqEXgCpYo3yFCyXosT8FxEvAgZeQbf4m2BLDIPdko+RWTp73/tmkHP/6395D7lgcvqrZZuI7m"
    "QkRrQIQ2hTPICbiWJPn7k3k/prEOMyhDa6sGEl8PmlyvXabdA+1R/cCKQkBnXCEOnSEzt4RFRsI0wogTSjBdpUHedVGcTxT"
    "O6m/MapFt06OGikR+I6WZayTGRJ+EIj+mimaihV+CJFqphLHHOQGGKCWKBnMUM/56cK9vIZrXUUWpZxKmVnJr0h1Bz"
    "p8u1 "
    "puffy@example.org"
)
RSA_1024 = (
    "ssh-rsa "
    "AAAAB3NzaC1yc2EAAAADAQABAAAAgQDAlH0DKEwwlF5gMP2pNOEEeUOGD7V5xu0vmtsPFSIC45sgyMsJDQN3P3bI"
    "4bzp+yyLEM8k0KjPKTQXESCjn52JgB1rDSnYATQAFFu6E1g+fiSyoz0+NuHyody4SK8CX1VKVH3t7XZ3OP2KHZ02PCj7ORV"
    "Wd/sDNN9Yg3HCt8RDww=="
)

# The generator of the curve P-256, and what is not on the curve (SEC 2, 2.4.2).
POINT = bytes.fromhex(
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
NO_POINT = b"\x04" + bytes(63) + b"\x01"
SK_ED25519 = "sk-ssh-ed25519@openssh.com"
SK_ECDSA = "sk-ecdsa-sha2-nistp256@openssh.com"
ODD_2048 = (1 << 2047 | 1).to_bytes(257, "big")
EVEN_2048 = (1 << 2047).to_bytes(257, "big")

NOT_ITS_NUMBERS = "its numbers are not those of such a key"
ADVICE = "paste the .pub file's line again"
TYPES = (
    "ssh-ed25519, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ecdsa-sha2-nistp521, ssh-rsa, "
    "sk-ssh-ed25519@openssh.com, sk-ecdsa-sha2-nistp256@openssh.com"
)


def line(kind: str, *parts: bytes, inner: str | None = None) -> str:
    return f"{kind} {wire((inner or kind).encode(), *parts)}"


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        OTHER_KEY,
        ECDSA_256,
        ECDSA_521,
        RSA_2048,
        line(SK_ED25519, bytes(32), b"ssh:") + " a comment with blanks, #, $ and {{ braces }}",
        line(SK_ECDSA, b"nistp256", POINT, b"ssh:work"),
        line("ssh-rsa", b"\x03", ODD_2048),
    ],
)
def test_a_good_key_comes_out_as_it_went_in(text: str) -> None:
    assert str(parse_ssh_key(text)) == text


def test_blanks_around_the_parts_are_taken_away() -> None:
    assert str(parse_ssh_key(f"  {KEY.replace(' ', '   ')}  ")) == KEY


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            line("ssh-dss", bytes(128)),
            f"'ssh-dss' is a type that OpenSSH no longer accepts; use one of {TYPES}",
        ),
        (
            f'command="/bin/sh" {KEY}',
            f"""'command="/bin/sh"' are options, which are not allowed; use one of {TYPES}""",
        ),
        (f"no-pty,no-user-rc {KEY}", "'no-pty,no-user-rc' are options, which are not allowed"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "'-----BEGIN' begins a private key"),
        ("ssh-rsa-cert-v01@openssh.com AAAA", "'ssh-rsa-cert-v01@openssh.com' is not a type of a"),
        ("", f"'' is not a type of a public key; use one of {TYPES}"),
        ("ssh-ed25519", "the key is missing after ssh-ed25519; a key is 'type base64 comment'"),
        (f"{KEY}\n{KEY}", "a key is one line; this one has a line break in it"),
        (f"{KEY}\r", "a key is one line; this one has a line break in it"),
        (f"{KEY} {5000 * 'x'}", "is longer than 4096 characters, which no key is"),
        ("ssh-ed25519 AAA!", f"'AAA!' is not base64; {ADVICE}"),
        ("ssh-ed25519 AAAAA", f"'AAAAA' is not base64; {ADVICE}"),
        # One text a key: 0xff, then bits that no byte has.
        ("ssh-ed25519 /w==", "'/w==' is not a valid ssh-ed25519 key: it is cut off"),
        ("ssh-ed25519 /x==", f"'/x==' is not base64; {ADVICE}"),
        (
            KEY.replace("ssh-ed25519", "ssh-rsa", 1),
            f"'AAAAC3NzaC1lZDI1NTE5AAAAIAZu/xq8eJGgj3LyOOtJP7IY802vHfpep...' is not a valid "
            f"ssh-rsa key: inside it says 'ssh-ed25519'; {ADVICE}",
        ),
        (line("ssh-ed25519", bytes(31)), NOT_ITS_NUMBERS),
        (line("ssh-ed25519", bytes(32), b""), NOT_ITS_NUMBERS),
        (line("ssh-ed25519"), NOT_ITS_NUMBERS),
        (line(SK_ED25519, bytes(32)), "its application is not text"),
        (line(SK_ED25519), "its application is not text"),
        (line(SK_ED25519, bytes(32), b""), "its application is not text"),
        (line(SK_ED25519, bytes(32), b"a\nb"), "its application is not text"),
        (line("ecdsa-sha2-nistp256", b"nistp384", POINT), NOT_ITS_NUMBERS),
        (line("ecdsa-sha2-nistp384", b"nistp384", POINT), NOT_ITS_NUMBERS),
        (line("ecdsa-sha2-nistp256", b"nistp256", NO_POINT), NOT_ITS_NUMBERS),
        (
            line("ecdsa-sha2-nistp256", b"nistp256", b"\x02" + bytes(64)),
            NOT_ITS_NUMBERS,
        ),
        (
            RSA_1024,
            "is an RSA key of 1024 bits; use one of 2048 to 16384 bits, or better an ed25519",
        ),
        (line("ssh-rsa", b"\x03", EVEN_2048), NOT_ITS_NUMBERS),
        (line("ssh-rsa", b"\x01", ODD_2048), NOT_ITS_NUMBERS),
        (line("ssh-rsa", b"\x03", b"\0" + ODD_2048), "it is not well-formed"),
        (line("ssh-rsa", b"\x03", ODD_2048[1:]), NOT_ITS_NUMBERS),
    ],
)
def test_what_is_no_key(text: str, complaint: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_ssh_key(text)
    assert complaint in str(refused.value)


def test_one_line_break_may_end_a_key() -> None:
    assert str(parse_ssh_key(f"{KEY}\n")) == KEY


@pytest.mark.parametrize("comment", ["\u202etxt", '"', "\\", "\t", "carol's laptop", "Ren\xe9"])
def test_a_comment_that_cannot_be_kept_is_left_out(comment: str) -> None:
    key = parse_ssh_key(f"{KEY} {comment}")
    assert str(key) == " ".join(KEY.split(" ")[:2])
    assert key.left_out.startswith("the comment ")
    assert key.left_out.isascii()
    assert parse_ssh_key(KEY).left_out == ""


@pytest.mark.parametrize(
    ("text", "record"),
    [
        # ssh-keygen -r of the same keys.
        (KEY, (4, 2, "cce5f62731f76e54d8d6bcb60cd1d867c0316e903e0b4c61927d200d38bb8725")),
        (OTHER_KEY, (3, 2, "ca3d9c1373de1ce3df39263f39d569f3b7a5c204a6604fd9672dc59f6d4f1a99")),
        (RSA_2048, (1, 2, "c07456cfd10a67d736e6e1a83ed30be14df44600095ea018389617b4e9920fac")),
    ],
)
def test_sshfp(text: str, record: tuple[int, int, str]) -> None:
    assert parse_ssh_key(text).sshfp() == record


FINGERPRINTS = [
    KEY, ECDSA_256, ECDSA_521, RSA_2048, line(SK_ED25519, bytes(32), b"ssh:"),
    line(SK_ECDSA, b"nistp256", POINT, b"ssh:"),
]  # fmt: skip


@pytest.mark.parametrize("text", FINGERPRINTS)
def test_a_fingerprint_is_that_of_ssh_keygen(text: str) -> None:
    shown = subprocess.run(
        ["ssh-keygen", "-lf", "-"], input=text, text=True, capture_output=True, check=True
    )
    assert parse_ssh_key(text).fingerprint() == shown.stdout.strip()
    name = parse_ssh_key(text).comment or "no comment"
    assert parse_ssh_key(text).fingerprint("web1") == shown.stdout.strip().replace(name, "web1")


def test_an_sk_key_has_no_sshfp() -> None:
    with pytest.raises(Refused, match="no SSHFP record for keys of the type sk-ssh-ed25519"):
        SshKey(SK_ED25519, b"", "").sshfp()


@given(
    st.sampled_from([KEY, RSA_2048, ECDSA_256, line(SK_ED25519, bytes(32), b"ssh:")]),
    st.integers(min_value=0),
    st.binary(max_size=6),
    st.integers(min_value=0, max_value=8),
)
def test_damage_never_raises_anything_else(
    text: str, place: int, inserted: bytes, removed: int
) -> None:
    kind, encoded, *_ = text.split(" ")
    blob = base64.b64decode(encoded)
    place %= len(blob) + 1
    damaged = blob[:place] + inserted + blob[place + removed :]
    line_again = f"{kind} {base64.b64encode(damaged).decode()}"
    try:
        key = parse_ssh_key(line_again)
    except Refused:
        return
    assert str(key) == line_again


@given(st.text())
def test_any_text_is_a_key_or_refused(text: str) -> None:
    with pytest.raises(Refused):
        parse_ssh_key(text)
    with pytest.raises(Refused):
        parse_ssh_key("ssh-ed25519 " + text)


@given(st.text())
def test_any_comment_leaves_the_key(text: str) -> None:
    try:
        key = parse_ssh_key(f"{RSA_2048} {text}")
    except Refused as refused:
        assert "line break" in str(refused)
        return
    assert str(key).startswith(" ".join(RSA_2048.split(" ")[:2]))
    assert str(parse_ssh_key(str(key))) == str(key)
