"""The outlet on the network, with trio: listeners, connections, and the two transports.

`simulator.py` gives life to one outlet; `connection.py` answers one client and carries out delivery
plans; `tcp.py` and `websocket.py` find the requests in what a client sends; `wire.py` alone touches
sockets.
"""

from invis_sim.server.simulator import Simulator, StartError, open_simulator

__all__ = ["Simulator", "StartError", "open_simulator"]
