"""A desk where people order reports: the web takes the orders, Celery's worker writes the reports."""

from desk.queue import queue

__all__ = ["queue"]
