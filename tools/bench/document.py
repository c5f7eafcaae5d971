# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""docs/performance.md, from the figures."""

from __future__ import annotations

from collections.abc import Mapping

from bench.figures import figures
from bench.results import Stage
from bench.table import markdown

_HEAD = """\
<!-- Written by `./dev bench document`: change tools/bench/document.py, not this file. -->

# Performance

`./dev bench` measures what the collection costs the machine that it runs on, next to what other
tools cost there for the same work in the same run, and writes the figures to
`.dev/bench/results.json`. This page is made from them by `./dev bench document`. Each table names
its day and its machine. A load (of the last 1, 5 and 15 minutes) above zero before it began means
that others were at work on the machine too: read the ratios then, not the seconds.

`./dev bench files`, `site`, `fleet` or `latency` measures a part, `./dev bench --help` says what
else can be set. Nothing here is a test that fails: how many SSH executions a run takes is held by
tests.

## How to read the tables

* **wall** is the time from start to end, **CPU** the processor time of the command and all
  processes that it starts. Both are medians of the rounds, with the fastest and the slowest. In
  each round everything is measured once, in turn. A **ratio** is the median of the ratios within
  a round, so what slows the machine down for a while slows down both sides of it.
* Each command begins without a connection. The key exchange is in its CPU time. `ssh` processes
  that stay in the background (ControlPersist) only pass on data from then on; their time is in
  **conn. CPU** and in no ratio. Servers run beforehand and elsewhere, and are not in any figure
  but wall time.
* **MiB** is the largest resident set of one process, **SSH** the number of SSH executions that
  the servers counted.
* The servers of puffy.vmm are the stand-ins of `tests/sandbox`: a real sshd, OpenBSD's perl
  modules, and a container for each session, which takes longer than a plain session does. The one
  raw task on the same server has that in it too.
* Other tools need Python on the server, or know nothing of OpenBSD's stand-in. They write to an
  ordinary account of the same machine, behind an sshd of the same version, with a shell that
  reads no start-up files and an interpreter that needs no discovery. Their wall time is that of a
  faster server.
* `ansible.builtin.copy` is a loop over the files, with pipelining; Mitogen is the same play with
  its strategy; pyinfra has an operation for each file. *unchanged* finds all files as they should
  be, *first* finds none of them. After each command it is checked that the files are there.
* *Further away* is a program on the loopback that passes on what it gets half a round trip later,
  in both directions. It does not limit the width of the line.
"""

# A load, as uptime(1) has it, from which on others were at work.
_BUSY = 0.5
_NOTE = "**The machine was busy with other work: of these figures only the CPU ratios mean much.**"
_ONCE = "There was one round: what slowed a single command down is in its ratios."


def document(stages: Mapping[str, Stage]) -> str:
    """The page, with a table for each stage."""
    return _HEAD + "".join(_section(stage) for stage in stages.values())


def _section(stage: Stage) -> str:
    where = "; ".join(f"{name} {value}" for name, value in stage.machine.items())
    text = f"\n## {stage.title}\n\nMeasured {stage.date}: {where}.\n\n"
    if float(stage.machine.get("load before", "0").split()[0]) > _BUSY:
        text += f"{_NOTE}\n\n"
    if any(len(row.rounds) == 1 for row in stage.rows):
        text += f"{_ONCE}\n\n"
    return text + markdown(figures(stage.rows))
