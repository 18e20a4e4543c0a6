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
    api, redis, postgres = scenario.faults
    with scenario.under_traffic() as traffic:
        at = scenario.stop_step("stop api", api)
        scenario.record(criteria.BACKENDS, sights.backends(scenario.system))
        scenario.stop_step("stop redis", redis)
        scenario.stop_step("stop postgres", postgres)
        scenario.start_step("start postgres", postgres, timeout_s=30)
        scenario.start_step("start redis", redis, timeout_s=30)
        scenario.start_step("start api", api, timeout_s=30)
        traffic.await_good(timeout_s=30)
        traffic.stop()
        scenario.record(criteria.STEPS, scenario.steps())
        scenario.record(criteria.DOWNTIME, traffic.downtime(at))
        scenario.record(criteria.LOSSES, traffic.losses(at))
