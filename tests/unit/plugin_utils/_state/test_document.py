# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Documents: what their arguments may be, and what is wanted of nobody."""

from __future__ import annotations

import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import DocumentError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import DOCUMENT, SPEC, check
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.registry import RESOURCES
from unit.plugin_utils._state.servers import wants


def test_two_documents_of_one_name() -> None:
    check([wants("a"), wants("b")])
    with pytest.raises(DocumentError, match="two documents are named a; give each another name"):
        check([wants("a"), wants("b"), wants("a")])


def test_what_is_empty_is_wanted_of_nobody() -> None:
    empty: dict[str, t.Any] = {
        name: [] for name, spec in DOCUMENT.items() if spec["type"] == "list"
    }
    document = wants(**empty, sysctls={}, links={"interfaces": []})
    assert len(empty) > 10
    assert document.wants == {}
    assert questions([document]) == {}


def test_the_options_of_a_document_are_its_types_of_resources() -> None:
    assert set(DOCUMENT) == {"name", "confirm", *(resource.OPTION for resource in RESOURCES)}
    assert set(SPEC) == {*DOCUMENT, "documents", "render_to"}


def test_an_option_that_nobody_knows_is_refused() -> None:
    unknown: t.Sequence[dict[str, t.Any]] = (
        {"taps": {}},
        {"files": [{"path": "/etc/x", "contents": "x"}]},
    )
    for args in unknown:
        assert ArgumentSpecValidator(DOCUMENT).validate(args).error_messages
