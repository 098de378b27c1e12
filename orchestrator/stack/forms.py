"""The forms that text in stack.yaml must have, and how faults describe them."""

from __future__ import annotations

NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
VERSION = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$"  # what an image tag may be
URL_PATH = r"^/([A-Za-z0-9._~-]+/)*[A-Za-z0-9._~-]*$"
HOST = r"^([A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$"
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_PART = _LABEL.replace("(", "(?:")
CALLED = r"^[A-Za-z0-9_./-]*$"  # a service of gRPC
HOST_PATTERN = rf"^(\*\.)?({_LABEL}\.)*{_LABEL}$"
REDIRECTED = r"^([a-z0-9*][a-z0-9*.-]*)?(/[A-Za-z0-9._~/-]*)?$"
PUBLIC_URL = rf"^(https?)://((?:{_PART}\.)*{_PART}|\[[0-9a-f:.]+\])(?::([0-9]{{1,5}}))?/?$"
REQUEST = r"^/[A-Za-z0-9._~/?=&%+-]*$"
IMAGE = r"^[A-Za-z0-9][A-Za-z0-9._:/@-]*$"
VERSIONED_IMAGE = r"^[A-Za-z0-9]([A-Za-z0-9._:/@-]|\{version\})*$"
REPOSITORY = r"^([a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]{1,5})?|[a-z0-9-]+:[0-9]{1,5}|localhost)(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
ENVIRONMENT = r"^[^=\x00]+$"  # all that an environment can hold, such as `discovery.type`
SECRET = r"^([^=:\x00]+:)?[A-Za-z_][A-Za-z0-9_]*\??$"  # noqa: S105  the form of a name
BUILD_SECRET = r"^([A-Za-z0-9_][A-Za-z0-9_.-]*:)?[A-Za-z_][A-Za-z0-9_]*$"  # noqa: S105  as above
WORD = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
VOLUME = r"^[a-z0-9][a-z0-9_-]*$"
MOUNT = r"^[a-z0-9][a-z0-9_-]*:/[A-Za-z0-9._/-]+(:ro|:shared)?$"
USER = r"^(root|[1-9][0-9]{0,9}(:[1-9][0-9]{0,9})?)$"
CONTAINER_PATH = r"^(/[A-Za-z0-9._@+-]+)+$"
TMPFS = r"^(/[A-Za-z0-9._@+-]+)+(:[0-9]{1,9}[bkmgBKMG]?)?$"
MODE = r"^0?[0-7]{3}$"
ULIMIT = r"^(core|cpu|data|fsize|locks|memlock|msgqueue|nice|nofile|nproc|rss|rtprio|rttime|sigpending|stack)$"
HOST_ADDRESS = r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*|host-gateway)$"
HOST_NAME = r"^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$"
HEADER = r"^[A-Za-z][A-Za-z0-9_-]*$"
DIRECTORY = r"^(https://[!-~]+|staging|production)$"  # of an authority, as ACME calls it
EMAIL = r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+$"
FILE = r"^[^\x00-\x1f\x7f]+$"
METRICS = r"^[^\x00-\x1f\x7f]+\.prom$"
USER_NAME = r"^[A-Za-z0-9][A-Za-z0-9._@+-]*$"  # who comes in with a password
REALM = r"^[A-Za-z0-9]([A-Za-z0-9 ._-]*[A-Za-z0-9])?$"
OWN_ERROR = r"^(4xx|50x|40[013458]|41[2346]|429|431|50[0-5])$"  # of NGINX itself, and of no service
TEXT = r"^[^\x00]*$"  # what the environment and a command line can hold
DURATION = r"^([0-9]{1,6}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)$"
SIZE = r"^([0-9]{1,9})([bkmgBKMG]?)$"
PUBLICATION = r"^(127\.[0-9.]+:[0-9]{1,5}):([0-9]{1,5})$"
ADDRESS = r"^(?:([0-9.]+|\[[0-9A-Fa-f:.]+\]):)?([0-9]{1,5})$"
RATE = r"^([1-9][0-9]{0,6})/([sm])$"
NETWORK = r"^[0-9A-Fa-f:.]+(/[0-9.]+)?$"  # and what the ipaddress module takes for one
# Which numbers a field may have, only its reader can tell.
SCHEDULE = r"^[0-9*,/-]+( +[0-9*,/-]+){4}$"
SUBNET = r"^[0-9.]+/[0-9.]+$"  # as above
SMALLEST, LARGEST = (
    28,
    16,
)  # prefixes of a subnet: 8 addresses for replicas, more than anybody needs

