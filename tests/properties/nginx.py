"""An NGINX config as another parser reads it: the same words, without stackctl's eyes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import crossplane

from orchestrator.gateway.admin import PUBLIC_PORT, TLS_PORT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# All that the templates say. A value that adds another directive was not checked well enough.
KNOWN_WORDS = """
    absolute_redirect access_log add_header alias auth_basic auth_basic_user_file break charset client_body_temp_path client_header_timeout
    client_max_body_size daemon default_type empty_gif error_log error_page events fastcgi_temp_path
    client_body_timeout geo grpc_buffer_size grpc_connect_timeout grpc_hide_header grpc_next_upstream grpc_next_upstream_timeout
    grpc_next_upstream_tries grpc_pass grpc_read_timeout grpc_send_timeout grpc_set_header
    gzip gzip_buffers gzip_comp_level gzip_hash gzip_min_length gzip_proxied gzip_types gzip_vary gzip_window http if if_modified_since include internal keepalive
    keepalive_min_timeout keepalive_requests keepalive_timeout large_client_header_buffers least_conn limit_conn
    limit_conn_dry_run limit_conn_log_level limit_conn_status limit_conn_zone limit_req limit_req_status
    limit_req_zone listen location log_format map map_hash_bucket_size map_hash_max_size max_headers pcre_jit pid
    proxy_buffer_size proxy_buffering proxy_buffers proxy_busy_buffers_size
    proxy_cache proxy_cache_background_update proxy_cache_bypass proxy_cache_key proxy_cache_lock
    proxy_cache_path proxy_cache_valid proxy_connect_timeout proxy_headers_hash_bucket_size
    proxy_headers_hash_max_size proxy_hide_header proxy_http_version proxy_max_temp_file_size
    proxy_next_upstream proxy_next_upstream_timeout proxy_next_upstream_tries proxy_no_cache
    proxy_pass proxy_read_timeout proxy_redirect proxy_request_buffering proxy_send_timeout proxy_set_header
    proxy_temp_path real_ip_header real_ip_recursive recursive_error_pages return rewrite root scgi_temp_path send_timeout server server_name
    server_names_hash_bucket_size server_names_hash_max_size server_tokens set http2 http2_max_concurrent_streams ssl_certificate ssl_certificate_key ssl_ciphers
    ssl_prefer_server_ciphers ssl_protocols ssl_reject_handshake ssl_session_cache ssl_session_tickets ssl_session_timeout
    set_real_ip_from     split_clients ssi ssi_types stub_status types underscores_in_headers uninitialized_variable_warn upstream uwsgi_temp_path
    variables_hash_max_size worker_connections worker_processes worker_rlimit_nofile
    worker_shutdown_timeout zone
"""
KNOWN = frozenset(KNOWN_WORDS.split())
TABLES = ("geo", "map", "split_clients", "types")  # their rows are no directives

Block = list[dict[str, Any]]
Said = tuple[str, ...]  # a directive and its arguments; for one with a block, what is in it too


class Config(NamedTuple):
    """What a config says."""

    top: Block
    http: Block
    upstreams: dict[str, Block]  # what each one says, by its name
    public: Block  # for hosts that no other server names
    sites: dict[str, Block]  # the servers of the public listener, by each name of a host
    secured: dict[str, Block]  # those of TLS, which behind a shared door are others
    admin: Block
    inner: dict[
        str, Block
    ]  # for callers of the stack's own, by the service's name; "" refuses others

    def servers(self, upstream: str) -> list[str]:
        """Return where an upstream's replicas are."""
        return [server["args"][0] for server in named(self.upstreams[upstream], "server")]


def read_config(text: str, folder: Path) -> Config:
    """Read a config; fails where it has a fault, a directive that is not known, or a name twice."""
    file = folder / "nginx.conf"
    file.write_text(text)
    payload = crossplane.parse(str(file), single=True, catch_errors=True)
    assert payload["errors"] == []
    top = payload["config"][0]["parsed"]
    assert {*_names(top)} <= KNOWN
    (http,) = named(top, "http")
    upstreams = [(one["args"][0], one["block"]) for one in named(http["block"], "upstream")]
    assert len({name for name, _ in upstreams}) == len(upstreams)
    servers = [server["block"] for server in named(http["block"], "server")]
    outer = [server for server in servers if find_port(server) == PUBLIC_PORT]
    public, *others = outer
    sites = [
        (name, server) for server in others for name in named(server, "server_name")[0]["args"]
    ]
    assert len(dict(sites)) == len(sites), "a host is there twice"
    apart = [server for server in servers if find_port(server) == TLS_PORT]
    secured = [
        (name, server)
        for server in [*apart, *others]
        if named(server, "ssl_certificate")
        for name in named(server, "server_name")[0]["args"]
    ]
    assert len(dict(secured)) == len(secured), "a host is there twice"
    inside = [one for one in servers if one not in outer and find_port(one) != TLS_PORT]
    admin, *others = inside
    inner = [
        ("".join(word for said in named(server, "server_name") for word in said["args"]), server)
        for server in others
    ]
    assert len({name for name, _ in inner}) == len(inner)
    doors = dict(sites), dict(secured)
    return Config(top, http["block"], dict(upstreams), public, *doors, admin, dict(inner))


def find_port(server: Block) -> int:
    """Return the port that a server listens on."""
    return int(named(server, "listen")[0]["args"][0].rpartition(":")[2])


def named(block: Block, name: str) -> Block:
    """Return the directives of that name."""
    return [directive for directive in block if directive["directive"] == name]


def locations(server: Block) -> dict[str, Block]:
    """Return what a server's locations say, by their patterns; each pattern is there once."""
    found = [(" ".join(one["args"]), one["block"]) for one in named(server, "location")]
    assert len(dict(found)) == len(found), "a pattern is there twice"
    return dict(found)


def say(block: Block) -> list[Said]:
    """Return a block as tuples of words, in its order; the words of an inner block come last."""
    return [
        (
            one["directive"],
            *one["args"],
            *(word for said in say(one.get("block", [])) for word in said),
        )
        for one in block
    ]


def rows(http: Block, variable: str) -> dict[str, str]:
    """Return the rows of the map that sets a variable; each is there once."""
    found = pairs(http, "map", variable)
    assert len(dict(found)) == len(found), f"{variable} has a row twice"
    return dict(found)


def pairs(http: Block, kind: str, variable: str) -> list[tuple[str, str]]:
    """Return the rows of the `map` or `split_clients` that sets a variable, in their order."""
    (block,) = (one["block"] for one in named(http, kind) if one["args"][-1] == variable)
    return [(row["directive"], row["args"][0]) for row in block]


def _names(block: Block) -> Iterator[str]:
    """Yield the names of all directives, however deep; the rows of a map have none."""
    for directive in block:
        yield directive["directive"]
        if directive["directive"] not in TABLES:
            yield from _names(directive.get("block", []))
