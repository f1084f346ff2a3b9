"""Class names mean one thing in bench/."""

import ast
from collections import Counter
from pathlib import Path

BENCH = Path(__file__).parents[1] / "bench"


def _class_names() -> Counter[str]:
    trees = [ast.parse(file.read_text()) for file in BENCH.rglob("*.py")]
    return Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def test_no_class_name_is_used_twice() -> None:
    assert {name for name, count in _class_names().items() if count > 1} == set()
