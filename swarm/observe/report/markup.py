"""HTML and SVG from small calls. Every text is escaped on its way in, unless it is markup already."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
"""What may stand in no HTML and no XML document, escaped or not."""


class Html(str):
    """Text that is markup: nobody escapes it again."""

    __slots__ = ()


def text(value: object) -> Html:
    """``value`` as markup that shows it letter by letter.

    >>> text("<b>")
    '&lt;b&gt;'
    """
    return value if isinstance(value, Html) else Html(html.escape(_CONTROL.sub("", str(value))))


def el(name: str, /, *children: object, **attributes: object) -> Html:
    """An element; ``class_`` is the attribute class, ``stroke_width`` is stroke-width, None leaves one out.

    >>> el("p", "a < b", class_="note")
    '<p class="note">a &lt; b</p>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = join(children)
    return Html(f"<{name}{given}>{inner}</{name}>" if inner or name not in _VOID else f"<{name}{given} />")


_VOID = {"meta", "br", "rect", "line", "circle", "polyline"}


def join(parts: Iterable[object], by: str = "") -> Html:
    """Parts one after another, with ``by`` between them."""
    return Html(text(by).join(text(part) for part in parts))
