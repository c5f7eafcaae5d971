# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Directories, and strays in them: files that no document names and that match a glob."""

from __future__ import annotations

import fnmatch
import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import stat
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

    So are, with `purge_directories`, directories in it that match that glob, except those of
    `keep`: their files that match `purge`, and the directories if they have nothing else. With
    `link`, a link of root's in a directory of root's may lead to it; then it stays as it is.
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
        """The path by which lstat(2) sees what a link leads to."""
        return f"{self.path}/."

    def listing(self) -> dict[str, t.Any]:
        """Ask for the names in it, and for all below it that may have to go."""
        if self.purge_directories is None:
            return {"path": self.path}
        return {"path": self.path, "within": fnmatch.translate(self.purge_directories)}


class Directories(Simple[tuple[Directory, ...]]):
    """Directories, parents first; one that is no longer desired is left alone."""

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

    def desired(self, options: t.Any, context: Context) -> tuple[Directory, ...]:
        made = (Directory(**fields) for item in options for fields, _one in each(item, context))
        return tuple(dict.fromkeys(made))

    def questions(self, desired: tuple[Directory, ...]) -> Questions:
        paths = [stat(path) for item in desired for path in (parent(item.path), item.path)]
        paths += [stat(item.target) for item in desired if item.link]
        return {"paths": paths, "list": [item.listing() for item in desired if item.purge]}

    def plan(self, desired: tuple[Directory, ...], facts: Answer, out: Planning) -> None:
        for item in sorted(desired, key=lambda item: item.path.count("/")):
            plan_directory(item, out)
        keep = frozenset(item.path for item in desired)
        for item in desired:
            if item.purge:
                _purge(item, keep, facts, out)


def plan_directory(item: Directory, out: Planning) -> None:
    """Create a missing directory, or change its attributes. Raises PlanError."""
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
    """Follow a link that only root can have made, to a directory that only root can change."""
    above = parent(item.path)
    places = {"it": link, above: out.path(above), "the directory": out.path(item.target)}
    for place, facts in places.items():
        if facts is None or (place == "the directory" and facts.type != "directory"):
            raise out.error(item.path, "is a link that leads to no directory; mount or remove it")
        if facts.owner != "root":
            text = f"is a link, and {place} belongs to {facts.owner}; only root's are followed"
            raise out.error(item.path, text)
        if facts.type == "directory" and int(facts.mode, 8) & 0o022:
            text = f"is a link, and {place} has the mode {facts.mode}; let only root write there"
            raise out.error(item.path, text)
    out.makes("directory", item.path)


def _purge(item: Directory, keep: t.Collection[str], facts: Answer, out: Planning) -> None:
    def purge(files: t.Iterable[str]) -> None:
        for path in files:
            seen = facts.paths.get(path)
            out.purge(path, removal(out.title(path), path, seen, sensitive=item.sensitive))

    purge(_strays(item, item.path, facts))
    for name in fnmatch.filter(facts.entries.get(item.path, ()), item.purge_directories or ""):
        path = f"{item.path}/{name}"
        seen = facts.paths.get(path)
        is_directory = seen is not None and seen.type == "directory" and path in facts.entries
        if not item.purge_directories or not is_directory or path in keep or name in item.keep:
            continue
        files = _strays(item, path, facts)
        purge(files)
        if len(files) == len(facts.entries[path]):
            change = Change("remove directory", path, vms=NOBODYS)
            out.step(Phase.REMOVE, Step("rmdir", out.title(path), {"path": path}, change=change))
        else:
            out.warn(path, "is left: something in it is not ours; look into it")


def _strays(item: Directory, directory: str, facts: Answer) -> list[str]:
    """Return the files in a directory, the item's or one below it, that match its `purge` glob."""
    names = fnmatch.filter(facts.entries.get(directory, ()), item.purge or "")
    files = {f"{directory}/{name}" for name in names if not name.startswith(".")}
    seen = {path: facts.paths.get(path) for path in files}
    return sorted(path for path, file in seen.items() if file is None or file.type == "file")
