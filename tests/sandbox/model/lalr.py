# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""LALR(1) tables and a parser that recovers from errors the way yacc(1) does.

Where a message of a yacc-made parser points to, and which later messages it swallows, follows from
its tables: which states reduce without looking ahead, and the three tokens that must be shifted
after an error. The rules are those of POSIX yacc and of byacc, which OpenBSD uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

END = "$end"
ERROR = "error"
_UNKNOWN = "#"
_RECOVERY = 3

Item = tuple[int, int]  # rule, position of the dot
Action = Callable[..., object]


class Reject(Exception):
    """Raised by an action that has reported its error (yacc's YYERROR)."""


@dataclass(frozen=True)
class Rule:
    left: str
    right: tuple[str, ...]
    action: str


@dataclass(frozen=True)
class Tables:
    rules: tuple[Rule, ...]
    shifts: tuple[Mapping[str, int], ...]
    reductions: tuple[Mapping[str, int], ...]
    defaults: tuple[int | None, ...]  # the rule a state reduces by without looking ahead


def rules(text: str) -> tuple[Rule, ...]:
    """Read one rule a line, as in `option: MEMORY NUMBER -> memory`.

    The first rule's left side is the start symbol.
    """
    found = [Rule("$accept", (text.split(":", 1)[0].strip(), END), "")]
    for line in filter(None, map(str.strip, text.splitlines())):
        left, _, rest = line.partition(":")
        right, _, action = rest.partition("->")
        found.append(Rule(left.strip(), tuple(right.split()), action.strip()))
    return tuple(found)


class _Builder:
    def __init__(self, grammar: tuple[Rule, ...]) -> None:
        self.rules = grammar
        self.by_left: dict[str, list[int]] = {}
        for number, rule in enumerate(grammar):
            self.by_left.setdefault(rule.left, []).append(number)
        self.first = self._first_sets()

    def _first_sets(self) -> dict[str, set[str]]:
        first: dict[str, set[str]] = {left: set() for left in self.by_left}
        changed = True
        while changed:
            changed = False
            for rule in self.rules:
                found = self.first_of(rule.right, {""}, first)
                if not found <= first[rule.left]:
                    first[rule.left] |= found
                    changed = True
        return first

    def first_of(
        self, symbols: Sequence[str], after: set[str], first: Mapping[str, set[str]] | None = None
    ) -> set[str]:
        """The tokens that can begin `symbols`, and `after` where all of them can be empty."""
        table = self.first if first is None else first
        found: set[str] = set()
        for symbol in symbols:
            options = table.get(symbol, {symbol})
            found |= options - {""}
            if "" not in options:
                return found
        return found | after

    def closure(self, kernel: Mapping[Item, set[str]]) -> dict[Item, set[str]]:
        items = {item: set(ahead) for item, ahead in kernel.items()}
        todo = list(items)
        while todo:
            rule, dot = item = todo.pop()
            right = self.rules[rule].right
            if dot == len(right) or right[dot] not in self.by_left:
                continue
            ahead = self.first_of(right[dot + 1 :], items[item])
            for number in self.by_left[right[dot]]:
                known = items.get((number, 0))
                if known is not None and ahead <= known:
                    continue
                items[(number, 0)] = ahead | (known or set())
                todo.append((number, 0))
        return items

    def states(self) -> tuple[list[frozenset[Item]], list[dict[str, int]]]:
        kernels = [frozenset({(0, 0)})]
        numbers = {kernels[0]: 0}
        moves: list[dict[str, int]] = []
        for kernel in kernels:  # grows while it is walked
            targets: dict[str, set[Item]] = {}
            for rule, dot in self.closure({item: {_UNKNOWN} for item in kernel}):
                right = self.rules[rule].right
                if dot < len(right):
                    targets.setdefault(right[dot], set()).add((rule, dot + 1))
            move: dict[str, int] = {}
            for symbol, items in targets.items():
                target = frozenset(items)
                if target not in numbers:
                    numbers[target] = len(kernels)
                    kernels.append(target)
                move[symbol] = numbers[target]
            moves.append(move)
        return kernels, moves

    def lookaheads(
        self, kernels: list[frozenset[Item]], moves: list[dict[str, int]]
    ) -> list[dict[Item, set[str]]]:
        ahead = [{item: set[str]() for item in kernel} for kernel in kernels]
        ahead[0][(0, 0)] = {END}
        changed = True
        while changed:
            changed = False
            for state, kernel in enumerate(ahead):
                for (rule, dot), tokens in self.closure(kernel).items():
                    right = self.rules[rule].right
                    if dot == len(right):
                        continue
                    known = ahead[moves[state][right[dot]]][(rule, dot + 1)]
                    if not tokens <= known:
                        known |= tokens
                        changed = True
        return ahead

    def build(self) -> Tables:
        kernels, moves = self.states()
        reductions: list[dict[str, int]] = []
        defaults: list[int | None] = []
        for state, kernel in enumerate(self.lookaheads(kernels, moves)):
            found: dict[str, int] = {}
            for (rule, dot), tokens in sorted(self.closure(kernel).items()):
                if dot == len(self.rules[rule].right) and rule:
                    for token in tokens - set(moves[state]):
                        found.setdefault(token, rule)
            reductions.append(found)
            tokens = {symbol for symbol in moves[state] if symbol not in self.by_left}
            sole = len(set(found.values())) == 1 and not tokens
            defaults.append(next(iter(found.values())) if sole else None)
        return Tables(self.rules, tuple(moves), tuple(reductions), tuple(defaults))


