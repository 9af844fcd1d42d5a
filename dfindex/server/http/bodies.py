"""What requests bring: ids, JSON objects, forms and files, checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import Path as InPath
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile

from dfindex.server.http.addresses import client_of
from dfindex.server.http.errors import Problem
from dfindex.server.jobs.queues import Queue
from dfindex.server.searching import SearchOptions
from dfindex.server.service import Service
from dfindex.server.uploads import Upload, read_body

MOST_HITS = 1000
MOST_LABELLED = 200_000
LARGEST_ID = 2**63 - 1
SampleId = Annotated[int, InPath(ge=0, le=LARGEST_ID, description="A sample's id.")]
_STRICT = ConfigDict(extra="forbid")


class SearchFields(BaseModel):
    """What a search is asked for beside its picture."""

    model_config = _STRICT

    k: int = Field(default=10, ge=1, le=MOST_HITS, description="Hits to return.")
    where: str | None = Field(default=None, max_length=2000, description="label = 'fake'")
    space: str | None = Field(default=None, max_length=200)
    min_score: float | None = Field(default=None, ge=-10, le=10, allow_inf_nan=False)
    max_fpr: float | None = Field(default=None, gt=0, le=1)
    verify: bool = Field(default=True, description="Compare the pixels of the nearest.")

    def options(self) -> SearchOptions:
        """Return them as the service takes them."""
        names = ("k", "where", "space", "min_score", "max_fpr", "verify")
        return SearchOptions(**{name: getattr(self, name) for name in names})


class SampleSearch(SearchFields):
    """A search by a sample's id."""

    sample_id: int = Field(ge=0, le=LARGEST_ID)


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
