"""stackctl: blue-green releases behind NGINX that lose no request, and prove it."""

__version__ = "0.1.0"
