"""The API answers as the command line does, in the shapes of the interface."""

from __future__ import annotations

import hashlib
import io
import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import dfindex
import dfindex.maintenance
from dfindex.server.routes.api import as_json
from indexer.store.catalog.probe_scores import ProbeScores, probe_folder, save_scores
from indexer.types import Kind, Sample
from tests.dfindex import schemas
from tests.dfindex.server.conftest import Serve
from tests.fake_encoder import NAME, MeanColour
from tests.pictures import corpus, picture

JSON = {"content-type": "application/json"}
MANY = "9" * 5000  # digits: more than Python makes a number of
ERROR = schemas.record(
    {
        "error": schemas.record(
            {
                "code": {"type": "string", "pattern": "^[a-z_]+$"},
                "message": {"type": "string", "minLength": 5},
                "hint": {"type": "string"},
            }
        )
    }
)


def ids(home: Path) -> dict[str, int]:
    with dfindex.open(home / "index") as index:
        _, samples = index.embeddings()
    return {Path(one.path).name: one.id for one in samples}


def test_an_uploaded_copy_is_found_first(client: TestClient, home: Path) -> None:
    data = (home / "corpus" / "00004.png").read_bytes()
    answer = client.post(
        "/api/v1/search", files={"file": ("query.png", data)}, data={"k": "5", "verify": "false"}
    )
    assert answer.status_code == 200, answer.text
    found = answer.json()
    jsonschema.validate(found, schemas.SEARCH)
    assert found["query"] == {
        "path": "query.png",
        "sha256": hashlib.sha256(data).hexdigest(),
        "page": None,
        "width": 48,
        "height": 40,
        "available": True,
    }
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3, 4, 5]
    assert found["hits"][0]["verdict"] == "exact"
    assert Path(found["hits"][0]["sample"]["path"]).name == "00004.png"
    assert found["completeness"] == {"seen": 26, "indexed": 24, "failed": 2}


def test_a_verified_search_compares_pixels(client: TestClient, home: Path) -> None:
    with Image.open(home / "corpus" / "00004.png") as image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=90)
    answer = client.post("/api/v1/search", files={"file": buffer.getvalue()})
    found = answer.json()
    jsonschema.validate(found, schemas.SEARCH)
    assert found["timing_ms"]["verify"] > 0
    assert Path(found["hits"][0]["sample"]["path"]).name == "00004.png"


def test_a_search_by_id_is_what_exhaustive_search_finds(client: TestClient, home: Path) -> None:
    with dfindex.open(home / "index") as index:
        vectors, samples = index.embeddings()
    for row in (0, 7, 23):
        body = {"sample_id": samples[row].id, "k": 6, "verify": False}
        found = client.post("/api/v1/search", json=body).json()
        jsonschema.validate(found, schemas.SEARCH)
        similarity = vectors @ vectors[row]
        expected = np.argsort(-similarity, kind="stable")[:6]
        assert [hit["sample"]["id"] for hit in found["hits"]] == [samples[i].id for i in expected]
        scores = [hit["score"] for hit in found["hits"]]
        np.testing.assert_allclose(scores, similarity[expected], atol=1e-5)
        assert found["hits"][0]["verdict"] == "exact"


def test_a_search_by_id_verifies_where_asked(client: TestClient, home: Path) -> None:
    body = {"sample_id": ids(home)["00002.png"], "k": 3}
    found = client.post("/api/v1/search", json=body).json()
    assert found["hits"][0]["verdict"] == "exact"
    assert found["timing_ms"]["embed"] > 0


@pytest.mark.parametrize("verify", [True, False])
def test_a_search_by_id_is_that_of_the_command_line(
    client: TestClient, home: Path, verify: bool
) -> None:
    number = ids(home)["00006.png"]
    asked = {"sample_id": number, "k": 5, "verify": verify}
    found = client.post("/api/v1/search", json=asked).json()
    with dfindex.open(home / "index") as index:
        expected = index.search(str(number), 5, verify=verify, encoder=MeanColour()).to_json()
    expected = json.loads(json.dumps(expected))
    for part in ("query", "hits", "completeness", "unavailable"):
        assert found[part] == expected[part]


