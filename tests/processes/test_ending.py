"""A process that ends while it is looked for has ended: nobody takes its last open socket for another user's."""

from __future__ import annotations

from drillbook.platforms.process.found import Found

from .grounds import Ground, free_port, platform, state


def test_who_ends_while_we_look_is_never_unknown(ground: Ground) -> None:
    for _ in range(25):
        port = free_port()
        processes = platform(api_1=Found("api", port=port))
        child = ground.serve(port)
        child.kill()
        seen = {state(processes).state for _ in range(20)}
        assert seen <= {"running", "exited"}, [state.because for state in processes.list_instances()]
        child.wait(20)
        assert state(processes).state == "exited"
