#!/bin/sh
# Write the site's configuration for the container of nginx (deploy/compose.yaml), before nginx starts: the files of
# this folder, with the host $SITE_HOST, the web service, and Docker's name server.
set -eu

source=${1:-/darkroom}
target=${2:-/etc/nginx}
certificates=${3:-/etc/ssl/darkroom}

mkdir -p "$target/conf.d" "$target/snippets"
for file in darkroom.conf snippets/*.conf; do
    case $file in
    darkroom.conf) written=$target/conf.d/darkroom.conf ;;
    *) written=$target/$file ;;
    esac
    sed -e "s/photos\.example/$SITE_HOST/g" \
        -e 's/server 127\.0\.0\.1:8000\b/server web:8000/' \
        -e 's/resolver 127\.0\.0\.53\b/resolver 127.0.0.11/' \
        "$source/$file" >"$written"
done

if [ ! -e "$certificates/fullchain.pem" ]; then
    echo "There is no certificate, so one is made that no browser knows."
    openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj "/CN=$SITE_HOST" -addext "subjectAltName=DNS:$SITE_HOST" \
        -keyout "$certificates/privkey.pem" -out "$certificates/fullchain.pem" 2>/dev/null
fi
