"""Show where a patch probe sees a fake: its head's answer for each patch of a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dfindex.explanation.explain import Explanation, regions
from dfindex.probing.probes import Prober, fake_share
from indexer.errors import UsageError
from indexer.extract import read
from indexer.media.image import decode_file
from indexer.preprocess import needed
from indexer.preprocess_views import seen_box
from indexer.types import Encoder
from probes.choices import FeatureKind
from probes.features import features_of
from probes.heads.patch import patch_map

PREFIX = "probe:"


def explain_with_probe(index: str | Path, name: str, image: Path, encoder: Encoder) -> Explanation:
    """Return how much each patch of a picture speaks for a fake, by a probe of an index.

    Raise UsageError for a probe that reads no patch tokens, SpaceMismatchError for another
    encoder than the probe's, MediaError where the picture cannot be read.
    """
    with Prober(index) as prober:
        probe = prober.load(name)
        if probe.features.kind is not FeatureKind.PATCHES:
            raise UsageError(
                f"the probe {name!r} reads {probe.features.kind.value} features, which have no "
                "place in the picture; expected one trained with --features patches"
            )
        spaces = prober.spaces(probe.features.spaces)
        probe.features.check(spaces)
        spaces[0].check(encoder.spec)
        spec = encoder.spec
        decoded = decode_file(image, at_least=needed(spec.preset))
        features, _ = read([decoded.image], encoder)
        X = features_of([features], spaces, probe.features.kind)
    share = float(fake_share(probe, probe.detector.probabilities(X))[0])
    tokens = X.reshape(probe.features.tokens, -1)
    values = patch_map(probe.detector.head, tokens, spec.patch_grid)
    seen = seen_box(decoded.width, decoded.height, spec.preset)
    clipped = float(np.clip(share, 1e-9, 1 - 1e-9))
    return Explanation(
        path=str(image),
        width=decoded.width,
        height=decoded.height,
        encoder=spec.name,
        preset=spec.preset.name,
        orientation="as labelled",
        method=PREFIX + name,
        block=-1,
        logit=float(np.log(clipped / (1 - clipped))),
        probability_fake=share,
        grid=spec.patch_grid,
        seen=seen,
        top_regions=regions(values, seen),
        values=values,
        picture=decoded.image,
    )
