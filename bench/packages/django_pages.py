"""The pages that are measured, in Django."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

MIDDLEWARE, ENGINE = {
    "bare": ([], None),
    "redis": (["shared_session.django.SessionMiddleware"], "shared_session.django"),
}.get(
    os.environ["CANDIDATE"],
    (["django.contrib.sessions.middleware.SessionMiddleware"], "django.contrib.sessions.backends.cache"),
)
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    CACHES={
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": os.environ["SESSION_STORE"],
        }
    },
    MIDDLEWARE=[*MIDDLEWARE, "django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="not used",
    SESSION_ENGINE=ENGINE,
    SESSION_SAVE_EVERY_REQUEST=os.environ["CANDIDATE"] == "alternative",
)


def create(request):
    request.session["userid"] = "user" + request.GET["user"]
    request.session["username"] = "홍길동"
    request.session["count"] = 0
    return HttpResponse()


def read(request):
    fields = getattr(request, "session", {"userid": "user1", "username": "홍길동"})
    if "userid" not in fields:
        return HttpResponse(status=500)
    return HttpResponse(f"hello {fields['username']} ({fields['userid']})\n")


def change(request):
    request.session["count"] += 1
    return HttpResponse()


urlpatterns = [path("new", create), path("read", read), path("change", change)]
app = get_wsgi_application()
