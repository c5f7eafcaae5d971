# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The Jinja2 of this collection's own roles, compiled once and evaluated as Ansible does it.

Ansible compiles an expression whenever it evaluates it, and has a process for each task of each
server: for the expressions of all roles that was half of a run's processor time. Those of our own
roles are known before Ansible starts these processes. What operators write is left to Ansible.
"""

from __future__ import annotations

import functools
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping

from ansible.errors import AnsibleError
from ansible.plugins.loader import filter_loader, test_loader
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain
from jinja2 import StrictUndefined, TemplateError, Undefined, pass_context
from jinja2.nativetypes import NativeEnvironment

# What begins a template within a string, and the line that changes its settings.
_BEGINNINGS: t.Final = ("{{", "{%", "{#", "#jinja2:")
# These hold the variables of all hosts, and evaluate what is taken out of them.
_AS_THEY_ARE: t.Final = frozenset({"hostvars", "vars"})
# What expressions raise for unsuitable values, besides Jinja's and Ansible's errors.
_UNFIT: t.Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_ERRORS: t.Final = (AnsibleError, TemplateError, *_UNFIT)


class TextError(Exception):
    """A role's text cannot be evaluated with these variables."""


class _Plugins(dict[str, t.Any]):
    """Filters or tests by name: Jinja's, and those of Ansible and collections with other names.

    Where both have the same (`default`), Ansible's may depend on Ansible's own evaluation.
    """

    def __init__(
        self, jinja: Mapping[str, t.Any], loader: t.Any, wrap: Callable[[t.Any], t.Any]
    ) -> None:
        super().__init__({name: wrap(function) for name, function in jinja.items()})
        self._loader, self._wrap = loader, wrap

    def __missing__(self, name: str) -> t.Any:
        plugin = self._loader.get(name)
        if plugin is None:
            raise KeyError(name)
        self[name] = self._wrap(plugin.j2_function)
        return self[name]

    def get(self, name: str, default: t.Any = None) -> t.Any:
        try:
            return self[name]
        except KeyError:
            return default


def _listed(function: Callable[..., t.Any]) -> Callable[..., t.Any]:
    """Return a filter whose result can be read more than once."""

    @functools.wraps(function)
    def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
        result = function(*args, **kwargs)
        return list(result) if isinstance(result, Iterator) else result

    return call


@pass_context
def _as_it_is(_context: t.Any, value: t.Any) -> t.Any:
    """Keep Jinja from making a string of an expression without variables."""
    return value


class _Environment(NativeEnvironment):
    """Expressions yield values unchanged; text around them makes a string."""

    @staticmethod
    def concat(nodes: Iterable[t.Any]) -> t.Any:
        values = [value for value in nodes if value is not None]
        if len(values) < 2:
            return values[0] if values else None
        return "".join(map(str, values))


def _environment(*, lstrip_blocks: bool) -> _Environment:
    environment = _Environment(
        trim_blocks=True,
        lstrip_blocks=lstrip_blocks,
        undefined=StrictUndefined,
        finalize=_as_it_is,
    )
    environment.filters = _Plugins(environment.filters, filter_loader, _listed)
    environment.tests = _Plugins(environment.tests, test_loader, lambda test: test)
    return environment


_EXPRESSIONS: t.Final = _environment(lstrip_blocks=False)
_TEMPLATES: t.Final = _environment(lstrip_blocks=True)


class Text:
    """A string of a role's files with expressions in it, or a whole template."""

    def __init__(self, source: str, *, template: bool = False) -> None:
        self.source = source
        self._compiled = (_TEMPLATES if template else _EXPRESSIONS).from_string(source)

    def evaluate(self, variables: Mapping[str, t.Any]) -> t.Any:
        """Return its value; Undefined if it is not defined. Raises TextError."""
        # Jinja copies what is not shared, and so would evaluate all variables.
        context = self._compiled.new_context(t.cast(dict[str, t.Any], variables), shared=True)
        try:
            value = _Environment.concat(self._compiled.root_render_func(context))
        except _ERRORS as error:
            raise TextError(str(error)) from error
        if not isinstance(value, str):
            return list(value) if isinstance(value, Iterator) else value
        missing = _newlines(self.source) - _newlines(value)
        return value + "\n" * missing


