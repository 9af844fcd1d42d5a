"""What requests bring: ids, JSON objects, forms and files, checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import Field as DataclassField
from typing import Annotated, Any, Literal, get_type_hints

from fastapi import Path as InPath
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from starlette.datastructures import UploadFile

from dfindex.server.http.addresses import client_of
from dfindex.server.http.errors import Problem
from dfindex.server.jobs.queues import Queue
from dfindex.server.service import Service
from dfindex.server.uploads import Upload, read_body
from search.options import OPTIONS, SearchOptions

MOST_LABELLED = 200_000
LARGEST_ID = 2**63 - 1
SampleId = Annotated[int, InPath(ge=0, le=LARGEST_ID, description="A sample's id.")]
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
# Texts that are longer are no names, and no filter that anybody wrote.
_TEXT = {"where": {"max_length": 2000}, "space": {"max_length": 200}}


_HINTS = get_type_hints(SearchOptions)


def _field(option: DataclassField[Any]) -> Any:
    limits: dict[str, Any] = {**option.metadata["limits"], **_TEXT.get(option.name, {})}
    words = option.metadata["help"]
    return _HINTS[option.name], Field(default=option.default, description=words, **limits)


_FIELDS: dict[str, Any] = {option.name: _field(option) for option in OPTIONS}
# What a search is asked for beside its picture, and a search by a sample's id.
SearchFields = create_model("SearchFields", __config__=_STRICT, **_FIELDS)
SampleSearch = create_model(
    "SampleSearch", __base__=SearchFields, sample_id=(int, Field(ge=0, le=LARGEST_ID))
)


def options_of(asked: BaseModel) -> SearchOptions:
    """Return what a search is asked for as the service takes it."""
    return SearchOptions(**asked.model_dump(exclude={"sample_id"}))


class LabelsGiven(BaseModel):
    """A label for one sample's content, or for that of several."""

    model_config = _STRICT

    sample_id: int | None = Field(default=None, ge=0, le=LARGEST_ID)
    sample_ids: list[Annotated[int, Field(ge=0, le=LARGEST_ID)]] = Field(
        default_factory=list, max_length=MOST_LABELLED
    )
    label: Literal["real", "fake"]
    generator: str | None = Field(default=None, max_length=200)
    source: str | None = Field(default=None, max_length=200)
    group: str | None = Field(default=None, max_length=200)


def validated(model: type[Any], values: Mapping[str, Any]) -> Any:
    """Check values against a model; a 422 that names what does not fit."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        words = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in error.errors()
        )
        raise Problem(422, words[:1000], "see /docs for what is expected") from error


async def json_body(request: Request) -> Mapping[str, Any]:
    """Read a request's JSON object."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Problem(415, "expected application/json", "send JSON, with its Content-Type")
    data = await read_body(request)
    try:
        value = json.loads(data, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"the body is no JSON: {error}", "send a JSON object") from error
    if not isinstance(value, dict):
        raise Problem(422, "expected a JSON object", "see /docs for what is expected")
    return value


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def texts_of(form: Mapping[str, Any]) -> dict[str, str]:
    """Return a form's fields that are no files; empty ones count as not given."""
    return {name: value for name, value in form.items() if isinstance(value, str) and value}


async def received(request: Request, service: Service, part: UploadFile) -> Upload:
    """Keep an upload, unless its sender sends too many."""
    client = client_of(request.scope)
    wait = service.uploads_a_minute.wait(client)
    if wait:
        raise Problem(
            429,
            "too many uploads came from this address",
            f"try again in {wait} s",
            headers={"Retry-After": str(wait)},
        )
    service.uploads_a_minute.count(client)
    upload = await service.run(Queue.LOOKS, lambda: service.uploads.keep(part.filename, part.file))
    service.metrics.upload_bytes.inc(upload.bytes)
    return upload
