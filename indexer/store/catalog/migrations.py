"""The catalog's schema, as ordered steps from one format version to the next."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from duckdb import DuckDBPyConnection

from indexer.errors import IndexFormatError
from indexer.store.catalog.root_finding import give_roots

Migration = Callable[[DuckDBPyConnection, bytes], object]


def _create(connection: DuckDBPyConnection, _: bytes) -> None:
    connection.execute(
        """
        CREATE TABLE meta (key VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);
        CREATE TABLE media (
            sha256 VARCHAR PRIMARY KEY, bytes BIGINT NOT NULL,
            width INTEGER NOT NULL, height INTEGER NOT NULL, format VARCHAR NOT NULL);
        CREATE TABLE paths (
            raw BLOB PRIMARY KEY, path VARCHAR NOT NULL, size BIGINT NOT NULL,
            mtime_ns BIGINT NOT NULL, sha256 VARCHAR, state VARCHAR NOT NULL,
            missing BOOLEAN NOT NULL DEFAULT false);
        CREATE TABLE failures (
            raw BLOB PRIMARY KEY, path VARCHAR NOT NULL, sha256 VARCHAR,
            reason VARCHAR NOT NULL, message VARCHAR NOT NULL, failed_at TIMESTAMP NOT NULL);
        CREATE TABLE removals (
            path VARCHAR NOT NULL, sha256 VARCHAR, removed_at TIMESTAMP NOT NULL);
        CREATE TABLE samples (
            id BIGINT PRIMARY KEY, sha256 VARCHAR NOT NULL, kind VARCHAR NOT NULL,
            time_s DOUBLE, box INTEGER[4], width INTEGER NOT NULL, height INTEGER NOT NULL);
        CREATE TABLE tombstones (sample_id BIGINT PRIMARY KEY);
        CREATE TABLE spaces (
            fingerprint VARCHAR PRIMARY KEY, name VARCHAR NOT NULL, encoder VARCHAR NOT NULL,
            dim INTEGER NOT NULL, loaded_from VARCHAR NOT NULL, patch_codec BLOB NOT NULL,
            created_at TIMESTAMP NOT NULL);
        CREATE TABLE segments (
            id BIGINT PRIMARY KEY, space VARCHAR NOT NULL, rows BIGINT NOT NULL,
            bytes BIGINT NOT NULL, device VARCHAR NOT NULL, precision VARCHAR NOT NULL);
        CREATE TABLE embeddings (
            space VARCHAR NOT NULL, sample_id BIGINT NOT NULL, segment BIGINT NOT NULL,
            row INTEGER NOT NULL, PRIMARY KEY (space, sample_id));
        CREATE TABLE labels (
            sha256 VARCHAR PRIMARY KEY, label VARCHAR NOT NULL, generator VARCHAR,
            source VARCHAR, "group" VARCHAR);
        INSERT INTO meta VALUES ('generation', '0'), ('next_id', '1'), ('next_segment', '1');
        """
    )


def _remember_decisions(connection: DuckDBPyConnection, _: bytes) -> None:
    # By content, so that they outlive a new scan; the smaller SHA-256 first.
    connection.execute(
        """
        CREATE TABLE decisions (
            first VARCHAR NOT NULL, second VARCHAR NOT NULL, decision VARCHAR NOT NULL,
            decided_at TIMESTAMP NOT NULL, PRIMARY KEY (first, second));
        """
    )


def _remember_orientations(connection: DuckDBPyConnection, _: bytes) -> None:
    connection.execute(
        """
        CREATE TABLE orientations (
            space VARCHAR PRIMARY KEY, finding VARCHAR NOT NULL, auc DOUBLE NOT NULL,
            pictures BIGINT NOT NULL, measured_at TIMESTAMP NOT NULL);
        """
    )


def _remember_what_frames_stand_for(connection: DuckDBPyConnection, _: bytes) -> None:
    connection.execute(
        """
        ALTER TABLE samples ADD COLUMN from_s DOUBLE;
        ALTER TABLE samples ADD COLUMN until_s DOUBLE;
        """
    )


def _tell_pages_structure_and_roots(connection: DuckDBPyConnection, index: bytes) -> None:
    # A page is null in a file of one picture, structure where it was not measured, device and
    # inode where they are not known.
    connection.execute(
        """
        ALTER TABLE samples ADD COLUMN page INTEGER;
        ALTER TABLE samples ADD COLUMN structure FLOAT;
        CREATE TABLE roots (
            id INTEGER PRIMARY KEY, absolute BLOB NOT NULL, relative BLOB NOT NULL);
        CREATE TABLE files (
            root INTEGER NOT NULL, rel BLOB NOT NULL, name VARCHAR NOT NULL,
            size BIGINT NOT NULL, mtime_ns BIGINT NOT NULL, sha256 VARCHAR,
            state VARCHAR NOT NULL, missing BOOLEAN NOT NULL DEFAULT false,
            device UBIGINT, inode UBIGINT, PRIMARY KEY (root, rel));
        CREATE TABLE problems (
            root INTEGER NOT NULL, rel BLOB NOT NULL, sha256 VARCHAR, reason VARCHAR NOT NULL,
            message VARCHAR NOT NULL, failed_at TIMESTAMP NOT NULL, PRIMARY KEY (root, rel));
        """
    )
    give_roots(connection, index)
    connection.execute("DROP TABLE paths; DROP TABLE failures")


MIGRATIONS: tuple[Migration, ...] = (
    _create,
    _remember_decisions,
    _remember_orientations,
    _remember_what_frames_stand_for,
    _tell_pages_structure_and_roots,
)
FORMAT_VERSION = len(MIGRATIONS)


def format_version(connection: DuckDBPyConnection) -> int:
    """Return the version a catalog is written in, 0 for an empty database."""
    tables = {
        name
        for (name,) in connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE NOT temporary"
        ).fetchall()
    }
    if not tables:
        return 0
    if "meta" not in tables:
        raise IndexFormatError(
            "the catalog is a DuckDB file, but not one of dfindex's; "
            "name another folder with --index"
        )
    row = connection.execute("SELECT value FROM meta WHERE key = 'format_version'").fetchone()
    return int(row[0]) if row else 0


def check_readable(connection: DuckDBPyConnection) -> None:
    """Raise IndexFormatError where a newer dfindex wrote the catalog."""
    version = format_version(connection)
    if version > FORMAT_VERSION:
        raise IndexFormatError(
            f"the index has format version {version}, this dfindex reads up to {FORMAT_VERSION}; "
            "use the newer dfindex that wrote it"
        )


def is_current(connection: DuckDBPyConnection) -> bool:
    """Tell whether a catalog is written in the newest format."""
    return format_version(connection) == FORMAT_VERSION


def migrate(connection: DuckDBPyConnection, index: Path) -> None:
    """Bring the catalog of an index folder to the newest version, in one transaction."""
    check_readable(connection)
    if is_current(connection):
        return
    connection.execute("BEGIN")
    for step in MIGRATIONS[format_version(connection) :]:
        step(connection, os.fsencode(index))
    connection.execute(
        "INSERT OR REPLACE INTO meta VALUES ('format_version', ?)", [str(FORMAT_VERSION)]
    )
    connection.execute("COMMIT")
