"""Habits of command lines: versions, quiet and verbose, no colours, completion, a spec to start with, `watch`."""

from __future__ import annotations

import importlib.metadata
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from search.cli.main import exit_code
from search.home import find_home
from search.live_view import LiveView
from search.record import open_record
from spaces.space.binder import bind
from spaces.space.enumeration import default_assignment
from spaces.sweep_spec import load_sweep_spec, make_space
from tests.search_tests.building import proposal, result
from trainables.checks.preflight import check_trial

XSTILTS = [sys.executable, "-c", "from search.cli import main; main()"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a sweep `demo` of one finished trial, which no process drives."""
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    with open_record(find_home().record) as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=1)
        record.propose("demo", proposal=proposal())
        record.start("demo", number=0)
        record.finish("demo", number=0, result=result(0.5))
    return tmp_path / "home"


def test_version_has_the_packages_that_matter(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["--version"]) == 0
    lines = capsys.readouterr().out.splitlines()

    assert lines[0] == f"xstilts {importlib.metadata.version('xstilts')}"
    assert f"torch {importlib.metadata.version('torch')}" in lines
    assert lines[1].startswith("python 3.")


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("words", [["-q", "best", "demo"], ["best", "demo", "-q"], ["best", "--quiet", "demo"]])
def test_quiet_leaves_out_the_next_step_before_and_after_the_command(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(words) == 0
    quiet = capsys.readouterr().out
    assert exit_code(["best", "demo"]) == 0
    usual = capsys.readouterr().out

    assert "Best of demo" in quiet
    assert "Next: " not in quiet
    assert usual.startswith(quiet)
    assert "Next: " in usual


@pytest.mark.usefixtures("home")
def test_quiet_shows_no_progress_and_keeps_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["-q", "--version"]) == 0  # a process that is quiet
    capsys.readouterr()
    from search import verbosity

    verbosity.be_quiet()
    try:
        with (
            open_record(find_home().record) as record,
            LiveView("demo", record=record, folder=find_home().progress_folder("demo")) as view,
        ):
            record.propose("demo", proposal=proposal())
            record.start("demo", number=1)
            record.note("demo", kind="left_out", payload={"warning": "7 rows of a split are left out"})
            view.update()
    finally:
        verbosity.reset()
    assert capsys.readouterr().err == "7 rows of a split are left out\n"


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("words", [["-vv", "best", "dmo"], ["best", "dmo", "-vv"]])
def test_verbose_shows_an_error_in_full(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(words) == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "did you mean 'demo'" in shown.splitlines()[-1]
    assert exit_code(["best", "dmo"]) == 2
    assert "Traceback" not in capsys.readouterr().err, "one command does not change the next one"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "has_colours"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_are_off_where_the_user_wants_none(home: Path, variables: dict[str, str], *, has_colours: bool) -> None:
    plain = {"XSTILTS_HOME": str(home), "TERM": "xterm-256color"}
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | plain | variables
    code = (
        "import sys; from rich.console import Console; from search.live_view import LiveView; "
        "Console(file=sys.stderr).print('[red]text[/red]'); from search.cli import main; main(['status'])"
    )
    shown = on_a_terminal([sys.executable, "-c", code], environment)

    assert "demo" in shown
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-9]", shown)) == has_colours


def on_a_terminal(command: list[str], environment: dict[str, str]) -> str:
    """Return what a command shows on a terminal of its own."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True)
    os.close(theirs)
    shown = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # Linux reports the end of a terminal as an error
            break
        if not chunk:
            break
        shown += chunk
    process.wait()
    os.close(ours)
    return shown.decode()


def complete(home: Path, words: str) -> list[str]:
    """Return what bash offers at the end of a line."""
    variables = {
        "XSTILTS_HOME": str(home),
        "_XSTILTS_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    done = subprocess.run(XSTILTS, env=os.environ | variables, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("xstilts sta", ["plain,status", "plain,stages"]),
        ("xstilts best d", ["plain,demo"]),
        ("xstilts search mult", ["plain,multimodal", "plain,multitask"]),
        ("xstilts search ./my", ["file,./my"]),
        ("xstilts best demo --fam", ["plain,--family"]),
        ("xstilts best demo --family mul", ["plain,multimodal", "plain,multitask"]),
    ],
)
def test_a_shell_completes_commands_sweeps_specs_and_options(home: Path, words: str, offered: list[str]) -> None:
    assert complete(home, words) == offered


