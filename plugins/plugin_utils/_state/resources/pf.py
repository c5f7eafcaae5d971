# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Rules of pf(4): a file of our own, an anchor for it in pf.conf(5), and what is loaded.

Whether the kernel has these very rules is shown by a label that carries the digest of the file.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS, rcctl
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    NOBODYS,
    Change,
    Step,
    digest,
    run,
    undo,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    DocumentError,
    Options,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import File, parent
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Phase, Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts import pf_conf
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text import blocks, marked
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.ifconfig import Interface, parse

PF_CONF: t.Final = "/etc/pf.conf"
_ANCHOR: t.Final = re.compile(r"\A[A-Za-z][A-Za-z0-9._-]{0,62}\Z")
_PFCTL: t.Final = TOOLS["pfctl"]
_SECONDS: t.Final = 60
# What pfctl(8) warns of is no error to it; what it prints, an operator wants to read.
_CHECK: t.Final = "pfctl -nf {path}"


@dataclass(frozen=True)
class Pf:
    """Rules, the file that they are in, and the anchor that they are loaded into."""

    anchor: str
    path: str
    rules: bytes
    enable: bool = False
    advice: str = ""


@dataclass(frozen=True)
class PfFacts:
    """What pfctl(8) shows: the main rules, those of our anchor, and whether pf is enabled."""

    main: str = ""
    anchor: str = ""
    enabled: bool = True
    links: t.Mapping[str, Interface] = field(default_factory=dict)


@dataclass(frozen=True)
class _Label:
    """A rule that does nothing, and carries the digest of all others.

    It is the first, since a long listing is cut at its end.
    """

    text: str

    @classmethod
    def of(cls, pf: Pf) -> _Label:
        return cls(f"{pf.anchor}:{digest(pf.rules)[:16]}")

    @property
    def rule(self) -> str:
        return f'match label "{self.text}"'

    def loaded(self, rules: str) -> bool:
        return f'label "{self.text}"' in rules


class PfRules:
    """Rules for the kernel. pf.conf keeps every line of its owner."""

    OPTION: t.ClassVar[str] = "pf"
    SPEC: t.ClassVar[Options] = {
        "type": "dict",
        "options": {
            "anchor": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "template": {"type": "str", "required": True},
            "enable": {"type": "bool", "default": False},
            "advice": {"type": "str", "default": ""},
        },
    }

    def wanted(self, given: t.Any, context: Context) -> Pf:
        if not _ANCHOR.match(given["anchor"]):
            raise DocumentError(
                f"{context.name}: {given['anchor']!r} is not a name for an anchor; use letters, "
                "digits and . _ -"
            )
        rules = context.template(given["template"], {}).encode()
        path = context.path(given["path"])
        return Pf(given["anchor"], path, rules, given["enable"], given["advice"])

    def questions(self, want: Pf) -> Questions:
        shows = {
            "main": ["-s", "rules"],
            "anchor": ["-a", want.anchor, "-s", "rules"],
            "info": ["-s", "info"],
        }
        return {
            "paths": [
                {"path": parent(want.path), "hash": 0},
                {"path": "/etc", "hash": 0},
                {"path": want.path, "read": 1},
                {"path": PF_CONF, "read": 1},
            ],
            "run": [
                *({"name": name, "argv": [_PFCTL, *words]} for name, words in shows.items()),
                {"name": "links", "argv": [TOOLS["ifconfig"], "-A"]},
            ],
        }

    def facts(self, answer: Answer, want: Pf) -> PfFacts:
        main, anchor, info = (answer.runs[name].stdout for name in ("main", "anchor", "info"))
        links = parse(answer.runs["links"].stdout)
        return PfFacts(main, anchor, info.startswith("Status: Enabled"), links)

    def plan(self, want: Pf, facts: PfFacts, out: Planning) -> None:
        foreign = marked.split(PF_CONF, out.text(PF_CONF), out.name).foreign
        for text in pf_conf.notices(foreign, want.rules.decode(), facts.links):
            out.warn("pf(4)", text)
        had_main, had_rules = out.path(PF_CONF) is not None, out.path(want.path) is not None
        old = out.text(want.path).encode("utf-8", "surrogateescape")
        rules = _rules(want)
        out.file(replace(rules, vms=frozenset(blocks.changed("pf.conf", old, rules.content))))
        _main(want, out)
        out.after.append(_load_all(out.title("pf(4)")))
        self._load(want, facts, out, _way_back(want, had_main=had_main, had_rules=had_rules))
        if want.enable and not facts.enabled:
            title = out.title("pf(4)")
            back = [undo(_PFCTL, "-d")]
            on = Change("enable", "pf")
            out.step(
                Phase.KERNEL,
                run(title, rcctl("enable", "pf"), change=Change("enable", "pf", "at boot")),
                run(title, [_PFCTL, "-e"], change=on, undo=back, timeout=_SECONDS),
            )
        if not want.enable and not facts.enabled:
            advice = f", or {want.advice}" if want.advice else ""
            out.warn(
                "pf(4)",
                "is disabled on this server, so its rules protect nobody: enable it (pfctl -e, "
                f"rcctl enable pf){advice}",
            )

    def _load(self, want: Pf, facts: PfFacts, out: Planning, back: list[dict[str, t.Any]]) -> None:
        label = _Label.of(want)
        anchored = re.search(rf'^anchor "{re.escape(want.anchor)}"', facts.main, re.MULTILINE)
        changed = out.will_change(PF_CONF) or out.will_change(want.path)
        if out.will_change(PF_CONF) or not anchored:
            load = ["-f", PF_CONF]
        elif changed or not label.loaded(facts.anchor):
            load = ["-a", want.anchor, "-f", want.path]
        else:
            return
        title = out.title("pf(4)")
        change = Change("load the rules of", load[-1], consequence=changed)
        argv = [_PFCTL, "-a", want.anchor, "-s", "rules"]
        said = [re.escape(f'label "{label.text}"')]
        out.step(
            Phase.KERNEL,
            run(
                title,
                [_PFCTL, *load],
                change=replace(change, vms=NOBODYS) if changed else change,
                undo=back,
                undo_always=True,
                timeout=_SECONDS,
            ),
            Step(
                "wait",
                f"{title} does not have the rules that were loaded",
                {"argv": argv, "match": said, "seconds": 5},
            ),
        )

    def review(self, want: Pf, out: Planning) -> None:
        out.file(_rules(want))
        _main(want, out)


