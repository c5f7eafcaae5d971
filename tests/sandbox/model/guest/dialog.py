# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The installer's questions as they appear on the console, and their answers (install.sub)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn

from sandbox.target.call import NotModelled

_BLANKS = " \t"


class NoAnswerError(LookupError):
    """A question without default has no line in the response file."""


class InstallerExit(Exception):
    """The installer gives up; its last words are on the console."""


class Answers:
    """A response file. Each line answers one question and is gone afterwards (autoinstall(8))."""

    def __init__(self, text: str) -> None:
        self.text = text

    def respond(self, question: str, default: str = "") -> str:
        """The answer of the first line that fits, else the default; NoAnswerError without one.

        A line fits if its key is a run of whole words of the question, whatever the case. Lines
        that answer nothing are lost on the way; the last one counts only with its line end.
        """
        kept, rest = "", self.text
        while "\n" in rest:
            line, _, rest = rest.partition("\n")
            line = line.strip(_BLANKS)
            # Something on both sides of an equal sign, and no comment.
            if line[:1] in ("", "#", "=") or "=" not in line[1:-1]:
                continue
            key, _, value = line.partition("=")
            if _fits(key.rstrip(_BLANKS), question):
                self.text = kept + rest
                return value.lstrip(_BLANKS)
            kept += f" {line}\n"
        self.text = kept
        if not default:
            raise NoAnswerError(question)
        return default


def _fits(key: str, question: str) -> bool:
    pattern = rf"(?:.*[ \t])?{re.escape(key.lower())}(?:[ \t?].*)?"
    return re.fullmatch(pattern, question.lower(), re.DOTALL) is not None


class Dialog:
    """Asks. Passwords are taken without being shown."""

    def __init__(self, say: Callable[[str], None], answers: Answers) -> None:
        self.say, self.answers = say, answers

    def exit(self, text: str = "") -> NoReturn:
        if text:
            self.say(text)
        raise InstallerExit(text)

    def _respond(self, shown: str, question: str, default: str) -> str:
        try:
            return self.answers.respond(question, default)
        except NoAnswerError:
            self.say(shown)
            self.exit(f'Question has no answer in response file: "{question.lower()}"')

    def ask(self, question: str, default: str = "") -> str:
        shown = f"{question} [{default}] " if default else f"{question} "
        answer = self._respond(shown, question, default)
        self.say(shown + answer)
        return answer

    def usual(self, question: str, default: str, *others: str) -> str:
        """Ask what no response file of the collection answers in another way."""
        answer = self.ask(question, default)
        if answer not in (default, *others):
            raise NotModelled(f"installer: {question} {answer}")
        return answer

    def ask_yes(self, question: str) -> bool:
        """Anything but yes and no ends the installation."""
        answer = self.ask(question, "no")
        if answer.lower() not in ("y", "yes", "n", "no"):
            self.exit(f"'{answer}' is not a valid choice.")
        return answer.lower() in ("y", "yes")

    def ask_password(self, question: str) -> None:
        self._respond(f"{question} ", question, "")
        self.say(f"{question} <provided>")
