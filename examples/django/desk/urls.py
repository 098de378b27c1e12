"""Which path is which view."""

from django.urls import path

from desk import views

urlpatterns = [
    path("healthz", views.health),
    path("", views.reports, name="reports"),
    path("reports/<int:number>", views.report, name="report"),
    path("reports/<int:number>/end", views.end, name="end"),
]
