# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Write docs/performance.md from the figures."""

from __future__ import annotations

from collections.abc import Mapping

from bench.figures import figures
from bench.results import Stage
from bench.table import markdown

_HEAD = """\
<!-- Written by `./dev bench document`: change tools/bench/document.py, not this file. -->

# Performance

What runs cost on the controller, compared with other tools doing the same work on the same
machine. `./dev bench` measures it and writes the results to `.dev/bench/results.json`, and
`./dev bench document` turns them into this page. Each table shows its date and machine. If the load
(of the last 1, 5 and 15 minutes) was above zero beforehand, the machine was also busy with other
work: read the ratios then, not the seconds.

`./dev bench files`, `site`, `fleet` or `latency` measures one part, and `./dev bench --help` lists
all options. These measurements are not tests; separate tests check how many SSH executions a run
takes.

## How to read the tables

* **wall** is the time from start to end, **CPU** the processor time of the command and all
  processes that it starts. Both are medians over the rounds, with the fastest and the slowest
  round. Each round measures everything once, in turn. A **ratio** is the median of the ratios
  within a round, so anything that slows the machine down for a while affects both sides of it.
* Each command starts without a connection, so its CPU time includes the key exchange, which is
  curve25519-sha256 with all servers: what OpenSSH 9.2 prefers takes 0.1 s more. After that, `ssh`
  processes in the background (ControlPersist) only pass on data; their time is in **conn. CPU** and
  in no ratio. Servers are started beforehand and separately; only the wall time includes their
  work.
* **MiB** is the largest resident set of a single process, **SSH** the number of SSH executions
  that the servers counted.
* The servers of puffy.vmm are the stand-ins of `tests/sandbox`: a real sshd, OpenBSD's perl
  modules, and a container for each session, which is slower than a plain session. The row "one raw
  task" on the same server includes this overhead too.
* The other tools need Python on the server, or do not support the OpenBSD stand-in. They write to
  an ordinary account on the same machine, behind the same version of sshd, with a shell that reads
  no start-up files and an interpreter that needs no discovery. Their wall time is therefore that of
  a faster server.
* `ansible.builtin.copy` is a loop over the files, with pipelining; Mitogen is the same play with
  its strategy; pyinfra has one operation per file. With *unchanged*, all files are already correct;
  with *first*, none exist. After each command, the benchmark checks that the files are there.
* *Further away* is a program on the loopback interface that passes on data half a round trip later,
  in both directions. It does not limit the bandwidth.
"""

# A load average, as in uptime(1), above which the machine counts as busy.
_BUSY = 0.5
_NOTE = "**The machine was busy with other work: only the CPU ratios are meaningful.**"
_ONCE = "Only one round: anything that slowed down a single command affects its ratios."


def document(stages: Mapping[str, Stage]) -> str:
    """Return the page, with a table for each stage."""
    return _HEAD + "".join(_section(stage) for stage in stages.values())


def _section(stage: Stage) -> str:
    where = "; ".join(f"{name} {value}" for name, value in stage.machine.items())
    text = f"\n## {stage.title}\n\nMeasured {stage.date}: {where}.\n\n"
    if float(stage.machine.get("load before", "0").split()[0]) > _BUSY:
        text += f"{_NOTE}\n\n"
    if any(len(row.rounds) == 1 for row in stage.rows):
        text += f"{_ONCE}\n\n"
    return text + markdown(figures(stage.rows))
