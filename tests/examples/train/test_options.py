"""Options are judged before anything is started."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from examples.train import errors
from examples.train.options import parse

ROOT = Path(__file__).resolve().parents[3]


def test_the_environment_names_the_required_step_and_the_flag_wins():
    argv = ["--checkpoints", "c"]
    assert parse(argv, {"DRSTACK_RESUME_STEP": "30"}, 0.0).require_step == 30
    assert parse([*argv, "--require-step", "20"], {"DRSTACK_RESUME_STEP": "30"}, 0.0).require_step == 20
    assert parse(argv, {"DRSTACK_RESUME_STEP": ""}, 0.0).require_step is None


@pytest.mark.parametrize(
    ("argv", "environ", "said"),
    [
        ([], {}, "--checkpoints: needed unless --every is 0"),
        (["--every", "0", "--require-step", "3"], {}, "--checkpoints: needed to resume"),
        (["--every", "0", "--heads", "5"], {}, "5 does not divide --width 192"),
        (["--every", "-1"], {}, "-1 is less than 0"),
        (["--every", "ten"], {}, "--every: 'ten' is not a whole number"),
        (["--every", "0", "--batch", "0"], {}, "0 is less than 1"),
        (["--every", "0", "--step-floor-s", "nan"], {}, "not between 0 and 60 seconds"),
        (["--checkpoints", "c"], {"DRSTACK_RESUME_STEP": "new"}, "$DRSTACK_RESUME_STEP: 'new' is not a whole number"),
        (["--checkpoints", "c"], {"DRSTACK_RESUME_STEP": "0"}, "$DRSTACK_RESUME_STEP: 0 is less than 1"),
        (["--check", "c"], {}, "unrecognized arguments"),
    ],
)
def test_refuses_what_does_not_fit_with_the_reason(argv, environ, said, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(argv, environ, 0.0)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_a_run_ends_at_its_last_step_or_never():
    ten = parse(["--every", "0", "--steps", "10"], {}, 0.0)
    assert [ten.ends_at(step) for step in (0, 9, 10, 11)] == [False, False, True, True]
    assert not parse(["--every", "0"], {}, 0.0).ends_at(10**9)


def test_a_wrong_option_is_answered_without_torch_from_any_folder(tmp_path):
    script = ROOT / "examples" / "train" / "__main__.py"
    command = [sys.executable, "-X", "importtime", str(script), "--every", "-1"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert "-1 is less than 0" in answer.stderr
    assert " torch\n" not in answer.stderr


def test_every_option_event_and_exit_code_is_in_the_manual(capsys):
    manual = (ROOT / "examples" / "train" / "README.md").read_text()
    with pytest.raises(SystemExit):
        parse(["--help"], {}, 0.0)
    options = {word.strip("[],") for word in capsys.readouterr().out.split() if word.strip("[],").startswith("--")}
    codes = {str(kind.exit_code) for kind in errors.TrainError.__subclasses__()}
    sources = "".join(path.read_text() for path in (ROOT / "examples" / "train").glob("*.py"))
    events = set(re.findall(r'event\(\s*"(\w+)"', sources))
    assert "start" in events
    assert [option for option in sorted(options - {"--help"}) if f"`{option}" not in manual] == []
    assert [code for code in sorted(codes) if f"| {code} |" not in manual] == []
    assert [event for event in sorted(events) if f"| `{event}` |" not in manual] == []
