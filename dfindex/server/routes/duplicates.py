"""Near-duplicate groups, on the page and over the API: walk through them and decide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import HTMLResponse, Response

from dfindex.server.http import schemas
from dfindex.server.http.addresses import see
from dfindex.server.http.bodies import LARGEST_ID
from dfindex.server.http.errors import Problem
from dfindex.server.routes.api import as_json
from dfindex.server.routes.dependencies import TheService, editor
from dfindex.server.views.duplicate_groups import Question
from dfindex.server.views.page import page
from dfindex.templating import given

duplicate_api = APIRouter(prefix="/api/v1", responses=schemas.ERRORS)
duplicate_pages = APIRouter(include_in_schema=False)
_SHOWN = 20  # groups a page
_PATIENCE = 0.4  # seconds a page waits for new groups
Score = Annotated[float | None, Query(ge=-1, le=1, allow_inf_nan=False)]
Where = Annotated[str | None, Query(max_length=2000)]
Id = Annotated[int, Form(ge=0, le=LARGEST_ID)]


@duplicate_api.get("/duplicates", response_model=schemas.DuplicatesAnswer)
async def list_duplicates(
    service: TheService, min_score: Score = None, where: Where = None
) -> Response:
    """Return the groups of near-duplicates in the corpus; 503 while they are still looked for."""
    question = Question(min_score, where)
    found = await service.groups.current(question, seconds=service.settings.allowance.seconds)
    if found is None:
        raise Problem(
            503,
            f"the groups are still being found: {service.groups.progress}",
            "ask again",
            headers={"Retry-After": "10"},
        )
    return as_json(vars(found))


@duplicate_pages.get("/duplicates")
async def show(
    request: Request,
    service: TheService,
    min_score: Score = None,
    where: Where = None,
    start: Annotated[int, Query(ge=0, le=LARGEST_ID)] = 0,
) -> HTMLResponse:
    """Show the groups, a page at a time: the last that were found, while new ones are looked for.

    Until there are any the page asks again by itself.
    """
    question = Question(min_score, where)
    found = await service.groups.current(question, seconds=_PATIENCE)
    shown = found or service.groups.newest(question)
    groups = shown.groups if shown else []
    return page(
        request,
        "duplicates.html",
        groups=groups[start : start + _SHOWN],
        total=len(groups),
        next=start + _SHOWN if start + _SHOWN < len(groups) else None,
        previous=max(0, start - _SHOWN) if start else None,
        here=given({**vars(question), "start": start or None}),
        pairs_checked=shown.pairs_checked if shown else None,
        unavailable=shown.unavailable if shown else 0,
        looking=None if found else service.groups.progress,
        asked={"min_score": min_score, "where": where},
    )


@duplicate_pages.post("/duplicates/decide", dependencies=[Depends(editor)])
async def decide(
    request: Request,
    service: TheService,
    a: Id,
    b: Id,
    decision: Annotated[Literal["same", "different"], Form()],
) -> Response:
    """Remember what a pair is, and say so."""
    await service.write(lambda path: _decided(path, a, b, decision))
    if request.headers.get("hx-request") != "true":
        return see(request, f"/duplicates?{request.url.query}")
    here = request.url.query
    return page(request, "_decided.html", a=a, b=b, decision=decision, here=here)


def _decided(path: Path, a: int, b: int, decision: str) -> None:
    import dfindex

    index: Any
    with dfindex.open(path) as index:
        index.decide(str(a), str(b), decision)
