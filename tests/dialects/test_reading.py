"""What loggers wrote is read as they meant it; the samples were written by the loggers (``write_samples.py``)."""

from __future__ import annotations

import datetime as dt
import json
import random
from pathlib import Path

import pytest

from drillbook.dialects import LEVELS, Entry, read

SAMPLES = Path(__file__).parent / "samples"
INDEX: dict[str, dict[str, str]] = json.loads((SAMPLES / "index.json").read_text())
SERVERS = {"nginx-error", "nginx-access", "haproxy", "redis", "postgresql"}
LOGGERS = sorted(set(INDEX) - SERVERS)
UNDATED = {"python-basic", "uvicorn", "winston-simple", "log4j-default"}
FOUR = [
    ("INFO", "configuration store is ready"),
    ("WARNING", "cache is slow: 812 ms"),
    ("ERROR", "database is down"),
    ("INFO", "client sent level=error and ERROR in its text"),
]
ERRORS = {"ERROR", "CRITICAL", "FATAL", "PANIC", "ALERT", "EMERGENCY"}
PREFIXES = (
    "api-1  | ",
    "2026-11-29T03:00:00.000000001Z stderr F ",
    "[pod/api-5d9f/api] ",
    "Nov 29 03:00:00 host api[12]: ",
    "2026-11-29T03:00:00+0000 host api[12]: ",
    "<14>1 2026-11-29T03:00:00Z host api 12 - - ",
    "<14>Nov 29 03:00:00 host api[12]: ",
    "\ufeff",
)


def lines(name: str) -> list[str]:
    return (SAMPLES / f"{name}.log").read_text(encoding="utf-8").split("\n")


def own(entries: tuple[Entry, ...]) -> list[Entry]:
    """Leave out continuations, and the access line that uvicorn wrote before the four."""
    return [one for one in entries if one.state != "continuation" and "GET /health" not in one.message]


@pytest.mark.parametrize("name", LOGGERS)
def test_level_time_and_message_of_a_loggers_own_lines(name: str) -> None:
    entries = own(read(lines(name)))
    assert [one.state for one in entries] == ["understood"] * 4
    assert [one.level for one in entries] == [level for level, _ in FOUR]
    assert all(one.message.startswith(text) for one, (_, text) in zip(entries, FOUR, strict=True)) or all(
        one.begins_with(text) for one, (_, text) in zip(entries, FOUR, strict=True)
    ), [one.message for one in entries]
    if name in UNDATED:
        return
    begin, end = (dt.datetime.fromisoformat(INDEX[name][key]) for key in ("from", "to"))
    second = dt.timedelta(seconds=1)  # some loggers tell whole seconds
    assert all(one.at and begin - second <= dt.datetime.fromisoformat(one.at) <= end + second for one in entries)


@pytest.mark.parametrize("name", LOGGERS)
def test_a_stack_belongs_to_its_entry(name: str) -> None:
    entries = read(lines(name))
    above: Entry | None = None
    for one in entries:
        if one.state == "continuation":
            assert above is not None
            assert (one.at, one.level) == (above.at, above.level)
        else:
            above = one


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("name", [name for name in LOGGERS if name != "jul"])
def test_what_others_put_before_a_line_changes_nothing(name: str, prefix: str) -> None:
    bare = [line for line in lines(name) if line.strip()]
    expected = [one.level for one in read(bare) if one.state == "understood"]
    assert [one.level for one in read(prefix + line for line in bare) if one.state == "understood"] == expected


@pytest.mark.parametrize("name", LOGGERS)
def test_one_error_among_ten_thousand_good_lines_is_found(name: str) -> None:
    """And without it there is none, though every good line has the word in its text."""
    whole = [line for line in lines(name) if line.strip()]
    pair = 2 if name == "jul" else 1
    good = whole[-pair:]
    at = next(i for i, line in enumerate(whole) if "database is down" in line) + 1 - pair
    bad = whole[at : at + pair]
    assert not [one for one in read(good * 10_000) if one.level in ERRORS or one.state != "understood"]
    found = [one for one in read(good * 5_000 + bad + good * 5_000) if one.level in ERRORS]
    assert len(found) == 1
    assert "database is down" in found[0].message


