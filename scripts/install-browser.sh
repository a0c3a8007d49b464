#!/usr/bin/env bash
# Make sure the browser test has a chromium and a font to draw text with.
# Installs Debian's packages where that is possible; says in one sentence what to do where it is not.
set -euo pipefail

packages=(chromium fonts-dejavu-core)

if command -v chromium >/dev/null; then
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo -n)
fi
if ! command -v apt-get >/dev/null || { [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; }; then
    echo "The browser test needs chromium: install it so that the command 'chromium' works" \
        "(on Debian: 'apt-get install ${packages[*]}' as root), or run 'make test-fast'." >&2
    exit 1
fi

echo "Installing ${packages[*]} with apt-get for the browser test."
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
command -v chromium >/dev/null