def build(text: str) -> Tables:
    """Make the tables for a grammar as `rules` reads it; a conflict is solved as yacc solves it."""
    return _Builder(rules(text)).build()


class _Stack:
    """States with the values of their symbols."""

    def __init__(self, tables: Tables, actions: Mapping[str, Action]) -> None:
        self.tables = tables
        self.actions = actions
        self.states = [0]
        self.values: list[object] = [None]

    @property
    def shifts(self) -> Mapping[str, int]:
        return self.tables.shifts[self.states[-1]]

    def shift(self, symbol: str, value: object) -> None:
        self.states.append(self.shifts[symbol])
        self.values.append(value)

    def reduce(self, number: int) -> None:
        """Raises Reject, with nothing changed, if the rule's action does."""
        rule = self.tables.rules[number]
        start = len(self.values) - len(rule.right)
        arguments = self.values[start:]
        if rule.action:
            value = self.actions[rule.action](*arguments)
        else:
            value = arguments[0] if arguments else None
        del self.states[start:], self.values[start:]
        self.shift(rule.left, value)

    def recover(self) -> bool:
        """Go back to where an error is expected; False if it is nowhere."""
        while ERROR not in self.shifts:
            del self.states[-1], self.values[-1]
            if not self.states:
                return False
        self.shift(ERROR, None)
        return True


def run(
    tables: Tables,
    next_token: Callable[[], tuple[str, object]],
    actions: Mapping[str, Action],
    syntax_error: Callable[[], None],
) -> bool:
    """Parse; False if the input ended while an error was being recovered from.

    An action gets the values of its rule's right side and returns the value of the left side. A
    rule without an action has the value of its first symbol.
    """
    stack = _Stack(tables, actions)
    token: tuple[str, object] | None = None
    pending = 0  # tokens still to be shifted before errors are reported again
    while True:
        number = tables.defaults[stack.states[-1]]
        if number is None:
            token = token or next_token()
            if token[0] in stack.shifts:
                if token[0] == END:
                    return True
                stack.shift(*token)
                token, pending = None, max(0, pending - 1)
                continue
            number = tables.reductions[stack.states[-1]].get(token[0])
        if number is not None:
            try:
                stack.reduce(number)
                continue
            except Reject:
                pass
        elif pending == _RECOVERY and token is not None:
            if token[0] == END:
                return False
            token = None
            continue
        elif pending == 0:
            syntax_error()
        pending = _RECOVERY
        if not stack.recover():
            return False
