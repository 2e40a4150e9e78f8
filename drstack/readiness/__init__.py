"""Would a promotion succeed now? Facts are gathered in `gathering.py`, judged purely in `judge.py`, served by `service.py`."""
