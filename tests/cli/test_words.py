"""What a user reads has none of the words that have to be read twice."""

import re

from invis_sim.cli.arguments import make_parser
from invis_sim.cli.keys import tables
from invis_sim.faults.catalogue import KINDS
from invis_sim.protocol.callbacks import Callback
from tests.cases import for_each
from tests.cli.process import cli_here

AVOIDED = re.compile(
    r"\b(nobody|somebody|whoever|told|tells?|lets?|is none|are none|left out|drawn"
    r"|so often|under way|at the most|by chance|patience|goodbye|farewell|oddit(?:y|ies)|ordinal"
    r"|stands(?! for))\b",
    re.IGNORECASE,
)
"""The client, the caller, the simulator in place of *nobody*; *omitted*, *random*, *in progress*,
*sent* or *printed*, *at most* in place of the others.
"""

SHOWN = [
    ("--help",),
    *((name, "--help") for name in make_parser().commands),
    *(("faults", kind) for kind in KINDS),
    *(("keys", table) for table in tables()),
    *(("callbacks", str(int(one))) for one in Callback),
    *((name,) for name in ("faults", "keys", "callbacks", "scenarios", "guide")),
]


def test_an_avoided_word_would_be_found() -> None:
    assert AVOIDED.findall("It stands for what is told. Nobody") == ["told", "Nobody"]


@for_each("words", SHOWN, ids=" ".join)
def test_what_a_command_prints_has_no_avoided_word(words: tuple[str, ...]) -> None:
    assert AVOIDED.findall(" ".join(cli_here(*words).stdout.split())) == []
