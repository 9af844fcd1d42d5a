"""What is known of published encoders, and names that say where a model is published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from indexer.errors import EncoderError
from indexer.types import Head, Layout


@dataclass(frozen=True, kw_only=True)
class EncoderEntry:
    """One line of `models list`: what an encoder is, before any of it is loaded.

    ``preset`` names one of `indexer.preprocess.PRESETS`, or is ``own`` where the folder's own
    preprocessor_config.json says it; ``weights_sha256`` is None where nobody published it;
    ``folder`` is where it lies on disk, or None.
    """

    name: str
    source: str
    revision: str | None = None
    weights_sha256: str | None = None
    weights_bytes: int | None = None
    layout: Layout
    head: Head
    fake_index: int | None = None
    fake_index_provenance: str = ""
    preset: str
    licence: str
    folder: Path | None = None
    notes: str = ""
    loadable: bool = True

    @property
    def pinned(self) -> str:
        """The source with its revision."""
        return f"{self.source}@{self.revision}" if self.revision else self.source


_ONE_LOGIT = "proved: the authors' own evaluation computes p(AI) as the sigmoid of the one logit"
_AUTHOR_PRESET = (
    "Default preset commfor-author: bilinear resize and ImageNet statistics, which the author "
    "states for training and evaluation (JeongsooP/Community-Forensics issue 5); the CLIP "
    "statistics of the published preprocessor_config.json (preset commfor-hf) he calls a mistake."
)

# Sigmoid of the logit for five DALL-E 2 pictures in test_images/ of JeongsooP/Community-Forensics,
# as the authors' notebook prints it.
GOLDEN = {
    "00000274.png": 0.9988,
    "00000420.png": 0.9878,
    "00000845.png": 0.9569,
    "00000916.png": 0.9516,
    "00000989.png": 0.7860,
}

# What buildborderless published as preprocessor_config.json, and the author calls a mistake.
MISTAKEN_PROCESSOR = {
    "do_normalize": True,
    "do_resize": True,
    "do_center_crop": True,
    "crop_size": 384,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "size": {"shortest_edge": 440},
}

KNOWN: tuple[EncoderEntry, ...] = (
    EncoderEntry(
        name="commfor",
        source="buildborderless/CommunityForensics-DeepfakeDet-ViT",
        revision="ac6ee457bea904a373065754107451793b56db00",
        weights_sha256="275ba982236ddd6afddf7131f8133e89f537574b964cf8fa5825b4956d741692",
        weights_bytes=87_270_764,
        layout=Layout.HF_VIT,
        head=Head.SIGMOID1,
        fake_index=0,
        fake_index_provenance=_ONE_LOGIT,
        preset="commfor-author",
        licence="MIT",
        notes=f"{_AUTHOR_PRESET} Exports from before July 2026 (2 labels, MLP 3072) are broken.",
    ),
    EncoderEntry(
        name="commfor-owens",
        source="OwensLab/commfor-model-384",
        revision="87b013b3d134dea22518e743bd7a1901e52fe9da",
        weights_sha256="b89f36275f3bf5e2b040eee36597a8f19db051bff9a473a9cf7b2466284fb387",
        weights_bytes=87_262_324,
        layout=Layout.TIMM_VIT_PREFIXED,
        head=Head.SIGMOID1,
        fake_index=0,
        fake_index_provenance=_ONE_LOGIT,
        preset="commfor-author",
        licence="MIT",
        notes=_AUTHOR_PRESET,
    ),
    EncoderEntry(
        name="commfor-owens-224",
        source="OwensLab/commfor-model-224",
        layout=Layout.TIMM_VIT_PREFIXED,
        head=Head.SIGMOID1,
        fake_index=0,
        fake_index_provenance=_ONE_LOGIT,
        preset="commfor-author-224",
        licence="MIT",
        notes="The hash of its weights is not published.",
    ),
    EncoderEntry(
        name="vit-celebdf",
        source="ashwin-raikar/vit-deepfake-detector-celebdfv2",
        revision="ac3bdad8fdffa0eb839009a2790e19c74f2ebcd8",
        layout=Layout.HF_VIT,
        head=Head.SOFTMAX2,
        fake_index=1,
        fake_index_provenance=(
            "proved: index 1 is fake in the training notebook, and the published per-frame scores "
            "agree with it (balanced accuracy .702)"
        ),
        preset="vit-224",
        licence="unknown",
        notes="Whole frames squashed to 224 px; trained and tested on frames of the same videos.",
    ),
    EncoderEntry(
        name="vit-hemg",
        source="prithivMLmods/Deep-Fake-Detector-Model",
        layout=Layout.HF_VIT,
        head=Head.SOFTMAX2,
        fake_index=None,
        fake_index_provenance=(
            "unverified: config.json names index 1 Fake, but the training data have 0 = fake and "
            "the notebook only renamed the numbers; check it on labelled pictures"
        ),
        preset="vit-224",
        licence="unclear: creativeml-openrail-m in one place, Apache-2.0 in another",
        notes="The published label names are very likely inverted.",
    ),
    EncoderEntry(
        name="dfd-clip",
        source="Arko007/deepfake-detector-dfd-sota",
        layout=Layout.CLIP,
        head=Head.NONE,
        preset="own",
        licence="Apache-2.0",
        notes="A CLIP ViT-L/14 tower with adapters whose design is not public: no detector.",
        loadable=False,
    ),
)


def entry_of_source(name: str) -> EncoderEntry | None:
    """Return the entry that such a name stands for, or None for any other name.

    Raise EncoderError for ``hf:`` without a revision: what a branch holds changes.
    """
    scheme, _, rest = name.partition(":")
    if scheme not in ("timm", "hf") or not rest:
        return None
    source, _, revision = rest.partition("@")
    if scheme == "timm":
        source = f"timm/{source}"
    elif not revision or source.count("/") != 1:
        raise EncoderError(f"expected hf:OWNER/REPO@REVISION, with a commit to pin, got {name!r}")
    return EncoderEntry(
        name=name,
        source=source,
        revision=revision or None,
        layout=Layout.CUSTOM,  # whatever its files say
        head=Head.NONE,
        preset="own",
        licence="unknown",
        notes="Read as its own files describe it.",
    )
