"""Storage: the only place that knows SQL and Redis.

database       engines, transactions (`begin`), single statements (`read`), migrations
work           what a store works with: a connection, the stamps that it touched, the time
tables/        one MetaData, a file per area
sql/           one store per noun, each satisfying the Protocol in the noun's file
kv_redis, kv_sqlite   the key-value contract of idp.kv
"""
