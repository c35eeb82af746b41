"""A Django application with its admin. Two settings give it the session: its middleware, and `SESSION_ENGINE`."""

import asyncio
import os
from collections.abc import Callable

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse

if not settings.configured:
    settings.configure(
        SECRET_KEY="a secret of the tests",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("DATABASE", ":memory:")}},
        INSTALLED_APPS=[f"django.contrib.{app}" for app in ("admin", "auth", "contenttypes", "messages")],
        MIDDLEWARE=[
            "shared_session.django.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        SESSION_ENGINE="shared_session.django",
        SESSION_COOKIE_NAME="sid",
        CSRF_USE_SESSIONS=True,
        MESSAGE_STORAGE="django.contrib.messages.storage.session.SessionStorage",
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        STATIC_URL="/static/",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
    )
    django.setup()

from django.contrib import admin, messages
from django.contrib.auth import views as auth_views
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

View = Callable[[HttpRequest], HttpResponse | None]
hook: list[View] = []
"""The view that a test provides."""


def show(request: HttpRequest) -> JsonResponse:
    return JsonResponse(dict(request.session.items()))


@csrf_exempt
def set_field(request: HttpRequest, name: str) -> HttpResponse:
    request.session[name] = "x"
    return HttpResponse("set")


@csrf_exempt
def add(request: HttpRequest, item: str) -> HttpResponse:
    request.session.setdefault("cart", []).append(item)
    return HttpResponse("added")


def greet(request: HttpRequest) -> HttpResponse:
    messages.success(request, "Hello")
    return HttpResponse()


def greetings(request: HttpRequest) -> JsonResponse:
    return JsonResponse([str(message) for message in messages.get_messages(request)], safe=False)


@csrf_exempt
def hooked(request: HttpRequest) -> HttpResponse:
    return hook[-1](request) or HttpResponse()


@csrf_exempt
async def count(request: HttpRequest) -> JsonResponse:
    await request.session.aset("n", await request.session.aget("n", 0) + 1)
    user = await request.auser()
    return JsonResponse({"n": request.session["n"], "user": user.get_username()})


@csrf_exempt
async def leave(request: HttpRequest) -> HttpResponse:
    await request.session.aflush()
    return HttpResponse()


arrived = asyncio.Event()


async def wait_for_the_end(request: HttpRequest) -> HttpResponse:
    arrived.set()
    await request.session.shared.ended()  # type: ignore[attr-defined]
    return HttpResponse("ended")


def whoami(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.user.get_username())


def stream(request: HttpRequest) -> StreamingHttpResponse:
    request.session["streamed"] = True
    return StreamingHttpResponse(iter(["one ", "two"]))


urlpatterns = [
    path("", show),
    path("set/<name>", set_field),
    path("add/<item>", add),
    path("greet", greet),
    path("greetings", greetings),
    path("hook", hooked),
    path("count", count),
    path("leave", leave),
    path("wait", wait_for_the_end),
    path("whoami", whoami),
    path("stream", stream),
    path("password/", auth_views.PasswordChangeView.as_view(success_url="/whoami")),
    path("admin/", admin.site.urls),
]
application = get_wsgi_application()
asgi_application = get_asgi_application()
