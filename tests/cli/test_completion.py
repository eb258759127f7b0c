"""`completion`: the scripts, tried in the shells themselves where they are installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.process import cli_here
from tests.support import TIMEOUT


def script(shell: str) -> str:
    done = cli_here("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def run_in(shell: str, text: str, folder: Path, *arguments: str) -> list[str]:
    """What the shell prints, with the script there as a file `completion`."""
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    (folder / "completion").write_text(script(shell), encoding="utf-8")
    done = subprocess.run(
        [found, *arguments, "-c", text],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split("\n")


CASES = [
    (["ru"], {"run"}),
    (["ta"], {"tail"}),
    (["run", "--lo"], {"--log"}),
    (["run", "--log", ""], {"text", "full", "json", "quiet"}),
    (["run", "--color", "a"], {"auto", "always"}),
    (["run", "--fault", "acc"], {"accept_close"}),
    (["run", "--set", "sensors.lux_"], {"sensors.lux_valid"}),
    (["do", "push", "joi"], {"join_network"}),
    (["keys", "updates.I"], {"updates.IM"}),
    (["send", "3333", "28"], {"28"}),
    (["journal", "x.jsonl", "--kind", "outage_s"], {"outage_started"}),
    (["run", "update-su"], {"update-succeeds"}),
    (["run", "--seed", "3", "update-su"], {"update-succeeds"}),
    (["faults", "dela"], {"delay"}),
    (["guide", "gaunt"], {"gauntlet"}),
    (["clock", "re"], {"resume"}),
    (["check", "mine"], {"mine.toml"}),
    (["run", "--journal", "mi"], {"mine.toml"}),
    (["tail", "--seconds", ""], set()),
    (["completion", ""], {"bash", "zsh", "fish"}),
]
"""What is typed behind `invis-sim`, and what it is completed to."""


def test_bash_completes(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").touch()
    lines = ["compopt() { :; }", "source completion"]  # it may be called by readline alone
    for typed, _ in CASES:
        words = " ".join(f"'{word}'" for word in ("invis-sim", *typed))
        lines += [f"COMP_WORDS=({words}) COMP_CWORD={len(typed)}", "_invis_sim"]
        lines.append('echo "${COMPREPLY[*]}"')
    found = run_in("bash", "\n".join(lines), tmp_path, "--norc", "--noprofile")
    assert [set(line.split()) for line in found[:-1]] == [expected for _, expected in CASES]


def test_bash_completes_values_behind_an_equals_sign(tmp_path: Path) -> None:
    text = "source completion; COMP_WORDS=(invis-sim run --log = te) COMP_CWORD=4; _invis_sim"
    assert run_in("bash", f'{text}; echo "${{COMPREPLY[*]}}"', tmp_path) == ["text", ""]
    text = "source completion; COMP_WORDS=(invis-sim run --log =) COMP_CWORD=3; _invis_sim"
    assert (
        run_in("bash", f'{text}; echo "${{COMPREPLY[*]}}"', tmp_path)[0] == "text full json quiet"
    )


def test_fish_completes(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").touch()
    lines = ["source completion"]
    for typed, _ in CASES:
        lines += [f'complete -C "invis-sim {" ".join(typed)}"', "echo ---"]
    found = "\n".join(run_in("fish", "\n".join(lines), tmp_path, "--no-config")).split("---")
    names = [{line.partition("\t")[0] for line in one.split("\n") if line} for one in found[:-1]]
    assert names == [expected for _, expected in CASES]


def test_zsh_loads_the_script_and_knows_the_command(tmp_path: Path) -> None:
    text = "autoload -Uz compinit; compinit -u; source completion; print $_comps[invis-sim]"
    assert run_in("zsh", text, tmp_path, "-f") == ["_invis_sim", ""]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_command_and_option_is_in_each_script(shell: str) -> None:
    text = script(shell)
    for word in ("gauntlet", "control-host", "exit-with-stdin", "packet-id", "reconnect"):
        assert word in text


def test_another_shell_is_a_problem() -> None:
    done = cli_here("completion", "tcsh")
    assert done.returncode == 2
    assert "tcsh" in done.stderr
