#!/usr/bin/env bash
# versitygw: a real S3 server over a directory (posix backend, versioning on). Credentials: test / testtesttest
#   versitygw.sh start [PORT] | stop | status | install | version      CACHE=dir RUN=dir
# The data directory must be on a file system with user extended attributes (ext4, xfs, btrfs; tmpfs from Linux 6.6).
NAME=versitygw DEFAULT_PORT=7070
. "$(dirname "$0")/lib.sh"
VERSION=v1.8.0
version() { echo "${VERSION#v}"; }
install() {
  [ -x "$CACHE/versitygw-$VERSION" ] && return
  need go 'Go 1.24 or newer'
  mkdir -p "$CACHE/gobin"
  try env GOBIN="$CACHE/gobin" GOFLAGS=-buildvcs=false go install "github.com/versity/versitygw/cmd/versitygw@$VERSION" 2>"$RUN/$NAME-install.log" ||
    { tail -5 "$RUN/$NAME-install.log" >&2; exit 1; }
  mv "$CACHE/gobin/versitygw" "$CACHE/versitygw-$VERSION"
}
start() {
  rm -rf "$RUN/versitygw"; mkdir -p "$RUN/versitygw/data" "$RUN/versitygw/versions" # fresh on every start; absolute paths needed
  launch "$1" env ROOT_ACCESS_KEY=test ROOT_SECRET_KEY=testtesttest \
    "$CACHE/versitygw-$VERSION" --port "127.0.0.1:$1" --region us-east-1 --health /healthz --quiet \
    posix --versioning-dir "$RUN/versitygw/versions" "$RUN/versitygw/data"
  wait_ready "http://127.0.0.1:$1/healthz" 30
}
main "$@"
