# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Run unit and sanity tests with each pair of ansible-core and Python, if PATH has this Python.

Words choose pairs, as in 2.20 or 2.20/3.13; words after -- replace the tests, as in
`./dev matrix 2.20 -- pytest tests/unit/module_utils`. Each pair has a separate environment.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".dev/matrix"
# The Pythons that a controller may have with each ansible-core, from 3.11 on.
PAIRS = {
    "2.18": ("3.11", "3.12", "3.13"),
    "2.19": ("3.11", "3.12", "3.13"),
    "2.20": ("3.12", "3.13", "3.14"),
    "2.21": ("3.12", "3.13", "3.14"),
}
TESTS = (("pytest", "tests/unit", "-n", "2"), ("python", "tools/run_sanity.py"))
# Packages that depend on the version of ansible-core.
DECIDED = ("ansible-core", "resolvelib")


def requirements(core: str) -> str:
    """Return the requirements of ./dev, with this ansible-core."""
    lines = (ROOT / "tests/requirements.txt").read_text().splitlines()
    kept = [line for line in lines if line.partition("==")[0] not in DECIDED]
    return "\n".join([*kept, f"ansible-core=={core}.*", ""])


def environment(core: str, python: str) -> Path:
    """Return the environment of a pair. Make it if it is missing or its requirements changed."""
    place = WORK / f"{core}-{python}"
    needed, stamp = requirements(core), place / "stamp"
    if not stamp.is_file() or stamp.read_text() != needed:
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([f"python{python}", "-m", "venv", str(place)], check=True)
        (place / "requirements.txt").write_text(needed)
        pip = [str(place / "bin/python"), "-m", "pip", "install", "-qq", "--no-input"]
        pip.append("--disable-pip-version-check")
        subprocess.run([*pip, "-r", str(place / "requirements.txt")], check=True)
        stamp.write_text(needed)
    return place


def run(core: str, python: str, tests: list[list[str]]) -> str:
    """Run tests with a pair and return the result."""
    place = environment(core, python)
    variables = {**os.environ, "PATH": f"{place / 'bin'}:{os.environ['PATH']}"}
    for words in tests:
        print(f"== ansible-core {core}, Python {python}: {shlex.join(words)}", flush=True)
        status = subprocess.run(words, cwd=ROOT, env=variables, check=False).returncode
        if status:
            return f"failed: {shlex.join(words)}"
    return "passed"


def has(python: str) -> bool:
    """Return whether this Python works; the program may be a wrapper that only looks for it."""
    try:
        done = subprocess.run(
            [f"python{python}", "-c", "import ensurepip"], check=False, capture_output=True
        )
    except FileNotFoundError:
        return False
    return done.returncode == 0


def main(words: list[str]) -> None:
    chosen, tests = words, [list(test) for test in TESTS]
    if "--" in words:
        chosen, tests = words[: words.index("--")], [words[words.index("--") + 1 :]]
    pairs = [(core, python) for core, pythons in PAIRS.items() for python in pythons]
    known = {*PAIRS, *(f"{core}/{python}" for core, python in pairs)}
    if unknown := sorted(set(chosen) - known):
        sys.exit(f"not a pair of ansible-core and Python: {', '.join(unknown)}")
    results = {}
    for core, python in pairs:
        pair = f"{core}/{python}"
        if not chosen or {core, pair} & set(chosen):
            results[pair] = run(core, python, tests) if has(python) else "no such Python is here"
    for pair, result in results.items():
        print(f"{pair}: {result}")
    sys.exit(any(result.startswith("failed") for result in results.values()))


if __name__ == "__main__":
    main(sys.argv[1:])