def test_servers() -> None:
    postgres = read(lines("postgresql"))
    assert [one.message for one in postgres if one.level == "ERROR" and one.state == "understood"] == [
        'relation "configs" does not exist at character 15',
        "division by zero",
    ]
    assert {one.state for one in postgres} == {"understood", "continuation"}
    redis = read(lines("redis"))
    assert {one.state for one in redis} == {"understood"}
    assert any(one.message == "Ready to accept connections" for one in redis)
    haproxy = read(lines("haproxy"))
    assert [one.level for one in haproxy if one.level in ERRORS] == ["ALERT"]
    refused = [one for one in haproxy if "GET /configs" in one.message]
    assert [(one.level, one.state) for one in refused] == [("", "understood")]  # an answer of 503 is no ERROR entry


def test_nginx() -> None:
    errors = [one for one in read(lines("nginx-error")) if one.level == "ERROR"]
    assert len(errors) == 1
    assert errors[0].message.startswith("connect() failed")
    access = read(lines("nginx-access"))
    assert {(one.level, one.state) for one in access} == {("", "understood")}
    assert all(one.at for one in access)


DOCUMENTED = [  # from the documentation of each: not run here
    ("fail: Store.Api[0]\n      database is down", "ERROR", "database is down"),
    ("info: Store.Api[14] database is up", "INFO", "database is up"),
    ("<3>Store.Api[0] database is down", "ERROR", "Store.Api[0] database is down"),
    (
        '{"Timestamp":"2026-11-29T03:00:00Z","EventId":0,"LogLevel":"Error","Category":"Store","Message":"is down"}',
        "ERROR",
        "is down",
    ),
    ('{"@t":"2026-11-29T03:00:00.1234567Z","@mt":"Hello, {User}","User":"n"}', "INFO", "Hello, {User}"),
    ('{"@t":"2026-11-29T03:00:00.1234567Z","@mt":"is down","@l":"Error"}', "ERROR", "is down"),
    ("Nov 29 03:00:00 host api[12]: ERROR is down", "ERROR", "is down"),
    (
        '{"__REALTIME_TIMESTAMP":"1795922095141984","PRIORITY":"3","MESSAGE":"is down","_PID":"1"}',
        "ERROR",
        "is down",
    ),
    ('{"__REALTIME_TIMESTAMP":"1795922095141984","PRIORITY":"6","MESSAGE":"ERROR is down"}', "ERROR", "is down"),
    ('{"SeverityText":"ERROR","SeverityNumber":17,"Body":"is down"}', "ERROR", "is down"),
    ('{"severityNumber":18,"body":{"stringValue":"is down"},"timeUnixNano":"1795922095141984000"}', "CRITICAL", "is"),
    (
        '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber":17,"body":{"stringValue":"is down"}}]}]}]}',
        "ERROR",
        "is down",
    ),
    ('{"log":{"level":"error"},"message":"is down"}', "ERROR", "is down"),
    ('{"log":"ERROR is down\\n","stream":"stderr","time":"2026-11-29T03:00:00Z"}', "ERROR", "is down"),
    ("E, [2026-11-29T03:00:00.123456 #1] ERROR -- : is down", "ERROR", "is down"),
]


@pytest.mark.parametrize(("text", "level", "message"), DOCUMENTED)
def test_dialects_as_their_documentation_shows_them(text: str, level: str, message: str) -> None:
    (entry,) = read(text.split("\n"))
    assert (entry.level, entry.state) == (level, "understood")
    assert entry.message.startswith(message)


