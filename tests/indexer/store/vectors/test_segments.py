"""Segments give back what went in, and notice every flipped byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.errors import IndexDamagedError
from indexer.store.vectors.segments import SUFFIXES, Segment, SegmentInfo, SegmentRow, write_segment
from indexer.types import unit

INFO = SegmentInfo(id=7, space="f" * 16, device="cpu", precision="fp32")


def row(number: int) -> SegmentRow:
    return SegmentRow(
        id=100 + number,
        sha256=f"{number:064x}",
        kind="image",
        width=10,
        height=20,
        format="JPEG",
        raw_path=b"/x/\xff".hex(),
        size=5,
        mtime_ns=6,
    )


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    vectors = unit(rng.normal(size=(6, 8)))
    patches = rng.integers(0, 256, size=(6, 33), dtype=np.uint8)
    folder = tmp_path / INFO.space / "segments"
    write_segment(folder, INFO, [row(number) for number in range(6)], vectors, patches)
    return folder, vectors, patches


def test_round_trip(written: tuple[Path, np.ndarray, np.ndarray]) -> None:
    folder, vectors, patches = written
    segment = Segment(folder, 7)
    assert segment.info() == INFO
    assert segment.ids().tolist() == [100, 101, 102, 103, 104, 105]
    assert segment.rows() == [row(number) for number in range(6)]
    # float16 keeps 11 bits: a unit vector's components move by less than 2^-11.
    np.testing.assert_allclose(segment.vectors(), vectors, atol=2**-11)
    np.testing.assert_allclose(np.linalg.norm(segment.vectors(), axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(segment.patch_rows([4, 0]), patches[[4, 0]])
    segment.verify()


def test_float16_moves_a_score_by_less_than_a_thousandth() -> None:
    rng = np.random.default_rng(3)
    vectors = unit(rng.normal(size=(2000, 384)))
    kept = unit(vectors.astype(np.float16))
    assert np.abs(vectors @ vectors[:50].T - kept @ kept[:50].T).max() < 2e-4


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_is_noticed(
    written: tuple[Path, np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    folder, _, _ = written
    path = folder / f"{7:012d}{data.draw(st.sampled_from(SUFFIXES))}"
    original = path.read_bytes()
    place = data.draw(st.integers(0, len(original) - 1))
    bit = data.draw(st.integers(0, 7))
    try:
        path.write_bytes(
            original[:place] + bytes([original[place] ^ 1 << bit]) + original[place + 1 :]
        )
        with pytest.raises(IndexDamagedError, match="doctor"):
            segment = Segment(folder, 7)
            segment.rows()
            segment.verify()
    finally:
        path.write_bytes(original)


def test_a_flipped_patch_byte_is_noticed_when_its_row_is_read(
    written: tuple[Path, np.ndarray, np.ndarray],
) -> None:
    folder, _, patches = written
    path = folder / f"{7:012d}.patch"
    data = bytearray(path.read_bytes())
    data[-10] ^= 1  # in the last row
    path.write_bytes(data)
    segment = Segment(folder, 7)
    np.testing.assert_array_equal(segment.patch_rows([0]), patches[[0]])
    with pytest.raises(IndexDamagedError):
        segment.patch_rows([5])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_missing_and_cut_files_are_damage(
    written: tuple[Path, np.ndarray, np.ndarray], suffix: str
) -> None:
    folder, _, _ = written
    path = folder / f"{7:012d}{suffix}"
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(IndexDamagedError):
            Segment(folder, 7).verify()
    path.unlink()
    with pytest.raises(IndexDamagedError):
        Segment(folder, 7).verify()