FORMS = {  # as faults describe them
    NAME: "lower-case letters, digits and single hyphens, a letter first",
    VERSION: "what an image tag may be: at most 128 letters, digits, `.`, `_` and `-`",
    URL_PATH: "a path such as `/notes/`, of letters, digits, `.`, `_`, `~`, `-` and single `/`",
    HOST: "a name and perhaps a port, such as `shop.example.org`",
    CALLED: "a service of gRPC such as `shop.Orders`",
    HOST_PATTERN: "a host's name such as `shop.example` or `*.shop.example`, in lower case",
    REDIRECTED: "a host, a path or both: `www.shop.example`, `/old/` or `old.example/shop/`",
    PUBLIC_URL: "where clients come, such as `https://shop.example`: without a path",
    REQUEST: "a path such as `/notes/?page=2`",
    IMAGE: "an image such as `mongo:8`",
    VERSIONED_IMAGE: "an image such as `example/notes:{version}`",
    REPOSITORY: "a registry and perhaps a path, such as `registry.example/team`: its name has a `.` or a port",
    VARIABLE: "a variable's name: letters, digits and `_`, no digit first",
    DIRECTORY: "`staging`, or the https URL of an ACME directory",
    EMAIL: "an address such as `ops@shop.example`",
    ENVIRONMENT: "a name without `=` and NUL",
    SECRET: "a variable's name, or `NAME:VARIABLE` where the container knows it by another; a `?`"
    " behind it where it may be unset",
    BUILD_SECRET: "a variable's name, or `ID:VARIABLE` where the Dockerfile knows it by another",
    WORD: "letters, digits, `_`, `.` and `-`, such as `default`",
    VOLUME: "a volume's name: lower-case letters, digits, `_` and `-`",
    MOUNT: "a volume such as `uploads:/data`, `uploads:/data:ro` or `uploads:/data:shared`",
    USER: "a user's number other than 0, such as `10001` or `10001:10001`; or `root`",
    CONTAINER_PATH: "a path in the container such as `/etc/app.conf`",
    TMPFS: "a path in the container such as `/run`, or with a size `/cache:64m`",
    MODE: "rights such as `0444`",
    ULIMIT: "a limit of the kernel such as `nofile`, `memlock` or `core`",
    HOST_ADDRESS: "an address such as `10.0.0.7`, or `host-gateway`",
    HOST_NAME: "a host's name such as `host.docker.internal`",
    HEADER: "a header's name: letters, digits, `-` and `_`, a letter first",
    FILE: "a path",
    USER_NAME: "a user's name: letters, digits, `.`, `_`, `@`, `+` and `-`, no `:`, which ends it",
    REALM: "letters, digits, spaces, `.`, `_` and `-`, such as `Staff only`",
    OWN_ERROR: "a status that the gateway itself answers with, such as `404`, or `4xx` or `50x`",
    METRICS: "a file such as `stackctl.prom`: its collector reads no other ending",
    TEXT: "text without NUL",
    DURATION: "a duration such as `500ms`, `1.5s`, `2m` or `7d`",
    SIZE: "a size such as `512k`, `16m` or `1g`",
    PUBLICATION: "a loopback address, a port there and one of the container, such as"
    " `127.0.0.1:5432:5432`",
    ADDRESS: "a port from 1 to 65535, or `address:port` such as `10.0.0.7:80` or `[::]:80`",
    RATE: "a rate such as `100/s` or `30/m`",
    SCHEDULE: "five fields of cron such as `15 3 * * *`: minute, hour, day of the month, month and day of"
    " the week, in numbers",
    NETWORK: "an address or a network such as `10.0.0.7`, `10.0.0.0/8` or `fd00::/8`",
    SUBNET: f"a private IPv4 network of /{LARGEST} to /{SMALLEST} such as `10.77.0.0/24`",
}
