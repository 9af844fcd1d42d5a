"""The service behind its routes: the live index, the queues, and what is kept between requests."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from threadpoolctl import ThreadpoolController

from dfindex.compare import FileComparison, VideoComparison, compare_films, compare_pictures
from dfindex.index import Index
from dfindex.server.encoding import Encoders
from dfindex.server.http.access import Access, Rate
from dfindex.server.http.departures import Stop
from dfindex.server.jobs.batching import Batcher, answer_within
from dfindex.server.jobs.queues import Queue, benches
from dfindex.server.live import LiveIndex, warm
from dfindex.server.maps import Maps
from dfindex.server.media import PictureCache, Unchanged
from dfindex.server.metrics import Metrics
from dfindex.server.searching import (
    known_sample,
    sample_of,
    searched,
    stored,
    unknown_sample,
)
from dfindex.server.settings import ServerSettings
from dfindex.server.uploads import Upload, UploadStore
from dfindex.server.vetting import Vetting
from dfindex.server.views.duplicate_groups import DuplicateFinder
from indexer.closing import Closing
from indexer.errors import IndexLockedError
from indexer.media.files import Limits
from indexer.types import Kind, Sample
from search.options import SearchOptions
from search.results import AnyResult, PictureResult
from search.videos.clips import ClipReader

T = TypeVar("T")

_LOCK_LOOK = 0.1  # seconds between two looks at whether the index may be written to
_LEAVE = 2.0  # seconds that jobs under way have at the end
_PRODUCT_THREADS = 2  # that compare a batch of vectors with the stored ones


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
        self.live = LiveIndex(settings.index, self._open, partial(warm, settings.space))
        self.maps = Maps(self.live, settings.space)
        self.uploads = UploadStore(allowance)
        self.thumbnails = PictureCache()
        self.unchanged = Unchanged()
        self.groups = DuplicateFinder(self.live, settings.space)
        self.limits = allowance.limits
        self.vetting = Vetting(workers=allowance.decoders, limits=self.limits)
        self.film_vetting = Vetting(workers=allowance.decoders, limits=self.limits)
        self._benches = benches(allowance)
        self._threads = ThreadpoolController()
        # None is of a frame, which is searched for with its whole video.
        self._by_id: Batcher[_Asked, PictureResult | None] = Batcher(
            self._answer, name="by-id", waiting=4 * allowance.waiting
        )
        self._watch()

    def close(self) -> None:
        """Finish what is soon done, and let go of everything."""
        for bench in self._benches.values():
            bench.dismiss()
        self.vetting.close()
        self.film_vetting.close()
        until = time.monotonic() + _LEAVE
        for bench in self._benches.values():
            bench.join(until)
        self._by_id.close()
        self.groups.close()
        self.live.close()
        self._encoders.close()
        self.uploads.close()

    async def run(
        self, queue: Queue, job: Callable[[], T], *, stop: Callable[[], object] | None = None
    ) -> T:
        """Run a job off the event loop, in one of the queues."""
        return await self._benches[queue].run(job, stop=stop)

    async def read(self, job: Callable[[Index, Stop], T], queue: Queue = Queue.WORK) -> T:
        """Run a job on the newest generation, until nobody waits for it."""
        stop = Stop()
        return await self.run(
            queue, lambda: self.live.read(lambda index: job(index, stop)), stop=stop
        )

    async def look(self, job: Callable[[Index], T], queue: Queue = Queue.LOOKS) -> T:
        """Run a small job on the newest generation."""
        return await self.run(queue, lambda: self.live.read(job))

    async def write(self, job: Callable[[Path], T]) -> T:
        """Change the index, one at a time, and take the change over."""
        return await self.run(Queue.WRITES, lambda: self._kept(lambda: job(self.settings.index)))

    async def make(self, job: Callable[[Path], Callable[[], T]]) -> T:
        """Have a job make something of the index, which may take long, and keep it.

        The job returns what keeps it: only that is one at a time. It is kept even where its maker
        does not wait for it any more.
        """
        return await self.run(Queue.TRAINING, lambda: self._kept(job(self.settings.index)))

    async def sample(self, sample_id: int) -> Sample:
        """Return a sample, and whether its file is there; a 404 where there is none of that id."""
        return await self.look(lambda index: sample_of(index, sample_id), Queue.PICTURES)

    async def vet(self, upload: Upload) -> Upload:
        """Return what is known of an upload now; raise MediaError where it cannot be read."""
        stop = Stop()
        queue, vetting = (
            (Queue.FILMS, self.film_vetting) if upload.moves else (Queue.WORK, self.vetting)
        )
        middle = await self.run(queue, lambda: vetting.middle(upload.path, stop), stop=stop)
        known = replace(upload, middle_s=middle)
        self.uploads.know(known)
        return known

    async def search_upload(self, upload: Upload, options: SearchOptions) -> AnyResult:
        """Search for an uploaded file that was vetted."""
        options = self._completed(options)
        result: AnyResult = await self.read(
            lambda index, stop: searched(
                index, upload.path, options, stop, clip=upload.clip, limits=self.limits
            ),
            _queue_of(upload.clip),
        )
        self.metrics.timed(vars(result.timing_ms))
        return replace(result, query=replace(result.query, path=upload.name))

    async def search_sample(self, sample_id: int, options: SearchOptions) -> AnyResult:
        """Search for what a sample is of, as the command line does: a picture, or a whole video.

        A picture whose pixels are not compared is searched for by its stored vector.
        """
        options = self._completed(options)
        result: AnyResult | None = None
        if not options.verify:
            future = self._by_id.submit(_Asked(sample_id, options))
            result = await answer_within(self.settings.allowance.seconds, future)
        if result is None:
            sample = await self.look(lambda index: known_sample(index, sample_id))
            clip = sample.kind is Kind.FRAME
            result = await self.read(
                lambda index, stop: searched(
                    index, known_sample(index, sample_id), options, stop, clip=clip
                ),
                _queue_of(clip),
            )
        self.metrics.timed(vars(result.timing_ms))
        return result

    async def compare_uploads(self, a: Upload, b: Upload) -> FileComparison:
        """Say whether one of two uploads that were vetted is a copy of the other."""
        if a.clip or b.clip:
            found: FileComparison = await self.read(
                lambda index, stop: self._compared_clips(index, a, b, stop), Queue.FILMS
            )
        else:
            found = await self.run(Queue.WORK, lambda: compare_pictures(a.path, b.path))
        return replace(found, a=a.name, b=b.name)

    def _compared_clips(self, index: Index, a: Upload, b: Upload, stop: Stop) -> VideoComparison:
        with self.reader(index, stop, self.limits) as reader:
            return compare_films(reader, reader.read(a.path), reader.read(b.path), name=b.name)

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

    def _kept(self, keep: Callable[[], T]) -> T:
        with self._writing:
            result = _when_free(keep, self.settings.allowance.lock_seconds)
        self.live.refresh()
        return result

    def _answer(self, asked: Sequence[_Asked]) -> Sequence[PictureResult | None | Exception]:
        self.metrics.batches.labels("by-id").observe(len(asked))
        groups: dict[SearchOptions, set[int]] = defaultdict(set)
        for one in asked:
            groups[one.options].add(one.sample_id)
        answers: dict[_Asked, PictureResult | None | Exception] = {}
        # On few threads: they wait for each other by spinning, which takes cores from the requests.
        with self._threads.limit(limits=_PRODUCT_THREADS, user_api="openmp"):
            for options, ids in groups.items():
                for sample_id, answer in self._of_group(options, sorted(ids)).items():
                    answers[_Asked(sample_id, options)] = answer
        return [answers[one] for one in asked]

    def _of_group(
        self, options: SearchOptions, ids: list[int]
    ) -> dict[int, PictureResult | None | Exception]:
        try:
            found = self.live.read(lambda index: stored(index, ids, options))
        except Exception as error:
            return dict.fromkeys(ids, error)
        return {one: found.get(one, unknown_sample(one)) for one in ids}

    def _watch(self) -> None:
        watch = self.metrics.watch
        watch("dfindex_index_generation", "The generation in use.", lambda: self.live.generation)
        watch("dfindex_queue_by_id", "Searches by id that wait.", lambda: len(self._by_id))
        for queue, bench in self._benches.items():
            words = f"Jobs under way or waiting: {queue}."
            watch(f"dfindex_queue_{queue}", words, partial(getattr, bench, "under_way"))


def _when_free(keep: Callable[[], T], seconds: float) -> T:
    """Keep something, once another process that writes, such as a short build, has finished."""
    until = time.monotonic() + seconds
    while True:
        try:
            return keep()
        except IndexLockedError:
            if time.monotonic() > until:
                raise
        time.sleep(_LOCK_LOOK)


def _queue_of(film: bool) -> Queue:
    return Queue.FILMS if film else Queue.WORK
