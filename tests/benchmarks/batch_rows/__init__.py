"""The rows of ``python -m tests.benchmarks batch``, one module for each measurement."""
