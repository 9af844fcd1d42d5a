"""Two pictures to compare on the page: uploads or samples, with the layers drawn once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dfindex.index import Index
from dfindex.layers import Layers, layers_of
from dfindex.server.errors import Problem
from dfindex.server.media import gone, path_of
from dfindex.server.service import Service, unknown_sample
from indexer.decode import DecodedImage, decode_image
from indexer.decode_scales import Scales
from indexer.errors import MediaError
from indexer.files import read_unchanged
from indexer.types import Sample
from search.compare import Comparison
from search.evidence import NEEDED_SIDE, compare_decoded

_ENOUGH = 700  # pixels of the shorter side: what the layers show


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two pictures: ``ref`` names it in addresses, ``u-TOKEN`` or ``s-ID``."""

    ref: str
    name: str
    path: Path
    sha256: str
    sample: Sample | None = None


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A comparison as the page shows it; ``size`` is that of the first picture."""

    comparison: Comparison
    layers: Layers
    size: tuple[int, int]
    facts: tuple[dict[str, str], dict[str, str]]


class Pairs:
    """Compares pairs, and keeps the newest."""

    def __init__(self, service: Service, most: int = 24) -> None:
        self._service = service
        self._most = most
        self._guard = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], Pair] = OrderedDict()

    async def side(self, ref: str) -> Side:
        """Return what a reference names; a 404 where it names nothing."""
        kind, _, name = ref.partition("-")
        if kind == "u":
            upload = self._service.uploads.find(name)
            return Side(ref=ref, name=upload.name, path=upload.path, sha256=upload.sha256)
        if kind != "s" or not name.isascii() or not name.isdigit() or len(name) > 18:
            raise Problem(404, "this names no picture", "open it from a search's hits")
        return await self._service.look(lambda index: _sample_side(index, ref, int(name)))

    async def pair(self, a: Side, b: Side) -> Pair:
        """Return the comparison of two pictures."""
        key = (a.sha256, b.sha256)
        with self._guard:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = await self._service.work.run(lambda: _compared(a, b))
        with self._guard:
            self._kept[key] = found
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return found


def _sample_side(index: Index, ref: str, sample_id: int) -> Side:
    found = index.catalog.samples([sample_id])
    if not found:
        raise unknown_sample(sample_id)
    sample = found[0]
    name = Path(sample.path).name
    path = path_of(index, sample)
    return Side(ref=ref, name=name, path=path, sha256=sample.sha256, sample=sample)


def _compared(a: Side, b: Side) -> Pair:
    first, second = _bytes(a), _bytes(b)
    scales = [Scales(partial(_decoded, data)) for data in (first, second)]
    judged = compare_decoded(
        *(one.at_least(NEEDED_SIDE) for one in scales), same_bytes=first == second
    )
    pictures = [one.at_least(_ENOUGH) for one in scales]
    evidence = replace(judged, first=pictures[0], second=pictures[1])
    facts = tuple(
        {
            "size": f"{one.width} × {one.height}",
            "format": one.format,
            "bytes": f"{len(data):,}",
            "sha256": side.sha256,
        }
        for side, one, data in zip((a, b), pictures, (first, second), strict=True)
    )
    return Pair(
        comparison=judged.comparison,
        layers=layers_of(evidence),
        size=(pictures[0].width, pictures[0].height),
        facts=(facts[0], facts[1]),
    )


def _decoded(data: bytes, at_least: int) -> DecodedImage:
    return decode_image(data, at_least=at_least)


def _bytes(side: Side) -> bytes:
    try:
        data = read_unchanged(side.path, side.sha256)
    except MediaError as error:
        raise gone() from error
    if data is None:
        raise gone()
    return data
