"""Labels as the catalog holds them: of samples, of contents, counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from indexer.store.catalog.catalog import SAMPLE_PATHS, Catalog
from indexer.store.catalog.changes import Label
from indexer.types import Int64


@dataclass(frozen=True, kw_only=True)
class LabelledSample:
    """A live sample with what its label says; ``path`` is its content's first path."""

    id: int
    sha256: str
    path: str
    label: str
    generator: str | None = None
    source: str | None = None
    group: str | None = None


@dataclass(frozen=True, kw_only=True)
class LabelCount:
    """How many contents are labelled alike."""

    label: str
    generator: str | None
    contents: int


def labelled_samples(catalog: Catalog, among: Int64 | None = None) -> list[LabelledSample]:
    """Return all labelled live samples by id, or those of them that are ``among`` some ids."""
    rows = catalog.query(
        f"""
        SELECT id, any_value(sha256), min(path), any_value(label), any_value(generator),
               any_value(source), any_value("group")
        FROM ({SAMPLE_PATHS}) WHERE label IS NOT NULL
          AND ($among IS NULL OR id IN (SELECT unnest($among::BIGINT[])))
        GROUP BY id ORDER BY id
        """,
        {"among": None if among is None else among.tolist()},
    )
    names = ("id", "sha256", "path", "label", "generator", "source", "group")
    return [LabelledSample(**dict(zip(names, row, strict=True))) for row in rows]


def first_labelled_samples(catalog: Catalog) -> list[int]:
    """Return the id of the first live sample of each labelled content."""
    rows = catalog.query(
        "SELECT min(s.id) FROM labels l JOIN samples s ON s.sha256 = l.sha256 "
        "WHERE s.id NOT IN (SELECT sample_id FROM tombstones) GROUP BY l.sha256"
    )
    return [id_ for (id_,) in rows]


def labels_of(catalog: Catalog, contents: Iterable[str] | None = None) -> dict[str, Label]:
    """Return labels by their contents' SHA-256: all, or those of some contents."""
    rows = catalog.query(
        'SELECT sha256, label, generator, source, "group" FROM labels '
        "WHERE $contents IS NULL OR sha256 IN (SELECT unnest($contents::VARCHAR[]))",
        {"contents": None if contents is None else list(contents)},
    )
    names = ("label", "generator", "source", "group")
    return {sha256: Label(**dict(zip(names, rest, strict=True))) for sha256, *rest in rows}


def labelled_paths(catalog: Catalog) -> list[dict[str, str | None]]:
    """Return every path of a labelled content with what the label says, by path."""
    rows = catalog.query(
        'SELECT p.path, l.label, l.generator, l.source, l."group" FROM labels l '
        "JOIN paths p ON p.sha256 = l.sha256 ORDER BY p.path"
    )
    names = ("path", "label", "generator", "source", "group")
    return [dict(zip(names, row, strict=True)) for row in rows]


def label_counts(catalog: Catalog) -> list[LabelCount]:
    """Count the contents with each label and generator, the most frequent first."""
    rows = catalog.query(
        "SELECT l.label, l.generator, count(*) FROM labels l "
        "WHERE l.sha256 IN (SELECT sha256 FROM samples) GROUP BY ALL ORDER BY 3 DESC"
    )
    names = ("label", "generator", "contents")
    return [LabelCount(**dict(zip(names, row, strict=True))) for row in rows]


def label_values(
    catalog: Catalog, column: Literal["generator", "source"], *, most: int
) -> list[str]:
    """Return what labels name as generators or sources, by name; ``most`` at most."""
    rows = catalog.query(
        f"SELECT DISTINCT {column} FROM labels WHERE {column} IS NOT NULL ORDER BY 1 LIMIT {most}"
    )
    return [name for (name,) in rows]
