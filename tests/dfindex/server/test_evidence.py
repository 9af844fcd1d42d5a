"""Evidence is of the file that was indexed, whatever lies at its path by now, or becomes of it."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

import dfindex
from tests.dfindex.server.conftest import Serve, film
from tests.dfindex.server.routes.test_api import ids
from tests.fake_encoder import NAME
from tests.marks import mostly_slow
from tests.pictures import corpus, picture
from tests.videos import clip, steady


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Index six pictures and two films in a folder that holds the index too."""
    home = tmp_path_factory.mktemp("case")
    (home / "corpus").mkdir()
    corpus(home / "corpus", 6, first_seed=900)
    for place in range(2):
        film(home / "corpus" / f"{place}.mp4", place)
    dfindex.build([home / "corpus"], index=home / "index", encoder=NAME, workers=1).close()
    return home


@pytest.fixture
def own(case: Path, tmp_path: Path) -> Path:
    """Return a copy of the case, which uses its own files."""
    return Path(shutil.copytree(case, tmp_path / "own"))


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def hole(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 42)


def folder(path: Path) -> None:
    path.mkdir()
    for number in range(20):
        hole(path / f"{number}.png")


def linked(path: Path) -> None:
    picture(4321).save(path.with_name("elsewhere.bmp"))
    path.symlink_to(path.with_name("elsewhere.bmp"))


def rewritten(path: Path) -> None:
    """Put other pixels in a file of the same kind, size and time."""
    shutil.copy(path.with_name("kept"), path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    times = path.with_name("kept").stat()
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


SWAPS = [pipe, device, hole, folder, linked, rewritten]


@pytest.mark.parametrize("swap", mostly_slow(SWAPS, quick=2))
@pytest.mark.parametrize("name", ["00001.png", "1.mp4"])
def test_what_was_swapped_in_stops_no_one_and_is_no_evidence(
    serve: Serve, own: Path, name: str, swap: Callable[[Path], None]
) -> None:
    client = serve(index=own / "index")
    number = ids(own)[name]
    path = own / "corpus" / name
    path.rename(path.with_name("kept"))
    swap(path)
    asked = [
        f"/api/v1/samples/{number}/file",
        f"/api/v1/samples/{number}/thumbnail?size=1280",
        f"/picture/s-{number}@0.4",
        f"/compare/first?a=s-{number}&b=s-{ids(own)['00002.png']}",
    ]
    started = time.monotonic()
    with ThreadPoolExecutor(16) as viewers:
        answers = list(viewers.map(client.get, 8 * asked))
    assert {one.status_code for one in answers} == {404}
    assert {one.json()["error"]["code"] for one in answers} <= {"gone", "folder"}
    assert time.monotonic() - started < 20
    stored = client.post("/api/v1/search", json={"sample_id": number, "k": 3})
    assert stored.status_code == 200, stored.text
    assert stored.json()["query"]["available"] is False
    assert {hit["match"] for hit in stored.json()["hits"]} == {None}
    untouched = ids(own)["00003.png"]
    found = client.post("/api/v1/search", json={"sample_id": untouched}).json()
    assert found["query"]["available"] is True
    away = [hit for hit in found["hits"] if hit["sample"]["id"] == number]
    assert all(hit["match"] is None for hit in away)


def test_a_search_by_sample_is_of_its_own_bytes(serve: Serve, own: Path) -> None:
    """A copy of another sample at the path of the first must not be searched for in its name."""
    client = serve(index=own / "index")
    known = ids(own)
    shutil.copy(own / "corpus" / "00002.png", own / "corpus" / "00001.png")
    for verify in (True, False):
        asked = {"sample_id": known["00001.png"], "k": 6, "verify": verify}
        found = client.post("/api/v1/search", json=asked).json()
        verdicts = {hit["sample"]["id"]: hit["verdict"] for hit in found["hits"]}
        assert found["query"]["available"] is False
        assert verdicts[known["00001.png"]] == "exact"
        assert verdicts[known["00002.png"]] not in ("exact", "copy", "altered_copy")


def test_films_that_changed_are_not_compared(serve: Serve, own: Path) -> None:
    client = serve(index=own / "index")
    first, second = (ids(own)[name] for name in ("0.mp4", "1.mp4"))
    other = clip(own / "other.mp4", steady(30))
    shutil.copy(other, own / "corpus" / "1.mp4")
    answer = client.get(f"/compare?a=s-{first}&b=s-{second}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "gone")


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Path]:
    """Index a film that takes a while to send: 48 MiB of it are a part no player reads."""
    (tmp_path / "large").mkdir()
    path = clip(tmp_path / "large" / "a.mp4", steady(20))
    with path.open("ab") as file:
        file.write((48 << 20).to_bytes(4, "big") + b"free" + bytes((48 << 20) - 8))
    dfindex.build([path], index=tmp_path / "large-index", encoder=NAME, workers=1).close()
    yield path
    path.unlink()


@pytest.mark.parametrize("change", ["nothing", "written", "replaced"])
def test_a_file_that_is_written_to_while_it_is_sent_is_cut_off(
    listen: Callable[..., int], large: Path, tmp_path: Path, change: str
) -> None:
    port = listen(index=tmp_path / "large-index")
    with dfindex.open(tmp_path / "large-index") as index:
        _, samples = index.embeddings()
    whole = large.read_bytes()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as viewer:
        head = f"GET /api/v1/samples/{samples[0].id}/file HTTP/1.1\r\nHost: localhost\r\n\r\n"
        viewer.sendall(head.encode())
        got = viewer.recv(1 << 16)
        time.sleep(0.3)
        match change:
            case "written":
                with large.open("r+b") as file:
                    file.seek(-1000, os.SEEK_END)
                    file.write(b"other evidence")
            case "replaced":
                large.with_name("b").write_bytes(b"other evidence")
                large.with_name("b").replace(large)
        while part := viewer.recv(1 << 20):
            got += part
            if len(got) >= len(whole) + 200 and got.partition(b"\r\n\r\n")[2] == whole:
                break
    body = got.partition(b"\r\n\r\n")[2]
    assert whole.startswith(body)
    assert (body == whole) is (change == "nothing")


def test_a_picture_is_shown_as_it_was_indexed_or_not_at_all(
    client: TestClient, serve: Serve, own: Path
) -> None:
    """While a file is exchanged again and again, no request shows the other one."""
    viewer = serve(index=own / "index")
    number = ids(own)["00001.png"]
    path = own / "corpus" / "00001.png"
    right = path.read_bytes()
    Image.new("RGB", (48, 40), "red").save(own / "wrong.png")
    wrong = (own / "wrong.png").read_bytes()
    wrong += bytes(len(right) - len(wrong))  # of the same size
    for round_ in range(60):
        (own / "next").write_bytes(wrong if round_ % 2 else right)
        if round_ % 3:
            (own / "next").replace(path)
        else:
            path.write_bytes((own / "next").read_bytes())
        answer = viewer.get(f"/api/v1/samples/{number}/file")
        assert answer.status_code in (200, 404)
        assert answer.status_code == 404 or answer.content == right
