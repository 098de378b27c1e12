"""What becomes of each key of a compose service, in stack.yaml and in what is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from orchestrator.adopt.dockerfile import parse_dockerfile
from orchestrator.adopt.draft import Draft, Source, make_draft
from orchestrator.adopt.stack_text import write_yaml
from orchestrator.errors import ConfigurationError
from orchestrator.stack.fitting import has_key
from orchestrator.stack.load import load_stack

if TYPE_CHECKING:
    from pathlib import Path

VARIABLES = {"WORD": "hunter-22", "PORT": "8080", "TAG": "1.2"}


def draft(project: dict[str, Any], dockerfile: str = "", profiles: tuple[str, ...] = ()) -> Draft:
    """Make a stack.yaml; each service that is built has the same Dockerfile."""
    stage = parse_dockerfile(dockerfile).find(None)
    services = project["services"]
    built = [name for name, each in services.items() if isinstance(each, dict) and "build" in each]
    return make_draft(
        Source(
            project=project,
            fallback="shop",
            variables=VARIABLES,
            stages=dict.fromkeys(built, stage) if stage else {},
            is_file=lambda path: path.endswith(".txt"),
            profiles=profiles,
            told="compose.yaml",
        )
    )


def service(more: dict[str, Any], dockerfile: str = "", image: str = "a") -> dict[str, Any]:
    """Return what a service with these keys becomes."""
    origin: dict[str, Any] = {"build": "."} if dockerfile else {"image": image}
    made = draft({"services": {"web": {**origin, "expose": [80], **more}}}, dockerfile)
    read: dict[str, Any] = yaml.safe_load(made.text)
    return dict(read["services"]["web"])


def said(project: dict[str, Any], key: str) -> tuple[str, str]:
    """Return the kind and the words of the one finding of a key."""
    found = [each for each in draft(project).findings if each.key == key]
    assert len(found) == 1, [*draft(project).findings]
    return found[0].kind, found[0].text


TAKEN: list[
    tuple[dict[str, Any], dict[str, Any]]
] = [  # what compose says, and what stack.yaml says of it
    ({"environment": ["A=1", "B="]}, {"env": {"A": "1", "B": ""}}),
    (
        {"environment": {"A": True, "B": 1.5, "C": "no"}},
        {"env": {"A": "true", "B": "1.5", "C": "no"}},
    ),
    ({"environment": {"WORD": "${WORD}", "X": "$WORD"}}, {"secrets": ["WORD", "X:WORD"]}),
    ({"environment": {"A": "${WORD:?say}"}}, {"secrets": ["A:WORD"]}),
    ({"environment": ["WORD"]}, {"secrets": ["WORD"]}),
    ({"environment": {"A": "x$$y ${WORD}-$NO"}}, {"env": {"A": "x$$y ${WORD}-${NO:-}"}}),
    ({"image": "a:1.2"}, {"image": "a:{version}", "version": "1.2"}),
    ({"image": "r:5000/a"}, {"image": "r:5000/a:{version}", "version": "latest"}),
    ({"image": "a:${TAG:-3}"}, {"image": "a:{version}", "version": "${TAG:-3}"}),
    ({"image": "a@sha256:00ff"}, {"image": "a@sha256:00ff"}),
    ({"image": "${WORD}"}, {"image": "${WORD}"}),
    ({"image": "${WORD}a:1.2"}, {"image": "${WORD}a:{version}", "version": "1.2"}),
    ({"mem_limit": "1.5gb", "pids_limit": 99}, {"resources": {"memory": "1536m", "pids": 99}}),
    ({"cpus": 2}, {"resources": {"cpus": 2.0}}),
    ({"deploy": {"resources": {"limits": {"cpus": "0.5"}}}}, {"resources": {"cpus": 0.5}}),
    ({"deploy": {"replicas": 3}}, {"replicas": 3}),
    ({"scale": 2}, {"replicas": 2}),
    ({"user": "1000:1000"}, {"user": "1000:1000"}),
    ({"user": 1000}, {"user": "1000"}),
    ({"read_only": True, "init": False}, {"read_only": True, "init": False}),
    ({"stop_grace_period": "1m30s"}, {"stop_grace": "90s"}),
    ({"stop_grace_period": "500ms"}, {"stop_grace": "500ms"}),
    ({"volumes": ["Data_1:/x:ro"]}, {"volumes": ["data_1:/x:ro"]}),
    ({"volumes": [{"type": "volume", "source": "d", "target": "/d"}]}, {"volumes": ["d:/d"]}),
    (
        {"healthcheck": {"test": "wget -q http://127.0.0.1:80/up"}},
        {"health": {"path": "/up"}},
    ),
    (
        {"healthcheck": {"test": ["CMD", "curl", "http://localhost:9000/up?x=1"]}},
        {"health": {"path": "/up", "port": 9000}},
    ),
    (
        {"healthcheck": {"test": "curl http://localhost:${PORT}/up", "timeout": "2m"}},
        {"health": {"path": "/up", "timeout": "60s"}},
    ),
]


@pytest.mark.parametrize(("written", "wanted"), TAKEN, ids=[str(written) for written, _ in TAKEN])
def test_a_key_is_taken_over(written: dict[str, Any], wanted: dict[str, Any]) -> None:
    """In whichever of its forms it is written."""
    made = service(written)
    assert {key: made.get(key) for key in wanted} == wanted


@pytest.mark.parametrize(
    ("written", "key", "reason"),
    [
        ({"environment": {"A": "${WORD:+x}"}}, "environment.A", "cannot be said"),
        ({"environment": {"A": "${NO:-${WORD}}"}}, "environment.A", "has a reference in it"),
        ({"environment": {"A": "${NO:?x}/"}}, "environment.A", "`NO` has no value"),
        ({"environment": {"STACKCTL_X": None}}, "environment.STACKCTL_X", "stackctl's own"),
        ({"environment": [["A"]]}, "environment", "expected"),
        ({"volumes": ["./x:/x"]}, "volumes.0", "is a folder"),
        ({"volumes": ["/x"]}, "volumes.0", "without a name"),
        ({"volumes": ["~/x:/x"]}, "volumes.0", "is a folder"),
        ({"volumes": [{"type": "npipe", "source": "a", "target": "/b"}]}, "volumes.0", "`npipe`"),
        ({"volumes": ["d:/with space"]}, "volumes.0", "expected a volume"),
        ({"mem_limit": "1k"}, "mem_limit", "greater than"),
        ({"mem_limit": "much"}, "mem_limit", "expected a size"),
        ({"cpus": "many"}, "cpus", "expected a number"),
        ({"user": "www-data"}, "user", "give its number"),
        ({"deploy": {"placement": {}}}, "deploy.placement", "one host"),
        ({"healthcheck": {"disable": True}}, "healthcheck", "switched off"),
        ({"healthcheck": {"test": "pgrep app"}}, "healthcheck.test", "asked by HTTP"),
        ({"depends_on": ["nobody"]}, "depends_on.nobody", "no such service"),
        ({"hostname": "h"}, "hostname", "names containers by itself"),
        ({"nonsense": 1}, "nonsense", "unknown key"),
        ({"ports": ["25:25"]}, "ports.0", "speaks HTTP"),
        ({"ports": ["53:53/udp"]}, "ports.0", "speaks HTTP"),
        ({"build": {"context": ".", "network": "host"}, "expose": [80]}, "build.network", "has no"),
    ],
)
def test_a_key_is_left_out_with_its_reason(written: dict[str, Any], key: str, reason: str) -> None:
    """And a comment in stack.yaml says so too."""
    project = {"services": {"web": {"image": "a", "expose": [80], **written}}}
    kind, text = said(project, f"services.web.{key}")
    assert kind == "left"
    assert reason in text
    assert f"# TODO {key}: " in draft(project).text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("privileged", True),
        ("network_mode", "host"),
        ("devices", ["/dev/x"]),
        ("pid", "host"),
        ("ipc", "host"),
    ],
)
def test_rights_of_the_host_are_refused(key: str, value: object) -> None:
    """Each with its reason."""
    kind, text = said(
        {"services": {"web": {"image": "a", "expose": [80], key: value}}}, f"services.web.{key}"
    )
    assert (kind, text != "") == ("refused", True)


def test_no_value_of_a_variable_is_written_or_said() -> None:
    """Wherever in the file it is referred to."""
    word = "${WORD}"
    project = {
        "services": {
            "web": {
                "image": f"a:{word}",
                "expose": [80],
                "ports": [f"{word}:{word}"],
                "environment": {"A": f"x{word}", "B": word, word: "1"},
                "volumes": [f"{word}:/x", f"./{word}:/y", f"d:/{word}"],
                "mem_limit": word,
                "user": word,
                "stop_grace_period": word,
                "healthcheck": {"test": f"curl http://localhost/{word}", "timeout": word},
                "deploy": {"replicas": word},
                "command": f"run {word}",
                "env_file": word,
                "hostname": word,
                "depends_on": [word],
                "labels": {"traefik.http.services.a.loadbalancer.server.port": "80"},
            }
        },
        "volumes": {"v": {"external": True, "name": word}},
        word: 1,
    }
    made = draft(project)
    told = "".join(f"{each}" for each in made.findings)
    assert VARIABLES["WORD"] not in made.text + told


def test_quantities_stay_references() -> None:
    """They are typed as what they stand for."""
    made = service({"ports": ["${PORT:-80}:${PORT}"], "scale": "${N:-2}", "mem_limit": "${M:-64m}"})
    assert made["port"] == "${PORT}"
    assert made["replicas"] == "${N:-2}"
    assert made["resources"] == {"memory": "${M:-64m}"}


def test_the_door_of_the_first_service_is_the_gateway_s() -> None:
    """Others share it, below a path of their own."""
    made = draft(
        {
            "services": {
                "api": {"image": "a", "ports": ["127.0.0.1:9000:8000"]},
                "front": {"image": "b", "ports": ["443:3000"]},
                "inner": {"image": "c", "expose": [80]},
            }
        }
    )
    stack = yaml.safe_load(made.text)
    paths = {
        name: [route["path"] for route in each.get("routes", [])]
        for name, each in stack["services"].items()
    }
    assert paths == {"api": ["/api/"], "front": ["/"], "inner": []}
    assert stack["gateway"]["listen"] == 443


@pytest.mark.parametrize(
    ("port", "listen", "admin"),
    [
        ("127.0.0.1:8080:80", "127.0.0.1:8080", None),
        ("[::1]:8080:80", "127.0.0.1:8080", None),
        ("${BIND:-127.0.0.1}:8080:80", "${BIND:-127.0.0.1}:8080", None),
        ("0.0.0.0:8080:80", 8080, None),
        ("8081:80", 8081, "127.0.0.1:8082"),
        ("80", 8080, None),
    ],
)
def test_the_gateway_listens_where_compose_published(
    port: str, listen: object, admin: object
) -> None:
    """Never at more addresses; and its admin listener has another port."""
    made = draft({"services": {"web": {"image": "a", "ports": [port]}}})
    gateway = yaml.safe_load(made.text)["gateway"]
    assert (gateway["listen"], gateway.get("admin")) == (listen, admin)


def test_databases_are_accessories() -> None:
    """Known by their image, wherever it comes from; with the port that they listen at."""
    images = {"db": "bitnami/postgresql:16", "cache": "redis", "search": "r:5000/x/elasticsearch:8"}
    services = {name: {"image": image} for name, image in images.items()}
    made = draft({"services": {"web": {"image": "a", "expose": [80]}, **services}})
    accessories = yaml.safe_load(made.text)["accessories"]
    assert {name: each["port"] for name, each in accessories.items()} == {
        "db": 5432,
        "cache": 6379,
        "search": 9200,
    }


def test_an_accessory_is_asked_by_its_command() -> None:
    """In the three forms of compose; references and dollars of the shell stay what they are."""
    for test, command in (
        ("ready $$X ${WORD}", ["sh", "-c", "ready $$X ${WORD}"]),
        (["CMD-SHELL", "ready"], ["sh", "-c", "ready"]),
        (["CMD", "ready", "now"], ["ready", "now"]),
    ):
        db = {"image": "postgres:17", "healthcheck": {"test": test, "start_period": "30s"}}
        made = draft({"services": {"web": {"image": "a", "expose": [80]}, "db": db}})
        accessory = yaml.safe_load(made.text)["accessories"]["db"]
        assert (accessory["health"]["command"], accessory["deadline"]) == (command, "90s")


def test_a_job_of_the_same_image_is_the_migration() -> None:
    """Of whoever waits for its end."""
    web: dict[str, Any] = {"build": ".", "expose": [80]}
    web["depends_on"] = {"job": {"condition": "service_completed_successfully"}}
    made = draft({"services": {"job": {"build": ".", "command": "m 'a b'"}, "web": web}})
    assert yaml.safe_load(made.text)["services"]["web"]["migrate"] == ["m", "a b"]


@pytest.mark.parametrize(
    ("services", "key", "reason"),
    [
        ({"w": {"build": ".", "expose": [25]}}, "services.w", "speak no HTTP"),
        ({"w": {"image": "x", "profiles": ["p"], "expose": [1]}}, "services.w", "`--profile p`"),
        ({"w": {"environment": {}}}, "services.w", "neither `image` nor `build`"),
        (
            {"w": {"image": "traefik:3", "ports": ["80:80"]}},
            "services.w",
            "the gateway takes its place",
        ),
        (
            {"w": {"build": "https://x.org/r.git", "expose": [80]}},
            "services.w",
            "not on this machine",
        ),
        ({"w": {"image": "x", "expose": {}, "ports": {"a": 1}}}, "services.w", "expected a list"),
    ],
)
def test_a_service_is_left_out_with_its_reason(
    services: dict[str, Any], key: str, reason: str
) -> None:
    """The others are written all the same."""
    project = {"services": {"web": {"image": "a", "expose": [80]}, **services}}
    kind, text = said(project, key)
    assert (kind, reason in text) == ("left", True), text


def test_names_are_made_to_fit_and_addresses_follow() -> None:
    """Where an address has its host; users, paths and other words stay."""
    made = draft(
        {
            "name": "My_very_long_project_name",
            "services": {
                "web": {
                    "image": "a",
                    "expose": [80],
                    "environment": {
                        "URL": "postgres://my_db:my_db@my_db:5432/my_db",
                        "DB_HOST": "my_db",
                        "DB_NAME": "my_db",
                        "AT": "my_db:5432",
                    },
                    "depends_on": ["my_db"],
                },
                "my_db": {"image": "postgres"},
                "Gateway": {"image": "redis"},
            },
        }
    )
    stack = yaml.safe_load(made.text)
    assert stack["name"] == "my-very-long-project"
    assert [*stack["accessories"]] == ["my-db", "gateway-app"]
    assert stack["services"]["web"]["needs"] == ["my-db"]
    assert stack["services"]["web"]["env"] == {
        "URL": "postgres://my_db:my_db@my-db:5432/my_db",
        "DB_HOST": "my-db",
        "DB_NAME": "my_db",
        "AT": "my-db:5432",
    }


CALLS = [  # an address in `environment` as compose has it, and as it is here; None: it is told
    ("http://api_v1:8000/x", "http://api-v1/x"),
    ("http://api_v1:${NO:-8000}", "http://api-v1"),
    ("ws://me:word@api_v1:8000?x", "ws://me:word@api-v1?x"),
    ("http://api_v1:8000,http://api_v1:8000/x", "http://api-v1,http://api-v1/x"),
    ("http://api_v1/x", "http://api-v1/x"),
    ("api_v1:8000", "api-v1:80"),
    ("postgres://api_v1:8000@db:5432/x", "postgres://api_v1:8000@db:5432/x"),
    ("http://api_v1:9000", None),
    ("https://api_v1", None),
    ("grpc://api_v1:8000", None),
    ("aws://api_v1:8000", None),
    ("api_v1", None),
]


@pytest.mark.parametrize(("written", "wanted"), CALLS)
def test_calls_of_a_service_go_to_the_port_of_its_name(written: str, wanted: str | None) -> None:
    """Which is 80 for each of them; where that cannot be meant, a person is told."""
    web = {"image": "a", "expose": [80], "environment": {"API_HOST": written}}
    text = draft({"services": {"web": web, "api_v1": {"image": "b", "expose": [8000]}}}).text
    made = yaml.safe_load(text)["services"]["web"]["env"]["API_HOST"]
    assert wanted in (None, made)
    assert ("# TODO env.API_HOST: `api-v1` is reached as `http://api-v1/`" in text) == (
        wanted is None
    )


ROUTES: list[tuple[list[str], dict[str, Any] | None]] = [  # Traefik's rules, and the route
    (["Host(`a.example`)"], {"path": "/", "host": "a.example"}),
    (["Host(`a.example`, `b.example`)"], {"path": "/", "host": ["a.example", "b.example"]}),
    (["Host(`a.example`) || Host('b.example')"], {"path": "/", "host": ["a.example", "b.example"]}),
    (["Host(`a.example`) && PathPrefix(`/x`)"], {"path": "/x", "host": "a.example"}),
    (["Host(`api.${NO:-example.org}`)"], {"path": "/", "host": "api.${NO:-example.org}"}),
    (["Host(`a.example`)", "Host(`a.example`)"], {"path": "/", "host": "a.example"}),
    (["PathPrefix(`/x`)"], {"path": "/x"}),
    (["Host(`api.${NO}`)"], None),
    (["Host(`${NO?say}`)"], None),
    (["HostRegexp(`.*`)"], None),
    (["!Host(`a.example`)"], None),
    (["Host(`a.example`) && Headers(`a`, `b`)"], None),
    (["Host(`a.example`) || Host(`b.example`) && PathPrefix(`/x`)"], None),
    (["Host(`a.example`)", "Host(`b.example`) && PathPrefix(`/x`)"], None),
]


@pytest.mark.parametrize(("rules", "wanted"), ROUTES)
def test_a_rule_of_traefik_is_a_route(rules: list[str], wanted: dict[str, Any] | None) -> None:
    """One that says more than hosts and a path gives none; it is told."""
    labels = {f"traefik.http.routers.r{n}.rule": rule for n, rule in enumerate(rules)}
    web = {"image": "a", "expose": [80], "labels": labels}
    made = draft({"services": {"web": web}})
    (route,) = yaml.safe_load(made.text)["services"]["web"]["routes"]
    left = [each.key for each in made.findings.of("left")]
    del route["max_body"]
    assert wanted in (None, route)
    assert ("host" in route, bool(left)) == ("host" in (wanted or {}), wanted is None)


def test_hosts_share_a_path_and_no_place_has_two_services() -> None:
    """The one that comes first has it."""
    rules = {"one": "Host(`a.example`)", "two": "Host(`b.example`)", "three": "Host(`a.example`)"}
    services = {
        name: {"image": "a", "expose": [80], "labels": {"traefik.http.routers.r.rule": rule}}
        for name, rule in rules.items()
    }
    services = {"plain": {"image": "a", "ports": ["8000:80"]}, **services}
    made = yaml.safe_load(draft({"services": services}).text)["services"]
    routes = {name: made[name]["routes"][0] for name in made}
    assert {name: (route["path"], route.get("host")) for name, route in routes.items()} == {
        "plain": ("/", None),
        "one": ("/", "a.example"),
        "two": ("/", "b.example"),
        "three": ("/three/", None),
    }


def test_no_label_beside_a_rule_is_dropped_in_silence() -> None:
    """Each of them is named, with where to look."""
    labels = {
        "traefik.enable": "true",
        "traefik.http.routers.web.rule": "Host(`a.example`)",
        "traefik.http.routers.web.tls": "true",
        "traefik.http.routers.web.tls.certresolver": "le",
        "traefik.http.middlewares.auth.basicauth.users": "me:word",
        "org.example.team": "shop",
    }
    web = {"image": "a", "expose": [80], "labels": labels}
    left = {
        each.key.partition("labels.")[2]
        for each in draft({"services": {"web": web}}).findings.of("left")
    }
    assert left == {*list(labels)[2:]}


def test_names_that_collide_are_one_clear_line() -> None:
    """Nobody can say which of them is meant."""
    web = {"image": "a", "expose": [80]}
    with pytest.raises(ConfigurationError, match=r"`a_b` and `a-b` would both be called `a-b`"):
        draft({"services": {"a_b": web, "a-b": web}})


@pytest.mark.parametrize(
    ("web", "reason", "mend"),
    [
        ({"build": ".", "ports": ["25:25"]}, "services.web: its ports speak no HTTP", "a port"),
        ({"image": "postgres"}, "nothing listens", "a port"),
        ({"ports": ["80:80"]}, "services.web: has neither `image` nor `build`", "mend the"),
        (
            {"labels": ["a=b"], "image": "a:${NO}", "ports": ["80:80"]},
            "services.web: its image cannot be taken over: `${NO}` has no value",
            "mend the",
        ),
        (
            {"build": "https://x.org/r.git", "image": "", "expose": [80]},
            "cannot be taken over: the context is not on this machine",
            "mend the",
        ),
        ({"image": "a", "expose": ["x"], "profiles": ["p"]}, "`--profile p`", "mend the"),
    ],
)
def test_a_project_without_a_service_to_release_is_one_clear_line(
    web: dict[str, Any], reason: str, mend: str
) -> None:
    """It says what stood in the way, and how that is mended; what is left out elsewhere is not meant."""
    with pytest.raises(ConfigurationError) as raised:
        draft({"services": {"web": web}, "volumes": {"data": {"driver": "nfs"}}})
    assert reason in raised.value.message
    assert "\n" not in raised.value.message
    assert mend in str(raised.value.hint)


def test_the_dockerfile_fills_in_what_compose_leaves_open() -> None:
    """Port, health and volumes; a hint where it sets no user."""
    dockerfile = (
        "FROM a\nEXPOSE 9000\nVOLUME /data\nHEALTHCHECK CMD curl http://localhost:9000/up\n"
    )
    made = draft({"services": {"web": {"build": "."}}}, dockerfile)
    web = yaml.safe_load(made.text)["services"]["web"]
    assert (web["port"], web["health"], web["volumes"]) == (
        9000,
        {"path": "/up"},
        ["web-data:/data"],
    )
    assert "add `USER 10001`" in made.text


def test_a_worker_of_the_same_image_is_none_that_listens() -> None:
    """Though its Dockerfile exposes a port."""
    project = {
        "services": {
            "web": {"build": ".", "ports": ["80:9000"]},
            "worker": {"build": ".", "command": "work"},
        }
    }
    made = draft(project, "FROM a\nEXPOSE 9000\n")
    services = yaml.safe_load(made.text)["services"]
    assert services["web"]["with"] == ["worker"]
    assert services["worker"] == {"build": ".", "command": ["work"]}


def work(more: dict[str, Any], **web: Any) -> tuple[dict[str, Any], Draft]:
    """Return the services of a project with a worker `w` of the image of `web`, and what was made."""
    project = {
        "services": {
            "w": {"image": "a:1", "command": "work", **more},
            "web": {"image": "a:1", "ports": ["80:80"], **web},
        }
    }
    made = draft(project)
    return dict(yaml.safe_load(made.text)["services"]), made


def test_a_worker_goes_with_the_service_whose_image_it_runs() -> None:
    """Its version is that of the service, which is the one place to change it."""
    services, _ = work({})
    assert services["web"]["with"] == ["w"]
    assert services["w"] == {"image": "a:{version}", "command": ["work"]}


def test_a_worker_of_an_image_that_is_built_elsewhere_in_the_project_is_built() -> None:
    """`image` alone would be asked of a registry that has never seen it."""
    services, made = work({"image": "shop"}, image="shop", build=".")
    assert services["web"]["with"] == ["w"]
    assert services["w"] == {"build": ".", "command": ["work"]}
    load = [each for each in made.findings if each.key == "services.w.image"]
    assert [each.kind for each in load] == ["changed"]


def test_a_worker_that_its_service_waits_for_goes_by_itself() -> None:
    """`needs` and `with` would go in a circle, which stack.yaml refuses."""
    services, made = work({}, depends_on=["w"])
    assert services["web"]["needs"] == ["w"]
    assert "with" not in services["web"]
    assert services["w"]["version"] == "1"
    assert "released by itself" in made.text


def test_a_worker_of_its_own_image_goes_by_itself() -> None:
    """Other images have other versions."""
    services, _ = work({"build": "./bot"})
    assert "with" not in services["web"]
    assert services["w"] == {"build": "bot", "command": ["work"]}


@pytest.mark.parametrize(
    ("name", "command", "alone"),
    [
        ("beat", "celery --app shop worker", True),
        ("celery-beat", "", True),
        ("jobs", "celery -A shop beat --loglevel info", True),
        ("jobs", "celery -A shop worker -B", True),
        ("jobs", "rqscheduler --host redis", True),
        ("jobs", "crond -f", True),
        ("jobs", ["python", "clock.py"], True),
        ("task_scheduler", "python tasks.py", True),
        ("worker", "celery -A shop worker --without-heartbeat", False),
        ("bot", "python chronicle.py --clockwise", False),
        ("worker", "sort -B", False),
    ],
)
def test_a_scheduler_is_alone(name: str, command: object, *, alone: bool) -> None:
    """By its name or its command. The comment says why."""
    project = {"services": {name: {"build": ".", "command": command}}}
    made = draft(project)
    (worker,) = yaml.safe_load(made.text)["services"].values()
    assert (worker.get("strategy") == "recreate") is alone
    assert ("Two of them" in made.text) is alone


def test_a_scheduler_with_replicas_is_none() -> None:
    """Who runs two of them wants two."""
    services, _ = work({"command": "beat", "scale": 2})
    assert services["w"]["replicas"] == 2
    assert "strategy" not in services["w"]


@pytest.mark.parametrize(
    ("check", "health", "kind"),
    [
        ({"test": ["CMD", "ready", "now"]}, {"command": ["ready", "now"]}, "took"),
        ({"test": "ready"}, {"command": ["sh", "-c", "ready"]}, "took"),
        ({"test": "curl http://localhost:9000/up"}, None, "left"),
        ({"disable": True}, None, "took"),
    ],
)
def test_a_worker_is_asked_by_a_command(check: object, health: object, kind: str) -> None:
    """It answers no requests."""
    services, made = work({"healthcheck": check})
    assert services["w"].get("health") == health
    told = [each.kind for each in made.findings if each.key.startswith("services.w.healthcheck")]
    assert told == [kind]


def test_what_runs_once_is_no_worker() -> None:
    """A worker that ends is one that fails."""
    services, made = work({"restart": "no"})
    assert [*services] == ["web"]
    assert "it ran `work`" in made.text


def test_a_worker_waits_for_no_migration_of_its_own() -> None:
    """The service that it goes with has run it before."""
    job = {"image": "a:1", "command": "migrate"}
    ended = {"m": {"condition": "service_completed_successfully"}}
    project = {
        "services": {
            "w": {"image": "a:1", "command": "work", "depends_on": ended},
            "web": {"image": "a:1", "ports": ["80:80"], "depends_on": ended},
            "m": job,
        }
    }
    made = draft(project)
    services = yaml.safe_load(made.text)["services"]
    assert (services["web"]["migrate"], services["w"].get("migrate")) == (["migrate"], None)
    assert said(project, "services.w.depends_on.m")[0] == "changed"


def test_a_worker_of_a_service_that_is_a_job_itself_goes_by_itself() -> None:
    """Who would take it along is not in stack.yaml."""
    web = {"image": "a:1", "ports": ["80:80"]}

    def wait(name: str) -> dict[str, Any]:
        return {"depends_on": {name: {"condition": "service_completed_successfully"}}}

    project = {
        "services": {
            "web": {**web, **wait("m")},
            "w": {"image": "a:1", "command": "work", **wait("m")},
            "z": {**web, **wait("web")},
            "m": {"image": "a:1", "command": "migrate"},
        }
    }
    assert [*yaml.safe_load(draft(project).text)["services"]] == ["w", "z"]
    assert said(project, "services.w.depends_on.m")[0] == "left"


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("deploy", {"resources": {"limits": {}}}, "took"),
        ("healthcheck", {"test": ""}, "took"),
        ("healthcheck", {"test": False}, "left"),
        ("deploy", {"resources": {"limits": None}}, "left"),
    ],
)
def test_only_what_holds_nothing_is_called_empty(key: str, value: object, kind: str) -> None:
    """A value that nobody took is left out by name."""
    project = {"services": {"web": {"image": "a", "expose": [80], key: value}}}
    found = [each for each in draft(project).findings if each.key.startswith(f"services.web.{key}")]
    assert [each.kind for each in found] == [kind]


def test_a_group_that_is_no_mapping_is_not_called_empty() -> None:
    """Its names are nowhere."""
    project = {"services": {"web": {"image": "a", "expose": [80]}}, "volumes": ["v"], "configs": {}}
    assert said(project, "volumes") == ("left", "expected a mapping of names")
    assert said(project, "configs") == ("took", "empty")


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("command", "a 'b c' ${WORD}", ["a", "b c", "${WORD}"]),
        ("entrypoint", ["/x", "$$1"], ["/x", "$$1"]),
        ("shm_size", "128mb", "128m"),
        ("stop_signal", "SIGQUIT", "SIGQUIT"),
        ("tmpfs", "/run", ["/run"]),
        ("tmpfs", ["/c:size=64m,mode=1777"], ["/c:64m"]),
        ("ulimits", {"nofile": {"soft": 1, "hard": 2}}, {"nofile": {"soft": 1, "hard": 2}}),
        (
            "extra_hosts",
            ["host.docker.internal:host-gateway"],
            {"host.docker.internal": "host-gateway"},
        ),
        ("env_file", ["a.txt", {"path": "./b.txt"}], ["a.txt", "b.txt"]),
        ("user", "root", "root"),
        ("user", "0:0", "root"),
    ],
)
def test_a_key_that_stack_yaml_knows_is_taken_over(key: str, value: object, wanted: object) -> None:
    """The model says which keys it knows: one that it does not know is left out by name."""
    project = {"services": {"web": {"image": "a", "expose": [80], key: value}}}
    made = draft(project)
    web = yaml.safe_load(made.text)["services"]["web"]
    if has_key("services", key) and key in web:
        assert web[key] == wanted
    else:
        assert f"# TODO {key}" in made.text


def test_scalars_are_quoted_where_they_would_be_something_else() -> None:
    """What is read back is what was written, in one line each."""
    values = [
        "no",
        "1",
        "1.0",
        "null",
        "",
        " a",
        "a: b",
        "#",
        "a\nb",
        "é🦊",
        "'\"",
        "\u2028",
        "0\xa0",
        "- a",
        "{x}",
    ]
    data = {"a": {str(n): value for n, value in enumerate(values)}, "b": values}
    text = write_yaml(data, {("a", "0"): ["said\nof it"], ("a", ""): ["end"]})
    assert yaml.safe_load(text) == data
    assert "# said\\nof it" in text


def test_what_is_written_is_valid(tmp_path: Path) -> None:
    """All that is taken over here, in one file."""
    services = {
        f"web-{number}": {"image": "a", "expose": [80], **written}
        for number, (written, _) in enumerate(TAKEN)
        if "image" not in written
    }
    file = tmp_path / "stack.yaml"
    file.write_text(draft({"services": services}).text)
    assert len(load_stack(file, VARIABLES).services) == len(services)


@pytest.mark.parametrize(
    "how", [False, 5, "text", ["x"], {"a": [{}]}, {"name": {}, "external": True}]
)
def test_a_volume_that_is_none_is_told(how: object) -> None:
    """Whatever stands where its settings should."""
    web = {"image": "a", "expose": [80]}
    kind, _ = said({"services": {"web": web}, "volumes": {"v": how}}, "volumes.v")
    assert kind in ("left", "took")
