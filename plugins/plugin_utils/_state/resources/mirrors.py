# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Mirrors of release directories, fetched by the server's own ftp(1).

Each request lasts some seconds, so that the controller can show the progress, and ftp(1) continues
where it stopped. Files are put into place when all of them are complete and verified.
"""

from __future__ import annotations

import re
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import size_text
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    EVERYBODYS,
    Change,
    Step,
    run,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import (
    Answer,
    PathFacts,
    Questions,
    merged,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    Options,
    declared,
    list_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import attributes
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import (
    Phase,
    Planning,
    removal,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import Simple
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts import (
    release_directory as release,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts.release_directory import (
    Mirror,
    check_mirror,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.directories import (
    Directory,
)

Paths = t.Mapping[str, PathFacts | None]

# What ftp(1) prints (fetch.c): a server without ranges sends the whole file again; a range beyond
# its end shows that a file is complete.
_BEGUN: t.Final = re.escape("Server does not support resume.")
_RETRIEVED: t.Final = re.escape("File is already fully retrieved.")
_FULL: t.Final = re.escape("No space left on device") + "|" + re.escape("Disc quota exceeded")
_CONNECT_SECONDS: t.Final = 30
_SLICE_SECONDS: t.Final = 15
# From a server that cannot continue where it stopped, a file has to come in one go.
_WHOLE_SECONDS: t.Final = 4 * 3600
# Tries without a byte before a run gives up.
_TRIES: t.Final = 4

_FILE: t.Final = {"mode": "0644", "owner": "root", "group": "wheel"}


class Mirrors(Simple[tuple[Mirror, ...]]):
    """Release directories; what is there and verified is not fetched again."""

    OPTION: t.ClassVar[str] = "mirrors"
    SPEC: t.ClassVar[Options] = list_of(
        {
            "directory": {"type": "str", "required": True},
            "url": {"type": "str", "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "verify": {
                "type": "str",
                "choices": ["signify", "sha256", "none"],
                "default": "signify",
            },
            "key": {"type": "str", "no_log": False},
        }
    )

    def desired(self, options: t.Any, context: Context) -> tuple[Mirror, ...]:
        mirrors = []
        for item in options:
            fields = declared(item)
            mirror = Mirror(**fields | {"names": tuple(dict.fromkeys(fields["names"]))})
            for path in filter(None, (mirror.directory, mirror.key)):
                context.path(path)
            check_mirror(context.name, mirror)
            mirrors.append(mirror)
        return tuple(mirrors)

    def questions(self, desired: tuple[Mirror, ...]) -> Questions:
        lists = [release.list_questions(mirror, mirror.directory) for mirror in desired]
        files = [path for mirror in desired for path in release.asks(mirror)]
        return merged([{"paths": files}, *lists])

    def plan(self, desired: tuple[Mirror, ...], facts: Answer, out: Planning) -> None:
        for mirror in desired:
            sums = release.checksums(mirror, mirror.directory, facts)
            names = release.missing(mirror, sums, facts.paths)
            if names:
                out.jobs.append(Download(mirror, tuple(names), sums, facts.paths))
            elif sums and release.unrecorded(mirror, facts.paths):
                out.step(Phase.COMMIT, _record(mirror, sums))
            for path in release.unwanted_lists(mirror):
                if file := facts.paths.get(path):
                    title = out.title(path)
                    step = removal(title, path, file, sensitive=False, vms=EVERYBODYS)
                    out.purge(path, step)


@dataclass(frozen=True)
class Download:
    """The missing files of a mirror; `sums` is None until there is a list that can be trusted."""

    mirror: Mirror
    names: tuple[str, ...]
    sums: release.Checksums | None
    paths: Paths

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(Change("fetch", release.place(self.mirror, name)) for name in self.names)

    def carry_out(self, agent: Agent, show: t.Callable[[str], None]) -> list[Step]:
        """Fetch the files; return the steps that put them into place.

        `show` gets a line for each file, and for a large one as it grows. Raises OperatorError;
        then the served files are as they were, and what came so far is kept for the next run.
        """
        mirror = self.mirror
        directories = [Directory(mirror.directory), Directory(release.partial(mirror), mode="0700")]
        make = [
            Step("directory", directory.path, {"path": directory.path, **attributes(directory)})
            for directory in directories
            if not self.paths.get(directory.path)
        ]
        if make:
            agent.carry_out("mirror", make)
        names, sums = list(self.names), self.sums
        fresh_list: list[str] = []
        if mirror.verify in release.LISTS and sums is None:
            sums = _fetch_list(agent, mirror, show)
            fresh_list = [release.LISTS[mirror.verify]]
            names = release.missing(mirror, sums, self.paths)
        unlisted = [name for name in names if sums is not None and name not in sums]
        if unlisted:
            raise OperatorError(
                f"{mirror.url} has no {', '.join(unlisted)}; its list has "
                f"{', '.join(sorted(sums or ()))}"
            )
        _fetch_files(agent, mirror, names, sums or {}, show)
        return _place(mirror, [*names, *fresh_list], self.paths, sums)


def _fetch_list(agent: Agent, mirror: Mirror, show: t.Callable[[str], None]) -> release.Checksums:
    name, directory = release.LISTS[mirror.verify], release.partial(mirror)
    _fetch_files(agent, mirror, [name], {}, show, resume=False)
    answer = Answer.of(agent.look(release.list_questions(mirror, directory)))
    sums = release.checksums(mirror, directory, answer)
    if sums is None:
        reasons = "\n".join(result.stderr.strip() for result in answer.runs.values())
        raise OperatorError(
            f"{release.source(mirror, name)} cannot be verified with {mirror.key}: {reasons}\n"
            "Nothing of it is used; fetch from a mirror that has what OpenBSD signed"
        )
    return sums


def _fetch_files(
    agent: Agent,
    mirror: Mirror,
    names: t.Sequence[str],
    sums: release.Checksums,
    show: t.Callable[[str], None],
    *,
    resume: bool = True,
) -> None:
    left = list(names)
    seconds, tries, size = _SLICE_SECONDS, 0, -1
    begin = time.monotonic()
    while left:
        files = [_file(mirror, name, sums.get(name), resume=resume) for name in left]
        answers = agent.fetch(
            {"seconds": seconds, "files": files, "lock": "fetch.lock",
             "begun": _BEGUN, "retrieved": _RETRIEVED, "full": _FULL}
        )  # fmt: skip
        for answer in answers:
            name = left[0]
            passed = int(time.monotonic() - begin)
            if answer["state"] == "done":
                show(f"{name} is here, {size_text(answer['size'])} [{passed} s]")
                left.pop(0)
                seconds, tries, size = _SLICE_SECONDS, 0, -1
                continue
            tries = 0 if answer["size"] > size else tries + 1
            size = answer["size"]
            if answer["state"] == "wrong":
                raise OperatorError(
                    f"{release.source(mirror, name)} does not match its list of checksums and was "
                    f"removed. Fetch from another mirror, or remove the list in {mirror.directory} "
                    "if the release changed"
                )
            if answer["state"] == "failed" and (tries or not size or not resume):
                raise OperatorError(_reason(mirror, name, answer))
            if tries >= _TRIES:
                raise OperatorError(
                    f"{release.source(mirror, name)}: nothing more arrived after {passed} s"
                )
            if answer["begun"]:
                seconds = _WHOLE_SECONDS
            show(f"{name} {size_text(size)} so far [{passed} s]")


def _file(mirror: Mirror, name: str, sha256: str | None, *, resume: bool) -> dict[str, t.Any]:
    path, url = release.partial(mirror, name), release.source(mirror, name)
    argv = [TOOLS["ftp"], "-V", "-M", "-w", str(_CONNECT_SECONDS)]
    file: dict[str, t.Any] = {"path": path, "argv": [*argv, "-o", path, url], **_FILE}
    if resume:
        file["resume"] = [*argv, "-C", "-o", path, url]
    return file | ({"sha256": sha256} if sha256 else {})


def _place(
    mirror: Mirror, names: t.Sequence[str], paths: Paths, sums: release.Checksums | None
) -> list[Step]:
    put: list[Step] = []
    replaced: list[str] = []
    for name in names:
        path, new = release.place(mirror, name), release.partial(mirror, name)
        title = f"{path}: put into place"
        if paths.get(path):
            old = f"{new}.replaced"
            replaced.append(old)
            put.append(run(title, ["/bin/rm", "-f", old]))
            put.append(Step("rename", title, {"from": path, "path": old}))
        put.append(Step("rename", title, {"from": new, "path": path}, change=Change("fetch", path)))
    if sums:
        put.append(_record(mirror, sums))
    # Once all is in place, nothing can fail any more.
    clear = run(f"{mirror.directory}: clear up", ["/bin/rm", "-f", *replaced])
    return [*put, clear] if replaced else put


def _record(mirror: Mirror, sums: release.Checksums) -> Step:
    """Let later looks recognise the files by size, times and inode: reading them takes long."""
    files = {release.place(mirror, name): sums[name] for name in mirror.names}
    title = f"{mirror.directory}: record what was verified"
    return Step("verified", title, {"path": mirror.directory, "files": files})


def _reason(mirror: Mirror, name: str, answer: t.Mapping[str, t.Any]) -> str:
    reason = str(answer["stderr"]).strip() or f"exit status {answer['rc']}"
    text = f"{release.source(mirror, name)} was not fetched: {reason}"
    if re.search(_FULL, reason):
        return f"{text}\n{mirror.directory} has no room for it; the part that arrived was removed"
    return f"{text}\nThe part that arrived is kept, but not served; the next run continues it"
