"""Probes of an index as people use them: train, evaluate, apply, suggest, look."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from dfindex.probing.results import Applied, Training
from indexer.closing import Closing
from indexer.errors import UsageError
from indexer.store.catalog.labels import LabelledSample, labelled_samples
from indexer.store.catalog.probe_scores import ProbeScores, probe_folder, save_scores
from indexer.store.reader import IndexReader
from indexer.store.vectors.space import Space
from indexer.types import Float32, Int64, Sample
from probes.choices import REAL_ONLY, FeatureKind, SplitBy, Target
from probes.dataset import Dataset, check_labels, classes_of
from probes.evaluation.encoding import codec_features
from probes.evaluation.evaluate import evaluate
from probes.evaluation.results import Evaluation
from probes.features import FeatureSpec, common_ids, feature_batches, read_features
from probes.grouping import grouped
from probes.heads.patch import POOLINGS
from probes.recipe import Detector, Recipe, fit
from probes.storage import (
    EVALUATION,
    Probe,
    check_name,
    load_probe,
    names_in,
    read_card,
    save_probe,
)
from search.duplicates.near_pairs import remembered_pairs
from search.scope import allowed_ids

__all__ = ["Applied", "Prober", "Training", "fake_share", "keep_evaluation", "keep_training"]

FEWEST = 2  # labelled pictures of a class that a probe can be trained on
PACKAGES = ("dfindex", "numpy", "scikit-learn", "scipy", "safetensors")


class Prober(Closing):
    """The probes of one index."""

    def __init__(self, index: str | Path) -> None:
        self.path = Path(index)
        self._reader = IndexReader(self.path)

    def close(self) -> None:
        """Let go of the index."""
        self._reader.close()

    def train(
        self,
        name: str,
        recipe: Recipe,
        *,
        target: Target = Target.FAKE,
        kind: FeatureKind = FeatureKind.CLS,
        spaces: Sequence[str] = (),
        where: str | None = None,
        by: SplitBy = SplitBy.AUTO,
        max_fpr: float = 0.05,
    ) -> Training:
        """Train a probe on the labelled samples, and measure it on unseen ones.

        It is kept by `keep_training`. Raise UsageError where there are too few labels, saying how
        many of what are needed.
        """
        check_name(name)
        opened = self.spaces(spaces)
        dataset = self.dataset(opened, kind, target=target, where=where, recipe=recipe)
        described = FeatureSpec.of(opened, kind)
        if kind is FeatureKind.PATCHES:
            recipe = with_tokens(recipe, described.tokens)
        pairs = remembered_pairs(self._reader.catalog, opened[0], dataset.ids)
        evaluation, notes = self._measured(dataset, recipe, pairs, by, max_fpr)
        probe = self._made(name, dataset, described, opened, recipe, where, evaluation, max_fpr)
        return Training(probe=probe, evaluation=evaluation, notes=tuple(notes))

    def evaluate(
        self, name: str, *, by: SplitBy = SplitBy.AUTO, max_fpr: float = 0.05
    ) -> Evaluation:
        """Measure a probe's recipe on the labels as they are now, and keep the figures."""
        probe = self.load(name)
        opened = self.spaces(probe.features.spaces)
        dataset = self.dataset(
            opened, probe.features.kind, target=probe.target, where=probe.where, recipe=probe.recipe
        )
        pairs = remembered_pairs(self._reader.catalog, opened[0], dataset.ids)
        found = evaluate(
            dataset, probe.recipe, near_duplicates=pairs, codec=self._codec, by=by, max_fpr=max_fpr
        )
        keep_evaluation(probe_folder(self.path, name), found, name)
        return found

    def apply(self, name: str) -> Applied:
        """Score every sample of the probe's space, and keep the scores for filters."""
        applied, scores = self.applied(name)
        save_scores(probe_folder(self.path, name), scores)
        return applied

    def applied(self, name: str) -> tuple[Applied, ProbeScores]:
        """Score every sample of the probe's space, and keep nothing."""
        probe = self.load(name)
        ids, scores = self.scores(probe)
        above = int((scores >= probe.threshold).sum())
        said = Applied(
            probe=name, scored=len(ids), above_threshold=above, threshold=probe.threshold
        )
        return said, ProbeScores(ids=ids, scores=scores, spaces=probe.features.spaces)

    def scores(self, probe: Probe) -> tuple[Int64, np.ndarray[Any, np.dtype[np.float64]]]:
        """Return ids and scores (n,) of all samples that have the probe's features.

        The score is the probability of a fake, also of a probe that names generators.
        """
        opened = self.spaces(probe.features.spaces)
        probe.features.check(opened)
        found = [np.zeros(0)]
        ids = common_ids(opened)
        for _, X in feature_batches(opened, probe.features.kind, ids):
            found.append(fake_share(probe, probe.detector.probabilities(X)))
        return ids, np.concatenate(found)

    def load(self, name: str) -> Probe:
        """Return a probe; raise UsageError where there is none of that name."""
        return load_probe(probe_folder(self.path, check_name(name)))

    def cards(self) -> list[dict[str, Any]]:
        """Return the cards of all probes, by name."""
        names = names_in(self.path / "probes")
        return [read_card(probe_folder(self.path, name)) for name in names]

    def spaces(self, names: Sequence[str] = ()) -> list[Space]:
        """Open spaces by name or fingerprint, the oldest one where none is named."""
        return [self._reader.space(name) for name in names or (None,)]

    def dataset(
        self,
        spaces: Sequence[Space],
        kind: FeatureKind,
        *,
        target: Target,
        where: str | None,
        recipe: Recipe,
    ) -> Dataset:
        """Return the labelled samples that have these features and meet a filter."""
        catalog = self._reader.catalog
        ids = common_ids(spaces)
        allowed = allowed_ids(catalog, where)
        records = labelled_samples(
            catalog, ids if allowed is None else np.intersect1d(ids, allowed)
        )
        may_be_one = target is Target.FAKE and recipe.method in ("auto", REAL_ONLY)
        check_labels(records, target, needed=FEWEST, may_be_one=may_be_one)
        classes, y = classes_of(records, target)
        X = read_features(spaces, kind, np.array([one.id for one in records], dtype=np.int64))
        return Dataset(target=target, classes=classes, records=tuple(records), X=X, y=y)

    def unlabelled(self, spaces: Sequence[Space], where: str | None) -> tuple[Int64, Int64]:
        """Return the ids of samples without a label that meet a filter, and of all with one."""
        catalog, ids = self._reader.catalog, common_ids(spaces)
        known = np.array([one.id for one in labelled_samples(catalog, ids)], dtype=np.int64)
        allowed = allowed_ids(catalog, where)
        wanted = ids if allowed is None else np.intersect1d(ids, allowed)
        return np.setdiff1d(wanted, known), known

    def samples(self, ids: Int64) -> list[Sample]:
        """Return samples in the order of their ids."""
        return self._reader.catalog.samples(ids.tolist())

    def _measured(
        self,
        dataset: Dataset,
        recipe: Recipe,
        pairs: Sequence[tuple[int, int]],
        by: SplitBy,
        max_fpr: float,
    ) -> tuple[Evaluation | None, list[str]]:
        """Measure, or say why nothing can be measured; the probe is made all the same."""
        try:
            found = evaluate(
                dataset, recipe, near_duplicates=pairs, codec=self._codec, by=by, max_fpr=max_fpr
            )
        except UsageError as error:
            return None, [f"not measured: {error}"]
        return found, []

    def _codec(self, ids: Int64) -> Float32:
        return codec_features(self._reader.catalog, ids)

    def _made(
        self,
        name: str,
        dataset: Dataset,
        features: FeatureSpec,
        spaces: Sequence[Space],
        recipe: Recipe,
        where: str | None,
        evaluation: Evaluation | None,
        max_fpr: float,
    ) -> Probe:
        """Fit the recipe to all of the labelled samples."""
        groups = grouped(dataset, (), SplitBy.AUTO).groups
        detector = fit(recipe, dataset.X, dataset.y, groups)
        return Probe(
            name=name,
            target=dataset.target,
            classes=dataset.classes,
            features=features,
            encoders=tuple(space.row.encoder.to_json() for space in spaces),
            recipe=recipe,
            detector=detector,
            training=tuple(one.sha256 for one in dataset.records),
            label_counts=dataset.counts(),
            labels_sha256=labels_sha256(dataset.records),
            where=where,
            threshold=_threshold(evaluation, detector, max_fpr),
            figures=None if evaluation is None else _figures(evaluation),
            made_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            versions={"python": platform.python_version()}
            | {package: version(package) for package in PACKAGES},
        )


