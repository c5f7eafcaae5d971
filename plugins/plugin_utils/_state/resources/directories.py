# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Directories, and strays in them: files that no document names and that match a glob."""

from __future__ import annotations

import fnmatch
import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    EVERYBODYS,
    NOBODYS,
    Change,
    Step,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import (
    Answer,
    PathFacts,
    Questions,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    ATTRIBUTES,
    EACH,
    Context,
    Options,
    each,
    list_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import (
    attributes,
    differ,
    parent,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import (
    Phase,
    Planning,
    removal,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import Simple


@dataclass(frozen=True)
class Directory:
    """A directory; files in it that match `purge` and are in no document are removed.

    With `link`, one of root's in a directory of root's may lead to it, and it stays as it is then.

    So are, with `purge_directories`, directories in it that match that glob, but for those of
    `keep`: their files that match `purge`, and they themselves if nothing else is in them.
    """

    path: str
    mode: str = "0755"
    owner: str = "root"
    group: str = "wheel"
    purge: str | None = None
    purge_directories: str | None = None
    keep: tuple[str, ...] = ()
    sensitive: bool = False
    vms: frozenset[str] = EVERYBODYS
    link: bool = False

    @property
    def target(self) -> str:
        """What a link leads to, for lstat(2)."""
        return f"{self.path}/."

    def listing(self) -> dict[str, t.Any]:
        """Asks for the names in it, and for all of those below it that may have to go."""
        if self.purge_directories is None:
            return {"path": self.path}
        return {"path": self.path, "within": fnmatch.translate(self.purge_directories)}


class Directories(Simple[tuple[Directory, ...]]):
    """Directories, parents first. One that is no longer wanted is left alone."""

    OPTION: t.ClassVar[str] = "directories"
    SPEC: t.ClassVar[Options] = list_of(
        {
            "path": {"type": "str", "required": True},
            **EACH,
            "mode": {"type": "str", "default": "0755"},
            **ATTRIBUTES,
            "purge": {"type": "str"},
            "purge_directories": {"type": "str"},
            "keep": {"type": "list", "elements": "str"},
            "sensitive": {"type": "bool", "default": False},
            "link": {"type": "bool", "default": False},
        }
    )

    def wanted(self, given_items: t.Any, context: Context) -> tuple[Directory, ...]:
        made = (Directory(**fields) for item in given_items for fields, _one in each(item, context))
        return tuple(dict.fromkeys(made))

    def questions(self, want: tuple[Directory, ...]) -> Questions:
        paths = [
            {"path": path, "hash": 0} for item in want for path in (parent(item.path), item.path)
        ]
        paths += [{"path": item.target, "hash": 0} for item in want if item.link]
        return {"paths": paths, "list": [item.listing() for item in want if item.purge]}

    def plan(self, want: tuple[Directory, ...], facts: Answer, out: Planning) -> None:
        for item in sorted(want, key=lambda item: item.path.count("/")):
            plan_directory(item, out)
        keep = frozenset(item.path for item in want)
        for item in want:
            if item.purge:
                _purge(item, keep, facts, out)


def plan_directory(item: Directory, out: Planning) -> None:
    """A missing directory, or one with other attributes. Raises PlanError."""
    facts = out.path(item.path)
    if facts is None:
        out.need_parent(item.path)
    elif facts.type == "link" and item.link:
        _follow(item, facts, out)
        return
    elif facts.type != "directory":
        advice = (
            "set its variable to where the link leads" if facts.type == "link" else "move it away"
        )
        raise out.error(item.path, f"is a {facts.type}, not a directory; {advice}")
    out.makes("directory", item.path)
    if facts and not differ(facts, item):
        return
    out.world.paths[item.path] = PathFacts("directory", item.mode, item.owner, item.group)
    kind = "change mode or owner of" if facts else "create directory"
    fields = {"path": item.path, **attributes(item)}
    change = Change(kind, item.path, vms=item.vms)
    out.step(Phase.PREPARE, Step("directory", out.title(item.path), fields, change=change))


def _follow(item: Directory, link: PathFacts, out: Planning) -> None:
    """A link that nobody but root can have made, to a directory that nobody but root can change."""
    above = parent(item.path)
    there = {"it": link, above: out.path(above), "the directory": out.path(item.target)}
    for what, facts in there.items():
        if facts is None or (what == "the directory" and facts.type != "directory"):
            raise out.error(item.path, "is a link that leads to no directory; mount or remove it")
        if facts.owner != "root":
            text = f"is a link, and {what} belongs to {facts.owner}; only root's are followed"
            raise out.error(item.path, text)
        if facts.type == "directory" and int(facts.mode, 8) & 0o022:
            text = f"is a link, and {what} has the mode {facts.mode}; let only root write there"
            raise out.error(item.path, text)
    out.makes("directory", item.path)


def _purge(item: Directory, keep: t.Collection[str], facts: Answer, out: Planning) -> None:
    for path in strays(item, item.path, facts):
        out.purge(
            path, removal(out.title(path), path, facts.paths.get(path), sensitive=item.sensitive)
        )
    for name in fnmatch.filter(facts.entries.get(item.path, ()), item.purge_directories or ""):
        path = f"{item.path}/{name}"
        seen = facts.paths.get(path)
        is_directory = seen is not None and seen.type == "directory" and path in facts.entries
        if not item.purge_directories or not is_directory or path in keep or name in item.keep:
            continue
        files = strays(item, path, facts)
        for file in files:
            out.purge(
                file,
                removal(out.title(file), file, facts.paths.get(file), sensitive=item.sensitive),
            )
        if len(files) == len(facts.entries[path]):
            change = Change("remove directory", path, vms=NOBODYS)
            out.step(Phase.REMOVE, Step("rmdir", out.title(path), {"path": path}, change=change))
        else:
            out.warn(path, "is left: something in it is not ours; look into it")


def strays(item: Directory, directory: str, facts: Answer) -> list[str]:
    """Files in a directory, the item's own or one below it, that match its `purge` glob."""
    found = []
    for name in fnmatch.filter(facts.entries.get(directory, ()), item.purge or ""):
        seen = facts.paths.get(f"{directory}/{name}")
        if not name.startswith(".") and (not seen or seen.type == "file"):
            found.append(f"{directory}/{name}")
    return found
