# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""From the arguments of a task to what is desired: what the arguments of all types share."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError

Options = dict[str, t.Any]

_PATH: t.Final = re.compile(r"\A(/[A-Za-z0-9_.,:@%+=-]+)+\Z")
_MODE: t.Final = re.compile(r"[0-7]{3,4}")
_PLACE: t.Final = re.compile(r"<([a-z_][a-z0-9_]*)>")

ATTRIBUTES: t.Final[Options] = {
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "wheel"},
}
EACH: t.Final[Options] = {
    "each": {"type": "list", "elements": "dict"},
    "vms": {"type": "list", "elements": "str"},
}


class DocumentError(OperatorError, ValueError):
    """A state document that makes no sense: says which document, resource and value."""


@dataclass(frozen=True)
class Context:
    """What a resource may need to turn a task's arguments into its desired state.

    `template` turns the name of a template and extra variables into text, `find` the name of a
    file into its path on the controller.
    """

    name: str
    template: t.Callable[[str, t.Mapping[str, t.Any]], str]
    find: t.Callable[[str], str] = str
    one_time: t.Mapping[str, str] = field(default_factory=dict)

    def path(self, text: str) -> str:
        """Return a path for a server. Raises DocumentError where it is unsafe."""
        if not _PATH.match(text) or ".." in PurePosixPath(text).parts:
            raise DocumentError(
                f"{self.name}: {text!r} is not a valid path on a server; use an absolute path of "
                "letters, digits and . _ - , : @ % + = without '..'"
            )
        return text

    def mode(self, path: str, text: str) -> str:
        """Return the permission bits for a path. Raises DocumentError where they are not octal."""
        if not _MODE.fullmatch(text):
            raise DocumentError(
                f"{self.name}: {path}: {text!r} is not a valid mode; use three or four octal "
                'digits in quotes, such as "0644"'
            )
        return text


def declared(item: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return what an argument sets, lists as tuples, without what it leaves to defaults."""
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in item.items()
        if value is not None
    }


def list_of(options: Options) -> Options:
    """Return the spec of a list of mappings."""
    return {"type": "list", "elements": "dict", "options": options}


def each(
    item: t.Mapping[str, t.Any], context: Context
) -> t.Iterator[tuple[dict[str, t.Any], t.Any]]:
    """Yield what an argument sets: once, or with each of its items, whose <key>s are filled in."""
    fields = declared(item)
    vms = fields.pop("vms", None)
    for values in fields.pop("each", [None]):
        filled = dict(fields)
        for key in ("path", "source") if values is not None else ():
            if key in filled:
                filled[key] = _fill(filled[key], values, context)
        filled["path"] = context.path(filled["path"].rstrip("/"))
        if "mode" in filled:
            context.mode(filled["path"], filled["mode"])
        if vms is not None:
            filled["vms"] = frozenset(
                name if values is None else _fill(name, values, context) for name in vms
            )
        yield filled, values


def _fill(text: str, values: t.Mapping[str, t.Any], context: Context) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] == "one_time":
            return context.one_time.get(str(values.get("name")), "")
        if match[1] not in values:
            known = ", ".join(sorted(values))
            raise DocumentError(
                f"{context.name}: {text}: an item has no {match[1]}; it has {known}"
            )
        return str(values[match[1]])

    return _PLACE.sub(value, text)
