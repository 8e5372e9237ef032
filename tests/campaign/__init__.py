"""Random odd inputs, one kind a module: each offers ``attempt(seed)`` and ``describe(seed)``."""
