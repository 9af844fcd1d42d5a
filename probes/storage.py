"""Keep a probe as safetensors and a sealed card, and read it back exactly; never pickle."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from indexer.errors import IndexDamagedError, StoreError, UsageError
from indexer.store.durable import (
    read_sealed_json,
    replace_file,
    sync_folder,
    unreadable,
    write_sealed_json,
)
from probes.calibration import Calibrator
from probes.choices import REAL_ONLY, Calibration, Target
from probes.features import FeatureSpec
from probes.heads.one_class import KnownClassesHead
from probes.heads.patch import PatchHead
from probes.heads.registry import make_head
from probes.recipe import Choice, Detector, Recipe

CARD, WEIGHTS, SCORES, EVALUATION = "card.json", "head.safetensors", "scores", "evaluation.json"
_NEXT = "next.safetensors"  # the weights of a card that is about to be written
FORMAT = 1
KNOWN = "known."  # before the names of the open set's arrays
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A trained detector, what it reads, and everything by which it can be made again."""

    name: str
    target: Target
    classes: tuple[str, ...]
    features: FeatureSpec
    encoders: tuple[dict[str, Any], ...]
    recipe: Recipe
    detector: Detector
    training: tuple[str, ...]
    label_counts: dict[str, int]
    labels_sha256: str
    where: str | None
    threshold: float
    figures: dict[str, Any] | None
    made_at: str
    versions: dict[str, str]


def check_name(name: str) -> str:
    """Return a probe's name; raise UsageError unless it can name a folder everywhere."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"expected a probe name of up to 64 letters, digits, _ and -, got {name!r}"
        )
    return name


def save_probe(folder: Path, probe: Probe) -> None:
    """Write a probe into its folder; scores and figures of an older head of that name go.

    A kill leaves the older head or the new one: the card decides which of the two files counts.
    """
    arrays, plain = _state(probe.detector.head)
    if probe.detector.known is not None:
        known, plain_known = _state(probe.detector.known, KNOWN)
        arrays, plain = arrays | known, {**plain, "known": plain_known}
    data = save_tensors(arrays)
    replace_file(folder / _NEXT, lambda file: file.write(data))
    for stale in (*folder.glob(f"{SCORES}.*"), folder / EVALUATION):
        stale.unlink(missing_ok=True)
    write_sealed_json(folder / CARD, _card(probe, plain, hashlib.sha256(data).hexdigest()))
    (folder / _NEXT).replace(folder / WEIGHTS)
    sync_folder(folder)


def load_probe(folder: Path) -> Probe:
    """Read a probe; raise StoreError where it is damaged or not one of this version's."""
    if not (folder / CARD).exists():
        known = ", ".join(names_in(folder.parent)) or "none"
        raise UsageError(
            f"there is no probe {folder.name!r} in this index; there are: {known}; "
            "make one with dfindex probe train"
        )
    card = read_card(folder)
    path = folder / WEIGHTS
    data = next(_weights(folder, str(card.get("weights_sha256"))), None)
    if data is None:
        raise _damaged(path, "is missing or does not match its checksum")
    try:
        return _probe(card, load_tensors(data))
    except SafetensorError as error:
        raise _damaged(path, "cannot be read") from error
    except (KeyError, ValueError, TypeError) as error:
        raise _damaged(folder / CARD, f"is not what this version writes ({error})") from error


def _weights(folder: Path, sha256: str) -> Iterator[bytes]:
    """Yield the bytes of the files that are the ones a card speaks of."""
    for path in (folder / WEIGHTS, folder / _NEXT):
        with suppress(IndexDamagedError), unreadable(path):
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() == sha256:
                yield data


def read_card(folder: Path) -> dict[str, Any]:
    """Return a probe's card, its seal checked."""
    card = read_sealed_json(folder / CARD)
    if card.get("kind") != "dfindex probe" or card.get("format") != FORMAT:
        raise StoreError(
            f"{folder / CARD} is not a probe of format {FORMAT}: it says kind "
            f"{card.get('kind')!r}, format {card.get('format')!r}; train the probe again"
        )
    return card


def names_in(folder: Path) -> list[str]:
    """Return the names of all probes in a folder of probes."""
    return sorted(path.parent.name for path in folder.glob(f"*/{CARD}"))


