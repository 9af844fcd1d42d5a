"""`dfindex duplicates` and `dfindex decide`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dfindex.cli.main import NOTHING_FOUND, OK
from dfindex.cli.options import as_json, echo, index_option, print_json, report_option


@click.command()
@index_option
@click.option("--min-score", type=float, help="Look only at pairs at least so near.")
@click.option("--where", metavar="EXPR", help="Only among samples with: label = 'real'.")
@click.option("--space", metavar="NAME", help="Which space, where there are several.")
@report_option
@click.option("--progress/--no-progress", default=None, help="Show a bar on stderr.")
@as_json
def duplicates(
    index: Path,
    min_score: float | None,
    where: str | None,
    space: str | None,
    report: Path | None,
    progress: bool | None,
    as_json: bool,
) -> int:
    """Group the near-duplicates of the corpus, verified by their pixels.

    Exits with 0 where there is a group, that is a copy (exact, copy, altered_copy) or a pair that
    somebody decided is the same, else with 1.
    """
    import dfindex
    from dfindex.cli.progress import shown_steps
    from dfindex.cli.tables.duplicates import duplicates_table
    from dfindex.reports.duplicates import write_report

    shown = sys.stderr.isatty() if progress is None else progress
    with dfindex.open(index) as opened, shown_steps(shown) as tell:
        heard = {} if tell is None else {"progress": tell}
        found = opened.duplicates(where=where, min_score=min_score, space=space, **heard)
        if report:
            write_report(report, found, opened.originals)
    if as_json:
        print_json(found.to_json())
    else:
        duplicates_table(found)
    return OK if found.groups else NOTHING_FOUND


@click.command()
@click.argument("pictures", nargs=-1, metavar="[A B... same|different]")
@index_option
@as_json
def decide(pictures: tuple[str, ...], index: Path, as_json: bool) -> int:
    """Remember that pictures are the same or different; without any, list what was decided.

    A and B are paths, SHA-256 sums or ids; of more than two, every pair is decided. Searches and
    duplicates respect it ever after.
    """
    import dfindex
    from dfindex.cli.tables.duplicates import decisions_table
    from dfindex.maintenance import decide as run

    if pictures:
        if len(pictures) < 3:
            raise click.UsageError("expected two pictures or more, then same or different")
        count = run(index, pictures[:-1], pictures[-1])
        if as_json:
            print_json({"decision": pictures[-1], "pairs": count})
        else:
            echo(f"{count} {'pair is' if count == 1 else 'pairs are'} {pictures[-1]}.")
        return OK
    with dfindex.open(index) as opened:
        found = opened.decisions()
    if as_json:
        print_json(found)
    else:
        decisions_table(found)
    return OK if found else NOTHING_FOUND
