"""``~/`` in a word of the command line, where the shell has left it: ``--out=~/model``, ``NAME=~/slide.h5ad``, in quotes."""

from __future__ import annotations

import os
import re

_HOME = re.compile(r"(?P<before>(--[\w-]+=|[^/=]+=)?)(?P<path>~/.*)", re.DOTALL)


def home_expanded(word: str) -> str:
    """The word with the home folder in the place of its ``~``; taken at its letter, a folder of that name would be made.

    >>> home_expanded("--set=embedding.adapter=~"), home_expanded("a~/b")
    ('--set=embedding.adapter=~', 'a~/b')
    """
    found = _HOME.fullmatch(word)
    return word if found is None else found["before"] + os.path.expanduser(found["path"])
