"""Random numbers that depend on a key, such as what they are for and the number of the case."""

from hashlib import blake2b

__all__ = ["chance"]


def chance(key: str) -> float:
    """Return a random number from 0 to 1, below 1, that depends on the key alone.

    A generator takes ten times as long to be seeded, which a fleet would notice: it takes ten
    thousand samples a minute, and pushes each. And it takes 2.5 KB, which a copy of an outlet, on
    which a command is tried, would copy.
    """
    digest = blake2b(key.encode(), digest_size=7).digest()
    return (int.from_bytes(digest, "big") >> 3) / 2**53  # as many bits as a float has
