"""Build an index: walk the corpus, decode, encode, store; resume where the last run stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from indexer.build_frames import Assembly
from indexer.corpus import FoundFile, absolute, folder_label, folder_of, is_there, walk
from indexer.engines.local import Read, batch_size_for, extract, streams_for
from indexer.errors import CorpusGoneError, StoreError
from indexer.isolation.pool import DecodePool, Prepared
from indexer.labels import read_labels
from indexer.media.files import Limits
from indexer.media.videos.frames import Sampling
from indexer.store.catalog.changes import Label, LinkedFile
from indexer.store.catalog.files import FailedFile
from indexer.store.catalog.labelling import assign_labels
from indexer.store.catalog.names import contents_by_path
from indexer.store.catalog.scan import Scan
from indexer.store.catalog.vanished import Vanished, vanished
from indexer.store.maintenance.joining import join_small
from indexer.store.vectors.patch_codec import PatchCodec
from indexer.store.writer import IndexWriter, NewSample
from indexer.types import Encoder, Kind, Span

COMMIT_SECONDS = 4.0
COMMIT_SAMPLES = 1024
# Pictures whose tokens a new space's patch compression is fitted to; fewer with a slow model,
# so that a kill still loses seconds only.
CODEC_SAMPLES = 128
CODEC_SAMPLES_AT_LEAST = 16


class Progress(Protocol):
    """Hears how a build goes on."""

    def scanned(self, files: int) -> None:
        """``files`` files were found so far."""

    def started(self, pending: int) -> None:
        """``pending`` files are to be read."""

    def advanced(self, files: int) -> None:
        """``files`` more files are done."""


class Silent:
    """A `Progress` that says nothing."""

    def scanned(self, files: int) -> None:
        """Say nothing."""

    def started(self, pending: int) -> None:
        """Say nothing."""

    def advanced(self, files: int) -> None:
        """Say nothing."""


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How to build. ``workers`` decode; ``batch_size`` pictures go through the model at once.

    The batch size is by default the one that suits the encoder's device.

    ``loaded_from`` is the name or folder by which the encoder can be found again. ``sampling``
    says which frames of a video are taken; at and below ``frame_folders`` a folder's pictures are
    one video. ``prune`` forgets files that have vanished, but not all of a root, or of a disk
    below it, unless ``prune_missing_roots``.
    """

    workers: int
    batch_size: int | None = None
    loaded_from: str
    limits: Limits = field(default_factory=Limits)
    sampling: Sampling = field(default_factory=Sampling)
    frame_folders: Sequence[Path] = ()
    labels: Path | None = None
    label_from_folders: bool = False
    prune: bool = False
    prune_missing_roots: bool = False
    retry_failed: bool = False


@dataclass(frozen=True, kw_only=True)
class BuildReport:
    """What a build did. Of the files ``seen``, ``unchanged`` needed no reading.

    Of those read, ``embedded`` were new contents, ``linked`` were further copies of known ones,
    and ``failed`` could not be read. ``failed_in_all`` counts all of the index's failures.
    """

    seen: int
    unchanged: int
    embedded: int
    linked: int
    failed: int
    failed_in_all: int
    missing: Sequence[str]
    pruned: int
    labelled: int
    labels_unmatched: Sequence[str]
    labels_conflicts: Sequence[str]
    labels_matched_by_end: Sequence[str]
    seconds: float
    generation: int


