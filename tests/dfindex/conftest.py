"""What the tests of commands share: running one in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dfindex.cli import main

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DFINDEX_INDEX", raising=False)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(main, [str(one) for one in arguments])

    return invoke


@pytest.fixture
def answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*arguments: object) -> Result:
        result = CliRunner().invoke(main, [str(one) for one in arguments])
        assert result.exit_code in (0, 1), result.output
        return result

    return invoke
