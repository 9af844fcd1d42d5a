"""What a search can be asked for: one list, for Python, the command line and HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, TypeVar

T = TypeVar("T")


def _option(default: T, words: str, *, metavar: str = "", **limits: float) -> T:
    told: Mapping[str, Any] = {"help": words, "metavar": metavar, "limits": limits}
    return field(default=default, metadata=told)


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """What a search is asked for beside its query.

    ``where`` restricts to samples that meet a filter, before the nearest are chosen; ``min_score``
    and ``max_fpr`` drop hits below a score, or below the score that at most that share of pictures
    without a copy here would reach; ``verify`` compares the pixels of the most promising ones.
    Raise UsageError for ``k`` below 1.
    """

    k: int = _option(10, "Hits to show.", ge=1, le=1000)
    space: str | None = _option(None, "Which space, where there are several.", metavar="NAME")
    where: str | None = _option(
        None, "Only samples with: label = 'fake' and width > 400.", metavar="EXPR"
    )
    min_score: float | None = _option(None, "Drop hits of a lower score.", ge=-10, le=10)
    max_fpr: float | None = _option(
        None, "Drop hits that this share of non-matching pictures would reach.", gt=0, le=1
    )
    verify: bool = _option(True, "Compare the pixels of the nearest.")

    def __post_init__(self) -> None:
        from indexer.errors import UsageError

        if self.k < 1:
            raise UsageError(f"expected at least one hit to be asked for, got -k {self.k}")


OPTIONS: tuple[Field[Any], ...] = fields(SearchOptions)
