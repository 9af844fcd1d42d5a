"""Where the service is found: below a path that a proxy shows it at, by HEAD, page after page."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import dfindex
from dfindex.server.app import create_app
from dfindex.server.settings import Role, ServerSettings
from indexer.errors import UsageError
from tests.dfindex.server.conftest import Serve
from tests.dfindex.server.routes.test_api import ids
from tests.fake_encoder import NAME
from tests.pictures import corpus, picture

ROOT = "/dfindex"
PAGE = {"accept": "text/html"}
ADDRESS = re.compile(r'(?:href|src|action|hx-get|hx-post|data-open|data-src)="([^"]*)"')


@pytest.fixture
def proxy() -> Iterator[Callable[[int, bool], str]]:
    """Start proxies that show a service below a root, and strip it or not."""
    running: list[ThreadingHTTPServer] = []

    def start(port: int, strip: bool) -> str:
        class Handing(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert self.path.startswith(f"{ROOT}/"), self.path
                path = self.path.removeprefix(ROOT) if strip else self.path
                inner = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                inner.request(self.command, path, body, dict(self.headers))
                answer = inner.getresponse()
                data = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name not in ("transfer-encoding", "content-length", "connection"):
                        self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                inner.close()

            do_POST = do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handing)
        running.append(server)
        threading.Thread(target=server.serve_forever).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture(params=[True, False], ids=["stripped", "left"])
def behind(
    request: pytest.FixtureRequest,
    listen: Callable[..., int],
    proxy: Callable[[int, bool], str],
) -> str:
    return proxy(listen(root_path=ROOT), request.param)


def asked(
    place: str, path: str, method: str = "GET", body: bytes = b"", **headers: str
) -> tuple[http.client.HTTPResponse, str]:
    connection = http.client.HTTPConnection(place.removeprefix("http://"), timeout=60)
    connection.request(method, path, body, {**PAGE, **headers})
    answer = connection.getresponse()
    text = answer.read().decode("utf-8", "replace")
    connection.close()
    return answer, text


@pytest.mark.slow
def test_every_address_of_every_page_lies_below_the_root(behind: str, home: Path) -> None:
    number = ids(home)["00001.png"]
    pages = ["/", "/corpus", "/docs", "/duplicates?min_score=0.9", "/map", "/probes"]
    pages += [f"/samples/{number}", f"/?query=s-{number}&k=12", "/samples/999999"]
    pages += [f"/compare?a=s-{number}&b=s-{ids(home)['00002.png']}"]
    seen: set[str] = set()
    for path in pages:
        answer, text = asked(behind, ROOT + path)
        assert answer.status == (404 if "999999" in path else 200), path
        found = {one.replace("&amp;", "&") for one in ADDRESS.findall(text)}
        found = {one.partition("#")[0] for one in found if not one.startswith("#")}
        assert len(found) > 8
        assert [one for one in found if not one.startswith(f"{ROOT}/")] == [], path
        seen |= found
    one_each = {re.sub(r"\d+", "N", path): path for path in sorted(seen)}
    for path in one_each.values():
        answer, _ = asked(behind, path)
        posts = path.endswith(("/label", "/search")) or "/decide" in path
        assert answer.status in ((405, 422) if posts else (200, 202)), path


def test_redirects_cookies_and_the_description_know_the_root(behind: str, home: Path) -> None:
    described, text = asked(behind, f"{ROOT}/openapi.json")
    assert described.status == 200
    assert f'"servers":[{{"url":"{ROOT}"}}]' in text
    number = ids(home)["00001.png"]
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer, _ = asked(behind, f"{ROOT}/samples/{number}/label", "POST", b"label=fake", **form)
    assert (answer.status, answer.headers["location"]) == (303, f"{ROOT}/samples/{number}")
    data = b'--B\r\nContent-Disposition: form-data; name="file"; filename="x.png"\r\n\r\n'
    data += (home / "corpus" / "00003.png").read_bytes() + b"\r\n--B--\r\n"
    form = {"content-type": "multipart/form-data; boundary=B"}
    answer, _ = asked(behind, f"{ROOT}/search", "POST", data, **form)
    place = answer.headers["location"]
    assert answer.status == 303
    assert place.startswith(f"{ROOT}/?query=u-")
    answer, text = asked(behind, place, **{"hx-request": "true"})
    assert answer.headers["hx-push-url"] == place
    assert f'src="{ROOT}/picture/u-' in text


def test_who_signs_in_below_a_root_is_known_there(
    serve: Serve,
) -> None:
    client = serve(root_path=ROOT, tokens={"e" * 20: Role.EDITOR})
    page = client.get(f"{ROOT}/", headers=PAGE)
    assert page.status_code == 401
    assert f"action='{ROOT}/login'" in page.text
    wrong = client.post(f"{ROOT}/login", data={"token": "x" * 20}, headers=PAGE)
    assert f"action='{ROOT}/login'" in wrong.text
    answer = client.post(f"{ROOT}/login", data={"token": "e" * 20}, follow_redirects=False)
    assert answer.headers["location"] == f"{ROOT}/"
    assert f"Path={ROOT};" in answer.headers["set-cookie"]
    assert client.get(f"{ROOT}/corpus", headers=PAGE).status_code == 200
    out = client.post(f"{ROOT}/logout", follow_redirects=False)
    assert f"Path={ROOT};" in out.headers["set-cookie"]
    assert client.get(f"{ROOT}/corpus", headers=PAGE).status_code == 401


@pytest.mark.parametrize("root", ["dfindex", "/dfindex/", "/", "/a b", "/a'b", "/..", "//x"])
def test_a_root_that_is_no_path_is_refused(home: Path, root: str) -> None:
    with pytest.raises(UsageError, match="--root-path"):
        ServerSettings(index=home / "index", root_path=root)


@pytest.mark.parametrize("root", ["/api", "/static", "/samples", "/api/v1"])
def test_a_root_that_is_an_address_of_the_service_is_refused(home: Path, root: str) -> None:
    with pytest.raises(UsageError, match="choose another"):
        create_app(ServerSettings(index=home / "index", root_path=root))


def test_head_is_answered_wherever_get_is(client: TestClient, home: Path) -> None:
    number = ids(home)["00001.png"]
    api = f"/api/v1/samples/{number}"
    paths = ["/", "/corpus", "/corpus/live", "/docs", "/map", "/probes", f"/samples/{number}"]
    paths += [f"/compare?a=s-{number}&b=s-{number}", f"/compare/first?a=s-{number}&b=s-{number}"]
    paths += [f"/picture/s-{number}", "/duplicates", "/static/app.css", "/openapi.json"]
    paths += ["/api/v1/status", "/api/v1/failures", "/api/v1/samples", "/api/v1/labels"]
    paths += ["/api/v1/probes", api, f"{api}/thumbnail", f"{api}/file", "/api/v1/duplicates"]
    paths += ["/healthz", "/readyz", "/metrics"]
    for path in paths:
        whole, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (200, b""), path
        assert head.headers["content-type"] == whole.headers["content-type"], path
        if path not in ("/", "/duplicates", "/metrics"):  # which say how long something took
            assert head.headers["content-length"] == str(len(whole.content)), path
    assert client.head("/api/v1/samples/999999").status_code == 404
    assert client.head("/api/v1/search").status_code == 405
    assert 'method="HEAD",route="/api/v1/status"' in client.get("/metrics").text


@pytest.mark.slow
def test_pages_of_duplicates_keep_what_they_were_asked_for(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "pairs").mkdir()
    for seed in range(25):
        for copy in range(2):  # of one picture, in two files with different bytes
            picture(seed, (96, 80)).save(
                tmp_path / "pairs" / f"{seed:03d}-{copy}.png", compress_level=copy
            )
    dfindex.build([tmp_path / "pairs"], index=tmp_path / "p", encoder=NAME, workers=1).close()
    client = serve(index=tmp_path / "p")
    client.get("/api/v1/duplicates", params={"min_score": 0.9999, "where": "width > 50"})
    first = client.get("/duplicates", params={"min_score": 0.9999, "where": "width > 50"}).text
    following = re.search(r'href="([^"]*)">Next', first)
    assert following is not None, first
    second = client.get(following[1].replace("&amp;", "&"))
    assert 'value="width &gt; 50"' in second.text
    assert 'value="0.9999"' in second.text
    back = re.search(r'href="([^"]*)">Previous', second.text)
    assert back is not None
    assert "min_score=0.9999&amp;where=width+%3E+50&amp;start=0" in back[1]
    decide = re.search(r'action="([^"]*/decide[^"]*)"', second.text)
    assert decide is not None
    form = dict(re.findall(r'name="([ab])" value="(\d+)"', second.text))
    answer = client.post(
        decide[1].replace("&amp;", "&"), data={**form, "decision": "same"}, follow_redirects=False
    )
    assert answer.headers["location"] == following[1].replace("&amp;", "&")


def test_pages_of_failures_keep_their_reason(serve: Serve, tmp_path: Path) -> None:
    corpus(tmp_path / "few", 1)
    for number in range(501):
        (tmp_path / "few" / f"{number:04d}.jpg").touch()
    (tmp_path / "few" / "notes.txt").write_text("not a picture")
    dfindex.build([tmp_path / "few"], index=tmp_path / "f", encoder=NAME, workers=1).close()
    client = serve(index=tmp_path / "f")
    first = client.get("/corpus?reason=empty").text
    assert first.count("<tr><td><code>/") == 500
    following = re.search(r'href="(/corpus[^"]*)">Next', first)
    assert following is not None
    assert following[1] == "/corpus?reason=empty&amp;start=500#failures"
    second = client.get(following[1].replace("&amp;", "&")).text
    assert second.count("<tr><td><code>/") == 1
    assert "notes.txt" not in first + second
    assert "reason=empty&amp;start=0" in second


def test_searching_for_a_hit_keeps_the_filters(client: TestClient, home: Path) -> None:
    number = ids(home)["00001.png"]
    page = client.get(f"/?query=s-{number}&k=12&kind=image&expression=width+%3E+1").text
    again = [one.replace("&amp;", "&") for one in re.findall(r'href="(/\?query=[^"]*)"', page)]
    assert again
    for one in again:
        assert "k=12" in one
        assert "kind=image" in one
        assert "expression=width+%3E+1" in one
