"""The house stays as designed: imports go down the ladder, and the front door stays light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
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
    {"types", "errors", "closing", "disk", "silenced_warnings", "structure", "untrusted_json"},
    {"corpus", "preprocess", "keypoints", "extract"},
    {"media"},
    {"isolation", "encoders", "store", "labels"},
    {"originals"},
    {"engines"},
    {"build"},
]


def modules() -> dict[str, Path]:
    """Return all modules and packages by their dotted names."""
    found = {}
    for package in PACKAGES:
        for path in files_of(package):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


MODULES: dict[str, Path]


def imports_of(path: Path, *, types_too: bool = True) -> set[str]:
    """Return the modules that a file imports, in functions too; of ours, by their full names.

    What is imported for its types alone is left out where not ``types_too``.
    """
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) and not types_too:
            node.body = [ast.Pass()]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (names & MODULES.keys()) or {node.module}
    return found


def files_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


MODULES = modules()


def public(package: str) -> list[str]:
    """Return the modules and packages that a package hands on."""
    for node in ast.parse(MODULES[package].read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


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


def borders(importer: str, imported: str) -> list[tuple[str, str]]:
    """Return the packages that an import enters from outside, each with the name asked of it."""
    parts = imported.split(".")
    packages = [(".".join(parts[:depth]), parts[depth]) for depth in range(1, len(parts))]
    return [
        (package, name)
        for package, name in packages
        if package != "dfindex" and not f"{importer}.".startswith(f"{package}.")
    ]


def test_nobody_reaches_past_what_a_package_hands_on() -> None:
    for module, path in MODULES.items():
        for imported in imports_of(path) & MODULES.keys():
            for package, name in borders(module, imported):
                assert name in public(package), f"{module} imports {imported}"


def test_what_a_package_hands_on_is_there_and_is_taken() -> None:
    taken = {
        border
        for folder in (*PACKAGES, "tests", "training")
        for path in files_of(folder)
        for imported in imports_of(path) & MODULES.keys()
        for border in borders(".".join(path.relative_to(ROOT).with_suffix("").parts), imported)
    }
    for package, path in MODULES.items():
        if path.name == "__init__.py" and package != "dfindex":
            assert {(package, name) for name in public(package)} <= taken, package


def test_no_imports_run_in_a_circle() -> None:
    below = {
        name: imports_of(path, types_too=False) & MODULES.keys() - {name}
        for name, path in MODULES.items()
        if path.name != "__init__.py"
    }
    try:
        TopologicalSorter(below).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(error.args[1][::-1]))


def test_no_folder_holds_more_than_twenty_modules() -> None:
    for folder in {path.parent for path in MODULES.values()}:
        names = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
        assert len(names) <= 20, f"{folder} holds {len(names)} modules"


def test_only_the_store_speaks_sql() -> None:
    spoken = re.compile(r"\.(query|execute)\(|\bSELECT\b")
    for name, path in MODULES.items():
        if not name.startswith("indexer.store"):
            assert not spoken.search(path.read_text()), path


def test_a_picture_becomes_a_vector_in_one_place() -> None:
    reads = re.compile(r"encoder\.encode\(")
    aside = ("indexer.encoders.", "dfindex.server.encoding", "benchmarks.")  # encoders themselves
    found = [name for name, path in MODULES.items() if reads.search(path.read_text())]
    assert [name for name in found if not name.startswith(aside)] == ["indexer.extract"]


def test_no_class_name_stands_for_two_things() -> None:
    places: dict[str, list[str]] = {}
    for name, path in MODULES.items():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(name)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


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
    packaged = f"{package}*" in project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert packaged is (package != "benchmarks")  # a name that others install too
    assert (ROOT / package / "py.typed").exists()
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


def test_the_guide_names_what_is_there() -> None:
    named = re.findall(r"`((?:\w+/)+[\w.]*)`", (ROOT / "docs" / "developing.md").read_text())
    assert len(named) > 40
    assert [name for name in named if not (ROOT / name).exists()] == []
