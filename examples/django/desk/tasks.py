"""What the worker does."""

import time

from celery import shared_task
from django.conf import settings

from desk.models import Report, Tick

KEPT = 3600  # ticks


@shared_task
def write_report(number: int) -> None:
    """Write a page every tenth of a second, until somebody says that it is enough."""
    report = Report.objects.get(pk=number)
    report.begun_by = report.begun_by or settings.VERSION
    report.save(update_fields=["begun_by"])
    while not report.enough:
        time.sleep(0.1)
        report.pages += 1
        report.save(update_fields=["pages"])
        report.refresh_from_db(fields=["enough"])
    report.done_by = settings.VERSION
    report.save(update_fields=["done_by"])


@shared_task
def tick() -> None:
    """Note that the clock goes, and forget what is long ago."""
    told = Tick.objects.create(told_by=settings.VERSION)
    Tick.objects.filter(pk__lte=told.pk - KEPT).delete()
