"""The forms in which a secret travels."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from urllib.parse import quote, quote_plus, unquote, unquote_plus

NAMES_OF_SECRETS = (
    r"(?:[a-z_-]*(?:password|passwd|passphrase|secret|token|credential|api[_-]?key|access[_-]?key)|pass|pwd|auth)"
)
"""Names of parameters whose values nobody may see."""
_PARAMETER = re.compile(rf"(?:[?&;]|(?<![\w-])){NAMES_OF_SECRETS}\s*=\s*('(?:[^'\\]|\\.)*'|[^\s&#]+)", re.IGNORECASE)
_USERINFO = re.compile(r"^[a-z][a-z0-9+.-]*://([^/?#]*)@|^[a-z][a-z0-9+.-]*://(.*)@", re.IGNORECASE | re.DOTALL)
_SCHEME = re.compile(r"^(?:bearer|basic|token|apikey|digest)\s+(\S.*)$", re.IGNORECASE | re.DOTALL)
_SHORTEST_LINE = 16
_SHORTEST_CODE = 5
"""A shorter piece of base64 would be found in any base64."""


def parts(value: str) -> set[str]:
    """Return a secret and what in it is one by itself: the password of an address, the login behind ``Basic``."""
    found = {value, value.strip()}
    for match in (_USERINFO.match(value), re.match(r"^[a-z][a-z0-9+.-]*://(.*)@", value, re.IGNORECASE | re.DOTALL)):
        for userinfo in match.groups() if match else ():
            if userinfo:
                user, _, password = userinfo.partition(":")
                found |= {password, unquote(password), unquote_plus(password)}
                if password:
                    found |= {userinfo, f"{unquote(user)}:{unquote(password)}"}
    for match in _PARAMETER.finditer(value) if "=" in value else ():
        given = match[1]
        if given.startswith("'"):
            given = re.sub(r"\\(.)", r"\1", given[1:-1])
        found |= {given, unquote(given), unquote_plus(given)}
    if behind := _SCHEME.match(value.strip()):
        found |= {behind[1], *_decoded_login(behind[1])}
    if "\n" in value.strip():
        found |= {line.strip() for line in value.splitlines() if len(line.strip()) >= _SHORTEST_LINE}
    return {one for one in found if one}


def encoded(value: str) -> set[str]:
    """Return a secret as it is, in an address, as hexadecimal digits, and as any base64 that holds it."""
    raw = value.encode("utf-8", "surrogatepass")
    forms = {value, quote(raw, safe=""), quote_plus(raw), raw.hex(), raw.hex().upper()}
    for before in range(3):
        code = b64encode(b"\0" * before + raw).decode()
        whole_bits = (before + len(raw)) * 8
        core = code[-(-before * 8 // 6) : whole_bits // 6]
        if len(core) >= _SHORTEST_CODE:
            forms |= {core, core.translate(str.maketrans("+/", "-_"))}
    return forms


def _decoded_login(text: str) -> set[str]:
    try:
        login = b64decode(text, validate=True).decode()
    except ValueError:
        return set()
    return {login, login.partition(":")[2]}
