"""The house stays as designed: imports go down the ladder, and the front door stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.checkout import ROOT

PACKAGES = ("indexer", "search", "probes", "benchmarks", "dfindex")

# Each package may import itself and these.
BELOW = {
    "indexer": set(),
    "search": {"indexer"},
    "probes": {"indexer"},
    "benchmarks": {"indexer", "search", "probes"},
    "dfindex": {"indexer", "search", "probes", "benchmarks"},
}

# Inside indexer: the rung each part stands on. A part imports only lower rungs, or its own.
RUNGS = [
    {"types", "errors", "closing", "disk", "quiet", "structure", "untrusted_json"},
    {"corpus", "preprocess", "keypoints"},
    {"media"},
    {"isolation", "encoders", "store", "labels"},
    {"originals"},
    {"engines"},
    {"build"},
]


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module)
    return found


def files_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_downwards(package: str) -> None:
    for path in files_of(package):
        ours = {name.split(".")[0] for name in imports_of(path)} & set(PACKAGES)
        assert ours <= BELOW[package] | {package}, path


def rung(part: str) -> int:
    for height, parts in enumerate(RUNGS):
        if part in parts or any(part.startswith(f"{name}_") for name in parts):
            return height
    raise AssertionError(f"indexer.{part} stands on no rung of the ladder")


def test_indexer_imports_downwards() -> None:
    for path in files_of("indexer"):
        part = path.relative_to(ROOT / "indexer").parts[0].removesuffix(".py")
        if part == "__init__":
            continue
        for name in imports_of(path):
            parts = name.split(".")
            if parts[0] == "indexer" and len(parts) > 1:
                assert rung(parts[1]) <= rung(part), f"{path} imports {name}"


def loaded_by(code: str) -> set[str]:
    output = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout
    return {name.split(".")[0] for name in output.splitlines()}


HEAVY = {"torch", "faiss", "umap", "sklearn", "transformers", "timm", "duckdb", "cv2"}


def test_help_imports_nothing_heavy() -> None:
    code = (
        "from dfindex.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0"
    )
    assert not loaded_by(code) & HEAVY


def test_importing_dfindex_imports_nothing_heavy() -> None:
    assert not loaded_by("import dfindex") & HEAVY


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_typed_and_packaged(package: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert (ROOT / package / "py.typed").exists()
    assert f"{package}*" in project["tool"]["setuptools"]["packages"]["find"]["include"]
    for folder in {path.parent for path in files_of(package)}:
        assert (folder / "__init__.py").exists(), f"{folder} would be left out of the wheel"


def test_a_stray_file_of_our_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "search.py").write_text("stolen = True\n")
    result = subprocess.run(
        [sys.executable, "-m", "dfindex.cli.main"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert str(tmp_path / "search.py") in result.stderr
    assert "rename that file" in result.stderr


def test_the_changelog_is_at_the_package_s_version() -> None:
    import dfindex

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    changelog = (ROOT / "CHANGELOG.md").read_text()
    first = next(line for line in changelog.splitlines() if line.startswith("## "))
    assert first.split()[1] == dfindex.__version__ == project["project"]["version"]
