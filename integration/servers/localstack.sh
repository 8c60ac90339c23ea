#!/usr/bin/env bash
# LocalStack community in host mode (no Docker, no token, no network): S3 + KMS on one port. Credentials: any.
#   localstack.sh start [PORT] | stop | status | install | version      CACHE=dir RUN=dir
NAME=localstack DEFAULT_PORT=4566
. "$(dirname "$0")/lib.sh"

# 4.14.0 is the last release without an auth token; its S3/KMS code needs Python >= 3.12 although its metadata says >= 3.10.
# On 3.10/3.11: 4.13.1, with uuid.uuid5(bytes) back-ported by sitecustomize (KMS CreateKey needs it).
python_for_localstack() {
  local p
  for p in ${LOCALSTACK_PYTHON:-} python3.13 python3.12 python3 \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13.*/bin/python "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12.*/bin/python; do
    "$p" -c 'import sys, venv, ensurepip; sys.exit(not (3, 12) <= sys.version_info < (3, 14))' 2>/dev/null && { echo "$p"; return; }
  done
  echo python3
}
version() { "$(python_for_localstack)" -c 'import sys; print("4.14.0" if sys.version_info >= (3, 12) else "4.13.1")'; }
installed() { echo "$CACHE/localstack-$(version)-$(cksum <"$HERE/localstack.constraints.txt" | cut -d' ' -f1)"; }
install() {
  local py v venv
  need python3 'python3 and python3-venv'
  venv=$(installed)
  [ -e "$venv/.ok" ] && return
  py=$(python_for_localstack)
  v=$(version)
  rm -rf "$venv"; "$py" -m venv "$venv"
  # a frozen release with floating requirements: the constraints file is what keeps it alive (cbor2 6 lost cbor2._decoder,
  # pyOpenSSL 26 lost X509.add_extensions); service-identity is imported by its twisted fork but not required by it
  try "$venv/bin/pip" install -q --no-input --disable-pip-version-check -c "$HERE/localstack.constraints.txt" \
    "localstack-core[base-runtime]==$v" service-identity
  cat >"$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/sitecustomize.py" <<'PY'
import sys
if sys.version_info < (3, 12):
    import uuid, hashlib
    _uuid5 = uuid.uuid5
    def uuid5(namespace, name):
        if isinstance(name, bytes):
            return uuid.UUID(bytes=hashlib.sha1(namespace.bytes + name, usedforsecurity=False).digest()[:16], version=5)
        return _uuid5(namespace, name)
    uuid.uuid5 = uuid5
PY
  touch "$venv/.ok"
}
# GATEWAY_LISTEN=127.0.0.1:PORT would listen on 0.0.0.0 (the twisted server drops an IPv4 host);
# the IPv4-mapped form is honoured and means 127.0.0.1 only.
start() {
  mkdir -p "$RUN/localstack"
  launch "$1" env -C "$RUN/localstack" -u AWS_PROFILE -u LOCALSTACK_AUTH_TOKEN \
    OVERRIDE_IN_DOCKER=0 FILESYSTEM_ROOT="$RUN/localstack" XDG_CACHE_HOME="$RUN/localstack" \
    GATEWAY_LISTEN="[::ffff:127.0.0.1]:$1" LOCALSTACK_HOST="127.0.0.1:$1" \
    SERVICES=s3,kms STRICT_SERVICE_LOADING=1 EAGER_SERVICE_LOADING=1 \
    DISABLE_EVENTS=1 SKIP_SSL_CERT_DOWNLOAD=1 DNS_ADDRESS=0 LS_LOG="${LS_LOG:-warning}" PYTHONUNBUFFERED=1 \
    "$(installed)/bin/python" -m localstack.runtime.main
  wait_ready "http://127.0.0.1:$1/_localstack/health" 90
  curl -fsS -m 5 "http://127.0.0.1:$1/_localstack/health" | grep -q '"kms": "running".*"s3": "running"' ||
    { echo "localstack: s3 or kms did not load; see $logfile" >&2; stop; exit 1; }
}
main "$@"
