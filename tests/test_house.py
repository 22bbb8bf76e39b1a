"""The house holds together: sizes, names, and the words that stand for one thing each. Directions: `lint-imports`."""

import ast
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
ROOMS = sorted(file for folder in ("flows", "tasks", "il_models") for file in (TOP / folder).rglob("*.py"))
LIMITS = {"flows": 250, "tasks": 250, "il_models": 250, "il_models/methods": 200, "il_models/degradations": 160}
FUNCTION_LINES = 60
ARGUMENTS = 8
FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager", "handler", "factory", "misc"}
STANDARD_AND_TOP = {"tasks", "flows", "tests", "types", "typing", "queue", "select", "signal", "prefect", "torch"}


def _functions(file: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(file.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def _own_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring: words for the reader are not size."""
    first = node.body[0]
    told = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    words = (first.end_lineno or 0) - first.lineno + 1 if told else 0
    return (node.end_lineno or 0) - node.lineno + 1 - words


@pytest.mark.parametrize("file", ROOMS, ids=lambda file: str(file.relative_to(TOP)))
def test_rooms_are_small_and_named_for_what_they_hold(file: Path) -> None:
    name = str(file.relative_to(TOP))
    limit = min(value for folder, value in LIMITS.items() if name.startswith(f"{folder}/"))
    assert len(file.read_text().splitlines()) <= limit
    assert file.stem not in FORBIDDEN_NAMES
    assert ast.get_docstring(ast.parse(file.read_text())), f"{name} does not say what it is for"
    for node in _functions(file):
        assert _own_lines(node) <= FUNCTION_LINES, f"{name}: {node.name} is too long"
        count = len(node.args.args) + len(node.args.kwonlyargs)
        commanded = any("command" in ast.unparse(each) for each in node.decorator_list)  # options, not arguments
        assert count <= ARGUMENTS + 1 or commanded, f"{name}: {node.name} has {count} arguments"


def test_flows_shadow_nothing() -> None:
    # When Prefect loads a flow by its path, the folder of that file comes first on sys.path.
    assert not STANDARD_AND_TOP & {file.stem for file in (TOP / "flows").glob("*.py")}


def test_public_things_say_what_they_are() -> None:
    silent = []
    for file in ROOMS:
        module = ast.parse(file.read_text())
        classes = [node for node in module.body if isinstance(node, ast.ClassDef)]
        for node in (*module.body, *(inner for outer in classes for inner in outer.body)):
            if (
                isinstance(node, ast.FunctionDef | ast.ClassDef)
                and not node.name.startswith("_")
                and not ast.get_docstring(node)
            ):
                silent.append(f"{file.relative_to(TOP)}: {node.name}")
    assert silent == []


def test_the_table_is_documented() -> None:
    from tasks.convergence import MEANING, SCHEMA_VERSION

    text = (TOP / "docs" / "convergence.md").read_text()
    assert f"Schema version {SCHEMA_VERSION}" in text
    for name, meaning in MEANING.items():
        assert f"| `{name}` |" in text
        assert meaning in text
