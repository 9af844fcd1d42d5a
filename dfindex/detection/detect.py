"""Ask an encoder's own head about pictures and videos: real or fake, and what that rests on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from dfindex.detection.wording import UNCALIBRATED, HeadThreshold, Word
from indexer.corpus import FoundFile, walk
from indexer.encoders.device import share_cores
from indexer.encoders.own_head import log_odds, orientation, probability, require_head
from indexer.encoders.registry import with_heads
from indexer.engines.local import batch_size_for, extract, streams_for
from indexer.errors import MediaError, UsageError
from indexer.extract import read_prepared
from indexer.isolation.pool import DecodePool
from indexer.media.files import Limits, read_file
from indexer.media.image import decode_image
from indexer.media.videos.frames import Sampling
from indexer.originals import Originals
from indexer.preprocess import needed
from indexer.preprocess_views import views as views_of
from indexer.store.catalog.labels import first_labelled_samples
from indexer.store.catalog.orientations import (
    Orientation,
    OrientationFinding,
    remembered_orientation,
)
from indexer.store.folder import IndexFolder
from indexer.store.head_outputs import HeadOutputs
from indexer.store.reader import IndexReader
from indexer.types import Encoder, EncoderSpec, Float32


@dataclass(frozen=True, kw_only=True)
class Detection:
    """What the head says of one picture or video.

    ``logit`` is the log-odds of fake and ``probability_fake`` its sigmoid, both as the head was
    trained, not calibrated on your pictures. ``orientation`` says what is known of which way the
    head points: ``proved``, ``assumed``, ``unverified``, or what a check on labelled pictures
    found. Of a video, ``frames`` evenly spaced ones were read, and ``logit`` is the mean of
    theirs. ``problem`` says why there is no answer.
    """

    path: str
    probability_fake: float | None
    logit: float | None
    encoder: str
    revision: str | None
    preset: str
    orientation: str
    word: Word
    threshold: float | None
    views: int
    frames: int | None
    from_index: bool
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The declared log-odds of one file, or why there are none."""

    odds: float | None
    views: int = 1
    frames: int | None = None
    from_index: bool = False
    problem: str | None = None


