"""How a service ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drillbook.plugin import scenario_test
from drillbook.probes.recorded import InFlight

from .config_manager import criteria, scripts, sights

if TYPE_CHECKING:
    from drillbook.drill.scenario import Scenario


@scenario_test(scripts.GRACEFUL)
def test_a_graceful_stop_completes_requests_in_flight(scenario: Scenario) -> None:
    """A stopped instance finishes what it accepted and loses no acknowledged write (shutdown.in-flight-complete)."""
    (stop,) = scenario.faults
    instance = scenario.system.instances[0]
    with scenario.under_traffic() as traffic:
        # Behind one address nobody knows where a request goes: with so many, some are at the instance that stops.
        with traffic.in_flight(seconds=5, count=6 * len(scenario.system.instances)) as in_flight:
            at = scenario.inject(stop)
        stopped = scenario.stopped(stop)
        scenario.record(criteria.ENDED, sights.ended(scenario.system, instance, stopped, since=at))
        scenario.record(
            criteria.IN_FLIGHT,
            InFlight(
                in_flight.started,
                tuple(one.status for one in in_flight.completed),
                tuple(one.reason for one in in_flight.dropped),
            ),
        )
        traffic.flow(seconds=1)
        scenario.recover(stop)
        traffic.await_good(timeout_s=30)
        traffic.stop()
        scenario.record(criteria.DOWNTIME, traffic.downtime(at))
        scenario.record(criteria.LOSSES, traffic.losses(at))
