# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""State documents: what one role wants of one server.

A document is data that was checked; it knows nothing of a server's present state, and of no type
of resource.
"""

from __future__ import annotations

import typing as t
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

SPEC: t.Final[Options] = {
    **DOCUMENT,
    "documents": list_of(DOCUMENT),
    "render_to": {"type": "path"},
}


@dataclass(frozen=True)
class Document:
    """All that one role wants of one server: `wants` has what each type of resource made of it.

    With `confirm`, the server puts a change back after so many seconds unless it is reached over a
    new connection.
    """

    name: str
    wants: t.Mapping[str, t.Any]
    confirm: int | None = None


def document(args: t.Mapping[str, t.Any], context: Context) -> Document:
    """The document that checked arguments describe. Raises OperatorError."""
    wants = {
        resource.OPTION: want
        for resource in RESOURCES
        if args.get(resource.OPTION) is not None
        # Of an empty list nobody asks a server anything.
        if (want := resource.wanted(args[resource.OPTION], context))
    }
    return Document(context.name, wants, args.get("confirm"))


def check(documents: t.Sequence[Document]) -> None:
    """Raises DocumentError for two documents of one name."""
    names = [document.name for document in documents]
    for name in names:
        if names.count(name) > 1:
            raise DocumentError(f"two documents are named {name}; name each once")
