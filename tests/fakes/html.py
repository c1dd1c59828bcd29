"""Reads a page as a browser would, and keeps what it would show, fetch or run."""

from html.parser import HTMLParser


class Reader(HTMLParser):
    """Collects texts, addresses and tags."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.sources: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, text: str) -> None:
        self.text.append(text)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    return reader


def needs_no_other_file(html: str) -> bool:
    """Whether all pictures are inside the page, and nothing is run or fetched."""
    found = read(html)
    inside = all(source.startswith("data:image/jpeg;base64,/9j/") for source in found.sources)
    return inside and not {"script", "link", "iframe"} & set(found.tags) and "url(" not in html
