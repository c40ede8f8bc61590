"""What this server costs: `python -m benchmarks`, see `__main__`."""
