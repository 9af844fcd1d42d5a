"""The pages an investigator works in: search, compare, a sample, the corpus."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.datastructures import UploadFile
from starlette.responses import HTMLResponse, JSONResponse, Response

from dfindex.drawing.layers import LAYERS
from dfindex.server.http.access import COOKIE
from dfindex.server.http.addresses import client_of, root_of, see
from dfindex.server.http.bodies import LARGEST_ID, SampleId, received, texts_of
from dfindex.server.http.errors import Problem, problem_of
from dfindex.server.routes.dependencies import TheService, editor
from dfindex.server.routes.login import login_page
from dfindex.server.service import Service
from dfindex.server.uploads import file_of, read_form
from dfindex.server.views.corpus import corpus_state, facets
from dfindex.server.views.filters import FIELDS, expression_of
from dfindex.server.views.page import page
from dfindex.server.views.pairs import Pairs
from dfindex.server.views.sides import Side, side_of, small_picture
from indexer.errors import DfindexError
from indexer.media.formats import media_type
from indexer.types import Sample
from search.options import SearchOptions

pages = APIRouter(include_in_schema=False)
_MOST_HITS = 200
_FAILURES = 500  # a page
_NUMBER = re.compile("[0-9]{1,9}")
Ref = Annotated[str, Query(min_length=3, max_length=64)]


@pages.get("/", name="search")
async def search(request: Request, service: TheService) -> HTMLResponse:
    """Show the search, and its hits where a picture is named."""
    asked = dict(request.query_params)
    values: dict[str, Any] = {"asked": asked, "problem": None, "result": None, "query": None}
    if not asked.get("query"):
        values["state"] = await service.look(corpus_state)
        values["facets"] = await service.look(facets)
        return page(request, "search.html", **values)
    try:
        values.update(await _found(service, asked))
    except Problem as problem:
        values["problem"] = problem
    except DfindexError as error:
        values["problem"] = problem_of(error)
    if values["query"] is None and "query" in asked:
        values["query"] = await _side_or_none(service, asked["query"])
    values["facets"] = await service.look(facets)
    response = page(request, "search.html", **values)
    if request.headers.get("hx-request") == "true":
        response.headers["HX-Push-Url"] = f"{root_of(request.scope)}/?{request.url.query}"
    return response


@pages.post("/search")
async def ask(request: Request, service: TheService) -> Response:
    """Take a picture and filters, and lead to the page that shows the hits."""
    form = await read_form(request)
    try:
        fields = texts_of(form)
        part = form.get("file")
        if isinstance(part, UploadFile) and part.filename:
            file = file_of(form, "file", service.settings.allowance)
            upload = await received(request, service, file)
            try:
                await service.vet(upload)
            except BaseException:
                service.uploads.drop(upload)
                raise
            fields["query"] = f"u-{upload.token}"
    finally:
        await form.close()
    if "query" not in fields:
        raise Problem(400, "expected a picture to search for, got none", "choose or drop one")
    kept = ("query", "k", "verify", *FIELDS)
    address = "/?" + urlencode({name: fields[name] for name in kept if name in fields})
    return see(request, address)


@pages.get("/compare")
async def compare(request: Request, service: TheService, a: Ref, b: Ref) -> HTMLResponse:
    """Show two pictures on each other and what was altered, or what two films share.

    A picture is compared with what a film shows at a sample's time, a film with the whole other.
    """
    first, second = await side_of(service, a), await side_of(service, b)
    if first.film or (second.film and second.sample is None):
        found = await _pairs(request).films(first, second)
        plays = await _plays(service, second.sample)
        return page(request, "films.html", a=first, b=second, found=found, plays=plays)
    pair = await _pairs(request).pictures(first, second)
    return page(request, "compare.html", a=first, b=second, pair=pair, found=pair.comparison)


@pages.get("/compare/{layer}")
async def layer(request: Request, service: TheService, layer: str, a: Ref, b: Ref) -> Response:
    """Return one layer of a comparison."""
    if layer not in LAYERS:
        raise Problem(404, "there is no such layer", f"there are: {', '.join(LAYERS)}")
    first, second = await side_of(service, a), await side_of(service, b)
    pair = await _pairs(request).pictures(first, second)
    data = pair.layers.named(layer)
    if data is None:
        raise Problem(404, "these two pictures have nothing in common to be shown", "")
    return Response(
        data, media_type=LAYERS[layer], headers={"Cache-Control": "private, max-age=600"}
    )


@pages.get("/picture/{ref}")
async def picture(
    service: TheService,
    ref: str,
    size: Annotated[int, Query(ge=1, le=1280)] = 320,
) -> Response:
    """Return a small picture of an upload or a sample, or of what a film shows at a time."""
    data = await small_picture(service, await side_of(service, ref), size)
    headers = {"Cache-Control": "private, max-age=600"}
    return Response(data, media_type="image/jpeg", headers=headers)


@pages.get("/samples/{id}")
async def sample(request: Request, service: TheService, id: SampleId) -> HTMLResponse:
    """Show one sample: its picture, its hashes, its label."""
    found = await service.sample(id)
    paths = await service.look(lambda index: index.catalog.paths_of(found.sha256))
    plays = await _plays(service, found)
    return page(request, "sample.html", sample=found, paths=paths, plays=plays)


@pages.post("/samples/{id}/label", dependencies=[Depends(editor)])
async def label(
    request: Request,
    service: TheService,
    id: SampleId,
    label: Annotated[str, Form(max_length=10)],
    generator: Annotated[str | None, Form(max_length=200)] = None,
    source: Annotated[str | None, Form(max_length=200)] = None,
) -> Response:
    """Label a sample, and return the form that says so."""
    from dfindex.maintenance import LabelFields, label_samples

    await service.sample(id)
    sent = await request.form()  # an emptied field is "" above with an old FastAPI, else None
    more = LabelFields()
    if "generator" in sent:
        more["generator"] = generator or None
    if "source" in sent:
        more["source"] = source or None
    await service.write(lambda path: label_samples(path, [id], label, **more))
    if request.headers.get("hx-request") != "true":
        return see(request, f"/samples/{id}")
    return page(request, "_label.html", sample=await service.sample(id), saved=True)


@pages.get("/corpus")
async def corpus(
    request: Request,
    service: TheService,
    reason: Annotated[str | None, Query(max_length=40)] = None,
    start: Annotated[int, Query(ge=0, le=LARGEST_ID)] = 0,
) -> HTMLResponse:
    """Show what the index holds, what it could not read, and what is happening to it."""
    state = await service.look(corpus_state)
    failures = await service.look(lambda index: index.failures())
    chosen = [one for one in failures if reason in (None, one.reason)]
    until = start + _FAILURES
    return page(
        request,
        "corpus.html",
        state=state,
        failures=chosen[start:until],
        total=len(failures),
        reasons=Counter(one.reason for one in failures),
        reason=reason,
        previous=max(0, start - _FAILURES) if start else None,
        next=until if until < len(chosen) else None,
    )


@pages.get("/corpus/live")
async def corpus_live(request: Request, service: TheService) -> HTMLResponse:
    """Return the part of the corpus page that changes while a build runs."""
    return page(request, "_live.html", state=await service.look(corpus_state))


@pages.get("/map")
async def corpus_map(request: Request) -> HTMLResponse:
    """Show the corpus as points."""
    return page(request, "map.html")


@pages.get("/map/points")
async def map_points(request: Request, service: TheService) -> Response:
    """Return the points of the map, as its script reads them; 202 while they are not there."""
    drawn = service.maps.newest()
    if drawn is None:
        return JSONResponse({"progress": service.maps.progress}, 202)
    return Response(drawn.points, media_type="application/octet-stream")


@pages.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Show the API's description."""
    return page(request, "docs.html")


