"""`dfindex build`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from dfindex.cli.main import OK, SOME_FAILED
from dfindex.cli.options import as_json, encoder_options, engine_option, index_option, print_json


@click.command()
@click.argument("paths", nargs=-1, metavar="PATH...", type=click.Path())
@index_option
@encoder_options
@engine_option
@click.option("--workers", type=click.IntRange(1), help="Processes that decode; one a core.")
@click.option("--batch-size", type=click.IntRange(1), help="Pictures in one pass of the model.")
@click.option("--labels", type=click.Path(dir_okay=False), metavar="CSV", help="Labels to apply.")
@click.option("--label-from-folders", is_flag=True, help="Label by folder names: real, fake/GEN.")
@click.option("--prune", is_flag=True, help="Forget indexed files that have vanished.")
@click.option("--prune-missing-roots", is_flag=True, help="Also what lay on disks that are gone.")
@click.option("--retry-failed", is_flag=True, help="Read all failed files again.")
@click.option("--strict", is_flag=True, help="Exit with 4 where files failed.")
@click.option("--max-pixels", type=click.IntRange(1), help="Largest picture; 178,956,970.")
@click.option("--max-bytes", type=click.IntRange(1), help="Largest file.")
@click.option("--max-seconds", type=click.FloatRange(0.1), help="Longest time for one file.")
@click.option("--preset", metavar="NAME", help="Preprocessing in place of the encoder's own.")
@click.option("--layer", default=-1, help="Keep another block's tokens; makes a space NAME@LAYER.")
@click.option("--layers", metavar="4,8,12", help="One space for each of these blocks.")
@click.option("--frames", type=click.IntRange(1, 2000), help="Frames of a video; 12.")
@click.option("--fps", type=click.FloatRange(0, min_open=True), help="Frames a second of a video.")
@click.option("--scenes", is_flag=True, help="One frame for each scene of a video.")
@click.option("--frames-folder", multiple=True, metavar="DIR", help="Folders there are videos.")
@click.option("--progress/--no-progress", "show", default=None, help="Show or hide progress.")
@as_json
def build(
    paths: tuple[str, ...],
    index: Path,
    strict: bool,
    show: bool | None,
    layer: int,
    layers: str | None,
    as_json: bool,
    **given: Any,
) -> int:
    """Index files and folders.

    A second run reads only what is new or changed; a run that was stopped goes on where it was.
    Every file ends as indexed or in dfindex failures, none is skipped in silence. Of a video 12
    frames are taken; with --frames-folder each folder of pictures at or below DIR is one video.
    """
    from dfindex.building import build_report
    from dfindex.cli.progress import shown_progress
    from dfindex.cli.tables.search import build_summary

    if not paths and not given["frames_folder"]:
        raise click.UsageError("expected files or folders to index, got none")
    wanted = [layer] if layers is None else _numbers(layers)
    with shown_progress(sys.stderr.isatty() if show is None else show) as progress:
        reports = [
            build_report(paths, index=index, progress=progress, layer=one, **given)
            for one in wanted
        ]
    if as_json:
        print_json(reports[0] if layers is None else reports)
    else:
        build_summary(reports[-1], index)
    return SOME_FAILED if strict and reports[-1].failed_in_all else OK


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"expected block numbers such as 4,8,12, got {text!r}") from error
