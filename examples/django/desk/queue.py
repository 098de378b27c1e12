"""The queue between the web, the worker and the clock, on Redis."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "desk.settings")
queue = Celery("desk")
queue.config_from_object("django.conf:settings", namespace="CELERY")
queue.autodiscover_tasks()
