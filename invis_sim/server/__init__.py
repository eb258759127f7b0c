"""The outlet on the network, with trio. The only package, but for `client/`, that does I/O.

`opening.py` opens an outlet in a runtime, `simulator.py` composes its parts and carries out what
comes of anything, `outages.py`, `step_runner.py` and `mdns.py` are such parts. `clock.py` is time,
`runtime.py` what several outlets share. `session/` serves one client, `net/` has the sockets.
"""

from invis_sim.server.simulator import Simulator, StartError

__all__ = ["Simulator", "StartError"]
