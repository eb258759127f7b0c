"""A client of any outlet, simulated or real; it uses trio.

`connection.py` connects over TCP or WebSocket, `ask.py` sends one request and returns its reply,
`reconnect.py` delivers packets over one connection after the other, `errors.py` has the errors.
"""
