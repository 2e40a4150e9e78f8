import json
import math
import subprocess
import sys
from dataclasses import replace

import pytest

from drstack.errors import DrstackError
from drstack.report import StepMark, read_record, record_json
from tests.drstack.report.recorded import FAILED_AT, recorded


def test_a_record_comes_back_from_its_json_as_it_was(tmp_path):
    for record in (recorded(), recorded(reference=None, refused=(), fences=(), phases=(), steps=())):
        (tmp_path / "record.json").write_text(record_json(record))
        assert read_record(tmp_path / "record.json") == record


def test_a_loss_that_is_no_number_becomes_null_in_strict_json(tmp_path):
    text = record_json(recorded(steps=(StepMark("east", 1, FAILED_AT, math.nan),), document={"loss": math.inf}))

    def refuse(word):
        raise AssertionError(f"not JSON: {word}")

    told = json.loads(text, parse_constant=refuse)
    assert (told["steps"][0]["loss"], told["document"]["loss"]) == (None, None)
    (tmp_path / "record.json").write_text(text)
    assert read_record(tmp_path / "record.json").steps[0].loss is None


def test_refuses_a_file_that_holds_no_record(tmp_path):
    (tmp_path / "record.json").write_text('{"environment": "demo"}')
    with pytest.raises(DrstackError, match="is no recovery record"):
        read_record(tmp_path / "record.json")


@pytest.mark.parametrize(
    "changes",
    [
        {"sites": ("east",)},
        {"rpo_s": -1.0},
        {"rto_s": math.inf},
        {"rto_objective_s": math.nan},
        {"made_at": math.nan},
        {"failure": replace(recorded().failure, at=math.inf)},
    ],
)
def test_refuses_values_that_no_report_can_show(changes):
    with pytest.raises(ValueError, match=r"two sites|no duration|not finite"):
        recorded(**changes)


def test_the_last_restore_on_the_new_writer_is_the_recovery_point():
    record = recorded()
    restored = record.checkpoints[-1]
    later = replace(restored, step=20, at=restored.at + 1)
    elsewhere = replace(restored, site="north", step=10, at=restored.at + 2)
    assert replace(record, checkpoints=(*record.checkpoints, later, elsewhere)).recovery_step == 20


def test_importing_the_report_brings_neither_matplotlib_nor_jinja2():
    code = "import sys, drstack.report; print({'matplotlib', 'jinja2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
