"""Hypothesis strategies for structs, made from what the annotations of their fields allow.

A new kind of fault or a new key needs no change here. What annotations do not say, or say too
generously, is in one table, `EXCEPTIONS`.
"""

import math
import string
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from typing import Any, TypeAlias

from hypothesis import reject
from hypothesis import strategies as st
from msgspec import Struct, inspect

from invis_sim.device.sensors import READINGS, Sensors
from invis_sim.device.state import Device
from invis_sim.faults.fault import Fault
from invis_sim.faults.kinds.content import RemoveField, SetField
from invis_sim.faults.kinds.delivery import Distribution, Duplicate, Split
from invis_sim.faults.kinds.interruption import CloseConnection
from invis_sim.faults.kinds.text import BitFlip, Garbage, Pad
from invis_sim.faults.kinds.websocket import Fragment
from invis_sim.faults.when import When
from invis_sim.scenario.listen import Listen
from invis_sim.schema.fields import Field, fields

__all__ = ["EXCEPTIONS", "StructStrategies", "json_trees", "low_integers", "paths"]

FieldName: TypeAlias = tuple[type[Struct], str]
"""A struct type and the name of a field of it."""

MAX_SECONDS = 1e9
"""The longest time that a key can say, in place of infinity."""

MAX_GIVEN = 4
"""This many of a struct's optional fields at most have another value than their default."""

MAX_LENGTH = 20
"""Of texts that may be longer."""

SEVERAL = 40
"""How far above its lower bound an integer goes if it has no low upper bound."""


def json_trees(null: st.SearchStrategy[None] | None = None) -> st.SearchStrategy[Any]:
    """Plain data as JSON has it. null: None if there must be no null in it, as in TOML."""
    scalars: list[st.SearchStrategy[Any]] = [
        st.booleans(),
        st.integers(-(2**63), 2**64),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=10),
    ]
    return st.recursive(
        st.one_of(scalars if null is None else [*scalars, null]),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=5,
    )


def low_integers(info: inspect.IntType) -> st.SearchStrategy[int]:
    """All integers of a small range, the lower end of a large one, and any integer if there is no
    lower bound.
    """
    least = info.ge if info.gt is None else info.gt + 1
    most = info.le if info.lt is None else info.lt - 1
    if least is None:
        return st.integers(-3, 60) | st.integers(None, most)
    if most is not None and most < least + 1000:
        return st.integers(least, most)
    return st.integers(least, least + SEVERAL)


_path_steps = st.one_of(
    st.sampled_from((".sn", ".packetID", ".PUBACK", ".payload", ".callbackArgs", ".IM", "[0]")),
    # A key of any other characters than those that separate keys.
    st.text(max_size=3).map(lambda key: "." + key.translate(dict.fromkeys(map(ord, ".[]"))) + "x"),
    st.integers(0, 999_999).map("[{}]".format),
)
paths = st.one_of(
    st.sampled_from(("sn", "payload.callbackArgs", "payload.callbackArgs.IM", "a.b.c")),
    st.builds(
        lambda first, rest: first + "".join(rest),
        st.sampled_from(("sn", "packetID", "PUBACK", "payload", "other")),
        st.lists(_path_steps, max_size=3),
    ),
)
"""Paths in packets, as the faults `set_field` and `remove_field` have them."""

_revisions = st.text(max_size=64) | st.lists(st.integers(0, 99), min_size=3, max_size=3).map(
    lambda numbers: ".".join(map(str, numbers))
)

EXCEPTIONS: Mapping[FieldName, st.SearchStrategy[Any]] = {
    # Patterns, of which Hypothesis would make slow and odd strategies.
    (Device, "sn"): st.text("0123456789ABCDEF", min_size=10, max_size=11),
    (Listen, "ws_path"): st.text(string.ascii_letters + "/-_~!", max_size=5).map("/{}".format),
    # What the struct checks itself.
    (Sensors, "omit"): st.lists(st.sampled_from(READINGS), max_size=3).map(tuple),
    (SetField, "path"): paths,
    (RemoveField, "path"): paths,
    (CloseConnection, "code"): st.integers(1000, 1003) | st.integers(3000, 4999),
    # Sizes that would only take time.
    (Pad, "bytes"): st.integers(2, 3000),
    (Garbage, "size"): st.none() | st.integers(1, 300),
    (BitFlip, "bits"): st.integers(1, 1000),
    (Fragment, "pieces"): st.integers(2, 40),
    (Duplicate, "copies"): st.integers(2, 4),
    (Split, "pieces"): st.none() | st.integers(2, 40),
    (Split, "size"): st.none() | st.integers(1, 300),
}
"""Fields of which the annotation says too little, or allows too much."""


