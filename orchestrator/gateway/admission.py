"""Who may speak to the admin listener: the machine that runs the engine, and nobody else.

A published port is reached from the address that the host itself has on the bridge, which is where
the container's default route leads. So that address is let in, and no other: containers of the same
networks have other ones. It is looked up inside the container, at each start and with each test of
a config; where it is not found, nobody is let in. A proxy on the host, where stack.yaml trusts one,
comes from that address too.
"""

from __future__ import annotations

PLACE = "/tmp/admin"  # noqa: S108  a path inside the gateway's container
ADMITTED = f"{PLACE}*.map"  # a pattern, which NGINX takes where there is no such file as well
HOST = f"{PLACE}*.host"  # the same address as a proxy that is trusted

# The kernel writes an address as one number in hexadecimal, its first byte last.
ADMIT = f"""
while read -r _ to by _; do
    if [ "$to" = 00000000 ] && [ "$by" != 00000000 ]; then
        address=
        for _ in 1 2 3 4; do
            rest=${{by%??}}
            address=$address${{address:+.}}$((0x${{by#"$rest"}}))
            by=$rest
        done
        echo "$address 0;"
    fi
done </proc/net/route >{PLACE}.new && mv {PLACE}.new {PLACE}.map || rm -f {PLACE}.map
while read -r address _; do
    echo "set_real_ip_from $address;"
done 2>/dev/null <{PLACE}.map >{PLACE}.new && mv {PLACE}.new {PLACE}.host || rm -f {PLACE}.new {PLACE}.host
"""
# How the gateway's container begins; what follows in its command are NGINX's arguments.
ENTRYPOINT = ("sh", "-c", f'{ADMIT}exec nginx "$@"', "nginx")
