"""Benchmarks: `make bench`, `make bench ONLY=name`. Every figure stands beside a named peer's of the same run."""
