# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Run `ansible-test sanity` on a copy of this checkout, using only PyPI from the network.

ansible-test wants the collection under .../ansible_collections/puffy/vmm and takes no symbolic link
for it, so it gets a copy of the files that git knows or would add. Arguments replace the
usual two runs: `./dev run python tools/run_sanity.py --test validate-modules`.
"""

from __future__ import annotations

import ast
import configparser
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ansible_test._internal.host_configs import NativePythonConfig
from ansible_test._internal.python_requirements import get_venv_packages
from checkout import copy_files

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".dev" / "sanity"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

# ansible-test makes environments without pip and downloads a bootstrap script for it from a server
# of its project, unless that script is in its cache. This script uses the pip that comes with
# Python instead. The two options that it drops are get-pip.py's own. It runs pip in child processes
# because pip, once imported, cannot replace itself.
GET_PIP = """\
import subprocess
import sys

wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
subprocess.run([sys.executable, "-m", "pip", "install", "--upgrade", *wanted], check=True)
"""

# Three tests are for what is published: pylint forbids the name `_`, shebang knows no Perl, and
# pep8 takes a tab in a string for one in the code. The tests of the collection are full of these.
PUBLISHED = ("pep8", "pylint", "shebang")
RUNS = [
    [word for name in PUBLISHED for word in ("--skip-test", name)],
    [*(word for name in PUBLISHED for word in ("--test", name)), "plugins/"],
]


def copy_checkout(root: Path, copy: Path) -> None:
    """Copy what git tracks or would track, without what is deleted and not yet committed."""
    copy_files(root, copy)
    # Without a separate repository, git would treat the copy as ignored files of this one.
    subprocess.run(["git", "init", "--quiet"], cwd=copy, check=True)


def pip_settings() -> configparser.ConfigParser:
    """pip's settings here, from files and environment: ansible-test does not pass them on."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    settings = configparser.ConfigParser(interpolation=None)
    settings["global"] = {"quiet": "2"}
    for line in listing.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            settings["global"][name.rpartition(".")[2]] = str(ast.literal_eval(value))
    return settings


def make_home(home: Path) -> None:
    """Create a home directory for ansible-test, so that the user's own does not change."""
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    version = get_venv_packages(NativePythonConfig(version=PYTHON, path=sys.executable))["pip"]
    (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(GET_PIP, encoding="utf-8")
    (home / ".config" / "pip").mkdir(parents=True, exist_ok=True)
    with (home / ".config" / "pip" / "pip.conf").open("w", encoding="utf-8") as stream:
        pip_settings().write(stream)


def main() -> int:
    make_home(WORK / "home")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["HOME"] = str(WORK / "home")
    command = ["ansible-test", "sanity", "--color", "no", "--python", PYTHON]
    with tempfile.TemporaryDirectory(prefix="run", dir=WORK) as directory:
        copy = Path(directory) / "ansible_collections" / "puffy" / "vmm"
        copy_checkout(ROOT, copy)
        results = [
            subprocess.run([*command, *arguments], cwd=copy, env=environment, check=False)
            for arguments in ([sys.argv[1:]] if sys.argv[1:] else RUNS)
        ]
    return max(result.returncode for result in results)


if __name__ == "__main__":
    sys.exit(main())
