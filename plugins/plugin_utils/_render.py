# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""State documents from a task's arguments: templates rendered, one file an item where asked."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._document import (
    Account,
    Directory,
    Document,
    DocumentError,
    File,
    Image,
    Line,
    Service,
)

Render = t.Callable[[str, t.Mapping[str, t.Any]], str]
_PLACE = re.compile(r"<([a-z_]+)>")


def document(name: str, args: t.Mapping[str, t.Any], render: Render) -> Document:
    """The document that checked arguments describe.

    `render` turns the name of a template and extra variables into text. Raises DocumentError.
    """
    return Document(
        name=name,
        files=tuple(_files(name, args.get("files") or (), render)),
        directories=tuple(Directory(**_given(item)) for item in args.get("directories") or ()),
        lines=tuple(Line(**_given(item)) for item in args.get("lines") or ()),
        images=tuple(Image(**_given(item)) for item in args.get("images") or ()),
        devices=tuple(args.get("devices") or ()),
        sysctls={str(key): str(value) for key, value in (args.get("sysctls") or {}).items()},
        groups=tuple(args.get("groups") or ()),
        accounts=tuple(_accounts(name, args.get("accounts") or ())),
        services=tuple(_service(item) for item in args.get("services") or ()),
        interfaces=tuple(args.get("interfaces") or ()),
    )


def _given(item: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {key: value for key, value in item.items() if value is not None}


def _accounts(name: str, items: t.Iterable[t.Mapping[str, t.Any]]) -> t.Iterator[Account]:
    for item in items:
        options = ",".join(item.get("key_options") or ())
        for one in [item] if item.get("each") is None else item["each"]:
            if not one.get("name"):
                raise DocumentError(f"{name}: an account has no name; give one")
            keys = one.get("ssh_keys") or ()
            yield Account(
                name=one["name"],
                groups=tuple(item.get("groups") or ()),
                authorized_keys=tuple(f"{options} {key}" if options else key for key in keys),
                shell=item.get("shell") or Account.shell,
            )


def _service(item: t.Mapping[str, t.Any]) -> Service:
    given = _given(item)
    return Service(**given | {"shows": tuple(given.get("shows", ()))})


def _files(name: str, items: t.Iterable[t.Mapping[str, t.Any]], render: Render) -> t.Iterator[File]:
    for item in items:
        given = _given(item)
        each = given.pop("each", None)
        template, content = given.pop("template", None), given.pop("content", None)
        for one in [None] if each is None else each:
            path = given["path"] if one is None else _fill(name, given["path"], one)
            text = content
            if template is not None:
                text = render(template, {} if one is None else {"item": one})
            if text is None:
                raise DocumentError(f"{name}: {path} has neither template nor content; give one")
            yield File(**given | {"path": path, "content": str(text).encode()})


def _fill(name: str, path: str, one: t.Mapping[str, t.Any]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in one:
            known = ", ".join(sorted(one))
            raise DocumentError(f"{name}: {path}: an item has no {match[1]}; it has {known}")
        return str(one[match[1]])

    return _PLACE.sub(value, path)
