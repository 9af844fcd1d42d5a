"""What one command needs the others do without, and say where it is to be had."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.checkout import PHOTOS, ROOT

# Where the name to import is not that of the distribution.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "faiss": "faiss-cpu",
    "pi_heif": "pi-heif",
    "prometheus_client": "prometheus-client",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
    "python_multipart": "python-multipart",
}
OURS = {"_typeshed", "indexer", "search", "probes", "dfindex", "benchmarks", "training", "tests"}
WITHOUT = """
import sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Without())
from dfindex.cli import main
main({arguments!r})
"""
NAMES = ("umap", "matplotlib", "timm", "openvino", "fastapi", "starlette", "pydantic")
NAMES += ("uvicorn", "prometheus_client", "multipart", "python_multipart")


def without(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command where the libraries of all extras are missing."""
    code = WITHOUT.format(names=NAMES, arguments=[str(one) for one in arguments])
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )


def bounded(*extras: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"]]
    for extra in extras:
        named += project["optional-dependencies"][extra]
    return set(named)


def requirements(*extras: str) -> set[str]:
    return {re.split(r"[<>=\[]", one)[0] for one in bounded(*extras)}


def imported(*packages: str) -> set[str]:
    found = set()
    for package in packages:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                    found.add(node.module.partition(".")[0])
    return found - OURS - set(sys.stdlib_module_names)


def test_what_is_imported_is_declared() -> None:
    names = imported("indexer", "search", "probes", "dfindex")
    declared = requirements("openvino", "raw")
    assert {DISTRIBUTIONS.get(name, name) for name in names} <= declared
    more = {DISTRIBUTIONS.get(name, name) for name in imported("benchmarks", "training")}
    assert more <= declared | requirements("bench", "dev")


def test_what_an_extra_brings_is_in_the_default_install_too_with_the_same_bounds() -> None:
    assert bounded("map", "serve", "report", "backbones") == bounded()


def test_every_lower_bound_is_installed_by_make_lowest() -> None:
    listed = subprocess.run(
        [sys.executable, ".ci/lowest.py"], capture_output=True, text=True, cwd=ROOT, check=True
    ).stdout.splitlines()
    lowest = {re.sub(r">=([^,]+).*", r"==\1", one) for one in bounded("bench", "openvino", "raw")}
    assert lowest == set(listed)


@pytest.mark.slow
def test_an_index_is_built_and_searched_without_any_extra(tmp_path: Path) -> None:
    photos, index = sorted(PHOTOS.iterdir())[0], tmp_path / "index"
    built = without("--index", index, "build", photos)
    assert built.returncode == 0, built.stderr
    picture = min(photos.glob("*.jpg"))
    report = tmp_path / "report.html"
    found = without("--index", index, "search", picture, "-k", "1", "--report", report)
    assert (found.returncode, report.exists()) == (0, True), found.stderr
    for arguments, extra in (
        (("map", "--out", tmp_path / "map.html"), "map"),
        (("serve", "--port", "0"), "serve"),
    ):
        refused = without("--index", index, *arguments)
        assert refused.returncode == 3
        assert refused.stderr.count("\n") == 1
        assert f"pip install 'dfindex[{extra}]'" in refused.stderr


def test_benchmarks_are_run_of_a_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from dfindex import import_guard
    from indexer.errors import UsageError

    import_guard.find_benchmarks()
    monkeypatch.setattr(import_guard, "_HOME", tmp_path)
    with pytest.raises(UsageError, match="of a checkout"):
        import_guard.find_benchmarks()
