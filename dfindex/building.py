"""Build an index: what people may ask for, as the indexer wants to hear it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from dfindex.encoders import open_encoder
from indexer.errors import UsageError

if TYPE_CHECKING:
    from indexer.build import BuildOptions, BuildReport, Progress
    from indexer.media.videos.frames import Sampling
    from indexer.types import Encoder

DEFAULT_FOLDER = ".dfindex"


class BuildArguments(TypedDict, total=False):
    """What `build` takes beside the paths and the index.

    ``encoder`` is a name, a folder or an object, by default the packaged one; ``device`` and
    ``precision`` are ``auto`` or a name; ``preset`` names preprocessing in place of the
    encoder's own, ``layer`` a block whose tokens are kept in place of the last ones; ``engine`` is
    torch, openvino or auto; ``workers`` processes decode (default: one a core); ``max_pixels``,
    ``max_bytes`` and ``max_seconds`` limit what one file may cost; ``prune`` forgets files that
    have vanished, ``prune_missing_roots`` also where all of a root or disk has; ``retry_failed``
    reads all failed files again. Of a video ``frames`` evenly
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
    prune_missing_roots: bool
    retry_failed: bool
    max_pixels: int | None
    max_bytes: int | None
    max_seconds: float | None
    frames: int | None
    fps: float | None
    scenes: bool
    frames_folder: Sequence[str | Path]
    progress: Progress | None


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
    if not arguments.get("prune_missing_roots"):
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
    from indexer.media.files import Limits

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
        prune=arguments.get("prune", False) or arguments.get("prune_missing_roots", False),
        prune_missing_roots=arguments.get("prune_missing_roots", False),
        retry_failed=arguments.get("retry_failed", False),
    )


def _sampling(arguments: BuildArguments) -> Sampling:
    from indexer.media.videos.frames import DEFAULT_FRAMES, Sampling

    frames, fps = arguments.get("frames"), arguments.get("fps")
    scenes = arguments.get("scenes", False)
    if sum((frames is not None, fps is not None, scenes)) > 1:
        raise UsageError("expected one of frames, fps and scenes to choose a video's frames by")
    try:
        return Sampling(frames=frames or DEFAULT_FRAMES, fps=fps, scenes=scenes)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _found_by(given: str | Path | Encoder | None, encoder: Encoder) -> str:
    """Return what finds an encoder again from any working folder."""
    if isinstance(given, str | Path) and Path(given).is_dir():
        return str(Path(given).resolve())
    return given if isinstance(given, str) else encoder.spec.name
