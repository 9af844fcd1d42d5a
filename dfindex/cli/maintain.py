"""`dfindex remove`, `dfindex compact`, `dfindex relocate` and `dfindex doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from dfindex.cli.main import ERROR, NOTHING_FOUND, OK
from dfindex.cli.options import as_json, encoder_options, index_option, print_json


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="PATH|SHA256|ID...")
@index_option
@as_json
def remove(names: tuple[str, ...], index: Path, as_json: bool) -> int:
    """Delete files from the index; the files themselves are not touched.

    A folder's name removes all below it. What is still in the corpus comes back with the next
    build over it. dfindex compact gives the disk space back.
    """
    from dfindex.cli.tables.maintenance import removal_summary
    from dfindex.maintenance import remove as run

    result = run(index, names)
    if as_json:
        print_json(result)
    else:
        removal_summary(result)
    return OK if result.removed else NOTHING_FOUND


@click.command()
@index_option
@as_json
def compact(index: Path, as_json: bool) -> None:
    """Give back the space of what was removed, and join small segments."""
    from dfindex.cli.tables.maintenance import compaction_summary
    from dfindex.maintenance import compact as run

    result = run(index)
    if as_json:
        print_json(result)
    else:
        compaction_summary(result)


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only say what would be.")
@click.option("--force", is_flag=True, help="Relocate although nothing fits there.")
@index_option
@as_json
def relocate(old: Path, new: Path, dry_run: bool, force: bool, index: Path, as_json: bool) -> int:
    """Tell the index that what was at OLD is at NEW now; no file is touched.

    A case that moved together with its index needs no telling. Files at NEW are compared by size,
    and some by SHA-256; where nothing fits, nothing is relocated.
    """
    from dfindex.cli.tables.maintenance import relocation_summary
    from dfindex.maintenance import relocate as run

    result = run(index, old, new, dry_run=dry_run, force=force)
    if as_json:
        print_json(result)
    else:
        relocation_summary(result)
    return OK if result.moved or (dry_run and result.fits) else NOTHING_FOUND


@click.command()
@index_option
@click.option("--repair", is_flag=True, help="Repair what can be repaired.")
@click.option("--files", is_flag=True, help="Compare every corpus file by SHA-256.")
@click.option(
    "--take-back", type=int, metavar="N", help="Put what lies in quarantine N where it was."
)
@click.option("--empty-quarantine", is_flag=True, help="Delete all that lies in quarantine.")
@click.option("--orientation", is_flag=True, help="Check which way an encoder's head points.")
@click.option(
    "--labels",
    metavar="CSV",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Labelled pictures for --orientation.",
)
@click.option("--preset", metavar="NAME", help="Preprocessing in place of the encoder's own.")
@encoder_options
@as_json
def doctor(
    index: Path,
    repair: bool,
    files: bool,
    take_back: int | None,
    empty_quarantine: bool,
    orientation: bool,
    labels: Path | None,
    preset: str | None,
    encoder: str | None,
    device: str,
    precision: str,
    as_json: bool,
) -> int:
    """Check every file of the index against its checksums, and stored logits against the head.

    The corpus is looked at too: which of its files are gone, and by SHA-256 which of those of
    another time are not what was indexed; with --files all are read.

    What a repair takes out of the index lies in quarantine, numbered, until --take-back N puts it
    where it was or --empty-quarantine deletes all of it.

    With --orientation --labels CSV: tell from labelled pictures whether an encoder's head says
    fake where it is declared to. The finding is kept in the index; dfindex detect and dfindex
    explain go by it from then on.
    """
    if orientation or labels is not None:
        if repair or labels is None or not orientation:
            raise click.UsageError("--orientation and --labels CSV go together, without --repair")
        return _orientation(index, labels, encoder, (device, precision, preset), as_json=as_json)
    if take_back is not None or empty_quarantine:
        if repair or files or (take_back is not None and empty_quarantine):
            raise click.UsageError("--take-back and --empty-quarantine stand alone")
        return _quarantine(index, take_back, as_json=as_json)
    from dfindex.cli.tables.maintenance import examination_table
    from dfindex.doctor.doctor import doctor as run

    result = run(index, repair=repair, every_file=files)
    if as_json:
        print_json(result)
    else:
        examination_table(result)
    return OK if result.healthy or repair else ERROR


def _quarantine(index: Path, number: int | None, *, as_json: bool) -> int:
    from dfindex.cli.tables.maintenance import quarantine_summary
    from dfindex.maintenance import empty_quarantine, take_back

    done = (
        [f"deleted {empty_quarantine(index)} files"] if number is None else take_back(index, number)
    )
    if as_json:
        print_json({"actions": done})
    else:
        quarantine_summary(done)
    return OK


def _orientation(
    index: Path,
    labels: Path,
    encoder: str | None,
    how: tuple[str, str, str | None],
    *,
    as_json: bool,
) -> int:
    from dfindex.cli.tables.detection import orientation_summary
    from dfindex.detection.calibration import check_orientation
    from dfindex.detection.detect import HeadDetector
    from dfindex.encoders import open_encoder

    device, precision, preset = how
    opened = open_encoder(encoder, device, precision, preset=preset)
    check = check_orientation(HeadDetector(opened, index=index), labels, index=index)
    if as_json:
        print_json(check)
    else:
        orientation_summary(check)
    return OK
