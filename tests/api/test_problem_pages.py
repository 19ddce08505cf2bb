"""Where the type of a problem leads: a page that says what it means and what to do."""

import ast
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

import api
from api.problem_pages import meanings, rejections, statuses
from tests.api.rig import Installation

FOLDER = Path(str(api.__file__)).parent
MAKERS = {"_problem": 2, "problem_of": 1, "Refused": 1}
"""What makes a problem of a code, and the place of the code among its arguments."""
FRAMEWORKS = {"bad_request", "method_not_allowed", "request_entity_too_large"}
"""Of the framework's own errors, by the names of their statuses."""


def codes_in_the_text() -> Iterator[str]:
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
                place = MAKERS[node.func.id]
                if len(node.args) > place and isinstance(node.args[place], ast.Constant):
                    yield ast.literal_eval(node.args[place])


def test_every_problem_there_is_has_a_page_and_no_page_is_of_none() -> None:
    codes = {each.code for each in rejections()} | set(codes_in_the_text()) | FRAMEWORKS
    assert len(codes) > 50
    assert codes - meanings().keys() == set(), "say in api/problems.toml what it means"
    assert meanings().keys() - codes == set()


def test_every_problem_has_one_status() -> None:
    assert statuses().keys() == meanings().keys()
    of_classes = {each.code for each in rejections()}
    said_twice = {code for code, meaning in meanings().items() if meaning.status and code in of_classes}
    assert said_twice == set()


def test_each_page_says_something() -> None:
    for meaning in meanings().values():
        assert meaning.means.endswith(".")
        assert meaning.do.endswith(".")


@pytest.mark.parametrize("code", sorted(meanings()))
async def test_each_page_is_served(installation: Installation, code: str) -> None:
    answer = await installation.client().get(f"http://stenolog/problems/{code}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert code in answer.text
    assert str(HTTPStatus(statuses()[code]).value) in answer.text
    assert "<script" not in answer.text


async def test_the_type_of_a_problem_leads_to_its_page(installation: Installation) -> None:
    client = installation.client()
    problem = (await client.get("/files")).json()
    page = await client.get(f"http://stenolog{problem['type']}")
    assert page.status_code == 200
    listed = await client.get("http://stenolog/problems")
    assert f'href="{problem["type"]}"' in listed.text


async def test_no_page_is_made_up(installation: Installation) -> None:
    answer = await installation.client().get("http://stenolog/problems/%3Cscript%3E")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
