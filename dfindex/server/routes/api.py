"""The HTTP API: `/api/v1`, in the names and the JSON of the command line."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from dfindex.compare import FileComparison, VideoComparison
from dfindex.index import Index
from dfindex.server.http import schemas
from dfindex.server.http.bodies import (
    LARGEST_ID,
    LabelsGiven,
    SampleId,
    SampleSearch,
    SearchFields,
    json_body,
    options_of,
    received,
    texts_of,
    validated,
)
from dfindex.server.http.errors import Problem
from dfindex.server.http.ranges import FileAnswer
from dfindex.server.jobs.queues import Queue
from dfindex.server.media import SIZES, corpus_file
from dfindex.server.routes.dependencies import TheService, editor
from dfindex.server.searching import known_sample, unknown_sample
from dfindex.server.uploads import Upload, file_of, read_form
from dfindex.server.views.sides import side_of, small_picture
from indexer.types import Sample
from search.results import PictureResult
from search.videos.results import VideoSearchResult

api = APIRouter(prefix="/api/v1", responses=schemas.ERRORS)


@api.post(
    "/search",
    response_model=PictureResult | VideoSearchResult,
    openapi_extra=schemas.body({"multipart/form-data": SearchFields, "json": SampleSearch}),
)
async def search(request: Request, service: TheService) -> Response:
    """Find what resembles a picture (multipart, part `file`) or a sample (JSON, `sample_id`)."""
    if request.headers.get("content-type", "").startswith("application/json"):
        asked = validated(SampleSearch, await json_body(request))
        return as_json(await service.search_sample(asked.sample_id, options_of(asked)))
    form = await read_form(request)
    try:
        fields = validated(SearchFields, texts_of(form))
        part = file_of(form, "file", service.settings.allowance)
        upload = await received(request, service, part)
    finally:
        await form.close()
    try:
        upload = await service.vet(upload)
        return as_json(await service.search_upload(upload, options_of(fields)))
    finally:
        service.uploads.drop(upload)


@api.post(
    "/compare",
    response_model=FileComparison | VideoComparison,
    openapi_extra=schemas.two_files(),
)
async def compare_files(request: Request, service: TheService) -> Response:
    """Say whether one of two pictures or clips is a copy of the other, and what was changed."""
    uploads: list[Upload] = []
    try:
        form = await read_form(request)
        try:
            parts = [file_of(form, name, service.settings.allowance) for name in ("a", "b")]
            for part in parts:
                uploads.append(await received(request, service, part))
        finally:
            await form.close()
        first, second = [await service.vet(upload) for upload in uploads]
        return as_json(await service.compare_uploads(first, second))
    finally:
        for upload in uploads:
            service.uploads.drop(upload)


@api.get("/status", response_model=schemas.StatusAnswer)
async def status(service: TheService) -> Response:
    """Return the index in figures: media, samples, spaces, bytes, generation."""
    return as_json(await service.look(lambda index: index.status(files=False).to_json()))


@api.get("/failures", response_model=schemas.FailuresAnswer)
async def failures(
    service: TheService,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=LARGEST_ID)] = 0,
) -> Response:
    """Return a page of the files that could not be indexed, with reasons."""
    rows = await service.look(lambda index: index.failures())
    page = [asdict(row) for row in rows[offset : offset + limit]]
    return as_json({"failures": page, "total": len(rows), "limit": limit, "offset": offset})


@api.get("/samples", response_model=schemas.SamplesAnswer)
async def samples(
    service: TheService,
    where: Annotated[str | None, Query(max_length=2000)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Annotated[int, Query(ge=0, le=LARGEST_ID)] = 0,
) -> Response:
    """Return a page of samples by id; the next page is asked for with `after` = `next`."""
    return as_json(await service.look(lambda index: _page(index, where, limit, after)))


@api.get("/samples/{id}", response_model=Sample)
async def sample(id: SampleId, service: TheService) -> Response:
    """Return one sample."""
    return as_json(asdict(await service.sample(id)))


@api.get(
    "/samples/{id}/thumbnail",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
async def thumbnail(
    id: SampleId,
    service: TheService,
    size: Annotated[int, Query(ge=1, le=SIZES[-1])] = 320,
) -> Response:
    """Return a sample's picture as a JPEG with at least `size` pixels, where it has as many."""
    side = await side_of(service, f"s-{id}")
    data = await small_picture(service, side, size)
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(data, media_type="image/jpeg", headers=headers)


