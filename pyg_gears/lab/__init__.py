"""The laboratory: questions about the method. Nothing in the method imports from here."""

from __future__ import annotations

__all__: list[str] = []
