"""The HTTP door: Athena's JSON 1.1 protocol on loopback.

Besides Athena's actions there are two paths of its own: ``GET /_stupiddb/ready``, and
``POST /_stupiddb/throttle`` with ``{"action": "StartQueryExecution", "times": 3}``, which refuses the next
calls of an action with TooManyRequestsException.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from stupiddb_kernel.local.athena.clients import Caller, Clients, Endpoints
from stupiddb_kernel.local.athena.engine import Engine
from stupiddb_kernel.local.athena.errors import (
    ApiError,
    InternalFailure,
    InvalidRequest,
    NotAuthenticated,
    UnknownAction,
)
from stupiddb_kernel.local.athena.region import Region
from stupiddb_kernel.local.athena.throttling import Throttle

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
NAME = "stupiddb-athena-stand-in"
MAX_BODY = 1_048_576
_TARGET = "AmazonAthena."
_SIGNED = re.compile(r"Credential=([^/,\s]+)/\d{8}/([a-z0-9-]+)/athena/aws4_request")


class Service:
    """All regions, their quotas, and the engine behind them."""

    def __init__(self, endpoints: Endpoints, folder: Path, throttle: Throttle, active: int) -> None:
        self.engine = Engine(Clients(endpoints), folder)
        self.throttle = throttle
        self._active = active
        self._regions: dict[str, Region] = {}
        self._lock = threading.Lock()

    def region(self, name: str) -> Region:
        """The state of a region, made when it is first called."""
        with self._lock:
            if name not in self._regions:
                self._regions[name] = Region(name, self.engine, self._active)
            return self._regions[name]

    def answer(self, action: str, caller: Caller, body: bytes) -> dict[str, Any]:
        """Do an action.

        Raises:
            ApiError: it is refused.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        from stupiddb_kernel.local.athena.api import ACTIONS
        from stupiddb_kernel.local.athena.api.validation import check

        self.throttle.check(action)
        try:
            request = check(action, json.loads(body or b"{}"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"The request's body is no JSON: {error}") from error
        if action not in ACTIONS:
            raise UnknownAction(f"{action} is not supported by stupiddb's stand-in for Athena")
        try:
            return ACTIONS[action](self.region(caller.region), caller, request)
        except (ClientError, BotoCoreError) as error:
            raise InternalFailure(f"The catalog or storage behind the stand-in failed: {error}") from error

    def close(self) -> None:
        """Stop every query."""
        for region in self._regions.values():
            region.executions.close()


class Server(ThreadingHTTPServer):
    """Listens on loopback, one thread a connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, service: Service) -> None:
        super().__init__((HOST, port), _Handler)
        self.service = service

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A connection that broke is no news; anything else goes to the log."""
        log.debug("connection of %s ended", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65_536
    timeout = 300

    def version_string(self) -> str:
        return NAME

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        log.debug(format, *args)

    def do_GET(self) -> None:
        if self.path == "/_stupiddb/ready":
            self._send(200, {"name": NAME, "ready": True})
        else:
            self._send(404, {"__type": "UnknownOperationException", "Message": f"No such path: {self.path}"})

    def do_POST(self) -> None:
        try:
            body = self._body()
            if self.path == "/_stupiddb/throttle":
                self._throttle(body)
                return
            caller = self._caller()
            target = self.headers.get("X-Amz-Target") or ""
            if not target.startswith(_TARGET):
                raise UnknownAction(f"X-Amz-Target {target!r} names no action of Athena")
            answer = self.server.service.answer(target.removeprefix(_TARGET), caller, body)
        except ApiError as error:
            self._refuse(error)
        except Exception:
            log.exception("request failed inside the stand-in")
            self._refuse(InternalFailure("The stand-in failed; see its log"))
        else:
            self._send(200, answer)

    def _body(self) -> bytes:
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError as error:
            self.close_connection = True
            raise InvalidRequest("Content-Length is no number") from error
        if not 0 <= length <= MAX_BODY:
            self.close_connection = True
            raise InvalidRequest(f"The request's body is larger than {MAX_BODY} bytes")
        return self.rfile.read(length)

    def _caller(self) -> Caller:
        signed = _SIGNED.search(self.headers.get("Authorization") or "")
        if signed is None:
            raise NotAuthenticated("Missing Authentication Token: sign requests for the service 'athena'")
        return Caller(signed.group(1), signed.group(2))

    def _throttle(self, body: bytes) -> None:
        try:
            order = json.loads(body)
            self.server.service.throttle.refuse_next(str(order["action"]), int(order["times"]))
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidRequest(
                f'Expected {{"action": "StartQueryExecution", "times": 3}}: {error}'
            ) from error
        self._send(200, {})

    def _refuse(self, error: ApiError) -> None:
        self._send(error.status, {"__type": error.type, "Message": error.message, **error.fields}, error.type)

    def _send(self, status: int, document: dict[str, Any], error_type: str | None = None) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        if error_type:
            self.send_header("x-amzn-ErrorType", error_type)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()
