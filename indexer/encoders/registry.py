"""Find an encoder by name or folder: packaged, published, or registered from Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.encoders import fetch, model_cache, weights
from indexer.encoders.architecture import from_hf_config
from indexer.encoders.deferred import Deferred
from indexer.encoders.device import choose_device, choose_precision
from indexer.encoders.folder import (
    OWN_PRESET,
    Options,
    card_licence,
    describe_folder,
    head_of,
    read_json,
)
from indexer.encoders.published import KNOWN, EncoderEntry, entry_of_source
from indexer.errors import EncoderError, UsageError
from indexer.types import Encoder, EncoderSpec, Head, Layout, Preset

if TYPE_CHECKING:
    from indexer.encoders.verification import Verification

__all__ = [
    "DEFAULT",
    "EncoderEntry",
    "available",
    "deferred",
    "folder_of",
    "load",
    "register",
    "show",
    "verified",
    "with_heads",
]

DEFAULT = "dfindex-copy-s16"
ENGINES = ("auto", "torch", "openvino")
PACKAGED = Path(__file__).parent / "packaged"

_factories: dict[str, Callable[..., Encoder]] = {}  # the one thing that `register` is there to keep


def available() -> list[EncoderEntry]:
    """List every encoder that has a name: packaged, known, registered; in that order."""
    packaged = [
        replace(_packaged_entry(f), weights_sha256=weights.file_sha256(f / weights.WEIGHTS_FILE))
        for f in _packaged().values()
    ]
    known = [replace(entry, folder=model_cache.on_disk(entry)) for entry in KNOWN]
    return [*packaged, *known, *map(_registered, _factories)]


def show(name: str) -> EncoderEntry:
    """Return one entry of `available`; raise `EncoderError` for an unknown name."""
    for entry in available():
        if entry.name == name:
            return entry
    published = entry_of_source(name)
    if published is not None:
        return replace(published, folder=model_cache.on_disk(published))
    raise _unknown(name)


def register(name: str, factory: Callable[..., Encoder]) -> None:
    """Give an encoder of your own a name.

    ``factory`` is called as ``factory(device=..., precision=..., preset=..., layer=...)`` each
    time the name is loaded. Registering a name again replaces its factory; the names of packaged
    and published encoders are taken.
    """
    if name in _names() or not name or "/" in name:
        raise UsageError(f"expected a free encoder name without a slash, got {name!r}")
    _factories[name] = factory


def load(
    name_or_folder: str | Path | None = None,
    *,
    device: str = "auto",
    precision: str = "auto",
    preset: str | Preset | None = None,
    layer: int = -1,
    allow_pickle: bool = False,
    engine: str = "torch",
) -> Encoder:
    """Load an encoder; None is the packaged default. Never goes online.

    ``preset`` names the preprocessing to use in place of the encoder's own. ``layer`` is -1 for
    what the head sees, or a block (see `HookedViT.forward_features`). ``allow_pickle`` reads a
    pickled state dict where the folder holds no safetensors. ``engine`` is ``torch``,
    ``openvino``, or ``auto`` for OpenVINO where it is installed and the model runs on the CPU.
    """
    options = Options(
        device=device, precision=precision, preset=preset, layer=layer, allow_pickle=allow_pickle
    )
    _, loader = _on_engine(name_or_folder, options, engine)
    return loader()


def deferred(
    name_or_folder: str | Path | None = None,
    *,
    device: str = "auto",
    precision: str = "auto",
    preset: str | Preset | None = None,
    layer: int = -1,
    engine: str = "torch",
) -> Encoder:
    """Return an encoder as `load` does, which is only loaded when it first reads a picture."""
    options = Options(device=device, precision=precision, preset=preset, layer=layer)
    return Deferred(*_on_engine(name_or_folder, options, engine))


def folder_of(name_or_folder: str | Path) -> Path | None:
    """Return where an encoder's weights lie on this machine, or None."""
    if Path(name_or_folder).is_dir():
        return Path(name_or_folder)
    try:
        return show(str(name_or_folder)).folder
    except EncoderError:
        return None


def verified(name_or_folder: str | Path, *, golden: Path | None = None) -> Verification:
    """Check an encoder's weights against all that is known of them; see `verification.verify`."""
    from indexer.encoders.verification import verify

    if Path(name_or_folder).is_dir():
        return verify(Path(name_or_folder), None, golden=golden)
    name = str(name_or_folder)
    published = entry_of_source(name)
    if name not in _names() and published is None:
        raise _unknown(name)
    folder, _, entry = (
        _fetched(published, Options()) if published else _entry_folder(name, Options())
    )
    return verify(folder, entry, golden=golden)


def with_heads() -> list[str]:
    """List the names of known encoders that can tell real from fake."""
    return [entry.name for entry in KNOWN if entry.head is not Head.NONE and entry.loadable]


