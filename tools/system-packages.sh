#!/bin/sh
# Installs the named Debian packages where that is possible: root, apt, and not there yet.
# Where it is not possible it says what is missing; the tests then say what they skipped.
set -eu
missing=""
for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "not installed (needs root and apt):$missing" >&2
    exit 0
fi
echo "installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# Installed servers stay stopped: the tests start their own, on loopback.
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d.imagebot
if [ ! -e /usr/sbin/policy-rc.d ]; then
    mv /usr/sbin/policy-rc.d.imagebot /usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
else
    rm -f /usr/sbin/policy-rc.d.imagebot
fi
# shellcheck disable=SC2086 -- a list of words is meant
apt-get install -y -qq --no-install-recommends $missing >/dev/null
