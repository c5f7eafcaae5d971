# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import (
    DISK,
    LARGEST_DISK,
    LIMIT,
    MEMORY,
    SizeGrammar,
    scaled,
    size_text,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("grammar", "text", "size"),
    [
        (MEMORY, "1M", 1024**2),
        (MEMORY, "1024K", 1024**2),
        (MEMORY, "512M", 512 * 1024**2),
        (MEMORY, "128G", 128 * 1024**3),
        (DISK, "50G", 50 * 1024**3),
        (DISK, "2T", 2 * 1024**4),
        (LIMIT, "1K", 1024),
    ],
)
def test_sizes(grammar: SizeGrammar, text: str, size: int) -> None:
    assert grammar.parse(text).bytes == size
    assert str(grammar.parse(text)) == text


@pytest.mark.parametrize(
    ("grammar", "text", "complaint"),
    [
        (MEMORY, "1 GB", "'1 GB' is not a valid size; use a number with K, M or G, such as 1G"),
        (MEMORY, "1024", "'1024' is not a valid size; use a number with K, M or G, such as 1G"),
        (MEMORY, "1T", "'1T' is not a valid size; use a number with K, M or G, such as 1G"),
        (MEMORY, "1g", "'1g' is not a valid size; use a number with K, M or G, such as 1G"),
        (MEMORY, "01G", "'01G' is not a valid size; use a number with K, M or G, such as 1G"),
        (MEMORY, "1.5G", "'1.5G' is not a valid size; use a number with K, M or G, such as 1G"),
        (MEMORY, "-1G", "'-1G' is not a valid size; use a number with K, M or G, such as 1G"),
        (MEMORY, "1G\n", "'1G\\n' is not a valid size; use a number with K, M or G, such as 1G"),
        (
            MEMORY,
            "\u0661G",
            "'\\u0661G' is not a valid size; use a number with K, M or G, such as 1G",
        ),
        (DISK, "50", "'50' is not a valid size; use a number with K, M, G or T, such as 50G"),
        (MEMORY, "129G", "'129G' is out of bounds; vmd(8) takes 1M to 128G"),
        (MEMORY, "1023K", "'1023K' is out of bounds; vmd(8) takes 1M to 128G"),
        (
            MEMORY,
            "1536K",
            "'1536K' is not a whole number of megabytes, to which vmd(8) would round it down; use "
            "1M",
        ),
        (
            DISK,
            "9999999999999999999T",
            "'9999999999999999999T' is out of bounds; vmctl(8) takes 1M to 9223372036854775807 "
            "bytes",
        ),
    ],
)
def test_what_is_no_size(grammar: SizeGrammar, text: str, complaint: str) -> None:
    with pytest.raises(Refused) as refused:
        grammar.parse(text)
    assert str(refused.value) == complaint


@given(st.integers(min_value=1, max_value=LARGEST_DISK // 1024))
def test_a_scaled_size_reads_as_the_same_size(kilobytes: int) -> None:
    assert LIMIT.parse(scaled(kilobytes * 1024)).bytes == kilobytes * 1024


@given(st.text())
def test_any_text_is_a_size_or_refused(text: str) -> None:
    try:
        size = MEMORY.parse(text)
    except Refused:
        return
    assert size.text == text
    assert size.bytes % 1024**2 == 0


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"), (1023, "1 KiB"), (1024, "1 KiB"), (1 << 20, "1 MiB"), (512 << 20, "512 MiB"),
        (1000 << 20, "1 GiB"), (1536 << 20, "1.5 GiB"), (12 << 30, "12 GiB"), (1 << 40, "1 TiB"),
        (-30 << 20, "-30 MiB"), (3 << 60, "3072 PiB"),
    ],
)  # fmt: skip
def test_sizes_for_people(size: int, text: str) -> None:
    assert size_text(size) == text
