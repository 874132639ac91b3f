"""The relay lends a MySQL session to who knows its token, and the password goes to nobody without TLS."""

from __future__ import annotations

import socket
import struct
import threading

import pymysql
import pytest

from stupiddb_kernel.config.aws import Aws
from stupiddb_kernel.config.secrets import Secrets
from stupiddb_kernel.config.settings import AwsSettings, MysqlSettings
from stupiddb_kernel.errors import AuthenticationFailed
from stupiddb_kernel.sources.mysql.connection import Door
from stupiddb_kernel.sources.mysql.relay import Relay, _Commands

PASSWORD = "an-iam-token-nobody-may-see"


def test_a_wrong_token_is_refused_and_the_right_one_still_let_in() -> None:
    ours, server = socket.socketpair()
    relay = Relay(ours, "10.11.0-MariaDB")
    login, _, place = relay.url.removeprefix("mysql://").partition("@")
    user, token = login.split(":")
    host, port = place.split("/")[0].split(":")

    with pytest.raises(pymysql.OperationalError, match="1045"):
        pymysql.connect(host=host, port=int(port), user=user, password="guess", ssl_disabled=True)

    def answer() -> None:
        for _ in range(2):  # SET NAMES, SET AUTOCOMMIT
            server.recv(4096)
            server.sendall(b"\x07\0\0\x01\0\0\0\x02\0\0\0")

    threading.Thread(target=answer, daemon=True).start()
    client = pymysql.connect(host=host, port=int(port), user=user, password=token, ssl_disabled=True)
    client.close()  # the farewell stays here
    assert relay.join(5)
    server.settimeout(0.2)
    with pytest.raises(TimeoutError):
        server.recv(10)
    relay.close()


@pytest.mark.parametrize("cut", range(1, 24))
def test_the_farewell_is_kept_back_however_the_bytes_are_cut(cut: int) -> None:
    query = b"\x05\0\0\0\x03SELE"
    stream = query + query + b"\x01\0\0\0\x01"
    commands = _Commands()

    passed = b"".join(commands.feed(stream[at : at + cut]) for at in range(0, len(stream), cut))

    assert passed == query + query
    assert commands.quit


def test_a_command_that_ends_in_an_empty_packet_is_passed_on_whole() -> None:
    commands = _Commands()

    assert commands.feed(b"\0\0\0\x01" + b"\x02\0\0\0\x03S") == b"\0\0\0\x01\x02\0\0\0\x03S"
    assert not commands.quit


def test_a_server_that_asks_for_the_password_in_clear_does_not_get_it() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    heard: list[bytes] = []

    def ask() -> None:
        client, _ = listener.accept()
        greeting = b"\x0a8.0.40\0" + struct.pack("<I", 1) + b"saltsalt\0"
        greeting += struct.pack("<HBHHB", 0xA20F, 45, 2, 0x0028, 21) + bytes(10) + b"saltsaltsalt\0"
        greeting += b"mysql_native_password\0"
        client.sendall(struct.pack("<I", len(greeting)) + greeting)
        heard.append(client.recv(4096))
        switch = b"\xfemysql_clear_password\0"
        client.sendall(struct.pack("<I", len(switch))[:3] + b"\x02" + switch)
        heard.append(client.recv(4096))

    server = threading.Thread(target=ask, daemon=True)
    server.start()
    aws = Aws(AwsSettings(region="us-east-1"))
    settings = MysqlSettings(
        name="rds", host="127.0.0.1", port=listener.getsockname()[1], username="u", password_env="PW"
    )
    settings = settings.model_copy(update={"database": "d"})
    door = Door(settings, Secrets(aws, environ={"PW": PASSWORD}))

    with pytest.raises(AuthenticationFailed, match="clear text on a connection without TLS"):
        door.session()

    server.join(5)
    assert PASSWORD.encode() not in b"".join(heard)
    listener.close()
