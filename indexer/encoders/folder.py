"""Load an encoder from a folder: configuration, model card, preprocessing, weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer import untrusted_json
from indexer.encoders import backbones, hf_model, weights
from indexer.encoders.published import KNOWN, MISTAKEN_PROCESSOR, EncoderEntry
from indexer.errors import EncoderError, WeightsError
from indexer.types import EncoderSpec, Head, Layout, Preset

if TYPE_CHECKING:
    from indexer.encoders.vit import HookedViT

OWN_PRESET = "own"
_CARD = 1 << 16  # characters of a model card among which its front matter is
_PILLOW_FILTERS = {"bilinear": 2, "bicubic": 3, "lanczos": 1}


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to load: see `indexer.encoders.registry.load`."""

    device: str = "auto"
    precision: str = "auto"
    preset: str | Preset | None = None
    layer: int = -1
    allow_pickle: bool = False
    called: tuple[str, str] | None = None  # name and source, in place of the folder's


def describe_folder(
    folder: Path, options: Options, entry: EncoderEntry | None = None
) -> tuple[EncoderSpec, Callable[[], HookedViT]]:
    """Describe the encoder in a folder, and return what loads it; the first needs no torch.

    ``entry`` is what it must be, where that is known. A folder whose weights have a published
    SHA-256 is recognised by it and takes head, orientation, preset and licence from
    `known.KNOWN`.
    """
    with untrusted_json.border(folder):
        spec, load = _described(folder, options, entry)

    def loaded() -> HookedViT:
        with untrusted_json.border(folder, MemoryError, OSError, RuntimeError):
            return load()

    return spec, loaded


def _described(
    folder: Path, options: Options, entry: EncoderEntry | None
) -> tuple[EncoderSpec, Callable[[], HookedViT]]:
    config = read_json(folder / "config.json")
    path = weights.find_weights(folder, allow_pickle=options.allow_pickle)
    if backbones.is_foreign(config):
        return _describe_foreign(folder, path, config, options)
    checkpoint = hf_model.inspect(path, config, name=folder.name)
    sha256 = weights.file_sha256(path)
    _require_sha256(entry, sha256, path)
    if entry is not None:
        _require_design(entry, checkpoint)
    entry = entry or next((known for known in KNOWN if known.weights_sha256 == sha256), None)
    wish = options.preset or (entry.preset if entry else _family_preset(folder, checkpoint))
    preset = _preset(folder, checkpoint, config, wish)
    made = _spec(folder, checkpoint, sha256, config, entry, preset)
    spec = _called(replace(made, layer=options.layer), options)

    def load() -> HookedViT:
        with hf_model.transformers_border():
            from indexer.encoders.vit import HookedViT
        model = hf_model.build(checkpoint)
        return HookedViT(model, spec, device=options.device, precision=options.precision)

    return spec, load