class StructStrategies:
    """Strategies for structs.

    max_wait: in seconds, ≥ 0, the longest time that a field says; may be infinite.
    exceptions: strategies for more fields than `EXCEPTIONS` has, or in place of those.
    lasting: fields that say for how long something lasts, beside those whose annotation says so.
    integers: the strategy for an integer with these bounds.
    """

    def __init__(
        self,
        *,
        max_wait: float = math.inf,
        exceptions: Mapping[FieldName, st.SearchStrategy[Any]] | None = None,
        lasting: AbstractSet[FieldName] = frozenset(),
        integers: Callable[[inspect.IntType], st.SearchStrategy[int]] = low_integers,
    ) -> None:
        self._endless = max_wait == math.inf
        self._wait = min(max_wait, MAX_SECONDS)
        self._seconds = st.floats(0, self._wait)
        self._exceptions = {**EXCEPTIONS, **(exceptions or {})}
        self._lasting = lasting
        self._integers = integers

    # An instance lives as long as the process, so what its methods cache may as well.

    @cache  # noqa: B019
    def structs(self, struct: type[Struct]) -> st.SearchStrategy[Any]:
        """A struct with some of its fields given."""
        if struct is Distribution:
            return self._distributions()
        if issubclass(struct, Fault):
            return self.faults_of(struct)
        return _some_of(struct, *self.field_values(struct))

    @cache  # noqa: B019
    def faults_of(
        self,
        kind: type[Fault],
        when: st.SearchStrategy[When] | None = None,
        without: tuple[str, ...] = (),
    ) -> st.SearchStrategy[Any]:
        """A fault of a kind.

        when: its conditions; None: any that its kind can have, or none.
        without: fields that keep their defaults.
        """
        required, optional = self.field_values(kind)
        if when is None:
            optional = {**optional, "when": self.conditions(kind)}
        else:
            required = {**required, "when": when}
        kept = {name: v for name, v in optional.items() if name not in (*required, *without)}
        return _some_of(kind, required, kept)

    @cache  # noqa: B019
    def conditions(self, kind: type[Fault]) -> st.SearchStrategy[When]:
        """Conditions under which a kind can apply."""
        optional = dict(self.field_values(When)[1])
        if kind.acts_on == ("connection",):
            for name in ("callback", "packet", "per"):
                del optional[name]
        else:
            optional["packet"] = st.sampled_from((*kind.acts_on, "any"))
        optional["transport"] = st.sampled_from(kind.transports)
        conditions: st.SearchStrategy[When] = _some_of(When, {}, optional)
        return conditions

    @cache  # noqa: B019
    def field_values(
        self, struct: type[Struct]
    ) -> tuple[Mapping[str, st.SearchStrategy[Any]], Mapping[str, st.SearchStrategy[Any]]]:
        """By the names of the fields, a strategy for each: of those that must be given, because
        they have no default, or one that lasts too long; and of the others.
        """
        required: dict[str, st.SearchStrategy[Any]] = {}
        optional: dict[str, st.SearchStrategy[Any]] = {}
        for field in fields(struct).values():
            given = field.required or self._lasts_too_long(field, field.default)
            (required if given else optional)[field.name] = self._values_of(field)
        return required, optional

    def _values_of(self, field: Field) -> st.SearchStrategy[Any]:
        where = (field.owner, field.name)
        if where in self._exceptions:
            return self._exceptions[where]
        if where in self._lasting:
            return self._seconds
        return self._values(_type_of(field))

    def _lasts_too_long(self, field: Field, value: Any) -> bool:
        """Whether a value of the field says a longer time than it may; None there: for ever."""
        if self._endless:
            return False
        if isinstance(value, Struct):
            return any(
                self._lasts_too_long(inner, getattr(value, inner.name))
                for inner in fields(type(value)).values()
            )
        lasts = (field.owner, field.name) in self._lasting
        if lasts or _is_time(_type_of(field)):
            return value is None or bool(value > self._wait)
        return False

    def _values(self, info: inspect.Type) -> st.SearchStrategy[Any]:
        """Values of a type."""
        match info:
            case inspect.Metadata(type=inspect.FloatType()) if _is_time(info):
                return self._seconds
            case inspect.Metadata(type=inspect.StrType()) if _is_revision(info):
                return _revisions
            case inspect.Metadata(type=inner):
                return self._values(inner)
            case inspect.NoneType():
                return st.none()
            case inspect.AnyType():
                return json_trees()
            case inspect.BoolType():
                return st.booleans()
            case inspect.IntType():
                return self._integers(info)
            case inspect.FloatType(ge=ge, gt=gt, le=le, lt=lt):
                return st.floats(
                    ge if gt is None else gt,
                    le if lt is None else lt,
                    exclude_min=gt is not None,
                    exclude_max=lt is not None,
                    allow_nan=False,
                    allow_infinity=False,
                )
            case inspect.StrType(pattern=str(pattern)):
                return st.from_regex(pattern)
            case inspect.StrType(min_length=least, max_length=most):
                return st.text(min_size=least or 0, max_size=min(most or MAX_LENGTH, MAX_LENGTH))
            case inspect.LiteralType(values=choices):
                return st.sampled_from(choices)
            case inspect.TupleType(item_types=items):
                return st.tuples(*map(self._values, items))
            case inspect.VarTupleType(item_type=item, min_length=least):
                return st.lists(self._values(item), min_size=least or 0, max_size=3).map(tuple)
            case inspect.StructType(cls=struct):
                return self.structs(struct)
            case inspect.UnionType(types=members):
                # Of a time, None is for ever.
                endless = self._endless or not _is_time(info)
                return st.one_of(
                    [
                        self._values(member)
                        for member in members
                        if endless or not isinstance(member, inspect.NoneType)
                    ]
                )
            case _:
                raise NotImplementedError(f"no strategy for {info}")

    def _distributions(self) -> st.SearchStrategy[Distribution]:
        """Distributions that stay below the longest wait, or nearly so."""
        forms: list[st.SearchStrategy[Distribution]] = [
            st.tuples(self._seconds, self._seconds).map(
                lambda ends: Distribution(min=min(ends), max=max(ends))
            )
        ]
        if self._wait > 0:
            # Nearly all of both is below twice the middle.
            middles = st.floats(0, self._wait / 2, exclude_min=True)
            sigmas = st.floats(0, 10.0 if self._endless else 0.15)
            forms += [
                middles.map(lambda mean: Distribution(mean=mean, stddev=mean / 5)),
                st.builds(Distribution, median=middles, sigma=sigmas),
            ]
        return st.one_of(forms)


