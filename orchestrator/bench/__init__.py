"""Load tests through the gateway: k6 at work, its figures, their comparison and their archive."""
