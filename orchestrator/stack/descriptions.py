"""What each key of stack.yaml means, in one sentence: for editors, and for docs/reference.md.

The words stand apart from the model, which every command reads: only `stackctl schema` needs them. A test
holds that each key has a sentence, and each sentence a key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.stack.access import BasicAuth
from orchestrator.stack.assets import Assets
from orchestrator.stack.gateway_descriptions import GATEWAY
from orchestrator.stack.health import Health
from orchestrator.stack.hosts import Redirect
from orchestrator.stack.job import Job
from orchestrator.stack.model import (
    Accessory,
    AccessoryHealth,
    Backup,
    Build,
    ExternalVolume,
    Migration,
    Network,
    Notify,
    Service,
    Stack,
    WitnessRequest,
)
from orchestrator.stack.part import Limits, Part, PartFile, Resources
from orchestrator.stack.registry import Registry
from orchestrator.stack.routes import Buffering, Cache, RateLimit, Route, Timeouts

if TYPE_CHECKING:
    from pydantic import BaseModel

DESCRIPTIONS: dict[type[BaseModel], dict[str, str]] = {
    Stack: {
        "version": "The version of this file's schema.",
        "name": "The prefix of every container, network and volume of this stack.",
        "internal": "Whether the stack's network has no way in or out but the gateway.",
        "gateway": "The NGINX in front of everything.",
        "services": "What is released blue-green, by name.",
        "accessories": "Databases and the like, by name: `up` starts them, no release touches them.",
        "jobs": "Commands that a timer runs, by name.",
        "volumes": "Volumes that others have made, by the names that `volumes` of services and accessories"
        " have for them.",
        "network": "The stack's own network.",
        "notify": "Who is told of a release's outcome.",
        "registry": "Where images are kept that are built: they are pushed there after the build.",
        "secrets_command": "A program of this machine that prints variables as `.env` has them; it is run"
        " only with `STACKCTL_ALLOW_SECRETS_COMMAND=1` in the environment.",
    },
    Registry: {
        "repository": "The registry, and the path in it: an image becomes `REPOSITORY/STACK-SERVICE:VERSION`.",
        "username": "Who stackctl is at that registry, for builds and pulls; without it, whoever"
        " `docker login` has named.",
        "password": "The name of the variable that holds the password or token.",
    },
    **GATEWAY,
    Service: {
        "build": "The folder that the image is built from, or how it is built.",
        "image": "An image that somebody else made, in place of `build`; `{version}` stands for the"
        " version.",
        "version": "The version that `up` releases first; later `deploy --version` decides.",
        "port": "The port that the service listens on inside its container; without it, it is a worker, to"
        " which no request leads.",
        "protocol": "What the port speaks: `http` (1.1), `h2c`, which is HTTP/2 without TLS from the first byte, or `grpc`."
        " Clients come by HTTP/2 to these two, with TLS or without; to `h2c` by HTTP/1.1 as well.",
        "replicas": "How many containers the service has. What `stackctl scale` says holds until this is changed.",
        "read_only": "Whether the root file system is read-only; `/tmp` stays writable, in memory.",
        "needs": "Services and accessories that have to be up first.",
        "with": "Services that `deploy` and `rollback` of this one take along, workers first of all: all have"
        " the new version afterwards, or none.",
        "volumes": "Volumes as `name:/path` or `name:/path:ro`; both colors share them. `name:/path:shared`"
        " says that the app is made for that.",
        "migrate": "A command that runs once in the new version before its replicas start, in place of"
        " the image's ENTRYPOINT.",
        "health": "The gate that every replica of a new version has to pass.",
        "hosts": "The hosts that its routes answer for where they do not say: names such as `shop.example` or"
        " `*.shop.example`; without any, all.",
        "redirect_from": "Old hosts, paths or both that lead to the first route now.",
        "basic_auth": "Who comes in at its routes with a name and a password, where they do not say.",
        "error_pages": "Pages in the place of the gateway's own errors at its routes, before those of `gateway`.",
        "routes": "The paths of the public door that lead here; the longest that fits wins.",
        "assets": "Folders of the image whose files stay reachable after the version is gone, for pages that"
        " are still open.",
        "keep": "What becomes of the previous color until the next release has succeeded.",
        "drain_timeout": "The longest that the previous color has for its last answers; without it, the"
        " gateway's.",
        "strategy": "Whether the next version starts beside the previous one (`blue-green`), or once that"
        " one has stopped (`recreate`), where two must never run together. Until the next one is ready"
        " the service is closed.",
        "init": "Whether the first process of a container is the engine's own, so that SIGTERM ends an"
        " app that does not handle it; `false` where an image's own init must be first.",
        "witness": "Requests that prove each release; without any, GET of the first route. With `protocol: grpc`, calls by their"
        " `path`, with an empty message.",
    },
    Part: {
        "entrypoint": "The program of the container, in place of the image's ENTRYPOINT and CMD.",
        "command": "The command of the container, in place of the image's CMD.",
        "user": "The user that the container runs as, by number, where it is not the image's own; or"
        " `root`, where that is meant.",
        "env": "Environment variables of the container.",
        "env_file": "Files of variables, written as `.env` is; later ones win, `env` wins over all.",
        "secrets": "Variables handed on from the environment or `.env`: `NAME`, or `NAME:VARIABLE` where"
        " the container knows it by another name; with `?` behind it where it may be unset.",
        "files": "Files of the repository that the container gets.",
        "tmpfs": "Folders in memory: `/run`, or with a size `/cache:64m`.",
        "networks": "Networks that others have made, and that the container joins beside its own.",
        "extra_hosts": "Names of further hosts, and their addresses; `host-gateway` is the engine's host.",
        "resources": "The most that each container may take.",
        "shm_size": "The size of `/dev/shm`; without it, as the engine gives.",
        "ulimits": "Limits of the kernel for each process: a number for both, or `soft` and `hard`; -1 is"
        " none.",
        "stop_signal": "What asks the process to end; without it, the image's, which is SIGTERM by default.",
        "stop_grace": "The time between that signal and SIGKILL.",
    },
    PartFile: {
        "from": "The file, relative to stack.yaml.",
        "to": "Its path in the container.",
        "mode": "Its rights; it belongs to root.",
    },
    Limits: {
        "soft": "The limit that a process begins with.",
        "hard": "How far it may raise that.",
    },
    ExternalVolume: {
        "external": "The volume's name on the engine.",
    },
    Assets: {
        "path": "What the paths of the files begin with at the public door, as one of the service's routes has them.",
        "from": "The folder in the container that has them.",
        "keep": "How long they stay once the version is not the one that users get.",
        "max_size": "The most that the files of all versions take; the oldest go first. Those of the versions of both"
        " colors stay.",
    },
    Build: {
        "context": "The folder that is sent to the builder, relative to stack.yaml.",
        "dockerfile": "The Dockerfile, relative to the folder.",
        "args": "Build arguments; `VERSION` is always passed.",
        "target": "The stage of the Dockerfile to end with; without it, the last one.",
        "secrets": "Variables for `RUN --mount=type=secret,id=ID`: `NAME`, or `ID:NAME`; they need"
        " BuildKit.",
        "ssh": "SSH agents for `RUN --mount=type=ssh`, such as `default`; they need BuildKit.",
    },
    Resources: {
        "memory": "The most memory, without any swap.",
        "cpus": "The most CPUs.",
        "pids": "The most processes and threads.",
    },
    Migration: {
        "command": "The command and its arguments.",
        "deadline": "The longest that it may take.",
    },
    Health: {
        "path": "The path that is asked.",
        "port": "The port that is asked; without it, the service's. Of an app that speaks gRPC or `h2c`, one that speaks HTTP/1.1.",
        "service": "Which service gRPC's health protocol is asked for, with `protocol: grpc` and no `port` here; without"
        " it, the app as a whole.",
        "host": "The `Host` of a question, for apps that answer by a name only.",
        "expect": "The status of a good answer, or several; without it, any 2xx.",
        "version": "Whether the `version` in an answer, where there is one, must be the one asked for.",
        "interval": "The time between two questions.",
        "timeout": "The longest that a whole answer may take.",
        "successes": "Good answers in a row that every replica must give.",
        "deadline": "The longest until every replica has given them, or is ready.",
        "command": "Of a worker, a command inside the container; 0 is ready. `interval` is then 1s and"
        " `timeout` 5s, where they are not given.",
        "steady": "Of a worker without a `command`, how long every replica has to run without an end.",
    },
    Route: {
        "path": "The path; it stands for all that is below it.",
        "host": "The hosts that it answers for: a name such as `shop.example` or `*.shop.example`, or several;"
        " without any, those of the service. An exact name goes before a star.",
        "redirect_from": "Old hosts, paths or both that lead here now: `www.shop.example`, `/old/` or"
        " `old.example/shop/`.",
        "strip_prefix": "Whether the service gets paths without the route's; it learns that one from"
        " `X-Forwarded-Prefix`.",
        "methods": "The methods that are let in, the others get 405; without any, all are.",
        "allow": "Addresses or networks of clients that are let in, the others get 403; without any, all are."
        " 127.0.0.1 is the host.",
        "basic_auth": "Who comes in with a name and a password, the others get 401; without it, as the service says;"
        " `false` asks nobody.",
        "rate_limit": "What one client address may send before it gets 429: one rate, or one for reads"
        " and one for writes.",
        "connections": "Requests that one client address may have in flight here, WebSockets among them,"
        " before it gets 429; without it, as many as the gateway says.",
        "cache": "Answers to GET that the gateway keeps.",
        "max_body": "The largest body of a request; a larger one gets 413, and 0 is no limit."
        " It waits on disk where `buffering` is on.",
        "timeouts": "How long the gateway waits for the service.",
        "buffering": "Whether the gateway takes a whole request, and a whole answer, before it passes it"
        " on.",
        "gzip": "Whether answers are compressed; without it, as the gateway does.",
        "security_headers": "Whether `X-Frame-Options`, `X-Content-Type-Options` and `Referrer-Policy` are"
        " added where the service sets none.",
        "websocket": "Where the witness opens a WebSocket: `true` for the route's path, or a path below.",
    },
    BasicAuth: {
        "realm": "What browsers say that the password is for.",
        "users": "Names, and for each the name of the variable that holds the password, as in `secrets`.",
        "satisfy": "Whether a client needs both the password and an address of `allow` (`all`), or one of"
        " them (`any`).",
    },
    Redirect: {
        "from": "The old host, path or both.",
        "status": "308 keeps the method of a request, 301 may not; both are for good.",
    },
    RateLimit: {
        "reads": "The rate of GET and HEAD.",
        "writes": "The rate of all other methods but OPTIONS.",
        "burst": "Requests beyond the rate that are let in at once; without it, one second's worth.",
    },
    Cache: {
        "ttl": "How long an answer is kept, unless its `Cache-Control` says more.",
        "identity": "Headers that say who asks: a request with one goes past the cache.",
    },
    Timeouts: {
        "connect": "The longest until a connection is made.",
        "read": "The longest between two reads of an answer.",
        "send": "The longest between two writes of a request.",
    },
    Buffering: {
        "requests": "Whether a request is read whole before it is passed on.",
        "responses": "Whether an answer is taken from the service before the client has read it.",
        "disk": "How much of an answer waits on disk for a client that reads slowly.",
    },
    WitnessRequest: {
        "method": "The method of the request.",
        "path": "The path, perhaps with a query.",
        "host": "The `Host` of the request; without it, the one that leads to the route.",
        "json": "The JSON body.",
        "expect": "The status of a good answer; without it, 200 or what the service answered first.",
    },
    Accessory: {
        "image": "The image.",
        "port": "The port that it listens on inside its container; without it and `health`, it is ready"
        " once it stays up.",
        "publish": "Ports on the host's loopback, as `127.0.0.1:5432:5432`: address, port there, port of the"
        " container.",
        "volumes": "Volumes as `name:/path` or `name:/path:ro`.",
        "health": "How it tells that it is ready; without it, the port must listen.",
        "deadline": "The longest until it is ready.",
        "backup": "How its data is kept before a release of a service that needs it migrates them.",
        "init": "Whether the first process of the container is the engine's own.",
    },
    Backup: {
        "command": "The command inside the container that prints all data.",
        "keep": "How many backups are kept.",
        "folder": "The name of a folder for them beside stack.yaml; each accessory has one of its own in it.",
        "deadline": "The longest that it may take.",
    },
    AccessoryHealth: {
        "command": "The command inside the container; 0 is ready.",
        "interval": "The time between two commands.",
        "timeout": "The longest that one may take.",
    },
    Job: {
        "service": "The service of whose active version it gets a fresh container.",
        "command": "The command and its arguments, in place of the image's ENTRYPOINT.",
        "schedule": "When it runs, by the clock of the machine that has the timer; without it, no timer is"
        " written.",
        "timeout": "The longest that it may take: then SIGTERM, and after the service's `stop_grace` SIGKILL.",
        "resources": "The most that its container may take; without it, what the service's may.",
    },
    Network: {
        "subnet": "The addresses of the network; without it the engine chooses.",
    },
    Notify: {
        "webhook": "The name of a variable that holds the URL that is told; where it is unset, nobody is.",
        "metrics": "A file for Prometheus' textfile collector, relative to stack.yaml.",
    },
}


def describe_key(model: type[BaseModel], key: str) -> str | None:
    """Return what a key of a model, or of one that it extends, means; None where nobody has said it."""
    found = (DESCRIPTIONS.get(each, {}).get(key) for each in model.__mro__)
    return next((words for words in found if words), None)