class HeadDetector:
    """One encoder's head, with what an index knows of it: earlier answers, and its orientation."""

    def __init__(self, encoder: Encoder, *, index: Path | None = None) -> None:
        require_head(encoder.spec, having=", ".join(with_heads()))
        self.encoder = encoder
        self.spec = encoder.spec
        self._index = index if index is not None and IndexFolder(index).exists() else None

    def detect(
        self,
        paths: Sequence[str | Path],
        *,
        threshold: HeadThreshold = UNCALIBRATED,
        views: bool = False,
        workers: int | None = None,
    ) -> list[Detection]:
        """Return one row a file below ``paths``, in their order.

        ``views`` averages the log-odds of the centre and corner crops. A file that cannot be read
        is a row with its problem.
        """
        files = found_files(paths, exclude=self._index)
        answers = self.answers(files, views=views, workers=workers)
        finding = self.finding()
        return [self._row(file, answers[file.raw], finding, threshold) for file in files]

    def answers(
        self, files: Sequence[FoundFile], *, views: bool = False, workers: int | None = None
    ) -> dict[bytes, Answer]:
        """Return the declared log-odds of each file, by the bytes of its path."""
        if views and self.spec.preset.resize_to is not None:
            return dict(self._viewed(files))
        with ExitStack() as stack:
            return self._read(files, self._stored(stack), workers or os.cpu_count() or 1)

    def finding(self) -> OrientationFinding | None:
        """Return what an earlier check on labelled pictures found, if the index holds one."""
        if self._index is None:
            return None
        with IndexReader(self._index) as reader:
            return remembered_orientation(reader.catalog, self.spec.fingerprint)

    def turned(self) -> int:
        """Return -1 where the head was found inverted, and 1 else."""
        finding = self.finding()
        return -1 if finding and finding.finding is Orientation.INVERTED else 1

    def labelled(self) -> dict[bytes, str]:
        """Return the labels that the index holds, by the bytes of a path that is still there."""
        if self._index is None:
            return {}
        with IndexReader(self._index) as reader:
            samples = reader.catalog.samples(first_labelled_samples(reader.catalog))
            places = Originals(reader.catalog).places(samples)
        return {
            os.fsencode(place): str(one.label)
            for one in samples
            if isinstance(place := places[one.id], Path)
        }

    def _stored(self, stack: ExitStack) -> HeadOutputs | None:
        if self._index is None:
            return None
        reader = stack.enter_context(IndexReader(self._index))
        for row in reader.spaces():
            if row.fingerprint == self.spec.fingerprint:
                folder = reader.folder.space(row.fingerprint)
                return HeadOutputs(reader.catalog, row.fingerprint, folder, row.dim)
        return None

    def _read(
        self, files: Sequence[FoundFile], stored: HeadOutputs | None, workers: int
    ) -> dict[bytes, Answer]:
        batch = batch_size_for(self.encoder) if stored is None else 8
        answers: dict[bytes, Answer] = {}
        of_parts: dict[bytes, list[float]] = {}
        with DecodePool(
            workers=workers, preset=self.spec.preset, sampling=Sampling(), keypoints=False
        ) as pool:
            known = (lambda sha256: sha256 in stored) if stored is not None else _nothing
            stream = pool.map(files, known=known, ahead=max(64, 4 * batch))
            streams = 1 if len(files) == 1 else streams_for(self.encoder)
            for read in extract(self.encoder, stream, batch_size=batch, streams=streams):
                prepared, raw = read.prepared, read.prepared.file.raw
                if prepared.problem is not None:
                    answers[raw] = Answer(odds=None, problem=str(prepared.problem))
                elif read.head is None:
                    assert stored is not None
                    logits = stored.logits(str(prepared.sha256))[None]
                    answers[raw] = Answer(odds=self._odds(logits), from_index=True)
                elif not prepared.is_part:
                    answers[raw] = Answer(odds=self._odds(read.head[None, self.spec.dim :]))
                else:
                    odds = self._odds(read.head[None, self.spec.dim :])
                    of_parts.setdefault(raw, []).append(odds)
        # What could not be read to its end has a problem, and no answer.
        videos = {raw: Answer(odds=fmean(odds), frames=len(odds)) for raw, odds in of_parts.items()}
        return videos | answers

    def _viewed(self, files: Iterable[FoundFile]) -> Iterator[tuple[bytes, Answer]]:
        streams = streams_for(self.encoder)
        with ThreadPoolExecutor(streams, "views", share_cores, (streams,)) as threads:
            yield from threads.map(lambda file: (file.raw, self._look(file)), files)

    def _look(self, file: FoundFile) -> Answer:
        limits = Limits()
        try:
            if file.problem is not None:
                raise file.problem
            data = read_file(file.raw, limits=limits)
            decoded = decode_image(data, limits=limits, at_least=needed(self.spec.preset))
        except MediaError as error:
            return Answer(odds=None, problem=str(error))
        pixels = views_of(decoded.image, self.spec.preset)
        logits = read_prepared(pixels, self.encoder)[0].logits
        return Answer(odds=self._odds(_required(logits, self.spec)), views=len(pixels))

    def _odds(self, logits: Float32) -> float:
        return float(log_odds(self.spec, logits).mean())

    def _row(
        self,
        file: FoundFile,
        answer: Answer,
        finding: OrientationFinding | None,
        threshold: HeadThreshold,
    ) -> Detection:
        odds = answer.odds
        if odds is not None and finding and finding.finding is Orientation.INVERTED:
            odds = -odds
        pointing = str(finding.finding) if finding else orientation(self.spec)
        chance = None if odds is None else probability(odds)
        source, _, revision = self.spec.source.partition("@")
        return Detection(
            path=file.path,
            probability_fake=chance,
            logit=odds,
            encoder=self.spec.name,
            revision=revision or None,
            preset=self.spec.preset.name,
            orientation=pointing,
            word=threshold.word(chance, sure=pointing not in ("unverified", "undetermined")),
            threshold=threshold.fake_from if threshold.given else None,
            views=answer.views,
            frames=answer.frames,
            from_index=answer.from_index,
            problem=answer.problem,
        )


def found_files(paths: Sequence[str | Path], *, exclude: Path | None) -> list[FoundFile]:
    """Return every file below ``paths``, each once, in the order of ``paths``.

    Raise UsageError where one does not exist.
    """
    roots = [Path(path).absolute() for path in paths]
    for root in roots:
        if not os.path.lexists(root):
            raise UsageError(f"expected a file or folder, but {root} does not exist")
    left_out = [] if exclude is None else [exclude]
    return list(
        {file.raw: file for root in roots for file in walk([root], exclude=left_out)}.values()
    )


def _nothing(_sha256: str) -> bool:
    return False


def _required(logits: Float32 | None, spec: EncoderSpec) -> Float32:
    return np.empty((0, 0), np.float32) if logits is None else logits
