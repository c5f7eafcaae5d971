# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Whatever comes in is refused or understood, and what is written is read as it was understood."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import read_order
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.yaml_text import load
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.timezones import TIMEZONES
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report
from ansible_collections.puffy.vmm.plugins.plugin_utils._orders.document import read_content
from hypothesis import example, given
from hypothesis import strategies as st
from unit.plugin_utils._orders.orders import KEY, OTHER_KEY, order

FIELDS = [*order(), "user", "memory", "disk", "timezone", "sets", "note", "server", "number"]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
SOUND = st.fixed_dictionaries(
    {
        "owner": st.from_regex(r"[a-z][a-z0-9_-]{2,20}x9", fullmatch=True),
        "hostname": st.from_regex(r"[a-z][a-z0-9]{0,20}\.example\.org", fullmatch=True),
        "ssh_keys": st.lists(st.sampled_from([KEY, OTHER_KEY]), min_size=1, unique=True),
    },
    optional={
        "memory": st.sampled_from(["1G", "512M"]),
        "disk": st.sampled_from(["20G", "1T"]),
        "timezone": st.sampled_from(sorted(TIMEZONES)),
        "sets": st.lists(st.sampled_from(["-x*", "+site*", "-game*"]), min_size=1, unique=True),
        "note": st.text(),
    },
)  # fmt: skip


@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))
)
@example(b"{")
@example(b"{}")
@example(b"\xef\xbb\xbf{}")
@example(b"? [a]\n: b\n")
@example(b"- a")
def test_any_bytes_are_refused(content: bytes) -> None:
    assert read_content(content, "web1").faults
    assert read_content(content, None).faults


@given(st.dictionaries(st.sampled_from(FIELDS), JSON) | st.dictionaries(st.text(), JSON))
def test_any_json_is_refused_or_understood(content: dict[str, Any]) -> None:
    understood = read_content(json.dumps(content).encode(), "web1")
    assert understood.faults
    assert all(fault.message.isprintable() for fault in understood.faults)
    assert "server" not in understood.values
    understood.render()


@given(SOUND)
def test_what_is_written_is_read_again(content: dict[str, Any]) -> None:
    understood = read_content(json.dumps(content | {"name": "web1"}).encode(), None)
    if understood.faults:
        # A note is any text but what no file here may have.
        assert [fault.field for fault in understood.faults] == [""]
        assert "is not allowed in this file" in understood.faults[0].message
        return
    report = Report()
    text = understood.render()
    assert read_order("", load(text, "", len(text)), report) == understood.values
    assert (report.problems, report.warnings) == ((), ())


@given(SOUND)
def test_json_is_read_like_yaml(content: dict[str, Any]) -> None:
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in content.items()]
    as_yaml = read_content("\n".join(lines).encode("utf-8", "surrogatepass"), "web1")
    as_json = read_content(json.dumps(content).encode(), "web1")
    assert as_json.values == as_yaml.values or as_yaml.faults
