# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Write the table of variables in each role's README from its argument specs and defaults.

`python tools/role_readmes.py` updates them; a unit test checks that they are current.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).parents[1] / "roles"
BEGIN, END = "<!-- variables: made from meta/argument_specs.yml -->", "<!-- end of variables -->"


def table(role: Path) -> str:
    """Return the variables of a role as a Markdown table."""
    spec = yaml.safe_load((role / "meta/argument_specs.yml").read_text())
    options: Mapping[str, Mapping[str, Any]] = spec["argument_specs"]["main"].get("options", {})
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text()) or {}
    rows = ["| variable | type | default | what it is |", "|---|---|---|---|"]
    for name, option in options.items():
        value = "required" if option.get("required") else f"`{_short(defaults.get(name))}`"
        value = value.replace("|", "\\|")
        kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
        rows.append(f"| `{name}` | {kind} | {value} | {_text(option['description'])} |")
    return "\n".join(rows)


def readme(role: Path) -> str:
    """Return the README with its current table. Raises ValueError without the two marks."""
    text = (role / "README.md").read_text()
    head, begin, rest = text.partition(BEGIN)
    _old, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{role.name}/README.md has no place for its variables: {BEGIN} {END}")
    return f"{head}{BEGIN}\n{table(role)}\n{END}{tail}"


def _short(value: object) -> str:
    if isinstance(value, str):
        return value or "''"
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("...\n").strip()


def _text(description: str | Iterable[str]) -> str:
    text = description if isinstance(description, str) else " ".join(description)
    for mark in ("C(", "M(", "O(", "V("):
        while mark in text:
            before, _mark, after = text.partition(mark)
            inside, _close, after = after.partition(")")
            text = f"{before}`{inside}`{after}"
    return " ".join(text.replace("|", "\\|").split())


def roles() -> list[Path]:
    return sorted(path.parent.parent for path in ROLES.glob("*/meta/argument_specs.yml"))


def main() -> int:
    for role in roles():
        (role / "README.md").write_text(readme(role))
    return 0


if __name__ == "__main__":
    sys.exit(main())
