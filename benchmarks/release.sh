# What many teams have in place of a release: start, wait for one healthy answer, reload, stop.
# sh release.sh IMAGE NEW OLD NETWORK GATEWAY
set -eu
docker run --detach --name "$2" --network "$4" "$1" >/dev/null
address=$(docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$2")
until curl --fail --silent --max-time 2 --output /dev/null "http://$address:8000/health"; do
    sleep 0.1
done
echo "server $address:8000;" | docker exec -i "$5" sh -c 'cat >/tmp/servers.conf'
docker exec "$5" nginx -c /bench.conf -s reload 2>/dev/null
docker stop --time 3 "$3" >/dev/null
docker rm "$3" >/dev/null
