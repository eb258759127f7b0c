"""When is the content of a file what its author has saved?

An editor may replace the file, or empty it and write it again, or write it in several pieces. In
between the file is away, empty, or there in part. So what a file says counts once it has stayed the
same for a while: longer where it says nothing, as hardly an author means that.
"""

__all__ = ["SavedFile"]

QUIET_SECONDS = 0.05
"""How long the content must stay the same: longer than an editor takes from one write to the next,
and too short to be noticed."""

EMPTY_SECONDS = 1.0
"""How long a file must be away or empty: longer than a save takes on a slow disk."""


class SavedFile:
    """The content of one file, looked at again and again. No clock: the caller says the time.

    content: what was saved last: that of the start. None, here and below: there is no such file.
    """

    def __init__(self, content: bytes | None) -> None:
        self._saved = content
        self._seen = content
        self._since = 0.0

    @property
    def due(self) -> float:
        """When to look again, even if nothing seems to happen; infinity: there is no need."""
        if self._seen == self._saved:
            return float("inf")
        return self._since + (QUIET_SECONDS if (self._seen or b"").strip() else EMPTY_SECONDS)

    def look(self, content: bytes | None, now: float) -> bool:
        """Take what the file says at this time, in seconds; return whether that was saved newly."""
        if content != self._seen:
            self._seen, self._since = content, now
        if now < self.due:
            return False
        self._saved = content
        return True
