"""The policy pack of this project: drstack.policies names each judgement and says why it is made."""

from pathlib import Path

from drstack.policies.pack import serve

serve(Path(__file__).resolve().parents[1])
