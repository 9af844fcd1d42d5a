"""A decoder's answers come back as they went, and a hostile one's are refused, not believed."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.errors import MediaError
from indexer.isolation import process
from indexer.isolation.answers import Answer, Opened, ReadProblem, Ready, Result, Seen, pack, unpack
from indexer.isolation.pool import DecodePool
from indexer.keypoints import ROW_BYTES, keypoints
from indexer.media.files import Limits
from indexer.preprocess import PRESETS
from indexer.types import Reason, Span
from tests.indexer.test_keypoints import blobs
from tests.marks import mostly_slow
from tests.pictures import picture

PRESET = PRESETS["vit-half-224"]
ROW = keypoints(blobs(1)).to_row()
ANSWERS: list[Answer] = [
    Ready(),
    Opened("0123456789abcdef" * 4, 2**40),
    Seen((3, 4), 30, 40, "PNG"),
    ReadProblem(Reason.TRUNCATED, "caf\xe9 \udce9 " + "x" * 100),
    Result(40, 30, "JPEG", ROW, 31.123456789, None, None, True),
    Result(40, 30, "mov,mp4", ROW, 0.0, Span(1.5, 1.0, 2.25), None, False),
    Result(40, 30, "TIFF", np.zeros(ROW_BYTES, np.uint8), 7.0, None, 12, False),
]


def told(answer: Answer) -> dict[str, object]:
    return {name: bytes(v) if name == "keypoints" else v for name, v in vars(answer).items()}


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda one: type(one).__name__)
def test_an_answer_comes_back_as_it_went(answer: Answer) -> None:
    back = unpack(pack(answer))
    assert type(back) is type(answer) and told(back) == told(answer)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda one: type(one).__name__)
def test_what_is_cut_or_flipped_is_an_answer_or_an_error(answer: Answer) -> None:
    data = pack(answer)
    for end in range(min(len(data), 80)):
        _unpacked(data[:end])
    rng = np.random.default_rng(0)
    for _ in range(300):
        flipped = bytearray(data)
        flipped[rng.integers(min(len(data), 80))] ^= 1 << int(rng.integers(8))
        _unpacked(bytes(flipped))


def _unpacked(data: bytes) -> None:
    try:
        unpack(data)
    except ValueError:
        return


def test_keypoints_that_would_lead_searches_astray_are_refused() -> None:
    row = ROW.copy()
    row[:2] = np.array([65535], np.uint16).view(np.uint8)
    with pytest.raises(ValueError, match="keypoints"):
        unpack(pack(Result(40, 30, "PNG", row, 1.0, None, None, True)))
    row = np.full(ROW_BYTES, 255, np.uint8)
    row[:2] = np.array([1], np.uint16).view(np.uint8)
    with pytest.raises(ValueError, match="keypoints"):
        unpack(pack(Result(40, 30, "PNG", row, 1.0, None, None, True)))


class Trap:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, (str(self.path),))


def hostile(script: str) -> str:
    """Return the start of a decoder that says it is ready, reads its first task, and then ..."""
    return (
        "import sys; from multiprocessing.connection import Connection; "
        "c = Connection(int(sys.argv[2])); sys.path.insert(0, sys.argv[1]); "
        f"c.recv(); c.send_bytes(b'!'); c.recv(); exec({script!r}); import time; time.sleep(60)"
    )


def _says(data: bytes) -> str:
    return f"c.send_bytes({data!r})"


SCRIPTS = {
    "garbage": _says(b"what?"),
    "nothing": _says(b""),
    "endless": "import os; os.write(c.fileno(), b'\\x7f\\xff\\xff\\xff' + b'x' * 100000)",
    "half": "import os; os.write(c.fileno(), b'\\x00\\x00\\x00\\x29O')",
    "out of turn": _says(pack(Seen((9, 9), 9, 9, "PNG"))),
    "a problem of no kind": _says(b"P\xff"),
    "ready again": _says(b"!"),
    "no pixels": _says(pack(Opened("ab" * 32, 9))) + "; c.recv(); " + _says(pack(ANSWERS[4])),
}


@pytest.mark.parametrize("script", mostly_slow(SCRIPTS.values(), quick=3), ids=SCRIPTS)
def test_a_hostile_decoder_is_an_error_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    path = tmp_path / "a.png"
    picture(1).save(path)
    monkeypatch.setattr(process, "_BOOTSTRAP", hostile(script))
    limits = Limits(seconds=2.0)
    with DecodePool(workers=1, preset=PRESET, limits=limits) as pool:
        with pytest.raises(MediaError) as caught:
            pool.shown(os.fsencode(path), [0.0], at_least=10)
        assert caught.value.reason in (Reason.INTERNAL, Reason.TIMEOUT)
        monkeypatch.undo()
        [seen] = pool.shown(os.fsencode(path), [0.0], at_least=10)
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(seen.image), np.asarray(image))


def test_nothing_that_a_decoder_sends_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    monkeypatch.setattr(process, "_BOOTSTRAP", hostile(_says(trap)))
    pool = DecodePool(workers=1, preset=PRESET, limits=Limits(seconds=2.0))
    with pool, pytest.raises(MediaError, match="makes no sense"):
        pool.shown(os.fsencode(tmp_path / "a.png"), [0.0], at_least=10)
    assert not (tmp_path / "sprung").exists()


def test_more_pixels_than_are_allowed_are_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"{_says(pack(Opened('ab' * 32, 9)))}; c.recv(); " + _says(
        b"S" + struct.pack("<IIII", 2**30, 2**30, 9, 9)
    )
    monkeypatch.setattr(process, "_BOOTSTRAP", hostile(script))
    pool = DecodePool(workers=1, preset=PRESET, limits=Limits(seconds=2.0))
    with pool, pytest.raises(MediaError, match="makes no sense"):
        pool.shown(os.fsencode(tmp_path / "a.png"), [0.0], at_least=10)
