"""The journal: what was received, what was sent, and which fault touched it.

It has two kinds of entries: an `Exchange` for each request, malformed piece of input and push, and
an `Event` for what befell a connection or the outlet as a whole. It keeps the newest entries,
bounded in number and in bytes, and tells its listeners of each; where entries go from there (a
terminal, a file) is theirs to decide. It can be asked and cleared from any thread while one thread
records.

No clock: whoever records says when it happened.
"""

from invis_sim.journal.entries import Entry, Event, Exchange, Outcome
from invis_sim.journal.journal import Journal
from invis_sim.journal.jsonl import encode_entry
from invis_sim.journal.text import describe, tell
from invis_sim.journal.wait import Expectation, Waiters

__all__ = [
    "Entry",
    "Event",
    "Exchange",
    "Expectation",
    "Journal",
    "Outcome",
    "Waiters",
    "describe",
    "encode_entry",
    "tell",
]
