"""Holds connections open with half a request on each, as a slow or hostile client does.

hold.py SOURCE PORT COUNT TEXT: connects from the loopback address SOURCE, sends TEXT, and prints "held". Ends after 30 s, or
when the server has closed every connection, and prints the time.
"""

import resource
import selectors
import socket
import sys
import time

source, port, count, text = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
assert source.startswith("127.")
_, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, count + 100), limit))
data = text.encode().decode("unicode_escape").encode()
selector = selectors.DefaultSelector()
for _ in range(count):
    connection = socket.create_connection(("127.0.0.1", port), timeout=5, source_address=(source, 0))
    connection.sendall(data)
    selector.register(connection, selectors.EVENT_READ)
print("held", flush=True)
began = time.monotonic()
while selector.get_map() and time.monotonic() - began < 30:
    for key, _ in selector.select(1):
        try:
            closed = not key.fileobj.recv(65536)
        except OSError:
            closed = True
        if closed:
            selector.unregister(key.fileobj)
            key.fileobj.close()
print(f"open: {len(selector.get_map())}, after {time.monotonic() - began:.0f} s", flush=True)
