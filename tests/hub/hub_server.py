"""A stand-in for the hub on this machine: it keeps files by repository, revision and path."""

import hashlib
import json
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_secret"


@dataclass
class Hub:
    """What is on the hub.

    Attributes:
        files: content by repository, revision and path.
        private: repositories that need the token.
        gated: repositories that nobody here may have.
        requests: method and path of each request.
        failing: whether every answer is an error of the server.
    """

    files: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    gated: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    failing: bool = False
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, format: str, *arguments: Any) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")

    def _say(self, code: int, content: bytes | Any = b"", **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _may_not(self, repo: str) -> bool:
        if self.hub.failing:
            self._say(500, b"{}")
        elif repo in self.hub.gated:
            self._say(403, b"", X_Error_Code="GatedRepo")
        elif not any(repo == one for one, _, _ in self.hub.files) or (
            repo in self.hub.private and self.headers.get("Authorization") != f"Bearer {TOKEN}"
        ):
            self._say(401, b"", X_Error_Code="RepoNotFound")
        else:
            return False
        return True

    def _file(self) -> None:
        path = unquote(urlsplit(self.path).path)
        user, name, _, revision, *rest = path.strip("/").split("/")
        repo, inside = f"{user}/{name}", "/".join(rest)
        if self._may_not(repo):
            return
        if not any((one, other) == (repo, revision) for one, other, _ in self.hub.files):
            self._say(404, b"", X_Error_Code="RevisionNotFound")
            return
        content = self.hub.files.get((repo, revision, inside))
        if content is None:
            self._say(404, b"", X_Error_Code="EntryNotFound", X_Repo_Commit="1" * 40)
            return
        etag = hashlib.sha1(content).hexdigest()
        commit = hashlib.sha1(revision.encode()).hexdigest()
        self._say(200, content, ETag=f'"{etag}"', X_Repo_Commit=commit)

    def do_HEAD(self) -> None:
        self._file()

    def do_GET(self) -> None:
        self._file()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.hub.failing:
            self._say(500, b"{}")
        elif self.path == "/api/validate-yaml":  # of a model card
            self._say(200, {"errors": [], "warnings": []})
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._say(401, {"error": "who are you"})
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            name = asked["name"]
            repo = f"{asked.get('organization') or 'me'}/{name}"
            self.hub.files[repo, "main", ".gitattributes"] = b""
            self._say(200, {"url": f"{self.hub.url}/{repo}"})
        elif "/preupload/" in self.path:
            files = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False}
                for one in json.loads(body)["files"]
            ]
            self._say(200, {"files": files})
        elif "/commit/" in self.path:
            _, _, _, user, name, _, revision = unquote(urlsplit(self.path).path).split("/")
            for line in body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    value = entry["value"]
                    place = f"{user}/{name}", revision, value["path"]
                    self.hub.files[place] = b64decode(value["content"])
            url = f"{self.hub.url}/{user}/{name}/commit/{'2' * 40}"
            self._say(200, {"commitUrl": url, "commitOid": "2" * 40, "commitMessage": "done"})
        else:
            self._say(404, b"{}")


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub that answers on loopback."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
