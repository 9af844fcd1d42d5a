"""`dfindex bench build|copy|search|probe`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from dfindex.cli.options import as_json, encoder_options, print_json
from dfindex.import_guard import find_benchmarks


@click.group()
def bench() -> None:
    """Measure dfindex on this machine, with the baselines in the same run."""
    find_benchmarks()


@bench.command()
@click.argument(
    "photos", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--pictures", default=500, show_default=True, type=click.IntRange(8))
@click.option("--batch-size", default=8, show_default=True, type=click.IntRange(1))
@click.option("--workers", type=click.IntRange(1), help="Processes that decode; one a core.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1))
@click.option(
    "--engine",
    metavar="torch,openvino",
    help="Compare engines instead: rates and deviations of the same model, on the CPU.",
)
@encoder_options
@as_json
def build(
    photos: Path | None,
    pictures: int,
    batch_size: int,
    workers: int | None,
    rounds: int,
    engine: str | None,
    encoder: str | None,
    device: str,
    precision: str,
    as_json: bool,
) -> None:
    """Compare the build's rate with the bare model's and with a plain loop's.

    PHOTOS is a folder of pictures; by default the checkout's sample corpus.
    """
    import os

    from benchmarks.build_throughput import run
    from dfindex.cli.tables.bench import throughput_table
    from indexer.encoders.registry import load

    if engine is not None:
        return _engines(
            engine,
            encoder,
            photos or _sample_corpus(),
            pictures,
            batch_size,
            rounds,
            as_json=as_json,
        )
    loaded = load(encoder, device=device, precision=precision)
    report = run(
        loaded,
        photos or _sample_corpus(),
        pictures=pictures,
        batch_size=batch_size,
        workers=workers or os.cpu_count() or 1,
        rounds=rounds,
        plain_folder=_folder(encoder),
    )
    if as_json:
        print_json(report)
    else:
        throughput_table(report)


@bench.command()
@click.argument("photos", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--pictures", default=2500, show_default=True, type=click.IntRange(2))
@click.option("--rounds", default=6, show_default=True, type=click.IntRange(1))
@click.option("--strangers", default=200, show_default=True, type=click.IntRange(0))
@click.option("--seed", default=0, show_default=True)
@encoder_options
@as_json
def search(
    photos: Path,
    pictures: int,
    rounds: int,
    strangers: int,
    seed: int,
    encoder: str | None,
    device: str,
    precision: str,
    as_json: bool,
) -> None:
    """Time searches, verified and not, and count the non-matching pictures that are called copies.

    PHOTOS is a folder with test/, validation/ and train/. Each attack is made of ROUNDS pictures.
    """
    from benchmarks.search_latency import run
    from dfindex.cli.tables.bench import search_table
    from indexer.encoders.registry import load

    report = run(
        photos,
        load(encoder, device=device, precision=precision),
        pictures=pictures,
        rounds=rounds,
        strangers=strangers,
        seed=seed,
        tell=lambda step: click.echo(step, err=True),
    )
    if as_json:
        print_json(report)
    else:
        search_table(report)


@bench.command()
@click.argument("photos", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--references", default=1000, show_default=True, type=click.IntRange(2))
@click.option("--originals", default=100, show_default=True, type=click.IntRange(1))
@click.option("--distractors", default=60, show_default=True, type=click.IntRange(1))
@click.option(
    "--slow-originals",
    default=60,
    show_default=True,
    type=click.IntRange(1),
    help="Originals for SIFT over all pairs.",
)
@click.option(
    "--attack",
    "attacks",
    multiple=True,
    metavar="NAME",
    help="Only this attack; may be given several times.",
)
@click.option(
    "--localised",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Photographs to alter locally, for a second table of where alterations are found.",
)
@click.option("--copies/--no-copies", default=True, help="The table of copy detection.")
@click.option("--fast", is_flag=True, help="Hashes and the encoder alone: no SIFT, no search.")
@click.option("--seed", default=0, show_default=True)
@encoder_options
@as_json
def copy(
    photos: Path,
    references: int,
    originals: int,
    distractors: int,
    slow_originals: int,
    attacks: tuple[str, ...],
    localised: int,
    copies: bool,
    fast: bool,
    seed: int,
    encoder: str | None,
    device: str,
    precision: str,
    as_json: bool,
) -> None:
    """Attack photographs, and find their originals by every method.

    PHOTOS is a folder with test/, validation/ and train/; only test/ is attacked.
    """
    from benchmarks.copies import benchmark, localisation
    from benchmarks.copies.compared import all_methods, fast_methods
    from benchmarks.copies.localisers import all_localisers
    from dfindex.cli.tables.bench import copy_tables
    from indexer.encoders.registry import load

    tell = partial(click.echo, err=True)
    found = altered = None
    if copies:
        loaded = load(encoder, device=device, precision=precision)
        found = benchmark.run(
            photos,
            encoder=loaded,
            methods=fast_methods(loaded) if fast else all_methods(loaded),
            references=references,
            originals=originals,
            distractors=distractors,
            slow_originals=min(slow_originals, originals),
            attacks=attacks,
            seed=seed,
            progress=tell,
        )
    if localised:
        altered = localisation.run(
            photos, methods=all_localisers(), originals=localised, seed=seed, progress=tell
        )
    if as_json:
        print_json({"copies": found, "localisation": altered})
    else:
        copy_tables(found, altered)


@bench.command()
@click.argument("labels", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--mesonet",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of MesoNet's published weights, Meso4_DF.h5 and others.",
)
@click.option("--held-out", metavar="GENERATOR", help="Whose fakes are new; default: the most.")
@click.option("--shots", default="1,5,10,50", show_default=True, metavar="N,N,...")
@click.option("--queries", default=15, show_default=True, type=click.IntRange(1))
@click.option("--episodes", default=100, show_default=True, type=click.IntRange(2))
@click.option("--seed", default=0, show_default=True)
@encoder_options
@as_json
def probe(
    labels: Path,
    mesonet: Path | None,
    held_out: str | None,
    shots: str,
    queries: int,
    episodes: int,
    seed: int,
    encoder: str | None,
    device: str,
    precision: str,
    as_json: bool,
) -> None:
    """Learn a new kind of fake from a few pictures, with the baselines in the same run.

    LABELS is a label file: path,label,generator.
    """
    from benchmarks.probes.shots import run
    from dfindex.cli.tables.bench import probe_table
    from dfindex.probing.options import parsed_shots
    from indexer.encoders.registry import load

    report = run(
        labels,
        load(encoder, device=device, precision=precision),
        mesonet=mesonet,
        held_out=held_out,
        shots=parsed_shots(shots),
        queries=queries,
        episodes=episodes,
        seed=seed,
        tell=lambda step: click.echo(step, err=True),
    )
    if as_json:
        print_json(report.to_json())
    else:
        probe_table(report)


def _engines(
    engines: str,
    encoder: str | None,
    photos: Path,
    pictures: int,
    batch_size: int,
    rounds: int,
    *,
    as_json: bool,
) -> None:
    from benchmarks.engines import run
    from dfindex.cli.tables.detection import engines_table

    report = run(
        encoder,
        photos,
        engines=engines.split(","),
        pictures=pictures,
        batch_size=batch_size,
        rounds=rounds,
    )
    if as_json:
        print_json(report)
    else:
        engines_table(report)


def _sample_corpus() -> Path:
    photos = Path(__file__).resolve().parents[2] / "data" / "photos"
    if not photos.is_dir():
        raise click.UsageError("name a folder of pictures; the sample corpus is not installed here")
    return photos


def _folder(encoder: str | None) -> Path | None:
    """Return an encoder's folder in Hugging Face layout, for the loop people write themselves."""
    from indexer.encoders.registry import DEFAULT, show

    if encoder is not None and Path(encoder).is_dir():
        return Path(encoder)
    return show(encoder or DEFAULT).folder
