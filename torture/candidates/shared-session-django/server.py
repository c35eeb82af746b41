import os
import time

from django.core.wsgi import get_wsgi_application
from django.http import Http404, HttpResponse, JsonResponse
from django.urls import path


def answer(request, action):
    session, name = request.session, request.GET.get("name")
    value = request.body.decode()
    match request.method, action:
        case "GET", "session":
            names = request.GET["names"].split(",")
            return JsonResponse({name: session[name] for name in names if name in session})
        case "POST", "session":
            session.cycle_key()  # as django.contrib.auth.login does
            session["user"] = value
        case "POST", "set":
            session[name] = value
        case "POST", "remove":
            session.pop(name, None)
        case "POST", "add":
            session.setdefault("items", []).append(value)
        case "POST", "count":
            session["n"] = session.get("n", 0) + 1
        case "POST", "slow":
            session.get(name)
            time.sleep(int(request.GET["wait"]) / 1000)
            session[name] = value
        case "POST", "renew":
            session.cycle_key()
        case "POST", "logout":
            session.flush()  # as django.contrib.auth.logout does
        case _:
            raise Http404
    return HttpResponse()


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
urlpatterns = [path("<action>", answer)]
application = get_wsgi_application()
