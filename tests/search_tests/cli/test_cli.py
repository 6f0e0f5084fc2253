"""The command line: what scripts and newcomers rely on."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from search.cli import api_page
from search.cli.main import cli, exit_code
from search.cli.reference_page import document
from search.home import find_home
from search.live_view import LiveView
from search.record import Record, open_record
from spaces.space.walk import contains
from spaces.sweep_spec import load_sweep_spec, make_space
from tests.search_tests.building import proposal, result
from trainables.config.literature import GROUPS
from trainables.monitoring.progress import Progress, ProgressFile

ROOT = Path(__file__).parents[3]
HELP = ROOT / "tests" / "golden" / "help"
NAMED_BY_THE_PAPERS = {
    *("anli", "anli_plus", "mnli", "snli", "qqp", "squad", "squad_v2", "hellaswag", "cosmos_qa", "commonsense_qa"),
    *("ccg", "social_i_qa", "rte", "boolq", "paws"),
    *("flickr30k", "coco_captions", "snli_ve", "nlvr2", "nlvr", "vqa_v2", "gqa", "multi30k"),
    *GROUPS["xtreme"],
    *GROUPS["xtreme_r"],
}
HEAVY = ("torch", "ray", "deepspeed", "transformers", "datasets", "optuna", "pandas", "numpy")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a sweep `demo`: trials 0 (text, 0.5) and 1 (none, 0.6) finished, 2 running, 3 failed."""
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    with open_record(find_home().record) as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=8)
        for number, family in enumerate(("text", "none", "text", "text")):
            record.propose("demo", proposal=proposal(family))
            record.start("demo", number=number)
        record.finish("demo", number=0, result=result(0.5))
        record.finish("demo", number=1, result=result(0.6))
        record.fail("demo", number=3, error="the loss is not finite at step 3")
    return tmp_path / "home"


@pytest.mark.usefixtures("home")
def test_best_prints_one_json_list_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["best", "demo", "--top", "1", "--json"]) == 0
    captured = capsys.readouterr()
    (answer,) = json.loads(captured.out)
    assert (answer["trial"], answer["family"], answer["metric"], captured.err) == (1, "none", "average", "")


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["status", "demo"],
        ["best", "demo"],
        ["best", "demo", "--by", "family"],
        ["show", "demo", "0"],
        ["tasks"],
        ["tasks", "xnli"],
        ["spaces"],
        ["spaces", "demo"],
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("home")
def test_every_answer_is_json_or_text_of_80_columns_with_a_next_step(
    capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert exit_code([*command, "--json"]) == 0
    json.loads(capsys.readouterr().out)
    assert exit_code(command) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[-1].startswith("Next: xstilts ")
    assert max(len(line) for line in text.splitlines() if not line.startswith(("Next:", "File:"))) <= 80


@pytest.mark.usefixtures("home")
def test_best_of_each_family_says_how_many_and_their_mean(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code(["best", "demo", "--by", "family", "--json"])
    answers = json.loads(capsys.readouterr().out)
    assert [(a["family"], a["num_in_family"], a["mean_in_family"]) for a in answers] == [
        ("none", 1, pytest.approx(0.6)),
        ("text", 1, pytest.approx(0.5)),
    ]


@pytest.mark.usefixtures("home")
def test_show_prints_a_configuration_that_run_takes(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code(["show", "demo", "0"])
    assert "mixture:\n    hellaswag: 1.0" in capsys.readouterr().out


@pytest.mark.usefixtures("home")
def test_status_says_what_is_running_and_how_far(capsys: pytest.CaptureFixture[str]) -> None:
    report = Progress(phase="target", step=10, num_steps=70, loss=1.25, seconds_left=93.0)
    ProgressFile(find_home().progress_path("demo", number=2))(report)
    exit_code(["status", "demo"])
    text = " ".join(capsys.readouterr().out.split())
    assert "3 of 8 trials done (1 failed, 2 finished, 1 running, 4 not proposed yet)" in text
    assert "target 10/70 1.250 1:33" in text


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["bst"], "did you mean 'best'"),
        (["best"], "Missing argument 'NAME'"),
        (["best", "demo", "--tpo", "3"], "--top"),
        (["best", "dmo"], "did you mean 'demo'"),
        (["best", "demo", "--where", "famly = 'a'"], "did you mean 'family'"),
        (["best", "demo", "--metric", "averge"], "did you mean 'average'"),
        (["show", "demo", "77"], "has trials 0 to 3"),
        (["tasks", "xnl"], "did you mean 'xnli'"),
        (["tasks", "chek"], "did you mean 'check'"),
        (["tasks", "check", "xnl"], "did you mean 'xnli'"),
        (["tasks", "check", "nope.task.yaml"], "nope.task.yaml: cannot be read"),
        (["spaces", "dmo"], "did you mean 'demo'"),
        (["search", "dmo"], "did you mean 'demo'"),
        (["run", "nope.yaml"], "cannot be read"),
        (["status", "--record", "nosql://x"], "names no known database"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
@pytest.mark.usefixtures("home")
def test_a_users_mistake_is_one_message_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], command: list[str], message: str
) -> None:
    assert exit_code(command) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert (captured.out, "Traceback" in captured.err) == ("", False)


@pytest.mark.parametrize("command", [["status"], ["best", "demo"], ["show", "demo", "0"]], ids=" ".join)
def test_asking_without_a_record_says_how_to_get_one_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "nowhere"))
    assert exit_code(command) == 2
    assert "xstilts search demo" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("body", "settings", "message"),
    [
        ("target: {steps: 1, steps: 2}", [], "'steps' occurs twice"),
        ("targt: {steps: 1}", [], "did you mean 'target'"),
        ("target: {mixture: {mnli: 1.0}, epochs: 1, batch_sze: 3}", [], "did you mean 'batch_size'"),
        ("target: {mixture: {mnli: 0.5}, epochs: 1}", [], "weights sum to 0.5"),
        ("{}", ["--set", "target.batch_size=many"], "target.batch_size: 'many'"),
        ("{}", ["--set", "engine.zero_stag=1"], "did you mean 'zero_stage'"),
    ],
)
def test_a_wrong_trial_file_is_refused_at_its_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str, settings: list[str], message: str
) -> None:
    (tmp_path / "trial.yaml").write_text(body)
    assert exit_code(["run", str(tmp_path / "trial.yaml"), *settings]) == 2
    assert message in capsys.readouterr().err


