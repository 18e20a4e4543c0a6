"""The redactor knows every form in which a secret travels."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from drillbook.model import Json, Secret
from drillbook.redaction import Redactor

SECRET = 'p"ss/w&rd é'


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"x{SECRET}y",
        quote(SECRET, safe=""),
        base64.b64encode(SECRET.encode()).decode(),
        f"postgresql://u:{quote(SECRET, safe='')}@h/db",
    ],
)
def test_no_form_of_a_secret_survives(text: str) -> None:
    shown = Redactor([Secret(SECRET, "env:X")]).text(text)
    assert "***" in shown
    assert SECRET not in shown
    assert quote(SECRET, safe="") not in shown


def test_the_password_alone_of_a_secret_address_is_hidden() -> None:
    redactor = Redactor([Secret("postgresql://user:s3cr3tpw@h/db", "file:f")])
    assert redactor.text('FATAL: password "s3cr3tpw" refused') == 'FATAL: password "***" refused'


def test_an_unknown_password_in_an_address_is_hidden() -> None:
    assert Redactor().text("redis://:abcdef@h:1/0 refused") == "redis://***@h:1/0 refused"


def test_json_is_redacted_in_depth_and_keeps_its_shape() -> None:
    value: Json = {"a": ["x hunter22", {"hunter22": 1}], "b": 2, "c": None, "d": True}
    assert Redactor([Secret("hunter22", "env:X")]).json(value) == {
        "a": ["x ***", {"***": 1}],
        "b": 2,
        "c": None,
        "d": True,
    }


def test_a_secret_shows_its_reference_and_not_its_value() -> None:
    secret = Secret("hunter22", "env:X")
    assert (str(secret), repr(secret)) == ("***", "Secret(env:X)")
