"""The shared door, of which an engine has one."""

from __future__ import annotations

import docker
import docker.utils

from orchestrator.stack import naming

DOOR = "stackctl.door-gateway"


def is_door_there() -> bool:
    """Whether somebody has the door of this engine."""
    engine = docker.APIClient(version="auto", **docker.utils.kwargs_from_env())
    found = engine.containers(all=True, filters={"label": f"{naming.STACK}={naming.SHARED}"})
    engine.close()
    return bool(found)


def remove_door() -> None:
    """Leave nothing of the door, whatever state it is in."""
    engine = docker.APIClient(version="auto", **docker.utils.kwargs_from_env())
    label = {"label": f"{naming.STACK}={naming.SHARED}"}
    for container in engine.containers(all=True, filters=label):
        engine.remove_container(container["Id"], force=True, v=True)
    for network in engine.networks(filters=label):
        for name in engine.inspect_network(network["Id"])["Containers"]:
            engine.disconnect_container_from_network(name, network["Id"], force=True)
        engine.remove_network(network["Id"])
    for volume in engine.volumes(filters=label)["Volumes"] or ():
        engine.remove_volume(volume["Name"])
    engine.close()
