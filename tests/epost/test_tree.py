# SPDX-License-Identifier: Apache-2.0
"""A foreign folder is read without trust: its links, its sizes, its names, its kinds of files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from genkan.epost.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    (tmp_path / "work").mkdir()
    return Tree(tmp_path / "work")


def findings(tree: Tree) -> list[str]:
    return [f"{finding.subject}: {finding.sentence}" for finding in tree.findings]


def test_folders_are_found_in_any_case(tree: Tree) -> None:
    (tree.root / "REG" / "Software").mkdir(parents=True)
    assert tree.folder(tree.root, "reg", "SOFTWARE") == tree.root / "REG" / "Software"
    assert tree.folder(tree.root, "reg", "other") is None
    assert tree.findings == []


def test_names_that_differ_in_case_only_are_a_finding(tree: Tree) -> None:
    (tree.root / "A.dat").touch()
    (tree.root / "a.dat").touch()
    assert tree.names(tree.root) == {"a.dat": tree.root / "A.dat"}
    assert findings(tree) == ["a.dat: differs from another name in its case only, and is not read"]


def test_a_link_out_of_the_tree_is_not_followed(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tree.root / "effect.dat").symlink_to(tmp_path / "secret")
    (tree.root / "inbox").symlink_to(tmp_path)
    assert tree.names(tree.root) == {}
    assert findings(tree) == [
        "effect.dat: is a link that leads out of the tree and is not followed",
        "inbox: is a link that leads out of the tree and is not followed",
    ]


def test_a_link_within_the_tree_is_followed(tree: Tree) -> None:
    (tree.root / "real.dat").write_text("x")
    (tree.root / "effect.dat").symlink_to("real.dat")
    assert list(tree.names(tree.root)) == ["effect.dat", "real.dat"]


@pytest.mark.parametrize("target", ["nowhere", "effect.dat"])
def test_a_link_that_leads_nowhere_is_a_finding(tree: Tree, target: str) -> None:
    (tree.root / "effect.dat").symlink_to(target)
    assert tree.names(tree.root) == {}
    assert findings(tree) == ["effect.dat: is a link that leads nowhere"]


def test_a_named_pipe_does_not_stop_the_reading(tree: Tree) -> None:
    os.mkfifo(tree.root / "effect.dat")
    assert tree.text(tree.root / "effect.dat") is None
    assert findings(tree) == ["effect.dat: is not a plain file and is not read"]


def test_a_huge_file_is_not_read(tree: Tree) -> None:
    with (tree.root / "effect.dat").open("wb") as file:
        file.truncate(1 << 40)
    assert tree.text(tree.root / "effect.dat") is None
    assert findings(tree) == ["effect.dat: is larger than 8388608 octets and is not read"]


def test_a_binary_file_is_no_text(tree: Tree) -> None:
    (tree.root / "effect.dat").write_bytes(b"MZ\0\1")
    assert tree.text(tree.root / "effect.dat") is None
    assert findings(tree) == ["effect.dat: is not a text and is not read"]


def test_a_missing_file_is_a_finding(tree: Tree) -> None:
    assert tree.octets(tree.root / "gone") is None
    assert findings(tree) == ["gone: cannot be read (No such file or directory)"]
    assert tree.names(tree.root / "gone") == {}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "utf-16"])
def test_text_is_read_in_the_encodings_administrators_use(tree: Tree, encoding: str) -> None:
    (tree.root / "a.txt").write_bytes("氏名\t山田".encode(encoding))
    assert tree.text(tree.root / "a.txt") == "氏名\t山田"