def _card(probe: Probe, plain: dict[str, Any], weights_sha256: str) -> dict[str, Any]:
    recipe, detector = probe.recipe, probe.detector
    return {
        "kind": "dfindex probe",
        "format": FORMAT,
        "name": probe.name,
        "target": probe.target.value,
        "classes": list(probe.classes),
        "method": detector.choice.method,
        "chosen_because": detector.choice.why,
        "compared": {name: list(score) for name, score in detector.choice.scores.items()},
        "features": probe.features.to_json(),
        "encoders": list(probe.encoders),
        "recipe": {
            "method": recipe.method,
            "parameters": recipe.parameters,
            "calibration": recipe.calibration.value,
            "pooling": recipe.pooling,
            "tokens": recipe.tokens,
            "open_set": recipe.open_set,
            "seed": recipe.seed,
        },
        "calibrator": detector.calibrator.to_json(),
        "threshold": probe.threshold,
        "label_counts": probe.label_counts,
        "labels_sha256": probe.labels_sha256,
        "where": probe.where,
        "figures": probe.figures,
        "made_at": probe.made_at,
        "versions": probe.versions,
        "head": plain,
        "weights_sha256": weights_sha256,
        "training": list(probe.training),
    }


def _probe(card: dict[str, Any], arrays: dict[str, np.ndarray[Any, Any]]) -> Probe:
    recipe = card["recipe"]
    compared = {name: (score[0], score[1]) for name, score in card["compared"].items()}
    choice = Choice(card["method"], card["chosen_because"], compared)
    return Probe(
        name=card["name"],
        target=Target(card["target"]),
        classes=tuple(card["classes"]),
        features=FeatureSpec.from_json(card["features"]),
        encoders=tuple(card["encoders"]),
        recipe=Recipe(
            method=recipe["method"],
            parameters=recipe["parameters"],
            calibration=Calibration(recipe["calibration"]),
            pooling=recipe["pooling"],
            tokens=recipe["tokens"],
            open_set=recipe["open_set"],
            seed=recipe["seed"],
        ),
        detector=_detector(card, choice, arrays),
        training=tuple(card["training"]),
        label_counts=card["label_counts"],
        labels_sha256=card["labels_sha256"],
        where=card["where"],
        threshold=card["threshold"],
        figures=card["figures"],
        made_at=card["made_at"],
        versions=card["versions"],
    )


def _detector(
    card: dict[str, Any], choice: Choice, arrays: dict[str, np.ndarray[Any, Any]]
) -> Detector:
    plain = dict(card["head"])
    known = plain.pop("known", None)
    return Detector(
        choice,
        _head(plain, arrays, ""),
        Calibrator.from_json(card["calibrator"]),
        None if known is None else _head(known, arrays, KNOWN),
    )


def _state(head: Any, prefix: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a fitted head's arrays by name, and all the rest of it as plain JSON values."""
    arrays: dict[str, Any] = {}
    plain: dict[str, Any] = {"method": _method_of(head), "parameters": head.get_params(deep=False)}
    values: dict[str, Any] = {}
    for name, value in sorted(vars(head).items()):
        if not name.endswith("_") or name.startswith("_"):
            continue
        if isinstance(value, np.ndarray):
            arrays[prefix + name] = np.ascontiguousarray(value)
        elif hasattr(value, "get_params"):
            inner, plain[name] = _state(value, f"{prefix}{name}.")
            arrays |= inner
        else:
            values[name] = value.item() if isinstance(value, np.generic) else value
    return arrays, {**plain, "values": json.loads(json.dumps(values))}


def _head(plain: dict[str, Any], arrays: dict[str, Any], prefix: str) -> Any:
    """Build a fitted head from what `_state` returned."""
    parameters = plain["parameters"]
    method = plain["method"]
    special: dict[str, type[Any]] = {"patch": PatchHead, "known": KnownClassesHead}
    head = special[method](**parameters) if method in special else make_head(method, **parameters)
    for name, value in plain["values"].items():
        setattr(head, name, value)
    for name, value in plain.items():
        if name.endswith("_"):
            setattr(head, name, _head(value, arrays, f"{prefix}{name}."))
    for name, value in arrays.items():
        own = name.removeprefix(prefix)
        if name.startswith(prefix) and "." not in own:
            setattr(head, own, value)
    return head


def _method_of(head: Any) -> str:
    from probes.heads.registry import HEADS

    if isinstance(head, KnownClassesHead):
        return "known"
    if isinstance(head, PatchHead):
        return "patch"
    names = {kind: name for name, kind in HEADS.items()}
    return names.get(type(head), REAL_ONLY)


def _damaged(path: Path, how: str) -> IndexDamagedError:
    return IndexDamagedError(f"the probe's file {path} {how}; train the probe again")
