"""The form that brings a file: taken apart as it comes, and nothing of it is kept."""

import re

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from assets.names import safe_name
from assets.problems import Refusal

FIELD = "file"
MAX_BOUNDARY_BYTES = 70  # RFC 2046
MAX_HEADER_BYTES = 64 * 2**10

_PATH = re.compile(rb'filename\s*=\s*"?(.:|\\)\\', re.IGNORECASE | re.DOTALL)


class NotAFormError(Refusal):
    """The body is no multipart form, or a broken one."""

    status = 400


class UnwelcomePartError(Refusal):
    """The form holds something else than one file."""

    status = 422


class WrongTypeError(Refusal):
    """The body is called something else than a multipart form."""

    status = 415


class Form:
    """A multipart form with one part, `file`."""

    def __init__(self, content_type: str) -> None:
        """Read the boundary from the Content-Type."""
        self.name: str | None = None
        self._complete = False
        self._pieces: list[bytes] = []
        self._field = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._parser = MultipartParser(
            boundary_of(content_type),
            {
                "on_part_begin": self._begin_part,
                "on_header_begin": self._begin_header,
                "on_header_field": self._take_field,
                "on_header_value": self._take_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._take_content,
                "on_end": self._end,
            },
            max_header_size=MAX_HEADER_BYTES,
        )

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take a chunk of the body, and return what it holds of the file's content."""
        self._pieces = []
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise NotAFormError("the body is not a valid multipart form") from None
        return self._pieces

    def finish(self) -> str:
        """Return the file's name when the body has ended. Raise if no whole file was in it."""
        if not self._complete:
            raise NotAFormError("the form ends before its last boundary")
        if self.name is None:
            raise UnwelcomePartError("a file is needed", at=f"body.{FIELD}")
        return self.name

    def _begin_part(self) -> None:
        if self.name is not None:
            raise UnwelcomePartError("one file is all that a form may hold", at="body")
        self._headers = {}

    def _begin_header(self) -> None:
        self._field = self._value = b""

    def _take_field(self, chunk: bytes, start: int, end: int) -> None:
        self._field += chunk[start:end]

    def _take_value(self, chunk: bytes, start: int, end: int) -> None:
        self._value += chunk[start:end]

    def _end_header(self) -> None:
        self._headers[self._field.lower()] = self._value

    def _end_headers(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        kind, options = parse_options_header(disposition)
        if kind != b"form-data" or options.get(b"name") != FIELD.encode():
            raise UnwelcomePartError(f"only a part named `{FIELD}` is taken", at="body")
        name = options.get(b"filename", b"")
        if _PATH.search(disposition):  # the parser has cut it off, as some browsers once sent paths
            name = b"\\" + name
        self.name = safe_name(name)

    def _take_content(self, chunk: bytes, start: int, end: int) -> None:
        self._pieces.append(chunk[start:end])

    def _end(self) -> None:
        self._complete = True


def boundary_of(content_type: str) -> bytes:
    """Take the boundary from a Content-Type. Raise if it is another type, or has none."""
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise WrongTypeError("the body must be multipart/form-data")
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= MAX_BOUNDARY_BYTES:
        raise NotAFormError("the Content-Type has no valid boundary")
    return boundary
