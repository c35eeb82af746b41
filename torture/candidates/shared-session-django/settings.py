ALLOWED_HOSTS = ["127.0.0.1"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
MIDDLEWARE = ["shared_session.django.SessionMiddleware"]
ROOT_URLCONF = "server"
SECRET_KEY = "every process has the same"
SESSION_ENGINE = "shared_session.django"
