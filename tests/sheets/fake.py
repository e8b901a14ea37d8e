"""A fake of the Google Sheets API v4 on loopback, with a token endpoint and a metadata server.

    with Fake() as fake:
        fake.book("id")                      a spreadsheet, shared with every known account
        fake.fail(3, "503")                  the third request of all is answered with 503
        fake.fail(4, "drop", applied=True)   the fourth is carried out, its answer is lost
        fake.log                             every request

A batch is applied to a copy, which takes the place of the spreadsheet when every request of it succeeded.
"""

import datetime
import gzip
import json
import re
import socket
import struct
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt
from spreadsheet import Refused, Spreadsheet, paths
from values import grid_data, parse, value_range

SCOPE = "https://www.googleapis.com/auth/spreadsheets"
ACCOUNT = "exporter@project.iam.gserviceaccount.com"
SUBJECT = "a token of another provider"
AUDIENCE = "https://oauth2.googleapis.com/token"  # which Google's own client gives whatever the key file says
INFO = "type.googleapis.com/google.rpc.ErrorInfo"
UNAUTHENTICATED = ("Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
                   "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.")
FAULTS = {
    "400": (400, "INVALID_ARGUMENT", "Invalid requests[0].updateCells: something that only Google knows"),
    "401": (401, "UNAUTHENTICATED", UNAUTHENTICATED),
    "429": (429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute "
            "per user' of service 'sheets.googleapis.com' for consumer 'project_number:1'."),
    "500": (500, "INTERNAL", "Internal error encountered."),
    "503": (503, "UNAVAILABLE", "The service is currently unavailable."),
}
HTML = b"<!DOCTYPE html><html lang=en><title>Error 502 (Server Error)!!1</title><p>That's an error."


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Fault:
    """What happens instead of the answer to a request, before it is carried out or after."""
    kind: str  # 401, 429, 500, 503, html, html200, hang (no answer), drop (the connection), block (until the test says so), late
    applied: bool = False
    retry_after: str | None = None


@dataclass
class Entry:
    method: str
    path: str  # as sent
    query: str
    headers: dict
    body: bytes
    kind: str  # sheets, token or metadata
    status: int | None = None  # None: no answer
    time: float = field(default_factory=time.monotonic)

    def json(self):
        return json.loads(self.body)

    def requests(self):
        """The kinds of a batchUpdate with their bodies."""
        if not self.path.endswith(":batchUpdate"):
            return []
        return [pair for request in self.json()["requests"] for pair in request.items()]

    def __str__(self):
        kinds = ", ".join(kind for kind, _ in self.requests())
        return f"{self.status} {self.method} {self.path}{'?' * bool(self.query)}{urllib.parse.unquote(self.query)} {kinds}".rstrip()


@dataclass
class Token:
    account: str
    scope: str
    expires: float


