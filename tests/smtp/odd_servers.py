"""Mail servers that do what real ones get wrong: threads on loopback, each on a free port.

A script is a function of one :class:`Talk`; :data:`SCRIPTS` names them. ``OddServer(script)`` serves it.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from typing import TypeAlias

NAME = "mail.example.net"
EHLO = b"250-mail.example.net Hello [127.0.0.1]\r\n250-SIZE 36700160\r\n250-STARTTLS\r\n250 8BITMIME\r\n"
EHLO_WITHOUT_TLS = b"250-mail.example.net Hello [127.0.0.1]\r\n250-SIZE 36700160\r\n250 8BITMIME\r\n"
BANNER = b"220 mail.example.net Microsoft ESMTP MAIL Service ready\r\n"
READY = b"220 2.0.0 SMTP server ready\r\n"


class Talk:
    """One connection, from the server's side."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext | None, stop: threading.Event) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.context = context
        self.stop = stop
        self._buffer = b""

    def say(self, data: bytes) -> None:
        self.sock.sendall(data)

    def hear(self) -> bytes:
        """Give one line without its end; empty when the client is gone."""
        while b"\n" not in self._buffer:
            data = self.sock.recv(4096)
            if not data:
                return b""
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def secure(self) -> None:
        assert self.context is not None
        self.sock = self.context.wrap_socket(self.sock, server_side=True)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def until_gone(self) -> None:
        while self.hear():
            pass

    def up_to_starttls(self, *, ehlo: bytes = EHLO, banner: bytes = BANNER) -> None:
        self.say(banner)
        assert self.hear().startswith(b"EHLO ")
        self.say(ehlo)
        assert self.hear() == b"STARTTLS"

    def in_tls(self, *, ehlo: bytes = EHLO_WITHOUT_TLS) -> None:
        self.secure()
        assert self.hear().startswith(b"EHLO ")
        self.say(ehlo)
        assert self.hear() == b"QUIT"
        self.say(b"221 2.0.0 bye\r\n")


Script: TypeAlias = Callable[[Talk], None]
SCRIPTS: dict[str, Script] = {}


def script(do: Script) -> Script:
    SCRIPTS[do.__name__.replace("_", "-")] = do
    return do


