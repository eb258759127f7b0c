"""Each block of the documents that has `$ curl …` is run by a shell."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.guides.blocks import Block, block_of, shown
from tests.guides.outlets import steered
from tests.support import SN, TIMEOUT

CURL = [block for block in shown("console") if "$ curl " in block.text]

TIMED_OUT = 28
"""The exit status of curl at the end of --max-time."""


def run_curl(block: Block, folder: Path) -> None:
    """Run the block as a script, with the outlets that its URLs name. An answer other than 2xx
    fails it.
    """
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("there is no curl here")
    (folder / ".curlrc").write_text("fail\nsilent\nshow-error\n")
    with steered(block.text) as url:
        script = "\n".join(re.findall(r"^\$ (.*)$", block.text, re.MULTILINE))
        script = script.replace("http://127.0.0.1:3334/", url)
        limited = rf'--max-time 0.2 \1 || test "$?" = {TIMED_OUT}'
        script = re.sub(r'--max-time \d+ ("[^"]*")', limited, script)
        done = subprocess.run(
            ["bash", "-ec", script],
            env={"CURL_HOME": str(folder), "PATH": "/usr/local/bin:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    assert done.returncode == 0, f"{block}: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("block", CURL, ids=str)
def test_what_curl_asks_is_answered(block: Block, tmp_path: Path) -> None:
    run_curl(block, tmp_path)


def test_what_is_refused_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="404"):
        run_curl(block_of("console", f"$ curl http://127.0.0.1:3334/api/{SN}\n"), tmp_path)
