#!/usr/bin/env bash
# From a FLOP budget to a pulled, verified network on built-in data, and what to look at afterwards.
#   TRIALS  how many trials (10)        SERVE  1: dashboard while the study runs; 0: none
#   PORT    the dashboard's port (8050) BUDGET the FLOP budget (45%)
set -euo pipefail
cd "$(dirname "$0")/.."

trials="${TRIALS:-10}"
serve="${SERVE:-1}"
port="${PORT:-8050}"
budget="${BUDGET:-45%}"
gatefront=.venv/bin/gatefront

# In a fresh clone the demo fills the default places, so that the commands gatefront prints work as they are.
# Later it takes the next free folder: somebody's earlier results are never touched.
folder=runs
number=2
while [ -e "$folder/gatefront.db" ] || [ -e "$folder/digits-best" ]; do
    folder="runs/demo-$number"
    number=$((number + 1))
done
mkdir -p "$folder"
export GATEFRONT_DB="sqlite:///$folder/gatefront.db"
export GATEFRONT_STORAGE="$folder"

server=""
stop_server() {
    if [ -n "$server" ] && kill -0 "$server" 2>/dev/null; then
        kill "$server"
        wait "$server" 2>/dev/null || true
    fi
    server=""
}
trap stop_server EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ "$serve" = 1 ]; then
    "$gatefront" serve --port "$port" >"$folder/serve.log" 2>&1 &
    server=$!
    echo "Watch it in a browser: http://127.0.0.1:$port/"
fi

SECONDS=0
"$gatefront" start studies/digits.toml --flop-budget "$budget" --trials "$trials"
echo
"$gatefront" front digits
echo
"$gatefront" pull digits --flop-budget "$budget" -o "$folder/digits-best"
"$gatefront" verify "$folder/digits-best"
"$gatefront" report digits -o "$folder/report.html"

again="$gatefront serve"
if [ "$folder" != runs ]; then again="$again --db $GATEFRONT_DB"; fi
cat <<TEXT

Done in $((SECONDS / 60)) min $((SECONDS % 60)) s, on $(getconf _NPROCESSORS_ONLN) cores.
  the best network under $budget, ready to deploy: $folder/digits-best (start with its README.md)
  the study in one file, opens offline:       $folder/report.html
  the dashboard, whenever you like:           $again
TEXT

if [ -n "$server" ] && [ -t 0 ]; then
    read -r -p "The dashboard is still open at http://127.0.0.1:$port/ - press Enter to close it. " || true
fi
