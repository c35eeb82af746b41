"""How gunicorn runs the pages."""

bind = "0.0.0.0:8080"
workers = 2
threads = 8
graceful_timeout = 15  # as long as nginx waits for a response
limit_request_field_size = 16384  # a line of nginx's, which can hold a cookie of 8 KB
worker_tmp_dir = "/dev/shm"  # the container can write nowhere else
control_socket_disable = True
