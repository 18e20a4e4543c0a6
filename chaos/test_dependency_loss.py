"""What a service does without one of its dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drillbook.plugin import scenario_test

from .config_manager import criteria, scripts, sights

if TYPE_CHECKING:
    from drillbook.drill.scenario import Scenario


@scenario_test(scripts.LOST_CACHE)
def test_a_lost_cache_costs_speed_and_not_service(scenario: Scenario) -> None:
    """With Redis killed, clients are still served and health says so (troubleshoot.slow-startup-health-cache)."""
    (kill,) = scenario.faults
    with scenario.under_traffic() as traffic:
        at = scenario.inject(kill)
        traffic.flow(seconds=2)
        scenario.record(criteria.HEALTH_SAID, sights.health_of_all(scenario.system))
        traffic.flow(seconds=3)
        scenario.recover(kill)
        traffic.await_good(timeout_s=30)
        traffic.stop()
        scenario.record(criteria.DOWNTIME, traffic.downtime(at))
        scenario.record(criteria.LOSSES, traffic.losses(at))
