"""The journal: what was received, what was sent, and which faults were applied, as a stream.

It has an `Exchange` for each request, malformed piece of input and push, and an event, of a struct
for each kind, for what happened to a connection or to the outlet. It keeps the newest entries,
bounded in number and in bytes, and hands each to its subscriptions; where entries go from there (a
terminal, a file, a waiting test) is decided by the subscriber. It can be asked and cleared from any
thread while one thread records.

No clock: the caller that records an entry says when it happened.
"""

from invis_sim.journal.budget import JournalBudget
from invis_sim.journal.entries import (
    AddressChanged,
    Closed,
    CommandGiven,
    Connected,
    DeviceLog,
    Entry,
    Event,
    Exchange,
    FaultApplied,
    FaultNote,
    OutageEnded,
    OutageStarted,
    Outcome,
    ServerError,
)
from invis_sim.journal.filter import EntryFilter, ExchangeFilter
from invis_sim.journal.journal import Journal
from invis_sim.journal.jsonl import JournalHeader, encode_entries, encode_entry
from invis_sim.journal.merged import subscribe_to_all
from invis_sim.journal.stream import Batch, Subscription
from invis_sim.journal.text import format_entries, format_entry
from invis_sim.journal.wait import Expectation, Waiters

__all__ = [
    "AddressChanged",
    "Batch",
    "Closed",
    "CommandGiven",
    "Connected",
    "DeviceLog",
    "Entry",
    "EntryFilter",
    "Event",
    "Exchange",
    "ExchangeFilter",
    "Expectation",
    "FaultApplied",
    "FaultNote",
    "Journal",
    "JournalBudget",
    "JournalHeader",
    "OutageEnded",
    "OutageStarted",
    "Outcome",
    "ServerError",
    "Subscription",
    "Waiters",
    "encode_entries",
    "encode_entry",
    "format_entries",
    "format_entry",
    "subscribe_to_all",
]