def test_where_and_min_score_restrict(client: TestClient, home: Path) -> None:
    wanted = {"sample_id": ids(home)["00001.png"], "verify": False, "k": 20}
    body = wanted | {"where": "path like '%/0001%'"}
    found = client.post("/api/v1/search", json=body).json()
    names = {Path(hit["sample"]["path"]).name for hit in found["hits"]}
    assert names == {f"{number:05d}.png" for number in range(10, 20)}
    found = client.post("/api/v1/search", json=wanted | {"min_score": 0.999}).json()
    assert [Path(hit["sample"]["path"]).name for hit in found["hits"]] == ["00001.png"]


def test_two_files_are_compared(client: TestClient, home: Path) -> None:
    first, second = ((home / "corpus" / f"0000{n}.png").read_bytes() for n in (1, 1))
    answer = client.post("/api/v1/compare", files={"a": ("x.png", first), "b": ("y.png", second)})
    found = answer.json()
    assert (found["a"], found["b"], found["verdict"]) == ("x.png", "y.png", "exact")
    missing = client.post("/api/v1/compare", files={"a": ("x.png", first)})
    assert missing.status_code == 400
    jsonschema.validate(missing.json(), ERROR)


def test_status_failures_and_samples(client: TestClient, home: Path) -> None:
    jsonschema.validate(client.get("/api/v1/status").json(), schemas.STATUS)
    failures = client.get("/api/v1/failures").json()
    jsonschema.validate(failures["failures"], schemas.FAILURES)
    assert failures["total"] == 2
    known = ids(home)
    seen, after = [], 0
    while after is not None:
        page = client.get("/api/v1/samples", params={"limit": 7, "after": after}).json()
        assert page["total"] == 24
        seen += [one["id"] for one in page["samples"]]
        after = page["next"]
    assert sorted(known.values()) == seen
    one = client.get(f"/api/v1/samples/{known['00003.png']}").json()
    jsonschema.validate(one, schemas.SAMPLE)
    assert Path(one["path"]).name == "00003.png"


def test_pictures_are_served_as_indexed(client: TestClient, home: Path) -> None:
    known = ids(home)
    path = home / "corpus" / "00003.png"
    served = client.get(f"/api/v1/samples/{known['00003.png']}/file")
    assert served.content == path.read_bytes()
    assert served.headers["content-type"] == "image/png"
    assert "sandbox" in served.headers["content-security-policy"]
    small = client.get(f"/api/v1/samples/{known['00003.png']}/thumbnail", params={"size": 20})
    with Image.open(io.BytesIO(small.content)) as image:
        assert image.size == (48, 40)  # never made larger than it is
        mean = np.asarray(image, np.float64).mean()
    with Image.open(path) as original:
        assert abs(np.asarray(original, np.float64).mean() - mean) < 3


def test_a_changed_file_is_not_served(serve: Serve, tmp_path: Path) -> None:
    path = corpus(tmp_path / "own", 3, first_seed=700)[1]
    dfindex.build([tmp_path / "own"], index=tmp_path / "index", encoder=NAME, workers=1).close()
    client = serve()
    known = ids(tmp_path)
    picture(999).save(path)
    for place in ("file", "thumbnail"):
        answer = client.get(f"/api/v1/samples/{known['00001.png']}/{place}")
        assert answer.status_code in (200, 404)
    with dfindex.open(tmp_path / "index") as index:
        _, samples = index.embeddings(where="path like '%/own/00001.png'")
    answer = client.get(f"/api/v1/samples/{samples[0].id}/file")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "gone")
    path.unlink()
    path.symlink_to("/etc/passwd")
    answer = client.get(f"/api/v1/samples/{samples[0].id}/file")
    assert answer.status_code == 404
    answer = client.get(f"/api/v1/samples/{samples[0].id}/thumbnail")
    assert answer.status_code == 404


def test_a_label_is_set_and_searched_for(client: TestClient, home: Path) -> None:
    known = ids(home)
    body = {"sample_id": known["00005.png"], "label": "fake", "generator": "sd1.5"}
    assert client.post("/api/v1/labels", json=body).json() == {"labelled": 1}
    assert client.get(f"/api/v1/samples/{known['00005.png']}").json()["label"] == "fake"
    rows = client.get("/api/v1/labels").json()["labels"]
    assert [(Path(row["path"]).name, row["generator"]) for row in rows] == [("00005.png", "sd1.5")]
    body = {"sample_id": known["00001.png"], "where": "label = 'fake'", "verify": False}
    hits = client.post("/api/v1/search", json=body).json()["hits"]
    assert [hit["sample"]["id"] for hit in hits] == [known["00005.png"]]


