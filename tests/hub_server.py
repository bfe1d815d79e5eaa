"""A small Hub over loopback: what the real client asks of one, with repositories in memory, and failures on demand.

    with HubServer() as hub:
        hub.fail("POST", "/commit/", status=503)      # the next request that fits
        subprocess.run(..., env={**os.environ, **hub.environment(home)})

Large files and safetensors go through LFS, as on the Hub; there is no Xet.
"""

import base64
import hashlib
import json
import math
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

import yaml

LFS_FROM = 10_000_000  # bytes
OWNER, READER, STRANGER = "hf_owner", "hf_reader", "hf_stranger"
# token -> the user, and whether it may write
TOKENS = {OWNER: ("you", True), READER: ("you", False), STRANGER: ("stranger", True)}


@dataclass
class File:
    """A file of a commit."""

    content: bytes
    lfs: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def oid(self) -> str:
        """Git's name of the blob, which for LFS is that of the pointer."""
        blob = self.content
        if self.lfs:
            size = len(self.content)
            blob = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {size}\n".encode()
        return hashlib.sha1(b"blob %d\0" % len(blob) + blob).hexdigest()


@dataclass
class Repo:
    """A repository: branches, and the files and messages of commits."""

    name: str
    private: bool = False
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, File]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, branch: str, files: dict[str, File], message: str) -> str:
        names = "".join(f"{path}{file.oid}" for path, file in sorted(files.items()))
        sha = hashlib.sha1(f"{len(self.commits)}{message}{names}".encode()).hexdigest()  # forty digits, as git's
        self.commits[sha], self.branches[branch] = files, sha
        self.messages.append(message)
        return sha

    def resolve(self, revision: str) -> str | None:
        return self.branches.get(revision, revision if revision in self.commits else None)

    def files(self, revision: str = "main") -> dict[str, File]:
        return self.commits[self.branches.get(revision, revision)]


@dataclass
class Fault:
    """What goes wrong with the next `times` requests of a method whose path holds a piece of text."""

    method: str
    piece: str
    status: int | None  # None: the connection is cut
    after: int  # bytes of the body that are sent before it is cut
    times: int
    message: str


