"""What is compared on the page: an upload or a sample, whole or as it looks at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dfindex.drawing.thumbnails import enough, jpeg
from dfindex.index import Index
from dfindex.server.http.departures import Stop
from dfindex.server.http.errors import Problem
from dfindex.server.jobs.queues import Queue
from dfindex.server.media import fitting
from dfindex.server.searching import sample_of
from dfindex.server.service import Service
from dfindex.server.uploads import Upload
from indexer.media.files import read_file
from indexer.media.image import DecodedImage, decode_image
from indexer.types import Kind, Sample

_REFERENCE = re.compile(r"(?:u-([A-Za-z0-9_-]{1,40})|s-(\d{1,18}))(?:@(\d{1,7}(?:\.\d{1,6})?))?")


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of two that are compared.

    ``ref`` names it in addresses: ``u-TOKEN`` or ``s-ID``, with ``@SECONDS`` for what a film shows
    at a time, ``at_s``.
    """

    ref: str
    name: str
    sha256: str
    bytes: int
    upload: Upload | None = None
    sample: Sample | None = None
    at_s: float | None = None

    @property
    def film(self) -> bool:
        """Whether it is a whole film, or a sample that stands for one."""
        return self.at_s is None and self.moves

    @property
    def time_s(self) -> float | None:
        """When a film shows what is taken for a picture of it; None of a picture."""
        if self.at_s is not None:
            return self.at_s
        if self.upload is not None:
            return self.upload.middle_s
        return None if self.sample is None else self.sample.time_s

    @property
    def key(self) -> tuple[object, ...]:
        """What its pictures are kept by."""
        page = None if self.sample is None else (self.sample.page, self.sample.box)
        return (self.sha256, self.time_s, page)

    def at(self, seconds: float) -> str:
        """Return the reference to what it shows at a time."""
        whole = self.ref.partition("@")[0]
        return f"{whole}@{seconds:.6f}" if self.moves else whole

    @property
    def moves(self) -> bool:
        """Whether it is a film, or a frame of one."""
        if self.upload is not None:
            return self.upload.clip
        return self.sample is not None and self.sample.kind is Kind.FRAME


async def side_of(service: Service, ref: str) -> Side:
    """Return what a reference names; a 404 where it names nothing."""
    found = _REFERENCE.fullmatch(ref)
    if found is None:
        raise Problem(404, "this names no picture", "open it from a search's hits")
    token, number, time = found.groups()
    at_s = None if time is None else float(time)
    if token is not None:
        upload = service.uploads.find(token)
        return Side(
            ref=ref,
            name=upload.name,
            sha256=upload.sha256,
            bytes=upload.bytes,
            upload=upload,
            at_s=at_s if upload.clip else None,
        )
    return await service.look(
        lambda index: _sample_side(index, ref, int(number), at_s), Queue.PICTURES
    )


async def small_picture(service: Service, side: Side, size: int) -> bytes:
    """Return what a side shows as a JPEG with at least ``size`` pixels, where it has as many."""
    fits = fitting(size)
    key = (*side.key, fits)
    data = service.thumbnails.get(key)
    if data is None:
        data = await service.read(
            lambda index, stop: jpeg(decoded(service, index, side, stop, enough(fits)).image, fits),
            # A film of the corpus was read before, an uploaded one may take long.
            Queue.FILMS if side.upload and side.moves else Queue.PICTURES,
        )
        service.thumbnails.put(key, data)
    return data


def decoded(service: Service, index: Index, side: Side, stop: Stop, at_least: int) -> DecodedImage:
    """Decode what a side shows; an upload's film in a process of its own.

    Raise UnavailableError where a sample's file is not there any more, MediaError of an upload.
    """
    if side.upload is None:
        assert side.sample is not None
        if side.at_s is None:
            return index.originals.open(side.sample, at_least=at_least)
        return index.originals.frames(side.sample, [side.at_s], at_least=at_least)[0]
    if side.time_s is None:
        data = read_file(side.upload.path, limits=service.limits)
        return decode_image(data, limits=service.limits, at_least=at_least)
    return service.film_vetting.shown(
        side.upload.path, [side.time_s], stop, at_least=at_least, sha256=side.sha256
    )[0]


def path_of(index: Index, side: Side) -> Path:
    """Return where a side's file lies; raise UnavailableError where it is not there any more."""
    if side.upload is not None:
        return side.upload.path
    assert side.sample is not None
    return index.originals.path(side.sample)


def _sample_side(index: Index, ref: str, sample_id: int, at_s: float | None) -> Side:
    sample = sample_of(index, sample_id)
    return Side(
        ref=ref,
        name=Path(sample.path).name,
        sha256=sample.sha256,
        bytes=index.catalog.encoding(sample_id).bytes,
        sample=sample,
        at_s=at_s if sample.kind is Kind.FRAME else None,
    )