def test_only_what_is_given_of_a_label_is_changed(client: TestClient, home: Path) -> None:
    number = ids(home)["00005.png"]
    whole = {"label": "fake", "generator": "sd1.5", "source": "case-17", "group": "a"}
    client.post("/api/v1/labels", json={"sample_id": number, **whole})

    def said() -> dict[str, Any]:
        rows = client.get("/api/v1/labels").json()["labels"]
        return {name: value for name, value in rows[0].items() if name != "path"}

    client.post("/api/v1/labels", json={"sample_id": number, "label": "real"})
    assert said() == whole | {"label": "real"}
    body = {"sample_ids": [number], "label": "fake", "source": None, "generator": "sdxl"}
    client.post("/api/v1/labels", json=body)
    assert said() == whole | {"source": None, "generator": "sdxl"}
    page = f"/samples/{number}/label"
    client.post(page, data={"label": "real", "generator": "", "source": "case-18"})
    assert said() == {"label": "real", "generator": None, "source": "case-18", "group": "a"}
    client.post(page, data={"label": "fake"})
    assert said() == {"label": "fake", "generator": None, "source": "case-18", "group": "a"}


def test_numbers_that_json_does_not_know_are_null() -> None:
    values = {"nan": math.nan, "deep": [1.5, {"x": -math.inf}], "words": ("NaN", None, True)}
    said = as_json(values).body
    assert json.loads(said, parse_constant=pytest.fail) == {
        "nan": None,
        "deep": [1.5, {"x": None}],
        "words": ["NaN", None, True],
    }
    sample = Sample(id=1, path="a", sha256="b", kind=Kind.FRAME, time_s=math.nan, width=1, height=1)
    found = json.loads(as_json({"sample": sample}).body, parse_constant=pytest.fail)
    assert (found["sample"]["time_s"], found["sample"]["kind"]) == (None, "frame")


def test_an_answer_by_id_that_takes_too_long_is_said_so(serve: Serve, home: Path) -> None:
    client = serve(allowance={"seconds": 0.0})
    body = {"sample_id": ids(home)["00001.png"], "verify": False}
    answer = client.post("/api/v1/search", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "timeout")
    jsonschema.validate(answer.json(), ERROR)


@pytest.mark.slow
def test_a_writer_elsewhere_is_waited_for_and_then_a_conflict(serve: Serve, home: Path) -> None:
    from indexer.store.writer import IndexWriter

    client = serve(allowance={"lock_seconds": 2.0})
    body = {"sample_id": ids(home)["00005.png"], "label": "fake"}
    with IndexWriter(home / "index"):
        answer = client.post("/api/v1/labels", json=body)
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "locked"
    writer = IndexWriter(home / "index")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.post, "/api/v1/labels", json=body)
        time.sleep(0.5)
        writer.close()
        assert asked.result().json() == {"labelled": 1}


def test_a_new_generation_is_seen_without_a_restart(client: TestClient, home: Path) -> None:
    corpus(home / "more", 2, first_seed=400)
    data = (home / "more" / "00001.png").read_bytes()
    before = client.get("/readyz").json()["generation"]
    dfindex.build([home / "more"], index=home / "index", encoder=NAME, workers=1).close()
    until = time.monotonic() + 30
    while client.get("/readyz").json()["generation"] == before and time.monotonic() < until:
        time.sleep(0.1)
    answer = client.post("/api/v1/search", files={"file": data}, data={"verify": "false"})
    assert Path(answer.json()["hits"][0]["sample"]["path"]) == home / "more" / "00001.png"