class OddServer:
    """Serves scripts, one per connection, in turn. The first error in one is raised at the end."""

    def __init__(self, *scripts: Script, context: ssl.SSLContext | None = None) -> None:
        self._scripts = scripts
        self._context = context
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._wrong: list[BaseException] = []
        self.connections = 0
        self.endpoint = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> OddServer:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stop.set()
        with socket.create_connection(self._listener.getsockname()):  # wakes accept, on every system
            self._threads[0].join(5)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive(), "a script hangs"
        if self._wrong and kind is None:
            raise self._wrong[0]

    def _start(self, run: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self._stop.is_set():
                sock.close()
                return
            sock.settimeout(10)
            do = self._scripts[self.connections % len(self._scripts)]
            self.connections += 1
            self._start(self._serve, do, sock)

    def _serve(self, do: Script, sock: socket.socket) -> None:
        talk = Talk(sock, self._context, self._stop)
        try:
            do(talk)
        except OSError:
            pass  # the client went away, or TLS failed, which is what some scripts are for
        except AssertionError as wrong:
            self._wrong.append(wrong)
        finally:
            talk.sock.close()


@script
def good(talk: Talk) -> None:
    talk.up_to_starttls()
    talk.say(READY)
    talk.in_tls()


@script
def split_at_every_byte(talk: Talk) -> None:
    talk.say(BANNER)
    assert talk.hear().startswith(b"EHLO ")
    for byte in EHLO:
        talk.say(bytes([byte]))
    assert talk.hear() == b"STARTTLS"
    for byte in READY:
        talk.say(bytes([byte]))
    talk.in_tls()


@script
def helo_only(talk: Talk) -> None:
    talk.say(BANNER)
    assert talk.hear().startswith(b"EHLO ")
    talk.say(b"502 5.5.1 command not implemented\r\n")
    assert talk.hear().startswith(b"HELO ")
    talk.say(b"250 mail.example.net\r\n")
    assert talk.hear() == b"STARTTLS"
    talk.say(b"502 5.5.1 command not implemented\r\n")
    talk.until_gone()


@script
def strip_but_accepts(talk: Talk) -> None:
    talk.up_to_starttls(ehlo=EHLO_WITHOUT_TLS)
    talk.say(READY)
    talk.in_tls()


@script
def no_starttls(talk: Talk) -> None:
    talk.up_to_starttls(ehlo=EHLO_WITHOUT_TLS)
    talk.say(b"500 5.3.3 Unrecognized command\r\n")
    talk.until_gone()


@script
def refused_454(talk: Talk) -> None:
    talk.up_to_starttls()
    talk.say(b"454 4.7.0 TLS not available due to temporary reason\r\n")
    talk.until_gone()


@script
def middlebox(talk: Talk) -> None:
    stars = b"220 *************************************\r\n"
    talk.up_to_starttls(ehlo=EHLO.replace(b"STARTTLS", b"XXXXXXXA"), banner=stars)
    talk.say(b"500 5.3.3 Unrecognized command\r\n")
    talk.until_gone()


@script
def response_injection(talk: Talk) -> None:
    talk.up_to_starttls()
    talk.say(READY + b"250 mail.example.net injected\r\n")
    talk.until_gone()


@script
def garbage_after_220(talk: Talk) -> None:
    talk.up_to_starttls()
    talk.say(READY)
    talk.sock.recv(1)
    talk.say(b"this is not TLS\r\n")
    talk.until_gone()


@script
def reset_in_handshake(talk: Talk) -> None:
    talk.up_to_starttls()
    talk.say(READY)
    talk.sock.recv(1)
    talk.reset()


@script
def reset_at_once(talk: Talk) -> None:
    talk.reset()


@script
def closed_after_starttls(talk: Talk) -> None:
    talk.up_to_starttls()


@script
def silent(talk: Talk) -> None:
    talk.until_gone()


@script
def silent_in_handshake(talk: Talk) -> None:
    talk.up_to_starttls()
    talk.say(READY)
    while talk.sock.recv(4096):
        pass


@script
def silent_in_tls(talk: Talk) -> None:
    talk.up_to_starttls()
    talk.say(READY)
    talk.secure()
    talk.until_gone()


@script
def rejected_554(talk: Talk) -> None:
    talk.say(b"554 5.7.1 you are not welcome here\r\n")
    assert talk.hear() == b"QUIT"


@script
def busy_421(talk: Talk) -> None:
    talk.say(b"421 4.3.2 Service not available\r\n")


@script
def tarpit(talk: Talk) -> None:
    for byte in b"220-" * 2000:
        if talk.stop.wait(0.05):
            return
        talk.say(bytes([byte]))


@script
def slow_but_honest(talk: Talk) -> None:
    talk.say(BANNER)
    talk.hear()
    talk.stop.wait(0.2)
    talk.say(EHLO)
    talk.hear()
    talk.stop.wait(0.2)
    talk.say(READY)
    talk.in_tls()


@script
def endless_ehlo(talk: Talk) -> None:
    talk.say(BANNER)
    talk.hear()
    talk.say(b"250-X-MORE\r\n" * 1000)
    talk.until_gone()


@script
def not_smtp(talk: Talk) -> None:
    talk.say(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    talk.until_gone()


@script
def not_smtp_and_no_line(talk: Talk) -> None:
    talk.say(b"\x15\x03\x01")
    talk.until_gone()


@script
def not_smtp_but_polite(talk: Talk) -> None:
    talk.say(b"220 ftp.example.net ready\r\n")
    while talk.hear() not in (b"", b"QUIT"):
        talk.say(b"500 command not understood\r\n")
