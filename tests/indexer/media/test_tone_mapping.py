"""Tone mapping against the standards' own anchors, and against numbers worked out here."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.media.tone_mapping import Primaries, Transfer, to_srgb


def pq(light: float) -> float:
    """Return the PQ code value, 0 to 1, of light in cd/m2 (SMPTE ST 2084)."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = (light / 10000) ** m1
    return float(((c1 + c2 * power) / (1 + c3 * power)) ** m2)


def srgb(light: float) -> float:
    """Return the sRGB code value, 0 to 255, of light from 0 to 1."""
    return 255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)


def shown(
    codes: tuple[float, float, float], transfer: Transfer, primaries: Primaries = Primaries.BT2020
) -> list[int]:
    values = np.rint(65535 * np.array(codes)).astype(np.uint16)
    pixels = to_srgb(np.tile(values, (2, 3, 1)), transfer, primaries)
    assert pixels.shape == (2, 3, 3)
    return [int(one) for one in pixels[1, 2]]


@pytest.mark.parametrize("light", [0.05, 1, 10, 50, 90])
def test_what_is_darker_than_the_knee_is_shown_as_it_is(light: float) -> None:
    assert shown((pq(light),) * 3, Transfer.PQ) == pytest.approx([srgb(light / 203)] * 3, abs=1)


def test_the_peak_and_what_is_above_it_are_white() -> None:
    assert shown((pq(1000),) * 3, Transfer.PQ) == [255] * 3
    assert shown((pq(4000),) * 3, Transfer.PQ) == [255] * 3
    assert shown((1.0,) * 3, Transfer.HLG) == [255] * 3


def test_the_same_white_in_both_transfers_is_the_same() -> None:
    """BT.2408: reference white is 58 % of PQ and 75 % of HLG, and is mapped below white."""
    of_pq, of_hlg = shown((0.5807,) * 3, Transfer.PQ), shown((0.75,) * 3, Transfer.HLG)
    assert of_pq == pytest.approx(of_hlg, abs=1)
    assert 215 < of_pq[0] < 240


def test_brighter_stays_brighter() -> None:
    for transfer in (Transfer.PQ, Transfer.HLG):
        codes = np.linspace(0, 65535, 300).astype(np.uint16)
        ramp = to_srgb(np.repeat(codes[None, :, None], 3, axis=2), transfer, Primaries.BT2020)
        steps = np.diff(ramp[0, :, 0].astype(int))
        assert (steps >= 0).all()
        assert np.ptp(ramp) == 255


def test_a_colour_of_the_wide_gamut_is_the_colour_of_the_narrow_one() -> None:
    """BT.709's red in BT.2020 is (0.6274, 0.0691, 0.0164) by BT.2087, table 2."""
    red = tuple(pq(80 * part) for part in (0.6274, 0.0691, 0.0164))
    assert shown(red, Transfer.PQ) == pytest.approx([srgb(80 / 203), 0, 0], abs=4)
    dim = tuple(part ** (1 / 2.2) for part in (0.6274, 0.0691, 0.0164))
    assert shown(dim, Transfer.FILM) == pytest.approx([255, 0, 0], abs=5)


def test_grey_is_grey_whatever_the_primaries() -> None:
    for primaries in Primaries:
        assert shown((0.4, 0.4, 0.4), Transfer.FILM, primaries) == pytest.approx([102] * 3, abs=1)
