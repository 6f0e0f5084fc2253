"""The grammar of expressions: `constraints` and `when` of a sweep spec, and `--where` of the command line.

    intermediate.steps * intermediate.batch_size <= 40000
    family = 'text' and (average >= 0.5 or sw > 0.4) and not config.target.batch_size in (8, 16)

This module reads an expression into a tree and runs nothing. `spaces/space/expression_values.py` computes the value of
a tree for a trial; `search/query/filters.py` compiles a tree to SQL.

    condition = all {"or" all} ;  all = test {"and" test}
    test      = "not" test | "(" condition ")" | left sign right | left ["not"] "in" "(" value {"," value} ")"
    sign      = "=" | "==" | "!=" | "<" | "<=" | ">" | ">="
    value     = number | 'text' | "text" | true | false

    without arithmetic (`--where`):  left = field ;  right = value
    with arithmetic (spaces):        left = right = product {("+" | "-") product}
                                     product = atom {("*" | "/") atom}
                                     atom    = value | field | "(" left ")" | "-" atom
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

_ARITHMETIC = ("+", "-", "*", "/")
_COMPARISONS = ("=", "==", "!=", "<", "<=", ">", ">=")
_KEYWORDS = ("and", "or", "not", "in", "true", "false")
_INFIXES = (("or",), ("and",), (), ("not", "in", *_COMPARISONS), ("+", "-"), ("*", "/"))
"""Words and signs that follow an operand, in increasing order of precedence; `not` follows one in `not in`."""
_LEVELS = {word: level for level, words in enumerate(_INFIXES, start=1) for word in words}
_NOT = 3
"""Precedence of a `not` before a test."""
_MAX_DIGITS = 19
"""Digits of the longest whole number that is read as an integer; a longer one is read as a float."""
_MAX_SHOWN = 200
"""Characters of an expression that a message shows."""

Value: TypeAlias = str | float | bool


class ExpressionError(ValueError):
    """An expression cannot be read, or it compares values that cannot be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """The rules of a language of expressions."""

    field_noun: str
    """The noun for a field in messages."""
    has_arithmetic: bool
    """Whether fields and arithmetic can stand on both sides. Otherwise `-` is only the sign of a number."""
    max_tokens: int
    """Largest number of words, numbers and signs."""
    max_depth: int = 40
    """Deepest nesting of `not`, `-` and brackets, within what the stacks of Python and SQLite hold."""
    max_integer: int | None = None
    """Largest whole number. None allows every number that is finite."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that is written in the expression."""

    value: Value


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a trial, and its position in characters from 1."""

    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Operation:
    """A word or sign and its operands: `or`, `and`, `not`, `in`, a comparison (`=` is `==`) or arithmetic."""

    sign: str
    parts: tuple[Node, ...]
    position: int

    @property
    def is_test(self) -> bool:
        """Whether it is true or false. Otherwise it is a number."""
        return self.sign not in _ARITHMETIC


Node: TypeAlias = Literal | Field | Operation


def parse(text: str, *, language: Language) -> tuple[Operation, tuple[str, ...]]:
    """Return the tree of an expression, and the fields that it names: each once, in the order of the text.

    Args:
        text: The expression.
        language: The rules of its language.

    Raises:
        ExpressionError: It is malformed, too long or nested too deep, or contains a number that is too large.
    """
    parser = _Parser(text, language=language)
    return parser.parse(), tuple(dict.fromkeys(parser.fields))


def kind_of(value: Value) -> str:
    """Return the kind of a value, in words."""
    return "text" if isinstance(value, str) else "true or false" if isinstance(value, bool) else "a number"


class _Parser:
    def __init__(self, text: str, *, language: Language) -> None:
        self.text, self.language = text, language
        self.tokens = _tokens(text, language=language)
        self.index = self.depth = 0
        self.fields: list[str] = []

    def parse(self) -> Operation:
        node = self._expression()
        if self._token.kind != "end":
            raise self._refusal("`and`, `or`, or the end")
        return self._test(node)

    def _expression(self, above: int = 0) -> Node:
        """Read an operand, and all operations after it with a precedence above a level."""
        node = self._operand()
        while (level := _LEVELS.get(self._token.text.lower(), 0)) > above:
            node = self._operation(node, level=level)
        return node

    def _operation(self, left: Node, *, level: int) -> Operation:
        sign, position = self._token.text.lower(), self._token.position
        if sign in {"or", "and"}:
            parts = [left]
            while self._takes(sign):
                parts.append(self._expression(level))
            return Operation(sign, tuple(map(self._test, parts)), position)
        left = self._number_or_field(left)
        if sign in {"not", "in"}:
            is_negated = self._takes("not")
            self._expect("in")
            inside = Operation("in", (left, *self._list()), position)
            return Operation("not", (inside,), position) if is_negated else inside
        self.index += 1
        right = self._number_or_field(self._expression(level)) if self.language.has_arithmetic else self._literal()
        return Operation("==" if sign == "=" else sign, (left, right), position)

    def _operand(self) -> Node:
        self.depth += 1
        if self.depth > self.language.max_depth:
            rule = f"nests `not`, `-` and brackets more than {self.language.max_depth} deep; write it with fewer levels"
            raise ExpressionError(f"{_shown(self.text)} {rule}")
        node = self._operand_at(self._token)
        self.depth -= 1
        return node

    def _operand_at(self, token: _Token) -> Node:
        if self._takes("not"):
            return Operation("not", (self._test(self._expression(_NOT)),), token.position)
        if self._takes("("):
            inner = self._expression()
            if not self.language.has_arithmetic:
                self._test(inner)
            self._expect(")")
            return inner
        if token.kind == "word" and token.text.lower() not in _KEYWORDS:
            self.index += 1
            self.fields.append(token.text)
            return Field(token.text, token.position)
        if not self.language.has_arithmetic:
            raise self._refusal(f"a {self.language.field_noun}")
        if token.text == "-" and self.tokens[self.index + 1].kind != "number":
            self.index += 1
            return Operation("-", (Literal(0), self._number_or_field(self._operand())), token.position)
        return self._literal("a field, a number, 'text', true or false")

    def _list(self) -> list[Literal]:
        self._expect("(")
        values = [self._literal()]
        while self._takes(","):
            values.append(self._literal())
        self._expect(")")
        return values

    def _literal(self, wanted: str = "a number, 'text', true or false") -> Literal:
        is_negative = self._takes("-")
        kind, text, _ = self._token
        if kind == "number":
            number = _number(text, language=self.language)
            literal = Literal(-number if is_negative else number)
        elif kind == "text" and not is_negative:
            literal = Literal(text[1:-1])
        elif text.lower() in {"true", "false"} and not is_negative:
            literal = Literal(text.lower() == "true")
        else:
            raise self._refusal(wanted)
        self.index += 1
        return literal

    def _test(self, node: Node) -> Operation:
        if isinstance(node, Operation) and node.is_test:
            return node
        raise self._refusal("a comparison like `<= 100`")

    def _number_or_field(self, node: Node) -> Node:
        if isinstance(node, Operation) and node.is_test:
            raise self._refusal(f"a value or a {self.language.field_noun}, not a comparison")
        return node

    @property
    def _token(self) -> _Token:
        return self.tokens[self.index]

    def _takes(self, word: str) -> bool:
        is_next = self._token.text.lower() == word
        self.index += is_next
        return is_next

    def _expect(self, word: str) -> None:
        if not self._takes(word):
            raise self._refusal(f"`{word}`")

    def _refusal(self, wanted: str) -> ExpressionError:
        place = f"{self._token.text[:_MAX_SHOWN] or 'the end'!r} (character {self._token.position})"
        return ExpressionError(f"{_shown(self.text)} cannot be read at {place}: expected {wanted}")


class _Token(NamedTuple):
    kind: str
    """`number`, `text`, `sign`, `word` or `end`."""
    text: str
    position: int


def _tokens(text: str, *, language: Language) -> list[_Token]:
    found: list[_Token] = []
    position, text = 0, text.rstrip()
    pattern = _WITH_ARITHMETIC if language.has_arithmetic else _WITHOUT_ARITHMETIC
    while position < len(text):
        match = pattern.match(text, position)
        if match is None or match.lastgroup is None:
            rest = text[position:].lstrip()
            place = f"{rest[:1]!r} (character {len(text) - len(rest) + 1})"
            raise ExpressionError(f"{_shown(text)} contains {place}, which has no meaning here")
        found.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1))
        position = match.end()
        if len(found) > language.max_tokens:
            rule = f"has more than {language.max_tokens} words, numbers and signs; write a shorter expression"
            raise ExpressionError(f"{_shown(text)} {rule}")
    return [*found, _Token("end", "", len(text) + 1)]


def _pattern(number: str, signs: str) -> re.Pattern[str]:
    word, text = r"[A-Za-z_][\w.@]*", r"'[^']*'|\"[^\"]*\""
    return re.compile(rf"\s*(?:(?P<number>{number})|(?P<text>{text})|(?P<sign>{signs})|(?P<word>{word}))")


_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_SIGNS = r"<=|>=|!=|==|=|<|>|\(|\)|,"
_WITH_ARITHMETIC = _pattern(_NUMBER, rf"{_SIGNS}|\+|-|\*|/")
_WITHOUT_ARITHMETIC = _pattern(f"-?{_NUMBER}", _SIGNS)


def _number(text: str, *, language: Language) -> float:
    digits, largest = text.removeprefix("-"), language.max_integer
    value = int(text) if digits.isdecimal() and len(digits) <= _MAX_DIGITS else float(text)
    if largest is None and not math.isfinite(value):
        raise ExpressionError(f"the number {text[:30]} is too large; write a smaller one")
    if largest is not None and digits.isdecimal() and (len(text) > len(str(-largest)) or abs(value) > largest):
        raise ExpressionError(f"the number {text[:30]} is too large; the largest whole number is {largest}")
    return value


def _shown(text: str) -> str:
    return repr(text) if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]!r}..."
