# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Plans files, directories, single lines, disk images and device nodes."""

from __future__ import annotations

import fnmatch
import re
import typing as t
from dataclasses import replace
from pathlib import PurePosixPath

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    FileDiff,
    PlanError,
    Step,
    digest,
    run,
    undo,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import (
    Directory,
    Document,
    File,
    Line,
    argv,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.probe import (
    SYSCTL_CONF,
    Current,
    PathFacts,
    line_files,
)

# MAKEDEV(8) runs a shell and mknod(8) for each name.
_DEVICE_SECONDS: t.Final = 600
_CREATE_SECONDS: t.Final = 300
_NODE: t.Final = "character device"
_EXIT: t.Final = re.compile(r"exit(?:[ \t]+[0-9]+)?[ \t]*")
_SPACE_OR_COMMENT: t.Final = re.compile(r"[ \t#]")


class _HasAttributes(t.Protocol):
    @property
    def mode(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def group(self) -> str: ...


def attributes(item: _HasAttributes) -> dict[str, str]:
    """Mode, owner and group as the agent takes them."""
    return {"mode": f"{int(item.mode, 8):04o}", "owner": item.owner, "group": item.group}


def differ(facts: PathFacts, item: _HasAttributes) -> bool:
    """Whether mode, owner or group of what is there are not those wanted."""
    return attributes(facts) != attributes(item)


def directories(document: Document, current: Current) -> t.Iterator[Step]:
    """Missing directories and wrong attributes, parents first."""
    wanted = {item.path for item in document.directories}
    for item in sorted(document.directories, key=lambda item: item.path.count("/")):
        facts = current.paths.get(item.path)
        parent = str(PurePosixPath(item.path).parent)
        if facts is None:
            _need_parent(document, current, item.path, parent, wanted)
        elif facts.type != "directory":
            raise PlanError(f"{document.name}: {item.path} is a {facts.type}, no directory")
        elif not differ(facts, item):
            continue
        verb = "change mode or owner of" if facts else "create directory"
        title = f"{document.name}: {item.path}"
        fields = {"path": item.path, **attributes(item)}
        yield Step("directory", title, fields, change=f"{verb} {item.path}")


def purges(document: Document, current: Current, keep: t.Collection[str]) -> t.Iterator[Step]:
    """Files of a directory that match its `purge` glob and are in no document, and directories."""
    for item in document.directories:
        if not item.purge:
            continue
        for path in strays(item, item.path, current, keep):
            yield _removal(document, item, path, current)
        for directory in stray_directories(document, item, current):
            paths = list(strays(item, directory, current, keep))
            for path in paths:
                yield _removal(document, item, path, current)
            if len(paths) == len(current.entries[directory]):
                title = f"{document.name}: {directory}"
                change = f"remove directory {directory}"
                yield Step("rmdir", title, {"path": directory}, change=change)


def left(document: Document, current: Current) -> t.Iterator[str]:
    """Directories that purges() would remove were there not something else in them."""
    for item in document.directories:
        for directory in stray_directories(document, item, current):
            paths = list(strays(item, directory, current, ()))
            if len(paths) != len(current.entries[directory]):
                yield directory


def strays(
    item: Directory, directory: str, current: Current, keep: t.Collection[str]
) -> t.Iterator[str]:
    """Files in a directory, the item's own or one below it, that match its `purge` glob."""
    for name in fnmatch.filter(current.entries.get(directory, ()), item.purge or ""):
        path = f"{directory}/{name}"
        facts = current.paths.get(path)
        if path not in keep and not name.startswith(".") and (not facts or facts.type == "file"):
            yield path


def stray_directories(document: Document, item: Directory, current: Current) -> t.Iterator[str]:
    """Directories below the item's that match `purge_directories` and are in no document."""
    wanted = {one.path for one in document.directories}
    names = current.entries.get(item.path, ()) if item.purge_directories else ()
    for name in fnmatch.filter(names, item.purge_directories or ""):
        path = f"{item.path}/{name}"
        facts = current.paths.get(path)
        is_directory = facts is not None and facts.type == "directory" and path in current.entries
        if is_directory and path not in wanted and name not in item.keep:
            yield path


def _removal(document: Document, item: Directory, path: str, current: Current) -> Step:
    facts = current.paths.get(path)
    before = {"before": [facts.sha256]} if facts else {}
    return Step(
        "remove",
        f"{document.name}: {path}",
        {"path": path, "sensitive": item.sensitive, **before},
        change=f"remove {path}",
        diff=FileDiff(path, None, item.sensitive, existed=True),
    )


def line_edits(document: Document, current: Current) -> t.Iterator[File]:
    """Files in which single lines are to change, with their new content."""
    wanted = list(document.lines)
    for name, value in sorted((document.sysctls or {}).items()):
        wanted.append(Line(SYSCTL_CONF, f"{name}={value}", name))
    for path in line_files(document):
        facts = current.paths.get(path)
        text = current.read.get(path, b"").decode("utf-8", "surrogateescape")
        for line in (line for line in wanted if line.path == path):
            text = set_line(text, line) if line.key else add_line(text, line.line)
        item = File(path, text.encode("utf-8", "surrogateescape"))
        if facts:
            item = replace(item, mode=facts.mode, owner=facts.owner, group=facts.group)
        yield item


def set_line(text: str, line: Line) -> str:
    """Puts a line in the place of the last one with its key, or at the end; the rest stays.

    sysctl.conf(5) takes the last of several lines, so that one is the one to change. sysctl(8)
    reads a line up to its first blank, tab or `#`: one that begins with a blank, or has one before
    the `=`, sets nothing and is left alone, and a comment behind a value stays there.
    """
    lines = text.split("\n")
    read = [_SPACE_OR_COMMENT.split(old, maxsplit=1)[0] for old in lines]
    places = [n for n, old in enumerate(read) if old.startswith(f"{line.key}=")]
    if places:
        last = places[-1]
        if read[last] == line.line:
            return text
        rest = lines[last].removeprefix(read[last])
        lines[last] = line.line + (rest if rest.lstrip().startswith("#") else "")
    else:
        lines[-1:] = [line.line] if not lines[-1] else [lines[-1], line.line]
        lines.append("")
    return "\n".join(lines)


def add_line(text: str, line: str) -> str:
    """Puts a line at the end of a script, before an `exit` that ends it; none that is there."""
    lines = text.removesuffix("\n").split("\n") if text else []
    if line in lines:
        return text
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    before = end - 1 if end and _EXIT.fullmatch(lines[end - 1]) else end
    return "".join(f"{one}\n" for one in (*lines[:before], line, *lines[before:]))


def files(
    document: Document, items: t.Iterable[File], current: Current
) -> tuple[list[Step], list[Step]]:
    """Steps that stage and check files, and steps that put them into place."""
    stages: list[Step] = []
    commits: list[Step] = []
    declared = {item.path for item in document.directories}
    for item in items:
        facts = current.paths.get(item.path)
        title = f"{document.name}: {item.path}"
        if facts and facts.type != "file":
            raise PlanError(f"{title} is a {facts.type}, no file; move it away")
        if facts and facts.sha256 == digest(item.content):
            if differ(facts, item):
                change = f"change mode or owner of {item.path}"
                fields = {"path": item.path, **attributes(item)}
                commits.append(Step("attributes", title, fields, change=change))
            continue
        if facts is None:
            _need_parent(
                document, current, item.path, str(PurePosixPath(item.path).parent), declared
            )
        before = [facts.sha256 if facts else None]
        stages.extend(staging(title, item, before))
        commits.append(commit(title, item, before))
    return stages, commits


def staging(title: str, item: File, before: list[str | None], **fields: t.Any) -> t.Iterator[Step]:
    """Writes a file beside its place and has its daemon's own checker read it."""
    wanted = {"path": item.path, "before": before, **attributes(item), **fields}
    yield Step("stage", title, wanted, content=item.content)
    if item.validate:
        words = [{"path": item.path, **_as(fields)} if word == "{path}" else word
                 for word in argv(item.validate)]  # fmt: skip
        yield run(f"{title}: {item.validate.split()[0]} refuses it", words, timeout=120)


def commit(title: str, item: File, before: list[str | None], **fields: t.Any) -> Step:
    """Puts a staged file into its place."""
    existed = before != [None] and not fields.get("late")
    return Step(
        "commit",
        title,
        {
            "path": item.path,
            "before": before,
            "sha256": digest(item.content),
            "sensitive": item.sensitive,
            **fields,
        },
        change=f"{'change' if existed else 'create'} {item.path}"
        + (f" ({item.note})" if item.note else ""),
        diff=FileDiff(item.path, item.content, item.sensitive, existed, fields.get("as")),
    )


def images(document: Document, current: Current) -> t.Iterator[Step]:
    """Missing disk images; one that is there is never touched.

    vmctl(8) create never overwrites, and ln(1) puts the whole image under its name.
    """
    for image in document.images:
        facts = current.paths.get(image.path)
        title = f"{document.name}: {image.path}"
        if facts:
            if facts.type != "file":
                raise PlanError(f"{title} is a {facts.type}; vmd takes only files as images")
            continue
        place = PurePosixPath(image.path)
        new = str(place.with_name(f".new-{place.name}"))
        command = [TOOLS["vmctl"], "create", "-s", image.size, f"{image.format}:{new}"]
        remove = undo("/bin/rm", "-f", new)
        yield run(f"{title}: clear the way", remove["argv"])
        yield run(title, command, timeout=_CREATE_SECONDS, undo=[remove], undo_always=True)
        change = f"create image {image.path} ({image.size}, {image.format})"
        yield Step("rename", title, {"from": new, "path": image.path}, change=change)


def devices(document: Document, current: Current) -> t.Iterator[Step]:
    """Missing device nodes, all by one MAKEDEV(8), which must run in /dev and exits 0 always.

    MAKEDEV replaces what else has the name, such as a file that somebody wrote to.
    """
    paths = ((name, current.paths.get(f"/dev/{name}")) for name in document.devices)
    missing = [name for name, facts in paths if facts is None or facts.type != _NODE]
    if not missing:
        return
    title = f"{document.name}: device nodes"
    yield run(
        title,
        [TOOLS["sh"], "MAKEDEV", *missing],
        change=f"make device nodes {' '.join(missing)}",
        cwd="/dev",
        timeout=_DEVICE_SECONDS,
        undo=[undo("/bin/rm", "-f", *(f"/dev/{name}" for name in missing))],
        undo_always=True,
    )
    for name in missing:
        yield Step("expect", title, {"path": f"/dev/{name}", "type": _NODE})


def _as(fields: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {"as": fields["as"]} if "as" in fields else {}


def _need_parent(
    document: Document, current: Current, path: str, parent: str, wanted: t.Collection[str]
) -> None:
    facts = current.paths.get(parent)
    if parent not in wanted and (facts is None or facts.type != "directory"):
        raise PlanError(
            f"{document.name}: {path}: there is no directory {parent} on this server; create it "
            "or name it under directories"
        )
