# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Fake servers that answer questions as the agent does, and documents from a task's arguments.

So a test goes the way of a task: argument spec, wanted state, questions, answers, facts, plan.
"""

from __future__ import annotations

import base64
import re
import typing as t
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Change, Step, digest
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import (
    Answer,
    PathFacts,
    Questions,
    UserFacts,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import Context
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import (
    DOCUMENT,
    Document,
    document,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import Plan, plan, questions

DIRECTORY: t.Final = PathFacts("directory", "0755", "root", "wheel", 512)
_ALWAYS: t.Final = ("/", "/etc", "/etc/ssh", "/var", "/var/db", "/var/run/rc.d")
LINK: t.Final = PathFacts("link", "0755", "root", "wheel", 4)


class Content(t.NamedTuple):
    """A file, and what lstat(2) says of it."""

    data: bytes
    mode: str = "0644"
    owner: str = "root"
    group: str = "wheel"
    mtime: int = 0

    @property
    def facts(self) -> PathFacts:
        size, sha256 = len(self.data), digest(self.data)
        return PathFacts("file", self.mode, self.owner, self.group, size, sha256, mtime=self.mtime)


# A file's text, a file with attributes, or what else is there.
Thing = str | bytes | Content | PathFacts | None
# Exit status and output of a command.
Output = tuple[int, str]


@dataclass(frozen=True)
class Server:
    """A server that answers questions. A command that is not in `outputs` is the test's mistake.

    The directories of all that is there are there too.
    """

    things: t.Mapping[str, Thing] = field(default_factory=dict)
    outputs: t.Mapping[str, Output] = field(default_factory=dict)
    users: t.Mapping[str, UserFacts] = field(default_factory=dict)
    groups: t.Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # Why opening a device fails, "" where it does not.
    devices: t.Mapping[str, str] = field(default_factory=dict)

    def plus(self, things: t.Mapping[str, Thing] | None = None, **fields: t.Any) -> Server:
        """The server with more of something, or with something else in its place."""
        merged: dict[str, t.Any] = {"things": {**self.things, **(things or {})}}
        for name, more in fields.items():
            merged[name] = {**getattr(self, name), **more}
        return replace(self, **merged)

    def answers(self, asks: t.Mapping[str, Questions]) -> dict[str, Answer]:
        return {key: Answer.of(self.raw(question)) for key, question in asks.items()}

    def raw(self, asks: Questions) -> dict[str, t.Any]:
        """The JSON that the agent gives to the questions of one key."""
        unknown = asks.keys() - {"paths", "list", "open", "run", "users", "rosters", "groups"}
        assert not unknown, f"the agent knows no questions of kind {unknown}"
        paths: dict[str, t.Any] = {}
        read: dict[str, str] = {}
        for ask in asks.get("paths", ()):
            path = ask["path"]
            paths[path] = self._look(path, ask.get("hash", 1))
            data = self._data(path)
            if ask.get("read") and data is not None:
                read[path] = base64.b64encode(data).decode()
        entries: dict[str, list[str]] = {}
        for ask in asks.get("list", ()):
            self._list(ask, paths, entries)
        listed = [(self._data(path) or b"").decode().split() for path in asks.get("rosters", ())]
        names = {*asks.get("users", ()), *(name for names in listed for name in names)}
        return {
            "paths": paths,
            "read": read,
            "list": entries,
            "open": {path: self.devices[path] for path in asks.get("open", ())},
            "run": {ask["name"]: self._run(ask["argv"]) for ask in asks.get("run", ())},
            "users": {
                name: {**vars(user), "groups": list(user.groups)}
                for name, user in self.users.items()
                if name in names
            },
            "groups": {
                name: " ".join(self.groups[name])
                for name in asks.get("groups", ())
                if name in self.groups
            },
        }

    def _facts(self, path: str) -> PathFacts | None:
        thing = self.things.get(path)
        if thing is None:
            below = any(name.startswith(f"{path}/") for name in self._there())
            return DIRECTORY if below or path in _ALWAYS else None
        if isinstance(thing, str):
            thing = thing.encode("utf-8", "surrogateescape")
        if isinstance(thing, bytes):
            thing = Content(thing)
        return thing.facts if isinstance(thing, Content) else thing

    def _there(self) -> list[str]:
        return [path for path, thing in self.things.items() if thing is not None]

    def _data(self, path: str) -> bytes | None:
        thing = self.things.get(path)
        if isinstance(thing, str):
            return thing.encode("utf-8", "surrogateescape")
        if isinstance(thing, Content):
            return thing.data
        return thing if isinstance(thing, bytes) else None

    def _look(self, path: str, hashed: int = 1) -> dict[str, t.Any] | None:
        facts = self._facts(path)
        if facts is None:
            return None
        return vars(facts if hashed else replace(facts, sha256=None))

    def _names_in(self, path: str) -> list[str]:
        below = (name.removeprefix(f"{path}/") for name in self._there()
                 if name.startswith(f"{path}/"))  # fmt: skip
        return list(dict.fromkeys(name.partition("/")[0] for name in below))

    def _list(
        self, ask: t.Mapping[str, t.Any], paths: dict[str, t.Any], entries: dict[str, list[str]]
    ) -> None:
        facts = self._facts(ask["path"])
        if facts is None or facts.type != "directory":
            return
        entries[ask["path"]] = self._names_in(ask["path"])
        for name in entries[ask["path"]] if "within" in ask else ():
            path = f"{ask['path']}/{name}"
            if not re.search(ask["within"], name):
                continue
            paths[path] = self._look(path)
            if paths[path]["type"] == "directory":
                entries[path] = self._names_in(path)
                paths |= {f"{path}/{one}": self._look(f"{path}/{one}") for one in entries[path]}

    def _run(self, argv: t.Sequence[str]) -> dict[str, t.Any]:
        assert argv[0].startswith("/"), argv
        command = " ".join([PurePosixPath(argv[0]).name, *argv[1:]])
        assert command in self.outputs, f"the server of this test does not know: {command}"
        rc, text = self.outputs[command]
        return {"rc": rc, "stdout": text, "stderr": ""}


def service(
    name: str, *, enabled: bool = True, running: bool = True, flags: str = "", timeout: int = 30
) -> dict[str, Output]:
    """What rcctl(8) says of a service."""
    shown = flags if enabled else "NO"
    text = (
        f"{name}_class=daemon\n{name}_flags={shown}\n{name}_timeout={timeout}\n{name}_user=root\n"
    )
    return {
        f"rcctl get {name}": (0 if enabled else 1, text),
        f"rcctl check {name}": (0, f"{name}(ok)\n") if running else (1, f"{name}(failed)\n"),
    }


def unknown_service(name: str) -> dict[str, Output]:
    return {f"rcctl get {name}": (2, ""), f"rcctl check {name}": (1, "")}


def user(*groups: str, group: str = "", shell: str = "/bin/ksh", name: str = "puffy") -> UserFacts:
    return UserFacts(f"/home/{name}", shell, group or name, groups)


def template(name: str, extra: t.Mapping[str, t.Any]) -> str:
    """The text of a template that is its own name, and shows what it is given."""
    return f"{name} {dict(extra)}" if extra else name


def wants(
    name: str = "r",
    /,
    *,
    texts: t.Mapping[str, str] | None = None,
    one_time: t.Mapping[str, str] | None = None,
    **args: t.Any,
) -> Document:
    """The document that a task's arguments describe; `texts` are templates by their names."""
    result = ArgumentSpecValidator(DOCUMENT).validate({"name": name, **args})
    assert not result.error_messages, result.error_messages

    def rendered(file: str, extra: t.Mapping[str, t.Any]) -> str:
        return (texts or {}).get(file) or template(file, extra)

    return document(result.validated_parameters, Context(name, rendered, one_time=one_time or {}))