def test_every_task_of_the_literature_is_listed_also_what_cannot_be_had(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XSTILTS_MIRROR", "XSTILTS_CCG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert exit_code(["tasks", "--json"]) == 0
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}

    assert set(listed) >= NAMED_BY_THE_PAPERS
    assert len({frozenset(entry) for entry in listed.values()}) == 1  # every entry has the same keys
    assert all((entry["available"] == "missing") == bool(entry["reason"]) for entry in listed.values())
    assert "XSTILTS_CCG" in listed["ccg"]["reason"]
    assert {"nlvr@shuffled", "nlvr@captions_only", "nlvr@equal_compute"} <= set(listed["nlvr"]["controls"])
    assert listed["squad"]["controls"] == ["squad@equal_compute"]
    assert listed["xquad"]["controls"] == []


@pytest.mark.parametrize(("name", "variable"), [("mewsli_x", "XSTILTS_MEWSLIX"), ("bucc", "XSTILTS_BUCC")])
def test_the_card_of_a_task_from_an_own_folder_names_the_variable_and_a_run_refuses_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable, raising=False)
    assert exit_code(["tasks", name]) == 0
    card = " ".join(capsys.readouterr().out.split())
    assert exit_code(["tasks", name, "--json"]) == 0
    entry = json.loads(capsys.readouterr().out)
    target = "target: {mixture: miniature_nli, steps: 5}"  # that is here, whatever data this machine has
    (tmp_path / "trial.yaml").write_text(f"encoder: {{name: miniature}}\n{target}\nevaluation: {{task: {name}}}\n")
    assert exit_code(["run", str(tmp_path / "trial.yaml")]) == 2
    refusal = capsys.readouterr().err

    assert (entry["available"], variable in entry["reason"]) == ("missing", True)
    assert variable in card
    assert f"{variable} is not set" in refusal


@pytest.mark.parametrize(
    "command", [["--help"], ["tasks"], ["spaces"], ["status"], ["best", "demo", "--json"]], ids=" ".join
)
@pytest.mark.usefixtures("home")
def test_asking_loads_nothing_heavy(command: list[str]) -> None:
    code = f"import sys; from search.cli.main import exit_code; exit_code({command!r}); print('LOADED', *sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ended.stdout.rpartition("LOADED")[2].split())
    assert loaded.isdisjoint(HEAVY)
    assert "click" in loaded


NAMES = [
    "",
    *cli.list_commands(None),  # type: ignore[arg-type]
    "stages list",
    "stages verify",
    "stages copy",
    "stages gc",
    "tasks check",
    "tasks rank",
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name or "xstilts")
def test_the_help_text_is_the_golden_one(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert text == (HELP / f"{name or 'xstilts'}.txt").read_text()
    assert max(map(len, text.splitlines())) <= 80


def test_the_documented_command_line_is_current() -> None:
    assert (ROOT / "docs" / "cli.md").read_text() == document(), "run python -m search.cli.reference_page > docs/cli.md"


def test_the_page_of_the_python_interface_is_current() -> None:
    page = (ROOT / "docs" / "api.md").read_text()

    assert page == api_page.document(), "run python -m search.cli.api_page > docs/api.md"


def test_the_live_view_tells_each_event_once_in_plain_lines(record: Record, tmp_path: Path) -> None:
    stream = io.StringIO()
    record.propose("demo", proposal=proposal())
    with LiveView("demo", record=record, folder=tmp_path, stream=stream) as view:
        record.start("demo", number=0)
        view.update()
        view.update()
        record.finish("demo", number=0, result=result(0.5))
    assert stream.getvalue().splitlines() == ["[0/4] trial 0 running", "[1/4] trial 0 finished 50.0 %"]


def test_the_live_view_warns_of_rows_that_are_left_out_once(record: Record, tmp_path: Path) -> None:
    stream = io.StringIO()
    warning = f"task 'mine', split 'train' (de): 3 of 60 rows (5.0%) are left out, for {tmp_path.name}"
    record.propose("demo", proposal=proposal())
    with LiveView("demo", record=record, folder=tmp_path, stream=stream):
        for _ in range(2):
            record.note("demo", number=0, kind="left_out", payload={"warning": warning})
    assert stream.getvalue().splitlines() == [warning]


def test_spaces_prints_the_tree_its_size_and_three_samples(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["spaces", "demo"]) == 0
    text = capsys.readouterr().out
    assert "\n  intermediate.text.mixture " in text
    assert "Size: infinite" in text
    assert text.count("\nSample ") == 3

    assert exit_code(["spaces", "demo", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    space = make_space(load_sweep_spec("demo"))
    assert printed["size"] is None
    assert all(contains(space, sample) for sample in printed["samples"])
