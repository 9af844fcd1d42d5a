"""Write an explanation to disk: the overlay as a picture, the map as numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dfindex.drawing.heatmap import draw
from dfindex.explanation.explain import ExplanationMethod, explain
from dfindex.explanation.patch_probe import PREFIX, explain_with_probe
from dfindex.outputs import check_apart, write_together
from indexer.errors import UsageError
from indexer.store.catalog.orientations import OrientationFinding, remembered_orientation
from indexer.store.folder import IndexFolder
from indexer.store.reader import IndexReader
from indexer.types import Encoder


def explain_to(
    out: Path, image: Path, encoder: Encoder, *, method: str, block: int, index: Path
) -> dict[str, Any]:
    """Explain a picture into ``out`` and a .npy file beside it; return what was found.

    Raise UsageError for an unknown method, StoreError where ``out`` cannot be written.
    """
    if method not in list(ExplanationMethod) and not method.startswith(PREFIX):
        known = ", ".join((*ExplanationMethod, f"{PREFIX}NAME"))
        raise UsageError(f"expected a method of {known}, got {method!r}")
    if out.suffix.lower() != ".png":
        raise UsageError(f"expected --out FILE.png, got {out}")
    check_apart(out, (image,))
    if method.startswith(PREFIX):
        result = explain_with_probe(index, method.removeprefix(PREFIX), image, encoder)
    else:
        found = _finding(index, encoder.spec.fingerprint)
        result = explain(
            image, encoder, method=ExplanationMethod(method), block=block, finding=found
        )
    values = out.with_suffix(".npy")
    drawing = draw(result)
    write_together(
        {
            out: lambda file: drawing.save(file, "PNG"),
            values: lambda file: np.save(file, result.values),
        }
    )
    return {**result.to_json(), "overlay": str(out), "map": str(values)}


def _finding(index: Path, fingerprint: str) -> OrientationFinding | None:
    if not IndexFolder(index).exists():
        return None
    with IndexReader(index) as reader:
        return remembered_orientation(reader.catalog, fingerprint)