@pytest.mark.slow
def test_no_request_fails_while_a_build_runs(client: TestClient, home: Path) -> None:
    corpus(home / "more", 40, first_seed=600)
    number = ids(home)["00001.png"]
    codes: list[int] = []

    def build() -> None:
        for part in range(4):  # each ends in a generation of its own
            paths = sorted((home / "more").iterdir())[10 * part : 10 * part + 10]
            dfindex.build(paths, index=home / "index", encoder=NAME, workers=1).close()
            dfindex.maintenance.compact(home / "index")

    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(build)
        while not building.done():
            body = {"sample_id": number, "verify": False}
            codes.append(client.post("/api/v1/search", json=body).status_code)
            codes.append(client.get("/api/v1/status").status_code)
            codes.append(client.get(f"/api/v1/samples/{number}/thumbnail").status_code)
        building.result()
    assert set(codes) == {200}
    until = time.monotonic() + 30
    total = 0
    while total != 64 and time.monotonic() < until:
        total = client.get("/api/v1/samples").json()["total"]
        time.sleep(0.1)
    assert total == 64


@pytest.mark.parametrize(
    ("method", "path", "arguments", "status"),
    [
        ("GET", "/api/v1/samples/999999", {}, 404),
        ("GET", "/api/v1/samples/-1", {}, 422),
        ("GET", "/api/v1/samples/99999999999999999999", {}, 422),
        ("GET", "/api/v1/samples/x", {}, 422),
        ("GET", f"/api/v1/samples/{MANY}", {}, 422),
        ("GET", f"/api/v1/samples/{MANY}/thumbnail", {}, 422),
        ("GET", f"/api/v1/samples/1/thumbnail?size={MANY}", {}, 422),
        ("GET", f"/api/v1/samples?where=id={MANY}", {}, 422),
        ("GET", f"/api/v1/samples?where=id in ({MANY[:1990]})", {}, 422),
        ("GET", f"/api/v1/samples?limit={MANY}", {}, 422),
        ("GET", f"/api/v1/samples?after={MANY}", {}, 422),
        ("GET", f"/api/v1/failures?offset={MANY}", {}, 422),
        ("GET", f"/api/v1/duplicates?min_score={MANY}", {}, 422),
        ("GET", "/api/v1/duplicates?min_score=nan", {}, 422),
        ("GET", f"/api/v1/duplicates?where=id<{MANY[:1900]}", {}, 422),
        ("GET", f"/corpus?start={MANY}", {}, 422),
        ("GET", f"/duplicates?start={MANY}", {}, 422),
        ("GET", f"/picture/s-{MANY}", {}, 404),
        ("GET", f"/compare?a=s-1&b=s-{MANY[:60]}", {}, 404),
        ("POST", f"/samples/{MANY}/label", {"data": {"label": "fake"}}, 422),
        ("POST", "/duplicates/decide", {"data": {"a": MANY, "b": 1, "decision": "same"}}, 422),
        ("POST", "/api/v1/search", {"json": {"sample_id": 1, "where": f"id={MANY[:1900]}"}}, 422),
        ("POST", "/api/v1/search", {"json": {"sample_id": "7" * 5000}}, 422),
        ("POST", "/api/v1/labels", {"json": {"sample_ids": [MANY], "label": "fake"}}, 422),
        ("GET", "/api/v1/samples/999999/file", {}, 404),
        ("GET", "/api/v1/samples/..%2f..%2fetc/file", {}, 404),
        ("GET", "/api/v1/samples?where=nonsense(1)", {}, 422),
        ("GET", "/api/v1/nothing", {}, 404),
        ("GET", "/static/../app.py", {}, 404),
        ("GET", "/static/%2e%2e/app.py", {}, 404),
        ("DELETE", "/api/v1/status", {}, 405),
        ("POST", "/api/v1/search", {"json": {"sample_id": 999999, "verify": False}}, 404),
        ("POST", "/api/v1/search", {"json": {"sample_id": 999999}}, 404),
        ("POST", "/api/v1/search", {"json": {"sample_id": "1; drop"}}, 422),
        ("POST", "/api/v1/search", {"json": {"sample_id": 1, "k": 0}}, 422),
        ("POST", "/api/v1/search", {"json": {"sample_id": 1, "path": "/etc/passwd"}}, 422),
        ("POST", "/api/v1/search", {"json": {"sample_id": 1, "where": "1=1;drop"}}, 422),
        ("POST", "/api/v1/search", {"json": {"sample_id": 1, "max_fpr": 1e-9}}, 422),
        ("POST", "/api/v1/search", {"json": {"sample_id": 1, "space": "other"}}, 422),
        ("POST", "/api/v1/search", {"json": [1]}, 422),
        ("POST", "/api/v1/search", {"content": "{", "headers": JSON}, 400),
        ("POST", "/api/v1/search", {"content": "x"}, 415),
        ("POST", "/api/v1/search", {"data": {"k": "3"}}, 415),
        ("POST", "/api/v1/search", {"files": {"other": b"x"}}, 400),
        ("POST", "/api/v1/search", {"files": {"file": b"not a picture"}}, 415),
        ("POST", "/api/v1/search", {"files": {"file": b""}}, 422),
        ("POST", "/api/v1/search", {"files": {"file": b"\x89PNG\r\n\x1a\n"}}, 422),
        ("POST", "/api/v1/labels", {"json": {"sample_id": 1, "label": "maybe"}}, 422),
        ("POST", "/api/v1/labels", {"json": {"sample_id": 999999, "label": "fake"}}, 404),
    ],
)  # fmt: skip
def test_errors_have_one_shape(
    client: TestClient, method: str, path: str, arguments: dict[str, object], status: int
) -> None:
    answer = client.request(method, path, **arguments)
    assert answer.status_code == status, answer.text
    jsonschema.validate(answer.json(), ERROR)


