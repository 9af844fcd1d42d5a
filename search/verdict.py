"""What can be said of two pictures, what people are told for it, and how it looks."""

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


class Tone(StrEnum):
    """In which colour a verdict is shown, wherever it is."""

    FOUND = "found"
    ALTERED = "altered"
    NEAR = "near"
    NONE = "none"


COPIES = (Verdict.EXACT, Verdict.COPY, Verdict.ALTERED_COPY)
WORDS = {
    Verdict.EXACT: "exact copy, byte for byte",
    Verdict.COPY: "copy",
    Verdict.ALTERED_COPY: "altered copy",
    Verdict.SIMILAR: "similar, not verified",
    Verdict.UNRELATED: "nearest, but unrelated",
    Verdict.NOT_ASSESSABLE: "cannot be assessed",
}
CALLED = {  # in a sentence
    Verdict.EXACT: "exact copy",
    Verdict.COPY: "copy",
    Verdict.ALTERED_COPY: "altered copy",
    Verdict.SIMILAR: "similar",
    Verdict.UNRELATED: "unrelated",
    Verdict.NOT_ASSESSABLE: "not assessable",
}
_TONES = {
    Verdict.EXACT: Tone.FOUND,
    Verdict.COPY: Tone.FOUND,
    Verdict.ALTERED_COPY: Tone.ALTERED,
    Verdict.SIMILAR: Tone.NEAR,
}


def tone_of(verdict: str) -> Tone:
    """Return the tone of a verdict."""
    return _TONES.get(Verdict(verdict), Tone.NONE)
