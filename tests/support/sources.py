# SPDX-License-Identifier: Apache-2.0
"""Python files as syntax trees, and what a test may ask of them: imports, functions, literals."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "src" / "genkan"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One file; `name` is its path below the checkout."""

    name: str
    text: str
    tree: ast.Module

    @property
    def module(self) -> str:
        """`smtp.session` for src/genkan/smtp/session.py, `smtp` for the folder's own __init__.py, "" outside the package."""
        path = ROOT / self.name
        if not path.is_relative_to(PACKAGE):
            return ""
        return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")

    @property
    def folder(self) -> str:
        """`smtp` for smtp.session; "" for a module that lies in no folder."""
        return self.module.rpartition(".")[0] if not self.name.endswith("__init__.py") else self.module

    def own_imports(self) -> set[str]:
        """Modules of the package that are imported, also for types only: `smtp.reply` for genkan.smtp.reply."""
        return {
            name.removeprefix("genkan").removeprefix(".") for name in self.imports() if name.split(".")[0] == "genkan"
        }

    def imports(self) -> set[str]:
        """Every module imported, by its whole name; a module imported from a folder counts as itself."""
        names: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                names |= {_imported(node.module, alias.name) for alias in node.names}
        return names

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Every function and method with its name, that of its class in front."""
        yield from _functions(self.tree, "")

    def literals(self) -> Iterator[tuple[int, str]]:
        """Every string and octet literal but docstrings, with its line."""
        docstrings = {id(body[0].value) for body in _bodies(self.tree) if body and isinstance(body[0], ast.Expr)}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant) and id(node) not in docstrings:
                if isinstance(node.value, str):
                    yield node.lineno, node.value
                elif isinstance(node.value, bytes):
                    yield node.lineno, node.value.decode("latin-1")


@cache
def sources(folder: str) -> tuple[Source, ...]:
    """All Python files below a folder of the checkout, in order."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    texts = ((str(path.relative_to(ROOT)), path.read_text("utf-8")) for path in paths)
    return tuple(Source(name, text, ast.parse(text)) for name, text in texts)


def parameters(function: Function) -> list[str]:
    """The names of a function's parameters, without self and cls."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [argument.arg for argument in named if argument.arg not in ("self", "cls")]


def _imported(module: str, name: str) -> str:
    inner = PACKAGE.parent / module.replace(".", "/") / f"{name}.py"
    return f"{module}.{name}" if module.startswith("genkan") and inner.exists() else module


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        name = f"{prefix}{child.name}" if isinstance(child, Function | ast.ClassDef) else ""
        if isinstance(child, Function):
            yield name, child
        yield from _functions(child, f"{name}." if name else prefix)


def _bodies(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | Function):
            yield node.body
