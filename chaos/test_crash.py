"""What a service leaves when it ends without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drillbook.plugin import scenario_test
from drillbook.probes.recorded import Ended

from .config_manager import criteria, scripts, sights

if TYPE_CHECKING:
    from drillbook.drill.scenario import Scenario


@scenario_test(scripts.SIGKILL)
def test_every_acknowledged_write_survives_sigkill(scenario: Scenario) -> None:
    """A killed instance is started again, and every acknowledged write is there (emergency.systemd-sigkill)."""
    (kill,) = scenario.faults
    instance = scenario.system.instances[0]
    with scenario.under_traffic() as traffic:
        at = scenario.inject(kill)
        state = scenario.state_of(instance.name)
        exit_code = state.exit_code if state else None
        scenario.record(criteria.ENDED, Ended(instance.name, exit_code, killed=True, took_s=0.0, said=None))
        traffic.flow(seconds=1)
        with sights.StartUpWatch(scenario, instance) as watch:
            scenario.recover(kill)
            watch.await_healthy(timeout_s=15)
            traffic.flow(seconds=1)
        scenario.record(criteria.LIES, watch.sights())
        traffic.await_good(timeout_s=30)
        traffic.stop()
        scenario.record(criteria.DOWNTIME, traffic.downtime(at))
        scenario.record(criteria.LOSSES, traffic.losses(at))
