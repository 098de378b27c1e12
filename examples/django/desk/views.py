"""What users get."""

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from desk.models import Report, Tick
from desk.tasks import write_report


@require_GET
def health(_request: HttpRequest) -> JsonResponse:
    """Say that this version is ready: it reaches its database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok", "version": settings.VERSION})


@require_http_methods(["GET", "HEAD", "POST"])
def reports(request: HttpRequest) -> HttpResponse:
    """Show the latest reports, or order one."""
    if request.method == "POST":
        report = Report.objects.create(title=request.POST.get("title", "")[:100] or "Untitled")
        write_report.delay(report.pk)
        return redirect("reports")
    latest = Report.objects.order_by("-pk")[:20]
    seconds = Tick.objects.count()
    return render(
        request,
        "desk/reports.html",
        {"reports": latest, "seconds": seconds, "version": settings.VERSION},
    )


@require_GET
def report(_request: HttpRequest, number: int) -> JsonResponse:
    """Say how far a report is."""
    found = get_object_or_404(Report, pk=number)
    names = ("title", "pages", "enough", "begun_by", "done_by")
    return JsonResponse({name: getattr(found, name) for name in names})


@require_POST
def end(_request: HttpRequest, number: int) -> HttpResponse:
    """Say that a report has pages enough."""
    get_object_or_404(Report, pk=number)
    Report.objects.filter(pk=number).update(enough=True)
    return redirect("reports")
