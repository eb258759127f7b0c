"""The wire format: bytes → JSON documents → requests and packets, and packets → bytes.

No sockets and no clock; the only state is that of `JsonFramer` and `FastPathFilter`.
"""
