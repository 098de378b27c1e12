"""Images that everybody knows: what listens in them at which port."""

from __future__ import annotations

from typing import NamedTuple

DATABASES = {  # by the last part of the name: the port that means it is ready
    **dict.fromkeys(("postgres", "postgresql", "postgis", "pgvector", "timescaledb"), 5432),
    **dict.fromkeys(("mysql", "mariadb", "percona", "mysql-server"), 3306),
    **dict.fromkeys(("mongo", "mongodb", "mongodb-community-server"), 27017),
    **dict.fromkeys(("redis", "valkey", "keydb", "redis-stack", "redis-stack-server"), 6379),
    **dict.fromkeys(("elasticsearch", "opensearch"), 9200),
    **dict.fromkeys(("mosquitto", "eclipse-mosquitto"), 1883),
    "cassandra": 9042,
    "clickhouse": 8123,
    "clickhouse-server": 8123,
    "couchdb": 5984,
    "dragonfly": 6379,
    "etcd": 2379,
    "influxdb": 8086,
    "kafka": 9092,
    "mailhog": 1025,
    "mailpit": 1025,
    "meilisearch": 7700,
    "memcached": 11211,
    "minio": 9000,
    "nats": 4222,
    "neo4j": 7687,
    "pgbouncer": 5432,
    "qdrant": 6333,
    "rabbitmq": 5672,
    "solr": 8983,
    "typesense": 8108,
    "weaviate": 8080,
    "zookeeper": 2181,
}
PROXIES = frozenset(
    {"traefik", "nginx-proxy", "acme-companion", "haproxy", "envoy", "nginx-proxy-manager"}
)
WEB_SERVERS = frozenset({"nginx", "nginx-unprivileged", "caddy", "httpd", "apache", "openresty"})
OTHER_PROTOCOLS = frozenset(  # ports where no HTTP is spoken
    {21, 22, 25, 53, 110, 143, 465, 587, 993, 995, 1025, 1883, 2525, *DATABASES.values()}
) - {7700, 8080, 8086, 8108, 8123, 8983, 9000, 9200, 5984, 6333}


class Image(NamedTuple):
    """A reference, taken apart."""

    name: str
    tag: str
    digest: str

    @property
    def short(self) -> str:
        """Return the last part of the name."""
        return self.name.rpartition("/")[2].lower()


def split_image(reference: str) -> Image:
    """Take a reference such as `registry:5000/team/app:1.2@sha256:…` apart; `${…}` stays whole."""
    name, _, digest = reference.partition("@")
    depth, at = 0, -1
    for position, char in enumerate(name):
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "/" and not depth:
            at = -1
        elif char == ":" and not depth:
            at = position
    return Image(name, "", digest) if at < 0 else Image(name[:at], name[at + 1 :], digest)
