# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Build the archive in .dev/package, import it as Ansible Galaxy does, and run from it.

The last step is an execution environment without its container: a virtual environment with what
ansible-builder(1) finds that the collection needs, in which ansible-runner runs the example.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import yaml
from checkout import copy_files

from package.importer import complaints

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / ".dev/package"
# The environment in which this runs.
PROGRAMS = Path(sys.executable).parent
# What an execution environment has before any collection.
RUNTIME = ("ansible-core==2.19.*", "ansible-runner")


class Failed(Exception):
    """A step failed; the text says which and how."""


def call(directory: Path, *words: str | Path, **variables: str) -> str:
    """Return what a program wrote. Raises Failed with that when it fails."""
    done = subprocess.run(
        words,
        cwd=directory,
        # Nothing of the checkout: what is not in the archive is not there.
        env={
            "PATH": f"{Path(words[0]).parent}:{os.environ['PATH']}",
            "HOME": str(WORK / "home"),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_COLLECTIONS_PATH": str(WORK / "collections"),
            **variables,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{' '.join(map(str, words))}:\n{done.stdout}")
    return done.stdout


def build() -> Path:
    """Return the archive, of the files of this checkout alone."""
    for name in ("checkout", "collections", "environment", "home", "run"):
        shutil.rmtree(WORK / name, ignore_errors=True)
    (WORK / "home").mkdir(parents=True)
    copy_files(ROOT, WORK / "checkout")
    words = ("collection", "build", "--force", "--output-path", WORK)
    call(WORK / "checkout", PROGRAMS / "ansible-galaxy", *words)
    meta = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    return WORK / f"{meta['namespace']}-{meta['name']}-{meta['version']}.tar.gz"


def judge(archive: Path) -> None:
    """Import the archive as Galaxy does. ansible-lint and ansible-test have separate stages."""
    output = call(
        WORK,
        PROGRAMS / "python",
        *("-m", "galaxy_importer.main", archive),
        GALAXY_IMPORTER_RUN_FLAKE8="true",
        GALAXY_IMPORTER_RUN_ANSIBLE_LINT="false",
        GALAXY_IMPORTER_CHECK_REQUIRED_TAGS="true",
    )
    if wrong := complaints(output):
        raise Failed("galaxy-importer:\n" + "\n".join(wrong))


def run_from(archive: Path) -> None:
    """Run the example from the archive, with what ansible-builder finds that it needs."""
    words = ("collection", "install", "--offline", "-p", WORK / "collections", archive)
    call(WORK, PROGRAMS / "ansible-galaxy", *words)
    needed = WORK / "needed.txt"
    introspect = ("introspect", "--write-pip", needed, WORK / "collections")
    call(WORK, PROGRAMS / "ansible-builder", *introspect)
    environment = WORK / "environment"
    venv.create(environment, with_pip=True)
    pip = ("-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input")
    call(WORK, environment / "bin/python", *pip, *RUNTIME, "-r", needed)
    example = WORK / "collections/ansible_collections/puffy/vmm/inventories/example"
    for playbook, setting in (
        ("allocate", "vmm_credentials=false"),
        ("render", f"render_to={WORK / 'run/rendered'}"),
    ):
        run = ("run", WORK / "run", "--inventory", example, "-p", f"puffy.vmm.{playbook}")
        call(WORK, environment / "bin/ansible-runner", *run, "--cmdline", f"-e {setting}")
    if 'vm "db1"' not in (WORK / "run/rendered/server1/etc/vm.conf").read_text():
        raise Failed(f"no vm.conf of the example in {WORK / 'run/rendered'}")


def main() -> None:
    archive = build()
    judge(archive)
    run_from(archive)
    print(f"The archive is {archive}")


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit(str(error))
