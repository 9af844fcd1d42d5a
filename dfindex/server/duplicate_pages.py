"""Near-duplicate groups, on the page and over the API: walk through them and decide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from dfindex.server import schemas
from dfindex.server.api import as_json
from dfindex.server.bodies import LARGEST_ID
from dfindex.server.dependencies import TheService, editor
from dfindex.server.service import Service
from dfindex.server.templating import page

duplicate_api = APIRouter(prefix="/api/v1", responses=schemas.ERRORS)
duplicate_pages = APIRouter(include_in_schema=False)
_SHOWN = 20  # groups a page
Score = Annotated[float | None, Query(ge=-1, le=1, allow_inf_nan=False)]
Where = Annotated[str | None, Query(max_length=2000)]
Id = Annotated[int, Form(ge=0, le=LARGEST_ID)]


@duplicate_api.get("/duplicates", response_model=schemas.DuplicatesAnswer)
async def list_duplicates(
    service: TheService, min_score: Score = None, where: Where = None
) -> Response:
    """Return the groups of near-duplicates in the corpus."""
    return as_json(await _groups(service, min_score, where))


@duplicate_pages.get("/duplicates")
async def show(
    request: Request,
    service: TheService,
    min_score: Score = None,
    where: Where = None,
    start: Annotated[int, Query(ge=0, le=LARGEST_ID)] = 0,
) -> HTMLResponse:
    """Show the groups, a page at a time."""
    found = await _groups(service, min_score, where)
    groups = found["groups"]
    return page(
        request,
        "duplicates.html",
        groups=groups[start : start + _SHOWN],
        total=len(groups),
        start=start,
        next=start + _SHOWN if start + _SHOWN < len(groups) else None,
        previous=max(0, start - _SHOWN) if start else None,
        pairs_checked=found["pairs_checked"],
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
        return RedirectResponse("/duplicates", 303)
    return page(request, "_decided.html", a=a, b=b, decision=decision)


async def _groups(service: Service, min_score: float | None, where: str | None) -> dict[str, Any]:
    """Return the groups, found once for each generation and question."""
    key = (service.live.generation, min_score, where)
    kept: dict[Any, dict[str, Any]] = service.kept_groups
    if key not in kept:
        found = await service.read(lambda index: _found(index, min_score, where))
        kept.clear()
        kept[key] = found
    return kept[key]


def _found(index: Any, min_score: float | None, where: str | None) -> dict[str, Any]:
    options = {"min_score": min_score, "where": where}
    found = index.duplicates(**{name: one for name, one in options.items() if one is not None})
    answer: dict[str, Any] = found.to_json()
    return answer


def _decided(path: Path, a: int, b: int, decision: str) -> None:
    import dfindex

    index: Any
    with dfindex.open(path) as index:
        index.decide(str(a), str(b), decision)
