#!/usr/bin/env bash
# The command line from start to end: a server and a client, each with its log in a file.
#
#     bash examples/authenticated.sh
#
# Needs the packages of server/requirements.txt and client/requirements.txt; PYTHON names another interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
port=${PORT:-8000}
folder=$(mktemp -d)

export API_USERNAME=admin API_PASSWORD=secretpassword # both sides read them; --username and --password win
export LOG_FILE=$folder/server.log DATABASE_URL=sqlite:///$folder/jobs.db

(cd server && exec "$python" -m uvicorn main:app --host 127.0.0.1 --port "$port" >"$folder/uvicorn.log" 2>&1) &
server=$!
trap 'kill $server 2>/dev/null; wait $server || true' EXIT
until grep --silent "Uvicorn running" "$LOG_FILE" 2>/dev/null; do
    kill -0 $server 2>/dev/null || { cat "$LOG_FILE" "$folder/uvicorn.log"; exit 1; }
    sleep 0.1
done

client() { "$python" client/client.py --base-url "http://127.0.0.1:$port" --log-file "$folder/client.log" "$@"; }

echo "With a wrong password:"
client --username admin --password "a guess" || echo "exit status $?"

echo "With the right one:"
client && outcome=completed || outcome="exit status $?"
echo "The job ended: $outcome"

echo "The client wrote $folder/client.log:"
cut -c 1-150 "$folder/client.log"
echo "The server wrote $folder/server.log:"
cut -c 1-150 "$folder/server.log"
