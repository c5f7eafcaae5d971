# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What differs on servers from what the fleet says, from the results of roles in check mode."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass, field

Result = t.Mapping[str, t.Any]

_HEAD: t.Final = ("SERVER", "ROLE", "DIFFERENCE", "LAST APPLIED")
_NEVER: t.Final = "never"


@dataclass(frozen=True)
class Row:
    """One difference, or one reason why there may be some.

    `kind` is change, notice, pending restart, failed, unreachable or unchecked; `what` is what a
    run would do, or a message of one or more lines; `last_applied` is a time in UTC, None for none.
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
        """The servers that were looked at, and are as they should be."""
        bad = {row.server for row in self.rows}
        return tuple(name for name in self.servers if name not in bad)

    def summary(self) -> str:
        """One line: how many servers are fine, and what is with the others."""
        total = len(self.servers)
        if not self.rows:
            return f"{_count(total)} checked, no difference"
        parts: list[str] = []
        seen: set[str] = set()
        # A server counts once, for the worst that is with it.
        for kinds, words in (
            (("unreachable",), "not reached"),
            (("failed", "unchecked"), "not checked to the end"),
            (("change", "notice", "pending restart"), "not as the fleet says"),
        ):
            names = list(dict.fromkeys(row.server for row in self.rows if row.kind in kinds))
            names = [name for name in names if name not in seen]
            seen.update(names)
            if names:
                parts.insert(0, f"{len(names)} {words} ({', '.join(names)})")
        return f"of {_count(total)}, {', '.join(parts)}"

    def table(self) -> str:
        """The differences for people, a line each, and the servers that are fine."""
        lines: list[str] = []
        if self.rows:
            cells = [_HEAD, *(cells for row in self.rows for cells in _cells(row))]
            # What has nothing behind it, such as a long message, makes no column wide.
            widths = [
                max(len(line[place]) for line in cells if any(line[place + 1 :]))
                for place in range(len(_HEAD) - 1)
            ]
            lines = ["  ".join(map(str.ljust, line, [*widths, 0])).rstrip() for line in cells]
            lines.append("")
        if self.fine:
            lines.append(f"as the fleet says: {', '.join(self.fine)}")
        if self.generations:
            present = [f"{name} {one['number']}" for name, one in self.generations.items()]
            lines.append(f"present generation of files: {', '.join(present)}")
        return "\n".join(lines).rstrip()

    def data(self) -> list[dict[str, t.Any]]:
        """The differences for programs."""
        return [asdict(row) for row in self.rows]


def drift(results: t.Mapping[str, Result]) -> Drift:
    """What differs, from the result that each server's comparison had.

    A server without a result was not looked at, so nobody knows, and that is shown too.
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
    """Names of documents that have something to show, in their order."""
    items = [*(result.get("details") or ()), *(result.get("notices") or ())]
    return list(dict.fromkeys(str(item["document"]) for item in items))


def _message(result: Result) -> str:
    return str(result.get("msg") or "it does not say why").strip().removeprefix("Task failed: ")


def _cells(row: Row) -> t.Iterator[tuple[str, str, str, str]]:
    first, *more = row.what.splitlines() or [""]
    applied = ""
    if row.kind in ("change", "notice", "pending restart"):
        applied = (row.last_applied or _NEVER).replace("T", " ").replace("Z", " UTC")
    yield row.server, row.role, first, applied
    for line in more:
        yield "", "", f"  {line}", ""


def _count(servers: int) -> str:
    return "1 server" if servers == 1 else f"{servers} servers"
