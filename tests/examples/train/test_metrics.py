"""Events are whole lines, also after a writer that died in the middle of one."""

import json
import threading

from examples.train.metrics import Metrics


def test_a_torn_last_line_is_closed_before_the_next(tmp_path):
    path = tmp_path / "new" / "metrics.jsonl"
    Metrics(path, speaks=True).event("start", step=1)
    with path.open("a") as file:
        file.write('{"event": "st')
    Metrics(path, speaks=True).event("start", step=2)
    lines = path.read_text().splitlines()
    assert [json.loads(lines[index])["step"] for index in (0, 2)] == [1, 2]
    assert lines[1] == '{"event": "st'


def test_only_the_speaking_rank_writes(tmp_path):
    Metrics(tmp_path / "metrics.jsonl", speaks=False).event("start")
    assert not (tmp_path / "metrics.jsonl").exists()


def test_without_a_file_events_go_to_stdout(capfd):
    Metrics(None, speaks=True).event("step", loss=0.5, loss_hex=(0.5).hex())
    event = json.loads(capfd.readouterr().out)
    assert event.pop("at") > 0
    assert event == {"event": "step", "loss": 0.5, "loss_hex": "0x1.0000000000000p-1"}


def test_lines_of_several_threads_do_not_mix(tmp_path):
    metrics = Metrics(tmp_path / "metrics.jsonl", speaks=True)
    writers = [
        threading.Thread(target=lambda: [metrics.event("step", text="x" * 500) for _ in range(200)]) for _ in range(4)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert len([json.loads(line) for line in lines]) == 800
