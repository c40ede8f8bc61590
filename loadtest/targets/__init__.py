"""Servers to be measured, each started by one command: `python -m loadtest.targets NAME`."""
