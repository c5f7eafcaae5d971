# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What differs on servers from what the fleet says, from the results of roles in check mode."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass

Result = t.Mapping[str, t.Any]

# The steps that follow from another change and are no difference by themselves.
_CONSEQUENCES: t.Final = ("reload ", "restart ")
_HEAD: t.Final = ("SERVER", "ROLE", "DIFFERENCE", "LAST APPLIED")
_NEVER: t.Final = "never"


@dataclass(frozen=True)
class Row:
    """One difference, or one reason why there may be some.

    `kind` is change, pending restart, failed, unreachable or unchecked; `what` is what a run would
    do, or a message of one or more lines; `last_applied` is a time in UTC, None for none.
    """

    server: str
    role: str
    kind: str
    what: str
    last_applied: str | None = None


@dataclass(frozen=True)
class Drift:
    """All differences of these servers, in the order of the servers and roles."""

    servers: tuple[str, ...]
    rows: tuple[Row, ...]

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
            (("change", "pending restart"), "not as the fleet says"),
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
        return "\n".join(lines).rstrip()

    def data(self) -> list[dict[str, t.Any]]:
        """The differences for programs."""
        return [asdict(row) for row in self.rows]


def drift(results: t.Mapping[str, t.Mapping[str, Result]], roles: t.Sequence[str]) -> Drift:
    """What differs, from each server's results of its roles.

    A role without a result was not looked at, so nobody knows, and that is told too.
    """
    rows = [row for server, found in results.items() for row in _of_server(server, found, roles)]
    return Drift(tuple(results), tuple(rows))


def _of_server(
    server: str, found: t.Mapping[str, Result], roles: t.Sequence[str]
) -> t.Iterator[Row]:
    for role in (*(name for name in found if name not in roles), *roles):
        if role in found:
            yield from _of_role(server, role, found[role])
        if role in found and found[role].get("unreachable"):
            return
    missing = [role for role in roles if role not in found]
    if missing and not any(_failed(result) for result in found.values()):
        yield Row(server, missing[0], "unchecked", f"not checked: {', '.join(missing)}")


def _of_role(server: str, role: str, result: Result) -> t.Iterator[Row]:
    applied = result.get("last_applied")
    if result.get("unreachable"):
        yield Row(server, "", "unreachable", f"not reached: {_message(result)}")
        return
    if _failed(result):
        yield Row(server, role, "failed", f"failed: {_message(result)}")
        return
    changes = [str(change) for change in result.get("changes") or ()]
    causes = [change for change in changes if not change.startswith(_CONSEQUENCES)]
    for change in causes or changes:
        yield Row(server, role, "change", change, applied)
    if result.get("changed") and not changes:
        yield Row(server, role, "change", "changes something that it does not name", applied)
    for name in result.get("pending_restart") or ():
        text = f"{name} runs with an older definition until it is restarted"
        yield Row(server, role, "pending restart", text, applied)


def _failed(result: Result) -> bool:
    return bool(result.get("failed") or result.get("unreachable"))


def _message(result: Result) -> str:
    return str(result.get("msg") or "it does not say why").strip().removeprefix("Task failed: ")


def _cells(row: Row) -> t.Iterator[tuple[str, str, str, str]]:
    first, *more = row.what.splitlines() or [""]
    applied = ""
    if row.kind in ("change", "pending restart"):
        applied = (row.last_applied or _NEVER).replace("T", " ").replace("Z", " UTC")
    yield row.server, row.role, first, applied
    for line in more:
        yield "", "", f"  {line}", ""


def _count(servers: int) -> str:
    return "1 server" if servers == 1 else f"{servers} servers"
