"""A small case on which a store is ill-treated: what it says, and all that may be done to it.

Of its files some were removed, one was changed and some are labelled; a pair was decided about, a
probe was trained and applied, and a map drawn.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from indexer.build import BuildOptions, build
from indexer.store.catalog.changes import Label
from indexer.store.catalog.decisions import Decision, Decisions, remember
from indexer.store.catalog.labels import labels_of
from indexer.store.catalog.names import contents_by_path
from indexer.store.catalog.probe_scores import ProbeScores, load_scores, save_scores
from indexer.store.maintenance.compaction import compact
from indexer.store.maintenance.repair import repair
from indexer.store.reader import IndexReader
from indexer.store.writer import IndexWriter
from indexer.types import EncoderSpec, Features, Layout, Preset, UInt8
from probes.choices import FeatureKind, Target
from probes.features import FeatureSpec
from probes.recipe import Recipe, fit
from probes.storage import Probe, load_probe, save_probe
from search.projection import project, read

FILES = 10
REMOVED = ("00001.png", "00002.png")
_SIZE = 32
_OPTIONS = BuildOptions(workers=1, batch_size=4, loaded_from="colours")


class Colours:
    """An encoder without a model: the mean colours of a picture's quarters."""

    def __init__(self) -> None:
        self.spec = EncoderSpec(
            name="colours",
            source="custom:colours",
            weights_sha256=hashlib.sha256(b"colours").hexdigest(),
            layout=Layout.CUSTOM,
            dim=12,
            patch_grid=(2, 2),
            preset=Preset(name="squash-32", size=_SIZE, interpolation="bilinear"),
            licence="MIT",
        )
        self.device, self.precision = "cpu", "fp32"

    def encode(self, images: UInt8) -> Features:
        """Read images (B, 32, 32, 3) uint8."""
        half = _SIZE // 2
        quarters = images.reshape(-1, 2, half, 2, half, 3)
        colours = quarters.mean(axis=(2, 4), dtype=np.float64).reshape(-1, 4, 3) / 255 - 0.5
        patches = np.zeros((len(images), 4, 12), np.float32)
        patches[:, :, :3] = colours
        return Features(cls=colours.reshape(-1, 12).astype(np.float32), patches=patches)


@dataclass(frozen=True)
class State:
    """What an index says: contents and vectors by path, labels and decisions, a probe, a map."""

    paths: dict[str, str]
    labels: dict[str, str]
    decisions: dict[str, str]
    kept: dict[str, str]

    def neither(self, before: State, after: State) -> list[str]:
        """Return what is neither as it was before nor as it is to be after."""
        wrong = []
        for part in State.__dataclass_fields__:
            mine, old, new = (getattr(one, part) for one in (self, before, after))
            wrong += [
                f"{part}: {key} is {mine.get(key)}, not {old.get(key)} or {new.get(key)}"
                for key in sorted({*mine, *old, *new})
                if mine.get(key) not in (old.get(key), new.get(key))
            ]
        return wrong


def state_of(index: Path) -> State:
    """Read an index as searches do, and what is kept beside it."""
    with IndexReader(index) as reader:
        space = reader.space()
        found = space.embeddings()
        ids = found.ids.tolist()
        space.patches(ids)
        rows = sorted(int(one) for some, _ in space.keypoint_rows() for one in some)
        nearest = space.neighbours(found.vectors, 1)[1][:, 0].tolist()
        if rows != ids or nearest != ids:
            raise AssertionError("a sample is not its own nearest, or has no keypoints")
        paths = {
            f"{Path(one.path).parent.name}/{Path(one.path).name}": f"{one.sha256[:12]} "
            + hashlib.sha256(vector.tobytes()).hexdigest()[:12]
            for one, vector in zip(reader.catalog.samples(ids), found.vectors, strict=True)
        }
        labels = {sha256: one.label for sha256, one in labels_of(reader.catalog).items()}
        decided = {
            f"{one.first} {one.second}": one.decision.value for one in Decisions(reader.catalog).all
        }
        kept = _kept(index, reader.folder.space(space.row.fingerprint).map)
    return State(paths, labels, decided, kept)


def _kept(index: Path, drawn: Path) -> dict[str, str]:
    folder = index / "probes" / "gan"
    kept = {"probe": load_probe(folder).detector.choice.method}
    scores = load_scores(folder)
    if scores is not None:
        # Of the old head or the new, or none, as after any training: never the other's.
        scored = "ridge" if scores.scores[1] > 1 / (2 * len(scores.ids)) else "lda"
        if scored != kept["probe"]:
            raise AssertionError(f"the scores of {scored} lie beside {kept}")
    if drawn.exists():
        read(drawn)
    return kept


