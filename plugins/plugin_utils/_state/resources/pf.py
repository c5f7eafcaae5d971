# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Rules of pf(4): a file of our own, an anchor for it in pf.conf(5), and what is loaded.

A label with the digest of the file shows whether the kernel has exactly these rules.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS, rcctl
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    EVERYBODYS,
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
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import File, edited
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Phase, Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts import pf_conf
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text import blocks, marked
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.ifconfig import Interface, parse

PF_CONF: t.Final = "/etc/pf.conf"
_ANCHOR: t.Final = re.compile(r"\A[A-Za-z][A-Za-z0-9._-]{0,62}\Z")
_PFCTL: t.Final = TOOLS["pfctl"]
_SECONDS: t.Final = 60
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


def _label(pf: Pf) -> str:
    """Return the label of a rule that does nothing, with the digest of all others."""
    return f'label "{pf.anchor}:{digest(pf.rules)[:16]}"'


class PfRules:
    """Rules for the kernel; pf.conf keeps every line of its owner."""

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

    def desired(self, options: t.Any, context: Context) -> Pf:
        if not _ANCHOR.match(options["anchor"]):
            raise DocumentError(
                f"{context.name}: {options['anchor']!r} is not a name for an anchor; use letters, "
                "digits and . _ -"
            )
        rules = context.template(options["template"], {}).encode()
        path = context.path(options["path"])
        return Pf(options["anchor"], path, rules, options["enable"], options["advice"])

    def questions(self, desired: Pf) -> Questions:
        shows = {
            "main": ["-s", "rules"],
            "anchor": ["-a", desired.anchor, "-s", "rules"],
            "info": ["-s", "info"],
        }
        return {
            "paths": edited([desired.path, PF_CONF]),
            "run": [
                *({"name": name, "argv": [_PFCTL, *words]} for name, words in shows.items()),
                {"name": "links", "argv": [TOOLS["ifconfig"], "-A"]},
            ],
        }

    def facts(self, answer: Answer, desired: Pf) -> PfFacts:
        main, anchor, info = (answer.runs[name].stdout for name in ("main", "anchor", "info"))
        links = parse(answer.runs["links"].stdout)
        return PfFacts(main, anchor, info.startswith("Status: Enabled"), links)

    def plan(self, desired: Pf, facts: PfFacts, out: Planning) -> None:
        foreign = marked.split(PF_CONF, out.text(PF_CONF), out.name).foreign
        for text in pf_conf.notices(foreign, desired.rules.decode(), facts.links):
            out.warn("pf(4)", text)
        for text in pf_conf.advice(foreign, desired.rules.decode()):
            out.advise("pf(4)", text)
        had_main, had_rules = out.path(PF_CONF) is not None, out.path(desired.path) is not None
        old = out.text(desired.path).encode("utf-8", "surrogateescape")
        rules = _rules(desired)
        vms = blocks.difference("pf.conf", old, rules.content).changed
        out.file(replace(rules, vms=frozenset(vms)))
        _main(desired, out)
        # Loads what the files say, once a rollback has put them back.
        change = Change("load the rules of", PF_CONF, vms=NOBODYS, consequence=True)
        load = ["-f", PF_CONF]
        out.after.append(_pfctl(load, change, out, [undo(_PFCTL, *load, ok=[0], timeout=_SECONDS)]))
        self._load(desired, facts, out, _way_back(desired, had_main=had_main, had_rules=had_rules))
        if desired.enable and not facts.enabled:
            at_boot = Change("enable", "pf", "at boot")
            out.step(
                Phase.KERNEL,
                run(out.title("pf(4)"), rcctl("enable", "pf"), change=at_boot),
                _pfctl(["-e"], Change("enable", "pf"), out, [undo(_PFCTL, "-d")], always=False),
            )
        if not desired.enable and not facts.enabled:
            advice = f", or {desired.advice}" if desired.advice else ""
            out.warn(
                "pf(4)",
                "is disabled on this server, so its rules protect nobody: enable it (pfctl -e, "
                f"rcctl enable pf){advice}",
            )

    def _load(
        self, desired: Pf, facts: PfFacts, out: Planning, back: list[dict[str, t.Any]]
    ) -> None:
        label = _label(desired)
        anchored = re.search(rf'^anchor "{re.escape(desired.anchor)}"', facts.main, re.MULTILINE)
        changed = out.will_change(PF_CONF) or out.will_change(desired.path)
        if out.will_change(PF_CONF) or not anchored:
            load = ["-f", PF_CONF]
        elif changed or label not in facts.anchor:
            load = ["-a", desired.anchor, "-f", desired.path]
        else:
            return
        vms = NOBODYS if changed else EVERYBODYS
        change = Change("load the rules of", load[-1], vms=vms, consequence=changed)
        argv = [_PFCTL, "-a", desired.anchor, "-s", "rules"]
        fields = {"argv": argv, "match": [re.escape(label)], "seconds": 5}
        title = f"{out.title('pf(4)')} does not have the rules that were loaded"
        out.step(Phase.KERNEL, _pfctl(load, change, out, back), Step("wait", title, fields))

    def review(self, desired: Pf, out: Planning) -> None:
        out.file(_rules(desired))
        _main(desired, out)


def _pfctl(
    words: t.Sequence[str],
    change: Change,
    out: Planning,
    back: list[dict[str, t.Any]],
    *,
    always: bool = True,
) -> Step:
    fields = {"undo_always": True} if always else {}
    argv = [_PFCTL, *words]
    return run(out.title("pf(4)"), argv, change, undo=back, timeout=_SECONDS, **fields)


def _rules(pf: Pf) -> File:
    head, _blank, rest = pf.rules.partition(b"\n\n")
    # The label comes first, since a long listing is cut at its end.
    text = b"%s\nmatch %s\n\n%s" % (head, _label(pf).encode(), rest)
    return File(pf.path, text, "0600", validate=_CHECK)


def _lines(pf: Pf) -> tuple[str, ...]:
    return (f'anchor "{pf.anchor}"', f'load anchor "{pf.anchor}" from "{pf.path}"')


def _main(pf: Pf, out: Planning) -> None:
    """Plan pf.conf with our two lines, unless its owner wrote them where they belong.

    It names the file of our rules, so it can only be checked once that is in place.
    """
    parts = marked.split(PF_CONF, out.text(PF_CONF), out.name)
    foreign = {" ".join(line.split()) for line in pf_conf.uncommented(parts.foreign)}
    own = tuple(line for line in _lines(pf) if line not in foreign)
    text = marked.join(replace(parts, own=own), out.name)
    out.edit(PF_CONF, text, new_mode="0600", validate=_CHECK, check_last=True)


def _way_back(pf: Pf, *, had_main: bool, had_rules: bool) -> list[dict[str, t.Any]]:
    """Return what loads the old rules; the files are the old ones by then."""
    back = []
    if had_main:
        back.append(undo(_PFCTL, "-f", PF_CONF, ok=[0], timeout=_SECONDS))
    if had_rules:
        back.append(undo(_PFCTL, "-a", pf.anchor, "-f", pf.path, timeout=_SECONDS))
    else:
        back.append(undo(_PFCTL, "-a", pf.anchor, "-F", "rules", timeout=_SECONDS))
    return back