class Fake:
    def __init__(self):
        self.books, self.shared, self.tokens = {}, {}, {}
        self.log, self.faults = [], []
        self.disabled = False  # the API, in the project of the caller
        self.token_life = 3600
        self.delay = 0
        self.grant_error = None  # a code of OAuth, such as invalid_grant
        self.lock, self.log_lock = threading.RLock(), threading.Lock()
        self.blocked, self.released = threading.Event(), threading.Event()
        self.refresh = {"client_id": "client", "client_secret": "secret", "refresh_token": "refresh"}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"fake": self}))
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}/"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    # What a test sets up

    def book(self, spreadsheet_id, book=None, shared="write"):
        """`shared`: write, read or nothing, for each account."""
        self.books[spreadsheet_id] = book or Spreadsheet()
        self.shared[spreadsheet_id] = shared
        return self.books[spreadsheet_id]

    def token(self, account=ACCOUNT, scope=SCOPE, life=None):
        with self.lock:
            text = f"ya29.{len(self.tokens)}"
            self.tokens[text] = Token(account, scope, time.monotonic() + (self.token_life if life is None else life))
            return text

    def service_account(self, **changes):
        """The content of a key file."""
        pem = KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return {"type": "service_account", "project_id": "project", "private_key_id": "1", "private_key": pem.decode(),
                "client_email": ACCOUNT, "client_id": "1", "token_uri": self.url + "token"} | changes

    def authorized_user(self, **changes):
        return {"type": "authorized_user", "token_uri": self.url + "token"} | self.refresh | changes

    def external_account(self, folder, impersonate=False):
        (folder / "subject").write_text(SUBJECT)
        pool = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x"
        out = {"type": "external_account", "audience": pool,
               "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": self.url + "token",
               "credential_source": {"file": str(folder / "subject")}}
        url = f"{self.url}v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
        return out | ({"service_account_impersonation_url": url} if impersonate else {})

    def fail(self, first, kind, last=None, **options):
        """Requests are counted from 1 over the log as it will be, `last` is `first` unless it is given."""
        self.faults.append((first, last or first, Fault(kind, **options)))

    def let_go(self):
        """Ends a block; what was blocked gets no answer."""
        self.released.set()
        self.faults.clear()

    def ready_to_block(self):
        self.blocked.clear()
        self.released.clear()

    def sheets_log(self):
        return [e for e in self.log if e.kind == "sheets"]

    def writes(self):
        return [e for e in self.log if e.path.endswith(":batchUpdate")]

    # What it answers

    def answer(self, entry):
        if entry.path.endswith(":generateAccessToken"):
            return self.impersonate(entry)
        if entry.kind == "token":
            return self.grant(dict(urllib.parse.parse_qsl(entry.body.decode())))
        if entry.kind == "metadata":
            return self.metadata(entry)
        with self.lock:
            return self.sheets(entry)

    def grant(self, form):
        if self.grant_error:
            return 400, {"error": self.grant_error, "error_description": "Token has been expired or revoked."}
        if form.get("grant_type") == "refresh_token":
            if any(form.get(k) != v for k, v in self.refresh.items()):
                return 401, {"error": "invalid_client", "error_description": "Unauthorized"}
            account, scope = "person@example.com", form.get("scope", SCOPE)
        elif form.get("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            public = KEY.public_key()
            pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            try:
                claims = jwt.decode(form.get("assertion", ""), pem, audience=[self.url + "token", AUDIENCE])
            except ValueError as e:
                return 400, {"error": "invalid_grant", "error_description": f"Invalid JWT: {e}"}
            if claims["exp"] - claims["iat"] > 3600 or claims.get("iss") != ACCOUNT:
                return 400, {"error": "invalid_grant", "error_description": "Invalid JWT: more than an hour, or not the account"}
            account, scope = ACCOUNT, claims.get("scope", "")
        elif form.get("grant_type") == "urn:ietf:params:oauth:grant-type:token-exchange":
            if form.get("subject_token") != SUBJECT or not form.get("audience"):
                return 400, {"error": "invalid_grant", "error_description": "The given credential is rejected"}
            account, scope = "federated", form.get("scope", "")
        else:
            return 400, {"error": "unsupported_grant_type"}
        return 200, {"access_token": self.token(account, scope), "expires_in": self.token_life, "token_type": "Bearer"}

    def impersonate(self, entry):
        caller = self.tokens.get(entry.headers.get("authorization", "").removeprefix("Bearer "))
        if caller is None:
            return 401, {}
        token = self.token(ACCOUNT, " ".join(entry.json().get("scope", [])))
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.token_life)
        return 200, {"accessToken": token, "expireTime": end.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def metadata(self, entry):
        if entry.headers.get("metadata-flavor") != "Google":
            return 403, {}
        account = "compute@developer.gserviceaccount.com"
        if entry.path.endswith("/email"):
            return 200, account
        if entry.path != "/computeMetadata/v1/instance/service-accounts/default/token":
            return 404, {}
        scope = dict(urllib.parse.parse_qsl(entry.query)).get("scopes", SCOPE)
        return 200, {"access_token": self.token(account, scope), "expires_in": self.token_life, "token_type": "Bearer"}

    def sheets(self, entry):
        found = re.fullmatch(r"/v4/spreadsheets/([^/:]+)(:batchUpdate|/values:batchGet|/values/([^/]+))?", entry.path)
        if not found or (entry.method == "POST") != (found[2] == ":batchUpdate"):
            raise Refused("Method not found.", 404, "NOT_FOUND")
        spreadsheet_id, what = urllib.parse.unquote(found[1]), found[2]
        self.check_access(entry, spreadsheet_id, "write" if entry.method == "POST" else "read")
        book, pairs = self.books[spreadsheet_id], urllib.parse.parse_qsl(entry.query, keep_blank_values=True)
        query = dict(pairs)
        if what is None:
            out = book.resource(spreadsheet_id, f"https://docs.google.com/spreadsheets/d/{spreadsheet_id}/edit")
            found = [parse(book, text) for name, text in pairs if name == "ranges"]
            if found:  # only those tabs, and of their cells only the ranges
                out["sheets"] = [s for s in out["sheets"] if any(s["properties"]["sheetId"] == sheet.id for sheet, _ in found)]
            if "data" in query.get("fields", "") or ("fields" not in query and query.get("includeGridData") == "true"):
                for s in out["sheets"]:
                    sheet = book.by_id(s["properties"]["sheetId"])
                    boxes = [box for other, box in found if other is sheet] or [sheet.box({})]
                    s["data"] = [grid_data(sheet, box) for box in boxes]
        elif what == ":batchUpdate":
            try:
                body = json.loads(entry.body, parse_constant=lambda c: json.loads(f"{c} is no JSON"))
            except ValueError as e:
                raise Refused(f"Invalid JSON payload received. {e}") from e
            self.books[spreadsheet_id], replies = book.apply(body.get("requests", []))
            out = {"spreadsheetId": spreadsheet_id, "replies": replies}
        else:
            options = (query.get("majorDimension", "ROWS"), query.get("valueRenderOption", "FORMATTED_VALUE"),
                       query.get("dateTimeRenderOption", "SERIAL_NUMBER"))
            ranges = [v for k, v in pairs if k == "ranges"] if found[3] is None else [urllib.parse.unquote(found[3])]
            out = [value_range(*parse(book, text), *options) for text in ranges]
            out = {"spreadsheetId": spreadsheet_id, "valueRanges": out} if found[3] is None else out[0]
        return 200, partial(out, query.get("fields"))

    def check_access(self, entry, spreadsheet_id, need):
        token = self.tokens.get(entry.headers.get("authorization", "").removeprefix("Bearer "))
        if token is None or token.expires < time.monotonic():
            raise Refused(UNAUTHENTICATED, 401, "UNAUTHENTICATED")
        if token.scope != SCOPE:
            info = {"@type": INFO, "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "domain": "googleapis.com"}
            raise Refused("Request had insufficient authentication scopes.", 403, "PERMISSION_DENIED", [info])
        if self.disabled:
            info = {"@type": INFO, "reason": "SERVICE_DISABLED", "domain": "googleapis.com",
                    "metadata": {"service": "sheets.googleapis.com", "consumer": "projects/1"}}
            raise Refused("Google Sheets API has not been used in project 1 before or it is disabled. Enable it by visiting "
                          "https://console.developers.google.com/apis/api/sheets.googleapis.com/overview?project=1 then retry. If "
                          "you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry.",
                          403, "PERMISSION_DENIED", [info])
        if spreadsheet_id not in self.books:
            raise Refused("Requested entity was not found.", 404, "NOT_FOUND")
        if self.shared[spreadsheet_id] not in ("write", need):
            raise Refused("The caller does not have permission", 403, "PERMISSION_DENIED")


def partial(out, fields):
    """The part of an answer that a `fields` parameter names."""
    if fields is None or fields == "*":
        return out

    def pick(value, mask):
        if any(not path for path in mask) or not isinstance(value, (dict, list)):
            return value
        if isinstance(value, list):
            return [pick(item, mask) for item in value]
        names = {path[0] for path in mask}
        return {k: pick(v, [p[1:] for p in mask if p[0] in (k, "*")]) for k, v in value.items() if k in names or "*" in names}

    return pick(out, paths(fields))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    fake = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.handle_one(b"")

    def do_POST(self):
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.handle_one(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)

    do_PUT = do_DELETE = do_PATCH = do_POST

    def handle_one(self, body):
        fake = self.fake
        path, _, query = self.path.partition("?")
        kind = "token" if path == "/token" or path.endswith(":generateAccessToken") else "metadata" if path.startswith("/computeMetadata/") else "sheets"
        entry = Entry(self.command, path, query, {k.lower(): v for k, v in self.headers.items()}, body, kind)
        with fake.log_lock:
            fake.log.append(entry)
            number = len(fake.log)
            fault = next((f for first, last, f in fake.faults if first <= number <= last), None)
        time.sleep(fake.delay)
        code, answer = self.carry_out(entry) if fault is None or fault.applied else (None, None)
        if fault is None:
            self.send(entry, code, answer)
        elif fault.kind in FAULTS:
            code, status, message = FAULTS[fault.kind]
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            self.send(entry, code, {"error": {"code": code, "message": message, "status": status}}, headers)
        elif fault.kind.startswith("html"):
            self.send(entry, int(fault.kind[4:] or 502), HTML)
        else:
            if fault.kind == "block":
                fake.blocked.set()
            if fault.kind in ("block", "hang", "late"):
                fake.released.wait(60)
            if fault.kind == "late":  # carried out long after the client has given up
                entry.status, _ = self.carry_out(entry)
            self.hang_up()

    def carry_out(self, entry):
        try:
            return self.fake.answer(entry)
        except Refused as e:
            error = {"code": e.code, "message": str(e), "status": e.status}
            return e.code, {"error": error | ({"details": e.details} if e.details else {})}

    def send(self, entry, code, answer, headers={}):
        entry.status = code
        if answer is HTML:
            kind, data = "text/html", answer
        elif isinstance(answer, str):
            kind, data = "application/text", answer.encode()
        else:
            kind, data = "application/json; charset=UTF-8", json.dumps(answer).encode()
        try:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            for name, value in headers.items():
                self.send_header(name, value)
            if entry.kind == "metadata":
                self.send_header("Metadata-Flavor", "Google")
            if "gzip" in self.headers.get("accept-encoding", "") and len(data) > 500:
                data = gzip.compress(data, 1)
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:  # the client is gone
            self.close_connection = True

    def hang_up(self):
        """Closes the connection with a reset."""
        self.close_connection = True
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
