# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import run_sanity


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def test_the_copy_has_what_git_knows_or_would_add(tmp_path: Path) -> None:
    root, copy = tmp_path / "root", tmp_path / "a/copy"
    (root / "plugins").mkdir(parents=True)
    for name in ("plugins/kept.py", "deleted.py", "new.py", "ignored.pyc"):
        (root / name).write_text(name)
    (root / ".gitignore").write_text("*.pyc\n")
    (root / "link").symlink_to("plugins")
    git(root, "init", "--quiet")
    git(root, "add", "plugins", "deleted.py", "link")
    (root / "deleted.py").unlink()

    run_sanity.copy_checkout(root, copy)

    names = {path.name for path in copy.iterdir()}
    assert names == {".git", ".gitignore", "plugins", "new.py", "link"}
    assert (copy / "plugins/kept.py").read_text() == "plugins/kept.py"
    assert (copy / "link").is_symlink()


def test_settings_of_pip_reach_the_environments_of_ansible_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_TIMEOUT", "123")
    (tmp_path / "pip.conf").write_text("[global]\nretries = 9\n[install]\npre = yes\n")

    run_sanity.make_home(tmp_path / "home")

    written = (tmp_path / "home/.config/pip/pip.conf").read_text().splitlines()
    assert {"[global]", "timeout = 123", "retries = 9", "pre = yes"} <= set(written)
    (script,) = (tmp_path / "home/.ansible/test/cache").iterdir()
    assert script.name.startswith("get_pip_")
    compile(script.read_text(), script.name, "exec")
