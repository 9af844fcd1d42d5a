"""`dfindex probe train|evaluate|episodes|apply|suggest|list|show`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dfindex.cli.main import NOTHING_FOUND, OK
from dfindex.cli.options import (
    as_json,
    choice,
    encoder_options,
    index_option,
    print_json,
    report_option,
)
from probes.choices import METHODS, Calibration, FeatureKind, SplitBy, Target

where_option = click.option("--where", metavar="EXPR", help="Only labelled samples that meet this.")
seed_option = click.option("--seed", default=0, show_default=True, help="Of folds and draws.")
max_fpr_option = click.option(
    "--max-fpr",
    default=0.05,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of real pictures that the threshold may call fake.",
)
split_option = click.option(
    "--split",
    default="auto",
    show_default=True,
    type=choice(SplitBy),
    help="What stays on one side of a split; auto takes the coarsest that leaves enough.",
)
features_option = click.option(
    "--features",
    default="cls",
    show_default=True,
    type=choice(FeatureKind),
    help="Class tokens, pooled patch tokens, or all of them for a patch head.",
)
space_option = click.option(
    "--space", "spaces", multiple=True, metavar="NAME", help="Which space; several are joined."
)


@click.group()
def probe() -> None:
    """Train heads on the features of labelled pictures, and use them."""


@probe.command()
@click.argument("name")
@index_option
@click.option("--target", default="fake", show_default=True, type=choice(Target))
@click.option("--method", default="auto", show_default=True, type=click.Choice(METHODS))
@features_option
@click.option(
    "--pooling", type=click.Choice(["attention", "max"]), help="How a patch head reads tokens."
)
@click.option(
    "--calibration",
    default="platt",
    show_default=True,
    type=choice(Calibration),
    help="How scores become probabilities.",
)
@space_option
@where_option
@split_option
@max_fpr_option
@seed_option
@as_json
def train(name: str, index: Path, as_json: bool, **options: Any) -> None:
    """Train a probe on the labelled pictures, and measure it on pictures it has not seen."""
    from dfindex.cli.tables.probes import training_summary
    from dfindex.probing.options import train as run

    result = run(index, name, **options)
    if as_json:
        print_json(result.to_json())
    else:
        training_summary(result)


@probe.command()
@click.argument("name")
@index_option
@split_option
@max_fpr_option
@report_option
@as_json
def evaluate(
    name: str, index: Path, split: str, max_fpr: float, report: Path | None, as_json: bool
) -> None:
    """Measure a probe on the labels as they are now, by folds that it has not seen."""
    from dfindex.cli.tables.probes import evaluation_summary
    from dfindex.probing.probes import Prober
    from dfindex.reports.probe import write_probe_report
    from probes.choices import SplitBy

    with Prober(index) as prober:
        found = prober.evaluate(name, by=SplitBy(split), max_fpr=max_fpr)
        if report:
            write_probe_report(report, prober.load(name), found)
    if as_json:
        print_json(found.to_json(name))
    else:
        evaluation_summary(found)


@probe.command()
@index_option
@click.option("--shots", default="1,5,10,50", show_default=True, metavar="N,N,...")
@click.option("--held-out", metavar="GENERATOR", help="Whose fakes are new; default: the most.")
@click.option("--queries", default=15, show_default=True, type=click.IntRange(1))
@click.option("--episodes", "count", default=100, show_default=True, type=click.IntRange(2))
@features_option
@space_option
@where_option
@seed_option
@report_option
@as_json
def episodes(index: Path, report: Path | None, as_json: bool, **options: Any) -> None:
    """Learn a generator from 1, 5, 10, 50 pictures, again and again, with every head."""
    from dfindex.cli.tables.probes import episodes_table
    from dfindex.probing.options import episodes as run
    from dfindex.reports.probe import write_episodes_report

    result = run(index, **options)
    if report:
        write_episodes_report(report, result)
    if as_json:
        print_json(result.to_json())
    else:
        episodes_table(result)


@probe.command()
@click.argument("name")
@click.argument("paths", nargs=-1, metavar="[PATH...]", type=click.Path(path_type=Path))
@index_option
@encoder_options
@as_json
def apply(
    name: str,
    paths: tuple[Path, ...],
    index: Path,
    encoder: str | None,
    device: str,
    precision: str,
    as_json: bool,
) -> int:
    """Score the whole index, or new files.

    The index's scores serve filters: dfindex search --where "probe.NAME > 0.9".
    """
    from dfindex.cli.tables.probes import applied_summary, verdicts_table
    from dfindex.probing.new_files import apply_to_files
    from dfindex.probing.probes import Prober

    with Prober(index) as prober:
        if not paths:
            result: Any = prober.apply(name)
        else:
            result = apply_to_files(
                prober, name, paths, encoder=encoder, device=device, precision=precision
            )
    if as_json:
        print_json(result if not paths else [one.to_json() for one in result])
    elif paths:
        verdicts_table(result)
    else:
        applied_summary(result)
    return OK


@probe.command()
@click.argument("name")
@index_option
@click.option("-n", "--count", default=10, show_default=True, type=click.IntRange(1))
@click.option("--where", metavar="EXPR", help="Only samples that meet this.")
@as_json
def suggest(name: str, index: Path, count: int, where: str | None, as_json: bool) -> int:
    """List the pictures whose label would teach a probe most."""
    from dfindex.cli.tables.probes import suggestions_table
    from dfindex.probing.new_files import suggestions
    from dfindex.probing.probes import Prober

    with Prober(index) as prober:
        found = suggestions(prober, name, count=count, where=where)
    if as_json:
        print_json(found)
    else:
        suggestions_table(found)
    return OK if found else NOTHING_FOUND


@probe.command("list")
@index_option
@as_json
def list_(index: Path, as_json: bool) -> None:
    """List all probes of the index."""
    from dfindex.cli.tables.probes import cards_table
    from dfindex.probing.probes import Prober

    with Prober(index) as prober:
        cards = prober.cards()
    if as_json:
        print_json([{**one, "training": len(one["training"])} for one in cards])
    else:
        cards_table(cards)


@probe.command()
@click.argument("name")
@index_option
@as_json
def show(name: str, index: Path, as_json: bool) -> None:
    """Show a probe's card."""
    from dfindex.cli.tables.probes import card_table
    from dfindex.probing.probes import Prober
    from indexer.store.catalog.probe_scores import probe_folder
    from probes.storage import check_name, read_card

    with Prober(index) as prober:
        prober.load(check_name(name))
        card = read_card(probe_folder(prober.path, name))
    if as_json:
        print_json(card)
    else:
        card_table(card)
