#!/usr/bin/env bash
# moto server: S3 + KMS on one port. Credentials: any. Reset: POST /moto-api/reset
#   moto.sh start [PORT] | stop | status | install | version      CACHE=dir RUN=dir
NAME=moto DEFAULT_PORT=5555
. "$(dirname "$0")/lib.sh"
version() { sed -n 's/^moto==//p' "$HERE/moto.constraints.txt"; }
installed() { echo "$CACHE/moto-$(version)-$(cksum <"$HERE/moto.constraints.txt" | cut -d' ' -f1)"; }
install() {
  local venv
  need python3 'python3 and python3-venv'
  venv=$(installed)
  [ -e "$venv/.ok" ] && return
  rm -rf "$venv"; python3 -m venv "$venv"
  # plain moto + the few packages that the server, S3 and KMS import (moto[server] brings 300 MB of other services)
  try "$venv/bin/pip" install -q --no-input --disable-pip-version-check -c "$HERE/moto.constraints.txt" \
    "moto==$(version)" flask flask-cors py-partiql-parser PyYAML crc32c joserfc
  touch "$venv/.ok"
}
start() {
  launch "$1" env -C "$RUN" "$(installed)/bin/moto_server" -H 127.0.0.1 -p "$1"
  wait_ready "http://127.0.0.1:$1/moto-api/data.json" 30
}
main "$@"
