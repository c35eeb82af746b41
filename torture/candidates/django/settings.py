import os

ALLOWED_HOSTS = ["127.0.0.1"]
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": os.environ["REDIS_URL"],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
ROOT_URLCONF = "server"
SECRET_KEY = "every process has the same"
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