def _on_engine(
    wish: str | Path | None, options: Options, engine: str
) -> tuple[EncoderSpec, Callable[[], Encoder]]:
    if engine not in ENGINES:
        raise UsageError(f"expected an engine of {', '.join(ENGINES)}, got {engine!r}")
    spec, loader = _describe(wish, options)
    if engine == "torch" or (engine == "auto" and not _openvino_fits(options)):
        return spec, loader

    def load_for_openvino() -> Encoder:
        from indexer.encoders.openvino_runtime import OpenVinoViT
        from indexer.encoders.vit import HookedViT

        precision = choose_precision(options.precision, device="cpu")
        like = _describe(wish, replace(options, device="cpu", precision="fp32"))[1]()
        if isinstance(like, HookedViT):
            return OpenVinoViT(like, precision=precision)
        if engine == "auto":
            return loader()
        raise EncoderError(f"OpenVINO runs vision transformers, {spec.name} is none of ours")

    return spec, load_for_openvino


def _openvino_fits(options: Options) -> bool:
    from indexer.encoders.openvino_runtime import installed

    return installed() and options.layer == -1 and choose_device(options.device) == "cpu"


def _describe(
    wish: str | Path | None, options: Options
) -> tuple[EncoderSpec, Callable[[], Encoder]]:
    named = DEFAULT if wish is None else wish
    if isinstance(named, str) and named in _factories:
        encoder = _factories[named](
            device=options.device,
            precision=options.precision,
            preset=options.preset,
            layer=options.layer,
        )
        return encoder.spec, lambda: encoder
    if isinstance(named, str) and named in _names():
        folder, options, known = _entry_folder(named, options)
        if not known.loadable:
            options = replace(options, called=(known.name, known.pinned))
        return describe_folder(folder, options, known if known.loadable else None)
    if Path(named).is_dir():
        return describe_folder(Path(named), options)
    entry = entry_of_source(str(named))
    if entry is not None:
        folder, _, entry = _fetched(entry, options)
        fetch.check(entry, folder)
        return describe_folder(folder, replace(options, called=(entry.name, entry.pinned)))
    if wish is None:
        raise EncoderError(
            f"the packaged encoder {DEFAULT} is missing from this installation; "
            "install dfindex again, or give --encoder FOLDER"
        )
    raise _unknown(str(named))


def _entry_folder(name: str, options: Options) -> tuple[Path, Options, EncoderEntry]:
    if name in _packaged():
        return _packaged()[name], options, _packaged_entry(_packaged()[name])
    entry = next(entry for entry in KNOWN if entry.name == name)
    if not entry.loadable and model_cache.read_manifest(model_cache.cache_folder(name)) is None:
        raise EncoderError(
            f"{name} cannot be loaded as it is published: {entry.notes} dfindex models fetch "
            f"{name} [--from DIR] takes its frozen tower, to find what resembles a picture"
        )
    return _fetched(entry, options)


def _fetched(entry: EncoderEntry, options: Options) -> tuple[Path, Options, EncoderEntry]:
    folder, name = model_cache.on_disk(entry), entry.name
    if folder is None:
        raise EncoderError(
            f"the weights of {name} are not on this machine; run dfindex models fetch {name}, or "
            f"copy {entry.pinned} into a folder and give --encoder FOLDER"
        )
    manifest = model_cache.read_manifest(folder)
    # What was fetched is what must be there, also where nobody published its checksum.
    if manifest is not None:
        entry = replace(entry, weights_sha256=manifest.weights_sha256, revision=manifest.revision)
    return folder, options, entry


def _names() -> set[str]:
    return {*_packaged(), *(entry.name for entry in KNOWN)}


def _unknown(name: str) -> EncoderError:
    names = ", ".join(sorted({*_names(), *_factories}))
    return EncoderError(f"expected an encoder folder or one of {names}; got {name!r}")


def _packaged() -> dict[str, Path]:
    return {p.parent.name: p.parent for p in sorted(PACKAGED.glob(f"*/{weights.WEIGHTS_FILE}"))}


def _packaged_entry(folder: Path) -> EncoderEntry:
    labels = from_hf_config(read_json(folder / "config.json"), labels_on_disk=0).labels
    return EncoderEntry(
        name=folder.name,
        source=f"packaged:{folder.name}",
        weights_bytes=(folder / weights.WEIGHTS_FILE).stat().st_size,
        layout=Layout.HF_VIT,
        head=head_of(labels),
        preset=OWN_PRESET,
        licence=card_licence(folder),
        folder=folder,
        notes="Comes with dfindex; finds copies, says nothing about fakery.",
    )


def _registered(name: str) -> EncoderEntry:
    return EncoderEntry(
        name=name,
        source=f"custom:{name}",
        layout=Layout.CUSTOM,
        head=Head.NONE,
        preset=OWN_PRESET,
        licence="unknown",
        notes="Registered from Python.",
    )
