from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.report.install import MARKER, check_target, install

OLD = {
    "index.html": "old",
    "accuracy.html": "old",
    "plotly.min.js": "p",
    "assets-1/data.js": "1",
    "assets-1/report.js": "r",
}
NEW = {"index.html": "new", "accuracy.html": "new", "plotly.min.js": "p", "assets-2/data.js": "2"}


def tree(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files if path.name != MARKER}


def nothing_beside(folder: Path) -> bool:
    return [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("exists", [True, False])
def test_writes_to_a_new_or_an_empty_folder(tmp_path: Path, exists: bool) -> None:
    out = tmp_path / "a" / "site"
    if exists:
        out.mkdir(parents=True)
    install(out, OLD)
    assert tree(out) == OLD
    assert json.loads((out / MARKER).read_text())["files"] == sorted(OLD)
    assert nothing_beside(out)
    assert out.stat().st_mode & 0o077 or out.stat().st_mode & 0o777 == 0o700


def test_replaces_an_earlier_site_and_keeps_other_files(tmp_path: Path) -> None:
    out = tmp_path / "site"
    install(out, OLD)
    (out / "notes.txt").write_text("mine")
    (out / "assets-1" / "mine.txt").write_text("mine too")
    install(out, NEW)
    assert tree(out) == {**NEW, "notes.txt": "mine", "assets-1/mine.txt": "mine too"}
    assert nothing_beside(out)


def test_empty_folders_of_the_earlier_site_go(tmp_path: Path) -> None:
    out = tmp_path / "site"
    install(out, OLD)
    install(out, NEW)
    assert not (out / "assets-1").exists()


def test_follows_a_link_to_a_site(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    install(tmp_path / "link", OLD)
    install(tmp_path / "link", NEW)
    assert (tmp_path / "link").is_symlink()
    assert tree(tmp_path / "real") == NEW


@pytest.mark.parametrize("step", range(6))
def test_an_interruption_leaves_pages_with_their_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    out = tmp_path / "site"
    install(out, OLD)
    original, calls = Path.replace, iter(range(100))

    def interrupted(self: Path, target: Path) -> Path:
        if next(calls) == step:
            raise KeyboardInterrupt
        return original(self, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", interrupted)
        install(out, NEW)
    files = tree(out)
    parts = {"old": "assets-1/data.js", "new": "assets-2/data.js"}
    assert all(parts[text] in files for name, text in files.items() if name.endswith(".html"))
    assert nothing_beside(out)
    install(out, NEW)
    assert tree(out) == NEW


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda out: out.write_text("x"), "got an existing file"),
        (lambda out: (out.mkdir(), (out / "thesis.tex").write_text("x")), "choose another folder"),
        (lambda out: (out.mkdir(), (out / MARKER).write_text("{}")), "choose another folder"),
        (lambda out: (out.mkdir(), (out / MARKER).write_text("not json")), "choose another folder"),
        (lambda out: out.symlink_to("nowhere"), "got an existing file"),
    ],
)
def test_refuses_what_is_not_its_own(tmp_path: Path, make: object, message: str) -> None:
    out = tmp_path / "out"
    make(out)  # type: ignore[operator]
    with pytest.raises(StoreError, match=message):
        check_target(out)
    with pytest.raises(StoreError, match=message):
        install(out, NEW)


def test_a_changed_marker_cannot_delete_outside_the_site(tmp_path: Path) -> None:
    out, outside = tmp_path / "site", tmp_path / "outside.txt"
    install(out, OLD)
    outside.write_text("mine")
    marker = json.loads((out / MARKER).read_text())
    marker["files"] += ["../outside.txt", str(outside), 7, "", "."]
    (out / MARKER).write_text(json.dumps(marker))
    install(out, NEW)
    assert outside.read_text() == "mine"


def test_a_parent_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="could not be written"):
        install(tmp_path / "file" / "site", NEW)


def test_a_folder_with_nothing_but_notes_about_it_takes_a_site(tmp_path: Path) -> None:
    """As a checkout has them: dashboards/README.md, say."""
    out = tmp_path / "dashboards"
    out.mkdir()
    (out / "README.md").write_text("mine")
    install(out, {"index.html": "<p>1", "a/x.js": "1"})
    install(out, {"index.html": "<p>2"})
    assert (out / "README.md").read_text() == "mine"
    assert (out / "index.html").read_text() == "<p>2"
    assert sorted(path.name for path in out.iterdir()) == ["README.md", MARKER, "index.html"]