def _describe_foreign(
    folder: Path, path: Path, config: Mapping[str, Any], options: Options
) -> tuple[EncoderSpec, Callable[[], HookedViT]]:
    """Describe a frozen backbone of another design than the plain ViT's."""
    found = backbones.backbone(path, config)
    if options.preset is None or options.preset == OWN_PRESET:
        preset = _processor_preset(folder, config, found.layout, found.image)
    else:
        wish = options.preset
        preset = wish if isinstance(wish, Preset) else named_preset(wish)
    plain = EncoderSpec(
        name=folder.resolve().name,
        source=f"folder:{folder.resolve().name}",
        weights_sha256=weights.file_sha256(path),
        layout=found.layout,
        dim=found.dim,
        patch_grid=(preset.size // found.patch, preset.size // found.patch),
        preset=preset,
        layer=options.layer,
        licence=card_licence(folder),
    )
    spec = _called(plain, options)

    def load() -> HookedViT:
        with hf_model.transformers_border():
            from indexer.encoders.vit import HookedViT
        return HookedViT(found.build(), spec, device=options.device, precision=options.precision)

    return spec, load


def _called(spec: EncoderSpec, options: Options) -> EncoderSpec:
    if options.called is None:
        return spec
    name, source = options.called
    return replace(spec, name=name, source=source)


def read_json(path: Path, *, optional: bool = False) -> dict[str, Any]:
    """Read a JSON object; raise `EncoderError` where it is missing or is none."""
    if optional and not path.is_file():
        return {}
    try:
        value = untrusted_json.read(path)
    except FileNotFoundError as error:
        raise EncoderError(
            f"{path.parent.name or path.parent}: expected an encoder folder with {path.name} and "
            f"{weights.WEIGHTS_FILE}, found no {path.name}"
        ) from error
    except (OSError, ValueError) as error:
        raise EncoderError(
            f"{path.name}: expected JSON, got something else ({untrusted_json.shown(error)})"
        ) from error
    if not isinstance(value, dict):
        raise EncoderError(f"{path.name}: expected a JSON object, got {type(value).__name__}")
    return value


def card_licence(folder: Path) -> str:
    """Return the licence in the front matter of the folder's README.md, or ``unknown``."""
    card = folder / "README.md"
    text = ""
    if card.is_file():
        with card.open(encoding="utf-8", errors="replace") as file:
            text = file.read(_CARD)
    front = re.match(r"---\s*\n(.*?)\n---", text, re.DOTALL)
    found = re.search(r"^license:\s*(\S.*?)\s*$", front[1], re.MULTILINE) if front else None
    return found[1].strip("\"'") if found else "unknown"


def head_of(labels: int) -> Head:
    """Return the head that a number of labels makes: one logit, two classes, or none of use."""
    return {1: Head.SIGMOID1, 2: Head.SOFTMAX2}.get(labels, Head.NONE)


def _require_sha256(entry: EncoderEntry | None, sha256: str, path: Path) -> None:
    expected = entry.weights_sha256 if entry else None
    if entry and expected and expected != sha256:
        raise WeightsError(
            f"{entry.name}: expected weights with SHA-256 {expected}, got {sha256} in "
            f"{path.name}; get revision {entry.revision} of {entry.source}"
        )


def _require_design(entry: EncoderEntry, checkpoint: hf_model.Checkpoint) -> None:
    """Refuse weights of another layout or head than the published encoder has."""
    got = (checkpoint.layout, head_of(checkpoint.architecture.labels))
    if got != (entry.layout, entry.head):
        raise WeightsError(
            f"{entry.name}: expected the layout {entry.layout} with a {entry.head} head, got "
            f"{got[0]} with {checkpoint.architecture.labels} labels; get {entry.pinned}, or give "
            "--encoder FOLDER for a model of your own"
        )


def _spec(
    folder: Path,
    checkpoint: hf_model.Checkpoint,
    sha256: str,
    config: Mapping[str, Any],
    entry: EncoderEntry | None,
    preset: Preset,
) -> EncoderSpec:
    a = checkpoint.architecture
    head = entry.head if entry else head_of(a.labels)
    fake_index, provenance = (
        (entry.fake_index, entry.fake_index_provenance) if entry else _assumed(head, config)
    )
    return EncoderSpec(
        name=entry.name if entry else folder.resolve().name,
        source=entry.pinned if entry else f"folder:{folder.resolve().name}",
        weights_sha256=sha256,
        layout=checkpoint.layout,
        dim=a.hidden,
        patch_grid=a.grid,
        preset=preset,
        head=head,
        fake_index=fake_index,
        fake_index_provenance=provenance,
        licence=entry.licence if entry else card_licence(folder),
    )


def _assumed(head: Head, config: Mapping[str, Any]) -> tuple[int | None, str]:
    # Published label names have been found inverted: they are quoted, never believed.
    if head is Head.SIGMOID1:
        return 0, "assumed: one logit, higher is fake; check it on labelled pictures"
    if head is Head.SOFTMAX2:
        return None, f"unverified: config.json names the labels {config.get('id2label') or 'none'}"
    return None, ""


def _preset(
    folder: Path,
    checkpoint: hf_model.Checkpoint,
    config: Mapping[str, Any],
    wish: str | Preset | None,
) -> Preset:
    size = checkpoint.architecture.image
    if isinstance(wish, Preset):
        preset = wish
    elif wish and wish != OWN_PRESET:
        preset = named_preset(wish)
    else:
        preset = _own_preset(folder, checkpoint, config)
    if preset.size != size:
        raise EncoderError(
            f"{folder.name} reads pictures of {size} px, preset {preset.name} makes {preset.size}; "
            "choose a preset of that size"
        )
    return preset


def _family_preset(folder: Path, checkpoint: hf_model.Checkpoint) -> str | None:
    """Return the authors' preset for what is built as CommunityForensics is, whatever its weights.

    Weights of that design come with the CLIP statistics that its author calls a mistake, or with
    none at all; statistics of their own are believed.
    """
    a = checkpoint.architecture
    if (a.hidden, a.depth, a.mlp, a.patch, a.labels) != (384, 12, 1536, 16, 1):
        return None
    processor = read_json(folder / "preprocessor_config.json", optional=True)
    prefixed = checkpoint.layout is Layout.TIMM_VIT_PREFIXED
    told = bool(processor) and not MISTAKEN_PROCESSOR.items() <= processor.items()
    if told or (checkpoint.layout is not Layout.HF_VIT and not prefixed):
        return None
    if checkpoint.layout is Layout.HF_VIT and not processor:
        return None
    return {384: "commfor-author", 224: "commfor-author-224"}.get(a.image)


def named_preset(name: str) -> Preset:
    """Return one of the presets that dfindex knows by name."""
    from indexer.preprocess import PRESETS

    if name not in PRESETS:
        known = ", ".join(sorted(PRESETS))
        raise EncoderError(f"expected a preset of {known}, got {name!r}")
    return PRESETS[name]


def _own_preset(folder: Path, checkpoint: hf_model.Checkpoint, config: Mapping[str, Any]) -> Preset:
    return _processor_preset(folder, config, checkpoint.layout, checkpoint.architecture.image)


def _processor_preset(folder: Path, config: Mapping[str, Any], layout: Layout, size: int) -> Preset:
    from indexer.preprocess import preset_from_processor

    processor = read_json(folder / "preprocessor_config.json", optional=True)
    if not processor and layout in (Layout.TIMM, Layout.TIMM_VIT_PREFIXED):
        processor = _timm_processor(config)
    if not processor:
        raise EncoderError(
            f"{folder.name}: expected preprocessor_config.json, found none; "
            "name a preset, since guessed preprocessing makes wrong vectors"
        )
    return preset_from_processor(processor, name=folder.resolve().name, fallback_size=size)


def _timm_processor(config: Mapping[str, Any]) -> dict[str, Any]:
    """Say timm's `pretrained_cfg` in the words of a Hugging Face preprocessor_config.json."""
    known = config.get("pretrained_cfg")
    if not isinstance(known, dict) or not {"mean", "std", "input_size"} <= set(known):
        return {}
    size = int(known["input_size"][-1])
    edge = int(size / float(known.get("crop_pct") or 1.0))
    if known.get("crop_mode") == "squash":
        return {
            "size": {"height": size, "width": size},
            "resample": _PILLOW_FILTERS.get(str(known.get("interpolation", "bicubic")), 3),
            "image_mean": list(known["mean"]),
            "image_std": list(known["std"]),
        }
    return {
        "do_resize": True,
        "size": {"shortest_edge": edge},
        "do_center_crop": True,
        "crop_size": {"height": size, "width": size},
        "resample": _PILLOW_FILTERS.get(str(known.get("interpolation", "bicubic")), 3),
        "do_normalize": True,
        "image_mean": list(known["mean"]),
        "image_std": list(known["std"]),
    }