@pages.post("/login")
async def login(
    request: Request, service: TheService, token: Annotated[str, Form(max_length=1000)]
) -> Response:
    """Exchange a token for a cookie."""
    if await service.access.role_of(client_of(request.scope), token) is None:
        return login_page(root_of(request.scope), failed=True)
    response = see(request, "/")
    response.set_cookie(
        COOKIE,
        service.access.cookie(token),
        httponly=True,
        samesite="strict",
        path=root_of(request.scope) or "/",
        secure=request.url.scheme == "https",
    )
    return response


@pages.post("/logout")
async def logout(request: Request) -> Response:
    """Forget the cookie."""
    response = see(request, "/")
    response.delete_cookie(COOKIE, path=root_of(request.scope) or "/")
    return response


async def _found(service: Service, asked: dict[str, str]) -> dict[str, Any]:
    side = await side_of(service, asked["query"])
    number = asked.get("k", "24")
    count = min(_MOST_HITS, max(1, int(number))) if _NUMBER.fullmatch(number) else 24
    options = SearchOptions(
        k=count, where=expression_of(asked), verify=asked.get("verify", "yes") != "no"
    )
    if side.upload is not None:
        result = await service.search_upload(side.upload, options)
    else:
        assert side.sample is not None
        result = await service.search_sample(side.sample.id, options)
    return {"query": side, "result": result}


async def _plays(service: Service, sample: Sample | None) -> bool:
    """Tell whether a sample is of a film that a browser may be able to play."""
    if sample is None or sample.time_s is None:
        return False
    encoding = await service.look(lambda index: index.catalog.encoding(sample.id))
    return media_type(encoding.format).startswith("video/")


async def _side_or_none(service: Service, ref: str) -> Side | None:
    try:
        return await side_of(service, ref)
    except (Problem, DfindexError):
        return None


def _pairs(request: Request) -> Pairs:
    pairs: Pairs = request.app.state.pairs
    return pairs
