"""Environment files: every problem at once, with key, expectation, finding and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from drillbook.environment import BadEnvironment, load, locate

HEAD = 'name = "x"\nplatform = "process"\n'


def problems(tmp_path: Path, text: str) -> str:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(BadEnvironment) as bad:
        load(path)
    return str(bad.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = 'x'\nplatform = 'process'\nfoo = [", "not TOML"),
        (HEAD.replace("process", "proces"), "platform: expected 'process'"),
        (HEAD + "clock_skew = 3\n", 'clock_skew: unknown key (did you mean "clock_skew_s"?)'),
        (HEAD + "clock_skew_s = 0\n", "clock_skew_s"),
        (HEAD + "[systems.config-manger]\n", 'unknown system (did you mean "config-manager"?)'),
        (
            HEAD + "[systems.config-manager.api]\nurl = 'config.example.com'\n",
            "systems.config-manager.api.url: expected an address that begins with http:// or https://",
        ),
        (HEAD + "[systems.config-manager.api]\nurl = 'http://a:b@h'\n", "without a user in it"),
        (
            HEAD + "[systems.config-manager.postgres]\nurl = 'postgresql://u:hunter22@h/db'\n",
            "expected a reference for an address with a password",
        ),
        (HEAD + "[systems.config-manager.api]\ntoken = 'hunter22'\n", "expected a reference"),
        (HEAD + "[systems.config-manager.api.headers]\nX-API-Key = 'hunter22'\n", "expected a reference for X-API-Key"),
        (
            HEAD + "[systems.config-manager.api]\ntoken = { env = 'DRILLBOOK_NO_SUCH' }\n",
            "systems.config-manager.api.token: environment variable DRILLBOOK_NO_SUCH is not set",
        ),
        (HEAD + "[systems.config-manager.redis]\nurl = { file = 'absent' }\n", "cannot read"),
        (HEAD + "[systems.config-manager.redis]\nurl = { }\n", "exactly one of them"),
        (
            HEAD + "[[waivers]]\nid = 'config-manager.health.status-helthy'\nreason = 'r'\nowner = 'o'\n"
            "expires = 2099-01-01\n",
            'did you mean "config-manager.health.status-healthy"?',
        ),
        (HEAD + "[[waivers]]\nid = 'config-manager.health.quick'\n", "waivers.0.owner: missing"),
    ],
)
def test_each_problem_names_its_key_and_what_was_expected(tmp_path: Path, text: str, said: str) -> None:
    shown = problems(tmp_path, text)
    assert said in shown
    assert "hunter22" not in shown


def test_all_problems_are_shown_at_once(tmp_path: Path) -> None:
    shown = problems(tmp_path, HEAD + "a = 1\nb = 2\nclock_skew_s = 'x'\n[load]\n")
    assert [line.split(":")[0].strip() for line in shown.splitlines()[1:]] == ["clock_skew_s", "load.max_rps", "a", "b"]


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(BadEnvironment, match=r'did you mean "local"\?\); known: .*local'):
        locate("locl")


def test_an_environment_with_references_loads_and_hides_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED", "hunter22")
    path = tmp_path / "x.toml"
    path.write_text(HEAD + "[systems.config-manager.api]\nurl = 'http://h/'\ntoken = { env = 'PLANTED' }\n")
    environment = load(path, expect_version="2")
    assert "hunter22" not in repr(environment)
    assert environment.systems["config-manager"].instances[0].url == "http://h"
    assert environment.facts["config-manager"].expected_version == "2"
    assert environment.redactor.text("Bearer hunter22") == "Bearer ***"


def test_the_files_facts_stand_above_the_labs(tmp_path: Path) -> None:
    lab = tmp_path / "lab.toml"
    lab.write_text(HEAD + "[systems.config-manager]\nversion = '1'\n[systems.config-manager.api]\nurl = 'http://a'\n")
    own = tmp_path / "own.toml"
    own.write_text(HEAD + "[lab]\nsystems = ['config-manager']\n[systems.config-manager]\nversion = '2'\n")
    environment = load(own, lab_environment=lab)
    assert environment.facts["config-manager"].expected_version == "2"
    assert environment.systems["config-manager"].instances[0].url == "http://a"
