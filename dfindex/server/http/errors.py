"""Every error of the service in one shape: a code, what was wrong, and the way out."""

from __future__ import annotations

import json
import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from dfindex.server.http.addresses import path_of
from indexer.errors import (
    DfindexError,
    EncoderError,
    IndexLockedError,
    MediaError,
    SpaceMismatchError,
    StoreError,
    UnavailableError,
    UsageError,
)
from indexer.types import Reason

log = logging.getLogger("dfindex.server")

CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    409: "conflict",
    413: "too_large",
    415: "unsupported",
    416: "range",
    422: "invalid",
    429: "too_many_requests",
    500: "internal",
    503: "unavailable",
}
_MEDIA = {
    Reason.TOO_LARGE: 413,
    Reason.UNSUPPORTED: 415,
    Reason.NOT_MEDIA: 415,
}


class Problem(HTTPException):
    """An error that is answered with a status of its own, wherever in a request it is raised."""

    def __init__(
        self,
        status: int,
        message: str,
        hint: str = "",
        code: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.hint = hint
        self.code = code
        self.headers = headers or {}

    def __str__(self) -> str:
        return self.message

    def body(self) -> dict[str, Any]:
        """Return the one shape of all errors."""
        code = self.code or CODES.get(self.status, "error")
        return {"error": {"code": code, "message": self.message, "hint": self.hint}}

    def response(self) -> Response:
        """Return the answer that says it."""
        content = json.dumps(self.body()).encode()
        return Response(content, self.status, self.headers, media_type="application/json")


def problem_of(error: DfindexError) -> Problem:
    """Return what an error of the library is over HTTP."""
    words, _, way_out = str(error).rpartition("; ")
    message, hint = (words, way_out) if words else (way_out, "")
    match error:
        case MediaError():
            return Problem(_MEDIA.get(error.reason, 422), message, hint, str(error.reason))
        case UnavailableError():
            return Problem(404, message, "put it back, or build the index again", "gone")
        case UsageError():
            return Problem(422, message, hint)
        case IndexLockedError():
            hint = hint or "try again when the other writer has finished"
            return Problem(409, message, hint, "locked", {"Retry-After": "5"})
        case SpaceMismatchError():
            return Problem(409, message, hint)
        case StoreError() | EncoderError():
            return Problem(503, message, hint, headers={"Retry-After": "5"})
    return Problem(500, message, hint)


def _answered(request: Request, problem: Problem) -> Response:
    """Answer in JSON, or as a page where a page was asked for."""
    wanted = request.headers.get("accept", "")
    is_page = "text/html" in wanted or request.headers.get("hx-request") == "true"
    if not is_page or path_of(request.scope).startswith("/api/"):
        return problem.response()
    from dfindex.server.views.page import page

    response = page(request, "problem.html", status=problem.status, problem=problem)
    response.headers.update(problem.headers or {})
    return response


def handle_errors(app: FastAPI) -> None:
    """Answer every error of the application in the one shape."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> Response:
        return _answered(request, error)

    @app.exception_handler(DfindexError)
    async def _ours(request: Request, error: DfindexError) -> Response:
        return _answered(request, problem_of(error))

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        problem = Problem(422, _said(error), "see /docs for what is expected")
        return _answered(request, problem)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        return _answered(request, Problem(error.status_code, str(error.detail), headers=headers))

    @app.exception_handler(Exception)
    async def _unforeseen(_: Request, error: Exception) -> Response:
        log.error("unforeseen error", exc_info=error)
        return Problem(500, "the service failed to answer", "its log says why").response()


def _said(error: RequestValidationError) -> str:
    parts = []
    for one in error.errors()[:5]:
        place = ".".join(str(part) for part in one["loc"])
        parts.append(f"{place}: {one['msg']}")
    return "; ".join(parts)
