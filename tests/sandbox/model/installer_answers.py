# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How the installer finds its answers in a response file (autoinstall(8), install.sub)."""

from __future__ import annotations

import re

BLANKS = " \t"


class NoAnswerError(LookupError):
    """A question without default has no line in the response file."""


class Answers:
    """A response file. Each line answers one question and is gone afterwards."""

    def __init__(self, text: str) -> None:
        self.text = text

    def respond(self, question: str, default: str = "") -> str:
        """The answer of the first line that fits, else the default; NoAnswerError without one.

        A line fits if its key is a run of whole words of the question, whatever the case. Lines
        that answer nothing are lost on the way; the last one counts only with its line end.
        """
        kept = ""
        rest = self.text
        while "\n" in rest:
            line, _, rest = rest.partition("\n")
            line = line.strip(BLANKS)
            if not _is_answer(line):
                continue
            key, _, value = line.partition("=")
            if _fits(key.rstrip(BLANKS), question):
                self.text = kept + rest
                return value.lstrip(BLANKS)
            kept += f" {line}\n"
        self.text = kept
        if not default:
            raise NoAnswerError(question)
        return default


def _is_answer(line: str) -> bool:
    """Whether there is something on both sides of an equal sign, and no comment."""
    return line[:1] not in ("", "#", "=") and "=" in line[1:-1]


def _fits(key: str, question: str) -> bool:
    words = re.escape(key.lower())
    pattern = rf"(?:.*[ \t])?{words}(?:[ \t?].*)?"
    return re.fullmatch(pattern, question.lower(), re.DOTALL) is not None
