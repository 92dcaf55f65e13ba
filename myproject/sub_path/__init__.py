"""The sub-path: the site may be below a path of its host, such as `/photos`.

`SITE_URL` names the sub-path, and so may uvicorn's `--root-path`.
"""
