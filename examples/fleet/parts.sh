#!/bin/sh
# Verifies logs on all processors of this machine:
#
#   parts.sh LIST JOBS [ARGUMENT OF flb-audit merge]…
#
# LIST has a log on each line: a file, an object or a prefix.
set -eu

list=$1
jobs=$2
shift 2

parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT

# Each share has a file with its logs, and gets a part beside it.
split -n "r/$jobs" "$list" "$parts/logs."
find "$parts" -name 'logs.*' -size +0 -print0 |
    xargs -0 -P "$jobs" -I LOGS sh -c 'tr "\n" "\0" < "$1" | xargs -0 flb-audit verify --part "$1.part"' - LOGS

flb-audit merge "$@" "$parts"/*.part
