# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How servers differ from what the fleet says, from the results of roles in check mode."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass, field

from ansible_collections.puffy.vmm.plugins.module_utils._formats.columns import aligned
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import time_words

Result = t.Mapping[str, t.Any]

_HEAD: t.Final = ("SERVER", "ROLE", "DIFFERENCE", "LAST APPLIED")
_NEVER: t.Final = "never"


@dataclass(frozen=True)
class Row:
    """One difference, or one reason why there may be some.

    `kind` is change, notice, pending restart, failed, unreachable or unchecked; `what` is what a
    run would do, or a message of one or more lines; `last_applied` is a time in UTC, or None.
    """

    server: str
    role: str
    kind: str
    what: str
    last_applied: str | None = None


@dataclass(frozen=True)
class Drift:
    """All differences of these servers, in the order of the servers and roles.

    `generations` has the present one by the server's name, see generations.py.
    """

    servers: tuple[str, ...]
    rows: tuple[Row, ...]
    generations: t.Mapping[str, t.Mapping[str, t.Any]] = field(default_factory=dict)

    @property
    def fine(self) -> tuple[str, ...]:
        """The servers that were checked and are as they should be."""
        bad = {row.server for row in self.rows}
        return tuple(name for name in self.servers if name not in bad)

    def summary(self) -> str:
        """Return a line: how many servers are fine, and what is wrong with the others."""
        total = len(self.servers)
        if not self.rows:
            return f"{_count(total)} checked, no difference"
        parts: list[str] = []
        seen: set[str] = set()
        # A server counts once, for the worst that is wrong with it.
        for kinds, words in (
            (("unreachable",), "not reached"),
            (("failed", "unchecked"), "not checked completely"),
            (("change", "notice", "pending restart"), "not as the fleet says"),
        ):
            servers = dict.fromkeys(row.server for row in self.rows if row.kind in kinds)
            names = [name for name in servers if name not in seen]
            seen.update(names)
            if names:
                parts.insert(0, f"{len(names)} {words} ({', '.join(names)})")
        return f"of {_count(total)}, {', '.join(parts)}"

    def table(self) -> str:
        """Return the differences for people, a line each, and the servers that are fine."""
        lines: list[str] = []
        if self.rows:
            cells = [cells for row in self.rows for cells in _cells(row)]
            lines = [*aligned([_HEAD, *cells]), ""]
        if self.fine:
            lines.append(f"as the fleet says: {', '.join(self.fine)}")
        if self.generations:
            present = [f"{name} {each['number']}" for name, each in self.generations.items()]
            lines.append(f"present generation of files: {', '.join(present)}")
        return "\n".join(lines).rstrip()

    def data(self) -> list[dict[str, t.Any]]:
        """Return the differences for programs."""
        return [asdict(row) for row in self.rows]


def drift(results: t.Mapping[str, Result]) -> Drift:
    """Return what differs, from the results of comparisons by server.

    A server with an empty result was not checked, which is shown too.
    """
    rows = [row for server, result in results.items() for row in _of_server(server, result)]
    present = {
        server: result["generation"] for server, result in results.items() if "generation" in result
    }
    return Drift(tuple(results), tuple(rows), present)


def _of_server(server: str, result: Result) -> t.Iterator[Row]:
    applied = result.get("last_applied")
    if result.get("unreachable"):
        yield Row(server, "", "unreachable", f"not reached: {_message(result)}")
    elif result.get("failed"):
        yield Row(server, "", "failed", f"failed: {_message(result)}")
    elif "details" not in result:
        yield Row(server, "", "unchecked", "not checked")
    for error in result.get("errors") or ():
        yield Row(server, str(error["document"]), "failed", f"failed: {error['text']}")
    for name in _documents(result):
        details = [item for item in result["details"] if item["document"] == name]
        causes = [item for item in details if not item["consequence"]]
        for item in causes or details:
            yield Row(server, name, "change", str(item["change"]), applied)
        for notice in result.get("notices") or ():
            if notice["document"] == name:
                yield Row(server, name, "notice", str(notice["text"]), applied)
    for name in result.get("pending_restart") or ():
        text = f"{name} runs with an older definition until it is restarted"
        yield Row(server, "", "pending restart", text, applied)


def _documents(result: Result) -> list[str]:
    """Return the names of documents that have something to show, in their order."""
    items = [*(result.get("details") or ()), *(result.get("notices") or ())]
    return list(dict.fromkeys(str(item["document"]) for item in items))


def _message(result: Result) -> str:
    return str(result.get("msg") or "it does not say why").strip().removeprefix("Task failed: ")


def _cells(row: Row) -> t.Iterator[tuple[str, str, str, str]]:
    first, *more = row.what.splitlines() or [""]
    applied = ""
    if row.kind in ("change", "notice", "pending restart"):
        applied = time_words(row.last_applied or _NEVER)
    yield row.server, row.role, first, applied
    for line in more:
        yield "", "", f"  {line}", ""


def _count(servers: int) -> str:
    return "1 server" if servers == 1 else f"{servers} servers"
