"""What the database keeps."""

from django.db import models


class Report(models.Model):
    """A report that somebody has ordered: it gets a page now and then, until that is enough."""

    title = models.CharField(max_length=100)
    pages = models.PositiveIntegerField(default=0)
    enough = models.BooleanField(default=False)
    begun_by = models.CharField(max_length=60, blank=True)  # the version of the worker
    done_by = models.CharField(max_length=60, blank=True)

    def __str__(self) -> str:
        return self.title


class Tick(models.Model):
    """A second that the clock has told."""

    at = models.DateTimeField(auto_now_add=True)
    told_by = models.CharField(max_length=60)  # the version of the worker that heard it

    def __str__(self) -> str:
        return f"{self.at} {self.told_by}"
