# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""State documents from a task's arguments: templates rendered, one file an item where asked."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.server import sysctl
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import (
    Account,
    Directory,
    Document,
    DocumentError,
    File,
    Firmware,
    Image,
    Line,
    Link,
    Mirror,
    Pf,
    Service,
    Tap,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store import site_sets

Render = t.Callable[[str, t.Mapping[str, t.Any]], str]
Find = t.Callable[[str], str]
_PLACE = re.compile(r"<([a-z_]+)>")
# fw_update(8) hands a URL to a shell within single quotes.
_FIRMWARE_SOURCE = re.compile(r"(?:(?:ftp|https?)://|/)[A-Za-z0-9_.,:@%+=~/-]+")
_CONTENTS = ("template", "content", "source")


def document(
    name: str,
    args: t.Mapping[str, t.Any],
    render: Render,
    find: Find = str,
    one_time: t.Mapping[str, str] | None = None,
) -> Document:
    """The document that checked arguments describe.

    `render` turns the name of a template and extra variables into text, `find` the name of a
    file into its path on the controller, and `one_time` has what stands for `<one_time>` in the
    path of an item, by the item's name. Raises DocumentError and Problems.
    """
    paths = _Paths(name, one_time or {})
    files = tuple(_files(paths, args.get("files") or (), render, find))
    directories = tuple(_directories(paths, args.get("directories") or ()))
    if args.get("site_sets"):
        directory, sets = _site_sets(args["site_sets"], render)
        files, directories = (*files, *sets), (*directories, directory)
    return Document(
        name=name,
        files=files,
        directories=directories,
        lines=tuple(Line(**_given(item)) for item in args.get("lines") or ()),
        mirrors=tuple(_mirror(item) for item in args.get("mirrors") or ()),
        images=tuple(Image(**_given(item)) for item in args.get("images") or ()),
        devices=tuple(args.get("devices") or ()),
        sysctls=_sysctls(name, args.get("sysctls") or {}),
        groups=tuple(args.get("groups") or ()),
        accounts=tuple(_accounts(name, args.get("accounts") or ())),
        roster=args.get("roster"),
        services=tuple(_service(item) for item in args.get("services") or ()),
        interfaces=tuple(args.get("interfaces") or ()),
        links=tuple(_links(args)),
        pf=_pf(args["pf"], render) if args.get("pf") else None,
        firmware=tuple(_firmware(name, item) for item in args.get("firmware") or ()),
        vmm=args.get("vmm"),
    )


def _links(args: t.Mapping[str, t.Any]) -> t.Iterator[Link]:
    taps: dict[str, list[Tap]] = {}
    wanted = args.get("taps") or {"switches": (), "vms": ()}
    switches = {switch["name"]: switch["interface"] for switch in wanted["switches"]}
    for vm in wanted["vms"]:
        for place, one in enumerate(vm["interfaces"]):
            tap = Tap(vm["name"], one["group"], place)
            taps.setdefault(switches.get(one["switch"], ""), []).append(tap)
    for item in args.get("links") or ():
        given: dict[str, t.Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in _given(item).items()
        }
        yield Link(**given, taps=tuple(taps.get(item["name"], ())))


def _pf(item: t.Mapping[str, t.Any], render: Render) -> Pf:
    rules = str(render(item["template"], {})).encode()
    return Pf(item["anchor"], item["path"], rules, item.get("enable") or False)


def _given(item: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {key: value for key, value in item.items() if value is not None}


def _sysctls(name: str, values: t.Mapping[str, t.Any]) -> dict[str, str]:
    try:
        return sysctl(plain(values))
    except Refused as refused:
        raise DocumentError(f"{name}: sysctls: {refused}") from refused


def _accounts(name: str, items: t.Iterable[t.Mapping[str, t.Any]]) -> t.Iterator[Account]:
    for item in items:
        options = ",".join(item.get("key_options") or ())
        for one in [item] if item.get("each") is None else item["each"]:
            if not one.get("name"):
                raise DocumentError(f"{name}: an account has no name; give one")
            keys = one.get("ssh_keys") or ()
            yield Account(
                name=one["name"],
                groups=tuple(item.get("groups") or ()),
                authorized_keys=tuple(f"{options} {key}" if options else key for key in keys),
                shell=item.get("shell") or Account.shell,
            )


def _mirror(item: t.Mapping[str, t.Any]) -> Mirror:
    given = _given(item)
    return Mirror(**given | {"names": tuple(dict.fromkeys(given["names"]))})


def _service(item: t.Mapping[str, t.Any]) -> Service:
    given = _given(item)
    return Service(**given | {"shows": tuple(given.get("shows", ()))})


def _directories(paths: _Paths, items: t.Iterable[t.Mapping[str, t.Any]]) -> t.Iterator[Directory]:
    for item in items:
        given = _given(item)
        each = given.pop("each", None)
        for one in [None] if each is None else each:
            path = given["path"] if one is None else paths.fill(given["path"], one).rstrip("/")
            yield Directory(**given | {"path": path})


def _firmware(name: str, item: t.Mapping[str, t.Any]) -> Firmware:
    found = Firmware(**_given(item))
    if found.source and not _FIRMWARE_SOURCE.fullmatch(found.source):
        raise DocumentError(
            f"{name}: firmware: {found.source!r} is no source for fw_update(8); use a URL, as in "
            "http://mirror.example.org/firmware/7.8, or an absolute path of the server"
        )
    return found


def _files(
    paths: _Paths, items: t.Iterable[t.Mapping[str, t.Any]], render: Render, find: Find
) -> t.Iterator[File]:
    for item in items:
        given = _given(item)
        each = given.pop("each", None)
        kinds = {kind: given.pop(kind) for kind in _CONTENTS if kind in given}
        for one in [None] if each is None else each:
            path = given["path"] if one is None else paths.fill(given["path"], one)
            if len(kinds) != 1:
                raise DocumentError(
                    f"{paths.name}: {path} has {' and '.join(kinds) or 'no content'}; give one of "
                    f"{', '.join(_CONTENTS)}"
                )
            if "template" in kinds:
                text = render(kinds["template"], {} if one is None else {"item": one})
                content = str(text).encode()
            elif "content" in kinds:
                content = str(kinds["content"]).encode()
            else:
                source = kinds["source"] if one is None else paths.fill(kinds["source"], one)
                content = _read(paths.name, path, find(source))
            yield File(**given | {"path": path, "content": content})


def _read(name: str, path: str, source: str) -> bytes:
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise DocumentError(f"{name}: {path}: {source}: {error.strerror}") from error


def _site_sets(args: t.Mapping[str, t.Any], render: Render) -> tuple[Directory, list[File]]:
    """The directory without the sets of VMs that are not asked for, and the sets and their list."""
    built = site_sets.build(site_sets.wanted(args, render))
    place = args["directory"]
    files = [File(f"{place}/{name}", content) for name, content in built.items()]
    return Directory(place, purge=site_sets.own_sets(args["release"])), files


@dataclass(frozen=True)
class _Paths:
    """Fills the paths of a document's items."""

    name: str
    one_time: t.Mapping[str, str]

    def fill(self, path: str, one: t.Mapping[str, t.Any]) -> str:
        def value(match: re.Match[str]) -> str:
            if match[1] == "one_time" and one.get("name") in self.one_time:
                return self.one_time[one["name"]]
            if match[1] not in one:
                known = ", ".join(sorted(one))
                raise DocumentError(
                    f"{self.name}: {path}: an item has no {match[1]}; it has {known}"
                )
            return str(one[match[1]])

        return _PLACE.sub(value, path)
