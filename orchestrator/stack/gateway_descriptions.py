"""What each key of `gateway` means, in one sentence: a part of descriptions.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.stack.door import SharedDoor
from orchestrator.stack.gateway import Gateway, Pause
from orchestrator.stack.tls import Acme, CertificateFiles, Hsts, Tls

if TYPE_CHECKING:
    from pydantic import BaseModel

GATEWAY: dict[type[BaseModel], dict[str, str]] = {
    Gateway: {
        "image": "The image of NGINX, 1.29.8 or later.",
        "listen": "The public door: a port of every IPv4 address, or an address and a port; `[::]:80` is every"
        " address of IPv4 and IPv6.",
        "admin": "Where stackctl asks the gateway: a loopback address of the engine's host.",
        "door": "The public door that stacks on one machine share, each with hosts of its own; `true` is the ports 80 and"
        " 443. Without it the gateway has a door of its own.",
        "url": "Where clients come, if a proxy stands in front: `https://shop.example`. The witness, `bench` and"
        " each check of the public door come there, too.",
        "tls": "The public door for TLS, beside `listen`; without it there is none.",
        "keepalive": "The idle time that clients are told; their connections live a third longer.",
        "drain_timeout": "The longest that a previous version has for its last answers, where its service"
        " does not say; workers of an earlier config live as long.",
        "gzip": "Whether answers are compressed, where a route does not say.",
        "unknown_hosts": "What becomes of requests for a host that no route has: 404 (`not_found`), or no"
        " answer at all (`close`).",
        "trusted_proxies": "Proxies whose `X-Forwarded-For`, `-Proto`, `-Host` and `-Port` are believed;"
        " `127.0.0.1` is a proxy on the host.",
        "connections": "Requests that one client address may have in flight before it gets 429; without"
        " it, a third of what fits into the memory.",
        "pause": "What users of a service are told while `stackctl pause` has paused it.",
        "error_pages": "HTML files of the repository that browsers are shown in the place of the gateway's own errors, by"
        " status, or by `4xx` and `50x`; an app's own errors are never replaced.",
        "resources": "The most that the gateway's container may take; NGINX has a worker for each CPU.",
    },
    SharedDoor: {
        "listen": "Where it is; the same for all stacks that share it.",
        "tls": "Where it is for TLS; a stack has TLS with `gateway.tls`.",
    },
    Tls: {
        "listen": "Where it is: a port of every interface, or an address and a port.",
        "certificates": "Files that you have; a client gets the first one that names the host it asks for.",
        "acme": "Who issues certificates for hosts that no file names; `true` is Let's Encrypt. You agree to its terms.",
        "redirect": "Whether requests without TLS are sent to the same URL with it (308), where a"
        " certificate names their host.",
        "hsts": "Whether browsers are told to come by TLS only, and for how long.",
        "http2": "Whether clients that can get HTTP/2.",
    },
    CertificateFiles: {
        "certificate": "The certificate and those that lead to its root, in order; relative to"
        " stack.yaml, or in a folder that `STACKCTL_CERTIFICATES` names.",
        "key": "Its private key, without a passphrase, that only its owner may read.",
    },
    Acme: {
        "email": "Where the authority finds you, should it have to.",
        "directory": "The URL of the authority; `staging` is Let's Encrypt's for trials, which no browser trusts.",
        "profile": "The kind of certificate, by the name that the authority has for it.",
        "dns": "A program of this machine that puts a TXT record there, and takes it away: then the authority looks at"
        " records, and issues for a `*` too. It is run only with `STACKCTL_ALLOW_DNS_COMMAND=1` in the environment.",
    },
    Hsts: {
        "max_age": "How long a browser keeps to it. Nobody can take that back before.",
        "subdomains": "Whether it is also meant for all names below the host's.",
    },
    Pause: {
        "retry_after": "When clients may come again (`Retry-After`).",
        "allow": "Addresses or networks of clients that are let in meanwhile; 127.0.0.1 is the host.",
    },
}
