"""A page as a browser reads it, without the browser."""

from __future__ import annotations

from html.parser import HTMLParser

LOADS = {"src", "srcset", "action", "formaction", "poster", "data", "background"}
CONTAINERS = {"link": "href", "use": "href", "image": "href"}


class Page(HTMLParser):
    """The tags of a page, and the text in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_data(self, data: str) -> None:
        """Note the text in a tag."""
        tag = self._open[-1] if self._open else ""
        self.data[tag] = self.data.get(tag, "") + data

    def find(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all tags of a name."""
        return [attributes for name, attributes in self.tags if name == tag]

    def find_loads(self) -> list[str | None]:
        """Return what a browser would fetch: nothing that is in the page itself."""
        found = [a[name] for _, a in self.tags for name in LOADS & a.keys()]
        linked = [a.get(CONTAINERS[tag]) for tag, a in self.tags if tag in CONTAINERS]
        return found + [target for target in linked if not str(target).startswith("data:,")]