class HubServer:
    """The Hub; see the module."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}  # what was uploaded: sum -> content
        self.committed: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.lock = threading.RLock()
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self.cdn = f"http://localhost:{self._server.server_port}"  # another host, as far as the client can tell

    def __enter__(self) -> "HubServer":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self, home: Path, token: str | None = OWNER) -> dict[str, str]:
        """The variables with which the client's process talks to this server and keeps its files in `home`."""
        return {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(home),
            "HF_MODULES_CACHE": str(home / "modules"),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "NO_PROXY": "127.0.0.1,localhost",
            "HF_TOKEN": token or "",
        }

    def fail(self, method: str, piece: str, status: int = 503, times: int = 1, message: str = "") -> None:
        """Answer the next requests with an error."""
        self.faults.append(Fault(method, piece, status, 0, times, message))

    def cut(self, method: str, piece: str, after: int = 0, times: int = 1) -> None:
        """Cut the connection of the next requests once `after` bytes of the answer have been sent."""
        self.faults.append(Fault(method, piece, None, after, times, ""))

    def next_fault(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times and fault.method == method and fault.piece in path:
                    fault.times -= 1
                    return fault
        return None


class _Answer(Exception):
    """An answer that ends the handling of a request."""

    def __init__(self, status: int, body: object = None, **headers: str):
        self.status, self.body = status, body
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        self._handle()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def _handle(self) -> None:
        body = self._read()
        url = urlsplit(self.path)
        self.url, self.query, self.body = unquote(url.path), parse_qs(url.query), body
        self.hub.requests.append(f"{self.command} {self.path}")
        self._fault = self.hub.next_fault(self.command, self.path)
        try:
            if self._fault and self._fault.status:
                raise _Answer(self._fault.status, {"error": self._fault.message or "planned by the test"})
            if self._fault and not self._fault.after:
                self.close_connection = True
                self.connection.close()
                return
            with self.hub.lock:
                self._route(url.path)
        except _Answer as answer:
            self._send(answer)

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, answer: _Answer) -> None:
        body = answer.body
        content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/octet-stream" if isinstance(body, bytes) else "application/json")
        for name, value in {"Content-Length": str(len(content)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self._fault and self._fault.status is None:
            self.wfile.write(content[: self._fault.after])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(content)

    # --- who asks, and for what ---

    def _user(self) -> tuple[str, bool] | None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if not token:
            return None
        if token not in TOKENS:
            message = "Invalid credentials in Authorization header"
            raise _Answer(401, {"error": "Invalid username or password."}, X_Error_Message=message)
        return TOKENS[token]

    def _repo(self, name: str, write: bool = False) -> Repo:
        user, repo = self._user(), self.hub.repos.get(name)
        if repo is None or (repo.private and (user is None or user[0] != name.split("/")[0])):
            status = 404 if user else 401
            raise _Answer(status, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
        if write and user is None:
            raise _Answer(401, {"error": "Unauthorized"})
        if write and user is not None and (not user[1] or user[0] != name.split("/")[0]):
            message = "you do not have the rights to write to this repository"
            raise _Answer(403, {"error": message}, X_Error_Message=message)
        return repo

    def _commit(self, repo: Repo, revision: str) -> str:
        sha = repo.resolve(revision)
        if sha is None:
            raise _Answer(404, {"error": f"Invalid rev id: {revision}"}, X_Error_Code="RevisionNotFound")
        return sha

    def _route(self, raw_path: str) -> None:
        # Revisions with slashes are quoted: they are split off before they are unquoted.
        for method, pattern, action in ROUTES:
            match = re.fullmatch(pattern, raw_path)
            if match and method in (self.command, "GET" if self.command == "HEAD" else ""):
                action(self, *(None if part is None else unquote(part) for part in match.groups()))
                return
        raise _Answer(404, {"error": f"no such page: {self.command} {self.url}"})

    # --- accounts and repositories ---

    def whoami(self) -> None:
        user = self._user()
        if user is None:
            raise _Answer(401, {"error": "Unauthorized"})
        raise _Answer(200, {"type": "user", "name": user[0], "orgs": []})

    def validate(self) -> None:
        errors = card_errors(json.loads(self.body)["content"])
        raise _Answer(400 if errors else 200, {"errors": [{"message": text} for text in errors], "warnings": []})

    def create(self) -> None:
        user, wanted = self._user(), json.loads(self.body)
        if user is None:
            raise _Answer(401, {"error": "Unauthorized"})
        owner = wanted.get("organization") or user[0]
        name = f"{owner}/{wanted['name']}"
        if owner != user[0] or not user[1]:
            message = f"You don't have the rights to create a model under the namespace {owner}"
            raise _Answer(403, {"error": message}, X_Error_Message=message)
        url = f"{self.hub.endpoint}/{name}"
        if name in self.hub.repos:
            raise _Answer(409, {"error": "You already created this model repo", "url": url})
        private = wanted.get("private") or wanted.get("visibility") == "private"
        repo = self.hub.repos[name] = Repo(name, private)
        repo.commit("main", {".gitattributes": File(b"*.safetensors filter=lfs\n", False)}, "initial commit")
        raise _Answer(200, {"url": url, "name": name})

    def delete(self) -> None:
        user, wanted = self._user(), json.loads(self.body)
        name = f"{wanted.get('organization') or (user or ('',))[0]}/{wanted['name']}"
        self._repo(name, write=True)
        del self.hub.repos[name]
        raise _Answer(200, {})

    def info(self, name: str, revision: str | None) -> None:
        repo = self._repo(name)
        sha = self._commit(repo, revision or "main")
        files = sorted(repo.commits[sha])
        data = {"_id": "0", "id": name, "modelId": name, "sha": sha, "private": repo.private, "tags": []}
        raise _Answer(200, {**data, "downloads": 0, "likes": 0, "siblings": [{"rfilename": path} for path in files]})

    def refs(self, name: str) -> None:
        branches = self._repo(name).branches.items()
        rows = [{"name": branch, "ref": f"refs/heads/{branch}", "targetCommit": sha} for branch, sha in branches]
        raise _Answer(200, {"branches": rows, "tags": [], "converts": []})

    def branch(self, name: str, branch: str) -> None:
        repo = self._repo(name, write=True)
        if branch in repo.branches:
            raise _Answer(409, {"error": "Reference already exists"})
        start = json.loads(self.body or b"{}").get("startingPoint")
        repo.branches[branch] = self._commit(repo, start or "main")
        raise _Answer(200, {})

    def _row(self, path: str, file: File) -> dict[str, object]:
        row: dict[str, object] = {"type": "file", "path": path, "size": len(file.content), "oid": file.oid}
        if file.lfs:
            row["lfs"] = {"oid": file.sha256, "size": len(file.content), "pointerSize": 134}
        return row

    def tree(self, name: str, revision: str, under: str | None) -> None:
        repo = self._repo(name)
        files = repo.commits[self._commit(repo, revision)]
        start = f"{under}/" if under else ""
        recursive = self.query.get("recursive", ["false"])[0].lower() in ("true", "1")
        rows, folders = [], set()
        for path, file in sorted(files.items()):
            if not path.startswith(start):
                continue
            parts = path.removeprefix(start).split("/")
            folders |= {start + "/".join(parts[:count]) for count in range(1, len(parts) if recursive else 2)} - {path}
            if recursive or len(parts) == 1:
                rows.append(self._row(path, file))
        if under and not rows and not folders:
            raise _Answer(404, {"error": f"{under} does not exist"}, X_Error_Code="EntryNotFound")
        rows += [{"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in sorted(folders)]
        raise _Answer(200, rows)

    def paths_info(self, name: str, revision: str) -> None:
        repo = self._repo(name)
        files = repo.commits[self._commit(repo, revision)]
        wanted = parse_qs(self.body.decode()).get("paths", [])
        raise _Answer(200, [self._row(path, files[path]) for path in wanted if path in files])

    # --- files in ---

    def preupload(self, name: str, revision: str) -> None:
        asks_only = "create_pr" in self.query
        repo = self._repo(name, write=not asks_only)
        known = repo.commits[self._commit(repo, revision)]
        rows = []
        for file in json.loads(self.body)["files"]:
            lfs = file["size"] > LFS_FROM or file["path"].endswith(".safetensors")
            row = {"path": file["path"], "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False}
            old = known.get(file["path"])
            rows.append({**row, **({"oid": old.sha256 if old.lfs else old.oid} if old else {})})
        raise _Answer(200, {"files": rows})

    def lfs_batch(self, name: str) -> None:
        self._repo(name)
        if self._user() is None:  # whoever proposes may upload; what is in which commit is decided there
            raise _Answer(401, {"error": "Unauthorized"})
        rows = []
        for wanted in json.loads(self.body)["objects"]:
            row = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in self.hub.objects:
                href = f"{self.hub.endpoint}/lfs/{wanted['oid']}"
                row["actions"] = {"upload": {"href": href}, "verify": {"href": f"{href}/verify"}}
            rows.append(row)
        raise _Answer(200, {"transfer": "basic", "objects": rows})

    def lfs_put(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise _Answer(400, {"error": "the content has another sum"})
        self.hub.objects[oid] = self.body
        raise _Answer(200, {})

    def lfs_verify(self, oid: str) -> None:
        wanted = json.loads(self.body)
        there = self.hub.objects.get(oid)
        raise _Answer(200 if there is not None and len(there) == wanted["size"] else 404, {})

    def commit(self, name: str, revision: str) -> None:
        wants_review = "create_pr" in self.query
        repo = self._repo(name, write=not wants_review)
        files = dict(repo.commits[self._commit(repo, revision)])
        message = ""
        for line in self.body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header":
                message = value["summary"]
            elif item["key"] == "file":
                files[value["path"]] = File(base64.b64decode(value["content"]), False)
            elif item["key"] == "lfsFile":
                if value["oid"] not in self.hub.objects:
                    raise _Answer(400, {"error": f"{value['path']} has not been uploaded"})
                self.hub.committed[value["oid"]] = self.hub.objects[value["oid"]]
                files[value["path"]] = File(self.hub.objects[value["oid"]], True)
            elif item["key"] == "deletedFile":
                files.pop(value["path"])
            else:
                raise _Answer(400, {"error": f"unknown operation {item['key']}"})
        branch = f"refs/pr/{1 + sum(ref.startswith('refs/pr/') for ref in repo.branches)}" if wants_review else revision
        sha = repo.commit(branch, files, message)
        url = f"{self.hub.endpoint}/{name}/commit/{sha}"
        review = f"{self.hub.endpoint}/{name}/discussions/{branch.rsplit('/', 1)[-1]}" if wants_review else None
        raise _Answer(200, {"success": True, "commitUrl": url, "commitOid": sha, "pullRequestUrl": review})

    # --- files out ---

    def resolve(self, name: str, revision: str, path: str) -> None:
        repo = self._repo(name)
        sha = self._commit(repo, revision)
        file = repo.commits[sha].get(path)
        if file is None:
            raise _Answer(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound", X_Repo_Commit=sha)
        if file.lfs:
            size = str(len(file.content))
            raise _Answer(
                302,
                X_Repo_Commit=sha,
                X_Linked_Etag=f'"{file.sha256}"',
                X_Linked_Size=size,
                Location=f"{self.hub.cdn}/cdn/{file.sha256}/{quote(path)}",
            )
        self._serve(file.content, X_Repo_Commit=sha, ETag=f'"{file.oid}"')

    def cdn(self, oid: str, path: str) -> None:
        if self.headers.get("Authorization"):
            raise _Answer(400, {"error": "the token of the Hub is nothing for another host"})
        if oid not in self.hub.committed:
            raise _Answer(404)
        self._serve(self.hub.committed[oid], ETag=f'"{oid}"')

    def _serve(self, content: bytes, **headers: str) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if wanted is None:
            raise _Answer(200, content, Accept_Ranges="bytes", **headers)
        start = int(wanted[1])
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        raise _Answer(206, content[start:], Content_Range=span, **headers)


_NAME, _PART, _REST = r"([^/]+/[^/]+)", r"([^/]+)", r"(.+)"
_KIND = "(?:models|datasets)"
ROUTES: list[tuple[str, str, Callable[..., None]]] = [
    ("GET", "/api/whoami-v2", _Handler.whoami),
    ("POST", "/api/validate-yaml", _Handler.validate),
    ("POST", "/api/repos/create", _Handler.create),
    ("DELETE", "/api/repos/delete", _Handler.delete),
    ("GET", f"/api/{_KIND}/{_NAME}(?:/revision/{_PART})?", _Handler.info),
    ("GET", f"/api/{_KIND}/{_NAME}/refs", _Handler.refs),
    ("GET", f"/api/{_KIND}/{_NAME}/tree/{_PART}(?:/{_REST})?", _Handler.tree),
    ("POST", f"/api/{_KIND}/{_NAME}/paths-info/{_PART}", _Handler.paths_info),
    ("POST", f"/api/models/{_NAME}/branch/{_PART}", _Handler.branch),
    ("POST", f"/api/models/{_NAME}/preupload/{_PART}", _Handler.preupload),
    ("POST", f"/api/models/{_NAME}/commit/{_PART}", _Handler.commit),
    ("POST", rf"/{_NAME}\.git/info/lfs/objects/batch", _Handler.lfs_batch),
    ("PUT", f"/lfs/{_PART}", _Handler.lfs_put),
    ("POST", f"/lfs/{_PART}/verify", _Handler.lfs_verify),
    ("GET", f"/(?:datasets/)?{_NAME}/resolve/{_PART}/{_REST}", _Handler.resolve),
    ("GET", f"/cdn/{_PART}/{_REST}", _Handler.cdn),
]


def card_errors(content: str) -> list[str]:
    """What is wrong with the metadata of a card, by the rules of the Hub that a card of ours could break."""
    block = re.match(r"---\n(.*?)\n---\n", content, re.DOTALL)
    if block is None:
        return []
    try:
        data = yaml.safe_load(block[1])
    except yaml.YAMLError as error:
        return [f"not YAML: {error}"]
    errors = []
    for key in ("license", "library_name", "pipeline_tag"):
        if not isinstance(data.get(key, ""), str):
            errors.append(f"{key} must be a string")
    for key in ("tags", "datasets", "metrics"):
        if not all(isinstance(value, str) for value in data.get(key, [])):
            errors.append(f"{key} must be a list of strings")
    languages = data.get("language", [])
    for code in [languages] if isinstance(languages, str) else languages:
        if not re.fullmatch(r"[a-z]{2,3}(-\w+)*|code|multilingual", str(code)):
            errors.append(f"language {code!r} is no ISO 639 code")
    bases = data.get("base_model", [])
    for base in [bases] if isinstance(bases, str) else bases:
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", str(base)):
            errors.append(f"base_model {base!r} is no name of a model")
    if data.get("base_model_relation", "finetune") not in ("finetune", "adapter", "merge", "quantized"):
        errors.append("base_model_relation is none that the Hub knows")
    if not all(isinstance(example, dict) and example.get("text") for example in data.get("widget", [])):
        errors.append("every example of widget needs a text")
    for model in data.get("model-index", []):
        if not model.get("name"):
            errors.append("model-index needs a name")
        for result in model.get("results", []):
            needed = (("task", "type"), ("dataset", "type"), ("dataset", "name"))
            errors += [f"{part}.{key} is missing" for part, key in needed if not result.get(part, {}).get(key)]
            for metric in result.get("metrics", []):
                value = metric.get("value")
                if not metric.get("type") or (isinstance(value, float) and not math.isfinite(value)) or value is None:
                    errors.append(f"the metric {metric} needs a type and a value")
    return errors
