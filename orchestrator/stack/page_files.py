"""The files of `error_pages`: which there are, and whether browsers can be shown them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.files import read_file
from orchestrator.stack.document import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from orchestrator.stack.model import Stack

LARGEST_PAGE = 256 * 1024  # bytes


def list_error_pages(stack: Stack) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the pages of the gateway and of services, with the place of each mapping."""
    yield "gateway.error_pages", stack.gateway.error_pages
    for name, service in stack.services.items():
        yield f"services.{name}.error_pages", service.error_pages


def find_page_faults(stack: Stack, folder: Path) -> Iterator[Fault]:
    """Yield each page that browsers cannot be shown; paths are relative to `folder`."""
    for place, pages in list_error_pages(stack):
        for status, file in pages.items():
            if fault := _judge(folder / file):
                yield Fault(f"{place}.{status}", fault)


def _judge(path: Path) -> str:
    """Return what is wrong with a page; empty where nothing is. Its path may hold a variable's value."""
    try:
        read_page(path)
    except OSError as error:
        return f"cannot be read: {error.strerror}; a page has at most {LARGEST_PAGE // 1024}k"
    except (RuntimeError, UnicodeDecodeError) as error:
        return "leads nowhere" if isinstance(error, RuntimeError) else "is no text in UTF-8"
    return ""


def read_page(path: Path) -> bytes:
    """Return a page. Raises OSError; UnicodeDecodeError where it is no UTF-8; RuntimeError."""
    content = read_file(path, LARGEST_PAGE)
    content.decode()
    return content


def make_absolute(part: dict[str, Any], folder: Path) -> None:
    """Let the pages of a document's part be found from elsewhere."""
    if pages := part.get("error_pages"):
        part["error_pages"] = {status: str(folder / file) for status, file in pages.items()}