@api.get(
    "/samples/{id}/file",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {}, "image/*": {}, "video/*": {}}},
        206: {"content": {"application/octet-stream": {}, "image/*": {}, "video/*": {}}},
    },
)
async def file(id: SampleId, service: TheService) -> Response:
    """Return a sample's file, byte for byte as it was indexed, or a range of its bytes."""
    served = await service.look(
        lambda index: corpus_file(index, known_sample(index, id), service.unchanged),
        Queue.PICTURES,
    )
    shown = served.media_type.partition("/")[0]
    policy = "default-src 'none'; frame-ancestors 'none'; "
    headers = {
        # A film plays in the browser's own page, which is no page in a sandbox.
        "Content-Security-Policy": policy + ("media-src 'self'" if shown == "video" else "sandbox"),
        "Content-Disposition": _disposition(served.name, shown=shown in ("image", "video")),
    }
    return FileAnswer(
        served.checked, etag=served.checked.stamp[0], media_type=served.media_type, headers=headers
    )


@api.get("/labels", response_model=schemas.LabelsAnswer)
async def labels(service: TheService) -> Response:
    """Return every label, by path."""
    return as_json({"labels": await service.look(lambda index: index.labels())})


@api.post(
    "/labels",
    dependencies=[Depends(editor)],
    response_model=schemas.LabelledAnswer,
    openapi_extra=schemas.body({"json": LabelsGiven}),
)
async def set_label(request: Request, service: TheService) -> Response:
    """Label the contents of samples as real or fake; what is not given stays as it was."""
    from dfindex.maintenance import label_samples

    asked = validated(LabelsGiven, await json_body(request))
    ids = [*asked.sample_ids, *([] if asked.sample_id is None else [asked.sample_id])]
    if not ids:
        raise Problem(422, "expected sample_id or sample_ids, got neither", "name a sample")
    more = asked.model_dump(include={"generator", "source", "group"}, exclude_unset=True)
    done = await service.write(lambda path: label_samples(path, ids, asked.label, **more))
    if not done:
        raise unknown_sample(ids[0])
    return as_json({"labelled": done})


@api.get("/map", response_model=schemas.MapAnswer)
async def corpus_map(service: TheService) -> Response:
    """Return where each sample lies on the map, column by column."""
    drawn = service.maps.newest()
    if drawn is None:
        words = f"the map is not drawn yet: {service.maps.progress}"
        raise Problem(503, words, "ask again", headers={"Retry-After": "5"})
    return as_json(await service.run(Queue.LOOKS, drawn.map.to_json))


def as_json(value: Any) -> Response:
    """Return a result as the command line prints it; a dataclass is the object of its fields.

    JSON knows no number for what is not finite: that is null.
    """
    value = value.to_json() if hasattr(value, "to_json") else value
    try:
        content = _dumped(value)
    except ValueError:
        content = _dumped(_finite(value))
    return Response(content.encode("utf-8", "backslashreplace"), media_type="application/json")


def _dumped(value: Any) -> str:
    return json.dumps(
        value, default=vars, allow_nan=False, ensure_ascii=False, separators=(",", ":")
    )


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case str() | int() | None:
            return value
        case list() | tuple():
            return [_finite(one) for one in value]
    fields = value if isinstance(value, dict) else vars(value)
    return {name: _finite(one) for name, one in fields.items()}


def _page(index: Index, where: str | None, limit: int, after: int) -> dict[str, Any]:
    from search.scope import allowed_ids

    ids = allowed_ids(index.catalog, where)
    if ids is None:
        ids = index.catalog.filter("true", [])
    wanted = ids[ids > after][:limit].tolist()
    page = index.catalog.samples(wanted)
    more = bool(wanted) and int(ids[-1]) > wanted[-1]
    return {
        "samples": [asdict(one) for one in page],
        "total": len(ids),
        "next": wanted[-1] if more else None,
    }


def _disposition(name: str, *, shown: bool) -> str:
    kind = "inline" if shown else "attachment"
    return f"{kind}; filename*=UTF-8''{quote(Path(name).name.encode('utf-8', 'replace'), safe='')}"
