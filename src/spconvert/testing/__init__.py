"""Conformance suites that an implementation passes by subclassing. NumPy and pytest only."""
