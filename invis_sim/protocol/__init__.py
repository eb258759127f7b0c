"""The wire: bytes → documents → requests, and packets → bytes.

No sockets, no clock, no state but the framer's.
"""
