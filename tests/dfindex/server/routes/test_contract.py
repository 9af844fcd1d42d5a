"""The service against its own description: no answer outside it, and no 5xx whatever is asked."""

from __future__ import annotations

import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from dfindex.server.app import create_app
from dfindex.server.settings import Allowance, ServerSettings

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    response_schema_conformance,
    status_code_conformance,
)

ROUTES = [
    "/",
    "/search",
    "/compare",
    "/compare/first",
    "/corpus",
    "/duplicates",
    "/login",
    "/map/points",
    "/picture/s-1",
    "/probes",
    "/probes/x",
    "/samples/1",
    "/samples/1/label",
    "/api/v1/search",
    "/api/v1/compare",
    "/api/v1/labels",
    "/api/v1/samples",
    "/api/v1/samples/1",
    "/api/v1/samples/1/thumbnail",
    "/api/v1/failures",
    "/api/v1/probes/x/apply",
]
NAMES = ["query", "a", "b", "k", "where", "expression", "since", "size", "limit", "offset"]
NAMES += ["after", "min_score", "start", "folder", "label", "verify", "name", "target", "decision"]
TEXT = st.text(max_size=30) | st.text(string.printable, max_size=60) | st.integers().map(str)
TYPES = ["application/json", "multipart/form-data; boundary=B", "text/plain", ""]
TYPES += ["application/x-www-form-urlencoded", "application/json; charset=utf-16", "multipart/"]


@pytest.fixture(scope="module")
def application(template: Path) -> Iterator[Any]:
    limits = Allowance(upload_bytes=1 << 20, uploads_a_minute=100_000)
    yield create_app(
        ServerSettings(index=template / "index", names=("testserver",), allowance=limits)
    )


@pytest.fixture(scope="module")
def asked(application: Any) -> Iterator[TestClient]:
    with TestClient(
        application, base_url="http://localhost", raise_server_exceptions=False
    ) as client:
        yield client


@pytest.mark.slow
@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]),
    path=st.sampled_from(ROUTES),
    query=st.dictionaries(st.sampled_from(NAMES), TEXT, max_size=4),
    kind=st.sampled_from(TYPES),
    body=st.binary(max_size=200) | TEXT.map(lambda text: text.encode("utf-8", "replace")),
)
def test_nothing_asked_makes_the_service_fail(
    asked: TestClient, method: str, path: str, query: dict[str, str], kind: str, body: bytes
) -> None:
    answer = asked.request(
        method,
        path,
        params=query,
        content=body,
        headers={"content-type": kind, "accept": "text/html"},
        follow_redirects=False,
    )
    allowed = {503} if path == "/map/points" else set()
    assert answer.status_code < 500 or answer.status_code in allowed, answer.text


@pytest.mark.slow
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    fields=st.fixed_dictionaries(
        {},
        optional={
            "k": st.integers() | st.none() | st.floats() | TEXT,
            "where": TEXT | st.integers(),
            "space": TEXT,
            "min_score": st.floats() | TEXT,
            "max_fpr": st.floats() | TEXT,
            "verify": st.booleans() | TEXT,
            "sample_id": st.integers() | TEXT | st.lists(st.integers(), max_size=3),
        },
    )
)
def test_no_search_makes_the_service_fail(asked: TestClient, fields: dict[str, Any]) -> None:
    import json

    answer = asked.post(
        "/api/v1/search",
        content=json.dumps({"sample_id": 3, **fields}),
        headers={"content-type": "application/json"},
    )
    assert answer.status_code in (200, 400, 404, 422), answer.text


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_schemathesis_finds_nothing(application: Any) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", application)
    checks = [not_a_server_error, status_code_conformance, response_schema_conformance]
    tried = []
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path == "/api/v1/map":
            continue  # 503 while it is being drawn, which is no failure

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            case.call_and_validate(checks=checks)

        check()
        tried.append(operation.label)
    assert len(tried) >= 10