def _newlines(text: str) -> int:
    """Return how many a string ends with: Jinja drops some that Ansible puts back."""
    return len(text) - len(text.rstrip("\n"))


def is_template(value: str) -> bool:
    """Return whether a string may have expressions in it."""
    return value.startswith(_BEGINNINGS[-1]) or any(start in value for start in _BEGINNINGS[:-1])


def compiled(value: t.Any) -> t.Any:
    """Return the content of a role's YAML file with a Text for each string that is a template."""
    if isinstance(value, str):
        return Text(value) if is_template(value) else value
    if isinstance(value, dict):
        return {key: compiled(item) for key, item in value.items()}
    return [compiled(item) for item in value] if isinstance(value, list) else value


def sources(value: t.Any, mark: Callable[[str], str] = str) -> t.Any:
    """Return what compiled() was made from; `mark` marks the templates in it."""
    if isinstance(value, Text):
        return mark(value.source)
    if isinstance(value, dict):
        return {key: sources(item, mark) for key, item in value.items()}
    return [sources(item, mark) for item in value] if isinstance(value, list) else value


class Variables(Mapping[str, t.Any]):
    """Variables as the texts of roles see them, plain; each is evaluated once, when asked for.

    `own` are those of roles that nobody else sets, `defaults` those that anybody may set; both come
    from compiled(). `known` has what a task knows; `ansible` evaluates its values that are
    templates, with all variables except those of `own`. A value that cannot be evaluated is like
    an undefined one until something uses it.
    """

    def __init__(
        self,
        own: Mapping[str, t.Any],
        known: Mapping[str, t.Any],
        defaults: Mapping[str, t.Any],
        ansible: Callable[[t.Any], t.Any],
    ) -> None:
        self._own, self._known, self._defaults = own, known, defaults
        self._ansible = ansible
        self._values: dict[str, t.Any] = {}

    def __getitem__(self, name: str) -> t.Any:
        if name not in self._values:
            try:
                self._values[name] = self._evaluate(name)
            except (AnsibleError, TextError) as error:
                self._values[name] = StrictUndefined(hint=f"{name}: {error}", name=name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._defaults, **self._known, **self._own})

    def __len__(self) -> int:
        return sum(1 for _name in self)

    def __contains__(self, name: object) -> bool:
        layers = (self._own, self._known, self._defaults, _EXPRESSIONS.globals)
        return any(name in layer for layer in layers)

    def value(self, name: str) -> t.Any:
        """Return the value of a variable. Raises TextError, also for an undefined one."""
        return _defined(self[name], f"{name}: ")

    def _evaluate(self, name: str) -> t.Any:
        """Raises AnsibleError and TextError; KeyError where there is no such variable."""
        if name in self._own:
            return self._of_role(self._own[name])
        if name not in self._known:
            if name in self._defaults:
                return self._of_role(self._defaults[name])
            return _EXPRESSIONS.globals[name]
        value = self._known[name]
        if name in _AS_THEY_ARE:
            return value
        if name in self._defaults and value == sources(self._defaults[name]):
            return self._of_role(self._defaults[name])
        return plain(value if _is_plain(value) else self._ansible(value))

    def _of_role(self, value: t.Any) -> t.Any:
        if isinstance(value, Text):
            return value.evaluate(self)
        if isinstance(value, dict):
            return {key: _defined(self._of_role(item)) for key, item in value.items()}
        if isinstance(value, list):
            return [_defined(self._of_role(item)) for item in value]
        return value


def _defined(value: t.Any, prefix: str = "") -> t.Any:
    """Return a value that is not Undefined. Raises TextError, without the prefix."""
    if isinstance(value, Undefined):
        # Its message is in the error that using it raises.
        try:
            str(value)
        except TemplateError as error:
            raise TextError(str(error).removeprefix(prefix)) from error
    return value


def _is_plain(value: t.Any) -> bool:
    """Return whether it has nothing for Ansible to evaluate, such as a template or a secret."""
    if isinstance(value, str):
        return not is_template(value)
    if isinstance(value, dict):
        return all(map(_is_plain, value)) and all(map(_is_plain, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float)
