"""The outlet itself: what it knows, and what it answers. No sockets and no clock."""
