"""What the API's description says of bodies and answers that are written by hand."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from indexer.types import Sample

_FILE = {"type": "string", "format": "binary"}


class ErrorWords(BaseModel):
    """What was wrong, and the way out."""

    code: str
    message: str
    hint: str


class ErrorAnswer(BaseModel):
    """The one shape of all errors."""

    error: ErrorWords


class StatusAnswer(BaseModel):
    """The index in figures."""

    model_config = ConfigDict(extra="allow")

    index: str
    generation: int
    media: dict[str, int]
    samples: dict[str, int]
    spaces: list[dict[str, Any]]
    bytes: int
    version: int


class FailureRow(BaseModel):
    """A file that could not be indexed."""

    path: str
    sha256: str | None
    reason: str
    message: str
    at: str


class FailuresAnswer(BaseModel):
    """A page of failures."""

    failures: list[FailureRow]
    total: int
    limit: int
    offset: int


class SamplesAnswer(BaseModel):
    """A page of samples; ``next`` is null on the last."""

    samples: list[Sample]
    total: int
    next: int | None


class LabelledPath(BaseModel):
    """A label and the path it belongs to."""

    path: str
    label: str
    generator: str | None
    source: str | None
    group: str | None


class LabelsAnswer(BaseModel):
    """All labels."""

    labels: list[LabelledPath]


class LabelledAnswer(BaseModel):
    """How many contents were labelled."""

    labelled: int


class MapAnswer(BaseModel):
    """Where each sample lies on the map, and what it can be coloured by, in step."""

    model_config = ConfigDict(extra="allow")

    space: str
    generation: int
    ids: list[int]
    x: list[float]
    y: list[float]
    label: list[str]
    generator: list[str]
    cluster: list[str]
    probes: dict[str, list[float | None]]


class ProbesAnswer(BaseModel):
    """The cards of all probes."""

    probes: list[dict[str, Any]]


class AppliedAnswer(BaseModel):
    """How many samples a probe scored, and how many reach its threshold."""

    probe: str
    scored: int
    above_threshold: int
    threshold: float


class GroupMember(BaseModel):
    """A picture of a group, as near to the representative as it is."""

    sample: Sample
    score: float
    verdict: str


class DuplicateGroup(BaseModel):
    """Pictures that are copies of each other."""

    id: int
    representative: Sample
    members: list[GroupMember]


class DuplicatesAnswer(BaseModel):
    """Near-duplicate groups of the corpus."""

    model_config = ConfigDict(extra="allow")

    groups: list[DuplicateGroup]
    pairs_checked: int
    unavailable: int
    links: list[dict[str, str]]


_WORDS = {
    400: "The request cannot be read.",
    401: "A token is needed.",
    403: "The role does not allow it, or another site asked.",
    404: "There is no such thing.",
    408: "The request took too long to arrive.",
    409: "Another process is writing to the index.",
    413: "The file is too large.",
    415: "This is no media that can be read.",
    416: "The file has no such bytes.",
    422: "A value does not fit.",
    429: "Too many requests; Retry-After says when to come again.",
    503: "The index cannot be used at the moment.",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": words} for status, words in _WORDS.items()
}


def body(models: dict[str, type[BaseModel]]) -> dict[str, Any]:
    """Describe a body that is a form with a file, or JSON."""
    content = {}
    for kind, model in models.items():
        schema = model.model_json_schema()
        if kind == "json":
            content["application/json"] = {"schema": schema}
            continue
        schema["properties"] = {"file": _FILE, **schema["properties"]}
        schema["required"] = ["file", *schema.get("required", [])]
        content[kind] = {"schema": schema}
    return {"requestBody": {"required": True, "content": content}}


def two_files() -> dict[str, Any]:
    """Describe a form with the files a and b."""
    schema = {
        "type": "object",
        "properties": {"a": _FILE, "b": _FILE},
        "required": ["a", "b"],
    }
    content = {"multipart/form-data": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}
