"""What a lab writes is read as it was meant, whatever its folder is called."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from drillbook.environment import load
from drillbook.platforms.process.found import ProcessSettings
from lab import environment
from lab.directory import Layout
from lab.toml_file import write_environment

NAMES = ["plain", 'with "quotes"', "back\\slash", "two\nlines", "ümläut", "a # b", "tab\there"]


@pytest.mark.parametrize("name", NAMES)
def test_a_path_with_odd_letters_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    layout = Layout(folder)
    for file in ("database", "cache"):
        (folder / file).write_text("redis://127.0.0.1:1/0" if file == "cache" else "postgresql://127.0.0.1:1/x")
        (folder / file).chmod(0o600)
    one = environment.Instance("api-1", "http://127.0.0.1:1", "http://127.0.0.1:2/metrics", folder / "api-1.log")
    environment.write(
        layout,
        system="config-manager",
        version="1.0",
        instances=(one,),
        database_url=folder / "database",
        cache_url=folder / "cache",
    )
    found = load(layout.environment)
    system = found.systems["config-manager"]
    assert [instance.log for instance in system.instances] == [folder / "api-1.log"]
    assert system.place.settings == ProcessSettings(control=layout.control, marker=layout.marker)


def test_an_environment_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "environment.toml"
    write_environment(path, {"name": "x", "folders": (tmp_path,), "place": {"log": tmp_path}})
    here = str(tmp_path)
    assert tomllib.loads(path.read_text()) == {"name": "x", "folders": [here], "place": {"log": here}}
    assert path.stat().st_mode & 0o777 == 0o600
