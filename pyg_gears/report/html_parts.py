"""Pieces of HTML whose every text is escaped: names of a file are shown, never executed."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from typing import Any


def text(value: object) -> str:
    """The value as text in HTML.

    >>> text("<b> & 'c'")
    '&lt;b&gt; &amp; &#x27;c&#x27;'
    """
    # A lone surrogate cannot be written as UTF-8, and NUL is no character of HTML.
    return html.escape(str(value)).encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


def json_text(value: Any) -> str:
    r"""JSON for a script element: no character in it can end the element or open a tag.

    >>> json_text("</script>")
    '"\\u003c/script\\u003e"'
    """
    safe = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        safe = safe.replace(character, f"\\u{ord(character):04x}")
    return safe


def paragraph(*sentences: str) -> str:
    """One paragraph of sentences."""
    return f"<p>{text(' '.join(sentences))}</p>"


def items(sentences: Iterable[str]) -> str:
    """A list of sentences."""
    return f"<ul>{''.join(f'<li>{text(sentence)}</li>' for sentence in sentences)}</ul>"


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]], best: Iterable[Sequence[bool]] = ()) -> str:
    """A table with a caption, which scrolls by itself where the window is narrow.

    Args:
        title: Caption.
        head: Titles of the columns.
        rows: Cells as text; the first of a row names it.
        best: For every row, which of its cells are bold.
    """
    marks = list(best)
    body = []
    for number, row in enumerate(rows):
        bold = marks[number] if marks else [False] * len(row)
        cells = [f"<td>{f'<strong>{text(v)}</strong>' if b else text(v)}</td>" for v, b in zip(row, bold, strict=True)]
        body.append(f'<tr><th scope="row">{text(row[0])}</th>{"".join(cells[1:])}</tr>')
    titles = "".join(f'<th scope="col">{text(name)}</th>' for name in head)
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{text(title)}"><table><caption>{text(title)}</caption>'
        f"<thead><tr>{titles}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def section(title: str, *parts: str) -> str:
    """A section with a heading; the parts are HTML."""
    return f"<section><h2>{text(title)}</h2>{''.join(parts)}</section>"


def folded(title: str, content: str) -> str:
    """HTML that is shown when its title is opened."""
    return f"<details><summary>{text(title)}</summary>{content}</details>"


def chart(name: str, title: str) -> str:
    """A place for a chart that ``page/charts.js`` draws, with a caption."""
    return (
        f'<figure><div class="chart" id="{text(name)}" role="img" aria-label="{text(title)}"></div>'
        f"<figcaption>{text(title)}</figcaption></figure>"
    )


def copied(label: str, content: str) -> str:
    """Text in a box, with a button that copies it."""
    return (
        f'<div class="copied"><button type="button" class="copy">Copy</button>'
        f'<pre tabindex="0" role="region" aria-label="{text(label)}">{text(content)}</pre></div>'
    )