def with_tokens(recipe: Recipe, tokens: int) -> Recipe:
    """Return a recipe for patch heads on pictures of ``tokens`` tokens."""
    return Recipe(
        method=recipe.method,
        parameters=recipe.parameters,
        calibration=recipe.calibration,
        pooling=recipe.pooling or POOLINGS[0],
        tokens=tokens,
        open_set=recipe.open_set,
        seed=recipe.seed,
    )


def fake_share(
    probe: Probe, probabilities: np.ndarray[Any, Any]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the probability of a fake (n,) from a probe's probabilities."""
    if probabilities.ndim == 1:
        return np.asarray(probabilities, dtype=np.float64)
    real = probe.classes.index("real") if "real" in probe.classes else None
    return np.ones(len(probabilities)) if real is None else 1 - probabilities[:, real]


def labels_sha256(records: Sequence[LabelledSample]) -> str:
    """Return the SHA-256 of what training knew: contents, labels, generators, groups."""
    known = [(r.sha256, r.label, r.generator, r.source, r.group) for r in records]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()


def keep_training(index: Path, made: Training) -> None:
    """Keep a probe that was trained in an index, and its figures."""
    folder = probe_folder(index, made.probe.name)
    save_probe(folder, made.probe)
    if made.evaluation is not None:
        keep_evaluation(folder, made.evaluation, made.probe.name)


def keep_evaluation(folder: Path, found: Evaluation, name: str) -> None:
    """Keep figures and scores beside the probe, for reports."""
    from indexer.store.durable import write_sealed_json

    scores = {
        "ids": found.ids.tolist(),
        "y": found.y.tolist(),
        "probabilities": found.probabilities.tolist(),
    }
    plain = json.loads(json.dumps({**found.to_json(name), "unseen": scores}))
    write_sealed_json(folder / EVALUATION, plain)


def _threshold(found: Evaluation | None, detector: Detector, max_fpr: float) -> float:
    """Return what keeps to the budget of false positives, one half where nobody knows."""
    if found is not None and found.threshold is not None:
        return found.threshold.value
    # Without fakes the probability is the share of real pictures that look less strange.
    return 1 - max_fpr if detector.choice.method == REAL_ONLY else 0.5


def _figures(found: Evaluation) -> dict[str, Any]:
    return {
        "unseen": found.n_test,
        "figures": found.metrics,
        "ci95": {name: list(bounds) for name, bounds in found.ci95.items()},
        "split": found.split,
        "findings": list(found.leakage.findings),
    }
