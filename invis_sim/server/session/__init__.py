"""One client: its connection from the first byte to the end."""
