#!/bin/bash
# Succeeds when the admin port given as the first argument answers `GET /readyz` (or the path given second) with 200.
# Bash opens the connection itself, so that the images need no HTTP client.
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "${2:-/readyz}" >&3
IFS= read -r -t 2 status <&3 || exit 1
[[ $status == HTTP/1.?\ 200* ]]