@cache
def _type_of(field: Field) -> inspect.Type:
    """The type of a field. Kept, as msgspec works it out anew each time."""
    return inspect.type_info(field.annotation)


def _is_time(info: inspect.Type) -> bool:
    """Whether a type is `Seconds`, or allows for them."""
    if isinstance(info, inspect.UnionType):
        return any(map(_is_time, info.types))
    return _description(info) == "Seconds."


def _is_revision(info: inspect.Type) -> bool:
    return _description(info).startswith("A firmware revision")


def _description(info: inspect.Type) -> str:
    """The description in the annotation of a field."""
    if not isinstance(info, inspect.Metadata):
        return ""
    described: str = (info.extra_json_schema or {}).get("description", "")
    return described


def _some_of(
    struct: type[Struct],
    required: Mapping[str, st.SearchStrategy[Any]],
    optional: Mapping[str, st.SearchStrategy[Any]],
) -> st.SearchStrategy[Any]:
    """The struct with some of the optional fields. Those that do not go together with the others
    are omitted, from the last one on, so that hardly anything is generated in vain.
    """
    chosen: st.SearchStrategy[list[str]] = st.just([])
    if optional:
        chosen = st.lists(st.sampled_from(sorted(optional)), unique=True, max_size=MAX_GIVEN)
    return _fitting(struct, _ByField(required), _ByField(optional), chosen)


class _ByField(dict[str, st.SearchStrategy[Any]]):
    """Strategies by field, shown by the names alone: Hypothesis shows the arguments of a strategy
    where something fails, and warns where that gets long.
    """

    def __repr__(self) -> str:
        return f"{{{', '.join(self)}}}"


# Defined once and not for each struct: Hypothesis parses the source of each function that it makes
# a strategy of, which would be most of the time that all these strategies take to be made.
@st.composite
def _fitting(
    draw: st.DrawFn,
    struct: type[Struct],
    required: Mapping[str, st.SearchStrategy[Any]],
    optional: Mapping[str, st.SearchStrategy[Any]],
    chosen: st.SearchStrategy[list[str]],
) -> Any:
    given = {name: draw(values) for name, values in required.items()}
    given.update((name, draw(optional[name])) for name in draw(chosen))
    while True:
        try:
            return struct(**given)
        except ValueError:
            if len(given) == len(required):
                reject()
            given.popitem()
