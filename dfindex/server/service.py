"""The service behind its routes: the live index, the queues, and what is kept between requests."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from threadpoolctl import ThreadpoolController

from dfindex.comparison import FileComparison, compare
from dfindex.index import Index
from dfindex.server.access import Access, Rate
from dfindex.server.batching import Batcher, Workbench, answer_within
from dfindex.server.departures import Stop
from dfindex.server.duplicate_groups import DuplicateFinder
from dfindex.server.encoding import Encoders
from dfindex.server.errors import Problem
from dfindex.server.live import LiveIndex, warm
from dfindex.server.maps import Maps
from dfindex.server.media import PictureCache, Unchanged
from dfindex.server.metrics import Metrics
from dfindex.server.settings import ServerSettings
from dfindex.server.uploads import Upload, UploadStore
from dfindex.server.vetting import Vetting
from dfindex.video_comparison import VideoComparison, compared_with
from indexer.closing import Closing
from indexer.errors import UsageError
from indexer.files import Limits
from indexer.types import Kind, Sample
from search.results import SearchResult
from search.video_clip import ClipReader
from search.video_query import VideoSearcher
from search.video_results import VideoSearchResult

T = TypeVar("T")

_PRODUCT_THREADS = 2  # that compare a batch of vectors with the stored ones


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """What a search is asked for, by the names the command line has."""

    k: int = 10
    where: str | None = None
    space: str | None = None
    min_score: float | None = None
    max_fpr: float | None = None
    verify: bool = True


@dataclass(frozen=True)
class _Asked:
    """A search by a sample's stored vector."""

    sample_id: int
    options: SearchOptions


