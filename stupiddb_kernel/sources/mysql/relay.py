"""A MySQL server for one client on loopback that passes everything on to a connection that is already open.

connectorx can log in only by itself: without TLS, without IAM, with the password in a URL, into a session
nobody has prepared. So PyMySQL opens the session (TLS verified, READ ONLY, in UTC), and the relay
lends it: it greets connectorx like a server, checks a token that is good once, and from then on moves
bytes. Protocol: https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable

_USER = "relay"
_QUIT = 0x01
_CHUNK = 1 << 18

# What the client may use: only what doesn't change the format of results, as PyMySQL negotiated them.
_CAPABILITIES = (
    0x00000001  # LONG_PASSWORD
    | 0x00000004  # LONG_FLAG
    | 0x00000008  # CONNECT_WITH_DB
    | 0x00000200  # PROTOCOL_41
    | 0x00002000  # TRANSACTIONS
    | 0x00008000  # SECURE_CONNECTION
    | 0x00020000  # MULTI_RESULTS
    | 0x00080000  # PLUGIN_AUTH
    | 0x00200000  # PLUGIN_AUTH_LENENC_CLIENT_DATA
)
_PLUGIN = b"mysql_native_password"


class Relay:
    """Serves one client in a thread; ``url`` is where, ``close`` ends it.

    ``lost``: the server hung up. ``on_lost`` is called then, since connectorx would try for half a minute
    to log in again.
    """

    def __init__(
        self, upstream: socket.socket, server_version: str, on_lost: Callable[[], None] = lambda: None
    ) -> None:
        self.lost = False
        self._on_lost = on_lost
        self._upstream = upstream
        self._version = server_version.encode("latin1", "replace")
        self._token = secrets.token_hex(16)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        self._port: int = self._listener.getsockname()[1]
        self._client: socket.socket | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="mysql relay", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where connectorx connects; statements are closed after use, so none stay in the session."""
        return f"mysql://{_USER}:{self._token}@127.0.0.1:{self._port}/?prefer_socket=false&stmt_cache_size=0"

    def join(self, timeout: float) -> bool:
        """Wait until the client has gone; False if it has not."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def close(self) -> None:
        """Hang up on the client; what the server still sends is then nobody's."""
        self._closed = True
        for end in (self._listener, self._client):
            if end is not None:
                with contextlib.suppress(OSError):  # it may not be connected any more
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def _serve(self) -> None:
        try:
            client = self._admit()
            if client is not None:
                with client:
                    self._pump(client)
                if self.lost:
                    self._on_lost()
        except (OSError, ValueError):
            pass  # either end hung up, or was closed under select: who reads there sees it
        finally:
            self._listener.close()

    def _admit(self) -> socket.socket | None:
        """The first client that knows the token."""
        while not self._closed:
            client, _ = self._listener.accept()
            client.settimeout(10)
            try:
                if self._greet(client):
                    client.settimeout(None)
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._client = client
                    self._listener.close()
                    return client
            except (OSError, struct.error, IndexError):
                pass  # some other program knocked
            client.close()
        return None

    def _greet(self, client: socket.socket) -> bool:
        salt = bytes(secrets.choice(range(1, 128)) for _ in range(20))
        low, high = _CAPABILITIES & 0xFFFF, _CAPABILITIES >> 16
        greeting = b"\x0a" + self._version + b"\0" + struct.pack("<I", 1) + salt[:8] + b"\0"
        greeting += (
            struct.pack("<HBHHB", low, 45, 2, high, 21) + bytes(10) + salt[8:] + b"\0" + _PLUGIN + b"\0"
        )
        client.sendall(_packet(0, greeting))
        sequence, response = _read_packet(client)
        answer = _answer(response)
        if not hmac.compare_digest(answer, _scramble(self._token.encode(), salt)):
            client.sendall(_packet(sequence + 1, b"\xff" + struct.pack("<H", 1045) + b"#28000no"))
            return False
        client.sendall(_packet(sequence + 1, b"\x00\x00\x00" + struct.pack("<HH", 2, 0)))
        return True

    def _pump(self, client: socket.socket) -> None:
        """Move bytes until the client leaves. One thread: a TLS connection must not be used by two."""
        upstream = self._upstream
        commands = _Commands()
        while True:
            if not (isinstance(upstream, ssl.SSLSocket) and upstream.pending()):
                ready, _, _ = select.select([client, upstream], [], [])
                if client in ready:
                    data = client.recv(_CHUNK)
                    forward = commands.feed(data)
                    if forward and not self._pass_on(forward):
                        return
                    if not data or commands.quit:
                        return
                if upstream not in ready:
                    continue
            try:
                data = upstream.recv(_CHUNK)
            except OSError:
                data = b""
            if not data:
                self.lost = True
                return
            client.sendall(data)

    def _pass_on(self, data: bytes) -> bool:
        try:
            self._upstream.sendall(data)
        except OSError:
            self.lost = True
        return not self.lost


class _Commands:
    """The client's packets, looked at for the farewell, which would end the session behind the relay."""

    def __init__(self) -> None:
        self.quit = False
        self._left = 0
        self._header = b""

    def feed(self, data: bytes) -> bytes:
        """What of ``data`` is to be passed on."""
        passed = bytearray()
        position = 0
        while position < len(data) and not self.quit:
            if self._left:
                part = data[position : position + self._left]
                passed += part
                self._left -= len(part)
                position += len(part)
                continue
            # Of a command of one byte the byte belongs to what is looked at.
            need = 5 if self._header[:4] == b"\x01\0\0\0" else 4
            part = data[position : position + need - len(self._header)]
            self._header += part
            position += len(part)
            if self._header[:4] == b"\x01\0\0\0" and len(self._header) < 5:
                continue
            if len(self._header) >= 4:
                self.quit = self._header == bytes([1, 0, 0, 0, _QUIT])
                if not self.quit:
                    passed += self._header
                    self._left = int.from_bytes(self._header[:3], "little") - (len(self._header) - 4)
                self._header = b""
        return bytes(passed)


def _packet(sequence: int, payload: bytes) -> bytes:
    return struct.pack("<I", len(payload))[:3] + bytes([sequence]) + payload


def _read_packet(client: socket.socket) -> tuple[int, bytes]:
    header = _read_exactly(client, 4)
    return header[3], _read_exactly(client, int.from_bytes(header[:3], "little"))


def _read_exactly(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = client.recv(size - len(data))
        if not part:
            raise ConnectionResetError("the client left")
        data += part
    return data


def _answer(response: bytes) -> bytes:
    """The scrambled token in a HandshakeResponse41."""
    start = response.index(b"\0", 32) + 1  # behind flags, packet size, charset, filler and user
    length = response[start]
    return response[start + 1 : start + 1 + length]


def _scramble(token: bytes, salt: bytes) -> bytes:
    """mysql_native_password: SHA1(token) XOR SHA1(salt + SHA1(SHA1(token)))."""
    first = hashlib.sha1(token, usedforsecurity=False).digest()
    second = hashlib.sha1(first, usedforsecurity=False).digest()
    mask = hashlib.sha1(salt + second, usedforsecurity=False).digest()
    return bytes(a ^ b for a, b in zip(first, mask, strict=True))
