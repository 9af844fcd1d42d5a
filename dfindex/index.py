"""An index as people use it from Python: build, open, search, look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from dfindex.building import DEFAULT_FOLDER, BuildArguments, build_report
from dfindex.encoders import encoder_of, open_encoder
from indexer.closing import Closing
from indexer.store.reader import IndexReader
from indexer.types import sample_id

if TYPE_CHECKING:
    from dfindex.status import Status
    from indexer.originals import Originals
    from indexer.store.catalog.catalog import Catalog, Failure
    from indexer.store.catalog.decisions import Decided
    from indexer.store.vectors.space import Space
    from indexer.types import Encoder, Float32, Sample
    from search.duplicates.groups import Duplicates
    from search.results import AnyResult
    from search.searcher import Searcher

    OpenEncoder = Callable[[str | Path | Encoder | None, str, str], Encoder]


class Index(Closing):
    """A published generation of an index, open for reading.

    ``encoders`` opens an encoder by name or folder, device and precision; several generations
    may share one that is loaded.
    """

    def __init__(self, path: str | Path, *, encoders: OpenEncoder | None = None) -> None:
        self.path = Path(path)
        self._reader = IndexReader(self.path)
        self._encoders = encoders or open_encoder
        self._searchers: dict[str, Searcher] = {}

    def close(self) -> None:
        """Let go of the index."""
        self._reader.close()

    def search(
        self,
        query: str | Path,
        k: int = 10,
        *,
        encoder: str | Path | Encoder | None = None,
        device: str = "auto",
        precision: str = "auto",
        **options: Any,
    ) -> AnyResult:
        """Find the ``k`` samples nearest to a picture, a video, or to what an id names.

        Of a video they are the videos and pictures that share most with it, and where they do.

        ``options`` are those of `search.options.SearchOptions`: where, space, min_score, max_fpr
        (of pictures only), verify. ``encoder`` is only needed where the one that made the space
        cannot be found by itself. Raise MediaError where the query cannot be read, UsageError where
        an option makes no sense, SpaceMismatchError where the encoder is another one.
        """
        from search.options import SearchOptions

        asked = SearchOptions(k=k, **options)
        searcher = self.searcher(asked.space, encoder, device, precision)
        return searcher.search(self._query(query), asked)

    def duplicates(
        self,
        *,
        where: str | None = None,
        min_score: float | None = None,
        space: str | None = None,
        progress: Callable[[str, float], object] = lambda step, share: None,
    ) -> Duplicates:
        """Group the near-duplicates among the images, or among those that meet a filter.

        Only pairs at least ``min_score`` near are looked at; without it, those that are nearer
        than non-matching ones or share keypoints. Raise FilterError where the filter makes no
        sense.
        """
        from search.duplicates.groups import find_duplicates
        from search.scope import allowed_ids

        return find_duplicates(
            self._reader.catalog,
            self._reader.space(space),
            allowed=allowed_ids(self._reader.catalog, where),
            min_score=min_score,
            progress=progress,
        )

    def decide(self, a: str | Path, b: str | Path, decision: str) -> int:
        """Remember that two pictures are the ``same`` or ``different``; count the pairs.

        Each is a path, a SHA-256 or an id. A search and the next `duplicates` respect it once the
        index is opened again. Raise UsageError for a name that fits nothing.
        """
        from dfindex.maintenance import decide

        return decide(self.path, [str(a), str(b)], decision)

    def decisions(self) -> list[Decided]:
        """Return all decisions about pairs, the oldest first."""
        from indexer.store.catalog.decisions import Decisions

        return Decisions(self._reader.catalog).all

    def is_video(self, query: str | Path) -> bool:
        """Tell whether a query is a video: its path, or the id of one of its frames."""
        from search.searcher import is_video

        return is_video(self._query(query))

    def embeddings(
        self, space: str | None = None, *, where: str | None = None
    ) -> tuple[Float32, list[Sample]]:
        """Return unit vectors (n, dim) float32 and their samples, in step, by id."""
        from search.scope import allowed_ids

        ids = allowed_ids(self._reader.catalog, where)
        found = self._reader.space(space).embeddings(None if ids is None else ids.tolist())
        return found.vectors, self._reader.catalog.samples(found.ids.tolist())

    @property
    def generation(self) -> int:
        """How many commits the index had seen when it was opened."""
        return self._reader.catalog.generation

    @property
    def catalog(self) -> Catalog:
        """What the index knows of files and samples."""
        return self._reader.catalog

    @property
    def originals(self) -> Originals:
        """The one way from a sample to its file."""
        from indexer.originals import Originals

        return Originals(self._reader.catalog)

    def space(self, name: str | None = None) -> Space:
        """Open a space by its name or fingerprint; the oldest where none is named."""
        return self._reader.space(name)

    def failures(self) -> list[Failure]:
        """Return every file that could not be indexed."""
        return self._reader.catalog.failures()

    def status(self, *, files: bool = True) -> Status:
        """Return the index in figures; with ``files`` look which of its files are still there."""
        from dfindex.status import status_of

        return status_of(self._reader, files=files)

    def labels(self) -> list[dict[str, str | None]]:
        """Return every label with the path it belongs to, by path."""
        from indexer.store.catalog.labels import labelled_paths

        return labelled_paths(self._reader.catalog)

    def searcher(
        self,
        space: str | None = None,
        encoder: str | Path | Encoder | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> Searcher:
        """Return what answers queries against a space, by default with the encoder it is of."""
        from search.searcher import Searcher

        opened = self._reader.space(space)
        fingerprint = opened.row.fingerprint
        if fingerprint not in self._searchers or encoder is not None:
            loaded = self._encoders(encoder or opened.row.loaded_from, device, precision)
            same_weights = loaded.spec.weights_sha256 == opened.row.encoder.weights_sha256
            if encoder is None and loaded.spec.fingerprint != fingerprint and same_weights:
                loaded = encoder_of(opened.row, device, precision)
            self._searchers[fingerprint] = Searcher(self._reader, opened, loaded)
        return self._searchers[fingerprint]

    def _query(self, query: str | Path) -> Path | Sample:
        path, number = Path(query), sample_id(str(query))
        if number is None or path.exists():
            return path
        found = self._reader.catalog.samples([number])
        return found[0] if found else path


def build(
    paths: Sequence[str | Path],
    *,
    index: str | Path = DEFAULT_FOLDER,
    **arguments: Unpack[BuildArguments],
) -> Index:
    """Index files and folders, and open the result; a second run only reads what is new.

    Raise UsageError where a path does not exist, IndexLockedError where another process is
    writing to the index.
    """
    build_report(paths, index=index, **arguments)
    return Index(index)
