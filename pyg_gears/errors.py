"""One-sentence errors for what a user can get wrong: expected, found, remedy."""

from __future__ import annotations

import difflib
import errno
import os
import re
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_STORAGE = frozenset(
    (
        errno.EACCES,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.EISDIR,
        errno.ENAMETOOLONG,
        errno.ENOENT,
        errno.ENOSPC,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
        errno.ESTALE,
    )
)
"""What a file system answers when it has no room, no permission, or is gone."""


class InputError(ValueError):
    """The input is not what the call needs; the message names what was expected, what was found and the remedy."""


class StorageError(InputError):
    """The file system refuses to write, for now: it is made with what to mend, and its message ends "then repeat the call"."""

    def __str__(self) -> str:
        return f"{self.args[0]}, then repeat the call."


def expect(condition: bool, message: str) -> None:
    """Raise ``InputError(message)`` unless the condition holds."""
    if not condition:
        raise InputError(message)


_as_options = False


@contextmanager
def arguments_are_options() -> Iterator[None]:
    """While the block runs, errors name an argument as the option of a command; otherwise as Python does."""
    global _as_options
    before, _as_options = _as_options, True
    try:
        yield
    finally:
        _as_options = before


def argument(name: str, option: str | None = None) -> str:
    """What the reader of an error calls an argument: by its name in Python, or by the option of the command that was called.

    Args:
        name: In Python.
        option: On the command line; ``--`` and the name if omitted.

    >>> argument("held_out")
    'held_out'
    >>> with arguments_are_options():
    ...     argument("held_out"), argument("protocols", "--protocol")
    ('--held-out', '--protocol')
    """
    return (option or f"--{name.replace('_', '-')}") if _as_options else name


def assigned(name: str, value: str, option: str | None = None) -> str:
    """An argument with its value, as the reader of an error would write it.

    Args:
        name: In Python.
        value: The value; quoted for the command line where a shell would part it.
        option: On the command line; ``--`` and the name if omitted.

    >>> assigned("layer", "counts")
    "layer='counts'"
    >>> with arguments_are_options():
    ...     assigned("layer", "counts")
    '--layer counts'
    """
    return f"{argument(name, option)} {shlex.quote(value)}" if _as_options else f"{name}={value!r}"


def described(value: object) -> str:
    """What was found: "none", the name of a type, or a tensor with its dtype and shape.

    >>> described(None), described([1.0])
    ('none', 'list')
    """
    if value is None:
        return "none"
    is_tensor = hasattr(value, "requires_grad")  # which NumPy's arrays have not
    return f"a {value.dtype} tensor of shape {tuple(value.shape)}" if is_tensor else type(value).__name__  # type: ignore[attr-defined]


def nearest_name(name: str, known: Iterable[str]) -> str:
    """The hint " (did you mean 'x'?)" with the known name that is closest to ``name``, whatever the case, or an empty string.

    >>> nearest_name("epoch", ["epochs", "seed"]), nearest_name("erbb2", ["ACTB", "ERBB2"])
    (" (did you mean 'epochs'?)", " (did you mean 'ERBB2'?)")
    """
    names = {other.casefold(): other for other in reversed(list(known))}  # of names that differ by case the first
    close = difflib.get_close_matches(name.casefold(), list(reversed(names)), n=1, cutoff=0.5)
    return f" (did you mean {names[close[0]]!r}?)" if close else ""


def storage_reason(error: BaseException | None) -> str | None:
    """What the file system said, in an error or in one that it came from; None for errors of another kind.

    >>> storage_reason(OSError(28, "No space left on device"))
    'No space left on device'
    """
    while error is not None:
        number = error.errno if isinstance(error, OSError) else None
        if number is None and isinstance(error, OSError | RuntimeError):
            # HDF5 puts the number into the text.
            found = re.search(r"errno = (\d+)", str(error))
            number = int(found[1]) if found else None
        if number in _STORAGE:
            assert number is not None
            return os.strerror(number)
        error = error.__cause__ or error.__context__
    return None
