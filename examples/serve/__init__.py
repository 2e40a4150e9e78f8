"""Serves the newest recovery point of a training run over HTTP; docs/inference.md is its manual."""
