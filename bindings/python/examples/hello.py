"""Sets a key, gets it again, and prints whatever goes wrong."""

import os
import sys

from justredis import RedisError, RedisReplyError
from justredis.blocking import Multiplexer

try:
    with Multiplexer(os.environ.get("JR_URL")) as redis:
        db = redis.database()
        print("SET:", db.commandreply("SET", "greeting", "Hello, World!").decode())
        print("GET:", db.commandreply("GET", "greeting").decode())
except (RedisError, RedisReplyError) as error:
    sys.exit(f"{type(error).__name__}: {error}")
