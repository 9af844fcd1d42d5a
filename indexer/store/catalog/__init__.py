"""The catalog: what DuckDB keeps of an index, and every question and change that is put to it."""

__all__ = [
    "catalog",
    "changes",
    "database",
    "decisions",
    "files",
    "labelling",
    "labels",
    "links",
    "migrations",
    "names",
    "opening",
    "orientations",
    "presence",
    "probe_scores",
    "root_finding",
    "roots",
    "scan",
    "vanished",
]