def plan_on(documents: Document | t.Sequence[Document], server: Server | None = None) -> Plan:
    """What is planned for a server. Raises PlanError for what cannot be had there."""
    several = [documents] if isinstance(documents, Document) else documents
    made = plan(several, (server or Server()).answers(questions(several)))
    made.raise_errors()
    return made


def changes(made: Plan) -> list[str]:
    return [str(change) for _name, change in made.changes]


def change(made: Plan, begin: str) -> Change:
    """The one change whose words begin so."""
    (found,) = (change for _name, change in made.changes if str(change).startswith(begin))
    return found


def notices(made: Plan) -> list[str]:
    return [f"{part.name}: {notice}" for part in made.parts for notice in part.warnings]


def brief(step: Step) -> str:
    """A step in a word or two: what it does, and to what or with which command."""
    if step.do in ("run", "wait", "hear"):
        words = [word if isinstance(word, str) else "{path}" for word in step.fields["argv"]]
        words[0] = words[0].rpartition("/")[2]
        return f"{step.do} {' '.join(words)}"
    return f"{step.do} {step.fields['path']}"


def steps(made: Plan) -> list[str]:
    return [brief(step) for step in made.steps]


def commands(made: Plan) -> list[str]:
    """The commands that change something, or that are checks before it, without waits."""
    return [text.removeprefix("run ") for text in steps(made) if text.startswith("run ")]


def undos(made: Plan, *, later: bool = False) -> list[str]:
    """The way back, in its order; `later`: what a later run still does after one was cut off."""
    return [
        " ".join([PurePosixPath(back["argv"][0]).name, *back["argv"][1:]])
        for step in reversed(made.steps)
        for back in step.fields.get("undo", ())
        if not (later and back.get("at_once"))
    ]


def staged(made: Plan) -> dict[str, str]:
    """The texts of files that change, by their paths."""
    return {
        step.fields["path"]: (step.content or b"").decode("utf-8", "surrogateescape")
        for step in made.steps
        if step.do == "stage"
    }
