#!/usr/bin/env bash
# Restart Darkroom's services on this machine one after the other, so that no request is lost. The web servers come
# last. If a service does not start, the services after it still run as before.
set -euo pipefail

# Return the services of darkroom.target in the order in which a new release may start: new workers understand the
# messages of an old beat and of old web servers.
services() {
    systemctl show --property Wants --value darkroom.target | tr ' ' '\n' |
        awk '{ print /-web@/ ? 3 : /-(beat|flower)/ ? 2 : 1, $0 }' | sort | cut --delimiter ' ' --fields 2
}

for service in $(services); do
    # A masked service runs on another machine, or nowhere.
    [[ $(systemctl show --property LoadState --value "$service") == loaded ]] || continue
    echo "Restarting $service"
    if ! systemctl restart "$service"; then
        echo "$service did not start: see journalctl --unit $service. The services after it run as before." >&2
        exit 1
    fi
done
