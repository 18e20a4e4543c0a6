"""A plugin that says a secret in every form, wherever pytest shows something: ``-p tests.gate.hostile_plugin``."""

from __future__ import annotations

import base64
import json
import logging
import os
import sys
import warnings
from urllib.parse import quote

import pytest

WAY = os.environ["HOSTILE_WAY"]


def forms() -> str:
    """Return the planted secrets as others write them."""
    found = []
    for secret in json.loads(os.environ["HOSTILE_SECRETS"]):
        coded = base64.b64encode(f"user:{secret}".encode()).decode()
        found += [secret, quote(secret, safe=""), quote(secret, safe="").lower(), json.dumps(secret), repr(secret)]
        found += [repr(secret.encode()), repr(bytearray(secret.encode())), coded, json.dumps(json.dumps(secret))]
    return " | ".join(found)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Say it during the test that is meant."""
    if "status" not in item.name:
        return
    if WAY == "warning":
        warnings.warn(forms(), UserWarning, stacklevel=1)
    if WAY == "log":
        logging.getLogger("hostile").error(forms())
    if WAY == "print":
        sys.stdout.write(forms())
    if WAY == "exception":
        raise RuntimeError(forms())


def pytest_runtest_logreport() -> None:
    """Break pytest itself."""
    if WAY == "internal error":
        raise RuntimeError(forms())
