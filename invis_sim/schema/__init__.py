"""Struct types and plain data: one walk over the fields (`fields.py`), plain data → values or all
problems (`build.py`), and types, values and paths in words (`describe.py`). It knows msgspec only.
"""
