"""The program of every stack: one site of an environment of `stacks/environments`, or all of them."""

from pathlib import Path

from drstack.components.program import run

run(Path(__file__).resolve().parents[1])
