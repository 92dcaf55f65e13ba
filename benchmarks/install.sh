#!/bin/sh
# Install the packages that only the benchmark needs: install.sh STAMP. Darkroom and its peers are installed
# into var/benchmarks, sharp into benchmarks/node_modules. A peer that cannot be installed is left out. The
# benchmark then reports it as missing, and the stamp is not written, so that the next run tries again.
set -eu

stamp=$1
folder=var/benchmarks
peers=$folder/peers/bin/python
complete=yes
mkdir -p "$folder"

missing() {
    echo "!!! Could not install $1: the benchmark will run without it." >&2
    complete=no
}

make_environment() {
    "$folder/$1/bin/python" -c "" 2>/dev/null || .venv/bin/python -m venv --clear "$folder/$1"
}

# install PYTHON LOCK: uv takes seconds; pip is the fallback, because a mirror may be configured for pip only.
install() {
    echo "Installing $2 ..."
    .venv/bin/python -m uv pip install --quiet --python "$1" --no-deps --require-hashes -r "$2" ||
        "$1" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$2"
}

# install_each PYTHON LOCK: install the packages one by one, as many as possible.
install_each() {
    single=$folder/single.txt
    sed -n 's/^\([a-z0-9].*==[^ ]*\).*/\1/p' "$2" | while read -r package; do
        awk -v package="$package" '/^[^ ]/ { inside = index($0, package " ") == 1 } inside' "$2" >"$single"
        "$1" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$single" ||
            echo "!!! Could not install $package." >&2
    done
    rm -f "$single"
}

make_environment peers
install "$peers" requirements/run.txt
install "$peers" benchmarks/requirements.txt || {
    missing "all peers together"
    install_each "$peers" benchmarks/requirements.txt
}
make_environment thumbor
install "$folder/thumbor/bin/python" benchmarks/thumbor.txt || missing thumbor
deploy/npm.sh benchmarks || missing sharp

if [ "$complete" = yes ]; then
    touch "$stamp"
fi
