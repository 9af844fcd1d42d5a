"""A hit in a film opens, is compared and looks as it does at its time; a lost file is said so."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import dfindex
from tests.dfindex.server.conftest import Serve, film, pan
from tests.dfindex.server.test_clips import frame_of
from tests.fake_encoder import NAME
from tests.videos import clip, number_of, steady


@pytest.fixture
def client(serve: Serve, film_home: Path) -> TestClient:
    return serve(index=film_home)


def shown(client: TestClient, path: str) -> Image.Image:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/jpeg"
    return Image.open(io.BytesIO(answer.content)).convert("RGB")


def far(a: Image.Image, b: np.ndarray) -> float:
    """Return the mean difference of two pictures in levels."""
    return float(np.abs(np.asarray(a, np.float64) - b).mean())


def searched(client: TestClient, data: bytes, name: str = "q.mp4") -> str:
    """Search on the page, and return the address that shows the hits."""
    answer = client.post("/search", files={"file": (name, data)}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def links(page: str, pattern: str) -> list[str]:
    return [unquote(one.replace("&amp;", "&")) for one in re.findall(pattern, page)]


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        (None, 200, 0, -1),
        ("bytes=0-", 206, 0, -1),
        ("bytes=100-199", 206, 100, 199),
        ("bytes=-50", 206, -50, -1),
        ("bytes=5-1000000000", 206, 5, -1),
        ("bytes=0-1,5-9", 200, 0, -1),  # as a service may
        ("pages=1-2", 200, 0, -1),
    ],
)
def test_a_film_is_sent_by_parts(
    client: TestClient, films: Path, film_home: Path, asked: str | None, status: int, first: int,
    last: int,
) -> None:  # fmt: skip
    whole = (films / "corpus" / "1.mp4").read_bytes()
    path = f"/api/v1/samples/{frame_of(film_home, '1.mp4')}/file"
    answer = client.get(path, headers={} if asked is None else {"range": asked})
    first, last = first % len(whole), last % len(whole)
    assert answer.status_code == status
    assert answer.content == whole[first : last + 1]
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["accept-ranges"] == "bytes"
    if status == 206:
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(whole)}"


def test_a_range_is_of_the_content_that_was_meant(client: TestClient, film_home: Path) -> None:
    path = f"/api/v1/samples/{frame_of(film_home, '1.mp4')}/file"
    etag = client.get(path).headers["etag"]
    for condition, status in ((etag, 206), ('"other"', 200)):
        answer = client.get(path, headers={"range": "bytes=0-9", "if-range": condition})
        assert answer.status_code == status
    beyond = client.get(path, headers={"range": "bytes=99999999-"})
    assert (beyond.status_code, beyond.json()["error"]["code"]) == (416, "range")
    assert beyond.headers["content-range"].startswith("bytes */")


def test_what_replaces_a_film_while_it_plays_is_not_sent(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    path = film(tmp_path / "own" / "a.mp4", 0)
    dfindex.build([tmp_path / "own"], index=tmp_path / "i", encoder=NAME, workers=1).close()
    client = serve(index=tmp_path / "i")
    address = f"/api/v1/samples/{frame_of(tmp_path / 'i', 'a.mp4')}/file"
    for _ in range(2):
        assert client.get(address, headers={"range": "bytes=0-99"}).status_code == 206
    data = bytearray(path.read_bytes())
    data[50] ^= 1
    path.write_bytes(data)  # of the same size
    answer = client.get(address, headers={"range": "bytes=0-99"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "gone")
    assert "has changed" in answer.json()["error"]["message"]


@pytest.mark.slow
def test_pictures_of_a_film_are_those_of_their_times(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    path = clip(tmp_path / "own" / "a.mp4", steady(60))
    dfindex.build([tmp_path / "own"], index=tmp_path / "i", encoder=NAME, workers=1).close()
    client = serve(index=tmp_path / "i")
    with dfindex.open(tmp_path / "i") as index:
        _, samples = index.embeddings()
    for sample in samples[::4]:
        small = shown(client, f"/api/v1/samples/{sample.id}/thumbnail?size=320")
        assert number_of(small) == round((sample.time_s or 0) * 25)
    number = samples[0].id
    for at, frame in (("0", 0), ("1.2", 30), ("1.2399", 30), ("1.24", 31), ("99", 59)):
        assert number_of(shown(client, f"/picture/s-{number}@{at}")) == frame
    place = searched(client, path.read_bytes())
    token = re.search(r"query=(u-[^&]*)", place)
    assert token is not None
    for at, frame in (("", 29), ("@0.5", 12)):
        assert abs(number_of(shown(client, f"/picture/{token[1]}{at}")) - frame) <= 1
    for wrong in ("s-1@x", "s-1@-1", "s-1@1e9", "s-1@", "u-nothing@1"):
        assert client.get(f"/picture/{wrong}").status_code == 404


def test_a_picture_is_compared_with_what_the_film_shows_at_its_time(
    client: TestClient, tmp_path: Path
) -> None:
    buffer = io.BytesIO()
    Image.fromarray(pan(1)(40)).save(buffer, "JPEG", quality=90)
    page = client.get(searched(client, buffer.getvalue(), "q.jpg")).text
    hits = links(page, r'class="open" href="([^"]*)"')
    film_hit = next(one for one in hits if one.rpartition("-")[2] in films_of(client))
    compared = client.get(film_hit).text
    assert '<span class="verdict found"' in compared
    (second,) = links(compared, r'data-layer="second" src="([^"]*)"')
    layer = Image.open(io.BytesIO(client.get(second).content)).convert("RGB")
    number = film_hit.rpartition("-")[2]
    time_s = client.get(f"/api/v1/samples/{number}").json()["time_s"]
    assert f'Hit · 1.mp4 <span class="soft">at 0:0{time_s:.1f}</span>' in compared
    assert far(layer, pan(1)(round(25 * time_s))) < 6 < far(layer, pan(1)(0))


def films_of(client: TestClient) -> set[str]:
    rows = client.get("/api/v1/samples?where=kind = 'frame'").json()["samples"]
    return {str(one["id"]) for one in rows}


@pytest.mark.slow
def test_a_clip_is_compared_with_the_whole_film_and_frame_by_frame(
    client: TestClient, tmp_path: Path
) -> None:
    query = film(tmp_path / "query.mp4", 1, first=25, count=40)
    page = client.get(searched(client, query.read_bytes())).text
    assert re.search(r"(9\d|100) % of the query", page)
    hits = links(page, r'class="open" href="([^"]*)"')
    film_hit = next(one for one in hits if one.rpartition("-")[2] in films_of(client))
    compared = client.get(film_hit)
    assert compared.status_code == 200, compared.text
    text = compared.text
    assert "Frames whose pixels were compared" in text
    assert re.search(r"\+(0\.9|1\.0)\d s", text)
    assert re.search(r"of the hit is shown by the query</dt><dd>[456]\d %", text)
    pairs = [
        re.search(r"a=(u-\S+)@([\d.]+)&b=(s-\d+)@([\d.]+)", one)
        for one in links(text, r'class="open" href="([^"]*)"')
    ]
    assert len(pairs) >= 3
    later = [float(one[4]) - float(one[2]) for one in pairs if one is not None]
    assert float(np.median(later)) == pytest.approx(1.0, abs=0.05)
    first = pairs[0]
    assert first is not None
    here = shown(client, f"/picture/{first[1]}@{first[2]}?size=320")
    assert far(here, pan(1)(25 + round(25 * float(first[2])))) < 6
    frames = client.get(links(text, r'class="open" href="([^"]*)"')[0]).text
    assert f'Query · q.mp4 <span class="soft">at 0:0{float(first[2]):.1f}</span>' in frames
    assert "Nothing altered" in frames or '<span class="verdict found"' in frames
    assert "/file#t=" in text


def test_the_page_of_a_frame_plays_its_film_from_its_time_on(
    client: TestClient, film_home: Path
) -> None:
    number = frame_of(film_home, "1.mp4")
    page = client.get(f"/samples/{number}").text
    time_s = client.get(f"/api/v1/samples/{number}").json()["time_s"]
    assert f'src="/api/v1/samples/{number}/file#t={time_s + 0.0005:.4f}"' in page
    assert f'poster="/api/v1/samples/{number}/thumbnail?size=1280"' in page
    still = client.get(f"/samples/{shown_picture(film_home)}").text
    assert "<video" not in still


def shown_picture(index: Path) -> int:
    with dfindex.open(index) as opened:
        _, samples = opened.embeddings(where="kind = 'image'")
    return samples[0].id


@pytest.mark.slow
def test_what_no_browser_plays_is_shown_as_a_picture(serve: Serve, tmp_path: Path) -> None:
    frames = [Image.fromarray(pan(0)(30 * number)) for number in range(3)]
    (tmp_path / "own").mkdir()
    options = {"save_all": True, "append_images": frames[1:], "duration": 500}
    frames[0].save(tmp_path / "own" / "a.gif", **options)
    clip(tmp_path / "own" / "b.flv", steady(30), codec="flv")
    dfindex.build([tmp_path / "own"], index=tmp_path / "i", encoder=NAME, workers=1).close()
    client = serve(index=tmp_path / "i")
    number = frame_of(tmp_path / "i", "a.gif")
    page = client.get(f"/samples/{number}").text
    assert "<video" not in page
    assert "this is the frame as a picture" in page
    assert client.get(f"/api/v1/samples/{number}/file").headers["content-type"] == "image/gif"
    page = client.get(f"/samples/{frame_of(tmp_path / 'i', 'b.flv')}").text
    assert "data-unplayed hidden" in page  # the script shows it where the film does not play


def test_a_frame_of_a_folder_of_pictures_has_no_file(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "own" / "shots"
    folder.mkdir(parents=True)
    for number in range(4):
        Image.fromarray(pan(0)(20 * number)).save(folder / f"{number:04d}.png")
    arguments = {"index": tmp_path / "i", "encoder": NAME, "workers": 1}
    dfindex.build([tmp_path / "own"], frames_folder=[folder], **arguments).close()
    client = serve(index=tmp_path / "i")
    number = frame_of(tmp_path / "i", "shots")
    answer = client.get(f"/api/v1/samples/{number}/file")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "folder")
    assert shown(client, f"/api/v1/samples/{number}/thumbnail").size == (320, 240)


@pytest.fixture
def losing(serve: Serve, films: Path, tmp_path: Path) -> tuple[TestClient, Path]:
    """Serve a corpus of its own: a film, a picture of it, and a copy of that."""
    (tmp_path / "own").mkdir()
    shutil.copy(films / "corpus" / "1.mp4", tmp_path / "own" / "film.mp4")
    shutil.copy(films / "corpus" / "shown.png", tmp_path / "own" / "shown.png")
    with Image.open(films / "corpus" / "shown.png") as image:
        image.save(tmp_path / "own" / "again.png", compress_level=1)
    dfindex.build([tmp_path / "own"], index=tmp_path / "i", encoder=NAME, workers=1).close()
    return serve(index=tmp_path / "i"), tmp_path


def test_a_lost_file_is_said_wherever_it_is_met(losing: tuple[TestClient, Path]) -> None:
    client, home = losing
    rows = client.get("/api/v1/samples").json()["samples"]
    known = {Path(one["path"]).name: one["id"] for one in rows}
    (home / "own" / "film.mp4").unlink()
    (home / "own" / "again.png").write_bytes(b"other bytes")
    for name, words in (("film.mp4", "is gone"), ("again.png", "has changed")):
        number = known[name]
        assert client.get(f"/api/v1/samples/{number}").json()["available"] is False
        page = client.get(f"/samples/{number}").text
        assert f"Its file {words}." in page
        assert "<video" not in page
        compared = client.get(
            f"/compare?a=s-{known['shown.png']}&b=s-{number}", headers={"accept": "text/html"}
        )
        assert compared.status_code == 404
        assert words in compared.text
    assert client.get(f"/api/v1/samples/{known['shown.png']}").json()["available"] is True
    hits = client.get(f"/?query=s-{known['shown.png']}").text
    assert hits.count("its file could not be opened") == 2
    client.get("/api/v1/duplicates?min_score=0.9")
    assert "could not be opened" in client.get("/duplicates?min_score=0.9").text
