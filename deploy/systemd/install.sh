#!/usr/bin/env bash
# Install Darkroom's systemd units, its user and its folders. docs/systemd.md describes them.
set -euo pipefail
cd "$(dirname "$0")"

if ((EUID != 0)); then
    echo "Run this as root." >&2
    exit 1
fi

id darkroom >/dev/null 2>&1 ||
    useradd --system --user-group --home-dir /var/lib/darkroom --no-create-home --shell /usr/sbin/nologin darkroom
install --directory --mode 755 /opt/darkroom/releases /opt/darkroom/release
install --directory --mode 755 --owner darkroom --group darkroom /var/lib/darkroom
install --directory --mode 750 --group darkroom /etc/darkroom
# An existing file has the settings of this site.
[[ -e /etc/darkroom/environment ]] ||
    install --mode 640 --group darkroom environment.example /etc/darkroom/environment

install --mode 644 --target-directory /etc/systemd/system darkroom.target darkroom-web.socket darkroom-*.service
install -D --mode 644 --target-directory /etc/systemd/system/darkroom-.service.d darkroom-.service.d/common.conf
install --mode 755 darkroom.sh /usr/local/bin/darkroom
systemctl daemon-reload
systemctl enable darkroom.target
