# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""`./dev bench`: measure, print tables, and keep the figures for docs/performance.md."""

from __future__ import annotations

import argparse
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench import results
from bench.document import document
from bench.figures import figures
from bench.machine import machine
from bench.rounds import Plan
from bench.stages import STAGES, Table
from bench.table import markdown
from bench.usage import CommandFailed
from sandbox.server import ServerError

ROOT = Path(__file__).parents[2]
PERFORMANCE = ROOT / "docs/performance.md"


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument(
        "stages",
        nargs="*",
        metavar="STAGE",
        help=f"{', '.join(STAGES)}, or a part of one: {', '.join(_parts())} (default: all); "
        "document writes docs/performance.md from the figures that are there",
    )
    parser.add_argument("--rounds", type=int, default=5, help="of each table (default: 5)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=900,
        help="for each table: no round begins that would not end by then (default: 900)",
    )
    parser.add_argument("--files", type=int, default=100, help="for one server (default: 100)")
    parser.add_argument(
        "--limit", type=float, default=600, help="seconds for one command (default: 600)"
    )
    parser.add_argument(
        "--alone", action="store_true", help="without pyinfra and Mitogen, which need work/venv"
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=ROOT / ".dev/bench",
        help="the directory of results.json (default: .dev/bench)",
    )
    return parser.parse_args(words)


def _parts() -> list[str]:
    return [part for parts in STAGES.values() for part in parts]


def chosen(words: list[str]) -> list[str]:
    """The tables that are asked for. Raises ValueError."""
    parts: list[str] = []
    for word in words or STAGES:
        if word not in STAGES and word not in _parts():
            raise ValueError(
                f"{word!r} is not a stage of ./dev bench; there are: {', '.join(STAGES)}, "
                f"{', '.join(_parts())}"
            )
        parts += STAGES.get(word, [word])
    return list(dict.fromkeys(parts))


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    if arguments.stages == ["document"]:
        measured = results.load(arguments.work / "results.json")
        PERFORMANCE.write_text(
            document({name: measured[name] for name in _parts() if name in measured})
        )
        return 0
    stages = {name: stage for parts in STAGES.values() for name, stage in parts.items()}
    try:
        for name in chosen(arguments.stages):
            _measure(name, stages[name], arguments)
    except (ValueError, CommandFailed, ServerError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


def _measure(name: str, stage: Table, arguments: argparse.Namespace) -> None:
    """Measure a table, print it, and keep it with the others. Raises CommandFailed."""
    directory: Path = arguments.work.absolute() / "run" / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    title = stage.title.format(files=arguments.files)
    print(f"== {title}", flush=True)
    on = machine()
    plan = Plan(
        arguments.rounds, arguments.seconds, arguments.limit, arguments.files, directory, _say
    )
    rows = stage.run(plan, None if arguments.alone else arguments.work.absolute() / "venv")
    shutil.rmtree(directory)
    date = datetime.now(UTC).isoformat(timespec="minutes")
    measured = results.Stage(title, date, on, tuple(rows))
    kept = arguments.work / "results.json"
    kept.write_text(results.to_json({**results.load(kept), name: measured}))
    print(f"\n{markdown(figures(rows))}", flush=True)


def _say(text: str) -> None:
    print(f"   {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
