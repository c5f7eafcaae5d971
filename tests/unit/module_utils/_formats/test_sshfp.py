# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._formats.sshfp import (
    absolute_name,
    absolute_zone,
    parse_fragment,
    records,
    render_fragment,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused
from hypothesis import given
from hypothesis import strategies as st

# The example of RFC 7479, and keys that ssh-keygen(1) made, with what its -r says of them.
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"
ED25519_RECORD = "4 2 a87f1b687ac0e57d2a081a2f282672334d90ed316d2b818ca9580ea384d92401"
ECDSA = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBFDK5GVurC5xzmCQFOYut+UKw2pZmr3tDLSqaWaknOiBdaxio+RSWKeH1W9w39Mk+YAiJg48sne3ytvXw3EpPeg="  # noqa: E501
ECDSA_RECORD = "3 2 f9e10ac8db12dbbae7c3bd27e5cc6ed60a7f3253d2492dd95bb5a6747042a28a"
ECDSA384 = "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBGFP7+X2CURWhQPc3fOqznY08EsGaRvSJnRrAUy/2Nqh10nbOXsQcehFGGbnmANi49iUo53lcnDjT/g4c3LIIBUNqDfUkMmvKmPSI2+LK88vRHwwSDl5EzeCS5ZOhj3DhQ=="  # noqa: E501
ECDSA384_RECORD = "3 2 fd6cee2f83dde68954c4009043be8d02ce9e636a191d1a0bd15fb8c3b502387b"
RSA = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDSdv5BoSKQHOkeHLJA4YPPFaaQPt2u/M5Urepw+MjkHNyms9O44wvAdMiWTICPMOsG9a483jkYLody2RmzAW1wQqUJPraeQwouHhOLcdx4DHkBT8+GfgfYts/Utnq2Y1ys1D5i0frcxQDMHpBgTxFk1iOCcfza7aYUiZ1muSQMxqE8C3Czz95CYxLMIcQT9FQeS3xRF2Nz06pMPKu9/Azdc8/jMUlyt966ZePzyD8s/m6U5oBrsAHr50a86MqlrhkT8ABS30JkYQTByrWcFRWmW/jqkG9o6R4rCGphjRGvorIQm8tPW+wYFsa7er5Jmv+lcAkReMh2/Q24QWs/rf3h"  # noqa: E501
RSA_RECORD = "1 2 2be98353a535edc9221b2c57cd3184c75391500c8e04ae36f6db81d67b90a71f"

ZONE = "example.org."


@pytest.mark.parametrize(
    ("key", "record"),
    [
        (ED25519, ED25519_RECORD),
        (ECDSA, ECDSA_RECORD),
        (ECDSA384, ECDSA384_RECORD),
        (RSA, RSA_RECORD),
    ],
)
def test_records_are_those_of_ssh_keygen(key: str, record: str) -> None:
    assert records([f"{key} root@server1\n", "\n"]) == {record}


def test_a_host_has_a_record_for_each_key_and_repeats_none() -> None:
    assert records([RSA, ECDSA, ED25519, f"{RSA} again"]) == {
        ED25519_RECORD, ECDSA_RECORD, RSA_RECORD,
    }  # fmt: skip
    assert records([]) == frozenset()


def test_two_keys_of_a_kind_would_make_ssh_refuse_the_host() -> None:
    with pytest.raises(Refused, match="two keys of the kind ecdsa-sha2-nistp384"):
        records([ECDSA, ECDSA384])


@pytest.mark.parametrize(
    "key", ["sk-ssh-ed25519@openssh.com AAAA", "ssh-dss AAAA", "-----BEGIN OPENSSH PRIVATE KEY"]
)
def test_what_is_no_host_key_is_refused(key: str) -> None:
    with pytest.raises(Refused):
        records([key])


@pytest.mark.parametrize(
    ("name", "absolute"),
    [
        ("server1", "server1.example.org."),
        ("Server1", "server1.example.org."),
        ("server1.example.org", "server1.example.org."),
        ("server1.rack.example.org.", "server1.rack.example.org."),
        ("example.org", "example.org."),
        ("org", "org.example.org."),
    ],
)
def test_names_become_absolute(name: str, absolute: str) -> None:
    assert absolute_name(name, ZONE) == absolute


@pytest.mark.parametrize(
    "name", ["server1.example.com", "server1.badexample.org", "server1.", "rack.server1"]
)
def test_foreign_names_are_refused(name: str) -> None:
    with pytest.raises(Refused, match="is not a name in the zone example.org."):
        absolute_name(name, ZONE)


@pytest.mark.parametrize("name", ["a b", "a\n$INCLUDE /etc/passwd", "-a", "a;b", "@", "*", "", "."])
def test_names_that_are_none_are_refused(name: str) -> None:
    with pytest.raises(Refused, match="is not a host name"):
        absolute_name(name, ZONE)


def test_zones() -> None:
    assert absolute_zone("Example.ORG") == absolute_zone("example.org.") == ZONE
    with pytest.raises(Refused):
        absolute_zone("example..org")


def test_a_fragment_is_sorted_and_complete() -> None:
    text = render_fragment(
        ZONE,
        {
            "server2.example.org.": (60, frozenset({RSA_RECORD})),
            "server1.example.org.": (3600, frozenset({RSA_RECORD, ED25519_RECORD})),
        },
    )
    assert text.splitlines()[2:] == [
        f"server1.example.org. 3600 IN SSHFP {RSA_RECORD}",
        f"server1.example.org. 3600 IN SSHFP {ED25519_RECORD}",
        f"server2.example.org. 60 IN SSHFP {RSA_RECORD}",
    ]
    assert all(line.startswith(";") for line in text.splitlines()[:2])


NAMES = st.integers(0, 99).map(lambda number: f"server{number}.example.org.")
TEXTS = st.frozensets(
    st.builds(lambda kind, digest: f"{kind} 2 {digest.hex()}", st.sampled_from("134"),
              st.binary(min_size=32, max_size=32)),
    min_size=1, max_size=4,
)  # fmt: skip


@given(st.dictionaries(NAMES, st.tuples(st.integers(0, 2**31 - 1), TEXTS), max_size=5))
def test_a_fragment_is_read_as_it_was_written(
    expected: dict[str, tuple[int, frozenset[str]]],
) -> None:
    text = render_fragment(ZONE, expected)
    assert parse_fragment(text) == expected
    assert render_fragment(ZONE, parse_fragment(text)) == text


@pytest.mark.parametrize(
    "line",
    [
        "$INCLUDE other",
        "server1 IN SSHFP 4 2 " + "0" * 64,
        "server1.example.org. 60 IN A 192.0.2.1",
        "server1.example.org. 60 IN SSHFP 4 1 " + "0" * 40,
    ],
)
def test_lines_of_somebody_else_are_not_thrown_away(line: str) -> None:
    with pytest.raises(Refused, match="line 2 is .*, which this collection did not write"):
        parse_fragment(f"; ours\n{line}\n")
