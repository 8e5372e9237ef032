"""Random trials of one kind a module: ``KIND``, ``attempt(seed)`` and ``describe(seed)``."""