@pytest.mark.parametrize("query", [f"k={MANY}", "k=\u00b2", "k=-1", f"query=s-1@{MANY}", "k=nan"])
def test_the_search_page_takes_any_number(client: TestClient, home: Path, query: str) -> None:
    number = ids(home)["00001.png"]
    answer = client.get(f"/?query=s-{number}&verify=no&{query}")
    assert answer.status_code == 200
    ranged = {"range": f"bytes={MANY}-", "if-none-match": MANY}
    assert client.get(f"/api/v1/samples/{number}/file", headers=ranged).status_code in (200, 416)


def test_requests_that_come_together_share_a_pass(
    serve: Serve, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(allowance={"workers": 8})
    sizes: list[int] = []
    encode = MeanColour.encode

    def noted(self: MeanColour, images: np.ndarray) -> object:
        sizes.append(len(images))
        time.sleep(0.05)
        return encode(self, images)

    monkeypatch.setattr(MeanColour, "encode", noted)
    files = [(home / "corpus" / f"{n:05d}.png").read_bytes() for n in range(8)]

    def ask(data: bytes) -> str:
        answer = client.post("/api/v1/search", files={"file": data}, data={"verify": "false"})
        return Path(answer.json()["hits"][0]["sample"]["path"]).name

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(ask, files))
    assert names == [f"{n:05d}.png" for n in range(8)]
    assert sum(sizes) == 8
    assert max(sizes) > 1


@pytest.mark.slow
def test_the_map_shows_what_a_probe_says_once_it_is_applied(client: TestClient, home: Path) -> None:
    def drawn() -> Any:
        answer = client.get("/api/v1/map")
        while answer.status_code == 503:
            time.sleep(0.05)
            answer = client.get("/api/v1/map")
        return answer.json()

    first = drawn()
    assert first["probes"] == {}
    folder = probe_folder(home / "index", "gan")
    folder.mkdir(parents=True)
    (folder / "card.json").write_text("{}")
    numbers = np.array(first["ids"], np.int64)
    scores = np.linspace(0, 1, len(numbers))
    save_scores(folder, ProbeScores(ids=numbers, scores=scores, spaces=()))
    until = time.monotonic() + 30
    while not drawn()["probes"] and time.monotonic() < until:
        time.sleep(0.05)
    assert drawn()["probes"]["gan"] == pytest.approx(scores, abs=1e-4)


def test_metrics_count_what_was_asked(client: TestClient, home: Path) -> None:
    client.post("/api/v1/search", json={"sample_id": ids(home)["00001.png"], "verify": False})
    client.get("/api/v1/samples/999999")
    words = client.get("/metrics").text
    assert 'route="/api/v1/search",status="200"} 1.0' in words.replace('method="POST",', "")
    assert 'status="404"' in words
    with dfindex.open(home / "index") as index:
        assert f"dfindex_index_generation {float(index.generation)}" in words
    assert 'dfindex_stage_seconds_count{stage="retrieve"} 1.0' in words


def test_the_description_is_openapi_and_names_every_route(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    assert set(described["paths"]["/api/v1/search"]["post"]["requestBody"]["content"]) == {
        "multipart/form-data",
        "application/json",
    }
