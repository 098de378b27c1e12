"""stackctl: blue-green releases behind NGINX that lose no request, and prove it."""
