"""`dfindex compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dfindex.cli.main import NOTHING_FOUND, OK
from dfindex.cli.options import OutputFile, as_json, echo, frames_folder_flag, print_json

if TYPE_CHECKING:
    from dfindex.compare import FileComparison


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--out", type=OutputFile(), metavar="PNG", help="Draw what was found.")
@frames_folder_flag
@as_json
def compare(a: Path, b: Path, out: Path | None, frames_folder: bool, as_json: bool) -> int:
    """Say whether B is a copy of A, and what was changed.

    Of two videos, say which parts they share; one of both may be a picture.

    Exits with 0 where one is a copy of the other (exact, copy, altered_copy), else with 1.
    """
    from dfindex.outputs import check_apart

    check_apart(out, (a, b))
    for one in (a, b):
        if one.is_dir() and not frames_folder:
            raise click.UsageError(
                f"expected two files, got the folder {one}; with --frames-folder its pictures are "
                "the frames of a video"
            )
    result = _compared(a, b, out)
    if as_json:
        print_json(result.to_json())
    else:
        echo(f"{result.verdict.value}: {result.description}")
    return OK if result.found else NOTHING_FOUND


def _compared(a: Path, b: Path, out: Path | None) -> FileComparison:
    from indexer.media.videos.opening import holds_video

    if holds_video(a) or holds_video(b):
        from dfindex.compare_videos import compare_videos

        return compare_videos(a, b, out=out)
    from dfindex.compare import compare as compare_pictures

    return compare_pictures(a, b, out=out)
