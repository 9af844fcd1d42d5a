"""Who may do what: addresses, tokens, roles, hosts, origins, and what every answer carries."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

import dfindex
from dfindex.cli import main
from dfindex.server.http.access import Rate
from dfindex.server.http.addresses import client_of
from dfindex.server.settings import Role, ServerSettings
from indexer.errors import UsageError
from tests.dfindex.server.conftest import Serve
from tests.dfindex.server.routes.test_api import ERROR, ids

EDITOR, VIEWER = "editor-token-0123456789", "viewer-token-0123456789"
ROUTES = [
    ("GET", "/"),
    ("GET", "/docs"),
    ("GET", "/corpus"),
    ("GET", "/map"),
    ("GET", "/static/app.css"),
    ("GET", "/openapi.json"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/nothing"),
    ("GET", "/api/v1/status"),
    ("GET", "/api/v1/samples/1/file"),
    ("POST", "/api/v1/search"),
    ("POST", "/api/v1/labels"),
    ("POST", "/search"),
    ("POST", "/logout"),
]


@pytest.fixture
def guarded(serve: Serve) -> TestClient:
    return serve(host="0.0.0.0", tokens={EDITOR: Role.EDITOR, VIEWER: Role.VIEWER})


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_another_than_a_loopback_address_needs_a_token(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError, match="--token"):
        ServerSettings(index=tmp_path, host=host)
    assert ServerSettings(index=tmp_path, host=host, no_auth=True).tokens == {}
    assert ServerSettings(index=tmp_path, host=host, tokens={EDITOR: Role.EDITOR}).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_a_loopback_address_needs_none(tmp_path: Path, host: str) -> None:
    assert ServerSettings(index=tmp_path, host=host).tokens == {}


def test_the_command_refuses_to_start_without_a_token(home: Path) -> None:
    arguments = ["serve", "--index", str(home / "index"), "--host", "0.0.0.0"]
    result = CliRunner().invoke(main, arguments, env={"DFINDEX_TOKEN": None})
    assert result.exit_code == 2
    assert "--token" in result.stderr
    result = CliRunner().invoke(main, [*arguments, "--token", "short"])
    assert result.exit_code == 2
    assert "at least 16" in result.stderr
    assert "short" not in result.stderr.replace("a shorter", "")


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_a_token_everything_is_401(guarded: TestClient, method: str, path: str) -> None:
    for headers in ({}, bearer("wrong"), {"authorization": f"Basic {EDITOR}"}):
        answer = guarded.request(method, path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        jsonschema.validate(answer.json(), ERROR)
    forged = {"cookie": "dfindex_session=x"}
    assert guarded.request(method, path, headers=forged).status_code == 401


def test_with_a_token_the_service_answers(guarded: TestClient) -> None:
    for token in (EDITOR, VIEWER):
        assert guarded.get("/api/v1/status", headers=bearer(token)).status_code == 200


def test_a_viewer_looks_and_an_editor_labels(guarded: TestClient, home: Path) -> None:
    body = {"sample_id": ids(home)["00001.png"], "label": "fake"}
    refused = guarded.post("/api/v1/labels", json=body, headers=bearer(VIEWER))
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    page = f"/samples/{body['sample_id']}/label"
    refused = guarded.post(page, data={"label": "fake"}, headers=bearer(VIEWER))
    assert refused.status_code == 403
    with dfindex.open(home / "index") as index:
        assert index.labels() == []
    done = guarded.post("/api/v1/labels", json=body, headers=bearer(EDITOR))
    assert done.json() == {"labelled": 1}


def test_a_read_only_service_has_viewers(serve: Serve, home: Path) -> None:
    client = serve(open_role=Role.VIEWER)
    body = {"sample_id": ids(home)["00001.png"], "label": "fake"}
    assert client.post("/api/v1/labels", json=body).status_code == 403


def test_the_page_signs_in_with_a_cookie_that_holds_no_token(guarded: TestClient) -> None:
    asked = guarded.get("/", headers={"accept": "text/html"})
    assert asked.status_code == 401
    assert "<input id=token name=token type=password" in asked.text
    assert guarded.post("/login", data={"token": "wrong"}).status_code == 401
    done = guarded.post("/login", data={"token": VIEWER}, follow_redirects=False)
    assert done.status_code == 303
    cookie = done.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert VIEWER not in cookie
    assert guarded.get("/", headers={"accept": "text/html"}).status_code == 200
    guarded.post("/logout")
    assert guarded.get("/").status_code == 401


@pytest.fixture
def guessed(serve: Serve) -> TestClient:
    allowance = {"wrong_tokens_a_minute": 3, "guess_seconds": 0.5}
    return serve(tokens={EDITOR: Role.EDITOR, VIEWER: Role.VIEWER}, allowance=allowance)


def timed(client: TestClient, token: str) -> tuple[int, float]:
    started = time.monotonic()
    status = client.get("/healthz", headers=bearer(token)).status_code
    return status, time.monotonic() - started


def test_guessing_is_slowed_down_right_or_wrong(guessed: TestClient) -> None:
    assert [timed(guessed, f"guess-{n}")[0] for n in range(3)] == [401, 401, 401]
    status, seconds = timed(guessed, "guess-3")
    assert status == 429
    assert seconds >= 0.5
    status, seconds = timed(guessed, EDITOR)  # no one can tell by the time which token is right
    assert status == 200
    assert seconds >= 0.5
    assert timed(guessed, EDITOR)[1] < 0.4


def test_guesses_at_once_are_not_all_looked_at(guessed: TestClient) -> None:
    for number in range(3):
        timed(guessed, f"guess-{number}")
    tokens = [f"guess-{number}" for number in range(20)] + [EDITOR]
    with ThreadPoolExecutor(len(tokens)) as pool:
        found = list(pool.map(lambda token: timed(guessed, token)[0], tokens))
    assert found[:-1] == [429] * 20
    assert found[-1] in (200, 429)


def test_who_is_signed_in_is_not_locked_out_by_others_guesses(guessed: TestClient) -> None:
    assert timed(guessed, EDITOR)[0] == 200
    guessed.post("/login", data={"token": VIEWER})
    cookie = {"cookie": f"dfindex_session={guessed.cookies['dfindex_session']}"}
    guessed.cookies.clear()
    for number in range(4):
        timed(guessed, f"guess-{number}")
        guessed.post("/login", data={"token": f"other-{number}"})
    status, seconds = timed(guessed, EDITOR)
    assert status == 200
    assert seconds < 0.4
    assert guessed.get("/healthz", headers=cookie).status_code == 200
    done = guessed.post("/login", data={"token": VIEWER}, follow_redirects=False)
    assert done.status_code == 303


def test_a_network_of_addresses_is_one_client() -> None:
    def told(host: str) -> str:
        return client_of({"client": (host, 1)})

    assert told("2001:db8:1:2::5") == told("2001:db8:1:2:ffff::9") != told("2001:db8:1:3::5")
    assert told("::ffff:10.0.0.1") == told("10.0.0.1") != told("10.0.0.2")
    assert told("testclient") == "testclient"


def test_a_rate_counts_each_client_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("dfindex.server.http.access.time.monotonic", lambda: now[0])
    rate = Rate(2)
    rate.count("a")
    now[0] += 20
    rate.count("a")
    assert rate.wait("a") == 1 + 40
    assert rate.wait("b") == 0
    now[0] += 40.5
    assert rate.wait("a") == 0


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:8000", 200),
        ("127.0.0.1:9", 200),
        ("[::1]:8000", 200),
        ("evil.example", 400),
        ("localhost.evil.example", 400),
        ("", 400),
        ("[", 400),
    ],
)
def test_the_host_is_checked(client: TestClient, host: str, status: int) -> None:
    answer = client.get("/healthz", headers={"host": host})
    assert answer.status_code == status
    if status == 400:
        jsonschema.validate(answer.json(), ERROR)


def test_a_further_name_is_allowed_where_asked_for(serve: Serve) -> None:
    client = serve(names=("desk.example",))
    assert client.get("/healthz", headers={"host": "Desk.Example:80"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:1234"},
        {"origin": "http://["},
        {"origin": "http://[::1"},
        {"origin": "http://localhost\xe2\x84\x80"},
        {"origin": "//"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
    ],
)
def test_another_site_cannot_change_anything(
    client: TestClient, home: Path, headers: dict[str, str]
) -> None:
    body = {"sample_id": ids(home)["00001.png"], "label": "fake"}
    headers = {name: value.encode("latin-1") for name, value in headers.items()}
    assert client.post("/api/v1/labels", json=body, headers=headers).status_code == 403
    with dfindex.open(home / "index") as index:
        assert index.labels() == []


def test_a_link_from_elsewhere_may_be_followed(client: TestClient) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/corpus", headers=headers).status_code == 200
    same = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
    assert client.get("/api/v1/status", headers=same).status_code == 200


@pytest.mark.parametrize("path", ["/", "/corpus", "/docs", "/nothing", "/api/v1/status"])
def test_every_answer_is_locked_down(client: TestClient, path: str) -> None:
    headers = client.get(path, headers={"accept": "text/html"}).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in headers


def test_pages_hold_no_inline_script_or_style_and_name_no_other_host(
    client: TestClient, home: Path
) -> None:
    number = ids(home)["00001.png"]
    pages = ["/", "/corpus", "/docs", "/map", f"/samples/{number}", f"/?query=s-{number}"]
    for path in pages:
        page = client.get(path, headers={"accept": "text/html"})
        assert page.status_code == 200, path
        assert "style=" not in page.text, path
        assert "<style" not in page.text, path
        assert "onclick" not in page.text, path
        assert "<script>" not in page.text, path
        assert "http://" not in page.text.replace("http://www.w3.org/", ""), path
        assert "https://" not in page.text, path
