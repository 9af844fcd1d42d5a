"""Filter expressions: parsed, checked against what is allowed, and bound, never pasted into SQL."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from typing import Any

from sqlglot import errors, exp, parse_one

from indexer.corpus import as_text
from indexer.errors import FilterError
from indexer.store.catalog.probe_scores import scores_column

COLUMNS = (
    "id",
    "path",
    "sha256",
    "kind",
    "time_s",
    "page",
    "width",
    "height",
    "bytes",
    "format",
    "modified",
    "label",
    "generator",
    "source",
    "group",
)

_COMPARISONS: dict[type, str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.Like: "LIKE",
    exp.ILike: "ILIKE",
}
_LARGEST = 2**63 - 1
_SHOWN = 24  # digits
_PROBE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_UNDERSTOOD = {"table", "this", "expression", "expressions", "low", "high", "negate", "is_string"}


@dataclass(frozen=True)
class Filter:
    """A condition over the catalog's columns: SQL with ``?`` for each of ``parameters``.

    ``probes`` are the probes whose scores it asks for; they must be attached to the catalog.
    """

    condition: str
    parameters: tuple[object, ...]
    probes: tuple[str, ...] = ()


def parse_filter(text: str) -> Filter:
    """Parse an expression such as ``label = 'fake' and path like '%2024%'``.

    Allowed are the columns of `COLUMNS`, ``probe.NAME`` for a probe's score, text and number
    literals, ``= <> < <= > >=``, ``like``, ``ilike``, ``in``, ``between``, ``is null``, ``and``,
    ``or``, ``not`` and parentheses. Raise FilterError for anything else.
    """
    try:
        text = as_text(os.fsencode(text))  # as the catalog writes names that are no UTF-8
    except UnicodeEncodeError as error:
        raise FilterError(f"the filter holds characters that no text has; {_HELP}") from error
    try:
        tree = parse_one(text, dialect="duckdb")
    except (errors.SqlglotError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise FilterError(f"the filter {text!r} cannot be parsed: {reason}; {_HELP}") from error
    writer = _Writer(text)
    try:
        condition = writer.condition(tree)
    except RecursionError as error:
        raise FilterError(f"the filter is nested too deeply; {_HELP}") from error
    return Filter(condition, tuple(writer.parameters), tuple(writer.probes))


_HELP = (
    "expected something like \"label = 'fake' and path like '%2024%'\" over the columns "
    + ", ".join(COLUMNS)
    + " and probe.NAME"
)


class _Writer:
    """Writes a syntax tree as SQL, with every literal as a parameter."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.parameters: list[object] = []
        self.probes: dict[str, None] = {}

    def condition(self, node: Any) -> str:
        """Return the SQL of a node that is true or false."""
        self._check_arguments(node)
        match node:
            case exp.Paren():
                return f"({self.condition(node.this)})"
            case exp.Not():
                return f"(NOT {self.condition(node.this)})"
            case exp.And() | exp.Or():
                word = "AND" if isinstance(node, exp.And) else "OR"
                return f"({self.condition(node.this)} {word} {self.condition(node.expression)})"
            case exp.Is() if isinstance(node.expression, exp.Null):
                return f"({self._operand(node.this)} IS NULL)"
            case exp.In() if node.expressions:
                values = ", ".join(self._operand(one) for one in node.expressions)
                return f"({self._operand(node.this)} IN ({values}))"
            case exp.Between():
                low, high = (self._operand(node.args[name]) for name in ("low", "high"))
                return f"({self._operand(node.this)} BETWEEN {low} AND {high})"
            case _ if type(node) in _COMPARISONS:
                return self._comparison(node)
        raise self._refused(node)

    def _comparison(self, node: Any) -> str:
        left, right = self._operand(node.this), self._operand(node.expression)
        comparison = f"({left} {_COMPARISONS[type(node)]} {right})"
        return f"(NOT {comparison})" if node.args.get("negate") else comparison

    def _operand(self, node: Any) -> str:
        self._check_arguments(node)
        match node:
            case exp.Column() if node.table.lower() == "probe" and _PROBE_NAME.fullmatch(node.name):
                self.probes[node.name] = None
                return scores_column(node.name)
            case exp.Column() if not node.table and node.name.lower() in COLUMNS:
                return f'"{node.name.lower()}"'
            case exp.Literal():
                return self._bind(node.this if node.is_string else _number(node.this))
            case exp.Neg() if isinstance(node.this, exp.Literal) and not node.this.is_string:
                return self._bind(-_number(node.this.this))
        raise self._refused(node)

    def _bind(self, value: object) -> str:
        self.parameters.append(value)
        return "?"

    def _check_arguments(self, node: Any) -> None:
        # A part of the syntax that is not understood must not be dropped in silence.
        if any(value for name, value in node.args.items() if name not in _UNDERSTOOD):
            raise self._refused(node)

    def _refused(self, node: Any) -> FilterError:
        part = node.sql(dialect="duckdb")
        return FilterError(
            f"the filter {self._text!r} uses {part!r}, which is not allowed; {_HELP}"
        )


def _number(text: str) -> int | float:
    """Return a number the catalog can compare with; raise FilterError for any other."""
    try:
        value = float(text) if any(sign in text for sign in ".eE") else int(text)
    except ValueError:  # Python reads numbers of some thousand digits only
        value = math.inf
    fits = abs(value) <= _LARGEST if isinstance(value, int) else math.isfinite(value)
    if not fits:
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        raise FilterError(f"expected a number from -2^63 to 2^63 in the filter, got {shown}")
    return value
