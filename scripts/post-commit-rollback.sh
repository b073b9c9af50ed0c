#!/bin/sh
# EVOX's Git hook: it judges what was just committed. docs/rollback.md tells more.
[ -z "${EVOX_ROLLBACK_ACTIVE-}" ] || exit 0
[ ! -x "$0.before-evox" ] || "$0.before-evox" "$@"
home=$(git rev-parse --git-common-dir)/evox
[ ! -r "$home/python" ] || read -r python <"$home/python"
for python in "${python:-python3}" python3 python; do
    [ -f "$home/rollback.py" ] || break
    ! command -v "$python" >/dev/null || exec "$python" -IS "$home/rollback.py" "${0##*/}" "$@"
done
[ -z "$(git config evox.rollback.command)" ] ||
    echo "evox: nothing is judged: $home/rollback.py or python3 is missing." >&2
exit 0
