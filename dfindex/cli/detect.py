"""`dfindex detect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dfindex.cli.main import OK, SOME_FAILED
from dfindex.cli.options import (
    as_json,
    encoder_options,
    engine_option,
    index_option,
    print_json,
)

if TYPE_CHECKING:
    from dfindex.detection.detect import HeadDetector
    from dfindex.detection.wording import HeadThreshold


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path())
@index_option
@encoder_options
@engine_option
@click.option("--preset", metavar="NAME", help="Preprocessing in place of the encoder's own.")
@click.option("--views", is_flag=True, help="Average the centre and the corner crops.")
@click.option("--threshold", type=click.FloatRange(0, 1), help="Call it fake from here on.")
@click.option("--fpr", type=float, help="Call fake what this share of real pictures reaches.")
@click.option(
    "--calibrate",
    metavar="CSV",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Labelled pictures; --fpr is measured on its real ones.",
)
@click.option("--strict", is_flag=True, help="Exit with 4 where files cannot be read.")
@as_json
def detect(
    paths: tuple[str, ...],
    index: Path,
    encoder: str | None,
    device: str,
    precision: str,
    engine: str,
    preset: str | None,
    views: bool,
    threshold: float | None,
    fpr: float | None,
    calibrate: Path | None,
    strict: bool,
    as_json: bool,
) -> int:
    """Ask an encoder's own head how likely pictures and videos are fake.

    Give --encoder a forensic encoder; the packaged one has no such head. A threshold does not
    transfer from one kind of picture to another: calibrate on real pictures of your own.
    """
    from dfindex.cli.tables.detection import detections_table
    from dfindex.detection.detect import HeadDetector
    from dfindex.encoders import open_encoder

    opened = open_encoder(encoder, device, precision, preset=preset, engine=engine)
    detector = HeadDetector(opened, index=index)
    limit = _threshold(detector, threshold, fpr, calibrate, views)
    rows = detector.detect(paths, threshold=limit, views=views)
    if as_json:
        print_json(rows)
    else:
        detections_table(rows)
    return SOME_FAILED if strict and any(row.problem for row in rows) else OK


def _threshold(
    detector: HeadDetector,
    threshold: float | None,
    fpr: float | None,
    calibrate: Path | None,
    views: bool,
) -> HeadThreshold:
    from dfindex.detection.calibration import calibrated
    from dfindex.detection.wording import UNCALIBRATED, at_probability

    if threshold is not None and (fpr is not None or calibrate is not None):
        raise click.UsageError("--threshold is a threshold already; leave out --fpr, --calibrate")
    if threshold is not None:
        return at_probability(threshold)
    if fpr is None and calibrate is None:
        return UNCALIBRATED
    return calibrated(detector, csv=calibrate, rate=fpr, views=views)