def make(root: Path) -> None:
    """Make the case in a folder: ``corpus`` and ``index``."""
    corpus = root / "corpus"
    _pictures(corpus, range(FILES))
    extend(root)
    index = root / "index"
    with IndexWriter(index) as writer:
        writer.catalog.remove_paths([os.fsencode(corpus / name) for name in REMOVED])
        for name in REMOVED:
            (corpus / name).unlink()
    _picture(999).save(corpus / "00000.png")
    extend(root)
    label(root, "real")
    decide(root, Decision.SAME)
    train(root, "ridge")
    draw(root)


def extend(root: Path) -> None:
    """Build over the corpus."""
    with IndexWriter(root / "index") as writer:
        build(writer, Colours(), [root / "corpus"], _OPTIONS)


def add(root: Path) -> None:
    """Build over a corpus with new files and a changed one."""
    _pictures(root / "corpus", range(100, 104))
    _picture(777).save(root / "corpus" / "00004.png")
    extend(root)


def remove(root: Path) -> None:
    """Remove a file from the index."""
    with IndexWriter(root / "index") as writer:
        writer.catalog.remove_paths([os.fsencode(root / "corpus" / "00005.png")])


def compacted(root: Path) -> None:
    """Join the segments, and drop what was removed."""
    with IndexWriter(root / "index") as writer:
        compact(writer)


def repaired(root: Path) -> None:
    """Repair the index."""
    repair(root / "index")


def label(root: Path, value: str = "fake") -> None:
    """Label all contents."""
    with IndexWriter(root / "index") as writer:
        writer.catalog.set_labels(dict.fromkeys(_contents(writer), Label(label=value)))


def decide(root: Path, decision: Decision = Decision.DIFFERENT) -> None:
    """Decide about some pairs."""
    with IndexWriter(root / "index") as writer:
        remember(writer.catalog, _contents(writer)[-3:], decision)


def _contents(writer: IndexWriter) -> list[str]:
    """Return every indexed content once, by its first path."""
    return [*dict.fromkeys(sha256 for _, sha256 in contents_by_path(writer.catalog))]


def train(root: Path, method: str = "lda") -> None:
    """Train a probe and apply it."""
    folder = root / "index" / "probes" / "gan"
    save_probe(folder, _probe(method))
    with IndexReader(root / "index") as reader:
        ids = reader.space().ids()
    scores = np.linspace(0, 1, len(ids)) ** (1 if method == "ridge" else 4)
    save_scores(folder, ProbeScores(ids=ids, scores=scores, spaces=()))


def draw(root: Path) -> None:
    """Draw the map."""
    with IndexReader(root / "index") as reader:
        space = reader.space()
        project(space, reader.folder.space(space.row.fingerprint).map)


def relocate(root: Path) -> None:
    """Tell the index that its corpus moved."""
    old, new = os.fsencode(root / "corpus"), os.fsencode(root / "elsewhere" / "moved")
    with IndexWriter(root / "index") as writer:
        writer.catalog.move_paths(old, new)


OPERATIONS: dict[str, Callable[[Path], None]] = {
    "build": add,
    "remove": remove,
    "compact": compacted,
    "repair": repaired,
    "label": label,
    "decide": decide,
    "probe": train,
    "map": draw,
    "relocate": relocate,
}


def _probe(method: str) -> Probe:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 6))
    y = np.arange(40) % 2
    X[:, 0] += 3 * y
    recipe = Recipe(method=method)
    return Probe(
        name="gan",
        target=Target.FAKE,
        classes=("real", "fake"),
        features=FeatureSpec(FeatureKind.CLS, ("0123456789abcdef",)),
        encoders=({"name": "colours"},),
        recipe=recipe,
        detector=fit(recipe, X, y, np.arange(40).astype(str)),
        training=(),
        label_counts={"real": 20, "fake": 20},
        labels_sha256="0" * 64,
        where=None,
        threshold=0.5,
        figures=None,
        made_at="2026-01-01T00:00:00Z",
        versions={},
    )


def _pictures(folder: Path, seeds: range) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        _picture(seed).save(folder / f"{seed:05d}.png")


def _picture(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 256, (2, 2, 3)).astype(np.uint8)
    base = np.asarray(Image.fromarray(corners).resize((48, 40), Image.Resampling.NEAREST), np.int16)
    noisy = base + rng.integers(-20, 21, base.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
