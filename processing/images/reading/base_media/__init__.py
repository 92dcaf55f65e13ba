"""Files of the ISO base media format: AVIF and HEIF, their boxes, codings and tracks."""
