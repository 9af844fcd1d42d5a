"""An index as people use it from Python: build, open, search, look."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from indexer.closing import Closing
from indexer.errors import UsageError
from indexer.store.reader import IndexReader

if TYPE_CHECKING:
    from indexer.build import BuildOptions, BuildReport, Progress
    from indexer.store.ann_cache import AnnInfo
    from indexer.store.catalog import Catalog, Failure, MediaCounts, SpaceRow
    from indexer.store.decisions import Decided
    from indexer.store.space import Space
    from indexer.types import Encoder, Float32, Preset, Sample
    from indexer.video import Sampling
    from search.duplicates import Duplicates
    from search.query import Searcher
    from search.results import SearchResult
    from search.video_results import VideoSearchResult

    OpenEncoder = Callable[[str | Path | Encoder | None, str, str], Encoder]

DEFAULT_FOLDER = ".dfindex"


@dataclass(frozen=True, kw_only=True)
class SpaceStatus:
    """A space in figures; ``ann`` says what its nearest-neighbour cache is."""

    name: str
    encoder: str
    fingerprint: str
    dim: int
    samples: int
    bytes_per_sample: int
    ann: dict[str, Any] | None
    devices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Status:
    """An index in figures."""

    index: str
    generation: int
    media: MediaCounts
    samples: dict[str, int]
    spaces: tuple[SpaceStatus, ...]
    bytes: int
    version: int

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain JSON values."""
        return asdict(self)


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
        where: str | None = None,
        space: str | None = None,
        min_score: float | None = None,
        max_fpr: float | None = None,
        verify: bool = True,
        encoder: str | Path | Encoder | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> SearchResult:
        """Find the ``k`` samples nearest to a picture, or to a sample named by its id.

        ``verify`` compares the pixels of the nearest ones, which tells copies from look-alikes.

        ``encoder`` is only needed where the one that made the space cannot be found by itself.
        Raise MediaError where the picture cannot be read, UsageError where an option makes no
        sense, SpaceMismatchError where the encoder is another one.
        """
        searcher = self.searcher(space, encoder, device, precision)
        return searcher.search(
            self._query_path(query),
            k=k,
            where=where,
            min_score=min_score,
            max_fpr=max_fpr,
            verify=verify,
        )

    def search_video(
        self,
        query: str | Path,
        k: int = 10,
        *,
        where: str | None = None,
        space: str | None = None,
        min_score: float | None = None,
        verify: bool = True,
        encoder: str | Path | Encoder | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> VideoSearchResult:
        """Find the ``k`` videos and pictures that share most with a video, and where they do.

        The options and errors are those of `search`.
        """
        from search.video_query import VideoSearcher

        searcher = VideoSearcher(self.searcher(space, encoder, device, precision))
        return searcher.search(
            self._query_path(query), k=k, where=where, min_score=min_score, verify=verify
        )

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
        than strangers or share keypoints. Raise FilterError where the filter makes no sense.
        """
        from search.duplicates import find_duplicates
        from search.restriction import allowed_ids

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
        from indexer.store.decisions import Decisions

        return Decisions(self._reader.catalog).all

    def is_video(self, query: str | Path) -> bool:
        """Tell whether a query is a video, by its path or its id."""
        from indexer.video import holds_video

        return holds_video(self._query_path(query))

    def embeddings(
        self, space: str | None = None, *, where: str | None = None
    ) -> tuple[Float32, list[Sample]]:
        """Return unit vectors (n, dim) float32 and their samples, in step, by id."""
        from search.restriction import allowed_ids

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

    def space(self, name: str | None = None) -> Space:
        """Open a space by its name or fingerprint; the oldest where none is named."""
        return self._reader.space(name)

    def failures(self) -> list[Failure]:
        """Return every file that could not be indexed."""
        return self._reader.catalog.failures()

    def status(self) -> Status:
        """Return the index in figures."""
        from indexer.store.migrations import FORMAT_VERSION

        catalog = self._reader.catalog
        return Status(
            index=str(self.path),
            generation=catalog.generation,
            media=catalog.media_counts(),
            samples=catalog.sample_counts(),
            spaces=tuple(self._space_status(row.fingerprint) for row in catalog.spaces()),
            bytes=_folder_bytes(self.path),
            version=FORMAT_VERSION,
        )

    def labels(self) -> list[dict[str, str | None]]:
        """Return every label with the path it belongs to, by path."""
        rows = self._reader.catalog.query(
            'SELECT p.path, l.label, l.generator, l.source, l."group" FROM labels l '
            "JOIN paths p ON p.sha256 = l.sha256 ORDER BY p.path"
        )
        names = ("path", "label", "generator", "source", "group")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def _space_status(self, fingerprint: str) -> SpaceStatus:
        space = self._reader.space(fingerprint)
        segments = self._reader.catalog.segments(fingerprint)
        rows = sum(one.rows for one in segments)
        info = space.ann
        return SpaceStatus(
            name=space.row.name,
            encoder=space.row.encoder.source,
            fingerprint=fingerprint,
            dim=space.row.dim,
            samples=space.row.samples,
            bytes_per_sample=round(sum(one.bytes for one in segments) / rows) if rows else 0,
            ann=None if info is None else _ann(info),
            devices=tuple(sorted({f"{one.device} {one.precision}" for one in segments})),
        )

    def searcher(
        self,
        space: str | None = None,
        encoder: str | Path | Encoder | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> Searcher:
        """Return what answers queries against a space, by default with the encoder it is of."""
        from search.query import Searcher

        opened = self._reader.space(space)
        fingerprint = opened.row.fingerprint
        if fingerprint not in self._searchers or encoder is not None:
            loaded = self._encoders(encoder or opened.row.loaded_from, device, precision)
            if encoder is None and loaded.spec.fingerprint != fingerprint:
                loaded = _as_it_was(opened.row, device, precision)
            self._searchers[fingerprint] = Searcher(self._reader, opened, loaded)
        return self._searchers[fingerprint]

    def _query_path(self, query: str | Path) -> Path:
        path = Path(query)
        if path.exists() or not str(query).isdigit():
            return path
        raw = self._reader.catalog.raw_path(int(str(query)))
        return path if raw is None else Path(os.fsdecode(raw))


class BuildArguments(TypedDict, total=False):
    """What `build` takes beside the paths and the index.

    ``encoder`` is a name, a folder or an object, by default the packaged one; ``device`` and
    ``precision`` are ``auto`` or a name; ``preset`` names preprocessing in place of the
    encoder's own, ``layer`` a block whose tokens are kept in place of the last ones; ``engine`` is
    torch, openvino or auto; ``workers`` processes decode (default: one a core); ``max_pixels``,
    ``max_bytes`` and ``max_seconds`` limit what one file may cost; ``prune`` forgets files that
    have vanished; ``retry_failed`` reads all failed files again. Of a video ``frames`` evenly
    spaced frames are taken (default: 12), or ``fps`` a second, or one a scene (``scenes``); at and
    below ``frames_folder`` each folder of pictures is one video.
    """

    encoder: str | Path | Encoder | None
    device: str
    precision: str
    preset: str | None
    layer: int
    engine: str
    workers: int | None
    batch_size: int | None
    labels: str | Path | None
    label_from_folders: bool
    prune: bool
    retry_failed: bool
    max_pixels: int | None
    max_bytes: int | None
    max_seconds: float | None
    frames: int | None
    fps: float | None
    scenes: bool
    frames_folder: Sequence[str | Path]
    progress: Progress | None


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


def build_report(
    paths: Sequence[str | Path],
    *,
    index: str | Path = DEFAULT_FOLDER,
    **arguments: Unpack[BuildArguments],
) -> BuildReport:
    """Index files and folders as `build` does, and report what became of every one of them."""
    from indexer.build import build as run
    from indexer.store.writer import IndexWriter

    roots = [Path(path) for path in paths]
    _check_roots(roots)
    encoder = open_encoder(
        arguments.get("encoder"),
        arguments.get("device", "auto"),
        arguments.get("precision", "auto"),
        preset=arguments.get("preset"),
        layer=arguments.get("layer", -1),
        engine=arguments.get("engine", "torch"),
    )
    options = _options(arguments, encoder)
    with IndexWriter(Path(index)) as writer:
        return run(writer, encoder, roots, options, arguments.get("progress"))


def _check_roots(roots: Sequence[Path]) -> None:
    # Before the encoder is loaded and an index is made for nothing.
    for root in roots:
        if not os.path.lexists(root):
            raise UsageError(f"expected a file or folder to index, but {root} does not exist")


def _options(arguments: BuildArguments, encoder: Encoder) -> BuildOptions:
    from indexer.build import BuildOptions
    from indexer.decode import Limits

    standard, labels = Limits(), arguments.get("labels")
    return BuildOptions(
        workers=arguments.get("workers") or os.cpu_count() or 1,
        batch_size=arguments.get("batch_size"),
        loaded_from=_found_by(arguments.get("encoder"), encoder),
        limits=Limits(
            pixels=arguments.get("max_pixels") or standard.pixels,
            bytes=arguments.get("max_bytes") or standard.bytes,
            seconds=arguments.get("max_seconds") or standard.seconds,
            video_bytes=arguments.get("max_bytes") or standard.video_bytes,
            video_seconds=arguments.get("max_seconds") or standard.video_seconds,
        ),
        sampling=_sampling(arguments),
        frame_folders=[Path(one) for one in arguments.get("frames_folder", ())],
        labels=Path(labels) if labels else None,
        label_from_folders=arguments.get("label_from_folders", False),
        prune=arguments.get("prune", False),
        retry_failed=arguments.get("retry_failed", False),
    )


def _sampling(arguments: BuildArguments) -> Sampling:
    from indexer.video import DEFAULT_FRAMES, Sampling

    frames, fps = arguments.get("frames"), arguments.get("fps")
    scenes = arguments.get("scenes", False)
    if sum((frames is not None, fps is not None, scenes)) > 1:
        raise UsageError("expected one of frames, fps and scenes to choose a video's frames by")
    try:
        return Sampling(frames=frames or DEFAULT_FRAMES, fps=fps, scenes=scenes)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _ann(info: AnnInfo) -> dict[str, Any]:
    return {"kind": info.kind, "rows": info.rows, "recall_at_10": info.recall_at_10}


def open_encoder(
    encoder: str | Path | Encoder | None,
    device: str,
    precision: str,
    *,
    preset: str | Preset | None = None,
    layer: int = -1,
    engine: str = "torch",
) -> Encoder:
    """Return an encoder: the object itself, or the one a name or folder stands for."""
    from indexer.encoders.registry import deferred

    if encoder is None or isinstance(encoder, str | Path):
        return deferred(
            encoder,
            device=device,
            precision=precision,
            preset=preset,
            layer=layer,
            engine=engine,
        )
    return encoder


def _as_it_was(row: SpaceRow, device: str, precision: str) -> Encoder:
    """Open a space's encoder with the preset and the layer that the space was made with."""
    spec = row.encoder
    return open_encoder(row.loaded_from, device, precision, preset=spec.preset, layer=spec.layer)


def _found_by(given: str | Path | Encoder | None, encoder: Encoder) -> str:
    """Return what finds an encoder again from any working folder."""
    if isinstance(given, str | Path) and Path(given).is_dir():
        return str(Path(given).resolve())
    return given if isinstance(given, str) else encoder.spec.name


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
