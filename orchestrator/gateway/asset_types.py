"""What kinds of files pages ask for, by the ends of their names: the image's own list may be none."""

from __future__ import annotations

ASSET_TYPES = {  # all others are `application/octet-stream`
    "text/javascript": "js mjs cjs",
    "text/css": "css",
    "text/html": "html htm",
    "text/plain": "txt md",
    "text/csv": "csv",
    "text/vtt": "vtt",
    "text/xml": "xml",
    "application/json": "json map",
    "application/manifest+json": "webmanifest",
    "application/pdf": "pdf",
    "application/wasm": "wasm",
    "application/zip": "zip",
    "image/svg+xml": "svg",
    "image/png": "png",
    "image/jpeg": "jpg jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/x-icon": "ico",
    "font/woff": "woff",
    "font/woff2": "woff2",
    "font/ttf": "ttf",
    "font/otf": "otf",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg oga",
    "video/mp4": "mp4 m4v",
    "video/webm": "webm",
}