def _load_all(title: str) -> Step:
    """Loads what the files say, once they are the ones of another time."""
    argv = [_PFCTL, "-f", PF_CONF]
    change = Change("load the rules of", PF_CONF, vms=NOBODYS, consequence=True)
    back = [undo(*argv, ok=[0], timeout=_SECONDS)]
    return run(title, argv, change=change, undo=back, undo_always=True, timeout=_SECONDS)


def _rules(pf: Pf) -> File:
    head, _blank, rest = pf.rules.partition(b"\n\n")
    text = b"%s\n%s\n\n%s" % (head, _Label.of(pf).rule.encode(), rest)
    return File(pf.path, text, "0600", validate=_CHECK)


def _lines(pf: Pf) -> tuple[str, ...]:
    return (f'anchor "{pf.anchor}"', f'load anchor "{pf.anchor}" from "{pf.path}"')


def _main(pf: Pf, out: Planning) -> None:
    """pf.conf with our two lines, unless its owner wrote them where they are wanted.

    It names the file of our rules, so it can only be checked once that is in its place.
    """
    parts = marked.split(PF_CONF, out.text(PF_CONF), out.name)
    foreign = {" ".join(line.split("#")[0].split()) for line in parts.foreign}
    own = tuple(line for line in _lines(pf) if line not in foreign)
    text = marked.join(replace(parts, own=own), out.name)
    out.edit(PF_CONF, text, new_mode="0600", validate=_CHECK, check_last=True)


def _way_back(pf: Pf, *, had_main: bool, had_rules: bool) -> list[dict[str, t.Any]]:
    """By then the files are the old ones again."""
    back = []
    if had_main:
        back.append(undo(_PFCTL, "-f", PF_CONF, ok=[0], timeout=_SECONDS))
    if had_rules:
        back.append(undo(_PFCTL, "-a", pf.anchor, "-f", pf.path, timeout=_SECONDS))
    else:
        back.append(undo(_PFCTL, "-a", pf.anchor, "-F", "rules", timeout=_SECONDS))
    return back