@pytest.mark.parametrize(
    ("shell", "file"),
    [
        ("bash", "bash-completion/completions/xstilts"),
        ("zsh", "zsh/site-functions/_xstilts"),
        ("fish", "fish/completions/xstilts.fish"),
    ],
)
def test_the_completion_is_installed_in_the_users_folder(
    shell: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")

    assert exit_code(["--install-completion"]) == 0
    assert "_XSTILTS_COMPLETE" in (tmp_path / file).read_text()
    assert str(tmp_path / file) in capsys.readouterr().out
    assert exit_code(["--install-completion", "csh"]) == 2
    assert "--install-completion bash|zsh|fish" in capsys.readouterr().err


@pytest.mark.parametrize(("shell", "code"), [("/bin/bash", 0), ("/usr/sbin/nologin", 2), ("", 2)])
def test_without_the_variable_the_completion_is_that_of_the_login_shell(
    shell: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("SHELL", raising=False)

    class Entry:
        pw_shell = shell

    monkeypatch.setattr("pwd.getpwuid", lambda _: Entry)

    assert exit_code(["--install-completion"]) == code
    assert code == 0 or "--install-completion bash|zsh|fish" in capsys.readouterr().err


@pytest.mark.slow
def test_init_writes_a_spec_of_the_tasks_that_are_here(
    tiny_mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = shutil.copytree(tiny_mirror, tmp_path / "mirror")
    encoder = mirror / "models" / "lab" / "tiny"
    encoder.mkdir(parents=True)
    (encoder / "config.json").write_text(json.dumps({"model_type": "xlm-roberta"}))
    monkeypatch.setenv("XSTILTS_MIRROR", str(mirror))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    assert exit_code(["init", "mine.yaml"]) == 0
    spec = load_sweep_spec("mine.yaml")
    assert (spec.name, spec.trial["encoder"]) == ("mine", {"name": "lab/tiny"})
    assert spec.families["text"]["mixture"] == {"choice": ["rte", "squad", "commonsense_qa", "qqp"]}
    assert spec.families["multimodal"]["mixture"] == {"choice": ["flickr30k", "nlvr", "nlvr2", "vqa_v2"]}
    for family in spec.families:
        bind(make_space(spec), default_assignment(make_space(spec), family=family))


def test_init_without_real_data_writes_a_spec_that_runs_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("XSTILTS_MIRROR", raising=False)

    assert exit_code(["init", "--name", "first"]) == 0
    assert "the generated world" in capsys.readouterr().out
    text = Path("sweep.yaml").read_text()
    assert sum("#" in line for line in text.splitlines()) > 10
    spec = load_sweep_spec("sweep.yaml")
    assert spec.name == "first"
    for family in spec.families:
        check_trial(bind(make_space(spec), default_assignment(make_space(spec), family=family)))
    assert exit_code(["init"]) == 2
    assert "give the name of a new file" in capsys.readouterr().err
    assert Path("sweep.yaml").read_text() == text


@pytest.mark.usefixtures("home")
def test_watch_ends_when_no_process_drives_the_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["watch", "demo"]) == 0
    shown = capsys.readouterr().out
    assert "Sweep demo: 1 of 1 trial done; no process drives it." in shown
    assert "Next: xstilts best demo" in shown
    assert exit_code(["watch", "dmo"]) == 2


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["stats"], "status"),
        (["--versio"], "--version"),
        (["best", "demo", "--famly", "text"], "--family"),
        (["stages", "lst"], "list"),
        (["cluster", "upp"], "up"),
        (["tasks", "xnl"], "xnli"),
        (["spaces", "dmo"], "demo"),
        (["best", "dmo"], "demo"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("home")
def test_what_is_mistyped_gets_a_near_match(words: list[str], near: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(words) == 2
    assert re.search(rf"[Dd]id you mean .*'{near}'", capsys.readouterr().err)
