"""Other tasks of the event loop, which must have their turn before time moves on."""

import trio

__all__ = ["wait_for_other_tasks"]

SETTLE_SECONDS = 0.25
"""How long (real time) other tasks have to deal with a timer while time is advanced. They need far
less; the limit is for event loops in which some task of the caller never waits."""


async def wait_for_other_tasks() -> None:
    """Return when every other task waits for something, such as a client or a timer."""
    # Imported here: only those who advance time need it, and every start would pay for it.
    from trio.testing import wait_all_tasks_blocked

    with trio.move_on_after(SETTLE_SECONDS):
        await wait_all_tasks_blocked()
