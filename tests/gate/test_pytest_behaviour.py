"""What a pytest user expects: xdist, --collect-only, --lf, -x, JUnit, Allure; and judging again from the journal."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from drillbook.journal import read

from ..running import ROOT, Run, gate, run

BREAK = "--expect-version=9"


def observations(done: Run) -> list[tuple[str, str]]:
    return sorted(
        (record.data["seen"]["probe"], record.data["seen"]["target"])
        for record in read(done.directory)
        if record.kind == "observation"
    )


def test_two_workers_give_the_same_verdicts_from_the_same_observations(lab_environment: Path, tmp_path: Path) -> None:
    alone = gate(lab_environment, BREAK, reports=tmp_path / "alone")
    together = gate(lab_environment, BREAK, "-n", "2", reports=tmp_path / "together")
    assert (alone.exit_status, together.exit_status) == (1, 1), together.output
    assert together.verdicts() == alone.verdicts()
    assert observations(together) == observations(alone)


def test_collect_only_touches_nothing(tmp_path: Path) -> None:
    for workers in ((), ("-n", "2")):
        done = gate("local", "--collect-only", *workers, reports=tmp_path / "reports")
        assert done.exit_status == 0, done.output
        assert "config-manager.health.status-healthy" in done.output
        assert not (tmp_path / "reports").exists()


def test_last_failed_selects_not_met_and_unknown(lab_environment: Path, tmp_path: Path) -> None:
    cache = ("-o", f"cache_dir={tmp_path / 'cache'}")
    command = [sys.executable, "-m", "pytest", "-m", "smoke", f"--env={lab_environment}", *cache, BREAK]
    run(command, reports=tmp_path / "reports")
    again = run([*command, "--lf"], reports=tmp_path / "reports")
    assert set(again.verdicts()) == {"drillbook.deploy.expected-version"}, again.output
    assert again.exit_status == 1


def test_stopping_at_the_first_failure_still_fails(lab_environment: Path, tmp_path: Path) -> None:
    done = gate(lab_environment, BREAK, "-x", reports=tmp_path)
    assert done.exit_status == 1, done.output
    assert len(done.verdicts()) < 36


def test_junit_carries_the_verdict_and_allure_the_evidence(lab_environment: Path, tmp_path: Path) -> None:
    xml, allure = tmp_path / "junit.xml", tmp_path / "allure"
    only = ("-k", "expected-version or logs.quick or health.quick")
    text = lab_environment.read_text().replace('log = "', 'log = "/nonexistent')
    environment = tmp_path / "x.toml"
    environment.write_text(text)
    gate(environment, BREAK, *only, f"--junitxml={xml}", f"--alluredir={allure}", reports=tmp_path / "reports")
    found = {}
    for element in ET.parse(xml).iter("testcase"):  # noqa: S314 - our own file
        properties = {one.get("name"): one.get("value") for one in element.iter("property")}
        found[properties["criterion"]] = (
            properties["verdict"],
            [child.tag for child in element if child.tag != "properties"],
        )
    assert found == {
        "config-manager.health.quick": ("MET", []),
        "drillbook.deploy.expected-version": ("NOT_MET", ["failure"]),
        "config-manager.logs.quick-compose": ("UNKNOWN", ["error"]),
    }
    results = {_labels(row)["testId"]: row for row in map(_json, allure.glob("*-result.json"))}
    assert {name: row["status"] for name, row in results.items()} == {
        "config-manager.health.quick": "passed",
        "drillbook.deploy.expected-version": "failed",
        "config-manager.logs.quick-compose": "broken",
    }
    labels = _labels(results["config-manager.health.quick"])
    assert labels["severity"] == "critical"
    assert "Quick Reference" in labels["suite"]
    evidence = [path.read_text() for path in allure.glob("*-attachment.json")]
    assert sum("GET http" in text for text in evidence) == 2
    assert sum("cannot read /nonexistent" in text for text in evidence) == 1


def _labels(row: dict[str, Any]) -> dict[str, str]:
    return {label["name"]: label["value"] for label in row["labels"]}


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_a_saved_run_is_judged_again_with_the_same_verdicts(lab_environment: Path, tmp_path: Path) -> None:
    done = gate(lab_environment, BREAK, reports=tmp_path)
    again = drillbook("judge", "latest", "--json", reports=tmp_path)
    fields = ("id", "expected", "observed", "source", "duration_ms")
    judged = {row["id"]: ({name: row[name] for name in fields}, row["outcome"]) for row in json.loads(again.stdout)}
    saved = {row["id"]: ({name: row[name] for name in fields}, row["verdict"]) for row in done.summary["verdicts"]}
    assert judged == saved
    assert again.returncode == 1
    shown = drillbook("report", "latest", reports=tmp_path)
    assert "NOT_MET drillbook.deploy.expected-version" in shown.stdout


def drillbook(*arguments: str, reports: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "drillbook.cli", *arguments, f"--reports={reports}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_summary_and_the_journal_say_who_ran_what(lab_environment: Path, tmp_path: Path) -> None:
    done = gate(lab_environment, reports=tmp_path, variables={"CI_COMMIT_SHA": "abc", "CI_JOB_URL": "http://ci/1"})
    first = next(iter(read(done.directory)))
    assert first.kind == "run"
    assert (first.data["commit"], first.data["job"]) == ("abc", "http://ci/1")
    summary = done.summary
    assert summary["run"]["exit_status"] == 0
    assert summary["run"]["environment"] == "lab"
    assert summary["counts"]["MET"] == 36
    assert set(summary["verdicts"][0]) >= {
        "id", "verdict", "test", "expected", "observed", "source", "duration_ms", "runbook", "remedy",
    }  # fmt: skip


def test_nothing_heavy_is_imported_that_is_not_used(lab_environment: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pytest", "-p", "no:cacheprovider", "-m", "smoke",
         f"--env={lab_environment}", f"--reports={tmp_path}"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "httpx" in imported
    assert imported & {"kubernetes", "docker", "locust", "boto3", "testinfra", "gevent"} == set()
