"""Sockets: listening, accepted, polled."""
