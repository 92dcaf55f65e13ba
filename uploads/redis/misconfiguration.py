"""Tell a Redis that is configured wrongly, which stops the start, from one that is unavailable."""

from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from uploads.redis.address import parse
from uploads.redis.connections import pool

# Seconds to wait for the server at the start. A slower one is unavailable.
_TIME = 1.0
_SEVERAL = "leads to Redis {mode}. Use the address of a single primary, with cluster mode off."


def sentence_on(name: str, url: str) -> str:
    """Return what is wrong with the server at a setting's address, or "" if it is well or unavailable."""
    try:
        with pool(url, seconds=_TIME) as connections:
            mode = Redis(connection_pool=connections).info("server").get("redis_mode", "standalone")
    except NoPermissionError:
        return ""  # The user may not ask, but may work.
    except AuthenticationError:
        return f"{name}: the server refuses the user or the password."
    except RedisError as error:
        return _reading(name, url, str(error))
    return "" if mode == "standalone" else f"{name} {_SEVERAL.format(mode=mode.capitalize())}"


def _reading(name: str, url: str, text: str) -> str:
    """Return a sentence on an error that no later attempt would be without."""
    if "DB index" in text:
        return f"{name}: the server has no database number {parse(url).database}."
    if "cluster mode" in text:
        return f"{name} {_SEVERAL.format(mode='Cluster')}"
    # Sentinel has no databases.
    if "SELECT" in text and "unknown command" in text:
        return f"{name} {_SEVERAL.format(mode='Sentinel')}"
    # An expired certificate is not this site's fault, and the site can wait for a new one.
    if "CERTIFICATE_VERIFY_FAILED" in text and "expired" not in text:
        return (
            f"{name}: the server's certificate is not valid for this address, or its authority is unknown. "
            f"Put the authority's certificate into a file, and name it in REDIS_CA_FILE. ({text})"
        )
    return ""
