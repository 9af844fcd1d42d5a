"""Apply probes to new files, and suggest what to label next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dfindex.encoders import open_encoder
from dfindex.probing.probes import Prober, fake_share
from indexer.errors import MediaError, SpaceMismatchError
from indexer.extract import read
from indexer.media.files import Limits, read_file
from indexer.media.image import decode_image
from indexer.preprocess import needed
from indexer.store.vectors.space import Space
from indexer.types import Encoder, Features, Float32
from probes.choices import Target
from probes.dataset import UNKNOWN
from probes.evaluation.results import called
from probes.features import features_of, read_features
from probes.storage import Probe
from probes.suggest import suggest, uncertainty


@dataclass(frozen=True, kw_only=True)
class ProbeVerdict:
    """What a probe says of a file; the probability is that of a fake.

    ``label`` is fake from the probe's threshold on; of a probe that names generators it is the
    likeliest one, or unknown where the picture is like none of them.
    """

    path: str
    probability: float
    label: str

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A picture worth labelling."""

    id: int
    path: str
    probability: float
    uncertainty: float


def apply_to_files(
    prober: Prober,
    name: str,
    paths: Sequence[Path],
    *,
    encoder: str | Path | Encoder | None = None,
    device: str = "auto",
    precision: str = "auto",
) -> list[ProbeVerdict]:
    """Score new files as if they were in the index; raise MediaError where one cannot be read.

    Raise SpaceMismatchError where the encoder is not the one the probe was trained on.
    """
    probe = prober.load(name)
    spaces = prober.spaces(probe.features.spaces)
    probe.features.check(spaces)
    encoders = _encoders(spaces, encoder, device, precision)
    found = []
    for path in paths:
        encoded = [_encoded(path, one) for one in encoders]
        X = features_of(encoded, spaces, probe.features.kind)
        found.append(_verdict(probe, str(path), X))
    return found


def suggestions(
    prober: Prober, name: str, *, count: int = 10, where: str | None = None
) -> list[Suggestion]:
    """Return unlabelled samples whose labels would teach a probe most, the best first."""
    probe = prober.load(name)
    spaces = prober.spaces(probe.features.spaces)
    probe.features.check(spaces)
    ids, labelled = prober.unlabelled(spaces, where)
    if not len(ids):
        return []
    kind = probe.features.kind
    X, known = read_features(spaces, kind, ids), read_features(spaces, kind, labelled)
    probabilities = probe.detector.probabilities(X)
    places = suggest(X, probabilities, known, count=count)
    samples = prober.samples(ids[places])
    shares, unsure = fake_share(probe, probabilities)[places], uncertainty(probabilities)[places]
    return [
        Suggestion(id=one.id, path=one.path, probability=float(p), uncertainty=float(u))
        for one, p, u in zip(samples, shares, unsure, strict=True)
    ]


def _encoders(
    spaces: Sequence[Space], encoder: str | Path | Encoder | None, device: str, precision: str
) -> list[Encoder]:
    if encoder is not None and len(spaces) > 1:
        raise SpaceMismatchError(
            "the probe reads several spaces, each with its own encoder; leave --encoder away"
        )
    opened = [open_encoder(encoder or space.row.loaded_from, device, precision) for space in spaces]
    for space, one in zip(spaces, opened, strict=True):
        space.check(one.spec)
    return opened


def _encoded(path: Path, encoder: Encoder) -> Features:
    limits, preset = Limits(), encoder.spec.preset
    try:
        # As the index was made: at a reduced scale a picture's vector is a slightly other one.
        image = decode_image(read_file(path, limits=limits), limits=limits, at_least=needed(preset))
    except MediaError as error:
        raise MediaError(error.reason, f"{path} cannot be scored: {error.message}") from error
    return read([image.image], encoder)[0]


def _verdict(probe: Probe, path: str, X: Float32) -> ProbeVerdict:
    probabilities = probe.detector.probabilities(X)
    share = float(fake_share(probe, probabilities)[0])
    if probe.target is Target.FAKE:
        label = "fake" if share >= probe.threshold else "real"
    else:
        best = probe.classes[int(called(probabilities)[0])]
        label = UNKNOWN if probe.detector.is_unknown(X)[0] else best
    return ProbeVerdict(path=path, probability=share, label=label)
