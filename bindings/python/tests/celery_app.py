"""Tasks that change a session, for the worker in `test_servers.py`."""

from __future__ import annotations

import os

from celery import Celery  # type: ignore[import-untyped]
from shared_session import Session, SessionManager

folder = os.environ["QUEUE"]
folders = dict.fromkeys(["data_folder_in", "data_folder_out", "control_folder"], folder)
app = Celery(broker="filesystem://", broker_transport_options={**folders, "polling_interval": 0.05})
manager = SessionManager.from_env()
manager.ready()  # in the process that forks the workers


@app.task(name="put")  # type: ignore[untyped-decorator]
def put(cookie: str, name: str) -> None:
    """Set a field to the number of the process."""
    session = Session(manager.begin([cookie.encode()], safe=False, https=False).wait(), manager.principal_field)
    session[name] = os.getpid()
    session.finish().wait()
