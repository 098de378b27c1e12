"""NGINX: what it should serve, how it comes to serve it, and what it says of its traffic."""
