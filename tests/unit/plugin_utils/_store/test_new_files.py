# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""New files are written all or none, whatever happens in between."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.new_files import NotNew, write_new


class CutOff(BaseException):
    """The machine stops: nothing tidies up."""


@pytest.fixture
def files(tmp_path: Path) -> dict[Path, str]:
    (tmp_path / "vms").mkdir()
    return {
        tmp_path / "allocations/server1.yml": "a ledger\n",
        tmp_path / "host_vars/server1.yml": "settings\n",
        tmp_path / "vms/web1.yml": "a VM\n",
    }


def there(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): path.read_text()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_all_are_written(tmp_path: Path, files: dict[Path, str]) -> None:
    before = os.umask(0o077)
    write_new(tmp_path / ".adopting", files)
    os.umask(before)
    assert there(tmp_path) == {str(p.relative_to(tmp_path)): text for p, text in files.items()}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o644}
    assert {path.stat().st_nlink for path in files} == {1}


def test_none_is_where_one_is_there(tmp_path: Path, files: dict[Path, str]) -> None:
    (tmp_path / "vms/web1.yml").symlink_to("nowhere")
    with pytest.raises(NotNew, match=r"vms/web1\.yml: exists already, and no file is overwritten"):
        write_new(tmp_path / ".adopting", files)
    assert there(tmp_path) == {}


@pytest.mark.parametrize("last", range(3))
def test_none_is_where_a_name_is_refused(
    tmp_path: Path, files: dict[Path, str], last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else makes a file of that name meanwhile, or the disk is full."""
    link, calls = os.link, 0

    def refuse(*args: object, **kwargs: object) -> None:
        nonlocal calls
        own = ".adopting" in str(args[0])
        if own and calls == last:
            raise OSError(28, "No space left on device")
        calls += own
        link(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_new(tmp_path / ".adopting", files)
    assert there(tmp_path) == {}


@pytest.mark.parametrize("last", range(4))
def test_what_was_cut_off_is_taken_back(
    tmp_path: Path, files: dict[Path, str], last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, calls = os.link, 0

    def cut(*args: object, **kwargs: object) -> None:
        nonlocal calls
        if ".adopting" in str(args[0]):
            if calls == last:
                raise CutOff
            calls += 1
        link(*args, **kwargs)  # type: ignore[arg-type]

    def never(_path: object) -> None:
        raise CutOff

    monkeypatch.setattr(os, "link", cut)
    monkeypatch.setattr(Path, "unlink", never)
    with pytest.raises(CutOff):
        write_new(tmp_path / ".adopting", files)
    monkeypatch.undo()
    assert len(there(tmp_path)) > len(files)
    # The next time there is one VM less, and somebody has edited what was written already.
    rest = dict(list(files.items())[:2])
    write_new(tmp_path / ".adopting", rest)
    assert there(tmp_path) == {str(p.relative_to(tmp_path)): text for p, text in rest.items()}


def test_what_somebody_changed_since_is_not_taken_back(
    tmp_path: Path, files: dict[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_path: object) -> None:
        raise CutOff

    monkeypatch.setattr(Path, "unlink", never)
    with pytest.raises(CutOff):
        write_new(tmp_path / ".adopting", files)
    monkeypatch.undo()
    with (tmp_path / "vms/web1.yml").open("a") as file:
        file.write("note: mine\n")
    with pytest.raises(NotNew):
        write_new(tmp_path / ".adopting", files)
    assert there(tmp_path) == {"vms/web1.yml": "a VM\nnote: mine\n"}


def test_another_file_system(
    tmp_path: Path, files: dict[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def cross(*args: object, **kwargs: object) -> None:
        if ".adopting" in str(args[0]):
            raise OSError(18, "Cross-device link", str(args[0]), None, str(args[1]))
        link(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "link", cross)
    with pytest.raises(OperatorError, match="is on another file system than"):
        write_new(tmp_path / ".adopting", files)
    assert there(tmp_path) == {}
