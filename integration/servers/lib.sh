# Shared by localstack.sh, moto.sh, versitygw.sh: start|stop|status of one local server by pid file.
# Usage: X.sh start [PORT] | stop | status | install | version     Env: CACHE (installs), RUN (pid, log, data)
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
CACHE=${CACHE:-${S3_CSE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/s3-cse}/servers}
CACHE=$(mkdir -p "$CACHE" && cd "$CACHE" && pwd)
RUN=$(mkdir -p "${RUN:-$CACHE/run}" && cd "${RUN:-$CACHE/run}" && pwd)
pidfile=$RUN/$NAME.pid logfile=$RUN/$NAME.log

# need PROGRAM PACKAGE: an error that names what is missing
need() { command -v "$1" >/dev/null || { echo "$NAME: $1 is missing; it comes with $2" >&2; exit 1; }; }
# try COMMAND...: a registry that is slow for a moment is asked again
try() {
  local n
  for n in 1 2 3; do
    "$@" && return
    [ "$n" = 3 ] || { echo "$NAME: attempt $n failed: $*" >&2; sleep $((n * 5)); }
  done
  return 1
}
# one process at a time installs
locked_install() {
  need flock util-linux
  need curl curl
  need ss iproute2
  exec 9>"$CACHE/$NAME.lock"
  flock 9
  install
  exec 9>&-
}

alive() { [ -s "$pidfile" ] && kill -0 "$(cut -d' ' -f1 "$pidfile")" 2>/dev/null && [ "$(cut -d' ' -f22 "/proc/$(cut -d' ' -f1 "$pidfile")/stat")" = "$(cut -d' ' -f3 "$pidfile")" ]; }
report() { read -r pid port _ <"$pidfile"; echo "$NAME pid=$pid endpoint=http://127.0.0.1:$port"; }

# launch PORT COMMAND...: runs COMMAND detached; pid file = "pid port starttime" (the start time guards against pid reuse)
launch() {
  local port=$1; shift
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then echo "$NAME: port $port is already taken" >&2; exit 1; fi
  setsid "$@" >"$logfile" 2>&1 </dev/null &
  local pid=$!; sleep 0.05
  echo "$pid $port $(cut -d' ' -f22 "/proc/$pid/stat" 2>/dev/null)" >"$pidfile"
}
# wait_ready URL SECONDS
wait_ready() {
  local end=$((SECONDS + $2))
  until curl -fsS -o /dev/null -m 2 "$1" 2>/dev/null; do
    alive || { echo "$NAME: died while starting; last lines of $logfile:" >&2; tail -20 "$logfile" >&2; rm -f "$pidfile"; exit 1; }
    [ $SECONDS -lt $end ] || { echo "$NAME: not ready after $2 s; see $logfile" >&2; stop; exit 1; }
    sleep 0.1
  done
  # somebody else's server may have answered
  alive || { echo "$NAME: died while starting; last lines of $logfile:" >&2; tail -20 "$logfile" >&2; rm -f "$pidfile"; exit 1; }
  check_loopback
}
# refuses a server that listens on anything but loopback
check_loopback() {
  read -r pid _ <"$pidfile"
  local bad
  ss -Hltnp 2>/dev/null | grep -q "pid=$pid," || { echo "$NAME: pid $pid listens nowhere" >&2; stop; exit 1; }
  bad=$(ss -Hltnp 2>/dev/null | grep "pid=$pid," | awk '{print $4}' | grep -vE '^(127\.0\.0\.1|\[::1\]|\[::ffff:127\.0\.0\.1\]):' || true)
  [ -z "$bad" ] || { echo "$NAME: listens outside loopback: $bad" >&2; stop; exit 1; }
}
stop() {
  if alive; then
    local pid; pid=$(cut -d' ' -f1 "$pidfile")
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -0 "$pid" 2>/dev/null && kill -9 "$pid" 2>/dev/null || true
  fi
  rm -f "$pidfile"
}
main() {
  case ${1:-start} in
    start) if alive; then check_loopback; report; else rm -f "$pidfile"; locked_install; start "${2:-$DEFAULT_PORT}"; report; fi ;;
    stop) stop ;;
    status) alive && report || { echo "$NAME not running"; exit 3; } ;;
    install) locked_install ;;
    version) version ;;
    *) echo "usage: $0 start [PORT] | stop | status | install | version" >&2; exit 2 ;;
  esac
}
