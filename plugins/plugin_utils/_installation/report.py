# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How far long work is: lines for people, and the same as data for the task's result."""

from __future__ import annotations

import typing as t

# Seconds between two lines on work that is still at the same step.
LINE_SECONDS: t.Final = 15


class Report:
    """`show` takes whole lines, without carriage returns: there need not be a terminal.

    `steps` has, for each step of each VM, what its last line said, and when it began.
    """

    def __init__(self, show: t.Callable[[str], None]) -> None:
        self._show = show
        self.steps: list[dict[str, t.Any]] = []

    def say(self, text: str) -> None:
        self._show(f"  {text}")

    def step(
        self, vm: str, step: str, seconds: float, *, known: str = "", waits_for: str = "",
        **figures: int,
    ) -> None:  # fmt: skip
        """Show one line on a VM: its step, what is known of it, what it waits for, and the time.

        `seconds` counts from the beginning of the work. Figures are in bytes, 0 for unknown.
        """
        detail = f" ({known})" if known else ""
        wait = f", waiting for {waits_for}" if waits_for else ""
        self.say(f"{vm} {step}{detail}{wait} [{seconds:.0f} s]")
        last = next((entry for entry in reversed(self.steps) if entry["vm"] == vm), None)
        begun = last["begun"] if last and last["step"] == step else round(seconds)
        if last and last["step"] == step:
            self.steps.remove(last)
        entry = {"vm": vm, "step": step, "begun": begun, "seconds": round(seconds)}
        entry |= {"known": known, "waits_for": waits_for}
        self.steps.append(entry | figures)
