"""Structs and plain data: descriptions in words, checks, patches. Knows msgspec only."""
