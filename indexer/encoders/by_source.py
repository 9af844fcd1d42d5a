"""Names that say where a model is published: ``timm:NAME`` and ``hf:REPO@REVISION``."""

from __future__ import annotations

from indexer.encoders.published import EncoderEntry
from indexer.errors import EncoderError
from indexer.types import Head, Layout

PREFIXES = ("timm:", "hf:")


def entry_of_source(name: str) -> EncoderEntry | None:
    """Return the entry that such a name stands for, or None for any other name.

    Raise EncoderError for ``hf:`` without a revision: what a branch holds changes.
    """
    scheme, _, rest = name.partition(":")
    if f"{scheme}:" not in PREFIXES or not rest:
        return None
    source, _, revision = rest.partition("@")
    if scheme == "timm":
        source = f"timm/{source}"
    elif not revision or source.count("/") != 1:
        raise EncoderError(f"expected hf:OWNER/REPO@REVISION, with a commit to pin, got {name!r}")
    return EncoderEntry(
        name=name,
        source=source,
        revision=revision or None,
        layout=Layout.CUSTOM,  # whatever its files say
        head=Head.NONE,
        preset="own",
        licence="unknown",
        notes="Read as its own files describe it.",
    )
