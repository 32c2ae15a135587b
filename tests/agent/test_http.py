"""The client all adapters share, against a server that really misbehaves."""

import gzip
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agent.http import Client, HttpProblem, Pace

ANSWERS = {
    "/ok": (200, {"Content-Type": "application/json"}, b'{"a": [1, 2]}'),
    "/text": (200, {}, "größer".encode()),
    "/latin": (200, {}, "größer".encode("latin-1")),
    "/gzip": (200, {"Content-Encoding": "gzip"}, gzip.compress(b"[" + b" " * 4_000_000 + b"]")),
    "/empty": (200, {"Content-Type": "application/json"}, b""),
    "/broken": (200, {"Content-Type": "application/json"}, b'{"a": '),
    "/deep": (200, {"Content-Type": "application/json"}, b"[" * 200_000),
    "/page": (200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>maintenance</html>"),
    "/429": (429, {"Retry-After": "42"}, b"slow down"),
    "/429-date": (429, {"Retry-After": "Fri, 21 Nov 2025 10:00:00 GMT"}, b""),
    "/401": (401, {}, b""),
    "/403": (403, {"Content-Type": "application/xml"}, b"<Error/>"),
    "/403-page": (403, {"Content-Type": "text/plain"}, b"\n<!DOCTYPE html><html>Undeclared Automated Tool</html>"),
    "/404": (404, {}, b""),
    "/500": (500, {"Content-Type": "text/html"}, b"<html>oops</html>"),
    "/400": (400, {}, b"bad"),
    "/away": (302, {"Location": "/ok"}, b""),
}


@pytest.fixture(scope="module")
def server():
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, dict(self.headers)))
            path = self.path.split("?")[0]
            if path == "/drop":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            elif path == "/drip":
                self.send_response(200)
                self.end_headers()
                try:
                    for _ in range(100):
                        self.wfile.write(b"x")
                        self.wfile.flush()
                        time.sleep(0.02)
                except OSError:
                    pass
            elif path == "/silent":
                time.sleep(0.5)
            elif path == "/short":
                self.send_response(200)
                self.send_header("Content-Length", "100")
                self.end_headers()
                self.wfile.write(b"half")
            else:
                status, headers, body = ANSWERS[path]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.seen = seen
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def client(server):
    server.seen.clear()
    return Client("The server", f"http://127.0.0.1:{server.server_port}/", {"User-Agent": "Recollect a@b.c"}, timeout_s=5)


def problem(call):
    with pytest.raises(HttpProblem) as caught:
        call()
    return caught.value


def test_json_text_and_bytes_arrive_as_they_are(client):
    assert client.json("ok") == {"a": [1, 2]}
    assert client.text("/text") == client.text("/latin") == "größer"
    assert client.body("/latin") == "größer".encode("latin-1")


def test_headers_and_parameters_are_sent(client, server):
    client.json("/ok", {"q": "a b&c", "n": 3})
    path, headers = server.seen[0]
    assert path == "/ok?q=a+b%26c&n=3" or path == "/ok?q=a%20b%26c&n=3"
    assert headers["User-Agent"] == "Recollect a@b.c"


@pytest.mark.parametrize(
    ("path", "kind", "status", "words"),
    [
        ("/429", "limited", 429, "too many requests"),
        ("/401", "refused", 401, "access refused"),
        ("/403", "refused", 403, "access refused"),
        ("/404", "missing", 404, "not found"),
        ("/500", "down", 500, "answered 500"),
        ("/400", "garbled", 400, "answered 400"),
        ("/away", "garbled", 302, "another address"),
        ("/page", "garbled", 0, "web page"),
        ("/broken", "garbled", 0, "broken JSON"),
        ("/empty", "garbled", 0, "broken JSON"),
        ("/deep", "garbled", 0, "broken JSON"),
        ("/drop", "down", 0, "cannot be reached"),
        ("/short", "down", 0, "cannot be reached"),
    ],
)
def test_every_failure_has_one_kind_and_a_sentence(client, path, kind, status, words):
    found = problem(lambda: client.json(path))
    assert (found.kind, found.status) == (kind, status)
    assert str(found).startswith("The server") and words in str(found)


def test_a_pause_that_the_server_asks_for_is_passed_on_in_seconds(client):
    assert problem(lambda: client.json("/429")).retry_after_s == 42
    assert problem(lambda: client.json("/429-date")).retry_after_s is None


def test_a_refusal_that_is_a_web_page_is_told_from_one_that_is_not(client):
    page, plain = problem(lambda: client.json("/403-page")), problem(lambda: client.json("/403"))
    assert page.html and "Undeclared" in page.body
    assert not plain.html and plain.body == "<Error/>"


def test_nobody_there_is_down(server):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        assert problem(lambda: Client("X", f"http://127.0.0.1:{port}", {}).json("/")).kind == "down"
    assert problem(lambda: Client("X", "http://[bad", {}).json("/")).kind == "down"


def test_a_server_that_says_nothing_or_drips_holds_nobody(server):
    base = f"http://127.0.0.1:{server.server_port}"
    assert problem(lambda: Client("X", base, {}, timeout_s=0.1).json("/silent")).kind == "down"
    started = time.monotonic()
    found = problem(lambda: Client("X", base, {}, timeout_s=1, deadline_s=0.1).body("/drip"))
    assert found.kind == "down" and "0.1 s" in str(found) and time.monotonic() - started < 1


def test_an_answer_that_is_too_large_is_refused_also_where_it_was_packed_small(server):
    base = f"http://127.0.0.1:{server.server_port}"
    found = problem(lambda: Client("X", base, {}, limit_bytes=2**20).body("/gzip"))
    assert found.kind == "garbled" and "more than 1 MB" in str(found)


def test_a_redirect_is_not_followed_so_that_keys_stay_with_their_host(client, server):
    problem(lambda: client.json("/away"))
    assert [path for path, _ in server.seen] == ["/away"]


def test_the_pause_is_called_before_every_request(server):
    calls = []
    client = Client("X", f"http://127.0.0.1:{server.server_port}", {}, pause=lambda: calls.append(len(server.seen)))
    server.seen.clear()
    client.json("/ok")
    client.json("/ok")
    assert calls == [0, 1]


def test_a_pace_spaces_calls_and_never_waits_for_one_that_comes_late():
    now, slept = [100.0], []

    def sleep(seconds):
        slept.append(round(seconds, 6))
        now[0] += seconds

    pace = Pace(0.5, clock=lambda: now[0], sleep=sleep)
    for _ in range(3):
        pace()
    assert slept == [0.5, 0.5]
    now[0] += 10
    pace()
    assert slept == [0.5, 0.5]


def test_threads_that_share_a_pace_are_spaced_as_one():
    slept, lock = [], threading.Lock()

    def sleep(seconds):
        with lock:
            slept.append(seconds)

    pace = Pace(1.0, clock=lambda: 0.0, sleep=sleep)
    threads = [threading.Thread(target=pace) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(slept) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
