"""Assets: a small service that keeps files on a volume and what is known of them in PostgreSQL."""
