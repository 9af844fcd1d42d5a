import numpy as np

from probes.evaluation.encoding import jpeg_tables
from probes.suggest import suggest, uncertainty


def test_uncertainty_is_the_lack_of_a_lead() -> None:
    assert uncertainty(np.array([0.5, 0.0, 1.0, 0.75])).tolist() == [1, 0, 0, 0.5]
    several = np.array([[0.4, 0.4, 0.2], [0.7, 0.2, 0.1]])
    assert np.allclose(uncertainty(several), [1, 0.5])


def test_unsure_pictures_that_differ_come_first() -> None:
    # Two unsure twins at angle 0, one unsure at 90 degrees, one sure at 180.
    X = np.array([[1.0, 0.0], [1.0, 0.001], [0.0, 1.0], [-1.0, -1.0]])
    found = suggest(X, np.array([0.5, 0.5, 0.45, 0.99]), np.zeros((0, 2)), count=3)
    assert set(found[:2].tolist()) in ({0, 2}, {1, 2})
    assert found[:2].tolist() != [0, 1]


def test_what_is_known_already_is_not_asked_again() -> None:
    X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    found = suggest(X, np.array([0.5, 0.5, 0.5]), np.array([[1.0, 0.0]] * 2), count=3)
    assert found[-1] == 0


def test_jpeg_tables_are_read_without_decoding() -> None:
    import io

    from PIL import Image

    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8))
    for quality, subsampling in ((90, 0), (50, 2)):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, subsampling=subsampling)
        buffer.seek(0)
        with Image.open(buffer) as again:
            want = [np.mean(again.quantization[table]) for table in (0, 1)]
        luma, chroma, sampling = jpeg_tables(buffer.getvalue())
        assert [luma, chroma] == want
        assert sampling == (1.0 if subsampling == 0 else 4.0)


def test_no_bytes_break_the_reader_of_tables() -> None:
    rng = np.random.default_rng(0)
    for data in (b"", b"\xff\xd8", b"\xff\xd8\xff\xdb\x00\x02", b"\xff\xd8\xff\xdb\xff\xff\x01"):
        assert jpeg_tables(data)[2] == 0.0
    for _ in range(200):
        jpeg_tables(b"\xff\xd8\xff\xdb" + rng.bytes(60))
