"""What of a struct differs from another: the opposite of `build` with a base."""

from typing import Any

import msgspec

from invis_sim.schema.fields import fields

__all__ = ["differences"]


def differences(
    value: msgspec.Struct, base: msgspec.Struct | None = None, *, with_none: bool = False
) -> dict[str, Any]:
    """Return as plain data the keys whose values differ, such that `build` with this base and these
    keys makes the value again.

    base: what it differs from; None: the defaults of its type. A table that the base lacks is there
    even if it is empty: it stands for a value of its own. What the base has and the value lacks
    (None) cannot be said in TOML; it is missing, or None with `with_none`.
    """
    found: dict[str, Any] = {}
    for key, field in fields(type(value)).items():
        now = getattr(value, field.name)
        before = field.default if base is None else getattr(base, field.name)
        if now == before:
            continue
        if now is None:
            if with_none:
                found[key] = None
            continue
        if _is_table(now):
            has_one = type(before) is type(now)
            inner = differences(now, before if has_one else None, with_none=with_none)
            if inner or not has_one:
                found[key] = {**_tag(now), **inner}
        else:
            found[key] = _plain(now)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if not _is_table(value):
        return msgspec.to_builtins(value)
    return {**_tag(value), **differences(value)}


def _tag(value: msgspec.Struct) -> dict[str, Any]:
    """Return the key that says of which type the struct is, where its type has one."""
    config = type(value).__struct_config__
    return {} if config.tag_field is None else {config.tag_field: config.tag}


def _is_table(value: Any) -> bool:
    # A struct that is written as a list is one value: half a list means nothing.
    return isinstance(value, msgspec.Struct) and not type(value).__struct_config__.array_like