class Service(Closing):
    """Everything the routes share; made once, closed when the application ends."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.access = Access(settings)
        allowance = settings.allowance
        self.uploads_a_minute = Rate(allowance.uploads_a_minute)
        self._writing = threading.Lock()
        self._encoders = Encoders(settings, self.metrics)
        self.live = LiveIndex(settings.index, self._open, lambda one: warm(one, settings.space))
        self.maps = Maps(self.live, settings.space)
        self.uploads = UploadStore(allowance)
        self.thumbnails = PictureCache()
        self.unchanged = Unchanged()
        self.groups = DuplicateFinder(self.live, settings.space)
        self.limits = allowance.limits
        self.vetting = Vetting(workers=allowance.decoders, limits=self.limits)
        bench = {"workers": allowance.workers, "waiting": allowance.waiting}
        self.work = Workbench(**bench, seconds=allowance.seconds)
        # Thumbnails come in flocks, and must not push searches out of their queue.
        self.pictures = Workbench(
            workers=allowance.workers, waiting=16 * allowance.waiting, seconds=allowance.seconds
        )
        self._threads = ThreadpoolController()
        # None is of a frame, which is searched for with its whole video.
        self._by_id: Batcher[_Asked, SearchResult | None] = Batcher(
            self._answer, name="by-id", waiting=4 * allowance.waiting
        )
        self._watch()

    def close(self) -> None:
        """Finish what is under way, and let go of everything."""
        self.work.close()
        self.pictures.close()
        self._by_id.close()
        self.groups.close()
        self.vetting.close()
        self.live.close()
        self._encoders.close()
        self.uploads.close()

    async def read(self, job: Callable[[Index, Stop], T]) -> T:
        """Run a job on the newest generation, off the event loop, until nobody waits for it."""
        stop = Stop()
        return await self.work.run(
            lambda: self.live.read(lambda index: job(index, stop)), stop=stop
        )

    async def look(self, job: Callable[[Index], T]) -> T:
        """Run a small job on the newest generation, in the queue of the pictures."""
        return await self.pictures.run(lambda: self.live.read(job))

    async def show(self, job: Callable[[Index, Stop], T]) -> T:
        """Make a small picture, in a queue of its own, until nobody waits for it."""
        stop = Stop()
        return await self.pictures.run(
            lambda: self.live.read(lambda index: job(index, stop)), stop=stop
        )

    async def write(self, job: Callable[[Path], T]) -> T:
        """Change the index, one at a time, and take the change over."""
        return await self.work.run(lambda: self._written(job))

    async def sample(self, sample_id: int) -> Sample:
        """Return a sample, and whether its file is there; a 404 where there is none of that id."""
        return await self.look(lambda index: sample_of(index, sample_id))

    async def vet(self, upload: Upload) -> Upload:
        """Return what is known of an upload now; raise MediaError where it cannot be read."""
        stop = Stop()
        middle = await self.work.run(lambda: self.vetting.middle(upload.path, stop), stop=stop)
        known = replace(upload, middle_s=middle)
        self.uploads.know(known)
        return known

    async def search_upload(
        self, upload: Upload, options: SearchOptions
    ) -> SearchResult | VideoSearchResult:
        """Search for an uploaded file that was vetted."""
        options = self._completed(options)
        result = await self.read(
            lambda index, stop: (
                _searched_clip(index, upload.path, options, stop, self.limits)
                if upload.clip
                else _searched(index, upload.path, options)
            )
        )
        self.metrics.timed(vars(result.timing_ms))
        if isinstance(result, VideoSearchResult):
            return replace(result, query=replace(result.query, path=upload.name))
        return replace(result, query=replace(result.query, path=upload.name))

    async def search_sample(
        self, sample_id: int, options: SearchOptions
    ) -> SearchResult | VideoSearchResult:
        """Search for what a sample is of, as the command line does: a picture, or a whole video.

        A picture whose pixels are not compared is searched for by its stored vector.
        """
        options = self._completed(options)
        result: SearchResult | VideoSearchResult | None = None
        if not options.verify:
            future = self._by_id.submit(_Asked(sample_id, options))
            result = await answer_within(self.settings.allowance.seconds, future)
        if result is None:
            result = await self.read(
                lambda index, stop: _searched_sample(index, sample_id, options, stop)
            )
        self.metrics.timed(vars(result.timing_ms))
        return result

    async def compare_uploads(self, a: Upload, b: Upload) -> FileComparison:
        """Say whether one of two uploads that were vetted is a copy of the other."""
        if a.clip or b.clip:
            found: FileComparison = await self.read(
                lambda index, stop: self._compared_clips(index, a, b, stop)
            )
        else:
            found = await self.work.run(lambda: compare(a.path, b.path))
        return replace(found, a=a.name, b=b.name)

    def _compared_clips(self, index: Index, a: Upload, b: Upload, stop: Stop) -> VideoComparison:
        with self.reader(index, stop, self.limits) as reader:
            return compared_with(reader, a.path, b.path, name=b.name)

    @contextmanager
    def reader(self, index: Index, stop: Stop, limits: Limits | None) -> Iterator[ClipReader]:
        """Read clips as the index does, until nobody waits for them."""
        encoder = index.searcher(self.settings.space).encoder
        with ClipReader(encoder, limits=limits) as reader, stop.ends(reader.halt):
            yield reader

    def _completed(self, options: SearchOptions) -> SearchOptions:
        return replace(options, space=options.space or self.settings.space)

    def _open(self, path: Path) -> Index:
        return Index(path, encoders=self._encoders.open)

    def _written(self, job: Callable[[Path], T]) -> T:
        with self._writing:
            result = job(self.settings.index)
        self.live.refresh()
        return result

    def _answer(self, asked: Sequence[_Asked]) -> Sequence[SearchResult | None | Exception]:
        self.metrics.batches.labels("by-id").observe(len(asked))
        groups: dict[SearchOptions, set[int]] = defaultdict(set)
        for one in asked:
            groups[one.options].add(one.sample_id)
        answers: dict[_Asked, SearchResult | None | Exception] = {}
        # On few threads: they wait for each other by spinning, which takes cores from the requests.
        with self._threads.limit(limits=_PRODUCT_THREADS, user_api="openmp"):
            for options, ids in groups.items():
                for sample_id, answer in self._of_group(options, sorted(ids)).items():
                    answers[_Asked(sample_id, options)] = answer
        return [answers[one] for one in asked]

    def _of_group(
        self, options: SearchOptions, ids: list[int]
    ) -> dict[int, SearchResult | None | Exception]:
        try:
            found = self.live.read(lambda index: _stored(index, ids, options))
        except Exception as error:
            return dict.fromkeys(ids, error)
        return {one: found.get(one, unknown_sample(one)) for one in ids}

    def _watch(self) -> None:
        watch = self.metrics.watch
        watch("dfindex_index_generation", "The generation in use.", lambda: self.live.generation)
        watch("dfindex_queue_by_id", "Searches by id that wait.", lambda: len(self._by_id))
        watch("dfindex_queue_work", "Jobs under way or waiting.", lambda: self.work.under_way)
        watch(
            "dfindex_queue_pictures",
            "Pictures under way or waiting.",
            lambda: self.pictures.under_way,
        )


def sample_of(index: Index, sample_id: int) -> Sample:
    """Return a sample, and whether its file is there; a 404 where there is none of that id."""
    found = index.catalog.samples([sample_id])
    if not found:
        raise unknown_sample(sample_id)
    absent = index.originals.absent(found)
    return found[0].without_file(absent[sample_id]) if absent else found[0]


def unknown_sample(sample_id: int) -> Problem:
    """Return the 404 for an id."""
    return Problem(404, f"the index holds no sample {sample_id}", "take an id from a search's hits")


def _stored(
    index: Index, ids: Sequence[int], options: SearchOptions
) -> dict[int, SearchResult | None]:
    """Search for samples by their stored vectors; None is of frames, unknown ids are left out."""
    frames = [one.id for one in index.catalog.samples(ids) if one.kind is Kind.FRAME]
    pictures = [one for one in ids if one not in frames]
    found = index.searcher(options.space).search_samples(
        pictures,
        k=options.k,
        where=options.where,
        min_score=options.min_score,
        max_fpr=options.max_fpr,
    )
    answers = {one: answer for one, answer in zip(pictures, found, strict=True) if answer}
    return {**answers, **dict.fromkeys(frames)}


def _searched_sample(
    index: Index, sample_id: int, options: SearchOptions, stop: Stop
) -> SearchResult | VideoSearchResult:
    found = index.catalog.samples([sample_id])
    if not found:
        raise unknown_sample(sample_id)
    if found[0].kind is Kind.FRAME:
        return _searched_clip(index, found[0], options, stop)
    return _searched(index, found[0], options)


def _searched_clip(
    index: Index,
    query: Path | Sample,
    options: SearchOptions,
    stop: Stop,
    limits: Limits | None = None,
) -> VideoSearchResult:
    if options.max_fpr is not None:
        raise UsageError("expected min_score with a video, got max_fpr; a rate is of pictures")
    searcher = index.searcher(options.space)
    with ClipReader(searcher.encoder, limits=limits) as reader, stop.ends(reader.halt):
        return VideoSearcher(searcher).search(
            query,
            k=options.k,
            where=options.where,
            min_score=options.min_score,
            verify=options.verify,
            reader=reader,
        )


def _searched(index: Index, query: Path | Sample, options: SearchOptions) -> SearchResult:
    return index.searcher(options.space).search(
        query,
        k=options.k,
        where=options.where,
        min_score=options.min_score,
        max_fpr=options.max_fpr,
        verify=options.verify,
    )
