"""What a person does to a case: rename it, copy it, relocate it, prune it, link in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from indexer.store.catalog import presence
from tests.fake_encoder import NAME
from tests.indexer.store.catalog.test_migrations import unpacked
from tests.pictures import corpus, picture

Run = Callable[..., Result]


@pytest.fixture
def case(run: Run, tmp_path: Path) -> Path:
    """Index a case from within: eight pictures, a second copy of one, a copy in other bytes."""
    folder = tmp_path / "case"
    corpus(folder / "camera", 8)
    (folder / "mail").mkdir()
    shutil.copy(folder / "camera" / "00002.png", folder / "mail" / "again.png")
    picture(3).save(folder / "mail" / "packed.png", compress_level=9)
    build(run, folder)
    return folder


def build(run: Run, folder: Path, *more: object) -> Result:
    return run(
        "build", folder, "--index", folder / ".dfindex", "--encoder", NAME, "--workers", 1, *more
    )


def parsed(result: Result) -> Any:
    assert result.exit_code in (0, 1), result.output
    return json.loads(result.stdout)


def findings(run: Run, folder: Path) -> dict[str, Any]:
    """Return what search, compare and duplicates say, with paths as seen from the case."""
    index = ("--index", folder / ".dfindex", "--json")

    def inside(path: str) -> str:
        assert Path(path).is_file(), path
        return str(Path(path).relative_to(folder))

    search = parsed(run("search", folder / "mail" / "packed.png", "-k", 4, *index))
    by_id = parsed(run("search", 3, "-k", 3, *index))
    like = parsed(run("search", 3, "--where", f"path like '{folder}/mail/%'", *index))
    compared = parsed(
        run("compare", folder / "camera" / "00003.png", folder / "mail" / "packed.png", "--json")
    )
    groups = parsed(run("duplicates", *index))["groups"]
    return {
        "search": [(inside(h["sample"]["path"]), h["verdict"], h["score"]) for h in search["hits"]],
        "by id": [(inside(h["sample"]["path"]), h["verdict"]) for h in by_id["hits"]],
        "like": [inside(h["sample"]["path"]) for h in like["hits"]],
        "compare": (compared["verdict"], compared["score"]),
        "duplicates": [
            [(inside(m["sample"]["path"]), m["verdict"]) for m in group["members"]]
            for group in groups
        ],
    }


def test_a_renamed_case_gives_the_same_findings(run: Run, case: Path) -> None:
    before = findings(run, case)
    groups = [{path for path, _ in group} for group in before["duplicates"]]
    assert {"camera/00002.png", "mail/again.png"} in groups
    assert {"camera/00003.png", "mail/packed.png"} in groups
    renamed = case.rename(case.with_name("evidence 7"))
    assert findings(run, renamed) == before
    report = parsed(build(run, renamed, "--json"))
    assert (report["unchanged"], report["embedded"], report["missing"]) == (10, 0, [])
    assert findings(run, renamed) == before


@pytest.mark.slow
def test_a_copy_stands_for_itself_whatever_becomes_of_the_original(run: Run, case: Path) -> None:
    before = findings(run, case)
    copy = shutil.copytree(case, case.with_name("copy"))
    for path in case.rglob("*.png"):
        picture(99).save(path)
    assert findings(run, copy) == before
    shutil.rmtree(case)
    assert findings(run, copy) == before
    assert parsed(build(run, copy, "--json"))["embedded"] == 0


def test_a_copy_that_was_changed_does_not_borrow_from_the_original(run: Run, case: Path) -> None:
    copy = shutil.copytree(case, case.with_name("copy"))
    picture(99).save(copy / "camera" / "00005.png")
    (copy / "camera" / "00006.png").unlink()
    files = parsed(run("status", "--index", copy / ".dfindex", "--json"))["files"]
    assert (files["present"], files["changed"], files["gone"]) == (8, 1, 1)
    files = parsed(run("status", "--index", case / ".dfindex", "--json"))["files"]
    assert (files["present"], files["changed"], files["gone"]) == (10, 0, 0)


def test_labels_and_removal_go_by_the_paths_of_today(run: Run, case: Path) -> None:
    renamed = case.rename(case.with_name("evidence"))
    index = ("--index", renamed / ".dfindex", "--json")
    (renamed / "labels.csv").write_text("path,label\ncamera/00001.png,fake\n")
    assert parsed(run("label", "import", renamed / "labels.csv", *index))["labelled"] == 1
    assert run("label", "set", renamed / "camera" / "00000.png", "real", *index[:2]).exit_code == 0
    labels = {row["path"]: row["label"] for row in parsed(run("label", "list", *index))}
    assert labels == {
        str(renamed / "camera" / "00000.png"): "real",
        str(renamed / "camera" / "00001.png"): "fake",
    }
    assert parsed(run("remove", renamed / "mail", *index))["removed"] == 2
    assert run("remove", case / "camera", *index).exit_code == 1


def test_a_case_of_the_version_before(run: Run, tmp_path: Path) -> None:
    """Read by this version after a rename, before and after a build upgraded its index."""
    case = unpacked(tmp_path).rename(tmp_path / "port")

    def said() -> tuple[object, ...]:
        index = ("--index", case / ".dfindex", "--json")
        search = parsed(run("search", case / "deep" / "blue.png", "-k", 3, *index))
        files = [Path(hit["sample"]["path"]).relative_to(case) for hit in search["hits"]]
        groups = parsed(run("duplicates", *index))["groups"]
        return (
            [str(file) for file in files],
            search["hits"][0]["verdict"],
            [
                sorted(os.path.relpath(one["sample"]["path"], case) for one in group["members"])
                for group in groups
            ],
            parsed(run("status", *index))["files"],
            {row["label"] for row in parsed(run("label", "list", *index))},
        )

    before = said()
    assert before[0][0] == "deep/blue.png"
    assert before[1:4] == (
        "exact",
        [["deep/r\\xe9d.png", "deep/red again.png", "red.png"]],
        {"present": 5, "gone": 0, "changed": 0, "unverified": 0, "links": 0},
    )
    assert before[4] == {"fake"}
    report = parsed(build(run, case, "--json"))
    assert (report["seen"], report["unchanged"], report["embedded"]) == (6, 6, 0)
    assert said() == before
    case = case.rename(tmp_path / "harbour again")
    assert said() == before


def test_from_another_process(run: Run, case: Path) -> None:
    renamed = case.rename(case.with_name("evidence"))
    done = subprocess.run(
        [sys.executable, "-m", "dfindex", "status", "--index", ".dfindex", "--json"],
        cwd=renamed,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["files"] == {
        "present": 10,
        "gone": 0,
        "changed": 0,
        "unverified": 0,
        "links": 0,
    }


class TestRelocate:
    @pytest.fixture
    def index(self, run: Run, case: Path, tmp_path: Path) -> Path:
        """Move the index away from its case, which then moves elsewhere."""
        index = (case / ".dfindex").rename(tmp_path / "index")
        (tmp_path / "disk").mkdir()
        case.rename(tmp_path / "disk" / "moved")
        return index

    def relocate(self, run: Run, index: Path, *more: object) -> tuple[int, dict[str, Any]]:
        result = run("relocate", *more, "--index", index, "--json")
        return result.exit_code, parsed(result)

    def test_files_are_found_where_they_are_said_to_be(
        self, run: Run, case: Path, index: Path, tmp_path: Path
    ) -> None:
        moved = tmp_path / "disk" / "moved"
        before = parsed(run("status", "--index", index, "--json"))["files"]
        assert (before["present"], before["gone"]) == (0, 10)
        said = {"old": str(case), "new": str(moved), "files": 10, "there": 10}
        code, dry = self.relocate(run, index, case, moved, "--dry-run")
        assert (code, dry) == (0, said | {"compared": 8, "same": 8, "moved": False})
        assert parsed(run("status", "--index", index, "--json"))["files"] == before
        code, done = self.relocate(run, index, case, moved)
        assert (code, done) == (0, said | {"compared": 8, "same": 8, "moved": True})
        after = parsed(run("status", "--index", index, "--json"))["files"]
        assert (after["present"], after["gone"]) == (10, 0)
        report = parsed(
            run("build", moved, "--index", index, "--encoder", NAME, "--workers", 1, "--json")
        )
        assert (report["unchanged"], report["embedded"], report["missing"]) == (10, 0, [])

    def test_a_folder_of_a_root(self, run: Run, case: Path, index: Path, tmp_path: Path) -> None:
        moved = tmp_path / "disk" / "moved"
        self.relocate(run, index, case, moved)
        (moved / "mail").rename(tmp_path / "post")
        _, done = self.relocate(run, index, moved / "mail", tmp_path / "post")
        assert (done["files"], done["moved"]) == (2, True)
        files = parsed(run("status", "--index", index, "--json"))["files"]
        assert (files["present"], files["gone"]) == (10, 0)

    def test_one_file(self, run: Run, case: Path, index: Path, tmp_path: Path) -> None:
        moved = tmp_path / "disk" / "moved" / "mail" / "again.png"
        _, done = self.relocate(run, index, case / "mail" / "again.png", moved)
        assert (done["files"], done["same"], done["moved"]) == (1, 1, True)
        files = parsed(run("status", "--index", index, "--json"))["files"]
        assert (files["present"], files["gone"]) == (1, 9)

    def test_nothing_that_fits_is_refused(
        self, run: Run, case: Path, index: Path, tmp_path: Path
    ) -> None:
        code, done = self.relocate(run, index, case, tmp_path / "nowhere")
        assert (code, done["there"], done["moved"]) == (1, 0, False)
        # Files of the same names and sizes, with other bytes.
        other = shutil.copytree(tmp_path / "disk" / "moved", tmp_path / "other")
        for path in other.rglob("*.png"):
            data = path.read_bytes()
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        code, done = self.relocate(run, index, case, other)
        assert (code, done["there"], done["same"], done["moved"]) == (1, 10, 0, False)
        assert "left as it is" in run("relocate", case, other, "--index", index).output
        code, done = self.relocate(run, index, case, other, "--force")
        assert (code, done["moved"]) == (0, True)

    def test_a_place_of_which_the_index_knows_nothing(
        self, run: Run, index: Path, tmp_path: Path
    ) -> None:
        code, done = self.relocate(run, index, tmp_path / "never", tmp_path / "disk")
        assert (code, done["files"], done["moved"]) == (1, 0, False)

    def test_onto_what_is_known_already(
        self, run: Run, case: Path, index: Path, tmp_path: Path
    ) -> None:
        moved = tmp_path / "disk" / "moved"
        run("build", moved, "--index", index, "--encoder", NAME, "--workers", 1)
        _, done = self.relocate(run, index, case, moved)
        assert done["moved"]
        status = parsed(run("status", "--index", index, "--json"))
        assert (status["media"]["seen"], status["files"]["present"]) == (10, 10)


class TestPrune:
    def seen(self, run: Run, case: Path) -> int:
        status = parsed(run("status", "--index", case / ".dfindex", "--json"))
        return int(status["media"]["seen"])

    def test_a_deleted_file_or_folder_is_forgotten(self, run: Run, case: Path) -> None:
        shutil.rmtree(case / "mail")
        (case / "camera" / "00001.png").unlink()
        assert build(run, case, "--prune").exit_code == 0
        assert self.seen(run, case) == 7

    def test_an_emptied_root_is_not(self, run: Run, case: Path) -> None:
        away = case.with_name("away")
        away.mkdir()
        for name in ("camera", "mail"):
            (case / name).rename(away / name)
        result = build(run, case, "--prune")
        assert result.exit_code == 3
        assert "--prune-missing-roots" in result.stderr
        assert self.seen(run, case) == 10
        for name in ("camera", "mail"):
            (away / name).rename(case / name)
        assert parsed(build(run, case, "--prune", "--json"))["unchanged"] == 10

    def test_nor_a_folder_left_empty_by_a_disk_that_was_mounted_there(
        self, run: Run, case: Path
    ) -> None:
        for path in (case / "mail").iterdir():
            path.unlink()
        assert build(run, case, "--prune").exit_code == 3
        assert self.seen(run, case) == 10
        result = build(run, case, "--prune-missing-roots", "--json")
        assert parsed(result)["pruned"] == 2
        assert self.seen(run, case) == 8

    def test_nor_a_root_that_is_gone(self, run: Run, case: Path, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        corpus(disk, 2, first_seed=50)
        index = ("--index", case / ".dfindex", "--encoder", NAME, "--workers", 1)
        run("build", disk, *index)
        disk.rename(tmp_path / "unplugged")
        assert run("build", disk, case, "--prune", *index).exit_code == 2
        assert self.seen(run, case) == 12
        assert run("build", case, "--prune", *index).exit_code == 0
        assert self.seen(run, case) == 12
        assert run("build", tmp_path / "typo", "--prune-missing-roots", *index).exit_code == 2
        assert run("build", disk, case, "--prune-missing-roots", *index).exit_code == 0
        assert self.seen(run, case) == 10


class TestLooking:
    def test_status_reads_what_has_another_time(self, run: Run, case: Path) -> None:
        one, other = case / "camera" / "00001.png", case / "camera" / "00002.png"
        os.utime(one, (1, 1))
        data = other.read_bytes()
        other.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        files = parsed(run("status", "--index", case / ".dfindex", "--json"))["files"]
        assert files == {"present": 9, "gone": 0, "changed": 1, "unverified": 0, "links": 0}

    def test_status_leaves_much_unread(
        self, run: Run, case: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(presence, "_READ_BYTES", 0)
        os.utime(case / "camera" / "00001.png", (1, 1))
        files = parsed(run("status", "--index", case / ".dfindex", "--json"))["files"]
        assert files == {"present": 9, "gone": 0, "changed": 0, "unverified": 1, "links": 0}

    def test_doctor_reads_what_has_another_time(self, run: Run, case: Path) -> None:
        one, other, third = (case / "camera" / f"0000{number}.png" for number in (1, 2, 3))
        os.utime(one, (1, 1))
        data = other.read_bytes()
        other.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        third.unlink()
        result = run("doctor", "--index", case / ".dfindex", "--json")
        assert result.exit_code == 0
        files = parsed(result)["files"]
        assert files == {"seen": 10, "read": 2, "gone": [str(third)], "changed": [str(other)]}

    @pytest.mark.slow
    def test_doctor_reads_everything_when_asked_to(self, run: Run, case: Path) -> None:
        path = case / "camera" / "00001.png"
        status, data = path.stat(), path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        index = ("--index", case / ".dfindex", "--json")
        assert parsed(run("doctor", *index))["files"]["changed"] == []
        files = parsed(run("doctor", "--files", *index))["files"]
        assert (files["read"], files["changed"]) == (10, [str(path)])
        assert str(path) in run("doctor", "--files", *index[:2]).output.replace("\n", "")


class TestLinks:
    def duplicates(self, run: Run, case: Path) -> tuple[list[set[str]], dict[str, str]]:
        build(run, case)
        found = parsed(run("duplicates", "--index", case / ".dfindex", "--json"))
        groups = [
            {str(Path(one["sample"]["path"]).relative_to(case)) for one in group["members"]}
            for group in found["groups"]
        ]
        links = {
            str(Path(one["path"]).relative_to(case)): str(Path(one["of"]).relative_to(case))
            for one in found["links"]
        }
        return groups, links

    def test_a_link_is_no_duplicate_of_its_file(self, run: Run, case: Path) -> None:
        groups, links = self.duplicates(run, case)
        assert links == {}
        (case / "a link.png").symlink_to(case / "camera" / "00001.png")
        (case / "mail" / "hard.png").hardlink_to(case / "camera" / "00004.png")
        (case / "all").symlink_to(case / "camera")
        after, links = self.duplicates(run, case)
        assert after == groups
        assert links == {
            "a link.png": "camera/00001.png",
            "mail/hard.png": "camera/00004.png",
            **{f"all/0000{number}.png": f"camera/0000{number}.png" for number in range(8)},
        }
        assert parsed(run("status", "--index", case / ".dfindex", "--json"))["files"]["links"] == 10

    def test_a_link_that_became_a_copy_is_one(self, run: Run, case: Path) -> None:
        (case / "b.png").hardlink_to(case / "camera" / "00005.png")
        before, links = self.duplicates(run, case)
        assert links == {"camera/00005.png": "b.png"}
        data = (case / "b.png").read_bytes()
        (case / "b.png").unlink()
        (case / "b.png").write_bytes(data)
        after, links = self.duplicates(run, case)
        assert links == {}
        assert [one for one in after if one not in before] == [{"b.png", "camera/00005.png"}]

    def test_links_are_known_while_their_disk_is_away(
        self, run: Run, case: Path, tmp_path: Path
    ) -> None:
        (case / "b.png").hardlink_to(case / "camera" / "00005.png")
        self.duplicates(run, case)
        index = (case / ".dfindex").rename(tmp_path / "index")
        shutil.rmtree(case)
        found = parsed(run("duplicates", "--index", index, "--json"))
        assert [(Path(one["path"]).name, Path(one["of"]).name) for one in found["links"]] == [
            ("00005.png", "b.png")
        ]
