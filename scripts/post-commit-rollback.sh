#!/bin/sh
# EVOX's Git hook: it judges what was just committed. docs/rollback.md tells more.
[ -z "${EVOX_ROLLBACK_ACTIVE-}" ] || exit 0
[ ! -x "$0.before-evox" ] || "$0.before-evox" "$@"
home=${0%/*}/../evox
[ -f "$home/rollback.py" ] || home=$(git rev-parse --git-common-dir)/evox
[ ! -r "$home/python" ] || read -r python <"$home/python"
run='import sys; sys.path.insert(0, sys.argv.pop(1)); import rollback; rollback.main(sys.argv[1:])'
for python in "${python:-python3}" python3 python; do
    [ -f "$home/rollback.py" ] || break # Imported, so that Python keeps it compiled.
    ! command -v "$python" >/dev/null || exec "$python" -X utf8 -IS -c "$run" "$home" "${0##*/}" "$@"
done
[ -z "$(git config evox.rollback.command)" ] ||
    echo "evox: nothing is judged: $home/rollback.py or python3 is missing." >&2
exit 0
