"""The URLs with which the widget of a picture sends and shows it."""

from django.urls import path

from uploads.forms import views

urlpatterns = [
    path("pictures/", views.send, name="form_pictures"),
    path("pictures/<str:name>", views.shown, name="form_picture"),
]
