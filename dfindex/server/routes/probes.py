"""Probes, on the page and over the API: train, look, apply, label what is suggested."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi import Path as InPath
from starlette.responses import HTMLResponse, Response

from dfindex.probing.probes import Applied, Prober, keep_training
from dfindex.server.http import schemas
from dfindex.server.http.addresses import see
from dfindex.server.jobs.queues import Queue
from dfindex.server.routes.api import as_json
from dfindex.server.routes.dependencies import TheService, editor
from dfindex.server.views.page import page
from dfindex.server.views.probes import cards, probe_state
from indexer.store.catalog.labels import label_counts
from indexer.store.catalog.probe_scores import probe_folder, save_scores

probe_api = APIRouter(prefix="/api/v1", responses=schemas.ERRORS)
probe_pages = APIRouter(include_in_schema=False)
Name = Annotated[str, InPath(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


@probe_api.get("/probes", response_model=schemas.ProbesAnswer)
async def list_probes(service: TheService) -> Response:
    """Return the cards of all probes."""
    found = await service.run(Queue.LOOKS, lambda: cards(service.settings.index))
    return as_json({"probes": found})


@probe_api.post(
    "/probes/{name}/apply", dependencies=[Depends(editor)], response_model=schemas.AppliedAnswer
)
async def apply_probe(name: Name, service: TheService) -> Response:
    """Score every sample of the index, for filters such as `probe.NAME > 0.9`."""
    return as_json(vars(await service.make(lambda path: _applied(path, name))))


@probe_pages.get("/probes")
async def show_all(request: Request, service: TheService) -> HTMLResponse:
    """Show all probes, and what there is to train one on."""
    found = await service.run(Queue.LOOKS, lambda: cards(service.settings.index))
    counts = await service.look(lambda index: label_counts(index.catalog))
    return page(request, "probes.html", cards=found, labels=counts)


@probe_pages.post("/probes", dependencies=[Depends(editor)])
async def train(
    request: Request,
    service: TheService,
    name: Annotated[str, Form(max_length=64)],
    target: Annotated[str, Form(pattern="^(fake|generator)$")] = "fake",
    where: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Train a probe on the labels there are, and lead to its page."""
    await service.make(lambda path: _trained(path, name, target, where or None))
    return see(request, f"/probes/{name}")


@probe_pages.get("/probes/{name}")
async def show(request: Request, service: TheService, name: Name) -> HTMLResponse:
    """Show one probe: its figures, its curve, what to label next."""
    state = await service.run(Queue.WORK, lambda: probe_state(service.settings.index, name))
    return page(request, "probe.html", state=state)


@probe_pages.post("/probes/{name}/apply", dependencies=[Depends(editor)])
async def apply(request: Request, service: TheService, name: Name) -> Response:
    """Score every sample, and say how many reach the threshold."""
    done = await service.make(lambda path: _applied(path, name))
    return page(request, "_applied.html", done=done)


def _trained(path: Path, name: str, target: str, where: str | None) -> Callable[[], None]:
    from dfindex.probing.options import train as run

    made = run(path, name, target=target, where=where, keep=False)
    return lambda: keep_training(path, made)


def _applied(path: Path, name: str) -> Callable[[], Applied]:
    with Prober(path) as prober:
        applied, scores = prober.applied(name)

    def keep() -> Applied:
        save_scores(probe_folder(path, name), scores)
        return applied

    return keep
