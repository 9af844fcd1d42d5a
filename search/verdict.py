"""What can be said of two pictures."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """The relation of one picture to another, from the surest to the least."""

    EXACT = "exact"
    COPY = "copy"
    ALTERED_COPY = "altered_copy"
    SIMILAR = "similar"
    UNRELATED = "unrelated"
    NOT_ASSESSABLE = "not_assessable"


COPIES = (Verdict.EXACT, Verdict.COPY, Verdict.ALTERED_COPY)

# What people are told for each of them.
WORDS = {
    Verdict.EXACT: "exact copy, byte for byte",
    Verdict.COPY: "copy",
    Verdict.ALTERED_COPY: "altered copy",
    Verdict.SIMILAR: "similar, not verified",
    Verdict.UNRELATED: "nearest, but unrelated",
    Verdict.NOT_ASSESSABLE: "cannot be assessed",
}
