"""Full shutdown and start-up in the runbook's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from drillbook.plugin import scenario_test

from ..config_manager import criteria, scripts, sights

if TYPE_CHECKING:
    from drillbook.drill.scenario import Scenario


@pytest.mark.drill
@scenario_test(scripts.RESTART_ALL)
def test_full_shutdown_and_start_up(scenario: Scenario) -> None:
    """Everything is stopped top-down and started bottom-up, each step verified; RTO and losses as clients saw them."""
    faults = dict(zip(scripts.everything(scenario.system), scenario.faults, strict=True))
    api, *dependencies = faults
    with scenario.under_traffic() as traffic:
        at = scenario.stop_step(f"stop {api}", faults[api])
        scenario.record(criteria.BACKENDS, sights.backends(scenario.system))
        for name in dependencies:
            scenario.stop_step(f"stop {name}", faults[name])
        for name in reversed(faults):
            scenario.start_step(f"start {name}", faults[name], timeout_s=30)
        traffic.await_good(timeout_s=30)
        traffic.stop()
        scenario.record(criteria.STEPS, scenario.steps())
        scenario.record(criteria.DOWNTIME, traffic.downtime(at))
        scenario.record(criteria.LOSSES, traffic.losses(at))
