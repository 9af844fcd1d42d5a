"""The page's filter fields as one filter expression."""

from __future__ import annotations

from collections.abc import Mapping

FIELDS = ("label", "generator", "source", "folder", "since", "until", "kind", "expression")


def expression_of(fields: Mapping[str, str]) -> str | None:
    """Return the filter that a page's fields ask for, None where they ask for none."""
    given = {name: fields.get(name, "").strip() for name in FIELDS}
    parts = []
    if given["label"] == "none":
        parts.append("label is null")
    elif given["label"]:
        parts.append(f"label = {_quoted(given['label'])}")
    for name in ("generator", "source", "kind"):
        if given[name]:
            parts.append(f"{name} = {_quoted(given[name])}")
    if given["folder"]:
        # All names below a folder lie between "folder/" and "folder0", the next character.
        folder = given["folder"].rstrip("/")
        parts.append(f"path >= {_quoted(folder + '/')} and path < {_quoted(folder + '0')}")
    if given["since"]:
        parts.append(f"modified >= {_quoted(given['since'])}")
    if given["until"]:
        parts.append(f"modified <= {_quoted(given['until'] + ' 23:59:59.999')}")
    if given["expression"]:
        parts.append(f"({given['expression']})")
    return " and ".join(parts) or None


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
