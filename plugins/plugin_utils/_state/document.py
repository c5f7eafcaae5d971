# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""State documents: what a role wants of a server.

A document is checked data; it knows neither a server's present state nor any type of resource.
"""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    DocumentError,
    Options,
    list_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.registry import RESOURCES

# The arguments of puffy.vmm.host_state, as an Ansible argument spec.
DOCUMENT: t.Final[Options] = {
    "name": {"type": "str"},
    "confirm": {"type": "int"},
    **{resource.OPTION: resource.SPEC for resource in RESOURCES},
}

SPEC: t.Final[Options] = {**DOCUMENT, "documents": list_of(DOCUMENT), "render_to": {"type": "path"}}


@dataclass(frozen=True)
class Document:
    """All that a role wants of a server: `wants` has what each type of resource made of it.

    With `confirm`, the server puts a change back after so many seconds unless it is reached over a
    new connection.
    """

    name: str
    wants: t.Mapping[str, t.Any]
    confirm: int | None = None


def document(args: t.Mapping[str, t.Any], context: Context) -> Document:
    """Return the document that checked arguments describe. Raises OperatorError."""
    wants = {
        resource.OPTION: desired
        for resource in RESOURCES
        if args.get(resource.OPTION) is not None
        # An empty list asks a server nothing.
        if (desired := resource.desired(args[resource.OPTION], context))
    }
    return Document(context.name, wants, args.get("confirm"))


def check(documents: t.Sequence[Document]) -> None:
    """Refuse two documents of the same name (DocumentError)."""
    for name, times in Counter(document.name for document in documents).items():
        if times > 1:
            raise DocumentError(f"two documents are named {name}; give each another name")
