# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How long work goes on: lines for people, and the same as data for the task's result."""

from __future__ import annotations

import typing as t


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
        """One line on a VM: its step, what is known of that, what it waits for, and the time.

        `seconds` counts from the beginning of the work. Figures are in bytes, 0 for unknown.
        """
        detail = f" ({known})" if known else ""
        wait = f", waiting for {waits_for}" if waits_for else ""
        self.say(f"{vm} {step}{detail}{wait} [{seconds:.0f} s]")
        last = next((x for x in reversed(self.steps) if x["vm"] == vm), None)
        begun = last["begun"] if last and last["step"] == step else round(seconds)
        if last and last["step"] == step:
            self.steps.remove(last)
        entry = {"vm": vm, "step": step, "begun": begun, "seconds": round(seconds)}
        entry |= {"known": known, "waits_for": waits_for}
        self.steps.append(entry | figures)