@pytest.mark.parametrize(
    "line",
    [
        '{"level": "ERROR", "message": "a\tb"}',
        '{"level": "ERROR", "message": "a\x1b[31mb"}',
        '{"level": "ERROR", "message": "a\u2028b\x85c"}',
        'boot: {"level": "error", "msg": "x"}',
        '2026-11-29T03:00:00Z {"level": "error", "msg": "x"}',
        '{"level": "error", "msg": "x"} and more',
        '{"level": "info", "msg": "x"}{"level": "error", "msg": "y"}',
        "2026-11-29T03:00:00Z ERROR cannot apply level=info to logger storage",
        "2026-11-29T03:00:00Z ERROR audit: role change refused severity=low user=7",
        "2026-11-29T03:00:00Z error: is down",
        "2026-11-29 03:00:00,123 [main] ERROR c.e.Store - level=info",
    ],
)
def test_an_error_is_found(line: str) -> None:
    assert [one.level for one in read([line]) if one.level in ERRORS and one.state == "understood"] == ["ERROR"]


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-29T03:00:00Z INFO client sent level=error",
        "2026-11-29T03:00:00Z INFO retry after ERROR: from upstream",
        'level=info msg="level=error"',
        '{"level": "info", "message": "level=error", "fields": {"severity": "error"}}',
        '2026-11-29T03:00:00Z INFO got {"level": "error"}',
        "[2026-11-29T03:00:00Z INFO  store] [error] page shown",
    ],
)
def test_words_in_a_message_are_not_its_level(line: str) -> None:
    assert [(one.level, one.state) for one in read([line])] == [("INFO", "understood")]


@pytest.mark.parametrize(
    "line",
    [
        '{"level": "error", "msg": "cut',
        "cannot open the store: error 5",
        '{"msg": "error, and no level"}',
        "{'level': 'ERROR'}",
    ],
)
def test_what_nobody_understands_is_unread_and_names_trouble(line: str) -> None:
    assert [(one.state, one.names_trouble) for one in read([line])] == [("unread", True)]


def test_an_object_over_several_lines_is_one_entry() -> None:
    (entry,) = read(["{", '  "severity_text": "ERROR",', '  "body": "is down"', "}"])
    assert (entry.level, entry.message) == ("ERROR", "is down")
    assert {one.state for one in read(["{", '  "level": "error"', "  cut", "}"])} == {"unread"}


def test_a_line_in_parts_is_one_entry() -> None:
    at = "2026-11-29T03:00:00.0Z stderr"
    (entry,) = read([f'{at} P {{"level": "err', f'{at} F or", "msg": "x"}}'])
    assert (entry.level, entry.message) == ("ERROR", "x")


def test_undated_lines_take_the_time_of_the_entry_they_follow() -> None:
    """But an entry of its own at the end may be new: it stays undated."""
    old, new = "2026-11-29T01:00:00Z", "2026-11-29T03:00:00Z"
    trace = ["Traceback (most recent call last):", "  File x", "ValueError: y"]
    entries = read([f"{old} ERROR boom", *trace, "ERROR:    undated", f"{new} INFO ok", "ERROR:    at the end"])
    assert [one.at for one in entries] == [old, old, old, old, old, new, None]
    assert [one.state for one in entries[1:4]] == ["continuation"] * 3


def test_a_message_with_a_colon_is_whole() -> None:
    (entry,) = read(["2026-11-29T03:00:00Z INFO listening: 8080"])
    assert entry.message == "listening: 8080"
    (entry,) = read(["2026-11-29T03:00:00.123456Z  INFO llm_config: listening: 8080"])
    assert (entry.logger, entry.message) == ("llm_config", "listening: 8080")
    (entry,) = read(["2026-11-29T03:00:00.123456Z  INFO listening: 8080"])  # Rust without a target looks the same
    assert entry.begins_with("listening: 80")
    assert entry.begins_with("8080")


def test_damaged_lines_never_raise() -> None:
    dice = random.Random(9)  # noqa: S311 - the same damage each time
    whole = [line for name in INDEX for line in lines(name)]
    for _ in range(20_000):
        line = list(dice.choice(whole))
        for _ in range(dice.randrange(1, 6)):
            place = dice.randrange(len(line) + 1)
            line[place : place + dice.randrange(3)] = dice.choice(
                ["", "{", '"', "\x1b[", "\x00", "99999999999", "\ud83d", "[", "|"]
            )
        for one in read(["".join(line)]):
            assert one.level in LEVELS | {""}
    for _ in range(2_000):
        read([bytes(dice.randrange(256) for _ in range(60)).decode("latin-1")])


@pytest.mark.parametrize("piece", ["[", "a.", "a=", '{"a":', "<1>", "a: ", "x{", '"', " ", "1:", "|", "a b "])
def test_a_very_long_line_is_read(piece: str) -> None:
    assert read([piece * 20_000]) is not None
    assert read([f"2026-11-29T03:00:00Z {piece * 20_000}"]) is not None
