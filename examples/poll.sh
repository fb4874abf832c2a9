#!/usr/bin/env bash
# curl and a loop: starts a job and waits for it. The server holds each request for up to 30 seconds
# (Prefer: wait=30, RFC 7240), so the loop turns once in 30 seconds and hears of the end at once.
#
#     bash examples/poll.sh
set -euo pipefail
url=${BASE_URL:-http://127.0.0.1:8000}
user=${API_USERNAME:-admin}:${API_PASSWORD:-secretpassword}

ask() { curl --silent --show-error --fail-with-body --retry 5 --max-time 60 --user "$user" "$@"; }
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

job_id=$(ask --request POST --header "Idempotency-Key: $(date +%s)-$$" "$url/start" | field job_id)
echo "started $job_id"

status=pending
while [ "$status" = pending ]; do
    status=$(ask --header "Prefer: wait=30" "$url/status/$job_id" | field status)
    echo "$status"
done
[ "$status" = completed ]
