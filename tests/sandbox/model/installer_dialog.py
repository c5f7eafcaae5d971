# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The installer's questions as they appear on the console, answered from a response file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn

from sandbox.model.installer_answers import Answers, NoAnswerError


class InstallerExit(Exception):
    """The installer gives up; its last words are on the console."""


class Dialog:
    """Asks. Passwords are taken without being shown."""

    def __init__(self, say: Callable[[str], None], answers: Answers) -> None:
        self.say = say
        self.answers = answers

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

    def ask_yes(self, question: str, *, default: bool = False) -> bool:
        """Anything but yes and no ends the installation."""
        answer = self.ask(question, "yes" if default else "no")
        if answer.lower() not in ("y", "yes", "n", "no"):
            self.exit(f"'{answer}' is not a valid choice.")
        return answer.lower() in ("y", "yes")

    def ask_which(self, name: str, query: str, choices: Sequence[str], default: str = "") -> str:
        """One of the choices, or done; what is not offered ends the installation."""
        if not choices:
            return "done"
        default = default or choices[0]
        self.say(f"Available {name}s are: {' '.join(choices)}.")
        question = f"Which {name} {query}?"
        shown = f"{question} (or 'done') [{default}] "
        answer = self._respond(shown, question, default)
        self.say(shown + answer)
        if answer not in (*choices, "done"):
            self.exit(f"'{answer}' is not a valid choice.")
        return answer

    def ask_password(self, question: str) -> str:
        answer = self._respond(f"{question} ", question, "")
        self.say(f"{question} <provided>")
        return answer
