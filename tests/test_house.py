"""What a person adds most often is added in few places: shown by adding it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from inspect import signature
from pathlib import Path

import click
from click.testing import CliRunner

from tests.checkout import ROOT

FEW = 3


def naming(words: str, *suffixes: str) -> set[Path]:
    """Return the files of the house, without tests and benchmarks, in which some words stand."""
    folders = ("indexer", "search", "probes", "dfindex")
    files = (path for name in folders for path in (ROOT / name).rglob("*"))
    sought = re.compile(words)
    return {
        path.relative_to(ROOT)
        for path in files
        if path.suffix in suffixes and path.stem != "swagger-ui-bundle"
        if sought.search(path.read_text(encoding="utf-8"))
    }


def beyond(found: Iterable[Path], *known: str) -> list[str]:
    return sorted(str(path) for path in found if str(path) not in known)


def test_a_search_option_is_added_where_options_stand_and_where_it_acts() -> None:
    """Python, the command line and HTTP take what `SearchOptions` lists."""
    from dfindex.cli.search import search
    from dfindex.server.http.bodies import SearchFields
    from search.options import OPTIONS
    from search.pictures import PictureSearcher
    from search.videos.searcher import VideoSearcher

    names = {option.name for option in OPTIONS}
    assert names <= {option.name for option in search.params if isinstance(option, click.Option)}
    assert names == SearchFields.model_fields.keys()
    # What acts on it beside the list: the searchers of pictures and of videos.
    for searcher in (PictureSearcher, VideoSearcher):
        assert [*signature(searcher.search).parameters][1:3] == ["query", "options"]


def test_an_unknown_search_option_is_none() -> None:
    from dfindex.cli.search import search

    result = CliRunner().invoke(search, ["x.png", "--min-scores", "1"])
    assert result.exit_code == 2


def test_a_verdict_is_added_where_verdicts_stand_and_where_it_is_decided() -> None:
    """Tables, pages, reports and drawings know tones and words, not verdicts."""
    pages = naming(r"\baltered_copy\b|ALTERED_COPY", ".py", ".html", ".css", ".js")
    shown = {path for path in pages if path.parts[0] == "dfindex"}
    helps = ("dfindex/cli/search.py", "dfindex/cli/compare.py", "dfindex/cli/duplicates.py")
    assert not beyond(shown, *helps)  # which name what exits with 0
    decided = {path for path in pages if path.parts[:2] == ("search", "verification")}
    assert len(decided | {Path("search/verdict.py")}) <= FEW, decided


def test_a_format_is_added_in_few_places() -> None:
    """One with a reader of its own: the table, the reader, where stills are opened."""
    places = naming(r'"JXL"|JPEG_XL\b|jpeg_xl', ".py")
    handed_on = "indexer/media/readers/__init__.py"
    assert beyond(places, handed_on) == [
        "indexer/media/formats.py",
        "indexer/media/readers/jpeg_xl.py",
        "indexer/media/stills.py",
    ]
    # How the end of one is told, its depth and its colour are asked for only where they differ.
    assert len(beyond(naming(r'"PSD"', ".py"))) < FEW
