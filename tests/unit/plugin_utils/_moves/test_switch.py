# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A VM becomes another server's in the files of a fleet, wherever that is cut off."""

from __future__ import annotations

import typing as t
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.move import Moves, UnderWay
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import (
    Fleet,
    Inputs,
    build_fleet,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._moves import switch as switching
from ansible_collections.puffy.vmm.plugins.plugin_utils._moves.switch import switch, write_server
from ansible_collections.puffy.vmm.plugins.plugin_utils._store import directory as store
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import (
    FleetDirectory,
    FleetTexts,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import write_file
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.relocation import relocate
from unit.fleets import KEY, SERVERS, WEB1, ledger, vm

TODAY = date(2026, 11, 29)
STAMP = "20261129T120000"
RECORD = "installed: {at: 2026-11-29T03:00:00Z, image: /var/vmm/web1.qcow2, format: qcow2}"


class Killed(BaseException):
    """The controller ends at this point."""


def build(texts: FleetTexts, arriving: Collection[str] = ()) -> Fleet:
    return build_fleet(
        Inputs(
            texts.vms,
            texts.ledgers,
            SERVERS,
            today=TODAY,
            kept=texts.kept,
            moves=texts.moves,
            arriving=arriving,
        )
    )


@pytest.fixture
def fleet(tmp_path: Path) -> FleetDirectory:
    """web1 is on server6, and its move to server7 has begun; web2 is on server7."""
    made = FleetDirectory(tmp_path)
    for name in ("vms", "allocations"):
        (tmp_path / name).mkdir()
    (tmp_path / "vms/web1.yml").write_text(vm("# a comment", memory="1G"))
    (tmp_path / "vms/web2.yml").write_text(
        vm(server="server7", owner="mira", hostname="web2.example.org", ssh_keys=f"[{KEY}]")
    )
    line = f"{WEB1.removesuffix('}')}, {RECORD}}}"
    (tmp_path / "allocations/server6.yml").write_text(ledger(line))
    (tmp_path / "allocations/server7.yml").write_text(
        ledger("web2: {number: 1, mac: fe:e1:bb:d1:c9:01, ipv4: 198.51.100.10}")
    )
    made.write_move("web1", Moves("web1", under_way(made)).render())
    return made


def under_way(fleet: FleetDirectory) -> UnderWay:
    images = relocate(fleet.read(), build, "web1", "server7", TODAY).images(STAMP)
    return UnderWay("server6", "server7", STAMP, "mira@desk, process 7", ran=True, images=images)


@contextmanager
def killed_at(number: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Ends the controller instead of the write of this number; names of files written before."""
    written: list[str] = []

    def write(path: Path, content: bytes, mode: int) -> None:
        if len(written) == number:
            raise Killed
        written.append(path.name if path.parent.name == "vms" else path.stem)
        write_file(path, content, mode)

    with monkeypatch.context() as patch:
        for module in (store, switching):
            patch.setattr(module, "write_file", write)
        yield written


def homes(texts: FleetTexts) -> list[str]:
    """The servers that have web1 to run, by the model that every run goes by."""
    fleet = build(texts)
    assert fleet.problems == ()
    return [vm.server for vm in fleet.vms if vm.name == "web1" and vm.installed]


def test_wherever_it_is_cut_off_it_is_on_one_server_and_the_rest_follows(
    fleet: FleetDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert homes(fleet.read()) == ["server6"]
    move = under_way(fleet)
    before = {path: path.read_bytes() for path in fleet.path.rglob("*.yml")}
    for number, home in enumerate(["server6", "server6", "server7"]):
        for path, content in before.items():
            path.write_bytes(content)
        with killed_at(number, monkeypatch) as written, pytest.raises(Killed):
            switch(fleet, build, "web1", move, TODAY)
        assert written == ["web1.yml", "server7", "server6"][:number]
        assert homes(fleet.read()) == [home]
        web1 = next(vm for vm in build(fleet.read()).vms if vm.name == "web1")
        assert web1.moving == move
        assert web1.refusal is None
        for _again in range(2):
            switch(fleet, build, "web1", move, TODAY)
            assert homes(fleet.read()) == ["server7"]
            text = (fleet.path / "allocations/server6.yml").read_text()
            assert "web1:" not in text
            assert text.count("vm: web1, since: 2026-11-29, ipv4: 203.0.113.16") == 1
        assert (fleet.path / "vms/web1.yml").read_text() == vm(
            "# a comment", server="server7", memory="1G"
        )


def test_it_can_be_given_up_until_the_other_ledger_has_it(
    fleet: FleetDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (fleet.path / "vms/web1.yml").read_bytes()
    with killed_at(1, monkeypatch), pytest.raises(Killed):
        switch(fleet, build, "web1", under_way(fleet), TODAY)
    write_server(fleet, fleet.read(), "web1", "server6")
    fleet.write_move("web1", "")
    assert (fleet.path / "vms/web1.yml").read_bytes() == before
    assert homes(fleet.read()) == ["server6"]


def test_images_that_would_come_to_other_places_by_now_stop_it(fleet: FleetDirectory) -> None:
    move = under_way(fleet)

    def elsewhere(texts: FleetTexts, arriving: Collection[str] = ()) -> Fleet:
        other: t.Any = {**SERVERS["server7"], "vmm_image_directory": "/home/vm"}
        return build_fleet(
            Inputs(
                texts.vms,
                texts.ledgers,
                {**SERVERS, "server7": other},
                today=TODAY,
                moves=texts.moves,
                arriving=arriving,
            )
        )

    before = fleet.read()
    with pytest.raises(OperatorError, match="were to get other places on server7"):
        switch(fleet, elsewhere, "web1", move, TODAY)
    assert fleet.read() == before


def test_a_vm_with_a_broken_file_is_left_alone_while_it_is_moved(fleet: FleetDirectory) -> None:
    kept = build(fleet.read()).kept
    fleet.write_copies(kept)
    (fleet.path / "vms/web1.yml").write_text(vm(memory="1X"))
    web1 = next(vm for vm in build(fleet.read()).vms if vm.name == "web1")
    assert web1.moving
    assert web1.moving.to == "server7"
    (fleet.path / "moves/web1.yml").write_text("under_way: {}\n")
    web1 = next(vm for vm in build(fleet.read()).vms if vm.name == "web1")
    assert "moves/web1.yml cannot be read" in (web1.refusal or "")
