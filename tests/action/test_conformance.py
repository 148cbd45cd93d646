"""docs/conformance.md: every rule has its tests, and each of them exists."""

import ast
import re

import pytest

from tests.action.executor import TOP

PAGE = TOP / "docs/conformance.md"
RULES = 29


def rows() -> dict[int, tuple[str, list[str]]]:
    """number -> (rule, its tests)"""
    found = re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|$", PAGE.read_text(), flags=re.M)
    return {int(number): (rule, re.findall(r"`([^`]+)`", tests)) for number, rule, tests in found}


def lacking(test: str) -> str:
    """What is wrong with `path::name` or `path::Class::name` below tests/; empty where there is such a test, and it runs."""
    path, *names = test.split("::")
    file = TOP / "tests" / path
    if not file.is_file() or not names:
        return f"{test}: there is no such file"
    body: list[ast.stmt] = ast.parse(file.read_text()).body
    for name in names:
        found = [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name]
        if not found:
            return f"{test}: there is no {name} in it"
        if any("skip" in ast.unparse(decorator) and "skipif" not in ast.unparse(decorator) for decorator in found[0].decorator_list):
            return f"{test}: it is skipped"
        body = found[0].body
    return "" if re.fullmatch(r"test_\w+", names[-1]) and isinstance(found[0], ast.FunctionDef) else f"{test}: it is no test"


def test_every_rule_is_on_the_page_once_and_in_order():
    lines = re.findall(r"^\| (\d+) \|", PAGE.read_text(), flags=re.M)
    assert list(map(int, lines)) == list(rows()) == list(range(1, RULES + 1))


@pytest.mark.parametrize("number", range(1, RULES + 1))
def test_every_test_that_the_page_names_exists(number):
    rule, tests = rows()[number]
    assert rule.endswith(".") and tests and len(set(tests)) == len(tests)
    assert [wrong for wrong in map(lacking, tests) if wrong] == []


@pytest.mark.parametrize(
    ("test", "why"),
    [
        ("action/test_none.py::test_x", "no such file"), ("action/test_conformance.py", "no such file"),
        ("action/test_conformance.py::test_none", "no test_none"), ("action/test_conformance.py::rows", "no test"),
        ("publish/test_commands.py::TestAnotherResearch", "no test"),
        ("publish/test_commands.py::TestAnotherResearch::test_x", "no test_x"),
    ],
)  # fmt: skip
def test_a_test_that_is_not_there_is_seen(test, why):
    assert why in lacking(test)


def test_a_test_of_a_class_is_found_and_one_that_is_skipped_is_seen(tmp_path, monkeypatch):
    assert lacking("publish/test_commands.py::TestAnotherResearch::test_its_orders_are_its_own") == ""
    monkeypatch.setattr("tests.action.test_conformance.TOP", tmp_path)
    (tmp_path / "tests").mkdir()
    marked = "@pytest.mark.skip\ndef test_a(): pass\n\n@pytest.mark.skipif(True)\ndef test_b(): pass\n"
    (tmp_path / "tests/test_a.py").write_text(marked)
    assert "it is skipped" in lacking("test_a.py::test_a") and lacking("test_a.py::test_b") == ""
