"""The ways to deliver files, and the paths of the shipped nginx at which only Darkroom has it read them."""

# As `DELIVERY` names them: this process sends a file, or the proxy in front does (`X-Accel-Redirect`).
WAYS = DJANGO, ACCEL = "django", "accel"

# `deploy/nginx/snippets/darkroom-files.conf` has the same.
PROXIED = "/_darkroom"
# Seconds for which a signed URL of a bucket opens: nginx asks for it at once, but clocks differ.
SECONDS = 300
