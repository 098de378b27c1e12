"""A stack as an earlier stackctl has left it: its colors stand in the config itself (layout 1)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.gateway.config import MARK
from orchestrator.stack import naming
from tests.fakes.disk import join

if TYPE_CHECKING:
    from tests.fakes.world import World

EARLIER = "20290101-000000-notes-v2.retire"
CONFIG = f"""# Rendered by stackctl from stack.yaml.
worker_shutdown_timeout 5000ms;
events {{
}}
http {{
    server {{

        location = /config {{
            alias /etc/stackctl/{EARLIER}/nginx.conf;
        }}

        location = /current {{
            alias /etc/stackctl/current/nginx.conf;
        }}
    }}
}}
"""


def make_earlier(world: World) -> None:
    """Put the gateway's volume, the network and the labels as they were in layout 1."""
    lane = {
        "active": {"color": "green", "version": "v2", "replicas": 2, "release": "r2"},
        "preview": None,
        "previous": {"color": "blue", "version": "v1", "replicas": 2, "release": "r1"},
    }
    head = {"release": EARLIER.rpartition(".")[0], "step": "retire", "lanes": {"notes": lane}}
    gateway = world.host.box("shop-gateway")
    disk, root = gateway.find("/etc/stackctl")
    for path in disk.paths(root):
        disk.remove(path)
    disk.make(join(root, EARLIER))
    disk.put(join(root, EARLIER, "nginx.conf"), f"{MARK}{json.dumps(head)}\n{CONFIG}")
    disk.link(join(root, "current"), EARLIER)
    world.engine.ensure_network("shop", naming.labels("shop", "gateway"))
    for box in world.host.boxes.values():
        box.fixed, box.addresses = {"shop": None}, {}
        if box.state == "running":
            box.addresses = {"shop": world.host.pick("shop")}
        dropped = (naming.ADDRESS, naming.PORT, naming.LAYOUT)
        labels = {key: said for key, said in box.spec.labels.items() if key not in dropped}
        labels[naming.SPEC] = "0" * 16
        box.spec = replace(box.spec, labels=labels, network="shop", address=None)
    world.engine.remove_network("shop-net")
    assert gateway.nginx is not None
    gateway.nginx.hang_up()
    world.clock.sleep(1)