def build(
    writer: IndexWriter,
    encoder: Encoder,
    roots: Sequence[Path],
    options: BuildOptions,
    progress: Progress | None = None,
) -> BuildReport:
    """Index every file below ``roots``, and report what became of it.

    Whatever ends a build, what was committed stays; the next one goes on from there. Raise
    UsageError where a root does not exist or the label file is wrong, CorpusGoneError where what
    is to be pruned looks like a disk that is not there, before anything is read.
    """
    started = time.monotonic()
    progress = progress or Silent()
    rows = read_labels(options.labels) if options.labels else []
    folders = [absolute(root) for root in (*roots, *options.frame_folders)]
    scan = Scan(writer.catalog, space=encoder.spec.fingerprint, retry_failed=options.retry_failed)
    for seen in scan.add(_walk(writer, folders, options)):
        progress.scanned(seen)
    seen, pending = scan.counts()
    missing = scan.missing(folders)
    if options.prune and not options.prune_missing_roots:
        _refuse(vanished(writer.catalog, [raw for raw, _ in missing]))
    progress.started(pending)
    tally = _read_all(writer, encoder, scan, options, progress) if pending else _Tally()
    pruned = writer.catalog.remove_paths([raw for raw, _ in missing]) if options.prune else 0
    scan.remember([] if options.prune else [raw for raw, _ in missing])
    from_folders = _label_from_folders(writer) if options.label_from_folders else 0
    from_file = assign_labels(writer.catalog, rows)  # which overrules the folders
    join_small(writer, encoder.spec.fingerprint)
    writer.refresh_ann(encoder.spec.fingerprint)
    writer.refresh_keypoints(encoder.spec.fingerprint)
    writer.publish()
    return BuildReport(
        seen=seen,
        unchanged=seen - pending,
        embedded=tally.embedded,
        linked=tally.linked,
        failed=tally.failed,
        failed_in_all=writer.catalog.media_counts().failed,
        missing=[] if options.prune else [path for _, path in missing],
        pruned=pruned,
        labelled=from_folders + from_file.labelled,
        labels_unmatched=from_file.unmatched,
        labels_conflicts=from_file.conflicts,
        labels_matched_by_end=from_file.matched_by_end,
        seconds=time.monotonic() - started,
        generation=writer.catalog.generation,
    )


def _walk(
    writer: IndexWriter, roots: Sequence[bytes], options: BuildOptions
) -> Iterator[FoundFile]:
    """Walk the roots; one that is gone may be among them where its files are to be forgotten."""
    there = [root for root in roots if is_there(root)]
    gone = [root for root in roots if root not in there]
    known = options.prune_missing_roots and all(map(writer.catalog.files_below, gone))
    writer.catalog.add_roots(map(folder_of, there))
    walked = there if known else roots  # which raises for the one that is gone
    return walk(walked, exclude=[writer.folder.path], frames=options.frame_folders)


def _refuse(folders: Sequence[Vanished]) -> None:
    """Raise CorpusGoneError where any folder's files have vanished all at once."""
    if folders:
        told = ", ".join(f"{one.folder} ({one.files} files)" for one in folders)
        raise CorpusGoneError(
            f"expected to find some of what was indexed below {told}, but it is empty or gone: "
            "mount the disk, or forget those files with --prune-missing-roots"
        )


@dataclass
class _Tally:
    embedded: int = 0
    linked: int = 0
    failed: int = 0


def _read_all(
    writer: IndexWriter,
    encoder: Encoder,
    scan: Scan,
    options: BuildOptions,
    progress: Progress,
) -> _Tally:
    collector = _Collector(writer, encoder, options.loaded_from)
    pool = DecodePool(
        workers=options.workers,
        preset=encoder.spec.preset,
        limits=options.limits,
        sampling=options.sampling,
    )
    batch_size = options.batch_size or batch_size_for(encoder)
    # One thread for NumPy's products: the cores are busy with the encoder, and a product that is
    # split over them would wait for each.
    with threadpool_limits(1, user_api="blas"), pool, collector:
        stream = pool.map(scan.pending(), known=collector.knows, ahead=max(64, 4 * batch_size))
        streams = streams_for(encoder)
        for read in extract(encoder, stream, batch_size=batch_size, streams=streams):
            collector.add(read)
            progress.advanced(int(read.prepared.last))
    return collector.tally


