"""One walk over struct types: keys, tables, lists of tables, and what docstrings say."""

from typing import Annotated, Any

import msgspec

from invis_sim.schema.fields import (
    MISSING,
    Path,
    fields,
    key_docs,
    struct_in,
    structs_in,
    table_in_list,
    value_at,
    walk,
)
from tests.cases import for_each


class Point(msgspec.Struct, array_like=True):
    """A point, written as a list."""

    x: int = 0
    y: int = 0


class Leaf(msgspec.Struct, kw_only=True, rename={"word": "pass"}):
    """A leaf.

    pass: how it passes.
    """

    word: str


class Tree(msgspec.Struct, kw_only=True):
    """A tree.

    trunk: its trunk.
    """

    trunk: Leaf
    twig: Leaf | None = None
    drift: int | Leaf = 0
    noted: Annotated[Leaf | None, msgspec.Meta(description="Noted.")] = None
    leaves: tuple[Leaf, ...] = ()
    more: tuple[Leaf, ...] | None = None
    pair: tuple[int, int] = (0, 0)
    points: tuple[Point, ...] = ()
    names: list[str] = msgspec.field(default_factory=list)


def test_fields_are_by_key_in_order_with_what_they_are() -> None:
    assert list(fields(Tree)) == list(Tree.__struct_encode_fields__)
    field = fields(Leaf)["pass"]
    assert (field.key, field.name, field.annotation, field.owner) == ("pass", "word", str, Leaf)
    assert (field.required, field.default) == (True, msgspec.NODEFAULT)
    twig = fields(Tree)["twig"]
    assert (twig.required, twig.default) == (False, None)
    assert fields(Tree)["names"].default == []


@for_each(
    ("key", "table", "element", "section"),
    [
        ("trunk", Leaf, None, Leaf),
        ("twig", Leaf, None, Leaf),
        ("drift", Leaf, None, None),
        ("noted", Leaf, None, Leaf),
        ("leaves", None, Leaf, Leaf),
        ("more", None, Leaf, Leaf),
        ("pair", None, None, None),
        ("points", None, None, None),
        ("names", None, None, None),
    ],
)
def test_a_field_knows_which_tables_it_may_be(
    key: str, table: type | None, element: type | None, section: type | None
) -> None:
    field = fields(Tree)[key]
    assert (field.table, field.element, field.section) == (table, element, section)


def test_a_struct_that_is_written_as_a_list_is_not_a_table() -> None:
    assert struct_in(Point) is None
    assert struct_in(int | Point | None) is None
    assert table_in_list(tuple[Point, ...]) is None
    assert table_in_list(tuple[Leaf, Leaf]) is None


def test_a_walk_goes_through_tables_each_before_what_is_in_it() -> None:
    paths = [path for path, _ in walk(Tree)]
    assert paths[:4] == [("trunk",), ("trunk", "pass"), ("twig",), ("twig", "pass")]
    assert ("leaves", "pass") in paths
    assert ("points", "x") not in paths
    assert [path for path, _ in walk(Leaf, ("a",))] == [("a", "pass")]


def test_every_struct_that_an_annotation_mentions_is_found() -> None:
    assert set(structs_in(dict[str, Tree | None])) == {Tree, Leaf, Point}
    assert list(structs_in(int)) == []


def test_a_struct_type_may_be_made_of_parts() -> None:
    step = msgspec.defstruct(
        "step",
        [("at", int), ("leaf", Leaf | None, None)],
        kw_only=True,
        namespace={"__doc__": "A step.\n\nat: when.\nleaf: what."},
    )
    assert [field.doc for field in fields(step).values()] == ["when.", "what."]
    assert fields(step)["leaf"].table is Leaf


def test_a_field_has_the_words_of_the_docstring() -> None:
    assert fields(Leaf)["pass"].doc == "how it passes."
    assert fields(Tree)["twig"].doc == ""


def test_a_docstring_may_explain_several_keys_on_one_line() -> None:
    class Odd(msgspec.Struct, rename={"word": "pass"}):
        """Odd.

        one: the first. two: the second,
        over two lines. pass: a key of another name. three, four: both.
        """

        one: int
        two: int
        three: int
        four: int
        word: int

    assert key_docs(Odd) == {
        "one": "the first.",
        "two": "the second, over two lines.",
        "pass": "a key of another name.",
        "three": "both.",
        "four": "both.",
    }


def test_docstrings_of_bases_explain_their_keys_unless_explained_again() -> None:
    class Below(Tree, kw_only=True):
        """Below.

        deep: how deep.
        """

        deep: int = 0

    class Again(Below, kw_only=True):
        """Again.

        trunk: another trunk.
        """

    assert key_docs(Below) == {"trunk": "its trunk.", "deep": "how deep."}
    assert key_docs(Again) == {"trunk": "another trunk.", "deep": "how deep."}


@for_each(
    ("path", "found"),
    [
        ((), None),
        (("a", "word"), "x"),
        (("b", 1), 2),
        (("a", "pass"), MISSING),
        (("c",), MISSING),
        (("b", 2), MISSING),
        (("b", "x"), MISSING),
        (("b", 0, "deeper"), MISSING),
    ],
)
def test_a_path_leads_through_structs_mappings_and_lists(path: Path, found: Any) -> None:
    value = {"a": Leaf(word="x"), "b": [1, 2]}
    assert value_at(value, path) == (value if path == () else found)
