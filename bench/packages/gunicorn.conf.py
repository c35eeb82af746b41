"""One process with four threads, which keeps connections open."""

bind = "127.0.0.1:0"
control_socket_disable = True
loglevel = "warning"
worker_class = "gthread"
threads = 4


def when_ready(server):
    print(server.LISTENERS[0].sock.getsockname()[1], flush=True)
