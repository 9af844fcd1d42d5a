"""Bring a published encoder onto this machine: by pinned revision, checked, resumable."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from indexer.encoders import model_cache
from indexer.encoders.folder import Options, describe_folder
from indexer.encoders.published import EncoderEntry
from indexer.encoders.weights import WEIGHTS_FILE, file_sha256, read_header
from indexer.errors import EncoderError, WeightsError
from indexer.store.durable import replace_file
from indexer.types import Layout

REQUIRED = (WEIGHTS_FILE, "config.json")
OPTIONAL = ("preprocessor_config.json", "README.md")
_OFFLINE = ("1", "TRUE", "YES", "ON")


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """Where an encoder lies now, what it is, and whether that is what was published.

    ``checked`` is ``sha256`` where the published hash matched, and ``first use`` where none is
    published: then what came is noted, and anything else is refused later.
    """

    name: str
    folder: Path
    revision: str | None
    weights_sha256: str
    weights_bytes: int
    checked: str


def fetch(
    entry: EncoderEntry, *, from_folder: Path | None = None, revision: str | None = None
) -> Fetched:
    """Download an encoder, or copy it from a folder; return where it lies.

    What is there already and whole is not fetched again, and nothing goes online for it. An
    interrupted download is resumed. ``revision`` is only for encoders without a pinned one; left
    out, the newest is looked up once and noted. Raise WeightsError where size or SHA-256 are not
    the published ones: then nothing becomes loadable.
    """
    folder = model_cache.cache_folder(entry.name)
    manifest = model_cache.read_manifest(folder)
    if manifest is not None and from_folder is None and revision in (None, manifest.revision):
        return _checked(entry, folder, manifest.revision)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / model_cache.MANIFEST).unlink(missing_ok=True)
    if from_folder is not None:
        _take(entry, from_folder, folder)
        return _checked(entry, folder, entry.revision)
    wanted = _revision(entry, revision)
    if entry.loadable:
        _download(entry, folder, wanted, REQUIRED)
    else:
        _download(entry, folder / "source", wanted, ("pytorch_model.bin",))
        _take(entry, folder / "source", folder)
    return _checked(entry, folder, wanted)


def check(entry: EncoderEntry, folder: Path) -> str:
    """Compare a folder's weights with what is known of them; return their SHA-256.

    Raise WeightsError, with what was expected and got, where they differ.
    """
    path, manifest = folder / WEIGHTS_FILE, model_cache.read_manifest(folder)
    expected_bytes = entry.weights_bytes or (manifest.weights_bytes if manifest else None)
    size = path.stat().st_size
    if expected_bytes is not None and size != expected_bytes:
        raise WeightsError(
            f"{entry.name}: expected {path.name} of {expected_bytes:,} bytes, got {size:,}; "
            f"get revision {entry.revision or 'again'} of {entry.source}"
        )
    read_header(path)
    sha256 = file_sha256(path)
    expected = entry.weights_sha256 or (manifest.weights_sha256 if manifest else None)
    if expected is not None and sha256 != expected:
        raise WeightsError(
            f"{entry.name}: expected weights with SHA-256 {expected}, got {sha256} in "
            f"{path.name}; get revision {entry.revision or 'again'} of {entry.source}"
        )
    return sha256


def _checked(entry: EncoderEntry, folder: Path, revision: str | None) -> Fetched:
    sha256 = check(entry, folder)
    if entry.layout is not Layout.CLIP:
        describe_folder(folder, Options(), None if entry.layout is Layout.CUSTOM else entry)
    size = (folder / WEIGHTS_FILE).stat().st_size
    model_cache.write_manifest(
        folder,
        model_cache.Manifest(
            source=entry.source, revision=revision, weights_sha256=sha256, weights_bytes=size
        ),
    )
    return Fetched(
        name=entry.name,
        folder=folder,
        revision=revision,
        weights_sha256=sha256,
        weights_bytes=size,
        checked="sha256" if entry.weights_sha256 else "first use",
    )


def _take(entry: EncoderEntry, source: Path, folder: Path) -> None:
    """Copy a folder, or the one part of it that can be used."""
    if entry.loadable:
        _copy(source, folder)
        return
    from indexer.encoders.dfd_clip import take_tower

    take_tower(source, folder)


def _copy(source: Path, folder: Path) -> None:
    if not (source / WEIGHTS_FILE).is_file():
        pickles = sorted(source.glob("*.bin")) + sorted(source.glob("*.pt"))
        hint = f"; {pickles[0].name} is a pickle, convert it first" if pickles else ""
        raise WeightsError(f"expected {WEIGHTS_FILE} in {source}, found none{hint}")
    if not (source / "config.json").is_file():
        raise EncoderError(f"expected config.json beside {WEIGHTS_FILE} in {source}, found none")
    for name in (*REQUIRED, *OPTIONAL):
        if (source / name).is_file():
            with (source / name).open("rb") as original:
                replace_file(folder / name, partial(shutil.copyfileobj, original))


def _revision(entry: EncoderEntry, wish: str | None) -> str:
    if entry.revision is not None:
        if wish not in (None, entry.revision):
            raise EncoderError(
                f"{entry.name} is pinned to revision {entry.revision}, got {wish}; "
                "fetch another revision into a folder of your own and give --encoder FOLDER"
            )
        return entry.revision
    if wish is not None:
        return wish
    from huggingface_hub import HfApi

    with _hub(entry):
        newest = HfApi().model_info(entry.source).sha
    if newest is None:
        raise EncoderError(f"the Hugging Face hub names no revision of {entry.source}")
    return newest


def _download(entry: EncoderEntry, folder: Path, revision: str, required: tuple[str, ...]) -> None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import RemoteEntryNotFoundError

    with _hub(entry):
        for name in required:
            hf_hub_download(entry.source, name, revision=revision, local_dir=folder)
        for name in OPTIONAL:
            try:
                hf_hub_download(entry.source, name, revision=revision, local_dir=folder)
            except RemoteEntryNotFoundError:
                continue


@contextmanager
def _hub(entry: EncoderEntry) -> Iterator[None]:
    """Turn whatever goes wrong on the way to the hub into one error with the way out."""
    way_out = (
        f"where there is no network, copy {entry.pinned} into a folder and run "
        f"dfindex models fetch {entry.name} --from FOLDER"
    )
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in _OFFLINE:
        raise EncoderError(f"HF_HUB_OFFLINE is set, so nothing is downloaded; {way_out}")
    try:
        yield
    except Exception as error:  # the hub's, its HTTP library's (which changes), the system's
        raise EncoderError(f"{entry.pinned} cannot be downloaded ({error}); {way_out}") from error
