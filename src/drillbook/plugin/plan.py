"""--plan: what the selected scenarios and loads would do here, and whether they may. Changes nothing."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING

from ..drill.ends import Refused
from ..drill.scenario import Script, held_on, prepare
from ..faults import StopInstance, permit_each, permit_load
from ..model import Stage
from ..platforms import Balances, Missing, platform_of
from .exits import NOTHING_JUDGED
from .selection import case_of, script_of, sends_load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

    from ..model import System
    from ..rounds import Case
    from .gate import Gate


def show(gate: Gate, items: Sequence[pytest.Item]) -> int:
    """Print each scenario with its faults, and each load; return 0 when all may run, 11 when one may not or none is."""
    scripts = [(item, script) for item in items if (script := script_of(item))]
    loads = [case for item in items if sends_load(item) and (case := case_of(item))]
    refused = not (scripts or loads)
    if scripts or loads:
        gate.bring_up_lab()
        gate.find_instances()
    for line, bad in _load_lines(gate, loads):
        refused = refused or bad
        gate.say(line)
    for item, script in scripts:
        gate.say("")
        gate.say(f"{item.nodeid}: {_claim(item)}")
        for line, bad in _lines(gate, script):
            refused = refused or bad
            gate.say(f"  {line}")
    for reason in dict.fromkeys(one.reason for one in gate.not_judged.values() if one.absent):
        gate.say(f"not judged: {reason}")
    gate.say("")
    gate.say("plan only: nothing was changed" if scripts or loads else "plan: no scenario and no load is selected")
    return NOTHING_JUDGED if refused else 0


def _load_lines(gate: Gate, loads: Sequence[Case]) -> Iterator[tuple[str, bool]]:
    """Say once for all rows that share a load what is sent, and whether it may be."""
    environment = gate.environment
    assert environment is not None
    sources = {
        case.criterion.probe.source(target): None
        for case in loads
        for target in case.criterion.probe.targets(environment.systems[case.system])
    }
    for source in sources:
        yield f"load: {source}", False
    if loads:
        yield f"  holds     {', '.join(case.criterion.id for case in loads)}", False
        systems = [environment.systems[name] for name in dict.fromkeys(case.system for case in loads)]
        for system in systems:
            refusal = permit_load(environment, gate.options.disrupt, system)
            if refusal is not None:
                yield f"  refused   {refusal.reason}", True
    for reason in dict.fromkeys(one.reason for one in gate.not_judged.values() if one.stage is Stage.LOAD):
        yield f"not judged: {reason}", not loads


def _lines(gate: Gate, script: Script) -> Iterator[tuple[str, bool]]:
    assert gate.environment is not None
    try:
        faults = prepare(script, gate.environment)
    except Refused as reason:
        yield f"refused: {reason}", True
        return
    refusals = permit_each(gate.environment, gate.options.disrupt, [fault.blast for fault in faults])
    for fault, refusal in zip(faults, refusals, strict=True):
        hit = fault.blast
        share = f"{len(hit.instances)} of {hit.of_total} {hit.component}"
        yield f"fault     {fault.name}: {', '.join(hit.instances)} ({share})", False
        if isinstance(fault, StopInstance) and _is_balanced(gate.environment.systems[script.system], hit.component):
            yield "drain     its load balancer gives it no more work before it stops", False
        yield f"undo      {fault.undo.kind} {json.dumps(dict(fault.undo.data))}", False
        if refusal is not None:
            yield f"refused   {refusal.reason}", True
    traffic = script.traffic.within(gate.environment.systems[script.system].max_rps)
    yield f"traffic   {traffic.samples_per_s:g} reads/s and {traffic.writes_per_s:g} writes/s", False
    yield f"holds     {', '.join(row.id for row in held_on(script, gate.environment.systems[script.system]))}", False


def _is_balanced(system: System, component: str) -> bool:
    found = platform_of(system).can(Balances, component)  # type: ignore[type-abstract] # asked for by its type
    return not isinstance(found, Missing)


def _claim(item: pytest.Item) -> str:
    return (inspect.getdoc(getattr(item, "function", None)) or "").partition("\n")[0]