class _Collector:
    """Gathers what was read and commits it every few seconds, on a thread of its own.

    The model goes on while a commit is written; at most one commit is under way, so that memory
    stays bounded.
    """

    def __init__(self, writer: IndexWriter, encoder: Encoder, loaded_from: str) -> None:
        self._writer = writer
        self._loaded_from = loaded_from
        self._encoder = encoder
        self._spec = encoder.spec
        self._codec = writer.codec(self._spec)
        self._known = writer.embedded_contents(self._spec.fingerprint)
        self._waiting: list[Read] = []
        self._assembly = Assembly()
        self._samples: list[NewSample] = []
        self._linked: list[LinkedFile] = []
        self._failed: list[FailedFile] = []
        self._committed_at = time.monotonic()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="commit")
        self._commit_under_way: Future[None] | None = None
        self.tally = _Tally()

    def __enter__(self) -> _Collector:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # What was read is kept whatever ended the build, unless it was the store itself.
        try:
            if kind is None or not issubclass(kind, StoreError):
                self._fit_codec()
                self._commit()
            self._wait()
        finally:
            self._thread.shutdown()

    def knows(self, sha256: str) -> bool:
        """Tell whether a content has an embedding already, or will have with the next commit."""
        return bytes.fromhex(sha256) in self._known

    def add(self, read: Read) -> None:
        """Take one file's result."""
        prepared = read.prepared
        if prepared.problem is not None:
            self._add_failure(prepared)
        elif read.vector is None or read.patches is None:
            self._link(prepared)
        elif prepared.is_part or self._is_new(prepared):
            self._add_sample(read)
        if self._is_due():
            self._commit()

    def _add_failure(self, prepared: Prepared) -> None:
        assert prepared.problem is not None
        self._failed.append(
            FailedFile(file=prepared.file, sha256=prepared.sha256, problem=prepared.problem)
        )
        self._assembly.give_up(prepared.file.raw)
        self.tally.failed += 1

    def _is_new(self, prepared: Prepared) -> bool:
        """Count a content as embedded, unless it is known: then its file is one more of it."""
        if self.knows(str(prepared.sha256)):
            self._link(prepared)
            return False
        self._known.add(bytes.fromhex(str(prepared.sha256)))
        self.tally.embedded += 1
        return True

    def _link(self, prepared: Prepared) -> None:
        self._linked.append(LinkedFile(file=prepared.file, sha256=str(prepared.sha256)))
        self.tally.linked += 1

    def _add_sample(self, read: Read) -> None:
        if self._codec is None:
            self._waiting.append(read)
            if len(self._waiting) >= CODEC_SAMPLES:
                self._fit_codec()
            return
        self._take(self._codec, read)

    def _take(self, codec: PatchCodec, read: Read) -> None:
        """Have a sample committed; a frame or page only when its file is whole."""
        sample, prepared = _sample(codec, read), read.prepared
        if not prepared.is_part:
            self._samples.append(sample)
            return
        parts = self._assembly.add(sample, last=prepared.last)
        if parts and self._is_new(prepared):
            self._samples += parts

    def _fit_codec(self) -> None:
        """Fit a new space's patch compression to its first pictures."""
        if self._codec is not None or not self._waiting:
            return
        tokens = np.concatenate([one.patches for one in self._waiting if one.patches is not None])
        self._codec = PatchCodec.fit(tokens)
        self._writer.add_space(self._spec, self._codec, loaded_from=self._loaded_from)
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            self._take(self._codec, one)

    def _is_due(self) -> bool:
        late = time.monotonic() - self._committed_at >= COMMIT_SECONDS
        if late and len(self._waiting) >= CODEC_SAMPLES_AT_LEAST:
            self._fit_codec()
        if self._waiting:
            return False
        return late or len(self._samples) >= COMMIT_SAMPLES

    def _commit(self) -> None:
        self._wait()
        self._committed_at = time.monotonic()
        samples, linked, failed = self._samples, self._linked, self._failed
        self._samples, self._linked, self._failed = [], [], []
        if samples or linked or failed:
            self._commit_under_way = self._thread.submit(
                self._writer.commit,
                self._spec,
                made_on=self._encoder if samples else None,
                samples=samples,
                linked=linked,
                failed=failed,
            )

    def _wait(self) -> None:
        if self._commit_under_way is not None:
            self._commit_under_way.result()
            self._commit_under_way = None


def _sample(codec: PatchCodec, read: Read) -> NewSample:
    prepared = read.prepared
    assert read.vector is not None and read.patches is not None
    return NewSample(
        file=prepared.file,
        sha256=str(prepared.sha256),
        width=prepared.width,
        height=prepared.height,
        format=prepared.format,
        vector=read.vector,
        patch_row=codec.encode(read.patches[None])[0],
        keypoint_row=prepared.keypoints,
        head_row=read.head,
        page=prepared.page,
        structure=prepared.structure,
        **_when(prepared.span),
    )


def _when(span: Span | None) -> dict[str, Any]:
    """Return what a frame's sample says beyond a picture's."""
    return {} if span is None else {"kind": Kind.FRAME, **asdict(span)}


def _label_from_folders(writer: IndexWriter) -> int:
    labels = {}
    for path, sha256 in reversed(contents_by_path(writer.catalog)):
        named = folder_label(path)
        if named is not None:
            labels[sha256] = Label(label=named[0], generator=named[1])
    if labels:
        writer.catalog.set_labels(labels)
    return len(labels)
