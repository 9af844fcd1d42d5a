"""Change an index that is there: remove, compact, repair, label."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from indexer.corpus import absolute, as_text
from indexer.errors import IndexNotFoundError, UsageError
from indexer.store.folder import IndexFolder

if TYPE_CHECKING:
    from indexer.store.catalog.labelling import Labelling
    from indexer.store.maintenance.compaction import Compaction
    from indexer.store.writer import IndexWriter


@dataclass(frozen=True, kw_only=True)
class Removal:
    """How many files were removed, and which names fit none."""

    removed: int
    unknown: tuple[str, ...]


def remove(index: Path, names: Sequence[str]) -> Removal:
    """Delete files named by path, folder, SHA-256 or sample id from the index."""
    from indexer.store.catalog.names import files_named

    with _writer(index) as writer:
        found: set[bytes] = set()
        unknown = []
        for name in names:
            raws = files_named(writer.catalog, name)
            found.update(raws)
            if not raws:
                unknown.append(name)
        removed = writer.catalog.remove_paths(sorted(found)) if found else 0
    return Removal(removed=removed, unknown=tuple(unknown))


def compact(index: Path) -> Compaction:
    """Rewrite the segments without what was removed."""
    from indexer.store.maintenance.compaction import compact as run

    with _writer(index) as writer:
        return run(writer)


@dataclass(frozen=True, kw_only=True)
class Relocation:
    """What became of ``files`` indexed at or below ``old`` that are said to be at ``new`` now.

    ``there`` of them are, with the size they had; of ``compared`` ones ``same`` have their SHA-256.
    """

    old: str
    new: str
    files: int
    there: int
    compared: int
    same: int
    moved: bool

    @property
    def fits(self) -> bool:
        """Whether what is at ``new`` may be what was indexed."""
        return self.there > 0 and (self.same > 0 or self.compared == 0)


def relocate(
    index: Path, old: Path, new: Path, *, dry_run: bool = False, force: bool = False
) -> Relocation:
    """Take all that was indexed at or below ``old`` to be at ``new``, if anything there fits.

    Some files are compared by SHA-256, all by size. ``force`` relocates whatever is there.
    """
    from indexer.store.catalog.presence import look_elsewhere
    from indexer.store.reader import IndexReader

    before, now = absolute(old), absolute(new)
    with IndexReader(index) as reader:
        looked = look_elsewhere(reader.catalog, before, now)
    result = Relocation(old=as_text(before), new=as_text(now), **asdict(looked), moved=False)
    if dry_run or not result.files or not (result.fits or force):
        return result
    with _writer(index) as writer:
        writer.catalog.move_paths(before, now)
    return replace(result, moved=True)


def take_back(index: Path, number: int) -> list[str]:
    """Take what lies in quarantine under a number back into the index; say what was done.

    Raise UsageError where it cannot be part of the index as that is now: it stays in quarantine.
    """
    from indexer.store.maintenance.readmission import readmit

    with _writer(index) as writer:
        return readmit(writer.folder, writer.catalog, number)


def empty_quarantine(index: Path) -> int:
    """Delete all that lies in quarantine; return how many files that were."""
    from indexer.store.maintenance.quarantine import empty

    with _writer(index) as writer:
        return empty(writer.folder)


def import_labels(index: Path, csv: Path) -> Labelling:
    """Apply the labels of a CSV file."""
    from indexer.labels import read_labels
    from indexer.store.catalog.labelling import assign_labels

    rows = read_labels(csv)
    with _writer(index) as writer:
        return assign_labels(writer.catalog, rows)


def set_label(
    index: Path,
    name: str,
    value: str,
    *,
    generator: str | None = None,
    source: str | None = None,
    group: str | None = None,
) -> int:
    """Label what a path, SHA-256 or id names; return how many contents that were."""
    from indexer.labels import check_label
    from indexer.store.catalog.changes import Label
    from indexer.store.catalog.names import contents_at, files_named

    label = Label(
        label=check_label(value, "label set"), generator=generator, source=source, group=group
    )
    with _writer(index) as writer:
        named = contents_at(writer.catalog, files_named(writer.catalog, name))
        contents = sorted(set(named.values()))
        if contents:
            writer.catalog.set_labels(dict.fromkeys(contents, label))
    return len(contents)


class LabelFields(TypedDict, total=False):
    """What a label may say beside real or fake."""

    generator: str | None
    source: str | None
    group: str | None


def label_samples(index: Path, ids: Sequence[int], value: str, **given: Unpack[LabelFields]) -> int:
    """Label the contents of several samples at once; return how many contents that were.

    What is not given stays as it was.
    """
    from indexer.labels import check_label
    from indexer.store.catalog.changes import Label
    from indexer.store.catalog.labels import labels_of

    label = check_label(value, "label set")
    with _writer(index) as writer:
        contents = {one.sha256 for one in writer.catalog.samples(ids)}
        known = labels_of(writer.catalog, contents)
        changed = {
            one: replace(known.get(one, Label(label=label)), label=label, **given)
            for one in sorted(contents)
        }
        if changed:
            writer.catalog.set_labels(changed)
    return len(contents)


def decide(index: Path, names: Sequence[str], decision: str) -> int:
    """Remember what every pair of some pictures is, ``same`` or ``different``; count the pairs.

    Raise UsageError where a name fits no content of the index and no file, or fewer than two
    contents are named.
    """
    from indexer.store.catalog.decisions import Decision, remember

    if decision not in set(Decision):
        raise UsageError(f"expected same or different, got {decision!r}")
    with _writer(index) as writer:
        contents = [_content_named(writer, name) for name in names]
        if len(set(contents)) < 2:
            raise UsageError(
                f"expected two different pictures, got {', '.join(names)}, which have one content"
            )
        return remember(writer.catalog, contents, Decision(decision))


def _content_named(writer: IndexWriter, name: str) -> str:
    """Return the SHA-256 of what a path, SHA-256 or id names, in the index or on disk."""
    from indexer.store.catalog.names import contents_named

    found = contents_named(writer.catalog, name)
    if len(found) == 1:
        return found[0]
    if not Path(name).is_file():
        raise UsageError(f"expected a picture's path, SHA-256 or id, but {name!r} names none here")
    with Path(name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _writer(index: Path) -> Iterator[IndexWriter]:
    from indexer.store.writer import IndexWriter

    if not IndexFolder(index).exists():
        raise IndexNotFoundError(f"there is no index at {index}; build one with dfindex build")
    with IndexWriter(index) as writer:
        yield writer
